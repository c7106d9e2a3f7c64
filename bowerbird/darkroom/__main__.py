"""`python -m bowerbird.darkroom FD`: the child's door."""

from __future__ import annotations

import sys

from bowerbird.darkroom.process import serve

serve(int(sys.argv[1]))
