"""Pictures a second: the whole pipeline, against Pillow and sharp doing only the renditions.

`python -m bench.pipeline [--count 400] [--photos DIR] [--rounds 3] [--large 16]`

Two processes each, in turn, in one run; medians of the rounds. Renditions are WebP, quality 80, at the widths
236, 474, 736 and 1200 as far as the original goes. The whole pipeline also makes the placeholder, palette,
hashes and embedding, stores everything durably, indexes it, and marks the picture ready.
Ratios are to sharp at effort 4, its default.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from PIL import Image, ImageOps
from rich.console import Console
from rich.table import Table

from bowerbird import wiring
from bowerbird.catalog import images, users
from bowerbird.darkroom.process import Darkroom
from bowerbird.ingest import upload
from bowerbird.ingest.steps.render import EFFORT, QUALITY
from bowerbird.ingest.worker import Worker
from bowerbird.model import WIDTHS, Look, State
from bowerbird.ports import Engines
from bowerbird.settings import Settings

PHOTOS = Path(__file__).parents[2] / "shared" / "photos"
PROCESSES = 2


@dataclass
class Runner:
    name: str
    run: Callable[[list[Path]], tuple[float, int]]
    """Seconds and bytes of all renditions."""
    rates: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    """Milliseconds a picture."""
    bytes: int = 0


def cpu_seconds() -> float:
    """Of this process and all below it: what a busy machine does not blur."""
    parents, used = {}, {}
    for entry in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            fields = entry.read_text().rpartition(")")[2].split()
            pid = int(entry.parent.name)
            parents[pid], used[pid] = int(fields[1]), int(fields[11]) + int(fields[12])
    ours, found = {os.getpid()}, 0
    while len(ours) > found:
        found = len(ours)
        ours |= {pid for pid, parent in parents.items() if parent in ours}
    return sum(used.get(pid, 0) for pid in ours) / os.sysconf("SC_CLK_TCK")


def halves(files: list[Path]) -> list[list[Path]]:
    return [files[n::PROCESSES] for n in range(PROCESSES)]


def by_pillow(files: list[Path]) -> int:
    """The cascade, with the JPEG decoder's own scaling; bytes."""
    total = 0
    for file in files:
        with Image.open(file) as opened:
            opened.draft("RGB", (WIDTHS[-1], WIDTHS[-1]))
            image: Image.Image = ImageOps.exif_transpose(opened).convert("RGB")
        whole = image.width
        for width in reversed([w for at, w in enumerate(WIDTHS) if at == 0 or WIDTHS[at - 1] < whole]):
            if width < image.width:
                size = width, round(image.height * width / image.width)
                image = image.resize(size, Image.Resampling.LANCZOS, reducing_gap=2)
            out = io.BytesIO()
            image.save(out, "WEBP", quality=QUALITY, method=4)
            total += out.tell()
    return total


@contextmanager
def pillow() -> Iterator[Runner]:
    with ProcessPoolExecutor(PROCESSES) as pool:
        list(pool.map(by_pillow, [[]] * PROCESSES))

        def run(files: list[Path]) -> tuple[float, int]:
            start = time.perf_counter()
            total = sum(pool.map(by_pillow, halves(files)))
            return time.perf_counter() - start, total

        yield Runner("Pillow, renditions only, effort 4", run)


