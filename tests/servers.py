"""Real engines for the tests: each is started once, when the first test asks for it, and stopped at the end.

A child process finds the address in the environment (`BOWERBIRD_TEST_<NAME>`), so a contract's
`open(folder)` works in any process. `namespace(folder)` keeps tests apart within one engine.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import hashlib
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote, unquote, urlsplit
from urllib.request import Request, urlopen

from bowerbird.fleet.server import Server, free_port, port_answers
from bowerbird.fleet.servers import broker, postgres, redis, seaweedfs
from bowerbird.ports import Unavailable
from tests import mariadb
from tests.conftest import engine_missing
from tests.proxy import Proxy

PASSWORD = "of the tests: @/%"
"""PostgreSQL's, with what a URL must escape."""
_DYNAMODB = Path(__file__).parents[1] / ".cache/engines/node_modules/amplify-dynamodb-simulator/emulator"


class Running(NamedTuple):
    url: str
    servers: list[Server]


running: dict[str, Running] = {}
folders: list[Path] = []


def need(name: str) -> str:
    """The engine's URL; started if it is not running. Where it is not installed the test is skipped, or fails."""
    variable = f"BOWERBIRD_TEST_{name.upper()}"
    if variable not in os.environ:
        folder = Path(tempfile.mkdtemp(prefix=f"bowerbird-{name}-"))
        folders.append(folder)
        try:
            running[name] = START[name](folder)
        except Unavailable as error:
            if "not installed" not in str(error):
                raise
            engine_missing(str(error))
        os.environ[variable] = running[name].url
    return os.environ[variable]


@contextlib.contextmanager
def of_ones_own(name: str) -> Iterator[Running]:
    """Another one, for a test that breaks it."""
    need(name)  # skips where it is not installed
    with tempfile.TemporaryDirectory(prefix=f"bowerbird-{name}-", ignore_cleanup_errors=True) as folder:
        made = START[name](Path(folder))
        yield made
        for each in made.servers:
            each.stop()


def server(name: str, which: int = 0) -> Server:
    """One that `need` started in this process, to be killed or frozen."""
    return running[name].servers[which]


def namespace(folder: Path) -> str:
    """A name for what belongs to one test: letters and digits, the same for the same folder in every process."""
    return "t" + hashlib.sha256(str(folder).encode()).hexdigest()[:16]


def stop_all() -> None:
    for name, each in running.items():
        for server in reversed(each.servers):
            server.stop()
        os.environ.pop(f"BOWERBIRD_TEST_{name.upper()}", None)
    running.clear()
    while folders:
        shutil.rmtree(folders.pop(), ignore_errors=True)


def up(url: str, *servers: Server) -> Running:
    for each in servers:
        each.start()
        each.wait()
    return Running(url, list(servers))


def _redis(folder: Path) -> Running:
    port = free_port()
    return up(redis.url(port), redis.redis(folder, port))


def _seaweedfs(folder: Path) -> Running:
    """One bucket, in which each test has a prefix of its own."""
    ports = [free_port() for _ in range(seaweedfs.PORTS)]
    login = ("bowerbird", "of the/tests+@%")
    server = seaweedfs.seaweedfs(folder, ports, *login, "pictures")
    return up(seaweedfs.url(ports[0], *login, "pictures"), server)


def _dynamodb(folder: Path) -> Running:
    """Amazon's DynamoDB Local; what `need` gives is its endpoint. It keeps its tables when it dies."""
    java, program = shutil.which("java"), _DYNAMODB / "DynamoDBLocal.jar"
    if java is None or not program.exists():
        raise Unavailable("dynamodb is not installed: it takes Java 17 and `npm install amplify-dynamodb-simulator`")
    port = free_port()
    light = ["-Xmx256m", "-XX:+UseSerialGC", f"-Djava.library.path={_DYNAMODB / 'DynamoDBLocal_lib'}"]
    # It syncs each write of its own, most slowly; in memory that is nothing. Emptied when the tests end.
    kept = tempfile.TemporaryDirectory(dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else folder)
    atexit.register(kept.cleanup)
    words = ["-disableTelemetry", "-sharedDb", "-dbPath", kept.name, "-port", str(port)]
    command = [java, *light, "-jar", str(program), *words]
    return up(f"http://127.0.0.1:{port}", Server("dynamodb", command, folder, lambda: _lists_tables(port)))


