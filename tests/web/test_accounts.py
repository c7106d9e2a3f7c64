"""Signing up, logging in, CSRF, tokens and their scopes, rate limits."""

from __future__ import annotations

import re
import time
from pathlib import Path

import pytest

from bowerbird.catalog import fetches, pins, sessions, tokens, users
from bowerbird.darkroom.process import Darkroom
from bowerbird.model import Scope
from bowerbird.ports import Unavailable
from bowerbird.web import auth
from tests.web.conftest import PASSWORD, Person, Place, picture


def test_the_first_account_is_the_administrator_and_the_second_is_not(place: Place) -> None:
    assert place.person("ann").get("/me").json()["role"] == "admin"
    assert place.person("ben").get("/me").json()["role"] == "user"


def test_passwords_are_kept_as_argon2id_only(place: Place) -> None:
    place.person("ann")
    with place.engines.database.read() as conn:
        found = users.password(conn, "ann")
    assert found is not None
    assert found[1].startswith("$argon2id$")
    for file in place.settings.data.rglob("*.db*"):
        assert PASSWORD.encode() not in file.read_bytes()


def test_the_shipped_parameters_are_not_those_of_the_tests() -> None:
    shipped = auth.Passwords()
    assert re.match(r"\$argon2id\$v=19\$m=32768,t=3,p=1\$", shipped.hash("x"))


def test_a_cookie_is_http_only_lax_and_not_kept_by_the_server(place: Place) -> None:
    place.person("ann")
    answer = place.nobody.post("/session", json={"username": "ANN ", "password": PASSWORD})
    shown = answer.headers["set-cookie"]
    assert "HttpOnly" in shown
    assert "SameSite=lax" in shown
    assert "Secure" not in shown
    secret = answer.cookies[auth.COOKIE]
    assert secret.encode() not in (place.settings.data / "catalog.db").read_bytes()


def test_secure_cookies_and_hsts_by_setting(tmp_path: Path, darkroom: Darkroom) -> None:
    place = Place(tmp_path, darkroom, secure_cookies=True)
    with place.client:
        place.nobody.post("/users", json={"username": "ann", "password": PASSWORD})
        answer = place.nobody.post("/session", json={"username": "ann", "password": PASSWORD})
    assert "; Secure" in answer.headers["set-cookie"]
    assert "strict-transport-security" in answer.headers


def test_a_wrong_password_and_an_unknown_user_are_told_alike(place: Place) -> None:
    place.person("ann")
    wrong = place.nobody.post("/session", json={"username": "ann", "password": "not that one"})
    unknown = place.nobody.post("/session", json={"username": "zoe", "password": "not that one"})
    assert wrong.status_code == unknown.status_code == 401
    assert wrong.json() == unknown.json()
    assert "set-cookie" not in wrong.headers


def test_an_unknown_user_costs_a_verification_too(monkeypatch: pytest.MonkeyPatch, place: Place) -> None:
    asked: list[str | None] = []
    matches = auth.Passwords.matches
    monkeypatch.setattr(
        auth.Passwords, "matches", lambda self, known, given: asked.append(known) or matches(self, known, given)
    )
    place.nobody.post("/session", json={"username": "zoe", "password": "x"})
    assert asked == [None]
    start = time.perf_counter()
    assert not auth.Passwords().matches(None, "x")
    assert time.perf_counter() - start > 0.005


def test_logging_out_ends_the_session_on_the_server(place: Place) -> None:
    ann = place.person("ann")
    assert ann.ask("DELETE", "/session").status_code == 204
    assert ann.get("/me").status_code == 401


def test_an_ended_session_is_nobody(place: Place) -> None:
    ann = place.person("ann")
    with place.engines.database.write() as conn:
        sessions.delete_all(conn, 1)
    assert ann.get("/me").status_code == 401
    assert ann.get("/pins").status_code == 200


@pytest.mark.parametrize("shown", [None, "", "wrong", "é"])
def test_a_session_changes_nothing_without_its_csrf_token(place: Place, shown: str | None) -> None:
    ann = place.person("ann")
    sent = {"x-csrf-token": shown.encode() if shown else shown}
    answer = ann.post("/boards", json={"name": "Blue"}, headers=sent)
    assert answer.status_code == 403
    assert "CSRF" in answer.json()["error"]["message"]
    assert ann.get("/boards").json() == []


