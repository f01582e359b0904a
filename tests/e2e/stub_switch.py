"""A switch that takes its responses from a function and records the requests."""

import contextlib
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

Parameters = dict[str, str]
Respond = Callable[[Parameters], str | bytes | None]
"""Returns the body of the response, or None for an unexpected request."""


@dataclass(frozen=True)
class ReceivedRequest:
    """One request."""

    method: str
    path: str
    headers: dict[str, str]
    parameters: Parameters


@dataclass
class StubSwitch:
    """A running stub. ``unexpected``: the requests without a response."""

    url: str
    requests: list[ReceivedRequest] = field(default_factory=list)
    unexpected: list[ReceivedRequest] = field(default_factory=list)


@contextlib.contextmanager
def stub_switch(respond: Respond) -> Iterator[StubSwitch]:
    """Serve on a free port while the context is open."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _respond(self) -> None:
            query = urlsplit(self.path)
            pairs = parse_qsl(query.query, keep_blank_values=True)
            request = ReceivedRequest(self.command, query.path, dict(self.headers), dict(pairs))
            stub.requests.append(request)
            body = respond(request.parameters) if len(pairs) == len(request.parameters) else None
            if body is None:
                stub.unexpected.append(request)
                body = "No such request"
            data = body.encode() if isinstance(body, str) else body
            self.send_response(200)
            json = request.parameters.get("format") == "json"
            self.send_header("Content-Type", "application/json" if json else "text/html; charset=UTF-8")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        # Methods other than GET have to be recorded too.
        do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = _respond  # noqa: N815 - named by the library

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - named by the library
            """Log nothing."""

    class Server(ThreadingHTTPServer):
        def handle_error(self, *_: Any) -> None:
            """Ignore clients that close the connection early."""

    server = Server(("127.0.0.1", 0), Handler)
    stub = StubSwitch(f"http://127.0.0.1:{server.server_port}/pbx/proxyapi.php")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield stub
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
