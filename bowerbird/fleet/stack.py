"""The whole service on real engines on one machine: what runs where, and how it is started, found again and stopped.

Everything lies in one folder: `stack.json` (ports, passwords and process numbers, readable by its owner only), and a
folder with data and log for each part. Nothing here lives longer than a command: parts are processes of their own.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import msgspec

from bowerbird.fleet.server import GRACE, Server, family, free_port, send
from bowerbird.fleet.servers import broker, nginx, postgres, redis, seaweedfs
from bowerbird.fleet.supervisor import command
from bowerbird.ports import Unavailable

WEBS = ("web-1", "web-2")
WORKERS = 2
BUCKET = "bowerbird"
STANDBY = "replica"

Report = Callable[[str, int, int], None]


class Life(msgspec.Struct, frozen=True):
    """One process, told from a later one with the same number by when it began."""

    pid: int
    born: str
    boot: str = ""
    """The start of the machine after which it began."""

    @property
    def alive(self) -> bool:
        return _born(self.pid) == self.born

    def bury(self) -> None:
        """End what it left behind when it died: nginx's workers outlive their master, and hold its port."""
        # While one of a group lives nobody else gets its number. After a restart of the machine anybody may have it.
        if _born(self.pid) or self.boot != _boot():
            return
        deadline = time.monotonic() + GRACE
        with contextlib.suppress(ProcessLookupError):
            while time.monotonic() < deadline:  # the port is free once they are gone, and not before
                os.killpg(self.pid, signal.SIGKILL)
                time.sleep(0.05)


class Plan(msgspec.Struct):
    """What must be the same at the next start; kept in `stack.json`."""

    ports: dict[str, int] = {}
    secrets: dict[str, str] = {}
    running: dict[str, Life] = {}


class Row(NamedTuple):
    """A line of the table of what runs where."""

    name: str
    what: str
    address: str
    pid: int
    """0 while it does not run."""
    state: str


class Part(NamedTuple):
    name: str
    what: str
    address: Callable[[], str]
    server: Callable[[], Server]


