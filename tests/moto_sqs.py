"""moto's SQS as a process: `python moto_sqs.py PORT`. One request at a time, for under several it has given the same
message to two receivers; whoever waits for a message does it here, so that others may send meanwhile."""

from __future__ import annotations

import io
import json
import sys
import threading
import time
from collections.abc import Callable, Iterable
from typing import Any

from moto.server import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import WSGIRequestHandler, run_simple
from werkzeug.wrappers import Response


class Serial:
    def __init__(self, app: Any) -> None:
        self._app = app
        self._turn = threading.Lock()

    def __call__(self, environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        until = time.monotonic()
        if environ.get("HTTP_X_AMZ_TARGET") == "AmazonSQS.ReceiveMessage":
            asked = json.loads(body)
            until += asked.pop("WaitTimeSeconds", 0)
            body = json.dumps({**asked, "WaitTimeSeconds": 0}).encode()
        while True:
            length = {"CONTENT_LENGTH": str(len(body)), "wsgi.input": io.BytesIO(body)}
            with self._turn:
                answer = Response.from_app(self._app, environ | length, buffered=True)
            if time.monotonic() >= until or answer.status_code != 200 or b'"Messages"' in answer.get_data():
                return answer(environ, start)
            time.sleep(0.02)


class Quiet(WSGIRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_request(self, *_: object) -> None:
        pass


if __name__ == "__main__":
    app = Serial(DomainDispatcherApplication(create_backend_app))
    run_simple("127.0.0.1", int(sys.argv[1]), app, threaded=True, request_handler=Quiet)
