"""What queues say alike, and how those that keep jobs as rows tell them and their deliveries."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from bowerbird.model import Delivery, Job

SILENT = "its worker never reported back: it died, or took longer than the visibility time"


def receipt(delivery: Delivery) -> tuple[int, int]:
    """Number and tries of its row. Raises `ValueError`."""
    seq, _, tries = delivery.receipt.partition(":")
    if not (seq.isdecimal() and tries.isdecimal()):
        raise ValueError(f"{delivery.receipt!r} is no receipt of this queue")
    return int(seq), int(tries)


def job_of(row: Sequence[Any]) -> Job:
    """Of id, kind and payload, and whatever follows."""
    return Job(kind=row[1], payload=msgspec.json.decode(row[2]), id=row[0])


def encoded(payload: object) -> bytes:
    """Raises `ValueError` for what is no JSON."""
    try:
        return msgspec.json.encode(payload)
    except TypeError as error:
        raise ValueError(f"a job's payload must be JSON: {error}") from error
