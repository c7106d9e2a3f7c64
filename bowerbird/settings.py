"""Every setting, and the only reader of the environment.

Each is `BOWERBIRD_<NAME>`; `BOWERBIRD_<NAME>_FILE` names a file that holds the value, for secrets.
"""

from __future__ import annotations

import difflib
import math
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, get_type_hints

TRUTH = {"1": True, "true": True, "yes": True, "on": True, "0": False, "false": False, "no": False, "off": False}


class BadSetting(ValueError):
    """A setting that cannot be used; the message says which, why, and what would do."""


def setting(default: Any, doc: str, choices: tuple[str, ...] = (), least: float | None = None) -> Any:
    """`least`: for a number, the smallest that makes sense."""
    return field(default=default, metadata={"doc": doc, "choices": choices, "least": least})


@dataclass(frozen=True)
class Settings:
    data: Path = setting(Path("bowerbird-data"), "Folder that holds everything the embedded engines keep.")
    host: str = setting("127.0.0.1", "Address the web server listens on; 0.0.0.0 for every interface.")
    port: int = setting(8080, "Port the web server listens on.", least=1)
    public_url: str = setting("", "The address people type, e.g. `https://pins.example.org`; empty: from the request.")
    web_workers: int = setting(1, "Web processes.", least=1)
    workers: int = setting(0, "The most pipeline workers; 0 means one a core.", least=0)
    secret: str = setting("", "Key that signs media addresses; empty: one is made and kept in the data folder.")
    signup: str = setting("open", "Who may sign up once the first account exists.", ("open", "closed"))
    secure_cookies: bool = setting(False, "Send cookies over HTTPS only; switch on behind TLS.")
    trusted_proxies: str = setting("", "Addresses of proxies whose X-Forwarded-For is believed, comma-separated.")
    log_format: str = setting("text", "Log lines for people or for machines.", ("text", "json"))
    log_level: str = setting("info", "The least severe log line kept.", ("debug", "info", "warning", "error"))

    database: str = setting("", "URL of the relational database; empty: SQLite in the data folder.")
    database_readers: str = setting("", "URLs of read-only replicas of the database, comma-separated.")
    blobs: str = setting("", "URL of the blob store; empty: a folder in the data folder.")
    queue: str = setting("", "URL of the job queue; empty: SQLite in the data folder.")
    metadata: str = setting("", "URL of the key-value store; empty: SQLite in the data folder.")
    cache: str = setting("", "URL of the cache; empty: this process's memory.")
    events: str = setting("", "URL of the event log; empty: SQLite in the data folder.")
    vectors: str = setting("", "URL of the vector index; empty: FAISS in the data folder.")
    encoder: str = setting(
        "efficientnet-lite2",
        "`efficientnet-lite2`, `efficientnet-lite0`, or the path of an ONNX image model with a TOML beside it.",
    )

    max_upload_mb: int = setting(64, "The largest file accepted, in MiB.", least=1)
    max_pixels: int = setting(150_000_000, "The most pixels of a picture (of all its frames, if it moves).", least=1)
    step_timeout: float = setting(60.0, "Seconds after which the work on one picture is stopped.", least=1)
    darkroom_mb: int = setting(2048, "Memory in MiB that the work on one picture may use.", least=128)
    fetch_timeout: float = setting(20.0, "Seconds that fetching a picture by URL may take.", least=1)
    fetch_private: bool = setting(False, "Let pictures be fetched from private addresses too. Unsafe on a public site.")
    login_tries: int = setting(10, "Login attempts an address or an account may make in 15 minutes.", least=1)
    uploads_per_hour: int = setting(2000, "Pictures one account may upload in an hour.", least=0)
    cache_mb: int = setting(
        64, "Memory in MiB that each process's own cache may use; 100,000 pins take about 50.", least=0
    )
    session_days: int = setting(30, "Days until a login ends.", least=1)
    events_keep_days: int = setting(30, "Days after which events leave the log; they stay in the archive.", least=0)
    events_keep_mb: int = setting(
        2048, "Size in MiB from which the event log forgets its oldest, archived events.", least=0
    )
    learn_daily: bool = setting(True, "Learn once a day how to rank feeds; what is surely better is used from then on.")
    exact_below: int = setting(20_000, "Below this many vectors search compares with every one.", least=1)


def load(environ: Mapping[str, str] | None = None, **overrides: Any) -> Settings:
    """Settings from the environment; `overrides` win. Raises `BadSetting`."""
    environ = os.environ if environ is None else environ
    values: dict[str, Any] = {}
    hints = get_type_hints(Settings)
    for f in fields(Settings):
        name = f"BOWERBIRD_{f.name.upper()}"
        text = _text(name, environ)
        if text is None or (hints[f.name] is Path and not text.strip()):  # an empty path would be the current folder
            continue
        values[f.name] = _parsed(name, text, hints[f.name], f.metadata)
    if wrong := unknown(environ):
        raise BadSetting(f"{' '.join(wrong.values())} `bowerbird settings` lists those there are.")
    return Settings(**{**values, **{k: v for k, v in overrides.items() if v is not None}})


def unknown(environ: Mapping[str, str]) -> dict[str, str]:
    """Variables that begin as settings do and are none, each with a sentence that says what may be meant."""
    known = [f.name.upper() for f in fields(Settings)]
    found = {}
    for name in environ:
        plain = name.removeprefix("BOWERBIRD_").removesuffix("_FILE")
        if not name.startswith("BOWERBIRD_") or name.startswith("BOWERBIRD_TEST_") or plain in known:
            continue
        near = difflib.get_close_matches(plain, known, 1)
        ending = "_FILE" if name.endswith("_FILE") else ""
        meant = f"; is BOWERBIRD_{near[0]}{ending} meant?" if near else "."
        found[name] = f"{name} is no setting{meant}"
    return found


def _text(name: str, environ: Mapping[str, str]) -> str | None:
    path = environ.get(f"{name}_FILE")
    if path is None:
        return environ.get(name)
    if name in environ:
        raise BadSetting(f"{name} and {name}_FILE are both set; keep one.")
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except OSError as error:
        raise BadSetting(f"{name}_FILE names {path}, which cannot be read: {error.strerror}.") from error


def _parsed(name: str, text: str, kind: type, allowed: Mapping[str, Any]) -> Any:
    choices, least = allowed["choices"], allowed["least"]
    if choices and text not in choices:
        raise BadSetting(f"{name} is {text!r}; it may be {', '.join(choices)}.")
    try:
        value = TRUTH[text.lower()] if kind is bool else kind(text)
        if least is not None and not least <= value < math.inf:  # nor is NaN
            raise ValueError
    except (KeyError, ValueError) as error:
        wanted = {bool: "true or false", int: "a whole number", float: "a number"}.get(kind, kind.__name__)
        bound = "" if least is None else f", {least} or more"
        raise BadSetting(f"{name} is {text!r}; it must be {wanted}{bound}.") from error
    return value


def secret_key(settings: Settings) -> bytes:
    """The signing key: from the setting, or made once and kept in the data folder."""
    if settings.secret:
        return settings.secret.encode()
    path = settings.data / "secret.key"
    try:
        handle = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    except FileExistsError:
        return path.read_bytes()
    with os.fdopen(handle, "wb") as file:
        file.write(secrets.token_hex(32).encode())
    return path.read_bytes()
