from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from exporter.config import Configuration, SwitchConfiguration
from exporter.model import ExtensionParameter, Query, Registration, RegistrationSource, Scope
from exporter.patterns import Pattern
from exporter.queries import QUERIES
from tests.certificates import Authority

Load = Callable[..., Configuration]
Problems = Callable[..., list[str]]

SWITCH = "switches:\n  - name: a\n    url: https://pbx.example.com/api\n    key: k\n"
MINUTE, HOUR, DAY = 60.0, 3600.0, 86400.0


def _options(switch: SwitchConfiguration, query: Query) -> Any:
    return switch.queries.options(QUERIES[query])


_INTERVALS = {
    Query.PEERS: (MINUTE, None),
    Query.CHANNELS: (30.0, 2 * MINUTE),
    Query.CALLS: (30.0, 2 * MINUTE),
    Query.LICENSE: (HOUR, None),
    Query.BALANCE: (None, 5 * MINUTE),
    Query.REGISTRATIONS: (None, 5 * MINUTE),
    Query.LIMITS: (None, None),
    Query.TENANTS: (6 * HOUR, None),
    Query.EXTENSIONS: (None, 6 * HOUR),
    Query.CALL_RECORDS: (None, None),
}


def test_default_intervals(loaded: Load) -> None:
    """Each query has its documented intervals, and none for a scope that it does not have."""
    switch = loaded(SWITCH).switches[0]
    for query, intervals in _INTERVALS.items():
        assert (switch.interval(query, Scope.SWITCH), switch.interval(query, Scope.TENANT)) == intervals
    assert [*type(switch.queries).model_fields] == [query.value for query in Query]


def test_without_an_admin_key(loaded: Load) -> None:
    """Scope ``switch`` is off whatever the intervals are; scope ``tenant`` is not."""
    text = SWITCH.replace("    key: k\n", "    tenants: [{code: A, key: k}]\n")
    switch = loaded(text).switches[0]
    assert switch.key is None
    assert {switch.interval(query, Scope.SWITCH) for query in Query} == {None}
    assert switch.interval(Query.CALLS, Scope.TENANT) == 2 * MINUTE


def test_all_settings_of_a_switch(loaded: Load, tmp_path: Path, authority: Authority) -> None:
    """Each value has its type: a number, a path relative to the file, a pattern."""
    authority.issue("cert")
    switch = loaded(
        SWITCH
        + r"""
    timeout: 1m30s
    max_concurrency: 8
    max_requests_per_second: 2.5
    stale_after: 1.5
    max_series: 1000
    tls: {ca_file: authority.pem, cert_file: cert.pem, key_file: cert.key, server_name: s, min_version: TLS13,
          insecure_skip_verify: true}
    nodes: [pbx1, {name: 0010, channels_limit: 500}]
    queries:
      peers: {interval: off, tenant_interval: 10m, total_name: Summe}
      calls: {empty: error, pattern: '(\d+) calls'}
      registrations: {source: peers, parameter: id, words: {registered: [On], unknown: ['?']}}
    discover_tenants: {enabled: true, include: [A.*], exclude: ['AB', 'AC']}
"""
    ).switches[0]
    assert (switch.timeout, switch.max_concurrency, switch.max_requests_per_second) == (90.0, 8, 2.5)
    assert (switch.stale_after, switch.max_series) == (1.5, 1000)
    tls = switch.tls
    assert (tls.ca_file, tls.cert_file) == (tmp_path / "authority.pem", tmp_path / "cert.pem")
    assert (tls.key_file, tls.server_name) == (tmp_path / "cert.key", "s")
    assert (tls.min_version, tls.insecure_skip_verify) == ("TLS13", True)
    assert [(node.name, node.channels_limit) for node in switch.nodes] == [("pbx1", None), ("0010", 500)]
    peers, calls = _options(switch, Query.PEERS), _options(switch, Query.CALLS)
    assert (peers.interval, peers.tenant_interval, peers.total_name) == (None, 600.0, "Summe")
    assert (calls.empty, calls.pattern) == ("error", Pattern(r"(\d+) calls"))
    registrations = _options(switch, Query.REGISTRATIONS)
    assert registrations.words == {Registration.REGISTERED: ("On",), Registration.UNKNOWN: ("?",)}
    assert registrations.source is RegistrationSource.PEERS
    assert registrations.parameter is ExtensionParameter.ID
    assert switch.discover_tenants.enabled
    assert switch.discover_tenants.exclude == (Pattern("AB"), Pattern("AC"))


