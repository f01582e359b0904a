"""Whatever a switch sends is a counted failure with the right reason, or a right value; never more than that.

One exporter polls one simulated switch throughout. For each bad body every query gets it at once, until each
has said what it makes of it, and then the truth again.
"""

import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import pytest

from tests.e2e.programs import EXPORTER, Exporter, Series, Simulator, samples, start, wait_until

Outcome = str | float
"""A reason, or the value that the body holds."""


@dataclass(frozen=True)
class Asked:
    """A query of the exporter: the fault rule that befalls it, its scope and tenant, and its value."""

    rule: Mapping[str, str]
    metric: str
    scope: str = "switch"
    tenant: str = ""
    extension: str = ""
    unit: float = 1

    @property
    def value(self) -> Series:
        """The series that carries its value."""
        labels = {"switch": "pbx", "tenant": self.tenant, "extension": self.extension}
        return self.metric, frozenset((name, text) for name, text in labels.items() if text)


QUERIES = {
    "peers": Asked({"reqtype": "COUNTPEERS"}, "softswitch_peers"),
    "channels": Asked({"reqtype": "COUNTCHANNELS"}, "softswitch_channels"),
    "calls": Asked({"reqtype": "COUNTCALLS"}, "softswitch_calls"),
    "license": Asked({"reqtype": "LICENSEDAYS"}, "softswitch_license_remaining_seconds", unit=86400),
    "balance": Asked({"info": "balance", "tenant": "ACME"}, "softswitch_tenant_balance", "tenant", "ACME"),
    "registrations": Asked(
        {"info": "regstate", "tenant": "ACME"}, "softswitch_extension_registered", "tenant", "ACME", "100"
    ),
    "limits": Asked(
        {"info": "config", "tenant": "ACME"}, "softswitch_tenant_channels_limit", "tenant", "ACME"
    ),
}

CONFIGURATION = """\
switches:
  - name: pbx
    url: {url}
    key: demo-admin
    timeout: 2s
    max_requests_per_second: 200
    max_concurrency: 10
    stale_after: 1000
    queries:
      peers: {{interval: 100ms}}
      channels: {{interval: 100ms, tenant_interval: off}}
      calls: {{interval: 100ms, tenant_interval: off}}
      license: {{interval: 100ms}}
      balance: {{tenant_interval: 100ms}}
      registrations: {{tenant_interval: 100ms}}
      limits: {{tenant_interval: 100ms}}
    tenants:
      - code: ACME
        extensions: ["100"]
      - code: FJORD
        queries: {{registrations: {{tenant_interval: off}}, limits: {{tenant_interval: off}}}}
"""

Rule = Mapping[str, object]
Expected = Mapping[str, Outcome]


def _body(text: str) -> Rule:
    return {"kind": "body", "text": text}


def _all(default: Outcome, **others: Outcome) -> Expected:
    return dict.fromkeys(QUERIES, default) | others


_NUMBER_42 = _all(42.0, registrations="decode", limits="decode")
_NODES_3 = _all("decode", peers=3.0, channels=3.0)
_HOSTILE_NODES = r'{"a\"b\\c\nd": 1, "<script>alert(1)</script>": 2, "été,\u2028": 0}'

