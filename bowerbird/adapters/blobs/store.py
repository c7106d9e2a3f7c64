"""Blobs in an object store: S3 and whatever speaks like it, Google Cloud Storage, Azure Blob Storage."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote

import obstore
from obstore.exceptions import BaseError
from obstore.store import AzureStore, GCSStore, S3Store

from bowerbird.adapters.blobs.keys import checked, folders_of
from bowerbird.ports import Missing, Unavailable

TIMEOUT = 5.0
"""Seconds without a word after which a request is given up; a part of a large blob must be sent within them."""
LONGEST = 12
"""As many times as long may a whole answer take."""
CONNECTING = 2.0
"""Seconds that this may take."""
RETRIES = 3
PART = 5 * 2**20
"""Bytes. What is larger is sent in parts of this size."""
AT_ONCE = 4
"""Parts under way at a time."""

FORMS = {
    "s3": "s3://KEY:SECRET@bucket/prefix?endpoint=…&region=… (KEY:SECRET@, prefix and options may be left out)",
    "gs": "gs://bucket/prefix?credentials=/path/to/service-account.json (prefix and credentials may be left out)",
    "az": "az://ACCOUNT:KEY@container/prefix (:KEY and prefix may be left out)",
}
OPTIONS = {"s3": {"region"}, "gs": {"credentials"}, "az": set[str]()}

_STATUS = re.compile(r"non-2xx status code: (\d+)")
_CODE = re.compile(r"<Code>(\w+)</Code>")


class Store:
    """A URL of one of `FORMS`, with `?endpoint=` for a service of one's own, `?ca=` the file of its authority,
    `?storage_class=` in the service's own words, `?timeout=` in seconds.

    Each blob carries its SHA-256, and what comes back is compared with it. A large blob whose sending was cut short
    is never seen, but its parts may take room: a bucket's lifecycle rule should abort what is left unfinished.
    """

    def __init__(self, url: str) -> None:
        """Raises ValueError for a URL, a key or a bucket that cannot be used, Unavailable where nothing answers."""
        self._store, self.name, storage_class = _opened(url)
        self._attributes = {"Storage-Class": storage_class} if storage_class else {}
        self._look()

    def put(self, key: str, data: bytes) -> None:
        checked(key)
        attributes = self._attributes | {"sha256": hashlib.sha256(data).hexdigest()}
        try:
            with self._named():
                obstore.put(self._store, key, data, attributes=attributes, chunk_size=PART, max_concurrency=AT_ONCE)
        except FileNotFoundError as error:  # the bucket is gone
            raise self._told(error) from error

    def get(self, key: str) -> bytes:
        for _ in range(2):  # what was damaged on its way may be whole the next time
            data, digest = self._got(checked(key))
            if digest is None or hashlib.sha256(data).hexdigest() == digest:
                return data
        raise Unavailable(f"{self.name}: {key} is damaged: it does not have the SHA-256 it was put with")

    def exists(self, key: str) -> bool:
        try:
            with self._named():
                obstore.head(self._store, checked(key))
        except FileNotFoundError:
            return False
        return True

    def delete(self, keys: Iterable[str]) -> None:
        gone = [checked(key) for key in keys]
        with self._named():
            try:
                obstore.delete(self._store, gone)
            except FileNotFoundError:  # not S3: it stopped at what was not there
                for key in gone:
                    with suppress(FileNotFoundError):
                        obstore.delete(self._store, key)

    def keys(self, prefix: str = "") -> Iterator[str]:
        above = folders_of(prefix)  # stores are asked for whole folders only
        with self._named():
            for some in obstore.list(self._store, above or None):
                yield from (each["path"] for each in some if each["path"].startswith(prefix))

    def _got(self, key: str) -> tuple[bytes, str | None]:
        try:
            with self._named():
                answer = obstore.get(self._store, key)
                return bytes(answer.bytes()), answer.attributes.get("sha256")
        except FileNotFoundError as error:
            if _CODE.search(str(error)) and "NoSuchKey" not in str(error) and "BlobNotFound" not in str(error):
                raise self._told(error) from error  # the bucket is gone, and all that is in it
            raise Missing(key) from None

    def _look(self) -> None:
        try:
            next(iter(obstore.list(self._store)), None)
        except (BaseError, FileNotFoundError) as error:
            status = _STATUS.search(str(error))
            if status and int(status[1]) < HTTPStatus.INTERNAL_SERVER_ERROR:
                raise ValueError(str(self._told(error))) from error
            raise self._told(error) from error

    @contextmanager
    def _named(self) -> Iterator[None]:
        try:
            yield
        except BaseError as error:
            raise self._told(error) from error

    def _told(self, error: Exception) -> Unavailable:
        """In our own words: the library's go over many lines."""
        text = str(error)
        status, code = _STATUS.search(text), _CODE.search(text)
        why = code[1] if code else f"status {status[1]}" if status else ""
        match int(status[1]) if status else 0:
            case HTTPStatus.NOT_FOUND:
                what = f"there is no such bucket ({why}); make it, or check the name and the endpoint"
            case HTTPStatus.UNAUTHORIZED | HTTPStatus.FORBIDDEN:
                what = f"it refuses the key ({why}); check the credentials, the bucket, and what they may do in it"
            case HTTPStatus.MOVED_PERMANENTLY | HTTPStatus.TEMPORARY_REDIRECT | HTTPStatus.BAD_REQUEST:
                what = f"it does not take the request ({why}); check the region and the endpoint"
            case 0 if "kind: Connect" in text:
                what = "nothing can be reached there"
            case 0 if "kind: Timeout" in text:
                what = "it does not answer in time"
            case _:
                what = why or text.partition("\n")[0]
        return Unavailable(f"{self.name}: {what}")


