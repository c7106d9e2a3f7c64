"""What surrounds every route: headers, compression, static files, health, metrics, OpenAPI and its page."""

from __future__ import annotations

import gzip
import json
import re
import shutil
import threading
import time
from pathlib import Path
from typing import Any

import pytest
import schemathesis

from bowerbird.feed import sources
from bowerbird.ports import Unavailable
from bowerbird.web import errors, ops
from bowerbird.web.edge import POLICY
from tests.web.conftest import Place, picture


def test_every_answer_carries_the_security_headers(place: Place) -> None:
    for path in ("//", "/pins", "//nothing", "/nothing", "//healthz", "//static/x/none.css"):
        headers = place.nobody.get(path).headers
        assert headers["content-security-policy"] == POLICY
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"]
        assert re.fullmatch(r"[0-9a-f]{16}", headers["x-request-id"])


def test_a_request_id_is_handed_on_unless_it_is_odd(place: Place) -> None:
    assert place.nobody.get("/pins", headers={"x-request-id": "abc-12345"}).headers["x-request-id"] == "abc-12345"
    assert place.nobody.get("/pins", headers={"x-request-id": "<script>"}).headers["x-request-id"] != "<script>"


def test_text_is_compressed_and_pictures_are_not(place: Place) -> None:
    ann = place.person("ann")
    ann.upload(picture(1))
    place.work()
    page = place.nobody.get("//", headers={"accept-encoding": "gzip"})
    assert page.headers["content-encoding"] == "gzip"
    assert "Accept-Encoding" in page.headers["vary"]
    plain = place.nobody.get("//", headers={"accept-encoding": "identity"})
    assert "content-encoding" not in plain.headers
    assert plain.text == page.text
    media = place.nobody.get("/" + ann.get("/pins/1").json()["pictures"][0]["url"], headers={"accept-encoding": "gzip"})
    assert "content-encoding" not in media.headers


def test_static_files_are_named_by_content_and_kept_for_ever(place: Place) -> None:
    page = place.nobody.get("//").text
    sheet = re.search(r'href="(/static/[0-9a-f]{12}/base\.css)"', page)
    assert sheet
    answer = place.nobody.get(f"/{sheet[1]}")
    assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert answer.headers["content-type"].startswith("text/css")
    old = place.nobody.get("//static/000000000000/base.css")
    assert old.headers["cache-control"] == "no-cache"
    assert old.content == answer.content
    for path in ("//static/x/../../app.py", "//static/x/%2e%2e/app.py", "//static/x/nothing.css"):
        assert place.nobody.get(path).status_code == 404


def test_pages_ask_for_a_login_and_come_back(place: Place) -> None:
    answer = place.nobody.get("//settings", follow_redirects=False)
    assert answer.status_code == 303
    assert answer.headers["location"] == "/login?next=%2Fsettings"