# From top to bottom: no value at all, words instead of one, numbers that are none, lists of nodes, odd dress.
CASES: dict[str, tuple[Rule, Expected]] = {
    "nothing": ({"kind": "empty"}, _all("empty", calls=0.0)),
    "white space": (_body("\r\n"), _all("empty", calls=0.0)),
    "null": (_body("null"), _all("empty", calls=0.0)),
    "a closing bracket": (_body("]"), _all("empty", calls=0.0)),
    "an empty object": (_body("{}"), _all("empty", calls=0.0)),
    "a login page": ({"kind": "html"}, _all("decode")),
    "a PHP warning before the truth": ({"kind": "php_warning"}, _all("decode")),
    "a PHP warning before a number": (
        _body("Warning: Undefined key in /var/www/a.php on line 7\n42"),
        _all("decode"),
    ),
    "a sentence": (_body("No id specified"), _all("rejected")),
    "a sentence with a number": (_body("Sorry, try again at 12:30"), _all("rejected")),
    "a JSON complaint": (_body('{"error": "no such tenant"}'), _all("rejected")),
    "random bytes": ({"kind": "garbage", "size": 300}, _all("decode")),
    "a long body": (_body("x" * 300_000), _all("decode")),
    "brackets without end": (_body("[" * 100_000), _all("decode")),
    "NaN": (_body("NaN"), _all("decode")),
    "an infinity": (_body("-Infinity"), _all("decode")),
    "10 to the 400th, in digits": (_body("1" + "0" * 400), _all("decode")),
    "10 to the 400th": (_body("1e400"), _all("decode")),
    "a login page that calls itself JSON": (_body("<!DOCTYPE html><title>Login 42</title>"), _all("decode")),
    "a boolean": (_body("true"), _all("decode")),
    "a thousands separator": (_body("1,234"), _all("decode")),
    "an underscore": (_body("1_000"), _all("decode")),
    "other digits": (_body("\u0664\u0662"), _all("decode")),
    "below zero": (_body("-5"), _all("decode", license=-5.0, balance=-5.0)),
    "a fraction": (_body("12.5"), _all("decode", balance=12.5)),
    "JSON cut short": (_body('{"pbx1": 1, "pb'), _all("decode")),
    "a NaN among nodes": (_body('{"pbx1": NaN}'), _all("decode")),
    "a count below zero": (_body('{"pbx1": 1, "pbx2": -1}'), _all("decode")),
    "a count that is a fraction": (_body('{"pbx1": 1.5}'), _all("decode")),
    "a node twice": (_body("pbx1:1|pbx1:2|"), _all("decode")),
    "a node twice, in JSON": (_body('{"pbx1": 1, "pbx1": 2}'), _all("decode")),
    "half a surrogate pair": (_body(r'{"\ud800": 3}'), _all("decode")),
    "a node without a name": (_body('{"": 3}'), _all("decode")),
    "a name of 5,000 letters": (_body('{"%s": 3}' % ("n" * 5000)), _all("decode")),
    "hostile names": (_body(_HOSTILE_NODES), _NODES_3),
    "every value twice": (_body('{"0": 3, "pbx1": 3}'), _NODES_3),
    "a total that the nodes do not add up to": (_body('{"pbx1": "1", "Total": "3"}'), _NODES_3),
    "a mark in front, a bar behind": (_body("\ufeff42|\r\n"), _NUMBER_42),
    "a number as a string": (_body('"42"'), _NUMBER_42),
}

# Before anything is decoded, and so the same for every query; one is enough, and the others are to go on.
TRANSPORT: dict[str, tuple[Rule, str]] = {
    "an HTTP error": ({"kind": "status", "status": 500}, "http"),
    "no content": ({"kind": "status", "status": 204}, "http"),
    "a redirect": ({"kind": "redirect"}, "http"),
    "an endless body": ({"kind": "endless"}, "too_large"),
    "a reset": ({"kind": "reset"}, "connect"),
    "a reset in the middle": ({"kind": "reset_midway"}, "connect"),
    "a byte at a time": ({"kind": "drip", "seconds": 60}, "timeout"),
    "the refusal": ({"kind": "refuse_key"}, "auth"),
}


@dataclass(frozen=True)
class Running:
    """What runs throughout, and the value of every query while nothing is wrong."""

    simulator: Simulator
    exporter: Exporter
    truth: Mapping[str, float]

    def page(self) -> dict[Series, float]:
        """Scrape; raises where the page cannot be parsed, or the exporter is gone."""
        return samples(self.exporter.metrics())


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """Start the switch and the exporter once for all cases."""
    folder = tmp_path_factory.mktemp("bad-input")
    switch = start((*EXPORTER, "simulate", "--listen=127.0.0.1:0", "--nodes=2"), folder / "simulator.log")
    programs = [switch]
    try:
        simulator = Simulator(switch, switch.wait_for(r"(http://127\.0\.0\.1:\d+)/")[1])
        simulator.world(freeze=True, tenants={"ACME": {"calls": 3}})
        (folder / "config.yaml").write_text(CONFIGURATION.format(url=simulator.url))
        command = (*EXPORTER, f"--config.file={folder / 'config.yaml'}", "--web.listen-address=127.0.0.1:0")
        daemon = start(command, folder / "exporter.log")
        programs.append(daemon)
        port = daemon.wait_for(r"address=127\.0\.0\.1:(\d+)")[1]
        exporter = Exporter(daemon, f"http://127.0.0.1:{port}")
        yield Running(simulator, exporter, wait_until(lambda: _values(exporter), 10, "every value"))
    finally:
        for program in programs:
            program.process.kill()
            program.process.wait()


