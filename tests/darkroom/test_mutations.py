"""Damaged files of every kind: each gives a picture or a reason, and the darkroom goes on."""

from __future__ import annotations

import random
import time

from bowerbird.darkroom.process import Darkroom, Spoiled
from bowerbird.ingest.pipeline import STEPS, develop
from tests.darkroom import pictures, works

EACH = 80
"""Mutations of each file; over a thousand in all."""


def mutations(data: bytes, others: list[bytes], seed: int) -> list[bytes]:
    rng = random.Random(seed)
    made = []
    for n in range(EACH):
        copy = bytearray(data)
        at = rng.randrange(len(copy))
        match n % 8:
            case 0:  # cut off
                del copy[max(at, 1) :]
            case 1:  # a few flipped bits anywhere
                for _ in range(rng.randrange(1, 12)):
                    copy[rng.randrange(len(copy))] ^= 1 << rng.randrange(8)
            case 2:  # flipped bits in the header
                for _ in range(rng.randrange(1, 4)):
                    copy[rng.randrange(min(len(copy), 64))] ^= 1 << rng.randrange(8)
            case 3:  # a hole of zeros or ones
                size = rng.randrange(1, 64)
                copy[at : at + size] = rng.choice([b"\0", b"\xff"]) * len(copy[at : at + size])
            case 4:  # a number blown up
                at = min(at, len(copy) - 4)
                copy[at : at + 4] = rng.choice([b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\0\0\0\0", b"\0\0\xff\xff"])
            case 5:  # one file's beginning, another one's end
                other = rng.choice(others)
                copy[at:] = other[rng.randrange(len(other)) :]
            case 6:  # bytes lost or doubled in the middle
                copy[at:at] = copy[at : at + rng.randrange(1, 40)] if rng.random() < 0.5 else b""
                del copy[at : at + rng.randrange(0, 40)]
            case 7:  # mislabelled: the magic of one, the body of another
                other = rng.choice(others)
                copy[:12] = other[:12]
        made.append(bytes(copy))
    return made


def test_a_thousand_damaged_files_cost_nothing_but_themselves() -> None:
    files = pictures.of_every_kind()
    came_out, spoiled, slow, pids = 0, 0, 0.0, set()
    with Darkroom(works.Mosaic, memory_mb=2048, timeout=10) as room:
        for seed, (name, data) in enumerate(files.items()):
            room.run(develop, data, 10**7)  # the whole one is good
            for mutant in mutations(data, list(files.values()), seed):
                start = time.monotonic()
                try:
                    room.run(develop, mutant, 10**7)
                    came_out += 1
                except Spoiled as error:
                    spoiled += 1
                    assert error.step in STEPS, (name, error)
                    assert error.reason[0].isupper(), (name, error)
                    assert error.reason.endswith("."), (name, error)
                    assert "\n" not in error.reason
                slow = max(slow, time.monotonic() - start)
                pids.add(room.pid)
        good = room.run(develop, files["jpeg"], 10**7)
        assert good.files.keys() == {"236x"}
    assert came_out + spoiled == EACH * len(files) >= 1000
    assert came_out > 50  # or the mutations would be too blunt to reach a decoder's depths
    assert spoiled > 400
    assert slow < 12
    assert len(pids) < 40, f"the child died {len(pids)} times"