def _opened(url: str) -> tuple[Any, str, str]:
    """The store, what to call it, and its storage class. Raises ValueError."""
    kind, _, rest = url.partition("://")
    # A secret key holds / and +, so this is no case for `urlsplit`.
    front, _, query = rest.partition("?")
    who, _, place = front.rpartition("@")
    bucket, _, prefix = place.partition("/")
    user, _, secret = map(unquote, who.partition(":"))
    options = dict(parse_qsl(query))
    unknown = options.keys() - {"endpoint", "ca", "storage_class", "timeout"} - OPTIONS[kind]
    if unknown:
        raise ValueError(f"{', '.join(sorted(unknown))} is not known here; write {FORMS[kind]}")
    endpoint = options.get("endpoint", "")
    if not bucket or (endpoint and not re.match(r"https?://[^/]", endpoint)):
        raise ValueError(f"write {FORMS[kind]}; an endpoint begins with http:// or https://")
    words = {"prefix": prefix.strip("/") or None, **_patience(options)}
    if endpoint:
        words["base_url" if kind == "gs" else "endpoint"] = endpoint
    try:
        match kind:
            case "s3":
                if bool(user) != bool(secret):
                    raise ValueError("a key without its secret")
                if user:
                    words["credential_provider"] = _Fixed(user, secret)
                if "region" in options or endpoint:
                    words["region"] = options.get("region", "us-east-1")
                store: Any = S3Store(bucket, **words)
            case "gs":
                if "credentials" in options:
                    words["service_account"] = options["credentials"]
                store = GCSStore(bucket, **words)
            case _:
                if secret:
                    words["account_key"] = secret
                store = AzureStore(bucket, account_name=user or None, **words)
    except (BaseError, ValueError, OSError) as error:
        raise ValueError(f"{str(error).partition(chr(10))[0]}; write {FORMS[kind]}") from None
    return store, f"{kind} bucket {bucket!r}{f' at {endpoint}' if endpoint else ''}", options.get("storage_class", "")


def _patience(options: dict[str, str]) -> dict[str, Any]:
    timeout = float(options.get("timeout", TIMEOUT))
    client: dict[str, Any] = {
        "connect_timeout": timedelta(seconds=CONNECTING),
        "read_timeout": timedelta(seconds=timeout),
        "timeout": timedelta(seconds=LONGEST * timeout),
        "allow_http": options.get("endpoint", "").startswith("http://"),
    }
    if "ca" in options:
        try:
            client["root_certificate"] = Path(options["ca"]).read_bytes()
        except OSError as error:
            raise ValueError(f"?ca= names {options['ca']}, which cannot be read: {error.strerror}") from error
    waits = {"init_backoff": timedelta(seconds=0.1), "max_backoff": timedelta(seconds=1), "base": 2}
    retries = {"max_retries": RETRIES, "retry_timeout": timedelta(seconds=timeout), "backoff": waits}
    return {"client_options": client, "retry_config": retries}


class _Fixed:
    """The URL's own key, whatever the environment says."""

    def __init__(self, key: str, secret: str) -> None:
        self._pair = {"access_key_id": key, "secret_access_key": secret}

    def __call__(self) -> dict[str, Any]:
        return {**self._pair, "token": None, "expires_at": None}
