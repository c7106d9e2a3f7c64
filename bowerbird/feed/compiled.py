"""The loops of walks and of blending, compiled by numba: imported when first used, for to load the compiler costs
memory that a process without a graph need not have.

What was compiled is kept beside this file until this file changes. So it stands at the top of a module, as numba finds
nothing again that was made inside a function from another compiled one, and takes as arguments what is set elsewhere.
"""
# mypy: disable-error-code="no-untyped-def, no-untyped-call, misc, import-untyped"

from __future__ import annotations

import numpy as np
from numba import njit

from bowerbird.feed.graph import WIDTH
from bowerbird.feed.topics import NONE

LANES = 64
"""Walkers that step together: none waits for another's memory, so their cache misses overlap."""
SUMS = {"reassoc", "contract"}
"""What a sum may do with its order, to take many at once."""


@njit(inline="always")
def _draw(dice, place, more, pick):
    """For each walker a neighbour: its place among those of the base, `-2 - place` among the newer ones, or -1
    where there is none (its last edge went while we looked)."""
    for i in range(LANES):
        x = dice[i]
        x ^= x >> np.uint64(12)
        x ^= x << np.uint64(25)
        x ^= x >> np.uint64(27)
        dice[i] = x
        drawn = (x * np.uint64(0x2545F4914F6CDD1D)) >> np.uint64(32)
        base = place[i] & (WIDTH - 1)
        both = base + (more[i] & (WIDTH - 1))
        chosen = np.int64((drawn * np.uint64(both)) >> np.uint64(32))
        newer = -2 - ((more[i] >> 24) + chosen - base)
        pick[i] = (place[i] >> 24) + chosen if chosen < base else (newer if chosen < both else -1)


@njit(inline="always")
def _keep_to(topic, bias, dice, place, topics, who, low, high, left, pick):
    """For a share `bias` of the walkers a neighbour of that topic instead, where there is one: neighbours are in the
    order of their topics, so two binary searches tell where those of one begin and end. All walkers search together,
    as they draw."""
    count = 0
    most = np.int64(0)
    for i in range(LANES):
        degree = place[i] & (WIDTH - 1)
        who[count] = i
        count += ((dice[i] >> np.uint64(32)) < bias) & (degree > 0)
    for c in range(count):
        at = place[who[c]]
        low[c] = high[c] = at >> 24
        left[c] = at & (WIDTH - 1)
        most = max(most, left[c])
    while most > 1:
        most -= most >> 1
        for c in range(count):
            half = left[c] >> 1
            probe = max(half - 1, 0)
            low[c] += half * (topics[low[c] + probe] < topic)
            high[c] += half * (topics[high[c] + probe] <= topic)
            left[c] -= half
    for c in range(count):
        first = low[c] + (topics[low[c]] < topic)
        found = high[c] + (topics[high[c]] <= topic) - first
        drawn = (dice[who[c]] * np.uint64(0x9E3779B97F4A7C15)) >> np.uint64(32)
        if found > 0:
            pick[who[c]] = first + np.int64((drawn * np.uint64(found)) >> np.uint64(32))


