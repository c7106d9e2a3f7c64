"""What numba compiled is found again by the next process: seconds at its first page otherwise."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

FIRST_PAGE = """
import numpy as np
from bowerbird.feed import blend, compiled
from bowerbird.feed.graph import SaveGraph
from bowerbird.feed.walk import walk

graph = SaveGraph.empty()
graph.add_all([(1, 1), (2, 1), (3, 1)])
assert walk(graph, {1: 1.0}, 5)
looks = np.eye(8, dtype=np.float32)
traits = blend.traits(looks, np.ones(8, np.int64), np.zeros(8, np.int64))
assert len(blend.diversify(np.ones(8, np.float32), traits, 8)) == 8
found = [sum(each.stats.cache_hits.values()) for each in (compiled.steps, compiled.diversify)]
print(*found)
"""


def found_again(folder: Path) -> str:
    env = {**os.environ, "NUMBA_CACHE_DIR": str(folder)}
    return subprocess.run(
        [sys.executable, "-c", FIRST_PAGE], env=env, check=True, capture_output=True, text=True
    ).stdout


def test_nothing_is_compiled_twice(tmp_path: Path) -> None:
    assert found_again(tmp_path) == "0 0\n"
    assert found_again(tmp_path) == "1 1\n"
