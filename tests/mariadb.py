"""MariaDB, from Debian's packages: a primary, and a replica that follows it by GTID."""

from __future__ import annotations

import atexit
import functools
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import pymysql

from bowerbird.fleet.server import Server, as_account, owned
from bowerbird.ports import Unavailable

ACCOUNT = "mysql"
USER, ADMIN, PASSWORD = "bowerbird", "admin", "a pass/word"
LOG_SIZE = "--innodb-log-file-size=16M"
RIGHTS = (
    "SELECT, INSERT, UPDATE, DELETE, CREATE, DROP, ALTER, INDEX, REFERENCES, CREATE TEMPORARY TABLES, EVENT, TRIGGER"
)


def mariadb(folder: Path, port: int, number: int = 1) -> Server:
    """Made in `folder` unless it is there; `number` is its server id. One that is not the first takes no writes."""
    program = _program("mariadbd")
    owned(folder, ACCOUNT)
    data = folder / "data"
    if not data.exists():
        subprocess.run(["cp", "-a", str(_empty()), str(data)], check=True)
    first = folder / "first.sql"
    first.write_text(  # a statement a line
        f"""SET sql_log_bin = 0;
CREATE OR REPLACE USER {ADMIN}@'%' IDENTIFIED BY '{PASSWORD}';
GRANT ALL ON *.* TO {ADMIN}@'%' WITH GRANT OPTION;
CREATE OR REPLACE USER {USER}@'%' IDENTIFIED BY '{PASSWORD}';
GRANT {RIGHTS} ON *.* TO {USER}@'%';
"""
    )
    first.chmod(0o644)
    words = [
        program,
        "--no-defaults",
        f"--datadir={data}",
        f"--socket={folder / 's'}",
        f"--pid-file={folder / 'pid'}",
        f"--port={port}",
        "--bind-address=127.0.0.1",
        "--skip-name-resolve",
        f"--init-file={first}",
        f"--server-id={number}",
        "--log-bin=log",
        "--log-slave-updates",
        "--gtid-strict-mode=ON",
        "--sync-binlog=1",
        "--innodb-buffer-pool-size=64M",
        LOG_SIZE,
        f"--read-only={int(number > 1)}",
        "--slave-net-timeout=5",
    ]
    return Server(f"mariadb-{number}", words, folder, lambda: admin(port).close(), account=ACCOUNT)


@functools.cache
def _empty() -> Path:
    """Empty data, to be copied: making them takes seconds."""
    folder = owned(Path(tempfile.mkdtemp(prefix="bowerbird-mariadb-")), ACCOUNT)
    atexit.register(shutil.rmtree, folder)
    made = [_program("mariadb-install-db"), "--no-defaults", f"--datadir={folder / 'data'}", LOG_SIZE]
    words = ["--auth-root-authentication-method=normal", "--skip-test-db"]
    done = subprocess.run([*made, *words], cwd=folder, capture_output=True, text=True, **as_account(ACCOUNT))
    if done.returncode:
        raise Unavailable(f"mariadb-install-db failed: {done.stdout}{done.stderr}")
    return folder / "data"


def _program(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        raise Unavailable("mariadb is not installed: `apt install mariadb-server`")
    return found


def follow(port: int, of: int) -> None:
    """From the beginning of its log; from then on a commit there waits until it is here as well."""
    _do(
        port,
        "SET GLOBAL rpl_semi_sync_slave_enabled = ON",
        f"CHANGE MASTER TO master_host='127.0.0.1', master_port={of}, master_user='{ADMIN}', "
        f"master_password='{PASSWORD}', master_use_gtid=slave_pos, master_connect_retry=1",
        "START SLAVE",
    )
    _do(of, "SET GLOBAL rpl_semi_sync_master_timeout = 3000", "SET GLOBAL rpl_semi_sync_master_enabled = ON")


def pause(port: int) -> None:
    """What comes is kept, and not applied."""
    _do(port, "STOP SLAVE SQL_THREAD")


def resume(port: int) -> None:
    _do(port, "START SLAVE SQL_THREAD")


def promote(port: int) -> None:
    """Once it has applied all that it has received."""
    with admin(port) as raw, raw.cursor(pymysql.cursors.DictCursor) as cursor:
        cursor.execute("STOP SLAVE IO_THREAD")
        while True:
            cursor.execute("SHOW SLAVE STATUS")
            status: Any = cursor.fetchone()
            if status["Exec_Master_Log_Pos"] == status["Read_Master_Log_Pos"]:
                break
    _do(port, "STOP SLAVE", "RESET SLAVE ALL", "SET GLOBAL read_only = 0")


def admin(port: int) -> Any:
    return pymysql.connect(
        host="127.0.0.1", port=port, user=ADMIN, password=PASSWORD, autocommit=True, connect_timeout=2
    )


def _do(port: int, *statements: str) -> None:
    with admin(port) as raw, raw.cursor() as cursor:
        for each in statements:
            cursor.execute(each)
