"""Schemathesis against the project's own OpenAPI: whatever it thinks of, no 5xx and no undocumented answer."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import Case
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import response_schema_conformance, status_code_conformance

from bowerbird.darkroom.process import Darkroom
from tests.web.conftest import Person, Place, picture

CHECKS = [not_a_server_error, status_code_conformance, response_schema_conformance]
LASTING = {"stream_uploads"}
"""Answers that never end: their test is in test_pins."""


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory, darkroom: Darkroom) -> Iterator[tuple[Place, Person]]:
    place = Place(
        tmp_path_factory.mktemp("contract"),
        darkroom,
        encoder="efficientnet-lite0",
        login_tries=10**6,
        uploads_per_hour=10**6,
    )
    with place.client:
        ann = place.person("ann")
        ann.board("Blue")
        for seed in range(3):
            ann.upload(picture(seed), title="Bower")
        place.work()
        place.person("ben")
        yield place, ann
    place.engines.close()


def described(place: Place) -> Any:
    return schemathesis.openapi.from_asgi("/api/v1/openapi.json", place.app)


def ask(place: Place, person: Person, case: Case) -> None:
    """Send what was thought of, as Ann in her browser."""
    kept = {
        name: value for name, value in (case.headers or {}).items() if name.lower() not in ("cookie", "authorization")
    }
    case.headers = {
        **kept,
        "x-csrf-token": person.csrf,
        "cookie": "; ".join(f"{k}={v}" for k, v in person.cookies.items()),
    }
    case.cookies = {}
    case.call_and_validate(checks=CHECKS)


def explore(place: Place, person: Person, examples: int) -> int:
    """How many requests were made; every operation gets up to `examples`."""
    made = 0
    for result in described(place).get_all_operations():
        operation = result.ok()
        if operation.definition.raw["operationId"] in LASTING:
            continue
        strategy = operation.as_strategy()

        @settings(
            max_examples=examples,
            deadline=None,
            database=None,
            derandomize=True,
            phases=[Phase.explicit, Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(case=strategy)
        def check(case: Case) -> None:
            nonlocal made
            made += 1
            ask(place, person, case)

        check()
        if person.get("/me").status_code != 200:  # it found the way to log her out
            person.enter()
    return made


def test_no_server_error_in_a_few_requests_of_each_kind(town: tuple[Place, Person]) -> None:
    assert explore(*town, examples=6) > 100


@pytest.mark.slow
def test_no_server_error_in_many_requests_of_each_kind(town: tuple[Place, Person]) -> None:
    assert explore(*town, examples=int(os.environ.get("BOWERBIRD_TEST_EXAMPLES", "60"))) > 500
