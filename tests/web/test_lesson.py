"""What a browser tells of a feed, over HTTP, is what ranking is learned from."""

from __future__ import annotations

import time

import numpy as np

from bowerbird.events import report
from bowerbird.feed import lesson, related
from bowerbird.feed.features import NAMES
from bowerbird.feed.served import SERVED
from tests.web.conftest import Place, picture


def logged(place: Place, pages: int) -> None:
    """Waits until the log has what was served, which pages do not."""
    soon = time.monotonic() + 20
    while sum(event.kind == SERVED for event in place.engines.events.read(0)) < pages and time.monotonic() < soon:
        time.sleep(0.05)


def test_a_feed_as_it_was_served_seen_and_used(place: Place) -> None:
    ann, ben = place.person("ann"), place.person("ben")
    for number in range(8):
        ann.upload(picture(number))
    place.work()
    made = ben.get("/feed?limit=5").json()
    following = ben.get(f"/feed?limit=5&bookmark={made['bookmark']}").json()
    cards, request = made["items"] + following["items"], made["request"]
    assert len(cards) > 6

    def sight(card: dict[str, object], kind: str = "impression") -> dict[str, object]:
        where = {"page": "home", "request": request, "position": card["position"], "source": card["source"]}
        return {"id": f"{kind}-{card['id']}", "kind": kind, "pin_id": card["id"], **where}

    told = [*(sight(card) for card in cards[:-1]), sight(cards[1], "closeup"), sight(cards[2], "closeup")]
    assert ben.post("/events", json={"events": told}).json() == {"accepted": len(told)}
    saved, hidden = cards[2], cards[6]
    via = f"home:{request}:{saved['position']}:{saved['source']}"
    assert ben.ask("PUT", f"/boards/{ben.board('Blue')}/pins/{saved['id']}?via={via}").status_code < 300
    reason = {"reason": "dislike", "via": f"home:{request}:{hidden['position']}:{hidden['source']}"}
    assert ben.post(f"/pins/{hidden['id']}/hide", json=reason).status_code == 204

    logged(place, 2)
    with report.table(place.engines, 0, lesson.KINDS, SERVED) as db:
        found = lesson.lesson(db, time.time() + 2 * lesson.SOON)
    assert found.people.tolist() == [int(ben.get("/me").json()["id"])]
    assert found.depths.tolist() == [card["position"] for card in cards[:-1]]
    worth = {1: lesson.WORTH["opened"], 2: lesson.WORTH["saved"], 6: lesson.WORTH["hidden"]}
    assert found.worth.tolist() == [worth.get(n, 0) for n in range(len(cards) - 1)]
    young = found.features[:, NAMES.index("young")]
    np.testing.assert_allclose(young, 1, atol=0.01)


def test_what_was_seen_and_saved_beside_a_pin(place: Place) -> None:
    ann, ben = place.person("ann"), place.person("ben")
    for number in range(6):
        ann.upload(picture(number))
    place.work()
    beside = ben.get("/pins/1/related").json()
    cards, request = beside["items"], beside["request"]
    place.nobody.get("/pins/1/related")
    told = [
        {"id": f"impression-{card['id']}", "kind": "impression", "pin_id": card["id"], "page": "related"}
        | {"request": request, "position": card["position"], "source": card["source"]}
        for card in cards
    ]
    assert ben.post("/events", json={"events": told}).json() == {"accepted": 5}
    saved = cards[2]
    via = f"related:{request}:{saved['position']}:{saved['source']}"
    assert ben.ask("PUT", f"/boards/{ben.board('Blue')}/pins/{saved['id']}?via={via}").status_code < 300

    logged(place, 1)
    with report.table(place.engines, 0, lesson.KINDS, SERVED) as db:
        found = lesson.lesson(db, time.time() + 2 * lesson.SOON, related.NAMES)
    assert found.people.tolist() == [int(ben.get("/me").json()["id"])]
    assert found.worth.tolist() == [0, 0, lesson.WORTH["saved"], 0, 0]
    visual = found.features[:, related.NAMES.index("visual")]
    np.testing.assert_allclose(visual, [(related.SMOOTH + 1) / (related.SMOOTH + n) for n in range(1, 6)], atol=1e-3)
    assert not np.delete(found.features, related.NAMES.index("visual"), axis=1).any()
