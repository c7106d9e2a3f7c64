"""However slow an engine is, a process takes only so many requests upon itself."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from bowerbird.web.balance import Balance
from bowerbird.web.edge import MOST, Edge


class Unread:
    """A database without replicas."""

    def position(self) -> str:
        return ""

    def catch_up(self, position: str) -> None:
        assert position == ""


class Slow:
    """An application that begins its answer when it is told; streams go on after that."""

    def __init__(self) -> None:
        self.begin = asyncio.Event()
        self.end = asyncio.Event()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["path"] != "/healthz":
            await self.begin.wait()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"ok", "more_body": True})
        if scope["path"] != "/healthz":
            await self.end.wait()
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def ask(edge: Edge, path: str) -> tuple[int, dict[bytes, bytes]]:
    """Status and headers, when they come; the rest of the answer goes on by itself."""
    begun: asyncio.Future[tuple[int, dict[bytes, bytes]]] = asyncio.get_running_loop().create_future()

    async def send(message: Any) -> None:
        if message["type"] == "http.response.start":
            begun.set_result((message["status"], dict(message["headers"])))

    scope: Any = {"type": "http", "http_version": "1.1", "method": "GET", "path": path, "headers": []}
    task = asyncio.create_task(edge(scope, None, send))  # type: ignore[arg-type]
    try:
        return await begun
    finally:
        task.add_done_callback(lambda done: done.exception())


def test_more_than_it_can_take_are_told_to_come_again(tmp_path: Path) -> None:
    # In a thread of its own: a browser that is open in this process holds the loop of this one.
    with ThreadPoolExecutor(1) as hand:
        hand.submit(asyncio.run, _more(tmp_path)).result()


async def _more(folder: Path) -> None:
    app = Slow()
    balance = Balance(folder / "web", processes=1)
    edge = Edge(app, lambda *_: None, Unread(), False, balance)  # type: ignore[arg-type]
    waiting = [asyncio.create_task(ask(edge, "/")) for _ in range(MOST)]
    await asyncio.sleep(0)
    status, headers = await asyncio.wait_for(ask(edge, "/"), 1)
    assert status == 503
    assert headers[b"retry-after"]
    assert headers[b"content-security-policy"]
    assert (await asyncio.wait_for(ask(edge, "/healthz"), 1))[0] == 200
    app.begin.set()
    assert {(await each)[0] for each in waiting} == {200}
    # They stream now, and wait for nothing.
    assert (await asyncio.wait_for(ask(edge, "/"), 1))[0] == 200
    app.end.set()
    await asyncio.sleep(0)
