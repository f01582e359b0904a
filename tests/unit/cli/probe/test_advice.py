import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from exporter.cli.probe.advice import advice
from exporter.cli.probe.questions import Finding
from exporter.cli.probe.render import settings_lines
from exporter.config import SwitchConfiguration, load
from exporter.model import Failure, Query, Reason
from exporter.queries import QUERIES
from exporter.request import Operation
from tests.unit.cli.probe.findings import answered, failed

Configured = Callable[..., SwitchConfiguration]
_OFF = "off"
REFUSAL = "Too bad... you mistaken the security api key."


@pytest.mark.parametrize(
    ("finding", "settings", "text"),
    [
        (answered(Query.PEERS, REFUSAL), {}, "the key is wrong, or it is a tenant's"),
        (answered(Query.BALANCE, REFUSAL), {}, "no tenant ACME"),
        (answered(Query.CALLS, ""), {}, "probe again while calls run"),
        (answered(Query.LICENSE, ""), {"queries": {"license": {"interval": _OFF}}}, "the right"),
        (answered(Query.BALANCE, ""), {}, "no tenant ACME"),
        (answered(Query.BALANCE, "Not for you"), {}, "no tenant ACME"),
        (answered(Query.PEERS, "Not for you"), {"queries": {"peers": {"interval": _OFF}}}, "a right"),
        (answered(Query.REGISTRATIONS, "No id specified"), {}, "--query=registrations"),
        (answered(Query.REGISTRATIONS, "\r\n"), {}, "--query=registrations"),
        (answered(Query.REGISTRATIONS, "", operation=Operation.EXTENSIONS), {}, "no tenant ACME"),
        (answered(Query.LICENSE, "<html>"), {}, "/pbx/proxyapi.php"),
        (answered(Query.LIMITS, "1|2|3|"), {}, "please report"),
        (failed(Query.PEERS, Reason.TOO_LARGE), {}, "`url` is right"),
        (
            Finding(
                Query.REGISTRATIONS,
                answered(Query.REGISTRATIONS, "", operation=Operation.PEERS).request,
                1.0,
                Failure(Reason.TOO_LARGE, ""),
            ),
            {},
            "another",
        ),
    ],
    ids=lambda value: value.subject if isinstance(value, Finding) else None,
)
def test_what_is_suggested(finding: Finding, settings: object, text: str, configured: Configured) -> None:
    """One advice for each kind of failure, with the settings that would end it."""
    (given,) = advice(finding, configured(), [])
    assert (given.settings, text in given.text) == (settings, True), given.text


def test_a_good_answer_needs_no_advice(configured: Configured) -> None:
    """Nothing is said of what works."""
    assert advice(answered(Query.LICENSE, "42"), configured(), []) == []


def test_empty_calls_where_they_are_an_error(configured: Configured) -> None:
    """``empty: zero`` is suggested where it is not configured."""
    switch = configured(queries={"calls": {"empty": "error"}})
    (given,) = advice(answered(Query.CALLS, ""), switch, [])
    assert given.settings == {"queries": {"calls": {"empty": "zero"}}}


def test_a_key_that_works_elsewhere(configured: Configured) -> None:
    """It is right, so what is refused is the request."""
    worked = answered(Query.LICENSE, "42")
    (given,) = advice(answered(Query.PEERS, REFUSAL), configured(), [worked])
    assert "it is right" in given.text
    assert given.settings == {"queries": {"peers": {"interval": _OFF}}}


def test_a_list_that_is_refused(configured: Configured) -> None:
    """Registrations are not switched off for it: there are other sources."""
    worked = answered(Query.BALANCE, "42")
    refused = answered(Query.REGISTRATIONS, REFUSAL, operation=Operation.EXTENSIONS)
    (given,) = advice(refused, configured(), [worked])
    assert "another source" in given.text
    assert given.settings == {}


@pytest.mark.parametrize(("whole", "tenant", "told"), [("7", "7", 1), ("7", "3", 0), ("0", "0", 0)])
def test_a_tenant_with_the_figure_of_the_whole(
    whole: str, tenant: str, told: int, configured: Configured
) -> None:
    """It is said that the switch may ignore ``tenant``; nothing is said of two zeros."""
    before = [answered(Query.CALLS, whole)]
    assert len(advice(answered(Query.CALLS, tenant, tenant="ACME"), configured(), before)) == told


def test_nothing_is_said_of_a_parameter_while_all_are_tried(configured: Configured) -> None:
    """The other parameters are asked anyway."""
    before = [answered(Query.REGISTRATIONS, "[]", operation=Operation.EXTENSIONS)]
    assert advice(answered(Query.REGISTRATIONS, "No id specified"), configured(), before) == []


