"""A TCP proxy in front of a real engine, to make it slow, silent or gone."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
import time


class Proxy:
    """Listens on `port` and passes everything on to `host:target`.

    `delay`: seconds that each piece from the client waits. `silent`: nothing is passed on. `refuse()`: connections
    are closed and new ones refused, until `accept()`. `tls`: it speaks TLS to the client, and plainly to the engine.
    """

    def __init__(self, target: int, host: str = "127.0.0.1", tls: ssl.SSLContext | None = None, port: int = 0) -> None:
        self.tls = tls
        self.delay = 0.0
        self.silent = False
        self._target = (host, target)
        self._pairs: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", port), backlog=128)
        self.port: int = self._listener.getsockname()[1]
        self.accept(self._listener)

    def accept(self, listener: socket.socket | None = None) -> None:
        """Take connections (again)."""
        self._listener = listener or socket.create_server(("127.0.0.1", self.port), backlog=128)
        threading.Thread(target=self._listen, args=(self._listener,), daemon=True).start()

    def refuse(self) -> None:
        """Close every connection, and take no new ones."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._lock:
            pairs, self._pairs = self._pairs, set()
        for each in pairs:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    close = refuse

    def _listen(self, listener: socket.socket) -> None:
        while True:
            try:
                client, _ = listener.accept()
                server = socket.create_connection(self._target, timeout=5)
                server.settimeout(None)
                client = self.tls.wrap_socket(client, server_side=True) if self.tls else client
            except OSError:
                if listener.fileno() == -1:
                    return
                client.close()
                continue
            with self._lock:
                self._pairs |= {client, server}
            for source, sink, waits in ((client, server, True), (server, client, False)):
                threading.Thread(target=self._pass, args=(source, sink, waits), daemon=True).start()

    def _pass(self, source: socket.socket, sink: socket.socket, waits: bool) -> None:
        with contextlib.suppress(OSError):
            while piece := source.recv(65536):
                if waits and self.delay:
                    time.sleep(self.delay)
                while self.silent and source.fileno() != -1:
                    time.sleep(0.02)
                sink.sendall(piece)
        for each in (source, sink):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
