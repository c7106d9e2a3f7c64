"""What the live picture is drawn from, and where things were done."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bowerbird.web import acts, plots


@given(st.integers(0, 10**6), st.integers(1, 10**6))
def test_a_rate_lies_within_its_interval_and_that_within_0_and_1(count: int, more: int) -> None:
    found = plots.rate("x", count, count + more)
    assert 0 <= found.low <= found.rate + 1e-12
    assert found.rate <= found.high + 1e-12 <= 1 + 1e-9


def test_a_rate_of_nothing_may_be_anything() -> None:
    found = plots.rate("x", 0, 0)
    assert (found.low, found.high) == (0.0, 1.0)


@given(st.floats(0, 1e12))
def test_a_scale_ends_at_a_round_number_not_far_above(value: float) -> None:
    top = plots.nice(value)
    assert top >= value * (1 - 1e-9)
    assert top <= max(1.0, 2.5 * value * (1 + 1e-9))


@given(st.lists(st.floats(0, 1e9), min_size=2, max_size=50))
def test_a_line_stays_within_its_box(values: list[float]) -> None:
    spark = plots.spark([float(n) for n in range(len(values))], values, 50.0, 50.0, "Things")
    assert spark is not None
    places = [tuple(map(float, pair.split())) for pair in spark.line[1:].split("L")]
    assert all(0 <= x <= plots.WIDTH and 0 <= y <= plots.HEIGHT for x, y in places)


@pytest.mark.parametrize(("value", "text"), [(0, "0"), (12.34, "12.3"), (1000, "1k"), (1234, "1.2k"), (5e6, "5M")])
def test_numbers_are_short(value: float, text: str) -> None:
    assert plots.short(value) == text


@given(st.text(max_size=90))
def test_where_something_was_done_is_read_only_from_what_a_page_writes(via: str) -> None:
    assert set(acts.where(via)) <= {"page", "request", "position", "source"}


def test_where_something_was_done() -> None:
    assert acts.where("home:ab12:7:visual+walk") == {
        "page": "home",
        "request": "ab12",
        "position": 7,
        "source": "visual+walk",
    }
    assert acts.where("pin::0:") == {"page": "pin", "position": 0}
    assert acts.where("home:<script>:1:x") == {}