@pytest.mark.parametrize(
    ("query", "body"),
    [
        (Query.LICENSE, 'Your "license: #1": expires in 42 days'),
        (Query.BALANCE, "Credit: 12.50 EUR"),
        (Query.CALLS, "3 calls"),
        (Query.PEERS, '{"a1": 3, "a2": 5, "no": 8}'),
        (Query.CHANNELS, '{"a1": 3, "a2": 5, "8": 8}'),
        (Query.REGISTRATIONS, "Da"),
        (Query.REGISTRATIONS, '{"state": "off:#x"}'),
    ],
)
def test_the_lines_mend_it(query: Query, body: str, configured: Configured, tmp_path: Path) -> None:
    """Pasted into a configuration as they are printed, the lines load, and the answer is read with them."""
    finding = answered(query, body)
    suggested = [each.settings for each in advice(finding, configured(), []) if each.settings]
    assert suggested
    for settings in suggested:
        lines = list(settings_lines(settings))
        assert yaml.safe_load("\n".join(lines)) == settings
        file = tmp_path / "pasted.yaml"
        space = " " * 10
        head = ["switches:", f"{space[2:]}- name: pbx", f"{space}url: http://127.0.0.1:9/", f"{space}key: k"]
        file.write_text("\n".join([*head, *lines]))
        (switch,) = load(file, {}).switches
        section = switch.queries.options(QUERIES[query])
        read = finding.endpoint.decode(finding.body or b"", section)
        assert not isinstance(read, Failure), (read, lines)


def test_settings_are_of_the_configuration(configured: Configured) -> None:
    """Every setting that failures suggest is one that the configuration takes."""
    for query in Query:
        for reason in Reason:  # none is forgotten
            if query is Query.TENANTS and reason is Reason.SCOPE_IGNORED:
                continue
            finding = failed(query, reason, "self-signed", status=302, location="http://127.0.0.1:8/a")
            for given in advice(finding, configured(), []):
                tree: Any = json.loads(json.dumps(given.settings))
                with_it = configured(**{key: value for key, value in tree.items() if key != "tls"})
                assert with_it.name == "pbx"


def test_a_right_that_is_missing_for_a_tenant(configured: Configured) -> None:
    """Of a tenant that the switch has, what it does not answer may be turned off."""
    off = {"queries": {"balance": {"tenant_interval": _OFF}}}
    worked = answered(Query.CHANNELS, "7", tenant="ACME")
    for said in ("", "Not for you", REFUSAL):
        (given,) = advice(answered(Query.BALANCE, said), configured(), [worked])
        assert given.settings == off
    (given,) = advice(
        answered(Query.REGISTRATIONS, "", operation=Operation.EXTENSIONS), configured(), [worked]
    )
    assert ("another source" in given.text, given.settings) == (True, {})


_LIST = answered(
    Query.TENANTS, '[{"te_id": 1, "te_code": "ACME", "te_name": "Acme Ltd"}, {"te_code": "BOREAL"}]'
)


@pytest.mark.parametrize("said", ["", "Not for you", REFUSAL, "7"])
@pytest.mark.parametrize(
    ("before", "text"),
    [
        ([], "no tenant ACNE"),
        ([answered(Query.CALLS, "7")], "no tenant ACNE"),
        ([answered(Query.LICENSE, "42"), answered(Query.CALLS, "7")], "no tenant ACNE"),
        ([_LIST, answered(Query.CALLS, "7")], "ACNE"),
        ([answered(Query.CALLS, "7"), answered(Query.CALLS, "7", tenant="ACNE")], "code is right"),
        ([answered(Query.BALANCE, REFUSAL, tenant="ACNE"), answered(Query.CALLS, "7")], "code is right"),
        ([answered(Query.REGISTRATIONS, "[]", operation=Operation.EXTENSIONS, tenant="ACNE")], "ACNE"),
    ],
)
def test_nothing_is_turned_off_because_of_a_wrong_code(
    before: list[Finding], text: str, said: str, configured: Configured
) -> None:
    """Whatever a switch says of a tenant that it may not have, the code is to be looked at first."""
    for query in (Query.BALANCE, Query.CALLS, Query.LIMITS):
        finding = answered(query, said, tenant="ACNE")
        for given in advice(finding, configured(), before):
            assert given.settings == {}
            if query is Query.BALANCE:
                assert text in given.text


