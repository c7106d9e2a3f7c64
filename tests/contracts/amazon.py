"""What Amazon's services do and their simulators do not: turn requests away, do half of a batch."""

from __future__ import annotations

import http.client
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

Words = dict[str, Any]


class Turned(Exception):
    """The request is not passed on; the answer is this error code."""


class Meddler:
    """Stands before a real service, at `url`, and passes on what `rule` lets it."""

    def __init__(self, endpoint: str) -> None:
        self.seen: list[str] = []
        """Operations asked for."""
        meddler = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                operation = self.headers["X-Amz-Target"].rpartition(".")[2]
                asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                meddler.seen.append(operation)
                try:
                    asked, more = meddler.rule(operation, asked)
                except Turned as turned:
                    self.answer(400, {"__type": f"com.amazonaws#{turned}", "message": "Not now."})
                    return
                there = http.client.HTTPConnection(urlsplit(endpoint).netloc)
                headers = {k: v for k, v in self.headers.items() if k.lower() not in ("host", "content-length")}
                there.request("POST", "/", json.dumps(asked), headers)
                found = there.getresponse()
                self.answer(found.status, json.loads(found.read() or b"{}") | more)
                there.close()

            def answer(self, status: int, words: Words) -> None:
                body = json.dumps(words).encode()
                self.send_response(status)
                self.send_header("Content-Type", self.headers["Content-Type"])
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._http.server_port}"
        threading.Thread(target=self._http.serve_forever, daemon=True).start()

    def rule(self, operation: str, asked: Words) -> tuple[Words, Words]:
        """What is passed on, and what the answer gets besides. May raise `Turned`."""
        return asked, {}

    def close(self) -> None:
        self._http.shutdown()
        self._http.server_close()
