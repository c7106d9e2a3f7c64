"""Where foreign bytes are developed into pictures, behind a process boundary."""

from __future__ import annotations


class Spoiled(Exception):
    """This picture cannot be used. `step` names where on the route, `reason` is a sentence for its owner."""

    def __init__(self, step: str, reason: str) -> None:
        super().__init__(step, reason)
        self.step = step
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.step}: {self.reason}"
