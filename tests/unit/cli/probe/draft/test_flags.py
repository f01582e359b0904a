import argparse
from pathlib import Path

import pytest

from exporter.cli.arguments import parser
from exporter.cli.probe.draft.flags import (
    reject_unused,
    settings_of,
    switch_of,
    with_flags,
    with_relative_paths,
)
from exporter.cli.probe.findings import Advice, setting
from exporter.errors import StartError

URL = "https://pbx.example.com/pbx/proxyapi.php"
WRITE = ("--write-config=c.yaml", f"--url={URL}")


def _parsed(*flags: str) -> argparse.Namespace:
    return parser().parse_args(["probe", *flags])


def test_paths_beside_the_configuration(tmp_path: Path) -> None:
    """Those in its directory or below are relative to it; the others stay absolute."""
    settings = {
        "key_file": str(tmp_path / "keys/pbx.key"),
        "name": f"{tmp_path}/name",
        "tls": {"ca_file": str(tmp_path / "ca.pem"), "key_file": "/elsewhere/client.key"},
    }
    assert with_relative_paths(settings, tmp_path) == {
        "key_file": "keys/pbx.key",
        "name": f"{tmp_path}/name",
        "tls": {"ca_file": "ca.pem", "key_file": "/elsewhere/client.key"},
    }
    outside = {"key_file": f"{tmp_path}/../pbx.key"}
    assert with_relative_paths(outside, tmp_path) == outside


def test_settings_with_absolute_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The name is that of the host, the paths are absolute, and the configuration accepts them."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pbx.key").write_text("a-secret-key\n")
    settings = settings_of(_parsed(*WRITE, "--key-file=pbx.key", "--insecure", "--timeout=2m"))
    assert {name: settings[name] for name in ("name", "url", "key_file", "timeout")} == {
        "name": "pbx.example.com",
        "url": URL,
        "key_file": str(tmp_path / "pbx.key"),
        "timeout": "2m",
    }
    switch = switch_of(settings, {})
    assert (switch.timeout, switch.tls.insecure_skip_verify, switch.max_concurrency) == (120, True, 1)


@pytest.mark.parametrize(
    ("flags", "text"),
    [
        (["--write-config=c.yaml"], "--write-config needs --url=URL"),
        ([*WRITE], "--key-file=FILE or --key-env=NAME, one of them"),
        ([*WRITE, "--key-file=a", "--key-env=B"], "one of them"),
        ([*WRITE, "--key-env=K", "--proxy-url=http://u:pw@p:1"], "set HTTPS_PROXY or HTTP_PROXY"),
        ([*WRITE, "--key-env=K", "--proxy-url=socks://p"], '--proxy-url: invalid URL "socks://p"'),
        ([*WRITE, "--key-env=UNSET"], "--key-env: the environment variable "),
        ([*WRITE, "--key-file=absent"], "--key-file: the file cannot be read"),
        ([*WRITE, "--key-env=K", "--ca-file=absent.pem"], "--ca-file: "),
        (["--write-config=c", "--url=ftp://x", "--key-env=K"], '--url: invalid URL "ftp://x"'),
        ([*WRITE, "--key-env=K", "--timeout=1"], "--timeout: expected a duration"),
    ],
)
def test_problems_name_the_flag(flags: list[str], text: str) -> None:
    """Nothing is sent, and no password is repeated."""
    with pytest.raises(StartError) as raised:
        switch_of(settings_of(_parsed(*flags)), {"K": "a-secret-key"})
    assert text in str(raised.value)
    assert "pw" not in str(raised.value)


@pytest.mark.parametrize(
    ("flags", "text"),
    [
        ([*WRITE, "--config.file=a.yaml", "--query=peers"], "--config.file, --query has no effect with"),
        (["--config.file=a.yaml", "--url=x", "--overwrite"], "--url, --overwrite needs --write-config=FILE"),
        (["--config.file=a.yaml", "--skip=peers"], "--skip needs --write-config=FILE"),
        (["--config.file=a.yaml", "--tenant=A", "--tenant=B"], "--tenant may be repeated only with"),
    ],
)
def test_flags_without_effect(flags: list[str], text: str) -> None:
    """They are errors."""
    with pytest.raises(StartError, match=text):
        reject_unused(_parsed(*flags))
    reject_unused(_parsed(*WRITE, "--key-env=K", "--tenant=A", "--tenant=B", "--skip=peers"))
    reject_unused(_parsed("--config.file=a.yaml", "--tenant=A"))


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (Advice("not trusted", setting("tls", "ca_file", value="ca.pem")), "not trusted: --ca-file=ca.pem"),
        (
            Advice("needed", setting("tls", value={"cert_file": "a", "key_file": "b"})),
            "needed: --cert-file=a --cert-key-file=b",
        ),
        (Advice("`proxy_url: off` bypasses it"), "--proxy-url=off bypasses it"),
        (
            Advice("check `url`; set `timeout`", setting("timeout", value="2m")),
            "check --url; set --timeout: --timeout=2m",
        ),
        (
            Advice("the key is wrong. Configure a tenant's key with its tenant: tenants: [{code: CODE}]"),
            "the key is wrong. For a tenant's key, add --tenant=CODE",
        ),
        (Advice("other", setting("queries", "license", "pattern", value="x")), "other"),
    ],
)
def test_advice_names_flags(given: Advice, expected: str) -> None:
    """There is no configuration yet, so keys of it would not help."""
    assert list(with_flags(given)) == [expected]
