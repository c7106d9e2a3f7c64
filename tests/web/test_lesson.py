"""What a browser tells of a feed, over HTTP, is what ranking is learned from."""

from __future__ import annotations

import time

import numpy as np

from bowerbird.events import report
from bowerbird.feed import lesson
from bowerbird.feed.features import NAMES
from bowerbird.feed.page import SERVED
from tests.web.conftest import Place, picture


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

    with report.table(place.engines, 0, lesson.KINDS, SERVED) as db:
        found = lesson.lesson(db, time.time() + 2 * lesson.SOON)
    assert found.people.tolist() == [int(ben.get("/me").json()["id"])]
    assert found.depths.tolist() == [card["position"] for card in cards[:-1]]
    worth = {1: lesson.WORTH["opened"], 2: lesson.WORTH["saved"], 6: lesson.WORTH["hidden"]}
    assert found.worth.tolist() == [worth.get(n, 0) for n in range(len(cards) - 1)]
    young = found.features[:, NAMES.index("young")]
    np.testing.assert_allclose(young, 1, atol=0.01)
