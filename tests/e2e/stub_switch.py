"""A switch that answers out of a table, and writes down what it was sent."""

import contextlib
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

Parameters = dict[str, str]
Answer = Callable[[Parameters], str | None]
"""Returns the body for a request, or None for one that should not have been sent."""


@dataclass(frozen=True)
class Sent:
    """One request as it arrived."""

    method: str
    path: str
    headers: dict[str, str]
    parameters: Parameters


@dataclass
class StubSwitch:
    """A running replay. ``unexpected`` holds the requests for which there was no answer."""

    url: str
    requests: list[Sent] = field(default_factory=list)
    unexpected: list[Sent] = field(default_factory=list)


@contextlib.contextmanager
def stub_switch(answer: Answer) -> Iterator[StubSwitch]:
    """Answer on a free port for as long as the context is open."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _answer(self) -> None:
            query = urlsplit(self.path)
            pairs = parse_qsl(query.query, keep_blank_values=True)
            sent = Sent(self.command, query.path, dict(self.headers), dict(pairs))
            replay.requests.append(sent)
            body = answer(sent.parameters) if len(pairs) == len(sent.parameters) else None
            if body is None:
                replay.unexpected.append(sent)
            text = ("No such request" if body is None else body).encode()
            self.send_response(200)
            json = sent.parameters.get("format") == "json"
            self.send_header("Content-Type", "application/json" if json else "text/html; charset=UTF-8")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        # Whatever the method: one that is not GET has to show in the log.
        do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = _answer  # noqa: N815 - named by the library

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - named by the library
            """Say nothing: pytest shows what was asked where a test fails."""

    class Server(ThreadingHTTPServer):
        def handle_error(self, *_: Any) -> None:
            """Say nothing of a client that has gone: the exporter ends whenever a test ends."""

    server = Server(("127.0.0.1", 0), Handler)
    replay = StubSwitch(f"http://127.0.0.1:{server.server_port}/pbx/proxyapi.php")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield replay
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