def test_health_and_readiness(place: Place, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    assert place.nobody.get("//healthz").text == "ok\n"
    assert place.nobody.get("//readyz").json() == {"ready": True, "missing": {}}

    def away(*_: Any) -> None:
        raise Unavailable("queue.db: disk I/O error")

    monkeypatch.setattr(place.engines.queue, "depth", away)
    answer = place.nobody.get("//readyz")
    place.nobody.get("//readyz")
    assert caplog.text.count("queue.db: disk I/O error") == 1  # once an outage
    assert answer.status_code == 200, "there are pages, with less in them"
    assert answer.json() == {"ready": True, "missing": {"queue": "it is away"}}
    monkeypatch.setattr(place.engines.database, "read", away)
    answer = place.nobody.get("//readyz")
    assert answer.status_code == 503
    assert not answer.json()["ready"]
    assert place.nobody.get("//healthz").status_code == 200


def test_a_hanging_engine_is_told_as_missing_in_time(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ops, "PATIENCE", 0.1)
    released = ops.threading.Event()
    monkeypatch.setattr(place.engines.events, "end", lambda: released.wait(5))
    missing = place.nobody.get("//readyz").json()["missing"]
    released.set()
    assert list(missing) == ["events"]


def test_an_engine_that_is_away_is_503_in_plain_words(place: Place, caplog: pytest.LogCaptureFixture) -> None:
    ann = place.person("ann")

    blobs = place.settings.data / "blobs"
    shutil.rmtree(blobs)
    blobs.write_text("a file where the folder was")
    answer = ann.upload(picture(1))
    assert answer.status_code == 503
    message = answer.json()["error"]["message"]
    assert message == "The store of pictures cannot be reached just now. " + errors.COMFORT
    assert int(answer.headers["retry-after"]) > 0
    assert str(blobs) in caplog.text


def test_a_mistake_of_ours_is_500_without_its_inside(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    def wrong(*_: Any) -> None:
        raise RuntimeError("secret inside")

    monkeypatch.setattr(place.engines.metadata, "get_many", wrong)
    place.person("ann").upload(picture(1))
    place_work_free = place.nobody.get("/pins/1")
    assert place_work_free.status_code == 500
    assert "inside" not in place_work_free.text
    assert place_work_free.json()["error"]["code"] == "internal_server_error"


def test_metrics(place: Place) -> None:
    ann = place.person("ann")
    ann.upload(picture(1))
    ann.upload(picture(2)[:1500])
    place.work()
    ann.upload(picture(3))
    ann.get("/pins/1")
    ann.get("/pins/2")
    ann.get("/nothing")
    text = place.nobody.get("//metrics").text
    figures = dict(re.findall(r"^(\w+(?:\{[^}]*\})?) (\S+)$", text, re.MULTILINE))
    assert figures['bowerbird_images{state="ready"}'] == "1.0"
    assert figures['bowerbird_images{state="failed"}'] == "1.0"
    assert figures['bowerbird_images{state="pending"}'] == "1.0"
    assert figures["bowerbird_queue_depth"] == "1.0"
    assert figures['bowerbird_vectors{index="looks"}'] == "1.0"
    assert "bowerbird_search_recall_at_10" in figures
    route = 'bowerbird_request_seconds_count{method="GET",route="/api/v1/pins/{pin_id}",status="2xx"}'
    assert text.count(route) == 1
    assert f"{route} 2.0" in text
    assert '"none"' in text
    assert "ann" not in text


def test_every_metric_is_documented_and_no_other(place: Place) -> None:
    page = (Path(__file__).parents[2] / "docs" / "operations.md").read_text(encoding="utf-8")
    text = place.nobody.get("//metrics").text
    told = dict(re.findall(r"^# TYPE (bowerbird_\w+) (\w+)$", text, re.MULTILINE))
    told = {name for name, kind in told.items() if not (name.endswith("_created") and kind == "gauge")}
    assert set(re.findall(r"`(bowerbird_\w+)`", page)) == told


def test_a_scrape_waits_for_no_engine(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ops, "PATIENCE", 0.5)
    released = threading.Event()
    for engine, method in (
        (place.engines.queue, "depth"),
        (place.engines.events, "end"),
        (place.engines.database, "read"),
    ):
        monkeypatch.setattr(engine, method, lambda: released.wait(20))
    started = time.monotonic()
    text = place.nobody.get("//metrics").text
    assert time.monotonic() - started < 8
    released.set()
    assert "bowerbird_queue_depth" not in text and "bowerbird_images{" not in text
    assert 'bowerbird_vectors{index="looks"} 0.0' in text
    assert "bowerbird_queue_parked 0.0" in text


def test_what_walls_had_to_do_without_is_counted_by_source_and_reason(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    ann = place.person("ann")
    for seed in range(3):
        ann.upload(picture(seed))
    place.work()

    def missed() -> dict[str, str]:
        return dict(
            re.findall(r"^bowerbird_feed_missed_total(\{[^}]*\}) (\S+)$", ann.get("//metrics").text, re.MULTILINE)
        )

    def away(*_: Any) -> None:
        raise Unavailable("looks.index: disk I/O error")

    assert ann.get("/pins/1/related").json()["items"]
    assert missed() == {}
    monkeypatch.setattr(place.engines.looks, "search", away)
    for _ in range(2):
        assert ann.get("/pins/1/related").status_code == 200
    assert missed() == {'{reason="failed",source="visual"}': "2.0"}
    # The page's time is spent before any source had its turn.
    place.app.dependencies["site"].dependency().feed.budget = 1e-9
    assert ann.get("/feed").status_code == 200
    told = missed()
    assert {f'{{reason="resting",source="{name}"}}' for name in sources.SOURCES} <= told.keys()
    assert "ann" not in str(told)


def test_openapi_is_valid_and_names_every_status(place: Place) -> None:
    answer = place.nobody.get("/openapi.json")
    described = answer.json()
    schemathesis.openapi.from_dict(described).validate()
    assert described["info"]["title"] == "Bowerbird"
    schemes = described["components"]["securitySchemes"]
    assert set(schemes) == {"token", "session"}
    ids = []
    for operations in described["paths"].values():
        for operation in operations.values():
            ids.append(operation["operationId"])
            assert operation["tags"]
            assert {"401", "403", "503"} <= set(operation["responses"])
            for status, response in operation["responses"].items():
                assert response["description"]
                if int(status) >= 400:
                    assert response["content"]["application/json"]["schema"]["$ref"].endswith("/Error")
            if "requestBody" in operation:
                assert {"413", "415", "422"} <= set(operation["responses"])
    assert len(ids) == len(set(ids)) >= 40
    assert json.dumps(described).count('"examples"') >= 5


def test_the_page_for_people_names_every_operation_and_loads_nothing_from_elsewhere(place: Place) -> None:
    page = place.nobody.get("//api/docs").text
    described = place.nobody.get("/openapi.json").json()
    for path, operations in described["paths"].items():
        assert page.count(f"<code>{path}</code>") == len(operations)
    assert not re.search(r'(src|href)="(https?:)?//', page)


def test_the_first_page_is_small(place: Place) -> None:
    ann = place.person("ann")
    for seed in range(30):
        ann.upload(picture(seed, 64, 48), title=f"A picture with a title of some length, number {seed}")
    place.work()
    page = place.nobody.get("//", headers={"accept-encoding": "gzip"})
    files = set(re.findall(r'(?:href|src)="(/static/[^"#]+)', page.text))
    sizes = {file: len(gzip.compress(place.nobody.get(f"/{file}").content)) for file in files}
    assert int(page.headers["content-length"]) + sum(sizes.values()) < 60_000, sizes
