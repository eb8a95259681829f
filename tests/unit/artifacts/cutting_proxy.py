"""A proxy that cuts the first large answer in the middle, as a failing network does."""

from __future__ import annotations

import socket
import threading
from types import TracebackType


class CuttingProxy:
    """Forwards connections to a host; the first answer beyond `cut_after` bytes is cut there."""

    def __init__(self, upstream: str, *, cut_after: int) -> None:
        name, _, port = upstream.partition(":")
        self._upstream = (name, int(port))
        self._cut_after = cut_after
        self._cut = False
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.requests: list[bytes] = []
        self._threads = [threading.Thread(target=self._accept, daemon=True)]

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self._listener.getsockname()[1]}"

    def __enter__(self) -> CuttingProxy:
        self._threads[0].start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join(timeout=10)

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            thread = threading.Thread(target=self._serve, args=(client,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, client: socket.socket) -> None:
        with client, socket.create_connection(self._upstream) as upstream:
            forward = threading.Thread(target=self._forward, args=(client, upstream), daemon=True)
            forward.start()
            sent = 0
            while chunk := _receive(upstream):
                if not self._cut and sent + len(chunk) > self._cut_after:
                    self._cut = True
                    break
                client.sendall(chunk)
                sent += len(chunk)
            for side in (client, upstream):
                _close(side)
            forward.join(timeout=10)

    def _forward(self, client: socket.socket, upstream: socket.socket) -> None:
        while chunk := _receive(client):
            self.requests.append(chunk)
            upstream.sendall(chunk)
        _close(upstream)


def _receive(side: socket.socket) -> bytes:
    try:
        return side.recv(65536)
    except OSError:
        return b""


def _close(side: socket.socket) -> None:
    try:
        side.shutdown(socket.SHUT_RDWR)
    except OSError:
        return
