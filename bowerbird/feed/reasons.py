"""Why am I seeing this? What a source gave as ids becomes something to tell this viewer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from sqlalchemy import Connection

from bowerbird.catalog import facts
from bowerbird.catalog.faces import Face
from bowerbird.feed.request import Reason, Why

INSTEAD = {
    "saved": "look",
    "liked": "look",
    "together": "people",
    "near": "look",
    "board": "follow",
    "person": "follow",
}
"""What is said when the pin, board or person may not be named, or is gone."""

SENTENCES = {
    "saved": "Because you saved {pin}",
    "liked": "Because you liked {pin}",
    "board": "From {board}, which you follow",
    "person": "From {username}, whom you follow",
    "follow": "From what you follow",
    "together": "People save it together with {pin}",
    "near": "Not far from {pin} on people’s boards",
    "people": "Saved by people who save what you save",
    "many": "Many people save this now",
    "fresh": "New, and waiting for its first viewers",
    "words": "Because you searched for “{words}”",
    "look": "Looks like pictures you like",
    "alike": "Looks like {pin}",
    "topic": "About the same as {pin}",
    "new": "New here",
}
"""By kind. A page may make links of the parts in braces."""


class Teller:
    """Reasons for these whys, with what they name looked up once for all. `known`: pins that the viewer sees."""

    def __init__(self, conn: Connection, viewer: int | None, whys: Iterable[Why], known: Mapping[int, Face]) -> None:
        whys = list(whys)
        self._pins = known
        self._boards = facts.named_boards(conn, {why.board_id for why in whys if why.board_id}, viewer)
        self._people = facts.usernames(conn, {why.user_id for why in whys if why.user_id})

    def __call__(self, why: Why) -> Reason:
        pin, board = self._pins.get(why.pin_id), self._boards.get(why.board_id)
        name = self._people.get(why.user_id, "")
        named = {
            "saved": pin,
            "liked": pin,
            "together": pin,
            "near": pin,
            "alike": pin,
            "topic": pin,
            "board": board,
            "person": name,
        }
        if not named.get(why.kind, True):
            return Reason(INSTEAD.get(why.kind, "look"))
        return Reason(why.kind, pin, board, name, why.words)


def sentence(reason: Reason) -> str:
    """A reason in words, without links; a pin without a title is a picture."""
    return SENTENCES[reason.kind].format(
        pin=f"“{reason.pin.title}”" if reason.pin and reason.pin.title else "a picture",
        board=f"“{reason.board.name}”" if reason.board else "a board",
        username=reason.username,
        words=reason.words,
    )
