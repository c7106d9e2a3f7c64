"""What the cache keeps is made once, is never older than `CACHED` says, and is gone for all when it is dropped."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import hypothesis.strategies as st
import msgspec
import pytest
from hypothesis import given, settings

from bowerbird import wiring
from bowerbird.adapters.cache.memory import MemoryCache
from bowerbird.catalog import cached as layer
from bowerbird.catalog import faces, images, pins, users
from bowerbird.catalog.cached import CACHED, JITTER, cached, drop, keep, kept
from bowerbird.model import Look
from bowerbird.ports import Engines, Unavailable
from bowerbird.settings import Settings
from tests.servers import namespace, need, server

DOCS = Path(__file__).parents[2] / "docs"


class Made:
    """Something that is made at some cost: it counts how often, and how often at once."""

    def __init__(self, value: bytes = b"made", seconds: float = 0.0) -> None:
        self.value, self.seconds = value, seconds
        self.error: Exception | None = None
        self.times = self.now = self.most = 0
        self._lock = threading.Lock()

    def __call__(self) -> bytes:
        with self._lock:
            self.times += 1
            self.now += 1
            self.most = max(self.most, self.now)
        time.sleep(self.seconds)
        with self._lock:
            self.now -= 1
        if self.error:
            raise self.error
        return self.value


class Clock:
    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engines]:
    engines = wiring.connect(Settings(data=tmp_path_factory.mktemp("data")))
    yield engines
    engines.close()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(layer, "clock", clock)
    return clock


@pytest.fixture
def engines(plain: Engines, clock: Clock) -> Engines:
    return plain._replace(cache=MemoryCache(1_000_000, clock))


def at_once(number: int, call: Callable[[], bytes]) -> list[bytes | Exception]:
    ready = threading.Barrier(number)

    def one(_: int) -> bytes | Exception:
        ready.wait()
        try:
            return call()
        except Exception as error:
            return error

    with ThreadPoolExecutor(number) as pool:
        return list(pool.map(one, range(number)))


def until(true: Callable[[], bool]) -> None:
    ends = time.monotonic() + 15
    while not true():
        assert time.monotonic() < ends
        time.sleep(0.005)


def test_what_was_made_is_kept_for_its_time(engines: Engines, clock: Clock) -> None:
    make = Made()
    for _ in range(3):
        assert cached(engines, "list", "a", make) == b"made"
        clock.now += CACHED["list"].fresh * (1 - JITTER) / 3 - 1
    assert make.times == 1
    clock.now += CACHED["list"].fresh * JITTER + 3
    make.value = b"anew"
    assert cached(engines, "list", "a", make) == b"anew"


def test_many_at_once_have_it_made_once(engines: Engines) -> None:
    make = Made(seconds=0.1)
    assert at_once(20, lambda: cached(engines, "list", "a", make)) == [b"made"] * 20
    assert make.times == 1
    assert at_once(20, lambda: cached(engines, "list", "b", make)) == [b"made"] * 20
    assert make.times == 2


class Interrupted(MemoryCache):
    """Something happens between the first look and what follows it."""

    then: Callable[[], object] | None = None

    def get_many(self, keys: Iterable[str]) -> dict[str, bytes]:
        found = super().get_many(keys)
        then, self.then = self.then, None
        if then:
            then()
        return found


def test_what_another_has_made_since_the_first_look_is_not_made_again(engines: Engines) -> None:
    cache = Interrupted(1_000_000, layer.clock)
    engines = engines._replace(cache=cache)
    cache.then = lambda: cached(engines, "list", "a", Made(b"first"))
    assert cached(engines, "list", "a", Made(b"second")) == b"first"


def test_an_exception_reaches_all_who_wait_and_is_not_kept(engines: Engines) -> None:
    make = Made(seconds=0.2)
    make.error = Unavailable("the index is away")
    assert at_once(10, lambda: cached(engines, "list", "a", make)) == [make.error] * 10
    assert make.times == 1
    make.error = None
    assert cached(engines, "list", "a", make) == b"made"


def test_who_waits_too_long_is_told(engines: Engines, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layer, "WAIT", 0.1)
    make = Made(seconds=1.0)
    answers = at_once(3, lambda: cached(engines, "list", "a", make))
    assert sorted(type(answer).__name__ for answer in answers) == ["Unavailable", "Unavailable", "bytes"]
    assert make.times == 1


def test_an_old_one_is_served_while_one_makes_it_anew(engines: Engines, clock: Clock) -> None:
    rule = CACHED["words"]
    cached(engines, "words", "lamp", Made(b"old"))
    clock.now += rule.fresh + 1
    never, again = Made(), Made(b"new", seconds=2)
    began = time.monotonic()
    assert at_once(10, lambda: cached(engines, "words", "lamp", never, again)) == [b"old"] * 10
    assert time.monotonic() - began < 1.5, "nobody waits"
    until(lambda: cached(engines, "words", "lamp", never, again) == b"new")
    assert (never.times, again.times) == (0, 1)
    clock.now += rule.fresh + rule.stale + 1
    assert cached(engines, "words", "lamp", Made(b"made"), again) == b"made", "too old to be served"


def test_an_old_one_is_served_while_it_cannot_be_made(engines: Engines, clock: Clock) -> None:
    rule = CACHED["words"]
    cached(engines, "words", "lamp", Made(b"old"))
    again = Made()
    again.error = Unavailable("the database is away")
    clock.now += rule.fresh + 1
    for times in range(1, 4):
        assert cached(engines, "words", "lamp", again, again) == b"old"
        until(lambda times=times: again.times == times and not layer._flights)  # type: ignore[misc]
    clock.now += rule.stale
    with pytest.raises(Unavailable, match="database"):
        cached(engines, "words", "lamp", again, again)


def test_that_there_is_nothing_is_kept_for_less_time(engines: Engines, clock: Clock) -> None:
    make, rule = Made(b""), CACHED["words"]
    for _ in range(3):
        assert cached(engines, "words", "nothing", make, make) == b""
    assert make.times == 1
    clock.now += rule.nothing
    make.value = b"something"
    assert cached(engines, "words", "nothing", make, make) == b"something", "and is never served old"
    empty = Made(b"")
    for _ in range(3):
        assert cached(engines, "part", "never empty", empty) == b""
    assert empty.times == 3, "this kind keeps no nothing"


def test_many_names_are_asked_for_once(engines: Engines, clock: Clock) -> None:
    keep(engines, "face", {"1:0": b"one", "2:0": b"two"})
    before = layer.counts.copy()
    assert kept(engines, "face", (name for name in ("1:0", "2:0", "3:0"))) == {"1:0": b"one", "2:0": b"two"}
    assert layer.counts - before == {("face", "hit"): 2, ("face", "miss"): 1}
    drop(engines, "face", ["1:0"])
    assert kept(engines, "face", ["1:0", "2:0"]) == {"2:0": b"two"}
    clock.now += CACHED["face"].fresh
    assert kept(engines, "face", ["2:0"]) == {}


def test_what_is_kept_at_one_time_does_not_end_at_one_time(engines: Engines, clock: Clock) -> None:
    for n in range(200):
        keep(engines, "list", {str(n): b"x"})
    names, left = [str(n) for n in range(200)], []
    clock.now += CACHED["list"].fresh * (1 - JITTER)
    for _ in range(10):
        left.append(len(kept(engines, "list", names)))
        clock.now += CACHED["list"].fresh * JITTER / 9
    assert left[0] >= 199
    assert left[-1] == 0
    assert 60 < left[5] < 140


def test_a_release_does_not_read_what_another_wrote(engines: Engines, monkeypatch: pytest.MonkeyPatch) -> None:
    keep(engines, "face", {"1:0": b"bytes of today"})
    monkeypatch.setattr(layer, "__version__", "99.0")
    assert kept(engines, "face", ["1:0"]) == {}
    monkeypatch.undo()
    monkeypatch.setattr(layer, "LAYOUT", layer.LAYOUT + 1)
    assert kept(engines, "face", ["1:0"]) == {}


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("ask"), st.sampled_from(["list", "words", "part"])),
        st.tuples(st.just("wait"), st.floats(0, 1000)),
        st.tuples(st.just("drop"), st.sampled_from(["list", "words", "part"])),
        st.tuples(st.just("break"), st.booleans()),
        st.tuples(st.just("empty"), st.booleans()),
    ),
    max_size=60,
)


@settings(deadline=None, max_examples=150)
@given(STEPS)
def test_nothing_is_served_older_than_it_may_be(plain: Engines, steps: list[tuple[str, object]]) -> None:
    """The truth is the time; what is told of it is no older than fresh and stale together, or `nothing` of an empty
    one, and not from before it was dropped."""
    clock = Clock()
    start, layer.clock = clock.now, clock
    engines = plain._replace(cache=MemoryCache(1_000_000, clock))
    broken = empty = False
    dropped = dict.fromkeys(CACHED, 0.0)
    emptied: list[tuple[float, bool]] = [(0.0, False)]

    def make() -> bytes:
        if broken:
            raise Unavailable("broken")
        return b"" if empty else repr(clock.now).encode()

    try:
        for step, what in steps:
            if step == "wait":
                clock.now += what  # type: ignore[operator]
            elif step == "break":
                broken = bool(what)
            elif step == "empty":
                empty = bool(what)
                emptied.append((clock.now, empty))
            elif step == "drop":
                drop(engines, str(what), ["it"])
                dropped[str(what)] = clock.now
            else:
                kind = str(what)
                rule, again = CACHED[kind], make if kind == "words" else None
                try:
                    told = cached(engines, kind, "it", make, again)
                except Unavailable:
                    assert broken, "an exception is not kept"
                    continue
                until(lambda: not layer._flights)
                if told:
                    age = clock.now - float(told)
                    assert age <= rule.fresh + (rule.stale if again else 0)
                    assert float(told) >= dropped[kind]
                else:
                    since = [at for at, was in emptied if was]
                    assert since
                    ends = [at for at, was in emptied if not was and at > since[-1]]
                    assert not ends or clock.now - ends[-1] <= rule.nothing
        assert clock.now >= start
    finally:
        layer.clock = time.time


@settings(deadline=None, max_examples=30)
@given(st.integers(2, 12), st.integers(1, 3), st.booleans(), st.floats(0, 0.01))
def test_it_is_never_made_twice_at_once(plain: Engines, threads: int, names: int, fails: bool, takes: float) -> None:
    engines = plain._replace(cache=MemoryCache(0))  # keeps nothing, so that all of it is made
    made = [Made(str(n).encode(), takes) for n in range(names)]
    for each in made:
        each.error = ValueError("no") if fails else None
    turn = iter(range(10**6))

    def some() -> bytes:
        for _ in range(5):
            which = next(turn) % names
            try:
                assert cached(engines, "list", str(which), made[which]) == str(which).encode()
            except ValueError:
                assert fails
        return b""

    assert at_once(threads, some) == [b""] * threads
    assert [each.most for each in made] == [1] * names
    assert not layer._flights


# Over several processes


@pytest.fixture(params=["redis", "memcached"])
def shared(request: pytest.FixtureRequest, plain: Engines, tmp_path: Path) -> Callable[[], Engines]:
    """Opens what another process of the site has: the same cache by other connections."""
    url = f"{need(str(request.param))}?prefix={namespace(tmp_path)}&timeout=5"
    return lambda: plain._replace(cache=wiring.cache(Settings(cache=url)))


def test_another_process_waits_for_what_one_makes(shared: Callable[[], Engines]) -> None:
    make = Made(seconds=0.4)
    every = [shared() for _ in range(4)]
    turn = iter(every)
    assert at_once(4, lambda: cached(next(turn), "list", "a", make)) == [b"made"] * 4
    assert make.times == 1


def test_a_process_that_dies_while_it_makes_it_holds_nobody_up_for_long(shared: Callable[[], Engines]) -> None:
    dead, alive = shared(), shared()
    assert dead.cache.put_new(layer._key("lease", "list:a"), b"", CACHED["list"].lease)
    began = time.monotonic()
    assert cached(alive, "list", "a", Made()) == b"made"
    assert time.monotonic() - began < CACHED["list"].lease + 1
    assert cached(dead, "list", "a", Made(b"not needed")) == b"made"


def test_what_fails_in_one_process_is_tried_by_the_next(shared: Callable[[], Engines]) -> None:
    one, other = shared(), shared()
    make = Made()
    make.error = Unavailable("away")
    with pytest.raises(Unavailable):
        cached(one, "part", "a", make)
    began = time.monotonic()
    assert cached(other, "part", "a", Made()) == b"made"
    assert time.monotonic() - began < 4, "the lease went with the failure"


def test_a_dead_cache_keeps_nothing_and_hinders_nothing(plain: Engines, tmp_path: Path) -> None:
    url = f"{need('redis')}?prefix={namespace(tmp_path)}"
    engines = plain._replace(cache=wiring.cache(Settings(cache=url)))
    server("redis").freeze()
    try:
        make = Made()
        began = time.monotonic()
        for n in range(20):
            assert cached(engines, "list", str(n), make) == b"made"
        assert make.times == 20
        assert time.monotonic() - began < 5
    finally:
        server("redis").thaw()


@pytest.mark.parametrize("url", ["", "redis", "memcached"])
def test_new_words_reach_the_walls_of_other_processes(url: str, tmp_path: Path, clock: Clock) -> None:
    cache = f"{need(url)}?prefix={namespace(tmp_path)}&timeout=5" if url else ""
    one, other = (wiring.connect(Settings(data=tmp_path / "data", cache=cache)) for _ in range(2))
    with one.database.write() as conn:
        ada = users.create(conn, "ada", "hash").id
        image, _ = images.accept(conn, "ab" * 32, 1)
        pin, _ = pins.create(conn, ada, image.id, title="Old words")
        images.ready(conn, image.id, [])
    look = Look(width=3, height=2, format="jpeg", renditions=(), thumbhash="", palette=(), phash="12", phash_flip="21")
    one.metadata.put(f"look:{image.media}", msgspec.json.encode(look))

    def title(engines: Engines) -> str:
        with engines.database.read() as conn:
            return faces.faces(engines, conn, {pin.id: False})[pin.id].title

    assert title(one) == title(other) == "Old words"
    with one.database.write() as conn:
        pins.update(conn, pin.id, ada, title="New words")
    faces.forget(one, pin.id)
    assert title(one) == "New words"
    assert title(other) == ("New words" if url else "Old words")
    clock.now += CACHED["face"].fresh
    assert title(other) == "New words"
    one.close()
    other.close()


def test_the_documentation_has_the_same_table() -> None:
    page = (
        (DOCS / "architecture.md").read_text(encoding="utf-8").partition("## What is cached")[2].partition("\n## ")[0]
    )
    rows = [row for row in page.splitlines() if row.startswith("| ")][1:]

    def words(seconds: float) -> str:
        return "" if not seconds else f"{seconds:.0f} s" if seconds <= 60 else f"{seconds / 60:.0f} min"

    assert [[cell.strip() for cell in row.strip("|").split("|")] for row in rows] == [
        [kind.what, f"`{name}:{kind.key}`", words(kind.fresh), words(kind.stale), words(kind.nothing), kind.wrong]
        for name, kind in CACHED.items()
    ]
