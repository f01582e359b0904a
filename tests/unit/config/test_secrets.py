"""No message and no repr contains a key."""

from collections.abc import Callable
from difflib import SequenceMatcher
from pathlib import Path

import pytest

from exporter.config import load
from exporter.errors import ConfigurationError

LEAKS = [
    "switches: [{name: a, url: 'https://pbx.example.com/api?key=S3CRET'}]",
    "switches: [{name: a, url: 'https://u:S3CRET@pbx.example.com/api'}]",
    "switches: [{name: a, url: u, proxy_url: 'ftp://u:S3CRET@proxy'}]",
    "switches: [{name: a, url: u, key_file: S3CRET}]",
    "switches: [{name: a, url: u, key_env: S3CRET}]",
    "switches: [{name: a, url: u, key: [S3CRET]}]",
    "switches: [{name: a, url: u, key: {S3CRET: S3CRET}}]",
    'switches: [{name: a, url: u, key: "S3CRET\\nS3CRET"}]',
    "switches: [{name: a, url: u, keyy: S3CRET}]",
    "switches: [{name: a, url: u, key: S3CRET, key: S3CRET}]",
    "switches: [{name: a, url: u, key:S3CRET}]",
    "switches: [{name: a, url: u, key: !S3CRET x}]",
    "switches: [{name: a, url: u, key: *S3CRET}]",
    "switches: [{name: a, url: u, key: '%S3CRET}]",
    "switches: [{name: a, url: u, key: @S3CRET}]",
    "switches:\n  - key:S3CRET\n",
    "switches:\n  - name: a\n    key S3CRET\n    url: b\n",
    "switches:\n  - name: a\n    key: S3CRET: x\n",
    "switches: [{name: a, url: u, key: S3CRET, tenants: [{key: S3CRET, key_env: S3CRET}]}]",
    "alerting: {alertmanagers: [{url: 'http://u:S3CRET@host'}]}",
    "alerting: {alertmanagers: [{url: 'http://h', basic_auth: {username: u, password: [S3CRET]}}]}",
    "alerting: {alertmanagers: [{url: 'http://h', basic_auth: {username: u, passwort: S3CRET}}]}",
    "alerting: {alertmanagers: [{url: 'http://h', bearer_token_file: S3CRET}]}",
    "alerting: {alertmanagers: [{url: 'http://h', bearer_token: S3CRET}]}",
    "alerting: {alertmanagers: [{url: 'http://h', authorization: {credentials: S3CRET}}]}",
    "alerting: {alertmanagers: [{url: 'http://h', basic_auth: me:S3CRET}]}",
    "alerting: {alertmanagers: [{url: 'http://h', basic_auth: {username: 'me:S3CRET', password: S3CRET}}]}",
    "alerting: {alertmanagers: [{url: 'http://h', basic_auth: {username: u, password_file: S3CRET}}]}",
    "switches: [{name: a, url: u, key: x, proxy_url: me:S3CRET@proxy:3128}]",
    "switches: [{name: a, url: u, key: x, proxy_url: 'http://me:S3CRET@proxy:port'}]",
    "switches: [{name: a, url: u, key: x, proxy_url: 'http://me:S3CRET/S3CRET@proxy:3128'}]",
    "switches: [{name: a, url: u, key: x, tenants: S3CRET}]",
    "switches: [{name: a, url: u, key: x, tenants: [S3CRET]}]",
    "switches:\n  - name: a\n\tkey: S3CRET\n",
    "switches: [{name: a, url: u, key: &S3CRET}]",
    "switches: [{name: a, url: u, key: %S3CRET}]",
    'switches: [{name: a, url: u, key: "\\S3CRET"}]',
    "%S3CRET\nswitches: []",
    "S3CRET",
]


@pytest.mark.parametrize("text", LEAKS)
def test_errors_do_not_contain_a_misplaced_key(tmp_path: Path, text: str) -> None:
    """Neither do tracebacks: the errors of pydantic and YAML are not chained."""
    path = tmp_path / "config.yaml"
    path.write_text(text)
    with pytest.raises(ConfigurationError) as caught:
        load(path, {})
    assert "S3CRET" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None


def test_valid_configuration_does_not_show_keys(tmp_path: Path) -> None:
    """Its repr contains no key and no password of a proxy."""
    (tmp_path / "file").write_text("S3CRET1")
    path = tmp_path / "config.yaml"
    path.write_text(
        "switches:\n  - name: a\n    url: https://pbx.example.com/api\n"
        "    key_file: file\n    proxy_url: http://u:S3CRET2@proxy:3128\n"
        "    tenants: [{code: A, key: S3CRET3}, {code: B, key_env: B}]"
    )
    configuration = load(path, {"B": "S3CRET4"})
    switch = configuration.switches[0]
    shown = f"{configuration!r} {configuration} {switch.settings('A')} {switch.settings('B')}"
    assert "S3CRET" not in shown
    assert f"Key(file {tmp_path}/file)" in shown
    assert switch.proxy is not None
    assert switch.proxy.url == "http://proxy:3128"


_PLACES = """\
switches:
  - name: §
    url: §
    key: the-key
    timeout: §
    max_concurrency: §
    max_requests_per_second: §
    stale_after: §
    max_series: §
    proxy_url: §
    tls: {ca_file: §, cert_file: §, key_file: §, min_version: §, insecure_skip_verify: §}
    nodes: [{name: a, channels_limit: §}, {§: a}]
    queries:
      peers: {interval: §, tenant_interval: §}
      calls: {interval: §, empty: §, pattern: "(§"}
      license: {pattern: "§"}
      registrations: {source: §, parameter: §, words: {§: [a]}}
    discover_tenants: {enabled: §, include: ["[§"], exclude: ["*§"]}
    tenant_defaults: {extensions: §, labels: {§: a, "a b§": b}}
    tenants:
      - code: A
        key_file: §
        §: §
        extensions: §
        watch: [a, §, §]
        channels_limit: §
        business_hours: {timezone: §, days: [§], from: §, to: §}
        thresholds: {balance: {warning: §, §: 3}}
        queries: {§: {}}
    thresholds: {license: {warning: §}, registered_ratio: {critical: §}}
alerting:
  alertmanagers: [{url: §, tls: {ca_file: §}, bearer_token_file: §}]
  state_file: §
  dry_run: §
  labels: {§: b}
§: {}
"""
"""With § wherever a secret may be misplaced."""


@pytest.mark.parametrize(
    "secret", ["S3CR3TK3YOFPBX01", "demo-admin-key", "Zq7kP0vX/9mL2+tR8wY4=", "9f86d081884c7d65"]
)
def test_misplaced_secrets_are_masked(problems: Callable[..., list[str]], secret: str) -> None:
    """No message contains eight characters of the secret, whatever the error is."""
    for place in range(_PLACES.count("§")):
        start, *rest = _PLACES.split("§")
        text = start + "".join((secret if at == place else "x") + part for at, part in enumerate(rest))

        found = "\n".join(problems(text))

        shared = SequenceMatcher(None, secret, found, autojunk=False).find_longest_match()
        assert shared.size < 8, (place, found)