def _lists_tables(port: int) -> None:
    """Raises `OSError` unless DynamoDB does. Its port is open seconds before."""
    headers = {
        "X-Amz-Target": "DynamoDB_20120810.ListTables",
        "Content-Type": "application/x-amz-json-1.0",
        "Authorization": "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/dynamodb/aws4_request, "
        "SignedHeaders=host, Signature=none",
    }
    with urlopen(Request(f"http://127.0.0.1:{port}", b"{}", headers), timeout=10) as answer:
        answer.read()


def _memcached(folder: Path) -> Running:
    """Two servers, as a site that needs more memory than one machine has."""
    program = shutil.which("memcached")
    if program is None:
        raise Unavailable("memcached is not installed: `apt install memcached`")
    account = ["-u", "nobody"] if os.geteuid() == 0 else []
    ports = [free_port(), free_port()]

    def one(port: int) -> Server:
        words = ["-l", "127.0.0.1", "-p", str(port), "-U", "0", "-m", "64", *account]
        return Server(f"memcached-{port}", [program, *words], folder, lambda: port_answers(port))

    return up("memcached://" + ",".join(f"127.0.0.1:{port}" for port in ports), *(one(port) for port in ports))


def _postgres(folder: Path, replicas: int = 0) -> Running:
    """The first is the primary, and a commit waits until a replica has it."""
    ports = [free_port() for _ in range(1 + replicas)]
    first = postgres.primary(folder / "primary", ports[0], PASSWORD, [f"replica{n}" for n in range(1, 1 + replicas)])
    up("", first)
    more = [
        postgres.replica(folder / f"replica{n}", ports[n], ports[0], PASSWORD, f"replica{n}")
        for n in range(1, 1 + replicas)
    ]
    up("", *more)
    hosts = ",".join(f"127.0.0.1:{port}" for port in ports)
    return Running(f"postgresql://{postgres.USER}:{quote(PASSWORD, safe='')}@{hosts}/postgres", [first, *more])


def _mysql(folder: Path, replicas: int = 0) -> Running:
    """As `_postgres`, but after 3 s a commit waits no longer."""
    ports = [free_port() for _ in range(1 + replicas)]
    each = [mariadb.mariadb(folder / f"{n}", port, n + 1) for n, port in enumerate(ports)]
    hosts = ",".join(f"127.0.0.1:{port}" for port in ports)
    url = f"mysql://{mariadb.USER}:{quote(mariadb.PASSWORD, safe='')}@{hosts}/mysql"
    running = up(url, *each)
    for port in ports[1:]:
        mariadb.follow(port, ports[0])
    return running


def database(name: str, folder: Path) -> str:
    """The URL of a database of the test's own, in the engine `name`; made if it is not there."""
    return database_at(need(name), namespace(folder))


def database_at(server: str, mine: str) -> str:
    url = urlsplit(server)
    host = f"{url.netloc.rpartition('@')[2]}".split(",")[0].split(":")
    login = {"host": host[0], "port": int(host[1]), "user": url.username, "password": unquote(url.password or "")}
    if url.scheme == "postgresql":
        import psycopg

        with psycopg.connect(**login, dbname="postgres", autocommit=True) as raw, contextlib.suppress(psycopg.Error):
            raw.execute(f"CREATE DATABASE {mine}")
    else:
        import pymysql

        with pymysql.connect(**login) as raw:
            raw.cursor().execute(f"CREATE DATABASE IF NOT EXISTS {mine} CHARACTER SET utf8mb4")
    return url._replace(path=f"/{mine}").geturl()


