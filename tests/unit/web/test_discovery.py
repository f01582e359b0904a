import contextlib
from typing import Any

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from exporter.metrics.exposition import EVERYTHING, Selection
from exporter.web.discovery import scraped_at, selection, targets

_SWITCHES = ["pbx-eu", "pbx-us", "Zürich & Co"]


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ([], EVERYTHING),
        ([("switch", "pbx-eu")], Selection({"pbx-eu"}, own=False)),
        ([("switch", "pbx-eu"), ("switch", "Zürich & Co")], Selection({"pbx-eu", "Zürich & Co"}, own=False)),
        ([("switch", "pbx-eu"), ("switch", "pbx-eu")], Selection({"pbx-eu"}, own=False)),
        ([("switch", "")], Selection(set())),
        ([("only", "exporter")], Selection(set())),
        ([("switch", "pbx-eu"), ("switch", "")], Selection({"pbx-eu"})),
        ([("switch", "pbx-eu"), ("only", "exporter")], Selection({"pbx-eu"})),
        ([("collect[]", "cpu")], EVERYTHING),
    ],
)
def test_parameters_select_series(parameters: list[tuple[str, str]], expected: Selection) -> None:
    """Names may repeat, an empty name is the exporter itself, and unknown parameters are ignored."""
    assert selection(parameters, _SWITCHES) == expected


@pytest.mark.parametrize(
    ("parameters", "configured", "error"),
    [
        (
            [("switch", "pbx-eu"), ("switch", "pbx-asia")],
            _SWITCHES,
            'Unknown switch "pbx-asia". Configured: "pbx-eu", "pbx-us", "Zürich & Co".\n',
        ),
        (
            [("switch", "\u202e<script>" + "x" * 5000)],
            [str(number) for number in range(23)],
            'Unknown switch "\\u202e<script>…". Configured: '
            + ", ".join(f'"{number}"' for number in range(20))
            + ", and 3 more.\n",
        ),
        ([("switch", "pbx")], [], 'Unknown switch "pbx". No switch is configured.\n'),
        ([("only", "switches")], _SWITCHES, 'Unknown value "switches" of `only`: expected `exporter`.\n'),
    ],
    ids=["unknown", "long", "none", "only"],
)
def test_an_unknown_switch_is_an_error(
    parameters: list[tuple[str, str]], configured: list[str], error: str
) -> None:
    """The response names the configured switches; it is short, printable and not HTML."""
    with pytest.raises(web.HTTPBadRequest) as caught:
        selection(parameters, configured)

    assert caught.value.text == error
    assert caught.value.content_type == "text/plain"
    assert caught.value.headers["X-Content-Type-Options"] == "nosniff"


@given(st.lists(st.tuples(st.sampled_from(["switch", "only", "x"]), st.text(max_size=200))))
def test_any_parameters_select_or_are_an_error(parameters: list[tuple[str, str]]) -> None:
    """A selection contains configured switches only."""
    found = EVERYTHING
    with contextlib.suppress(web.HTTPBadRequest):
        found = selection(parameters, _SWITCHES)

    assert set(found.switches or ()) <= set(_SWITCHES)


def test_one_target_per_switch_and_one_for_the_exporter() -> None:
    """Prometheus drops empty labels, so the exporter itself has a parameter with a value."""
    assert targets(["pbx-eu", "Zürich"], "exporter:10390", {}) == [
        {"targets": ["exporter:10390"], "labels": {"__param_only": "exporter"}},
        {"targets": ["exporter:10390"], "labels": {"__param_switch": "pbx-eu", "switch": "pbx-eu"}},
        {"targets": ["exporter:10390"], "labels": {"__param_switch": "Zürich", "switch": "Zürich"}},
    ]


_PROXY = {"external_url": "https://noc.example.com/pbx/"}


@pytest.mark.parametrize(
    ("host", "options", "address", "labels"),
    [
        ("10.1.2.3:10390", {}, "10.1.2.3:10390", {}),
        ("[fd00::1]:10390", {}, "[fd00::1]:10390", {}),
        ("exporter", {}, "exporter", {}),
        ("exporter:10390", {"telemetry_path": "/own"}, "exporter:10390", {"__metrics_path__": "/own"}),
        ("exporter:10390", {"is_tls": True}, "exporter:10390", {"__scheme__": "https"}),
        # Through the reverse proxy, which speaks TLS and adds a prefix; some remove the port.
        (
            "NOC.example.com",
            _PROXY,
            "noc.example.com",
            {"__scheme__": "https", "__metrics_path__": "/pbx/metrics"},
        ),
        ("noc", {"external_url": "https://noc:8443"}, "noc:8443", {"__scheme__": "https"}),
        ("noc:443", {"external_url": "https://noc"}, "noc", {"__scheme__": "https"}),
        ("[fd00::1]", {"external_url": "http://[fd00::1]:81"}, "[fd00::1]:81", {}),
        # The proxy speaks HTTP with Prometheus and TLS with the exporter.
        ("noc:80", {"external_url": "http://noc", "is_tls": True}, "noc", {}),
        # Past the proxy.
        ("exporter:10390", _PROXY, "exporter:10390", {}),
        ("noc.example.com:10390", _PROXY, "noc.example.com:10390", {}),
    ],
)
def test_targets_are_where_the_request_went(
    host: str, options: dict[str, Any], address: str, labels: dict[str, str]
) -> None:
    """Directly or through the proxy, Prometheus scrapes as it reached `/sd`."""
    direct: dict[str, Any] = {"telemetry_path": "/metrics", "external_url": None, "is_tls": False}

    assert scraped_at(host, **{**direct, **options}) == (address, labels)
    for target in targets(["pbx-eu"], address, labels):
        assert target["targets"] == [address]
        assert labels.items() <= target["labels"].items()


@pytest.mark.parametrize("host", ["", "a/b", "a b", "user@noc", "[fd00::1", "a:b", "x" * 254, "ä:1"])
def test_a_request_without_a_usable_host_is_an_error(host: str) -> None:
    """Otherwise, the targets would have no address."""
    with pytest.raises(web.HTTPBadRequest) as caught:
        scraped_at(host, "/metrics", None, is_tls=False)

    assert "header Host must be" in (caught.value.text or "")