def test_another_persons_csrf_token_does_not_do(place: Place) -> None:
    ann, ben = place.person("ann"), place.person("ben")
    answer = ann.post("/boards", json={"name": "Blue"}, headers={"x-csrf-token": ben.csrf})
    assert answer.status_code == 403


def test_a_form_field_shows_the_csrf_token_too(place: Place) -> None:
    ann = place.person("ann")
    bare = {"x-csrf-token": None}
    form = {"picture": ("a.jpg", picture(1))}
    assert ann.post("/pins", files=form, data={"csrf": ann.csrf}, headers=bare).status_code == 202
    assert ann.post("/pins", files=form, data={"csrf": "no"}, headers=bare).status_code == 403
    assert ann.post("/pins", files=form, headers=bare).status_code == 403


@pytest.mark.parametrize(
    "headers",
    [
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"origin": "https://evil.example"},
        {"origin": "null"},
    ],
)
def test_another_site_can_log_nobody_in(place: Place, headers: dict[str, str]) -> None:
    place.person("ann")
    body = {"username": "ann", "password": PASSWORD}
    assert place.nobody.post("/session", json=body, headers=headers).status_code == 403
    assert place.nobody.post("/users", json={**body, "username": "eve"}, headers=headers).status_code == 403


@pytest.mark.parametrize(
    "headers",
    [{}, {"sec-fetch-site": "same-origin"}, {"sec-fetch-site": "none"}, {"origin": "http://testserver.local"}],
)
def test_our_own_pages_and_programs_may(place: Place, headers: dict[str, str]) -> None:
    place.person("ann")
    body = {"username": "ann", "password": PASSWORD}
    assert place.nobody.post("/session", json=body, headers=headers).status_code == 200


def test_sign_up_closed_leaves_only_the_first_account(tmp_path: Path, darkroom: Darkroom) -> None:
    place = Place(tmp_path, darkroom, signup="closed")
    with place.client:
        place.person("ann")
        answer = place.nobody.post("/users", json={"username": "ben", "password": PASSWORD})
    assert answer.status_code == 403
    assert "closed" in answer.json()["error"]["message"]


@pytest.mark.parametrize(
    ("username", "password"),
    [("a", PASSWORD), ("-ann", PASSWORD), ("a b", PASSWORD), ("ann", "short"), ("ann", "x" * 201)],
)
def test_names_and_passwords_that_cannot_be(place: Place, username: str, password: str) -> None:
    assert place.nobody.post("/users", json={"username": username, "password": password}).status_code == 422


def test_a_taken_name_is_a_conflict(place: Place) -> None:
    place.person("ann")
    assert place.nobody.post("/users", json={"username": "Ann", "password": PASSWORD}).status_code == 409


def test_a_new_password_ends_the_other_logins(place: Place) -> None:
    ann = place.person("ann")
    other = Person(place.client, "ann").enter()
    assert ann.post("/me/password", json={"old": "wrong", "new": "a new password"}).status_code == 403
    assert ann.post("/me/password", json={"old": PASSWORD, "new": "a new password"}).status_code == 204
    assert ann.get("/me").status_code == 200
    assert other.get("/me").status_code == 401
    assert place.nobody.post("/session", json={"username": "ann", "password": PASSWORD}).status_code == 401


def test_logging_out_everywhere_else_keeps_this_login(place: Place) -> None:
    ann, ben = place.person("ann"), place.person("ben")
    other = Person(place.client, "ann").enter()
    assert place.nobody.ask("DELETE", "/session/others", headers=token(ann, "read", "write")).status_code == 403
    assert other.get("/me").status_code == 200
    assert ann.ask("DELETE", "/session/others").status_code == 204
    assert (ann.get("/me").status_code, other.get("/me").status_code, ben.get("/me").status_code) == (200, 401, 200)


def test_deleting_an_account_asks_for_the_password(place: Place) -> None:
    place.person("ann")
    ben = place.person("ben")
    assert ben.ask("DELETE", "/me", json={"password": "wrong"}).status_code == 403
    assert ben.ask("DELETE", "/me", json={"password": PASSWORD}).status_code == 204
    assert ben.get("/me").status_code == 401
    assert place.nobody.get("/users/ben").status_code == 404


