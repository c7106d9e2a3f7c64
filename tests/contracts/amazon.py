"""What Amazon's services do and their simulators do not: turn requests away, do half of a batch."""

from __future__ import annotations

import http.client
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

Words = dict[str, Any]


class Stingy:
    """Stands before a real service, at `url`; turns requests away for being too many, and does half of a batch."""

    busy: str
    """The error code of who is turned away."""
    turned_away = 0
    """Requests still to be turned away."""
    halved = 0
    """Batches still to be done by half."""

    def __init__(self, endpoint: str) -> None:
        self.seen: list[str] = []
        """Operations asked for."""
        stingy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                operation = self.headers["X-Amz-Target"].rpartition(".")[2]
                asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                stingy.seen.append(operation)
                if stingy.turned_away > 0:
                    stingy.turned_away -= 1
                    self.answer(400, {"__type": f"com.amazonaws#{stingy.busy}", "message": "Not now."})
                    return
                asked, more = stingy.half(operation, asked) if stingy.halved > 0 else (asked, {})
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

    def half(self, operation: str, asked: Words) -> tuple[Words, Words]:
        """What is passed on, and what the answer gets besides; one less is to be halved if this was a batch."""
        raise NotImplementedError

    def close(self) -> None:
        self._http.shutdown()
        self._http.server_close()
