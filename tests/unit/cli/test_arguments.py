import gc
import re

import pytest

from exporter.cli import KNOWN, parse
from exporter.cli.arguments import load, parser


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["--web.listen-address=foo"], 'such as :10390 or 127.0.0.1:10390, got "foo"'),
        (
            ["--web.telemetry-path=foo"],
            'such as /metrics, not below /-, /api, /runbooks, /sd or /tenant, got "foo"',
        ),
        (["--web.telemetry-path=/runbooks"], "such as /metrics, not below"),
        (["--web.telemetry-path=/sd"], "such as /metrics, not below"),
        (["--web.telemetry-path=/tenant"], "such as /metrics, not below"),
        (["--web.external-url=foo"], 'invalid URL "foo"; expected one such as https://exporter.example.com'),
        (["--web.external-url=ftp://noc:secret@pbx"], "invalid URL (not shown, because it may contain"),
        (["--web.external-url=http://noc:secret@pbx"], "invalid URL (not shown, because it may contain"),
        (["--web.external-url=http://pbx/?key=secret"], "without user, query and fragment"),
        (["test-alert", "--web.external-url=http://pbx/#a"], "without user, query and fragment"),
        (["demo", "--port=70000"], 'expected a port from 0 to 65535, got "70000"'),
        (["test-alert", "--hold=soon"], 'expected a number of seconds from 0 to 3600, got "soon"'),
        (["rules", "--runbooks=pbx"], 'invalid URL "pbx"; expected one such as'),
        (["rules", "--runbooks=http://pbx/{{.}}"], "invalid URL"),
        (["rules", "--runbooks=http://noc:secret@pbx"], "invalid URL (not shown, because it may contain"),
        (["rules", "--team-label=a-b"], 'expected a label name such as team, got "a-b"'),
        (["rules", "--team-label=severity"], 'alerts have a label "severity" already; choose another label'),
        (
            ["rules", "--team-label=without"],
            'PromQL does not accept the label "without"; choose another label',
        ),
        (["simulate", "--listen=foo"], 'such as 127.0.0.1:10391, got "foo"'),
    ],
    ids=lambda value: value if isinstance(value, str) else " ".join(value),
)
def test_an_error_quotes_the_value_as_in_a_configuration(
    arguments: list[str], problem: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """In double quotes, and without credentials."""
    with pytest.raises(SystemExit):
        parser().parse_args(arguments)
    printed = capsys.readouterr().err
    assert problem in printed
    assert "secret" not in printed


def test_garbage_is_collected_again_after_an_import() -> None:
    """Loading a command stops garbage collection only until it has ended, with an error as well."""
    assert load("rules").run
    assert gc.isenabled()

    with pytest.raises(ModuleNotFoundError):
        load("nothing")
    assert gc.isenabled()


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["probe", "--key=S3CRET"], "unrecognized argument --key: its value is not shown"),
        (["probe", "--key", "S3CRET"], "probe has --key-file=FILE"),
        (["--api-key", "S3CRET", "probe"], "unrecognized argument --api-key: "),
        (["probe", "--PASSWORD=S3CRET"], "unrecognized argument --PASSWORD: "),
        (["test-alert", "--token", "S3CRET"], "unrecognized argument --token: "),
        (["probe", "--pin=S3CRET", "-u", "noc:S3CRET"], "unrecognized arguments: --pin -u"),
        (["rules", "surplus"], "unrecognized arguments: surplus"),
    ],
    ids=" ".join,
)
def test_values_of_unknown_flags_are_not_repeated(
    arguments: list[str], problem: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """They may be keys; the message names the flag that takes a key from a file."""
    with pytest.raises(SystemExit) as ended:
        parse(arguments)
    printed = capsys.readouterr().err
    assert problem in printed
    assert "S3CRET" not in printed
    assert ended.value.code == 2


@pytest.mark.parametrize(
    "command", ["probe", "simulate", "healthcheck", "test-alert", "rules", "assets", "demo"]
)
def test_known_flags_about_keys(
    command: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each is accepted."""
    monkeypatch.setenv("COLUMNS", "500")
    with pytest.raises(SystemExit):
        parser().parse_args([command, "--help"])
    flags = set(re.findall(r"--[\w.-]*\w", capsys.readouterr().out))
    assert {flag for flag in flags if re.search("key|passw|token|secret", flag)} <= KNOWN


def test_valid_arguments() -> None:
    """They are parsed as usual."""
    assert parse(["probe", "--key-file=k", "--url=u"]).key_file == "k"