class Stack:
    """`port` is the edge's; None leaves it as it was. Parts are started in order and stopped in the opposite one."""

    def __init__(self, data: Path, port: int | None = None, host: str = "127.0.0.1", upload_mb: int = 64) -> None:
        self.data = data.resolve()
        self.folder = self.data / "stack"
        self.host, self.upload_mb = host, upload_mb
        self._kept = self.folder / "stack.json"
        self.plan = msgspec.json.decode(self._kept.read_bytes(), type=Plan) if self._kept.exists() else Plan()
        if port is not None:
            self.plan.ports["nginx"] = port
        self.parts = self._parts()

    def up(self, report: Report = lambda *_: None) -> None:
        """Start what does not run, and wait until each part answers. Raises `Unavailable`; what runs then goes on."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for done, part in enumerate(self.parts):
            report(part.name, done, len(self.parts))
            life = self.plan.running.get(part.name)
            if life is not None and life.alive:
                part.server().wait()
            else:
                self._start(part)
        report("", len(self.parts), len(self.parts))

    def _start(self, part: Part) -> None:
        if part.name in self.plan.running:
            self.plan.running[part.name].bury()
        self._free_ports(part.name)
        server = part.server()
        self._keep()
        server.start()
        assert server.process is not None
        self.plan.running[part.name] = Life(server.process.pid, _born(server.process.pid), _boot())
        self._keep()  # before it is waited for: whoever stops it must know of it
        server.wait()

    def down(self, report: Report = lambda *_: None) -> None:
        """Stop what runs, the edge first. Returns when all of it is gone."""
        for done, part in enumerate(reversed(self.parts)):
            report(part.name, done, len(self.parts))
            life = self.plan.running.get(part.name)
            if life is not None and life.alive:
                _end(life, part.server().stopping)
            elif life is not None:
                life.bury()
            # Not before it is gone: stopped on the way, the next `down` must still know of it.
            self.plan.running.pop(part.name, None)
            self._keep()
        report("", len(self.parts), len(self.parts))

    def rows(self) -> Iterator[Row]:
        """How each part does now."""
        for part in self.parts:
            life = self.plan.running.get(part.name)
            pid = life.pid if life is not None and life.alive else 0
            yield Row(part.name, part.what, part.address(), pid, self._state(part, pid))

    def _state(self, part: Part, pid: int) -> str:
        if not pid:
            return "stopped" if part.name not in self.plan.running else "died"
        try:
            part.server().answers()
        except Exception as error:  # each engine's client has its own
            return f"does not answer ({error})"
        return "runs"

    def log(self, name: str) -> Path:
        """Raises `KeyError` for a part that is not there. One that never ran has none yet."""
        folder = {part.name: self.folder / part.name for part in self.parts}[name]
        return next(iter(sorted(folder.glob("*.log"))), folder / f"{name}.log")

    def environ(self) -> dict[str, str]:
        """The settings of a process of the service on these engines."""
        writers = ",".join(f"127.0.0.1:{self._port(name)}" for name in ("postgres", STANDBY))
        password = self._secret("postgres")
        relations = f"postgresql://{postgres.USER}:{password}@{writers}/postgres"
        return {
            "BOWERBIRD_DATA": str(self.data),
            "BOWERBIRD_DATABASE": relations,
            "BOWERBIRD_DATABASE_READERS": postgres.url(self._port(STANDBY), password),
            "BOWERBIRD_BLOBS": seaweedfs.url(
                self._port("seaweedfs"), self._secret("s3 key"), self._secret("s3 secret"), BUCKET
            ),
            "BOWERBIRD_QUEUE": relations,
            "BOWERBIRD_EVENTS": broker.url(self._port("broker"), "events"),
            "BOWERBIRD_CACHE": redis.url(self._port("redis")),
            "BOWERBIRD_TRUSTED_PROXIES": "127.0.0.1",
        }

    def _parts(self) -> list[Part]:
        port, folder, own = self._port, self._folder, self._ours
        return [
            Part(
                "postgres",
                "PostgreSQL, writer",
                lambda: f"127.0.0.1:{port('postgres')}",
                lambda: postgres.primary(folder("postgres"), port("postgres"), self._secret("postgres"), [STANDBY]),
            ),
            Part(
                STANDBY,
                "PostgreSQL, reader",
                lambda: f"127.0.0.1:{port(STANDBY)}",
                lambda: postgres.replica(
                    folder(STANDBY), port(STANDBY), port("postgres"), self._secret("postgres"), STANDBY
                ),
            ),
            Part(
                "seaweedfs",
                "S3: pictures",
                lambda: f"http://127.0.0.1:{port('seaweedfs')}",
                lambda: seaweedfs.seaweedfs(
                    folder("seaweedfs"),
                    self._seaweed_ports(),
                    self._secret("s3 key"),
                    self._secret("s3 secret"),
                    BUCKET,
                ),
            ),
            Part(
                "broker",
                "events",
                lambda: f"127.0.0.1:{port('broker')}",
                lambda: broker.broker(folder("broker"), port("broker")),
            ),
            Part(
                "redis",
                "cache",
                lambda: redis.url(port("redis")),
                lambda: redis.redis(folder("redis"), port("redis")),
            ),
            *(
                Part(
                    name,
                    "pages and API",
                    lambda name=name: f"http://127.0.0.1:{port(name)}",  # type: ignore[misc]
                    lambda name=name: own(name, port(name)),  # type: ignore[misc]
                )
                for name in WEBS
            ),
            Part("fleet", f"{WORKERS} workers, 1 event processor", lambda: "", lambda: own("fleet", 0)),
            Part(
                "nginx",
                "edge, with a cache",
                lambda: f"http://{self.host}:{port('nginx')}",
                lambda: nginx.nginx(
                    folder("nginx"), port("nginx"), [port(name) for name in WEBS], self.upload_mb, self.host
                ),
            ),
        ]

    def _ours(self, name: str, port: int) -> Server:
        """A supervisor, which starts again what dies below it: one web process, or workers and the event processor."""
        words = ["stack", "fleet", *(["--web", str(port)] if port else [])]
        answers = (lambda: _asked(port)) if port else (lambda: self._manned(name))
        return Server(name, command(*words), self._folder(name), answers, env=self.environ())

    def _manned(self, name: str) -> None:
        """Raises `OSError` until the supervisor has all its processes."""
        below = len(family(self.plan.running[name].pid)) - 1
        if below < WORKERS + 1:
            raise OSError(f"it has {below} processes of {WORKERS + 1}")

    def _folder(self, name: str) -> Path:
        return self.folder / name

    def _seaweed_ports(self) -> list[int]:
        more = (f"seaweedfs {number}" for number in range(1, seaweedfs.PORTS))
        return [self._port("seaweedfs"), *(self._port(name) for name in more)]

    def _port(self, name: str) -> int:
        if name not in self.plan.ports:
            taken = set(self.plan.ports.values())
            while (free := free_port()) in taken:
                pass
            self.plan.ports[name] = free
        return self.plan.ports[name]

    def _free_ports(self, name: str) -> None:
        """Ports of a part that does not run and that somebody else has taken are given up; the edge's is asked for."""
        for known, port in list(self.plan.ports.items()):
            if known.split()[0] == name and not _free(port):
                if name == "nginx":
                    raise Unavailable(f"Port {port} is taken by another program. Choose another with --port.")
                del self.plan.ports[known]

    def _secret(self, name: str) -> str:
        return self.plan.secrets.setdefault(name, secrets.token_hex(16))

    def _keep(self) -> None:
        draft = self._kept.with_suffix(".draft")
        draft.touch(mode=0o600)
        draft.write_bytes(msgspec.json.format(msgspec.json.encode(self.plan)))
        draft.replace(self._kept)


def _boot() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def _born(pid: int) -> str:
    """When a process began, in ticks since the machine did; empty for one that is gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if fields[0] == "Z" else fields[19]


def _end(life: Life, stopping: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        send(family(life.pid), signal.SIGCONT)  # a frozen one hears nothing else
        os.kill(life.pid, stopping)
        deadline = time.monotonic() + GRACE
        while life.alive and time.monotonic() < deadline:
            time.sleep(0.05)
        if life.alive:
            send(family(life.pid), signal.SIGKILL)


def _free(port: int) -> bool:
    import socket

    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _asked(port: int) -> None:
    import urllib.request

    with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=5) as answer:
        answer.read()


def exports(environ: Mapping[str, str]) -> str:
    """Lines for a shell."""
    import shlex

    return "".join(f"export {name}={shlex.quote(value)}\n" for name, value in environ.items())
