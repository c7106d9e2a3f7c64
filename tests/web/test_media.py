"""Renditions and originals: who may fetch them, and how they are served."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest

from bowerbird.model import media_key
from bowerbird.web.media import PERIOD, Signer
from tests.web.conftest import Place, bare, picture, url_of


def test_the_original_is_its_owners(place: Place) -> None:
    admin, ann, ben = place.person("admin"), place.person("ann"), place.person("ben")
    ann.upload(picture(1))
    place.work()
    for person in (ann, admin):
        answer = person.get("/pins/1/original")
        assert answer.content == picture(1)
        assert answer.headers["content-disposition"].startswith("attachment")
        assert answer.headers["content-type"] == "application/octet-stream"
    assert ben.get("/pins/1/original").status_code == 403
    assert place.nobody.get("/pins/1/original").status_code == 401


def test_secret_media_never_leak(place: Place) -> None:
    ann, ben = place.person("ann"), place.person("ben")
    hidden = ann.board("Hidden", secret=True)
    ann.upload(picture(1), board_id=hidden)
    place.work()
    signed = url_of(ann, "1")
    address = bare(signed)
    private = ann.get(f"/{signed}")
    assert private.status_code == 200
    assert private.headers["cache-control"].startswith("private")
    for person in (ann, ben, place.nobody):
        assert person.get(f"/{address}").status_code == 404
    query = urlsplit(signed).query
    assert ann.get(f"/{address.replace('236x', '474x')}?{query}").status_code == 404
    assert ann.get(f"/{address}?{query[:-1]}{'A' if query[-1] != 'A' else 'B'}").status_code == 404
    assert ann.get(f"/{address}?{query.replace('e=1', 'e=2')}").status_code == 404
    for person in (ben, place.nobody):
        for path in ("/pins/1", "/pins/1/related", "/pins/1/state", f"/boards/{hidden}", f"/boards/{hidden}/pins"):
            assert person.get(path).status_code == 404
        assert person.get("/pins").json()["items"] == []
        assert person.get("/users/ann/boards").json() == []
        assert person.get("/users/ann/pins").json()["items"] == []
        picked = person.post("/search/picture", files={"picture": ("q.jpg", picture(1))})
        assert picked.json()["items"] == []


def test_media_follow_the_board_at_once(place: Place) -> None:
    ann = place.person("ann")
    board = ann.board("Turning")
    ann.upload(picture(1), board_id=board)
    place.work()
    address = bare(url_of(ann, "1"))
    assert place.nobody.get(f"/{address}").headers["cache-control"] == "public, max-age=31536000, immutable"
    for secret, status in ((True, 404), (False, 200), (True, 404)):
        assert ann.ask("PATCH", f"/boards/{board}", json={"secret": secret}).status_code == 200
        assert place.nobody.get(f"/{address}").status_code == status
        assert ann.get(f"/{url_of(ann, '1')}").status_code == 200


def test_a_picture_that_someone_shows_openly_is_open(place: Place) -> None:
    ann, ben = place.person("ann"), place.person("ben")
    ann.upload(picture(1), board_id=ann.board("Hidden", secret=True))
    place.work()
    address = bare(url_of(ann, "1"))
    ben.upload(picture(1))
    assert place.nobody.get(f"/{address}").status_code == 200
    ben.ask("DELETE", "/pins/2")
    assert place.nobody.get(f"/{address}").status_code == 404


def test_members_of_a_secret_board_see_and_save(place: Place) -> None:
    ann, ben = place.person("ann"), place.person("ben")
    hidden = ann.board("Ours", secret=True)
    ann.upload(picture(1), board_id=hidden)
    ben.upload(picture(2))
    place.work()
    assert ben.ask("PUT", f"/boards/{hidden}/pins/2").status_code == 404
    assert ann.ask("PUT", f"/boards/{hidden}/members/ben").status_code == 204
    assert ben.get(f"/{url_of(ben, '1')}").status_code == 200
    assert ben.ask("PUT", f"/boards/{hidden}/pins/2").status_code == 204
    assert [user["username"] for user in ben.get(f"/boards/{hidden}/members").json()] == ["ben"]
    cover = ben.get(f"/boards/{hidden}").json()["covers"][0]
    assert ben.get(f"/{cover}").status_code == 200
    assert ben.ask("DELETE", f"/boards/{hidden}").status_code == 403
    assert ben.ask("DELETE", f"/boards/{hidden}/members/ben").status_code == 204
    assert ben.get(f"/boards/{hidden}").status_code == 404


def test_media_are_immutable_and_answer_if_none_match_and_head(place: Place) -> None:
    ann = place.person("ann")
    ann.upload(picture(1))
    place.work()
    address = url_of(ann, "1")
    whole = place.nobody.get(f"/{address}")
    assert whole.headers["content-type"] == "image/webp"
    assert whole.content[8:12] == b"WEBP"
    assert "vary" not in whole.headers
    same = place.nobody.get(f"/{address}", headers={"if-none-match": whole.headers["etag"]})
    assert (same.status_code, same.content) == (304, b"")
    head = place.nobody.ask("HEAD", f"/{address}")
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == str(len(whole.content))


@pytest.mark.parametrize(
    "path",
    [
        "236x/00/00/00/" + "0" * 40 + ".webp",
        "originals/00/00/" + "0" * 64,
        "../catalog.db",
        "236x/../../catalog.db",
        "%2e%2e/catalog.db",
        "235x/00/00/00/" + "0" * 40 + ".webp",
        "",
    ],
)
def test_media_that_are_not_there(place: Place, path: str) -> None:
    assert place.nobody.get(f"//media/{path}").status_code == 404


def test_signatures_end_and_are_the_same_for_an_hour() -> None:
    signer, path = Signer(b"key"), "/media/" + media_key("236x", "0" * 40)
    start = PERIOD * 1000.0
    signed = signer.sign(path, start)
    assert signed == signer.sign(path, start + PERIOD - 1)
    given = dict(part.split("=") for part in signed.split("?")[1].split("&"))
    assert signer.left(path, given["e"], given["s"], start) == 2 * PERIOD
    assert signer.left(path, given["e"], given["s"], start + 2 * PERIOD + 1) == 0
    assert signer.left(path, str(int(given["e"]) + PERIOD), given["s"], start) == 0
    assert Signer(b"another").left(path, given["e"], given["s"], start) == 0
    assert signer.left(path, "²", given["s"], start) == 0