def _values(exporter: Exporter) -> dict[str, float] | None:
    page = samples(exporter.metrics())
    if any(query.value not in page for query in QUERIES.values()):
        return None
    return {name: page[query.value] for name, query in QUERIES.items()}


def _of_query(metric: str, query: str, **labels: str) -> Series:
    asked = QUERIES[query]
    return metric, frozenset(
        {"switch": "pbx", "query": query, "scope": asked.scope, "tenant": asked.tenant, **labels}.items()
    )


def _failures(page: Mapping[Series, float], query: str, reason: str) -> float:
    labels = {"switch": "pbx", "query": query, "reason": reason}
    return page["softswitch_request_failures_total", frozenset(labels.items())]


def _told(page: Mapping[Series, float], query: str, truth: float) -> Outcome | None:
    """Return what the page says of a query: why it fails, or a value that is not the truth; else None."""
    for name, labels in page:
        of = dict(labels)
        if name == "softswitch_query_failure" and of["query"] == query and of["tenant"] != "FJORD":
            return of["reason"]
    value = page[QUERIES[query].value] / QUERIES[query].unit
    return None if value == truth / QUERIES[query].unit else value


def _befall(running: Running, rule: Rule, expected: Expected) -> None:
    """Let a fault befall queries that are well, until each tells what is expected."""
    _recover(running, expected)
    page = before = running.page()
    for query in expected:
        running.simulator.fault(**rule, **QUERIES[query].rule)
    told: dict[str, Outcome | None] = {}
    deadline = time.monotonic() + 10
    while told != expected and time.monotonic() < deadline:
        page = running.page()
        told = {query: _told(page, query, running.truth[query]) for query in expected}
    assert told == expected
    for query, outcome in expected.items():
        series = _of_query("softswitch_query_success", query)
        assert page[series] == float(not isinstance(outcome, str))
        if isinstance(outcome, str):
            assert _failures(page, query, outcome) > _failures(before, query, outcome)
            assert page[QUERIES[query].value] == running.truth[query], "a failure changes no value"
    assert "Traceback" not in running.exporter.program.text()


def _recover(running: Running, queries: Expected) -> None:
    running.simulator.no_faults()

    def recovered() -> bool:
        page = running.page()
        return all(_told(page, query, running.truth[query]) is None for query in queries)

    wait_until(recovered, 10, "the queries to recover")


@pytest.mark.parametrize("case", CASES)
def test_a_bad_body_is_a_failure_with_its_reason_or_a_right_value(case: str, running: Running) -> None:
    """Every query tells the same case its own way, and recovers; the page can be parsed throughout."""
    rule, expected = CASES[case]

    _befall(running, rule, expected)

    _recover(running, expected)


def test_hostile_names_of_nodes_are_served_as_they_are(running: Running) -> None:
    """Quotes, newlines, backslashes, markup and other alphabets come through to the label, unchanged."""
    rule, _ = CASES["hostile names"]

    _befall(running, rule, {"peers": 3.0})

    nodes = {
        dict(labels)["node"]: value
        for (name, labels), value in running.page().items()
        if name == "softswitch_node_peers"
    }
    assert nodes == json.loads(_HOSTILE_NODES)
    _recover(running, {"peers": 3.0})


@pytest.mark.parametrize("case", TRANSPORT)
def test_what_goes_wrong_before_the_body(case: str, running: Running) -> None:
    """One query fails with its reason, and recovers; the others go on."""
    rule, reason = TRANSPORT[case]

    _befall(running, rule, {"balance": reason})

    others = {_of_query("softswitch_query_success", query) for query in QUERIES if query != "balance"}
    page = running.page()
    assert {page[series] for series in others} == {1}
    _recover(running, {"balance": reason})
