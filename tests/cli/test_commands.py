"""Commands through the real command line."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pyvips


def bowerbird(*words: str, stdin: str = "", **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "bowerbird", *words],
        input=stdin,
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, "COLUMNS": "200", **environ},
    )


def test_accounts_from_making_to_disabling(tmp_path: Path) -> None:
    data = ("--data", str(tmp_path / "data"))
    assert bowerbird("users", "add", "ada", "--admin", *data, stdin="correct horse battery\n").returncode == 0
    taken = bowerbird("users", "add", "Ada", *data, stdin="correct horse battery\n")
    assert taken.returncode == 2
    assert "ada" in taken.stderr.lower()
    last_admin = bowerbird("users", "disable", "ada", *data)
    assert last_admin.returncode == 2
    assert "administrator" in last_admin.stderr
    assert bowerbird("users", "add", "grace", *data, stdin="correct horse battery\n").returncode == 0
    assert bowerbird("users", "disable", "grace", *data).returncode == 0
    listed = bowerbird("users", "list", *data).stdout
    assert "ada" in listed
    assert "disabled" in listed
    assert bowerbird("users", "role", "bob", "admin", *data).returncode == 2
    short = bowerbird("users", "add", "bob", *data, stdin="12345\n")
    assert short.returncode == 2
    assert "8 to 200 characters" in short.stderr


def test_an_import_is_finished_when_it_returns_and_may_be_run_again(tmp_path: Path) -> None:
    folder = tmp_path / "pictures"
    (folder / "Trees").mkdir(parents=True)
    for number, name in enumerate(["a.jpg", "b.png", "Trees/c.jpg"]):
        noise = pyvips.Image.gaussnoise(300, 200, mean=40 * number + 60, sigma=40).cast("uchar")
        noise.bandjoin([noise.fliphor(), noise.flipver()]).copy(interpretation="srgb").write_to_file(str(folder / name))
    (folder / "notes.jpg").write_text("not a picture")
    data = ("--data", str(tmp_path / "data"))

    first = bowerbird("import", str(folder), *data)
    assert first.returncode == 0, first.stderr
    assert "password" in first.stdout
    assert "notes.jpg" in first.stdout
    again = bowerbird("import", str(folder), *data)
    assert again.returncode == 0
    report = bowerbird("doctor", *data).stdout
    assert "3 ready" in report, report


def test_doctor_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    report = bowerbird("doctor", "--data", str(tmp_path / "file" / "data"))
    assert report.returncode == 1
    assert "BOWERBIRD_DATA" in report.stdout


def test_settings_show_no_password(tmp_path: Path) -> None:
    shown = bowerbird(
        "settings",
        BOWERBIRD_CACHE="rediss://:hush@cache.example:6379/0",
        BOWERBIRD_BLOBS="s3://KEY:hush@pictures/here?region=eu",
        BOWERBIRD_VECTORS="milvus://host:19530/db?token=hush",
        BOWERBIRD_SECRET="hush",
    ).stdout
    assert "hush" not in shown
    for left in ("@cache.example:6379/0", "@pictures/here?region=eu", "milvus://host:19530/db?token="):
        assert left in shown.replace("\n", ""), shown


def test_a_taken_port_is_an_error_and_not_a_loop(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        answer = bowerbird("serve", "--data", str(tmp_path), "--port", str(taken.getsockname()[1]))
    assert answer.returncode == 2
    assert "--port" in answer.stderr


def test_a_wrong_setting_stops_the_start() -> None:
    answer = bowerbird("serve", BOWERBIRD_WEB_WORKER="4")
    assert answer.returncode == 2
    assert "BOWERBIRD_WEB_WORKER is no setting" in answer.stderr
