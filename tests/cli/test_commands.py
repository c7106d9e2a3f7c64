"""Commands through the real command line."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import pyvips

from tests.darkroom.pictures import jpeg, noisy
from tests.journeys.processes import free_port


def bowerbird(*words: str, stdin: str = "", **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "bowerbird", *words],
        input=stdin,
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, "COLUMNS": "200", **environ},
    )


@contextmanager
def started(*words: str, **environ: str) -> Iterator[subprocess.Popen[str]]:
    """A command that runs on; what it says can be read."""
    process = subprocess.Popen(
        [sys.executable, "-m", "bowerbird", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "COLUMNS": "200", **environ},
    )
    late = threading.Timer(90, process.kill)
    late.start()
    try:
        yield process
    finally:
        process.terminate()
        process.communicate()
        late.cancel()


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
    assert first.returncode == 1, first.stderr
    assert "password" in first.stdout
    assert "  notes.jpg: This is no picture" in first.stdout
    (folder / "notes.jpg").unlink()
    again = bowerbird("import", str(folder), *data)
    assert again.returncode == 0, again.stdout
    report = bowerbird("doctor", *data).stdout
    assert "3 ready" in report, report


def test_an_import_names_what_the_pipeline_could_not_use(tmp_path: Path) -> None:
    folder = tmp_path / "pictures"
    (folder / "Trees").mkdir(parents=True)
    (folder / "good.jpg").write_bytes(jpeg(noisy(300, 200, 1)))
    (folder / "Trees" / "cut [off].jpg").write_bytes(jpeg(noisy(300, 200, 2))[:9000])
    data = ("--data", str(tmp_path / "data"))
    for new in (2, 0):
        done = bowerbird("import", str(folder), *data)
        assert done.returncode == 1, done.stderr
        assert f"{new} new pictures, {2 - new} already there.\n1 of these could not be developed:\n" in done.stdout
        assert re.search(r"^  Trees/cut \[off\]\.jpg: decode: \w.*\.$", done.stdout, re.MULTILINE), done.stdout
        assert "good.jpg" not in done.stdout


@pytest.mark.parametrize("command", ["serve", "demo"])
def test_an_address_is_told_when_somebody_answers_there(tmp_path: Path, command: str) -> None:
    with started(command, "--data", str(tmp_path), "--port", str(free_port())) as service:
        told = next(line for line in service.stderr or () if "Bowerbird is at" in line)
        with urllib.request.urlopen(re.findall(r"http://[a-z]+:\d+", told)[0] + "/healthz", timeout=30) as answer:
            assert answer.status == 200


def test_the_demo_names_the_photographs_it_did_not_take(tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    (folder / "good.jpg").write_bytes(jpeg(noisy(300, 200, 1)))
    (folder / "cut.jpg").write_bytes(jpeg(noisy(300, 200, 2))[:9000])
    (folder / "large.jpg").write_bytes(jpeg(noisy(300, 200, 3)) + bytes(2**20))
    words = ("--photos", str(folder), "--data", str(tmp_path / "data"), "--port", str(free_port()))
    with started("demo", *words, BOWERBIRD_MAX_UPLOAD_MB="1") as demo:
        assert any("Log in as" in line for line in demo.stderr or ())
        demo.terminate()
        told = demo.communicate()[0]
    assert "2 new pictures, 0 already there, 1 not taken:\n  large.jpg: It has more than 1 MB.\n" in told
    assert "  cut.jpg: decode: " in told


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


def test_settings_are_shown_though_one_is_misspelt() -> None:
    shown = bowerbird("settings", BOWERBIRD_WEB_WORKER="4")
    assert shown.returncode == 0, shown.stderr
    assert "BOWERBIRD_WEB_WORKERS" in shown.stdout
    assert shown.stderr == "BOWERBIRD_WEB_WORKER is no setting; is BOWERBIRD_WEB_WORKERS meant?\n"


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
    assert "BOWERBIRD_WEB_WORKER is no setting; is BOWERBIRD_WEB_WORKERS meant? `bowerbird settings`" in answer.stderr
