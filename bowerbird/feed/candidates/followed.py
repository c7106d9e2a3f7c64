"""What came onto followed boards, and what followed people pinned."""

from __future__ import annotations

from bowerbird.catalog import facts, follows
from bowerbird.feed.request import Asked, Proposal, Why

BOARDS, PEOPLE = 10, 8
"""How many of each one request looks at; drawn anew each time, so that following thousands costs no more."""
EACH = 8


def propose(asked: Asked) -> list[Proposal]:
    people = follows.people_of(asked.conn, asked.viewer)
    own = follows.boards_of(asked.conn, asked.viewer)
    some = _some(asked, people, PEOPLE)
    theirs = facts.open_boards_of(asked.conn, some)
    found = [
        _proposal(Why("board", board_id=board), pin_id, rank)
        for board in [*_some(asked, own, BOARDS), *_some(asked, theirs, BOARDS // 2)]
        for rank, pin_id in enumerate(facts.on_board(asked.conn, board, EACH))
    ]
    found += [
        _proposal(Why("person", user_id=person), pin_id, rank)
        for person in some
        for rank, pin_id in enumerate(facts.by_user(asked.conn, person, EACH))
    ]
    return found


def _proposal(why: Why, pin_id: int, rank: int) -> Proposal:
    return Proposal(why, 1.0 - rank / EACH, pin_id)


def _some(asked: Asked, ids: list[int], most: int) -> list[int]:
    return ids if len(ids) <= most else asked.dice.choice(ids, most, replace=False).tolist()
