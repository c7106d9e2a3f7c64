"""What came onto followed boards, and what followed people pinned."""

from __future__ import annotations

from bowerbird.catalog import facts, follows
from bowerbird.feed.request import Asked, Proposal, Why

BOARDS, PEOPLE = 10, 8
"""How many of each one request looks at; drawn anew each time, so that following thousands costs no more."""


def propose(asked: Asked) -> list[Proposal]:
    people = _some(asked, follows.people_of(asked.conn, asked.viewer), PEOPLE)
    # Of a board that comes through its owner it is not said that it is followed.
    own = _some(asked, follows.boards_of(asked.conn, asked.viewer), BOARDS)
    theirs = _some(asked, facts.open_boards_of(asked.conn, people), BOARDS // 2)
    boards, lately = [*dict.fromkeys([*own, *theirs])], asked.feed.lately
    on_board = zip(boards, lately.on_boards(asked.conn, boards), strict=True)
    by_user = zip(people, lately.by_users(asked.conn, people), strict=True)
    return [
        Proposal(why, 1.0 - rank / len(pin_ids), pin_id)
        for why, pin_ids in [
            *((Why("board", board_id=board) if board in own else Why("follow"), ids) for board, ids in on_board),
            *((Why("person", user_id=person), pin_ids) for person, pin_ids in by_user),
        ]
        for rank, pin_id in enumerate(pin_ids)
        if pin_id
    ]


def _some(asked: Asked, ids: list[int], most: int) -> list[int]:
    return ids if len(ids) <= most else asked.dice.choice(ids, most, replace=False).tolist()
