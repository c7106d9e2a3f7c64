"""Faults that are real: processes killed with -9, disks that are full."""

from __future__ import annotations

import multiprocessing
import resource
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

_SPAWN = multiprocessing.get_context("spawn")

Tell = Callable[[Any], None]
"""Called by the work of a child process with whatever its engine has acknowledged."""


def killed(work: Callable[..., None], *args: object, after: int) -> list[Any]:
    """Run the endless `work(tell, *args)` in a process, kill it with -9 once it has told `after`
    things, and return all that it told."""
    reader, writer = _SPAWN.Pipe(duplex=False)
    child = _SPAWN.Process(target=_child, args=(writer, work, args))
    child.start()
    writer.close()
    told: list[Any] = []
    try:
        while len(told) < after:
            told.append(reader.recv())
        child.kill()
        while True:
            told.append(reader.recv())
    except EOFError:
        assert len(told) >= after, "the child died by itself"
    finally:
        child.kill()
        child.join()
    return told


def together(work: Callable[..., None], each: Sequence[tuple[Any, ...]]) -> list[list[Any]]:
    """Run `work(tell, *args)` at the same time in one process for each of the arguments, and return
    what each of them told."""
    pipes = [_SPAWN.Pipe(duplex=False) for _ in each]
    children = [
        _SPAWN.Process(target=_child, args=(pipe[1], work, args)) for pipe, args in zip(pipes, each, strict=True)
    ]
    for child, (_, writer) in zip(children, pipes, strict=True):
        child.start()
        writer.close()
    told = [list(_until_end(reader)) for reader, _ in pipes]
    for child in children:
        child.join()
        assert child.exitcode == 0
    return told


def _child(writer: Connection, work: Callable[..., None], args: tuple[Any, ...]) -> None:
    work(writer.send, *args)
    writer.close()


def _until_end(reader: Connection) -> Iterator[Any]:
    try:
        while True:
            yield reader.recv()
    except EOFError:
        return


class SmallDisk:
    """A folder that holds about 1 MB: `grow` gives it more room."""

    def __init__(self, path: Path, grow: Callable[[], None]) -> None:
        self.path = path
        self.grow = grow


@contextmanager
def small_mount(path: Path) -> Iterator[SmallDisk | None]:
    """A file system of 1 MB in memory; None where this user may not mount one."""
    path.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(path)]
    if subprocess.run(mount, capture_output=True).returncode:
        yield None
        return
    try:
        yield SmallDisk(path, lambda: subprocess.run(["mount", "-o", "remount,size=32m", str(path)], check=True))
    finally:
        subprocess.run(["umount", "--lazy", str(path)], check=True)


@contextmanager
def small_files(path: Path) -> Iterator[SmallDisk]:
    """No file may grow past 1 MB. The whole process is limited while this lasts."""
    path.mkdir()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, hard))
    try:
        yield SmallDisk(path, lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard)))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