def self_hosted(folder: Path) -> dict[str, str]:
    """The settings of a whole site on servers that anyone may run, with what is its own in each."""
    mine = namespace(folder)
    relations, topics = database("postgres", folder), need("kafka").rpartition("/")[0]
    return {
        "BOWERBIRD_DATABASE": relations,
        "BOWERBIRD_VECTORS": relations,
        "BOWERBIRD_BLOBS": _bucket(mine),
        "BOWERBIRD_QUEUE": f"{topics}/{mine}-jobs",
        "BOWERBIRD_EVENTS": f"{topics}/{mine}",
        "BOWERBIRD_CACHE": f"{need('redis')}?prefix={mine}",
    }


def on_amazon(folder: Path) -> dict[str, str]:
    """The same on what Amazon runs, or what speaks like it."""
    mine = namespace(folder)
    return {
        "BOWERBIRD_DATABASE": database("mysql", folder),
        "BOWERBIRD_BLOBS": _bucket(mine),
        "BOWERBIRD_QUEUE": f"sqs://test:test@{mine}?endpoint={need('sqs')}",
        "BOWERBIRD_METADATA": f"dynamodb://test:test@{mine}?endpoint={need('dynamodb')}",
        "BOWERBIRD_CACHE": f"{need('memcached')}?prefix={mine}",
    }


def _bucket(mine: str) -> str:
    place, _, options = need("seaweedfs").partition("?")
    return f"{place}/{mine}?{options}"


def _sqs(folder: Path) -> Running:
    """What `need` gives is its endpoint. It keeps its queues in memory."""
    if find_spec("moto") is None:
        raise Unavailable("sqs is not installed: `pip install moto[server]`")
    port = free_port()
    command = [sys.executable, "-P", str(Path(__file__).with_name("moto_sqs.py")), str(port)]
    return up(f"http://127.0.0.1:{port}", Server("sqs", command, folder, lambda: port_answers(port)))


def _milvus(folder: Path) -> Running:
    """The server of Milvus Lite: what a client sees of it is Milvus."""
    if find_spec("milvus_lite") is None or find_spec("pymilvus") is None:
        raise Unavailable("milvus is not installed: `pip install bowerbird[milvus] milvus-lite`")
    port = free_port()
    command = [sys.executable, "-P", "-m", "milvus_lite", "server", "--data-dir", str(folder), "--port", str(port)]
    return up(f"milvus://127.0.0.1:{port}/", Server("milvus", command, folder, lambda: port_answers(port)))


def _moto_s3(folder: Path) -> Running:
    """What knows storage classes. What `need` gives is its endpoint; it takes any key."""
    if find_spec("moto") is None:
        raise Unavailable("moto is not installed: `pip install moto[server]`")
    port = free_port()
    command = [sys.executable, "-m", "moto.server", "-p", str(port)]
    return up(f"http://127.0.0.1:{port}", Server("moto-s3", command, folder, lambda: port_answers(port)))


def _kafka(folder: Path, kept: bool = False, told: bool = False) -> Running:
    """A broker that forgets all when it dies, unless it is `kept`. `told`: clients are sent to another port than the
    one where it listens, and something has to listen there."""
    first = _seaweedfs(folder / "kept") if kept else Running("", [])
    port, other = free_port(), free_port() if told else 0
    running = up(broker.url(other or port, "tests"), broker.broker(folder, port, first.url, other))
    return Running(running.url, [*running.servers, *first.servers])


def kafka_proxy() -> Proxy:
    """In front of a broker that sends its clients there."""
    told = urlsplit(need("kafka_told")).port
    listens = server("kafka_told").command.index("--listener-url") + 1
    return Proxy(int(server("kafka_told").command[listens].rpartition(":")[2]), port=told or 0)


START: dict[str, Callable[[Path], Running]] = {
    "redis": _redis,
    "memcached": _memcached,
    "dynamodb": _dynamodb,
    "seaweedfs": _seaweedfs,
    "sqs": _sqs,
    "moto_s3": _moto_s3,
    "milvus": _milvus,
    "postgres": _postgres,
    "postgres_pair": functools.partial(_postgres, replicas=1),
    "mysql": _mysql,
    "mysql_pair": functools.partial(_mysql, replicas=1),
    "kafka": _kafka,
    "kafka_kept": functools.partial(_kafka, kept=True),
    "kafka_told": functools.partial(_kafka, told=True),
}