@pytest.mark.parametrize(
    ("written", "effective"),
    [
        ("off", {}),
        ("{warning: off}", {"critical": 10}),
        ("{critical: off}", {"warning": 50}),
        ("{warning: 20}", {"warning": 20, "critical": 10}),
        ("{warning: -10, critical: -100.5}", {"warning": -10, "critical": -100.5}),
        ("{warning: 10, critical: 10}", {"warning": 10, "critical": 10}),
        ("{}", {"warning": 50, "critical": 10}),
    ],
)
def test_thresholds_of_a_switch(loaded: Load, written: str, effective: dict[str, float]) -> None:
    """They override the defaults by severity; ``off`` removes a threshold."""
    switch = loaded(SWITCH + f"    thresholds: {{balance: {written}}}").switches[0]
    assert switch.thresholds.balance == effective


def test_sources_of_keys(loaded: Load, tmp_path: Path) -> None:
    """A key comes from the configuration, its own file or the environment, and says from which."""
    (tmp_path / "key").write_text("of-file\n")
    text = SWITCH + "    tenants: [{code: A, key_file: key}, {code: B, key_env: KEY_B}]"
    keys = loaded(text, {"KEY_B": "of-environment"}).keys
    assert [(key.current(), key.source) for key in keys] == [
        ("k", "literal"),
        ("of-file", f"file {tmp_path}/key"),
        ("of-environment", "environment KEY_B"),
    ]


def test_label_names(loaded: Load) -> None:
    """The label names of all tenants and defaults of all switches, sorted."""
    other = SWITCH.removeprefix("switches:\n").replace("name: a", "name: b")
    text = (
        SWITCH
        + "    tenant_defaults: {labels: {team: x}}\n    tenants: [{code: A, labels: {site: y, team: z}}]\n"
        + other
        + "    tenants: [{code: A, labels: {area: y}}]\n"
    )
    assert loaded(text).label_names == ("area", "site", "team")


def test_alerting(loaded: Load, tmp_path: Path) -> None:
    """All settings, with passwords and tokens that are in no text."""
    (tmp_path / "token").write_text("t0ken\n")
    (tmp_path / "password").write_text("passw0rd\n")
    text = (
        "alerting:\n  labels: {site: eu}\n  state_file: s\n  dry_run: true\n  alertmanagers:\n"
        "    - {url: https://a, basic_auth: {username: noc, password_file: password}}\n"
        "    - {url: https://b, bearer_token_file: token, tls: {server_name: am, min_version: TLS13}}\n"
    )
    configuration = loaded(SWITCH + text)
    alerting = configuration.alerting
    assert alerting is not None
    assert (alerting.labels, alerting.state_file, alerting.dry_run) == ({"site": "eu"}, tmp_path / "s", True)
    basic, bearer = alerting.alertmanagers
    assert (basic.url, bearer.url, bearer.tls.server_name) == ("https://a", "https://b", "am")
    assert basic.basic_auth is not None
    assert (basic.basic_auth.username, basic.basic_auth.password.current()) == ("noc", "passw0rd")
    assert bearer.bearer_token is not None
    assert bearer.bearer_token.current() == "t0ken"
    assert {basic.basic_auth.password, bearer.bearer_token} < set(configuration.keys)
    assert "passw0rd" not in repr(alerting)
    assert "t0ken" not in repr(alerting)


def test_files(loaded: Load, authority: Authority, tmp_path: Path) -> None:
    """Every file that is read with the configuration is named, so that a change of it is noticed."""
    pair = authority.issue("client")
    keys = [tmp_path / name for name in ("admin", "tenant", "password", "token")]
    for key in keys:
        key.write_text("made-up")
    tls = f"{{ca_file: {authority.certificate}, cert_file: {pair.certificate}, key_file: {pair.key}}}"
    configuration = loaded(f"""\
switches:
  - {{name: a, url: https://pbx/api, key_file: admin, tls: {tls}, tenants: [{{code: A, key_file: tenant}}]}}
alerting:
  alertmanagers:
    - {{url: https://am1, basic_auth: {{username: noc, password_file: password}}, tls: {tls}}}
    - {{url: https://am2, bearer_token_file: token}}
""")
    assert set(configuration.files) == {*keys, authority.certificate, pair.certificate, pair.key}


def test_time_zone_of_call_records_before_their_interval(loaded: Load) -> None:
    """``probe`` uses it while the query is still off."""
    switch = loaded(SWITCH + "    queries:\n      call_records: {timezone: Asia/Tokyo}\n").switches[0]
    section = _options(switch, Query.CALL_RECORDS)
    assert (section.interval, str(section.timezone), section.delay) == (None, "Asia/Tokyo", 600)
