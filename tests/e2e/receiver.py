"""A webhook receiver that keeps the notifications of an Alertmanager."""

import contextlib
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class Notification:
    """One alert of a notification. ``receiver`` is the path of the URL."""

    receiver: str
    status: str
    labels: frozenset[tuple[str, str]]

    @property
    def alert(self) -> str:
        """The name of the alert without its prefix."""
        return dict(self.labels)["alertname"].removeprefix("Softswitch")


@dataclass
class Receiver:
    """The notifications received so far, in order."""

    base_url: str
    notifications: list[Notification] = field(default_factory=list)


@contextlib.contextmanager
def receiving() -> Iterator[Receiver]:
    """Receive notifications."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            message: dict[str, Any] = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            for alert in message["alerts"]:
                found = frozenset(alert["labels"].items())
                receiver.notifications.append(Notification(self.path.lstrip("/"), alert["status"], found))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        receiver = Receiver(f"http://127.0.0.1:{server.server_address[1]}/")
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield receiver
        finally:
            server.shutdown()
            thread.join()