@njit(nogil=True, cache=True)
def steps(nodes, allotted, seed, restart, many, often, bias, about, rows, visits, sums, met, scores):
    """How many pins were met, the first so many of `met`, with their `scores`; see `walk.walk`."""
    p_place, p_to, b_place, b_to, np_place, np_to, nb_place, nb_to = rows
    newer = len(np_to) > 0
    at = np.empty(LANES, np.int32)
    through = np.empty(LANES, np.int32)
    place = np.empty(LANES, np.int64)
    more = np.zeros(LANES, np.int64)
    pick = np.empty(LANES, np.int64)
    topics, edge_topics = about
    who = np.empty(LANES + 1, np.int64)  # one more: the next place is written before it is known to be needed
    low = np.empty(LANES, np.int64)
    high = np.empty(LANES, np.int64)
    left = np.empty(LANES, np.int64)
    dice = np.empty(LANES, np.uint64)
    own = np.empty(len(met), np.int32) if len(nodes) > 1 else met
    all_met = 0
    for q in range(len(nodes)):
        home = np.int32(nodes[q])
        topic = topics[home] if home < len(topics) else np.uint8(NONE)
        keeps = bias > 0 and topic != NONE
        for i in range(LANES):
            z = seed + np.uint64(q * LANES + i + 1) * np.uint64(0x9E3779B97F4A7C15)
            z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
            z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
            dice[i] = (z ^ (z >> np.uint64(31))) | np.uint64(1)
            at[i] = home
        found = 0
        full = 0
        for _ in range((allotted[q] + LANES - 1) // LANES):
            for i in range(LANES):
                place[i] = p_place[at[i]]
            if newer:
                for i in range(LANES):
                    more[i] = np_place[at[i]]
            _draw(dice, place, more, pick)
            for i in range(LANES):
                through[i] = p_to[pick[i]] if pick[i] >= 0 else -1
            if newer:
                for i in range(LANES):
                    if pick[i] <= -2:
                        through[i] = np_to[-2 - pick[i]]
            for i in range(LANES):
                place[i] = b_place[through[i]] if through[i] >= 0 else 0
            if newer:
                for i in range(LANES):
                    more[i] = nb_place[through[i]] if through[i] >= 0 else 0
            _draw(dice, place, more, pick)
            if keeps:
                _keep_to(topic, bias, dice, place, edge_topics, who, low, high, left, pick)
            for i in range(LANES):
                at[i] = b_to[pick[i]] if pick[i] >= 0 else home
            if newer:
                for i in range(LANES):
                    if pick[i] <= -2:
                        at[i] = nb_to[-2 - pick[i]]
            # Without a branch where a coin is tossed: half of them would be guessed wrong.
            for i in range(LANES):
                p = at[i]
                seen = visits[p]
                own[found] = p
                found += seen == 0
                visits[p] = seen + 1
                full += (seen + 1 == often) & (p != home)
            for i in range(LANES):
                again = (dice[i] & np.uint64(0xFFFFFFFF)) < restart
                at[i] = home if again else at[i]
            if full >= many:
                break
        for j in range(found):
            p = own[j]
            if len(nodes) == 1:
                sums[p] = visits[p]
            else:
                if sums[p] == 0:
                    met[all_met] = p
                    all_met += 1
                sums[p] += np.sqrt(np.float32(visits[p]))
            visits[p] = 0
        if len(nodes) == 1:
            all_met = found
    for j in range(all_met):
        p = met[j]
        scores[j] = sums[p] if len(nodes) == 1 else sums[p] * sums[p]
        sums[p] = 0
    return all_met


@njit(inline="always", fastmath=SUMS)
def _dot(one, other):
    total = np.float32(0)
    for j in range(len(one)):
        total += one[j] * other[j]
    return total


@njit(nogil=True, cache=True, fastmath=SUMS)
def diversify(scores, left, dues, of, placed, window, gamma, due):
    """Fills `placed`, and changes `left`; see `blend.diversify`."""
    count, numbers = left.shape
    free = np.ones(count, np.bool_)
    squares = np.zeros(count, np.float32)
    for i in range(count):
        squares[i] = _dot(left[i], left[i])
    # By place modulo the window: what was spanned there, and the share of it that each row lost.
    spanned = np.zeros((window, numbers), np.float32)
    shares = np.zeros((window, count), np.float32)
    had = np.zeros(len(dues), np.float32)  # the last is for no interest, which is owed nothing
    for number in range(len(placed)):
        best, most = -1, np.float32(-np.inf)
        for i in range(count):
            owed = dues[of[i]] - had[of[i]] / np.float32(number + 1)
            worth = scores[i] + gamma * np.sqrt(max(squares[i], np.float32(0))) + due * owed
            if free[i] and (best < 0 or worth > most):
                best, most = i, worth
        placed[number] = best
        free[best] = False
        if of[best] >= 0:
            had[of[best]] += 1
        own, share = spanned[number % window], shares[number % window]
        if number >= window:
            length = _dot(own, own)
            for i in range(count):
                squares[i] += share[i] * (2 * _dot(left[i], own) + share[i] * length)
                for j in range(numbers):
                    left[i, j] += share[i] * own[j]
        for j in range(numbers):
            own[j] = left[best, j]
        length = _dot(own, own)
        for i in range(count):
            share[i] = _dot(left[i], own) / length if length > 1e-6 else 0
            squares[i] -= share[i] * share[i] * length
            for j in range(numbers):
                left[i, j] -= share[i] * own[j]
