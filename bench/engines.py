"""The same work on the embedded engines and on the real ones, side by side.

    python -m bench.engines [--photos 300] [--views 5000] [--searches 500] [--folder .cache/bench-engines]

Each set of engines gets a whole service of its own (two web processes, two workers, one event processor), the same
photographs by upload, then page views by somebody else (wall, a pin's page, its related pins, a picture) over 8
connections, then searches by words, colour and picture. The stack is what `bowerbird stack up` starts, through its
nginx; the client shares the 2 cores with all of it. Nothing is warmed up but by the uploads before.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import shutil
import signal
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import NamedTuple

import httpx
import numpy as np
import pyvips
from rich.console import Console
from rich.table import Table

from bowerbird.fleet.server import free_port
from bowerbird.fleet.stack import Stack

PHOTOS = Path(__file__).parents[2] / "shared" / "photos"
CONNECTIONS = 8
VISITORS = 4
PATIENCE = 5.0
"""Seconds in which a picture must be developed."""
WORDS = ("bird", "garden", "photo", "shirt", "dress", "blue", "shoes", "hat")


class Site(NamedTuple):
    url: str
    owner: str
    """A token of who brings the pictures."""
    visitors: list[str]
    """And of those who look at them: to its owner a page also shows what is nearly the same."""


class Figure(NamedTuple):
    name: str
    took: list[float]
    """Seconds of each answer."""
    whole: float
    """Seconds of all of them, several at once."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=int, default=300)
    parser.add_argument("--views", type=int, default=5000)
    parser.add_argument("--searches", type=int, default=500)
    parser.add_argument("--folder", type=Path, default=Path(".cache/bench-engines"))
    parser.add_argument("--only", choices=list(SITES))
    args = parser.parse_args()
    os.environ["BOWERBIRD_LOG_LEVEL"] = "warning"
    pictures = photographs(args.photos)
    found: dict[str, list[Figure]] = {}
    for name, site in SITES.items():
        if args.only in (None, name):
            shutil.rmtree(args.folder / name, ignore_errors=True)
            with site((args.folder / name).resolve()) as running:
                found[name] = list(workload(running, pictures, args.views, args.searches))
    show(found)


def photographs(count: int) -> list[bytes]:
    """The first of ../shared/photos, or painted ones where it is absent."""
    files = sorted(PHOTOS.glob("*.jpg"))[:count]
    if len(files) == count:
        return [file.read_bytes() for file in files]
    return [
        bytes(
            pyvips.Image.new_from_array(np.random.default_rng(n).integers(0, 256, (6, 8, 3), np.uint8))
            .resize(100, kernel="cubic")
            .jpegsave_buffer(Q=85)
        )
        for n in range(count)
    ]


