"""The pages: HTML from templates, of use without scripts."""

from __future__ import annotations

from typing import Any

from bowerbird.web.choosing import HIDING
from bowerbird.web.pages import account, admin, boards, choosing, colours, home, people, pin, search, upload

ROUTES = [
    *home.ROUTES,
    *search.ROUTES,
    *pin.ROUTES,
    *choosing.ROUTES,
    *boards.ROUTES,
    *people.ROUTES,
    *upload.ROUTES,
    *account.ROUTES,
    *admin.ROUTES,
]

GLOBALS: dict[str, Any] = {
    "COLOURS": colours.COLOURS,
    "FORMS": colours.FORMS,
    "SCATTER": colours.SCATTER,
    "HIDING": HIDING,
    "tone_of": colours.tone_of,
}
"""What every template may use."""
