from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest

from bowerbird.settings import BadSetting, Settings, load, secret_key


def test_nothing_configured_is_enough() -> None:
    assert load({}).port == 8080


def test_environment_and_overrides() -> None:
    settings = load({"BOWERBIRD_PORT": "9000", "BOWERBIRD_SECURE_COOKIES": "Yes"}, data=Path("x"), host=None)
    assert (settings.port, settings.secure_cookies, settings.data, settings.host) == (
        9000,
        True,
        Path("x"),
        "127.0.0.1",
    )


def test_a_secret_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("s3cret\n")
    assert load({"BOWERBIRD_SECRET_FILE": str(tmp_path / "key")}).secret == "s3cret"


@pytest.mark.parametrize(
    ("environ", "says"),
    [
        ({"BOWERBIRD_PORT": "http"}, "BOWERBIRD_PORT is 'http'; it must be a whole number"),
        ({"BOWERBIRD_SECURE_COOKIES": "maybe"}, "true or false"),
        ({"BOWERBIRD_SIGNUP": "never"}, "it may be open, closed"),
        ({"BOWERBIRD_PROT": "80"}, "BOWERBIRD_PROT is no setting; is BOWERBIRD_PORT meant. `bowerbird settings` lists"),
        ({"BOWERBIRD_SECERT_FILE": "key"}, "BOWERBIRD_SECERT_FILE is no setting; is BOWERBIRD_SECRET_FILE meant"),
        ({"BOWERBIRD_XYZZY": "80"}, "BOWERBIRD_XYZZY is no setting. `bowerbird settings` lists"),
        ({"BOWERBIRD_PORT_FILES": "80"}, "BOWERBIRD_PORT_FILES is no setting"),
        ({"BOWERBIRD_PORT": "0"}, "BOWERBIRD_PORT is '0'; it must be a whole number, 1 or more"),
        ({"BOWERBIRD_WORKERS": "-1"}, "BOWERBIRD_WORKERS is '-1'; it must be a whole number, 0 or more"),
        ({"BOWERBIRD_WEB_WORKERS": "0"}, "BOWERBIRD_WEB_WORKERS is '0'; it must be a whole number, 1 or more"),
        ({"BOWERBIRD_MAX_UPLOAD_MB": "-5"}, "BOWERBIRD_MAX_UPLOAD_MB is '-5'; it must be a whole number, 1 or more"),
        ({"BOWERBIRD_STEP_TIMEOUT": "nan"}, "BOWERBIRD_STEP_TIMEOUT is 'nan'; it must be a number, 1 or more"),
        ({"BOWERBIRD_STEP_TIMEOUT": "0"}, "BOWERBIRD_STEP_TIMEOUT is '0'; it must be a number, 1 or more"),
        ({"BOWERBIRD_FETCH_TIMEOUT": "inf"}, "BOWERBIRD_FETCH_TIMEOUT is 'inf'; it must be a number, 1 or more"),
        ({"BOWERBIRD_SECRET_FILE": "/nowhere/key"}, "cannot be read"),
        ({"BOWERBIRD_SECRET": "a", "BOWERBIRD_SECRET_FILE": "b"}, "both set"),
    ],
)
def test_a_wrong_setting_is_named(environ: dict[str, str], says: str) -> None:
    with pytest.raises(BadSetting, match=says):
        load(environ)


def test_every_number_has_a_least_and_starts_within_it() -> None:
    numbers = [f for f in fields(Settings) if type(f.default) in (int, float)]
    assert all(f.metadata["least"] <= f.default for f in numbers)
    least = {f"BOWERBIRD_{f.name.upper()}": str(f.metadata["least"]) for f in numbers}
    assert load(least).workers == 0


def test_an_empty_path_is_unset(tmp_path: Path) -> None:
    assert load({"BOWERBIRD_DATA": ""}).data == load({}).data
    (tmp_path / "empty").write_text("\n")
    assert load({"BOWERBIRD_DATA_FILE": str(tmp_path / "empty")}).data == load({}).data


def test_the_signing_key_is_made_once_and_private(tmp_path: Path) -> None:
    settings = load({}, data=tmp_path)
    assert secret_key(settings) == secret_key(settings)
    assert (tmp_path / "secret.key").stat().st_mode & 0o077 == 0
