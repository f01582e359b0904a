import json
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import yaml

from exporter.cli.probe.advice import advice
from exporter.cli.probe.findings import Finding
from exporter.cli.probe.render import settings_lines
from exporter.config import load
from exporter.model import Failure, Query, Reason
from exporter.queries import QUERIES
from exporter.request import Operation
from tests.conftest import Configured
from tests.unit.cli.probe.findings import answered, failed

REFUSAL = "Too bad... you mistaken the security api key."


@pytest.mark.parametrize(
    ("finding", "settings", "text"),
    [
        (answered(Query.PEERS, REFUSAL), {}, "the key is wrong, or belongs to a tenant"),
        (answered(Query.BALANCE, REFUSAL), {}, "no tenant ACME"),
        (answered(Query.CALLS, ""), {}, "probe again during a call"),
        (answered(Query.LICENSE, ""), {}, "the right"),
        (answered(Query.BALANCE, ""), {}, "no tenant ACME"),
        (answered(Query.BALANCE, "Not for you"), {}, "no tenant ACME"),
        (answered(Query.PEERS, "Not for you"), {}, "a right"),
        (answered(Query.REGISTRATIONS, "No id specified"), {}, "--query=registrations"),
        (answered(Query.REGISTRATIONS, "\r\n"), {}, "--query=registrations"),
        (answered(Query.REGISTRATIONS, "", operation=Operation.EXTENSIONS), {}, "no tenant ACME"),
        (answered(Query.LICENSE, "<html>"), {}, "/pbx/proxyapi.php"),
        (answered(Query.LICENSE, "<!DOCTYPE html><p>expired 3 days ago</p>"), {}, "/pbx/proxyapi.php"),
        (answered(Query.LIMITS, "1|2|3|"), {}, "report it as a bug"),
        (failed(Query.PEERS, Reason.TOO_LARGE), {}, "check `url`"),
        (
            replace(
                answered(Query.REGISTRATIONS, "", operation=Operation.PEERS),
                verdict=Failure(Reason.TOO_LARGE, ""),
            ),
            {},
            "another",
        ),
    ],
    ids=lambda value: value.subject if isinstance(value, Finding) else None,
)
def test_failed_response(finding: Finding, settings: object, text: str, configured: Configured) -> None:
    """There is one advice for each reason, with the settings that fix it."""
    (given,) = advice(finding, configured(), [])
    assert (given.settings, text in given.text) == (settings, True), given.text


def test_empty_calls_that_are_an_error(configured: Configured) -> None:
    """``empty: zero`` is suggested if it is not configured."""
    switch = configured(queries={"calls": {"empty": "error"}})
    (given,) = advice(answered(Query.CALLS, ""), switch, [])
    assert given.settings == {"queries": {"calls": {"empty": "zero"}}}


def test_key_that_works_for_other_requests(configured: Configured) -> None:
    """It is valid, so it lacks a right. No setting turns the query off."""
    (given,) = advice(answered(Query.PEERS, REFUSAL), configured(), [answered(Query.LICENSE, "42")])
    assert "it is valid" in given.text
    assert "only if nobody needs these values, set `queries.peers.interval: off`" in given.text
    assert given.settings == {}
    worked = answered(Query.BALANCE, "42")
    for body in (REFUSAL, ""):
        refused = answered(Query.REGISTRATIONS, body, operation=Operation.EXTENSIONS)
        (given,) = advice(refused, configured(), [worked])
        assert ("another source" in given.text, given.settings) == (True, {})
    for body in ("", "Not for you", REFUSAL):
        (given,) = advice(answered(Query.LIMITS, body), configured(), [worked])
        assert given.settings == {}
        assert ("tenant_interval: off" in given.text) is (body == REFUSAL)


@pytest.mark.parametrize(("installation", "tenant", "count"), [("7", "7", 1), ("7", "3", 0), ("0", "0", 0)])
def test_tenant_with_the_value_of_the_installation(
    installation: str, tenant: str, count: int, configured: Configured
) -> None:
    """The switch may ignore ``tenant``; two zeros prove nothing, and a good value needs no advice."""
    before = [answered(Query.CALLS, installation)]
    assert len(advice(answered(Query.CALLS, tenant, tenant="ACME"), configured(), before)) == count