@contextmanager
def sharp(effort: int = 4) -> Iterator[Runner]:
    home = Path(tempfile.gettempdir()) / "bowerbird-bench-sharp"
    home.mkdir(exist_ok=True)
    if not (home / "node_modules" / "sharp").exists():
        install = ["npm", "install", "--silent", "--no-audit", "--no-fund", "--prefix", str(home), "sharp"]
        subprocess.run(install, check=True, timeout=180)
    script = Path(__file__).with_name("sharp.mjs")
    command = ["node", str(script), str(home), str(effort)]
    nodes = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(PROCESSES)
    ]

    def ask(node: subprocess.Popen[str], files: list[Path]) -> int:
        assert node.stdin is not None and node.stdout is not None
        node.stdin.write(json.dumps([str(file) for file in files]) + "\n")
        node.stdin.flush()
        return int(json.loads(node.stdout.readline())["bytes"])

    def run(files: list[Path]) -> tuple[float, int]:
        start = time.perf_counter()
        with ThreadPoolExecutor(PROCESSES) as pool:
            total = sum(pool.map(ask, nodes, halves(files)))
        return time.perf_counter() - start, total

    version = json.loads((home / "node_modules" / "sharp" / "package.json").read_text())["version"]
    try:
        yield Runner(f"sharp {version}, renditions only, effort {effort}", run)
    finally:
        for node in nodes:
            node.kill()
            node.wait()


class Blind:
    """No encoder, for the renditions alone."""

    dim, size, version = 1, 1, "blind"

    def encode(self, pixels: Any) -> Any:
        raise NotImplementedError


def only_renditions(encoder: Any, data: bytes, effort: int) -> int:
    """In the darkroom's child."""
    from bowerbird.ingest.plate import Plate
    from bowerbird.ingest.steps import decode, render, sniff

    render.EFFORT = effort
    plate = Plate(data, encoder, 150_000_000)
    for step in (sniff.sniff, decode.decode, render.render):
        step(plate)
    return sum(map(len, plate.files.values()))


@contextmanager
def renditions(effort: int) -> Iterator[Runner]:
    rooms = [Darkroom(Blind) for _ in range(PROCESSES)]

    def one(room: Darkroom, files: list[Path]) -> int:
        return sum(room.run(only_renditions, file.read_bytes(), effort) for file in files)

    def run(files: list[Path]) -> tuple[float, int]:
        start = time.perf_counter()
        with ThreadPoolExecutor(PROCESSES) as pool:
            total = sum(pool.map(one, rooms, halves(files)))
        return time.perf_counter() - start, total

    try:
        yield Runner(f"Bowerbird, renditions only, effort {effort}", run)
    finally:
        for room in rooms:
            room.close()


@contextmanager
def whole() -> Iterator[Runner]:
    """Real engines in a fresh data folder, real worker processes."""
    with tempfile.TemporaryDirectory(prefix="bowerbird-bench-") as folder:
        engines = wiring.connect(Settings(data=Path(folder)))
        with engines.database.write() as conn:
            owner = users.create(conn, "bench", "x").id
        command = [sys.executable, "-m", "bench.pipeline", "--work-in", folder]
        workers = [subprocess.Popen(command, stdin=subprocess.PIPE) for _ in range(PROCESSES)]

        def run(files: list[Path]) -> tuple[float, int]:
            sent = [upload.accept(engines, owner, file.read_bytes()).pin.image.id for file in files]
            _wait(engines)
            with engines.database.write() as conn:
                for image_id in sent:
                    images.reset(conn, image_id)
            start = time.perf_counter()
            engines.queue.send([upload.job(image_id) for image_id in sent])
            _wait(engines)
            return time.perf_counter() - start, _bytes(engines, sent)

        try:
            yield Runner(f"Bowerbird, everything, effort {EFFORT}", run)
        finally:
            for worker in workers:
                worker.communicate()
            engines.close()


def _wait(engines: Engines) -> None:
    while True:
        with engines.database.read() as conn:
            counts = images.counts(conn)
        if not counts[State.PENDING]:
            assert not counts[State.FAILED]
            return
        time.sleep(0.02)


def _bytes(engines: Engines, image_ids: list[int]) -> int:
    with engines.database.read() as conn:
        media = [image.media for image in images.by_ids(conn, image_ids).values()]
    looks = engines.metadata.get_many([f"look:{name}" for name in media]).values()
    return sum(each.bytes for look in looks for each in msgspec.json.decode(look, type=Look).renditions)


