from __future__ import annotations

from pathlib import Path

import pytest

from bowerbird.settings import BadSetting, load, secret_key


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
        ({"BOWERBIRD_PROT": "80"}, "BOWERBIRD_PROT is no setting"),
        ({"BOWERBIRD_SECRET_FILE": "/nowhere/key"}, "cannot be read"),
        ({"BOWERBIRD_SECRET": "a", "BOWERBIRD_SECRET_FILE": "b"}, "both set"),
    ],
)
def test_a_wrong_setting_is_named(environ: dict[str, str], says: str) -> None:
    with pytest.raises(BadSetting, match=says):
        load(environ)


def test_the_signing_key_is_made_once_and_private(tmp_path: Path) -> None:
    settings = load({}, data=tmp_path)
    assert secret_key(settings) == secret_key(settings)
    assert (tmp_path / "secret.key").stat().st_mode & 0o077 == 0