def test_no_advice_about_a_parameter_while_all_are_tried(configured: Configured) -> None:
    """The other parameters are tried anyway."""
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
def test_pasted_lines_fix_it(query: Query, body: str, configured: Configured, tmp_path: Path) -> None:
    """As printed, the lines load, and the response is decoded with them."""
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
        decoded = finding.endpoint.decode(finding.body or b"", section)
        assert not isinstance(decoded, Failure), (decoded, lines)


def test_every_reason_has_valid_settings(configured: Configured) -> None:
    """No reason is missing, and the configuration accepts each suggested setting."""
    for query, reason in product(Query, Reason):
        finding = failed(query, reason, "self-signed", status=302, location="http://127.0.0.1:8/a")
        for given in advice(finding, configured(), []):
            tree: Any = json.loads(json.dumps(given.settings))
            changed = configured(**{key: value for key, value in tree.items() if key != "tls"})
            assert changed.name == "pbx"


_LIST = answered(
    Query.TENANTS,
    '[{"te_id": 1, "te_code": "ACME", "te_name": "Acme Ltd", "te_disabled": ""}, {"te_code": "BOREAL"}]',
)


@pytest.mark.parametrize("body", ["", "Not for you", REFUSAL, "7"])
@pytest.mark.parametrize(
    ("before", "text"),
    [
        ([answered(Query.CALLS, "0", tenant="ACNE"), answered(Query.LICENSE, "42")], "no tenant ACNE"),
        ([], "no tenant ACNE"),
        ([answered(Query.CALLS, "7")], "no tenant ACNE"),
        ([answered(Query.LICENSE, "42"), answered(Query.CALLS, "7")], "no tenant ACNE"),
        ([_LIST, answered(Query.CALLS, "7")], "ACNE"),
        ([answered(Query.CALLS, "7"), answered(Query.CALLS, "7", tenant="ACNE")], "the code first"),
        ([answered(Query.BALANCE, REFUSAL, tenant="ACNE"), answered(Query.CALLS, "7")], "code first"),
        ([answered(Query.REGISTRATIONS, "[]", operation=Operation.EXTENSIONS, tenant="ACNE")], "ACNE"),
    ],
)
def test_wrong_code_disables_nothing(
    before: list[Finding], text: str, body: str, configured: Configured
) -> None:
    """For a tenant that the switch may not have, the code is to be checked first."""
    for query in (Query.BALANCE, Query.CALLS, Query.LIMITS):
        finding = answered(query, body, tenant="ACNE")
        for given in advice(finding, configured(), before):
            assert given.settings == {}
            assert ": off" not in given.text
            if query is Query.BALANCE:
                assert text in given.text


def test_codes_are_compared_with_the_list(configured: Configured) -> None:
    """Wrong codes of the configuration are listed, with the code that was probably meant."""
    switch = configured(tenants=[{"code": code} for code in ("ACNE", "acme", "BOREAL", "Acme Ltd", "XQ")])
    (given,) = advice(_LIST, switch, [])
    assert ": ACNE (did you mean ACME?), acme (did you mean ACME?), XQ. Correct each `code`" in given.text
    (given,) = advice(answered(Query.BALANCE, "", tenant="ACNE"), switch, [_LIST])
    assert given.text == "the switch's list has no tenant ACNE (did you mean ACME?): correct its `code`"
    assert advice(_LIST, configured(tenants=[{"code": "ACME"}]), []) == []


def test_a_missing_column_of_the_list(configured: Configured) -> None:
    """What the exporter does without it is explained, once for each column."""
    finding = answered(Query.TENANTS, '{"1": {"te_id": 1, "te_name": "Acme Ltd"}}')
    code, disabled = advice(finding, configured(tenants=[{"code": "Acme Ltd"}]), [])
    assert "`te_name` is sent as `tenant`" in code.text
    assert "disabled tenants cannot be told from others" in disabled.text


