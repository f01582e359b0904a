import json
import urllib.parse
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import pytest

from grafana.preview.prometheus import EVERYTHING, QueryError, Source


def test_variables_are_filled_in() -> None:
    """Each spelling of a variable is replaced, and the ones that Grafana knows by itself."""
    source = Source(
        "http://127.0.0.1:9", {"switch": "pbx", "job": EVERYTHING}, seconds=60, rate_interval="5m"
    )
    asked = 'rate(x{a="$switch",b=~"${job:regex}",c=~"$switch|"}[$__rate_interval]) offset $__range'
    assert source.filled_in(asked) == 'rate(x{a="pbx",b=~".+",c=~"pbx|"}[5m]) offset 60s'


def test_an_unknown_variable_is_an_error() -> None:
    """A query is not sent with a variable that nobody has chosen."""
    with pytest.raises(KeyError, match="tenant"):
        Source("http://127.0.0.1:9").filled_in('x{tenant="$tenant"}')


@contextmanager
def _answering(status: int, answer: object) -> Iterator[tuple[str, list[str]]]:
    """Serve one answer to everything; give the address and the list of what was asked."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(status)
            self.end_headers()
            self.wfile.write(json.dumps(answer).encode())

        def log_message(self, *args: object) -> None:
            """Say nothing."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", asked
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_what_prometheus_refuses_is_said_in_its_words() -> None:
    """The reason of an error is not lost."""
    refusal = {"status": "error", "error": "parse error"}
    with _answering(400, refusal) as (address, _), pytest.raises(QueryError, match="parse error"):
        Source(address).now("x{")


def test_values_of_a_variable() -> None:
    """The query of a variable asks for the values of a label, among the series that it selects."""
    with _answering(200, {"data": ["a", "b"]}) as (address, asked):
        assert Source(address, {"job": "j"}, end=10, seconds=4).values(
            'label_values(x{job="$job"}, node)'
        ) == ["a", "b"]
    path, _, parameters = asked[0].partition("?")
    assert path == "/api/v1/label/node/values"
    assert urllib.parse.parse_qs(parameters) == {
        "match[]": ['x{job="j"}'],
        "start": ["6.000"],
        "end": ["10.000"],
    }
    with pytest.raises(QueryError, match="expected a query such as label_values"):
        Source("http://127.0.0.1:9").values("query_result(x)")
