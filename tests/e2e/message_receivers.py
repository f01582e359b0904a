"""An SMTP server, and an HTTP server for chat services, which keep the messages that they receive."""

import contextlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import Envelope

from tests.e2e.programs import free_port

Json = dict[str, Any]

_ACCEPTED = {"ok": True, "result": {"message_id": 1, "chat": {"id": 1}, "date": 0}}
"""What Telegram responds; the others look at the status only."""


@dataclass
class Mailbox:
    """An SMTP server on a free port. ``mails``: the messages that it received, in order."""

    port: int
    mails: list[EmailMessage] = field(default_factory=list)

    async def handle_DATA(self, _: object, __: object, envelope: Envelope) -> str:  # noqa: N802 -- aiosmtpd's
        """Keep a mail."""
        content = envelope.content
        assert isinstance(content, bytes)
        mail = message_from_bytes(content, policy=policy.default)
        assert isinstance(mail, EmailMessage)
        self.mails.append(mail)
        return "250 OK"


@dataclass
class Chats:
    """An HTTP server on a free port. ``messages``: the JSON that it received, by path."""

    base_url: str = ""
    messages: dict[str, list[Json]] = field(default_factory=dict)


@contextlib.contextmanager
def mailbox() -> Iterator[Mailbox]:
    """Receive mails."""
    box = Mailbox(free_port())
    controller = Controller(box, hostname="127.0.0.1", port=box.port)
    controller.start()
    try:
        yield box
    finally:
        controller.stop()


@contextlib.contextmanager
def chats() -> Iterator[Chats]:
    """Receive messages for chat services, and those of webhooks."""
    received = Chats()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body: Json = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            received.messages.setdefault(self.path, []).append(body)
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(json.dumps(_ACCEPTED).encode())

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        received.base_url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            yield received
        finally:
            server.shutdown()
            thread.join()
