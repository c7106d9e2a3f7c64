"""A site in which pictures, tastes and crowds are what the test says they are, on the real embedded engines."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec
import pytest

from bowerbird.catalog import boards, users
from bowerbird.feed import page
from bowerbird.feed.request import Feed, Page
from bowerbird.model import Action, Board, Counts, Interest, Pin, Shown, Taste, Trend
from bowerbird.search.duplicates import fold
from tests.search.conftest import Gallery

NOW = 1_800_000_000.0


class Site(Gallery):
    """`ada` owns what is added; `bob` looks at it."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.feed = Feed(self.engines, fold, clock=lambda: NOW, budget=60.0)

    def user(self, name: str) -> int:
        with self.engines.database.write() as conn:
            return users.create(conn, name, "hash").id

    def board(self, owner: int, name: str = "Things", secret: bool = False, pins: Sequence[Pin] = ()) -> Board:
        with self.engines.database.write() as conn:
            board = boards.create(conn, owner, name, secret=secret)
            for pin in pins:
                boards.save(conn, board.id, pin.id, owner)
        return board

    def put(self, key: str, document: msgspec.Struct) -> None:
        self.engines.metadata.put(key, msgspec.json.encode(document))

    def taste(self, user: int, liked: Sequence[Pin] = (), kind: str = "save", **more: object) -> None:
        """A taste for these pins, each an interest of its own."""
        actions = tuple(Action(kind, pin.id, pin.image.id, NOW - n) for n, pin in enumerate(liked))
        interests = tuple(Interest(pin.image.id, 1 / len(liked), (pin.id,)) for pin in liked)
        known: dict[str, object] = {"actions": actions, "interests": interests, **more}
        self.put(f"taste:{user}", Taste(**known))  # type: ignore[arg-type]

    def hide(self, user: int, pin: Pin, reason: str = "dislike") -> None:
        self.taste(user, hidden=(Action("hide", pin.id, pin.image.id, NOW, reason=reason),))

    def shown(self, user: int, times: int, pins: Sequence[Pin]) -> None:
        self.put(f"shown:{user}", Shown(pins={pin.id: (times, NOW) for pin in pins}))

    def trend(self, pins: Sequence[Pin]) -> None:
        self.put("trend:", Trend(at=NOW, pins=tuple((pin.id, float(len(pins) - n)) for n, pin in enumerate(pins))))

    def counts(self, pin: Pin, **counts: int) -> None:
        self.put(f"counts:{pin.id}", Counts(**counts))

    def home(self, viewer: int | None = None, bookmark: str | None = None, limit: int = 25) -> Page:
        with self.engines.database.read() as conn:
            return page.home(self.feed, conn, viewer or self.bob, bookmark, limit)

    def scroll(self, viewer: int | None = None, limit: int = 25, most: int = 200) -> list[Page]:
        """Every page until the feed ends."""
        pages = [self.home(viewer, limit=limit)]
        while pages[-1].bookmark is not None and len(pages) < most:
            pages.append(self.home(viewer, pages[-1].bookmark, limit))
        return pages


def ids(*pages: Page) -> list[int]:
    return [placed.pin.id for each in pages for placed in each.placed]


def sources(each: Page) -> Counter[str]:
    return Counter(placed.source for placed in each.placed)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    site = Site(tmp_path / "data")
    yield site
    site.engines.close()