def work_in(folder: Path) -> None:
    """One worker process; ends when its standard input does."""
    settings = Settings(data=folder)
    engines, stop = wiring.connect(settings), threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), stop.set()), daemon=True).start()
    with wiring.darkroom(settings) as room:
        Worker(engines, room).run(stop)
    engines.close()


def photographs(folder: Path, count: int) -> list[Path]:
    found = sorted(path for path in folder.rglob("*") if path.suffix.lower() in (".jpg", ".jpeg"))
    return found[:count]


def painted(folder: Path, count: int, size: tuple[int, int], sources: list[Path]) -> list[Path]:
    """Photographs of `size`, made from others by enlarging them and adding a sensor's noise; or from noise alone."""
    made = []
    for n in range(count):
        rng = np.random.default_rng(n)
        if sources:
            image = ImageOps.fit(Image.open(sources[n % len(sources)]).convert("RGB"), size, Image.Resampling.BICUBIC)
        else:
            cells = rng.integers(0, 256, (size[1] // 16, size[0] // 16, 3), dtype=np.uint8)
            image = Image.fromarray(cells).resize(size, Image.Resampling.BICUBIC)
        grain = rng.integers(-6, 7, (size[1], size[0], 1), dtype=np.int16)
        pixels = np.clip(np.asarray(image, np.int16) + grain, 0, 255).astype(np.uint8)
        made.append(folder / f"{size[0]}-{n}.jpg")
        Image.fromarray(pixels).save(made[-1], quality=90)
    return made


def measure(title: str, files: list[Path], rounds: int, runners: list[Runner], console: Console) -> None:
    for runner in runners:
        runner.rates.clear()
        runner.cpu.clear()
        runner.run(files[: 4 * PROCESSES])  # warm: processes, models, page cache
    for _ in range(rounds):
        for runner in runners:
            before = cpu_seconds()
            seconds, runner.bytes = runner.run(files)
            runner.rates.append(len(files) / seconds)
            runner.cpu.append((cpu_seconds() - before) / len(files) * 1000)
    peer = next((r for r in runners if r.name.startswith("sharp")), runners[0])
    table = Table("", "pictures/s", "× sharp", "CPU ms each", "× sharp", "KB each", title=title)
    for runner in runners:
        rate, base = statistics.median(runner.rates), statistics.median(peer.rates)
        cpu, least = statistics.median(runner.cpu), statistics.median(peer.cpu)
        size = runner.bytes / len(files) / 1024
        table.add_row(
            runner.name, f"{rate:.1f}", f"{rate / base:.2f}", f"{cpu:.1f}", f"{cpu / least:.2f}", f"{size:.1f}"
        )
    console.print(table)


def main() -> None:
    args = argparse.ArgumentParser(description=__doc__)
    args.add_argument("--count", type=int, default=400)
    args.add_argument("--large", type=int, default=16, help="12-megapixel photographs; 0 leaves them out")
    args.add_argument("--rounds", type=int, default=3)
    args.add_argument("--photos", type=Path, default=PHOTOS)
    args.add_argument("--work-in", type=Path, help=argparse.SUPPRESS)
    given = args.parse_args()
    if given.work_in:
        return work_in(given.work_in)
    console = Console(width=100)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bowerbird-photos-")))
        small = photographs(given.photos, given.count) or painted(folder, given.count, (400, 533), [])
        large = painted(folder, given.large, (4000, 3000), small[: given.large])
        runners = [stack.enter_context(pillow())]
        if shutil.which("npm"):
            runners += [stack.enter_context(sharp(effort)) for effort in (4, EFFORT)]
        else:
            console.print("sharp is left out: npm is not installed")
        runners += [stack.enter_context(renditions(effort)) for effort in (4, EFFORT)]
        runners.append(stack.enter_context(whole()))
        measure(f"{len(small)} web photographs", small, given.rounds, runners, console)
        if large:
            measure(f"{len(large)} photographs of 12 megapixels", large, given.rounds, runners, console)
    return None


if __name__ == "__main__":
    from bench import pipeline  # under its own name, by which the darkroom's child can import it

    pipeline.main()
