"""What was served with which features, told to the log: ranking and fusing learn from it.

Features as they were then, for those made up later would leak what happened since. A page waits for no disk: what it
served is kept for a moment, and the thread that follows the log tells it (`web.current`); of a process that ends the
last are never told.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence

from bowerbird.feed.request import Feed
from bowerbird.model import Event

SERVED = "served"
"""The kind of the event."""


def note(
    feed: Feed,
    viewer: int,
    page: str,
    request: str,
    pins: Sequence[int],
    depths: Sequence[int],
    columns: str,
    rows: bytes,
) -> None:
    """`depths`: how many pins are above each; `rows`: float16 features of each, under the columns of that name."""
    if int(request[:8], 16) >= feed.logged * 2**32:
        return
    data = {"page": page, "request": request, "pins": list(pins), "depths": list(depths), "columns": columns}
    data["features"] = base64.b64encode(rows).decode()
    feed.untold.append(Event(SERVED, feed.clock(), viewer, data=data))


def flush(feed: Feed) -> None:
    """Tell the log; for one thread of the process. Raises `Unavailable`, and then they are lost."""
    waiting = [feed.untold.popleft() for _ in range(len(feed.untold))]
    if waiting:
        feed.engines.events.append(waiting)
