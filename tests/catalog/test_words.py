"""Search by words."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection

from bowerbird.catalog import boards, images, pins, schema, users, words
from bowerbird.model import User
from bowerbird.ports import Database
from tests.catalog.conftest import a_pin, a_user, an_image, opened


@pytest.fixture
def ada(conn: Connection) -> User:
    return a_user(conn, "ada")


def found(conn: Connection, text: str) -> list[int]:
    return [pin_id for pin_id, _, _ in words.find(conn, text, None, 50)]


@pytest.mark.parametrize(
    ("title", "query"),
    [
        ("Running shoes", "run"),
        ("Running shoes", "runni"),
        ("Running shoes", "shoe runnin"),
        ("A painted fence", "painting"),
        ("Sunset over the bay", "sunse"),
        ("Sunset over the bay", "BAY sunsets"),
        ("Crème brûlée", "creme brulee"),
        ("creme", "Crème"),
        ("don't panic", "don't"),
        ("don't panic", "dont' OR panic"),
        ("東京の夜景", "夜景"),
        ("東京の夜景", "東京"),
        ("東京の夜景", "夜"),
        ("東京の夜景", "京の夜景"),
        ("東京の夜景", "景 東京"),
        ("東京 tower", "東京tower"),
        ("Ночь в Москве", "ночь"),
        ("C3PO_robot", "robot"),
        ("İstanbul", "istanbul"),
        ("ﬁne ﬂowers", "flowers"),
        ("Crème brûlée", unicodedata.normalize("NFD", "brûlée")),
        (unicodedata.normalize("NFD", "Đà Nẵng"), unicodedata.normalize("NFD", "nẵng")),
        ("Старый замок", "за\u0301мок"),
        ("Старый за\u0301мок", "замок"),
    ],
)
def test_found(conn: Connection, ada: User, title: str, query: str) -> None:
    pin = a_pin(conn, ada, title)
    a_pin(conn, ada, "something else")
    assert found(conn, query) == [pin.id]


@pytest.mark.parametrize(
    "query", ["", "  ", "🌸", '"', "*", "NOT", "()", "a" * 10_000, "title:", "京夜", "京東", "xrunning"]
)
def test_not_found(conn: Connection, ada: User, query: str) -> None:
    a_pin(conn, ada, "Running shoes, 東京の夜景")
    assert found(conn, query) == []


def test_every_field_is_searched_and_the_title_counts_most(conn: Connection, ada: User) -> None:
    filler = "some other words that make it longer"
    described, _ = pins.create(conn, ada.id, an_image(conn).id, title=filler, description=f"quagga {filler}")
    boarded = a_pin(conn, ada, filler, boards.create(conn, ada.id, f"Quagga {filler}").id)
    tagged, _ = pins.create(conn, ada.id, an_image(conn, tags=("quagga",)).id, title=filler)
    titled = a_pin(conn, ada, f"{filler} quagga")
    ranking = found(conn, "quagga")
    assert sorted(ranking) == sorted([described.id, boarded.id, tagged.id, titled.id])
    assert ranking[0] == titled.id
    assert ranking[-1] == described.id
    scores = [score for _, _, score in words.find(conn, "quagga", None, 9)]
    assert scores == sorted(scores, reverse=True)
    assert scores[-1] > 0


def test_all_words_before_any(conn: Connection, ada: User) -> None:
    both, one = a_pin(conn, ada, "green lamp"), a_pin(conn, ada, "green chair")
    assert found(conn, "green lamp") == [both.id]
    assert found(conn, "chair lamp") == [one.id, both.id] or found(conn, "chair lamp") == [both.id, one.id]
    assert found(conn, "green unicorn") == [one.id, both.id] or found(conn, "green unicorn") == [both.id, one.id]


def test_only_ready_pins_are_found_and_tags_arrive_with_readiness(conn: Connection, ada: User) -> None:
    image = an_image(conn, ready=False)
    pin, _ = pins.create(conn, ada.id, image.id, title="quagga")
    assert found(conn, "quagga") == []
    images.ready(conn, image.id, ["zebra"])
    assert found(conn, "quagga") == found(conn, "zebra") == [pin.id]
    pins.delete(conn, pin.id)
    assert found(conn, "quagga") == []


def test_of_very_many_boards_the_first_ones_name_a_pin(
    conn: Connection, ada: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(words, "NAMED", 3)
    many, few = a_pin(conn, ada), a_pin(conn, ada)
    boards.save(conn, boards.create(conn, ada.id, "hidden", secret=True).id, many.id, ada.id)
    made = {name: boards.create(conn, ada.id, name).id for name in ("alpha", "beta", "gamma", "delta")}
    for board_id in reversed(made.values()):
        boards.save(conn, board_id, many.id, ada.id)
    boards.save(conn, made["delta"], few.id, ada.id)
    assert found(conn, "alpha") == found(conn, "beta") == found(conn, "gamma") == [many.id]
    assert found(conn, "delta") == [few.id]
    assert found(conn, "hidden") == []
    boards.delete(conn, made["beta"], ada.id)
    assert set(found(conn, "delta")) == {many.id, few.id}


def test_what_is_done_and_undone_leaves_scores_as_they_were(conn: Connection, ada: User) -> None:
    blue, red = boards.create(conn, ada.id, "Blue things"), boards.create(conn, ada.id, "Red things")
    made = [a_pin(conn, ada, title, blue.id) for title in ("quagga", "blue quagga", "okapi and zebra", "zebra")]

    def scores() -> list[dict[int, float]]:
        asked = ("quagga", "blue zebra", "thi", "okapi red unicorn")
        return [{pin: round(score, 6) for pin, _, score in words.find(conn, text, None, 9)} for text in asked]

    before = scores()
    for pin in made:
        boards.save(conn, red.id, pin.id, ada.id)
        pins.update(conn, pin.id, ada.id, title=f"unicorn {pin.title}", description="red zebra quagga")
    boards.update(conn, blue.id, ada.id, name="Okapi")
    extra = a_pin(conn, ada, "red unicorn quagga", red.id)
    assert scores() != before
    pins.delete(conn, extra.id)
    boards.update(conn, blue.id, ada.id, name="Blue things")
    for pin in made:
        pins.update(conn, pin.id, ada.id, title=pin.title, description="")
        boards.unsave(conn, red.id, pin.id, ada.id)
    assert scores() == before


def test_the_newest_with_all_words_then_with_any(conn: Connection, ada: User) -> None:
    made = {title: a_pin(conn, ada, title).id for title in ("green lamp", "lamp", "lamps, green", "green", "chair")}
    both, either = [made["lamps, green"], made["green lamp"]], [made["green"], made["lamp"]]
    assert words.lately(conn, "green lamp", 9) == both + either
    assert words.lately(conn, "green lamp", 3) == [*both, made["green"]]
    assert words.lately(conn, "green green", 1) == [made["green"]]
    assert words.lately(conn, "lamp unicorn", 9) == [*both[:1], made["lamp"], *both[1:]]
    assert words.lately(conn, "gree", 9) == words.lately(conn, " *", 9) == []


def test_limit(conn: Connection, ada: User) -> None:
    for number in range(9):
        a_pin(conn, ada, f"quagga {number}")
    assert len(words.find(conn, "quagga", None, 4)) == 4


@pytest.fixture(scope="module")
def library(engine: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    database = opened(engine, tmp_path_factory.mktemp("words"))
    schema.upgrade(database)
    with database.write() as conn:
        ada = a_user(conn, "ada")
        for title in ("Running shoes", "OR and NOT near", "日本", "a b c"):
            a_pin(conn, ada, title)
    yield database
    database.close()


OPERATORS = st.sampled_from([*"\"'*^-+(){}:", "AND", "OR", "NOT", "NEAR", "title:"])
TYPED = st.lists(st.one_of(OPERATORS, st.text(max_size=5)), max_size=40).map(" ".join)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.one_of(st.text(max_size=2000), TYPED))
@example('"')
@example("running OR")
@example("NEAR(a b, 3")
@example("{title}: x*")
@example("\ud800")
@example("\x00")
@example("🌸" * 5000)
@example("shoes " * 2000)
@example("日" * 10_000)
def test_nothing_a_person_types_is_an_error(library: Database, text: str) -> None:
    with library.read() as conn:
        assert len(words.find(conn, text, None, 5)) <= 5


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=50)
@given(st.text(alphabet=st.characters(categories=["Ll", "Lu", "Lo", "Nd"]), min_size=1, max_size=20))
def test_a_pin_is_found_by_its_title(library: Database, title: str) -> None:
    with library.write() as conn:
        [ada] = users.every(conn)
        pin, _ = pins.create(conn, ada.id, an_image(conn).id, title=title)
        assert pin.id in [found[0] for found in words.find(conn, title, None, 1000)]
        pins.delete(conn, pin.id)
