"""Runs in a pod: files over https, open or for those who know a password or a token.

    python3 data_https.py CERTIFICATE KEY FILES

`/open/NAME` is for everyone, `/basic/NAME` for reader:secret, `/token/NAME` for the bearer of
`token-of-the-reader`, `/private/NAME` for nobody.
"""

from __future__ import annotations

import base64
import ssl
import sys
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

PORT = 8443
BASIC = "Basic " + base64.b64encode(b"reader:secret").decode()
BEARER = "Bearer token-of-the-reader"
ADMITTED = {"open": None, "basic": BASIC, "token": BEARER}


class Files(BaseHTTPRequestHandler):
    """Answers GET."""

    def do_GET(self) -> None:
        """Send a file, or say why not."""
        _, area, *rest = self.path.split("/")
        if area not in ADMITTED:
            self.send_error(HTTPStatus.FORBIDDEN)
            return
        wanted = ADMITTED[area]
        if wanted is not None and self.headers.get("Authorization") != wanted:
            self.send_error(HTTPStatus.UNAUTHORIZED)
            return
        path = Path(sys.argv[3], *rest)
        if not path.is_file():
            self.send_error(HTTPStatus.NOT_FOUND)
            return
        content = path.read_bytes()
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


class Server(ThreadingHTTPServer):
    """Many may come at once."""

    request_queue_size = 128


def main() -> None:
    """Serve until the pod is ended."""
    server = Server(("", PORT), Files)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(sys.argv[1], sys.argv[2])
    # The handshake belongs to the thread of the connection, or one slow client stops all others.
    server.socket = context.wrap_socket(
        server.socket, server_side=True, do_handshake_on_connect=False
    )
    server.serve_forever()


if __name__ == "__main__":
    main()
