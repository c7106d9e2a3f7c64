from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from bowerbird.fleet.autoscale import JOBS_EACH, PATIENCE, Scale


def test_grows_at_once_and_shrinks_one_at_a_time() -> None:
    scale = Scale(least=1, most=4)
    assert scale.wanted(depth=0, running=0, now=0.0) == 1
    assert scale.wanted(depth=100, running=1, now=1.0) == 4
    assert scale.wanted(depth=0, running=4, now=2.0) == 4
    assert scale.wanted(depth=0, running=4, now=2.0 + PATIENCE) == 3
    assert scale.wanted(depth=0, running=3, now=3.0 + PATIENCE) == 3
    assert scale.wanted(depth=0, running=3, now=2.0 + 2 * PATIENCE) == 2


def test_a_pause_in_an_import_costs_no_worker() -> None:
    scale = Scale(least=1, most=4)
    scale.wanted(depth=0, running=4, now=0.0)
    assert scale.wanted(depth=100, running=4, now=PATIENCE - 1) == 4
    assert scale.wanted(depth=0, running=4, now=PATIENCE + 1) == 4


@given(depth=st.integers(0, 10**6), running=st.integers(0, 8), now=st.floats(0, 1e6))
def test_never_below_the_least_nor_above_the_most(depth: int, running: int, now: float) -> None:
    wanted = Scale(least=1, most=8).wanted(depth, running, now)
    assert 1 <= wanted <= 8
    assert wanted >= min(8, depth / JOBS_EACH)