def test_a_code_is_compared_with_the_list(configured: Configured) -> None:
    """The list of tenants tells which codes of the configuration are wrong, and what was meant."""
    switch = configured(tenants=[{"code": code} for code in ("ACNE", "acme", "BOREAL", "Acme Ltd", "XQ")])
    (given,) = advice(_LIST, switch, [])
    assert given.text == (
        "configured, but not in the list: ACNE (did you mean ACME?), acme (did you mean ACME?), XQ. "
        "Correct the `code`, or take it out"
    )
    (given,) = advice(answered(Query.BALANCE, "", tenant="ACNE"), switch, [_LIST])
    assert given.text == "the switch's list has no tenant ACNE (did you mean ACME?): correct its `code`"
    assert advice(_LIST, configured(tenants=[{"code": "ACME"}]), []) == []


@pytest.mark.parametrize(("seconds", "timeout"), [(0.1, None), (29.0, None), (31.0, "1m35s"), (59.0, "3m")])
def test_a_late_answer(seconds: float, timeout: str | None, configured: Configured) -> None:
    """Above half of the timeout, three times what it took."""
    given = advice(answered(Query.PEERS, "3", seconds=seconds), configured(timeout="60s"), [])
    assert [(each.settings, each.sure) for each in given] == (
        [({"timeout": timeout}, True)] if timeout else []
    )


URL = "https://pbx.example.com/pbx/proxyapi.php"
_PROXY = {"proxy_url": "http://user:S3CRET@127.0.0.1:3128"}
_CLIENT = {"cert_file": "client.pem", "key_file": "client.key"}


def _redirect(location: str) -> Finding:
    return failed(Query.PEERS, Reason.HTTP, status=302, location=location)


def _status(status: int | None) -> Finding:
    return failed(Query.PEERS, Reason.HTTP, status=status)


def _tls(detail: str, *names: str) -> Finding:
    return failed(Query.PEERS, Reason.TLS, detail, certificate_names=names)


@pytest.mark.parametrize(
    ("finding", "configuration", "settings", "text"),
    [
        (failed(Query.PEERS, Reason.TIMEOUT), {"timeout": "60s"}, {"timeout": "2m"}, "a try"),
        (failed(Query.PEERS, Reason.CONNECT), {}, {}, "needs a proxy, set `proxy_url`"),
        (failed(Query.PEERS, Reason.CONNECT), _PROXY, {}, "between here and there"),
        (
            failed(
                Query.PEERS, Reason.CONNECT, "no connection to the proxy in proxy_url: Connection refused"
            ),
            _PROXY,
            {},
            "look at the proxy http://127.0.0.1:3128, which proxy_url names; `proxy_url: off` does",
        ),
        (
            _redirect("https://new.example.com/a.php"),
            {},
            {"url": "https://new.example.com/a.php"},
            "leads here",
        ),
        (_redirect(URL), {}, {}, "same address"),
        (_redirect("https://pbx.example.com/pbx/login.php"), {}, {}, "login page"),
        (_redirect("http://pbx.example.com/pbx/proxyapi.php"), {}, {}, "not encrypted"),
        (_redirect("mailto:someone"), {}, {}, "cannot be used"),
        (_status(None), {}, {}, "no web server"),
        (_status(401), {}, {}, "login"),
        (_status(403), {}, {}, "refuses"),
        (_status(404), {}, {}, "path"),
        (_status(407), _PROXY, {}, "proxy_url"),
        (_status(418), {}, {}, "correct `url`"),
        (_status(429), {}, {}, "max_requests"),
        (_status(500), {}, {}, "the web server or what stands behind it fails"),
        (_status(502), _PROXY, {}, "the proxy, the web server"),
        (_tls("not accepted: self-signed certificate"), {}, {"tls": {"ca_file": "ca.pem"}}, "authority"),
        (_tls("unable to get local issuer certificate"), {}, {"tls": {"ca_file": "ca.pem"}}, "authority"),
        (_tls("not accepted: certificate has expired"), {}, {}, "ended"),
        (_tls("TLS failed: WRONG_VERSION_NUMBER"), {}, {}, "does not speak TLS"),
        (_tls("TLS failed: UNSUPPORTED_PROTOCOL"), {}, {"tls": {"min_version": "TLS10"}}, "older"),
        (_tls("TLS failed: CERTIFICATE_REQUIRED"), {}, {"tls": _CLIENT}, "of its clients"),
        (_tls("TLS failed: SOMETHING_ELSE"), {}, {}, "openssl"),
        (_tls("mismatch", "pbx.internal", "b"), {}, {"tls": {"server_name": "pbx.internal"}}, "(also: b)"),
    ],
)
def test_where_no_answer_came(
    finding: Finding, configuration: dict[str, Any], settings: object, text: str, configured: Configured
) -> None:
    """What to look at in the network, or to set; only the name of a trusted certificate is sure."""
    (given,) = advice(finding, configured(**{"url": URL, **configuration}), [])
    assert (given.settings, text in given.text) == (settings, True), given.text
    assert given.sure is bool(finding.certificate_names)
