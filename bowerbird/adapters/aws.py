"""One way of calling Amazon's services, for every engine that is one: `dynamodb://KEY:SECRET@name?endpoint=…&region=…`.

boto3 would wait minutes for a frozen service and try on in its own way; here every call has a deadline.
"""

from __future__ import annotations

import random
import re
import threading
import time
from typing import Any
from urllib.parse import parse_qsl, unquote

import boto3
from botocore import exceptions
from botocore.config import Config

from bowerbird.ports import Unavailable

TIMEOUT = 3.0
"""Seconds without a word after which a request is given up, unless the URL says otherwise."""
CONNECTING = 1.0
"""Seconds that this may take."""
DEADLINE = 4.0
"""Seconds after which what was turned away for being too much is not asked again."""
PAUSE = 0.05
"""Seconds at most before the second try; they double from there."""
LONGEST = 1.0
CONNECTIONS = 32

# It has read what the services are like, which takes longer than all else here; one thread at a time may use it.
_SESSION = boto3.session.Session()
_USING = threading.Lock()

_SECONDS = re.compile(r"\d*[1-9]\d*(\.\d+)?|\d*\.\d*[1-9]\d*")
_BUSY = re.compile("Throttl|Throughput|RequestLimit|TooManyRequests|SlowDown|LimitExceededException")
_ABSENT = re.compile("ResourceNotFound|NonExistentQueue|QueueDoesNotExist")
_STRANGER = re.compile("UnrecognizedClient|ClientTokenId|Signature|ExpiredToken|AuthenticationToken|AccessKeyId")
_DENIED = re.compile("AccessDenied|NotAuthorized|OptInRequired")


class Absent(Unavailable):
    """There is no such table or queue."""


class Refused(Exception):
    """The service understood and said no. `code` is its own word for why."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code


class Patience:
    """Waits between tries: longer each time, by chance, and not for ever."""

    def __init__(self) -> None:
        self._until = time.monotonic() + DEADLINE
        self._pause = PAUSE

    def spend(self, why: Unavailable) -> None:
        """Sleeps before the next try. Raises `why` when there is to be none."""
        pause = random.uniform(0, self._pause)
        if time.monotonic() + pause > self._until:
            raise why
        time.sleep(pause)
        self._pause = min(2 * self._pause, LONGEST)


class Service:
    """Calls to one service, by any thread. `place` is what the URL names: a table, a queue."""

    def __init__(self, kind: str, url: str, waits: float = 0.0) -> None:
        """`waits`: seconds that a request may rest at the service before it is answered. Nothing is sent yet.

        Raises `ValueError` for a URL that cannot be meant.
        """
        words = f"{kind}://KEY:SECRET@NAME?endpoint=…&region=…&timeout=… (all but NAME may be left out)"
        # A secret key holds / and +, so this is no case for `urlsplit`.
        front, _, query = url.partition("://")[2].partition("?")
        who, _, self.place = front.rpartition("@")
        key, _, secret = who.partition(":")
        options = dict(parse_qsl(query))
        endpoint = options.pop("endpoint", None)
        region = options.pop("region", "us-east-1" if endpoint else None)
        timeout = options.pop("timeout", str(TIMEOUT))
        if options:
            raise ValueError(f"{', '.join(sorted(options))} is not known here; write {words}")
        if not self.place or "/" in self.place or bool(key) != bool(secret) or not _SECONDS.fullmatch(timeout):
            raise ValueError(f"write {words}")
        try:
            with _USING:
                self._client = _SESSION.client(
                    kind,
                    region_name=region,
                    endpoint_url=endpoint,
                    aws_access_key_id=unquote(key) or None,
                    aws_secret_access_key=unquote(secret) or None,
                    config=Config(
                        connect_timeout=CONNECTING,
                        read_timeout=float(timeout) + waits,
                        retries={"total_max_attempts": 1},
                        max_pool_connections=CONNECTIONS,
                        parameter_validation=False,
                    ),
                )
        except exceptions.NoRegionError as error:
            raise ValueError("no region is given; add ?region=eu-central-1, or whichever it is") from error
        except (exceptions.BotoCoreError, ValueError) as error:
            raise ValueError(f"{error}; write {words}") from error
        self.name = f"{kind} {self.place!r} at {self._client.meta.endpoint_url}"

    def call(self, operation: str, *, twice: bool = True, **words: Any) -> dict[str, Any]:
        """The answer. `twice`: it does no harm if done twice, so it is when an answer was lost on the way.

        Raises `Unavailable`, of which `Absent` is one, and `Refused`.
        """
        patience = Patience()
        lost = False
        while True:
            try:
                answer: dict[str, Any] = getattr(self._client, operation)(**words)
                return answer
            except exceptions.ClientError as error:
                code = str(error.response["Error"].get("Code"))
                message = str(error.response["Error"].get("Message") or "no reason given")
                status = int(error.response["ResponseMetadata"].get("HTTPStatusCode", 0))
                if not _BUSY.search(code) and not (status >= 500 and twice):
                    raise self._told(operation, status, code, message) from error
                patience.spend(Unavailable(f"{self.name} is too busy ({code}: {message})"))
            except (exceptions.EndpointConnectionError, exceptions.ConnectionClosedError) as error:
                # One that was kept open is closed when the service starts again; a fresh one then tells the truth.
                never_sent = isinstance(error, exceptions.EndpointConnectionError)
                if lost or not (twice or never_sent):
                    raise Unavailable(f"{self.name} cannot be reached: {error}") from error
                lost = True
            except exceptions.NoCredentialsError as error:
                advice = "put KEY:SECRET@ into its URL, or give the process a role"
                raise Unavailable(f"{self.name} wants credentials and there are none; {advice}") from error
            except exceptions.BotoCoreError as error:
                raise Unavailable(f"{self.name} does not answer: {error}") from error

    def _told(self, operation: str, status: int, code: str, message: str) -> Exception:
        if status >= 500:
            return Unavailable(f"{self.name} is out of order ({code}: {message})")
        if _ABSENT.search(code):
            return Absent(f"{self.name} is not there ({message})")
        # What stands before a service, and moto, may say no in words of its own.
        if _STRANGER.search(code if status not in (401, 403) else code + message):
            return Unavailable(f"{self.name} does not know these credentials ({code}: {message}); check KEY:SECRET")
        if _DENIED.search(code) or status in (401, 403):
            return Unavailable(f"{self.name}: these credentials may not {operation} ({message})")
        return Refused(code, message)

    def close(self) -> None:
        self._client.close()
