import re

import pytest

from exporter.cli.arguments import parser
from exporter.cli.parsing import KNOWN, parse


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