def bearer(secret: str) -> dict[str, str]:
    return {"authorization": f"Bearer {secret}"}


def token(person: Person, *scopes: str) -> dict[str, str]:
    answer = person.post("/tokens", json={"name": "test", "scopes": list(scopes)})
    assert answer.status_code == 201, answer.text
    return bearer(answer.json()["secret"])


def test_a_token_does_what_its_scopes_say_and_needs_no_csrf(place: Place) -> None:
    ann = place.person("ann")
    read, write, everything = token(ann, "read"), token(ann, "write"), token(ann, "read", "write", "admin")
    program = place.nobody
    assert program.get("/boards", headers=read).status_code == 200
    assert program.post("/boards", json={"name": "x"}, headers=read).status_code == 403
    assert program.post("/boards", json={"name": "x"}, headers=write).status_code == 201
    assert program.get("/boards", headers=write).status_code == 403
    assert program.get("/admin/users", headers=read).status_code == 403
    assert program.get("/admin/users", headers=everything).status_code == 200


def test_a_token_with_the_admin_scope_makes_nobody_an_administrator(place: Place) -> None:
    place.person("ann")
    ben = place.person("ben")
    assert place.nobody.get("/admin/users", headers=token(ben, "read", "admin")).status_code == 403


def test_an_administrators_token_is_no_more_than_its_scopes(place: Place) -> None:
    admin, ben = place.person("admin"), place.person("ben")
    ben.upload(picture(1))
    ben.upload(picture(2), board_id=ben.board("Hidden", secret=True))
    read, write = token(admin, "read"), token(admin, "write")
    program = place.nobody
    assert program.get("/pins/1/original", headers=read).status_code == 403
    for pin in ("1", "2"):
        assert program.ask("DELETE", f"/pins/{pin}", headers=write).status_code in (403, 404)
        assert program.post(f"//pin/{pin}/delete", headers=write).status_code in (403, 404)
        assert ben.get(f"/pins/{pin}").status_code == 200
    assert program.get("/pins/1/original", headers=token(admin, "read", "admin")).status_code == 200
    assert program.ask("DELETE", "/pins/1", headers=token(admin, "write", "admin")).status_code == 204
    assert admin.ask("DELETE", "/pins/2").status_code == 204


