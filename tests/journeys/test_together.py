"""What people put together belongs together, however little it looks alike."""

from __future__ import annotations

import time

from tests.journeys.conftest import Open
from tests.journeys.gallery import HUES, Gallery

RED, ODD = 1, 1 + len(HUES) // 2
"""Two pins of the gallery that have nothing in common."""


def test_related_pins_of_a_pair_that_is_saved_together_are_of_both_kinds(service: Gallery, visit: Open) -> None:
    service.sign_up("keeper")
    for name in ("Kitchen", "Hall", "Study"):
        board = service.board(name, "keeper")["id"]
        for pin in (RED, ODD):
            service.people["keeper"].put(f"/api/v1/boards/{board}/pins/{pin}").raise_for_status()
    page, until = visit(f"/pin/{RED}", "keeper"), time.monotonic() + 60
    other = page.locator(f".wall .card[data-pin='{ODD}'][data-source*=walk]")
    while not other.count():
        assert time.monotonic() < until, "nobody says that they are saved together"
        page.wait_for_timeout(500)
        page.reload()
        page.wait_for_selector(".wall.laid")
    kinds: list[str] = page.locator(".wall .card").evaluate_all("all => all.map(one => one.dataset.source)")
    assert any("visual" in kind for kind in kinds)
    assert "together" in (other.get_attribute("data-why") or "")
