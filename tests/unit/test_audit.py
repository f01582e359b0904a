import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tests import audit
from tests.e2e.programs import free_port


@contextmanager
def _database(vulnerable: str) -> Iterator[str]:
    """Serve a database in which one package has a vulnerability; gives the URL."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["queries"]
            self._answer(
                {
                    "results": [
                        {"vulns": [{"id": "X-1", "modified": "2026-01-01T00:00:00Z"}]}
                        if query["package"]["name"] == vulnerable
                        else {}
                        for query in asked
                    ]
                }
            )

        def do_GET(self) -> None:
            self._answer({"id": "X-1", "modified": "2026-01-01T00:00:00Z", "summary": "a hole"})

        def _answer(self, said: object) -> None:
            body = json.dumps(said).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 -- named by the library
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_the_audit_can_fail(capsys: pytest.CaptureFixture[str]) -> None:
    """A dependency with a known vulnerability fails the audit and is named; without one the audit passes."""
    with _database("aiohttp") as url:
        status = audit.main([f"--service-url={url}"])
    output = capsys.readouterr().out
    if "NOT DONE" in output:
        pytest.skip("the registry cannot be asked from here")
    assert status == 1
    assert "aiohttp" in output

    with _database("none of ours") as url:
        assert audit.main([f"--service-url={url}"]) == 0
    assert "no known vulnerability" in capsys.readouterr().out


def test_an_audit_that_is_not_done_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    """If the database cannot be reached, the audit says that nothing was checked, and does not fail."""
    assert audit.main([f"--service-url=http://127.0.0.1:{free_port()}"]) == 0
    assert "NOT DONE: checked 0 of " in capsys.readouterr().out