def test_who_reads_with_a_token_needs_no_writer(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    shown = token(place.person("ann"), "read")

    def away() -> None:
        raise Unavailable("no server takes writes")

    monkeypatch.setattr(place.engines.database, "write", away)
    assert place.nobody.get("/me", headers=shown).status_code == 200


def test_searching_by_picture_only_reads(place: Place) -> None:
    ann = place.person("ann")
    form = {"picture": ("a.jpg", picture(1))}
    assert place.nobody.post("/search/picture", files=form, headers=token(ann, "read")).status_code == 200
    assert place.nobody.post("/search/picture", files=form, headers=token(ann, "write")).status_code == 403


def test_a_token_cannot_outlive_its_owners_will(place: Place) -> None:
    ann = place.person("ann")
    everything = token(ann, "read", "write", "admin")
    for method, path, body in [
        ("GET", "/tokens", None),
        ("POST", "/tokens", {"name": "more", "scopes": ["admin"]}),
        ("POST", "/me/password", {"old": PASSWORD, "new": "another one"}),
        ("DELETE", "/me", {"password": PASSWORD}),
    ]:
        assert place.nobody.ask(method, path, json=body, headers=everything).status_code == 403
    known = ann.get("/tokens").json()
    assert [one["scopes"] for one in known] == [["read", "write", "admin"]]
    assert all(one["secret"] == "" for one in known)
    assert ann.ask("DELETE", f"/tokens/{known[0]['id']}").status_code == 204
    assert place.nobody.get("/boards", headers=everything).status_code == 401


def test_an_expired_an_invented_and_a_disabled_token_are_401(place: Place) -> None:
    ann, ben = place.person("ann"), place.person("ben")
    with place.engines.database.write() as conn:
        secret, _ = tokens.create(conn, 1, "short", [Scope.READ], time.time() + 0.05)
    bens = token(ben, "read")
    time.sleep(0.06)
    for headers in (
        bearer(secret),
        bearer("bb_invented"),
        {"authorization": "Basic YTpi"},
        {"authorization": "Bearer"},
    ):
        answer = place.nobody.get("/pins", headers=headers)
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"] == "Bearer"
    assert ann.ask("PATCH", "/admin/users/ben", json={"disabled": True}).status_code == 200
    assert place.nobody.get("/boards", headers=bens).status_code == 401
    assert ben.get("/me").status_code == 401


def test_the_last_administrator_stays_one(place: Place) -> None:
    ann = place.person("ann")
    assert ann.ask("PATCH", "/admin/users/ann", json={"role": "user"}).status_code == 403
    place.person("ben")
    assert ann.ask("PATCH", "/admin/users/ben", json={"role": "admin"}).json()["role"] == "admin"
    assert ann.ask("PATCH", "/admin/users/ann", json={"role": "user"}).status_code == 200


def coming_from(number: int) -> dict[str, str]:
    """Past the test client, which is no trusted proxy itself: see the test of addresses for those."""
    return {"x-forwarded-for": f"198.51.100.{number}"}


def test_login_is_limited_by_account_whatever_the_address(tmp_path: Path, darkroom: Darkroom) -> None:
    place = Place(tmp_path, darkroom, login_tries=3, trusted_proxies="203.0.113.0/24")
    with place.client:
        place.nobody.post("/users", json={"username": "ann", "password": PASSWORD})
        wrong = {"username": "ann", "password": "wrong"}
        answers = [place.nobody.post("/session", json=wrong, headers=coming_from(n)) for n in range(4)]
    assert [answer.status_code for answer in answers] == [401, 401, 401, 429]
    assert int(answers[-1].headers["retry-after"]) > 0
    assert answers[-1].json()["error"]["code"] == "too_many_requests"


def test_login_is_limited_by_address_whatever_the_account(tmp_path: Path, darkroom: Darkroom) -> None:
    place = Place(tmp_path, darkroom, login_tries=3)
    with place.client:
        statuses = [
            place.nobody.post("/session", json={"username": f"user{n}", "password": "wrong"}).status_code
            for n in range(4)
        ]
    assert statuses == [401, 401, 401, 429]


def test_even_the_right_password_waits_out_the_limit(tmp_path: Path, darkroom: Darkroom) -> None:
    place = Place(tmp_path, darkroom, login_tries=2)
    with place.client:
        place.nobody.post("/users", json={"username": "ann", "password": PASSWORD})
        for _ in range(2):
            place.nobody.post("/session", json={"username": "ann", "password": "wrong"})
        assert place.nobody.post("/session", json={"username": "ann", "password": PASSWORD}).status_code == 429


def test_uploads_are_limited_by_account(tmp_path: Path, darkroom: Darkroom) -> None:
    place = Place(tmp_path, darkroom, uploads_per_hour=2)
    with place.client:
        ann, ben = place.person("ann"), place.person("ben")
        assert [ann.upload(picture(n)).status_code for n in range(3)] == [202, 202, 429]
        assert ann.post("/pins/from-url", json={"url": "https://example.org/a.jpg"}).status_code == 429
        assert ben.upload(picture(1)).status_code == 202


def test_a_form_of_many_files_is_limited_by_each_of_them(tmp_path: Path, darkroom: Darkroom) -> None:
    place = Place(tmp_path, darkroom, uploads_per_hour=3)
    with place.client:
        ann = place.person("ann")
        files = [("picture", (f"bower {n}.jpg", picture(n))) for n in range(4)]
        answer = ann.post("//upload", files=files, data={"url": "https://example.org/a.jpg"})
        assert answer.status_code == 429
        assert int(answer.headers["retry-after"]) > 0
        assert "bower 3.jpg: Too many attempts" in answer.text
        assert "Added before it: bower 0.jpg, bower 1.jpg, bower 2.jpg." in answer.text
        with place.engines.database.read() as conn:
            assert len(pins.mine_unfinished(conn, 1)) == 3
            assert fetches.of_user(conn, 1) == []
        ben = place.person("ben")
        whole = ben.post("//upload", files=files[:3], data={"url": "https://example.org/a.jpg"})
        assert whole.status_code == 429
        assert "https://example.org/a.jpg: Too many attempts" in whole.text