def workload(site: Site, pictures: list[bytes], views: int, searches: int) -> Iterator[Figure]:
    with client(site.url, site.owner) as owner:
        started = time.perf_counter()
        took = timed(len(pictures), lambda n, _: upload(owner, pictures[n]))
        yield Figure("upload accepted", took.took, took.whole)
        ready(owner, len(pictures))
        yield Figure("uploaded and developed", [], time.perf_counter() - started)
    with client(site.url, site.visitors[0]) as visitor:
        known = [pin["id"] for pin in wall(visitor)]
        yield named("page views", timed(views, lambda n, dice: view(visitor, n, dice.choice(known), dice)))
        asked = [pictures[n] for n in range(0, len(pictures), max(1, len(pictures) // 20))]
    with contextlib.ExitStack() as stack:
        # Several people, for nobody may search by so many pictures in a minute.
        visitors = [stack.enter_context(client(site.url, token)) for token in site.visitors]
        yield named("searches", timed(searches, lambda n, dice: search(dice.choice(visitors), n, asked, dice)))


def client(url: str, token: str) -> httpx.Client:
    headers, limits = {"Authorization": f"Bearer {token}"}, httpx.Limits(max_connections=CONNECTIONS)
    return httpx.Client(base_url=url, headers=headers, timeout=60, limits=limits)


def named(name: str, figure: Figure) -> Figure:
    return figure._replace(name=name)


def timed(times: int, work: Callable[[int, random.Random], object]) -> Figure:
    """`work(number, dice)` for each number, `CONNECTIONS` at once."""
    took: list[float] = []
    wrong: list[str] = []
    numbers = iter(range(times))
    lock = threading.Lock()

    def drive(seed: int) -> None:
        dice = random.Random(seed)
        while True:
            with lock:
                number = next(numbers, None)
            if number is None:
                return
            start = time.perf_counter()
            try:
                work(number, dice)
            except (RuntimeError, httpx.HTTPError) as error:
                wrong.append(str(error))
                return
            took.append(time.perf_counter() - start)

    threads = [threading.Thread(target=drive, args=(seed,)) for seed in range(CONNECTIONS)]
    started = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if wrong:
        raise RuntimeError(wrong[0])
    return Figure("", took, time.perf_counter() - started)


def upload(client: httpx.Client, data: bytes) -> None:
    answered(client.post("/api/v1/pins", files={"picture": ("a.jpg", data, "image/jpeg")}), 202)


def ready(client: httpx.Client, count: int) -> None:
    """Until every picture is on the wall."""
    deadline = time.monotonic() + PATIENCE * count
    while len(wall(client, count)) < count:
        if time.monotonic() > deadline:
            raise RuntimeError(f"{count} pictures are not developed after {PATIENCE * count:.0f} s")
        time.sleep(0.1)


def wall(client: httpx.Client, most: int = 200) -> list[dict[str, str]]:
    found: list[dict[str, str]] = []
    path = "/api/v1/pins"
    while len(found) < most:
        page = answered(client.get(path)).json()
        found += page["items"]
        if not page.get("bookmark"):
            break
        path = f"/api/v1/pins?bookmark={page['bookmark']}"
    return found


def view(client: httpx.Client, number: int, pin: str, dice: random.Random) -> None:
    match number % 4:
        case 0:
            answered(client.get("/"))
        case 1:
            answered(client.get(f"/pin/{pin}"))
        case 2:
            answered(client.get(f"/api/v1/pins/{pin}/related"))
        case _:
            address = answered(client.get(f"/api/v1/pins/{pin}")).json()["pictures"][0]["url"]
            answered(client.get(address))


def search(client: httpx.Client, number: int, pictures: list[bytes], dice: random.Random) -> None:
    match number % 3:
        case 0:
            answered(client.get("/api/v1/search", params={"q": dice.choice(WORDS)}))
        case 1:
            answered(client.get("/api/v1/search", params={"colour": f"{dice.randrange(1 << 24):06x}"}))
        case _:
            files = {"picture": ("q.jpg", dice.choice(pictures), "image/jpeg")}
            answered(client.post("/api/v1/search/picture", files=files))


def answered(answer: httpx.Response, status: int = 200) -> httpx.Response:
    if answer.status_code != status:
        raise RuntimeError(f"{answer.request.method} {answer.request.url}: {answer.status_code} {answer.text[:200]}")
    return answer


def peopled(url: str) -> Site:
    return Site(url, account(url, "owner"), [account(url, f"visitor{number}") for number in range(VISITORS)])


def account(url: str, name: str) -> str:
    """A token of a new account."""
    with httpx.Client(base_url=f"{url}/api/v1", timeout=60) as web:
        who = {"username": name, "password": "correct horse battery"}
        answered(web.post("/users", json=who), 201)
        csrf = answered(web.post("/session", json=who)).json()["csrf"]
        form = {"name": "bench", "scopes": ["read", "write"]}
        made = web.post("/tokens", json=form, headers={"X-CSRF-Token": csrf})
        return str(answered(made, 201).json()["secret"])


def until_up(url: str, patience: float = 60.0) -> None:
    deadline = time.monotonic() + patience
    while True:
        try:
            answered(httpx.get(f"{url}/healthz", timeout=2))
            return
        except (httpx.HTTPError, RuntimeError):
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)


@contextmanager
def embedded(folder: Path) -> Iterator[Site]:
    port = free_port()
    settings = {"BOWERBIRD_WEB_WORKERS": "2", "BOWERBIRD_WORKERS": "2"}
    words = ["serve", "--data", str(folder), "--port", str(port)]
    service = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-m", "bowerbird", *words],
        env=os.environ | settings,
        stderr=subprocess.DEVNULL,
    )
    try:
        url = f"http://127.0.0.1:{port}"
        until_up(url)
        yield peopled(url)
    finally:
        service.send_signal(signal.SIGINT)
        service.wait(30)


@contextmanager
def stack(folder: Path) -> Iterator[Site]:
    port = free_port()
    running = Stack(folder, port)
    try:
        running.up()
        url = f"http://127.0.0.1:{port}"
        yield peopled(url)
    finally:
        running.down()


SITES: dict[str, Callable[[Path], AbstractContextManager[Site]]] = {"embedded": embedded, "stack": stack}


def show(found: dict[str, list[Figure]]) -> None:
    table = Table(title=f"The same work, {os.cpu_count()} cores with the client", caption="× is to the first engines")
    table.add_column("")
    for name in found:
        for column in (f"{name}, a second", "p50 ms", "p99 ms", "×"):
            table.add_column(column, justify="right")
    for figures in zip(*found.values(), strict=True):
        first = figures[0]
        cells = [cell for each in figures for cell in (*_cells(each), f"{first.whole / each.whole:.2f}")]
        table.add_row(first.name, *cells)
    Console(width=150).print(table)


def _cells(figure: Figure) -> list[str]:
    if not figure.took:
        return [f"{figure.whole:.1f} s in all", "", ""]
    took = sorted(figure.took)
    p50, p99 = (1000 * each for each in (statistics.median(took), took[int(len(took) * 0.99)]))
    return [f"{len(took) / figure.whole:.1f}", f"{p50:.1f}", f"{p99:.1f}"]


if __name__ == "__main__":
    main()