@pytest.mark.parametrize(("seconds", "timeout"), [(0.1, None), (29.0, None), (31.0, "1m35s"), (59.0, "3m")])
def test_slow_response(seconds: float, timeout: str | None, configured: Configured) -> None:
    """Above half of the timeout, three times the duration is suggested."""
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
        (failed(Query.PEERS, Reason.TIMEOUT), {"timeout": "60s"}, {"timeout": "2m"}, "the switch hangs"),
        (failed(Query.PEERS, Reason.CONNECT), {}, {}, "needs a proxy, set `proxy_url`"),
        (failed(Query.PEERS, Reason.CONNECT), _PROXY, {}, "If the proxy works, check host and port"),
        (
            failed(Query.PEERS, Reason.TIMEOUT, "no complete response, through the proxy in proxy_url"),
            {**_PROXY, "timeout": "60s"},
            {"timeout": "2m"},
            "from proxy_url; `proxy_url: off` bypasses it. If the proxy works: no response",
        ),
        (
            failed(Query.PEERS, Reason.TLS, "the certificate of the proxy in proxy_url was not accepted"),
            _PROXY,
            {},
            "check the proxy http://127.0.0.1:3128",
        ),
        (
            failed(
                Query.PEERS, Reason.CONNECT, "no connection to the proxy in proxy_url: Connection refused"
            ),
            _PROXY,
            {},
            "check the proxy http://127.0.0.1:3128 from proxy_url; `proxy_url: off` bypasses it",
        ),
        (
            _redirect("https://new.example.com/a.php"),
            {},
            {"url": "https://new.example.com/a.php"},
            "redirects to this URL",
        ),
        (_redirect(URL), {}, {}, "same URL"),
        (_redirect("https://pbx.example.com/pbx/login.php"), {}, {}, "login page"),
        (_redirect("http://pbx.example.com/pbx/proxyapi.php"), {}, {}, "not encrypted"),
        (_redirect("mailto:someone"), {}, {}, "invalid URL"),
        (_status(None), {}, {}, "not a web server"),
        (_status(None), {"url": "http://pbx/api"}, {}, "or try https://"),
        (_status(400), {"url": "http://pbx/api"}, {}, "or try https://, because servers say this to plain"),
        (_status(401), {}, {}, "login"),
        (_status(403), {}, {}, "denies"),
        (_status(404), {}, {}, "path"),
        (_status(407), _PROXY, {}, "proxy_url"),
        (_status(418), {}, {}, "correct `url`"),
        (_status(429), {}, {}, "max_requests"),
        (_status(500), {}, {}, "the web server or the application behind it fails"),
        (_status(502), _PROXY, {}, "the proxy, the web server"),
        (_tls("not accepted: self-signed certificate"), {}, {"tls": {"ca_file": "ca.pem"}}, "authority"),
        (_tls("unable to get local issuer certificate"), {}, {"tls": {"ca_file": "ca.pem"}}, "authority"),
        (_tls("not accepted: certificate has expired"), {}, {}, "has expired: renew"),
        (_tls("TLS failed: WRONG_VERSION_NUMBER"), {}, {}, "does not speak TLS"),
        (_tls("TLS failed: UNSUPPORTED_PROTOCOL"), {}, {"tls": {"min_version": "TLS10"}}, "too old"),
        (_tls("TLS failed: CERTIFICATE_REQUIRED"), {}, {"tls": _CLIENT}, "client certificate"),
        (_tls("TLS failed: SOMETHING_ELSE"), {}, {}, "openssl"),
        (_tls("mismatch", "pbx.internal", "b"), {}, {"tls": {"server_name": "pbx.internal"}}, "(also: b)"),
    ],
)
def test_failed_request(
    finding: Finding, configuration: dict[str, Any], settings: object, text: str, configured: Configured
) -> None:
    """What to check in the network, or to configure; only the name of a trusted certificate is sure."""
    (given,) = advice(finding, configured(**{"url": URL, **configuration}), [])
    assert (given.settings, text in given.text) == (settings, True), given.text
    assert given.sure is bool(finding.certificate_names)
