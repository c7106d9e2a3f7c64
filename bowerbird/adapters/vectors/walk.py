"""The walk over a graph of short codes, compiled by numba; imported only where there is a graph.

Greedy best-first search with a list of bounded length (Malkov and Yashunin 2018, algorithm 2), started
from the nearest doors instead of a hierarchy. It waits on memory more than it computes: the codes of
all unseen neighbours are asked for before the first is scored.
"""
# mypy: disable-error-code="no-untyped-def, no-untyped-call, misc, import-untyped"

from __future__ import annotations

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic

LINE = 64
"""Bytes a cache line."""
DOORS = 4
"""Entrances a walk starts from."""


def _array(kind, dimensions):
    # Read-only takes both kinds: without fixed types, each mix of them would be compiled anew.
    return types.Array(kind, dimensions, "C", readonly=True)


CODE, CODES = _array(types.int16, 1), _array(types.int8, 2)
ROW, ROWS = _array(types.float32, 1), _array(types.float32, 2)
NODES, LINKS = _array(types.int64, 1), _array(types.int32, 2)


@intrinsic
def _prefetch(_context, array, index):
    """Ask for the cache line of element `index` of a flat array."""

    def emit(context, builder, signature, arguments):
        flat = context.make_array(signature.args[0])(context, builder, arguments[0])
        place = builder.bitcast(builder.gep(flat.data, [arguments[1]]), ir.IntType(8).as_pointer())
        number = ir.IntType(32)
        kind = ir.FunctionType(ir.VoidType(), [ir.IntType(8).as_pointer(), number, number, number])
        function = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")
        # For reading, into every level of cache, as data.
        builder.call(function, [place, number(0), number(3), number(1)])
        return context.get_dummy_value()

    return types.void(array, index), emit


@njit(inline="always")
def _product(query, code):
    # Each step back in 32 bits: numba would widen to 64, and the compiler then finds no vector form.
    total = np.int32(0)
    for j in range(query.shape[0]):
        total = np.int32(total + np.int32(np.int32(query[j]) * np.int32(code[j])))
    return total


@njit(inline="always")
def _insert(keys, filled, key):
    """Into falling `keys`, dropping the last when full; (place, filled), place -1 when too low."""
    if filled == len(keys):
        if key <= keys[filled - 1]:
            return -1, filled
        filled -= 1
    low, high = 0, filled
    while low < high:
        middle = (low + high) >> 1
        if keys[middle] > key:
            low = middle + 1
        else:
            high = middle
    for i in range(filled, low, -1):
        keys[i] = keys[i - 1]
    keys[low] = key
    return low, filled + 1


@njit(inline="always")
def _first_sight(seen, node):
    """Whether `node` was not in the open-addressed set `seen` (power of two long, -1 for free)."""
    mask = len(seen) - 1
    slot = (np.int64(node) * 2654435761) & mask
    while seen[slot] >= 0:
        if seen[slot] == node:
            return False
        slot = (slot + 1) & mask
    seen[slot] = node
    return True


@njit((CODE, CODES, LINKS, NODES, CODES, types.int64), nogil=True, cache=True)
def walk(code, codes, links, doors, door_codes, effort):
    """The best `effort` nodes for a query.

    `code` (axes,) int16, `codes` (n, axes) int8, `links` (n, degree) int32 ended by -1, `doors` (m,)
    int64 nodes and their `door_codes` (m, axes) int8. Returns nodes, int64, best first.
    """
    axes, degree = codes.shape[1], links.shape[1]
    flat_codes, flat_links = codes.reshape(-1), links.reshape(-1)
    size = 1024
    while size < 2 * effort * degree:
        size *= 2
    seen = np.full(size, -1, np.int32)
    visited, most = 0, size - size // 8
    # A key is a score above, then the node, then one bit: not yet expanded.
    keys = np.empty(effort, np.int64)
    filled = 0
    best = np.empty(DOORS, np.int64)
    opened = 0
    for i in range(len(doors)):
        key = (np.int64(_product(code, door_codes[i])) << 32) | i
        _, opened = _insert(best, opened, key)
    for i in range(opened):
        node = doors[best[i] & 0xFFFFFFFF]
        if _first_sight(seen, node):
            _, filled = _insert(keys, filled, (best[i] >> 32 << 32) | (node << 1) | 1)
    fresh = np.empty(degree, np.int64)
    at = 0
    while at < filled:
        if not keys[at] & 1:
            at += 1
            continue
        keys[at] &= ~np.int64(1)
        start = ((keys[at] & 0xFFFFFFFF) >> 1) * degree
        count = 0
        for i in range(start, start + degree):
            node = flat_links[i]
            if node < 0 or visited == most:
                break
            if _first_sight(seen, node):
                visited += 1
                fresh[count] = node
                count += 1
                for j in range(0, axes, LINE):
                    _prefetch(flat_codes, node * axes + j)
        first = at + 1
        for i in range(count):
            key = (np.int64(_product(code, codes[fresh[i]])) << 32) | (fresh[i] << 1) | 1
            place, filled = _insert(keys, filled, key)
            if 0 <= place < first:
                first = place
        at = first
        if at < filled:
            start = ((keys[at] & 0xFFFFFFFF) >> 1) * degree
            for j in range(0, degree, LINE // 4):
                _prefetch(flat_links, start + j)
    for i in range(filled):
        keys[i] = (keys[i] & 0xFFFFFFFF) >> 1
    return keys[:filled]


@njit((CODE, CODES, types.int64), nogil=True, cache=True)
def scan(code, codes, effort):
    """As `walk`, but over every row of `codes` (n, axes): for rows that no link leads to yet."""
    keys = np.empty(effort, np.int64)
    filled = 0
    for i in range(len(codes)):
        _, filled = _insert(keys, filled, (np.int64(_product(code, codes[i])) << 32) | i)
    return keys[:filled] & 0xFFFFFFFF


@njit((ROW, NODES, ROWS, NODES, types.int64), nogil=True, cache=True, fastmath=True)
def rank(query, nodes, rows, ids, k):
    """Inner products of `query` (dim,) with the living among `nodes`: (nodes, scores), the best k.

    `rows` (n, dim) float32; `ids` (n,), 0 for the dead.
    """
    dim = rows.shape[1]
    flat = rows.reshape(-1)
    for node in nodes:
        for j in range(0, dim, LINE // 4):
            _prefetch(flat, node * dim + j)
    best = np.empty(k, np.int64)
    scores = np.empty(k, np.float32)
    filled = 0
    for node in nodes:
        if ids[node] == 0:
            continue
        row = rows[node]
        score = np.float32(0)
        for j in range(dim):
            score += query[j] * row[j]
        if filled == k and score <= scores[k - 1]:
            continue
        place = min(filled, k - 1)
        filled = place + 1
        while place > 0 and scores[place - 1] < score:
            scores[place] = scores[place - 1]
            best[place] = best[place - 1]
            place -= 1
        scores[place] = score
        best[place] = node
    return best[:filled], scores[:filled]
