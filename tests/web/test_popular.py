"""What many like, overall and by tag; and how much one person may say they like."""

from __future__ import annotations

import msgspec
import pytest

from bowerbird.model import Look, Tag, Trend
from bowerbird.web import limits
from tests.web.conftest import Person, Place, picture


@pytest.fixture
def ann(place: Place) -> Person:
    """With three pictures: a cup, a cup with a plate, and one that nobody likes."""
    ann = place.person("ann")
    for seed, tags in enumerate((["cup"], ["cup", "plate"], [])):
        pin = ann.upload(picture(seed)).json()["id"]
        place.work()
        media = ann.get(f"/pins/{pin}").json()["pictures"][0]["url"].rpartition("/")[2].partition(".")[0]
        look = msgspec.json.decode(place.engines.metadata.get(f"look:{media}") or b"", type=Look)
        look = msgspec.structs.replace(look, tags=tuple(Tag(name, 0.9) for name in tags))
        place.engines.metadata.put(f"look:{media}", msgspec.json.encode(look))
    for name, pins in (("", [1, 2]), ("cup", [2, 1]), ("plate", [2])):
        trend = Trend(pins=tuple((pin, 9.0 - n) for n, pin in enumerate(pins)))
        place.engines.metadata.put(f"trend:{name}", msgspec.json.encode(trend))
    return ann


def test_popular_is_told_by_tag_as_well(place: Place, ann: Person) -> None:
    def wall(**query: str) -> list[str]:
        return [card["id"] for card in ann.get("/popular", params=query).json()["items"]]

    assert wall() == ["1", "2"]
    assert wall(tag="cup") == ["2", "1"]
    assert wall(tag="plate") == ["2"]
    assert wall(tag="no such tag") == []
    assert ann.get("/popular", params={"tag": "x" * 81}).status_code == 422
    assert ann.get("/popular", params={"tag": "a\0b"}).status_code == 422
    page = place.nobody.get("//", params={"what": "popular"}).text
    assert 'href="/?what=popular&amp;tag=plate"' in page
    of_plates = place.nobody.get("//", params={"what": "popular", "tag": "plate"})
    assert 'data-pin="2"' in of_plates.text
    assert 'data-pin="1"' not in of_plates.text
    nothing = place.nobody.get("//", params={"what": "popular", "tag": "<b>ü"}).text
    assert "&lt;b&gt;ü" in nothing
    assert "<b>ü" not in nothing


def test_who_floods_is_dammed(place: Place, ann: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "ACTS_PER_MINUTE", 5)
    board = ann.board("Cups")
    answers = [ann.ask("PUT", f"/boards/{board}/pins/1").status_code for _ in range(3)]
    answers += [ann.post("/pins/2/hide", json={"reason": "dislike"}).status_code for _ in range(2)]
    assert answers == [204] * 5
    refused = ann.post("/me/choices", json={"pins": ["1", "2", "3"]})
    assert refused.status_code == 429
    assert refused.headers["retry-after"]
    assert ann.get("/feed").status_code == 200, "who only looks is not counted"
