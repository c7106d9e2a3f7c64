from __future__ import annotations

import pytest

from bowerbird.darkroom import Spoiled
from bowerbird.darkroom.formats import NAMES, sniff
from tests.darkroom import pictures


def test_every_format_is_told_by_its_bytes() -> None:
    told = {name: sniff(data) for name, data in pictures.of_every_kind().items()}
    assert told == {name: name.split()[0] for name in told}
    assert set(told.values()) == set(NAMES)


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (b'<svg xmlns="http://www.w3.org/2000/svg"/>', "an SVG drawing"),
        (b'\xef\xbb\xbf<?xml version="1.0"?>\n<!-- hi --><svg/>', "an SVG drawing"),
        (b"<!DOCTYPE html><html><img src=x onerror=alert(1)>", "a web page"),
        (b"%PDF-1.7\n", "a PDF document"),
        (b"PK\x03\x04rest", "a ZIP archive"),
        (b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom", "a video"),
        (b"BMW is no bitmap, whatever it starts with", "no picture"),
        (b"GIF", "no picture"),
        (b"RIFF\0\0\0\0WAVEfmt ", "no picture"),
        (b"hello", "no picture"),
        (b"\0" * 100, "no picture"),
    ],
)
def test_anything_else_is_refused_by_name(data: bytes, what: str) -> None:
    with pytest.raises(Spoiled) as caught:
        sniff(data)
    assert caught.value.step == "sniff"
    assert what in caught.value.reason
    assert "JPEG" in caught.value.reason  # and says what would do
