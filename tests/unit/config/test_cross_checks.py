from pathlib import Path

import pytest

from exporter.config import load
from exporter.errors import ConfigurationError

_TEXT = """
switches:
  - name: a
    url: https://pbx.example.com/api
    key_file: the.key
    tenants: [{{code: ACME, key_file: acme.key}}]
alerting:
  alertmanagers: [{{url: "http://127.0.0.1:9093", bearer_token_file: token}}]
  state_file: {state_file}
"""


def _problems(directory: Path, state_file: str) -> tuple[str, ...]:
    for name in ("the.key", "acme.key", "token", "token.lock"):
        (directory / name).write_text("secret")
    file = directory / "config.yaml"
    file.write_text(_TEXT.format(state_file=state_file))
    try:
        load(file, {})
    except ConfigurationError as error:
        return error.problems
    return ()


@pytest.mark.parametrize(
    ("state_file", "named"),
    [
        ("config.yaml", "this configuration file"),
        ("the.key", "switches[0].key_file"),
        ("sub/../acme.key", "switches[0].tenants[0].key_file"),
        ("token", "alerting.alertmanagers[0].bearer_token_file"),
        ("link", "switches[0].key_file"),
        ("hard", "switches[0].key_file"),
    ],
)
def test_state_file_that_is_another_file(state_file: str, named: str, tmp_path: Path) -> None:
    """The first evaluation would overwrite it, also through links or as a lock file."""
    (tmp_path / "sub").mkdir()
    (tmp_path / "link").symlink_to("the.key")
    (tmp_path / "the.key").write_text("secret")
    (tmp_path / "hard").hardlink_to(tmp_path / "the.key")

    assert _problems(tmp_path, state_file) == (
        f"alerting.state_file: would overwrite {named}; choose another file",
    )


def test_state_file_that_is_a_directory(tmp_path: Path) -> None:
    """It cannot be written."""
    assert _problems(tmp_path, ".") == ("alerting.state_file: is a directory; expected a file",)


def test_state_file_that_cannot_be_examined(tmp_path: Path) -> None:
    """As in a directory that the user of the exporter must not enter: this check leaves it to the start."""
    assert _problems(tmp_path, "n" * 300) == ()


@pytest.mark.parametrize("state_file", ["alerts.json", "missing/alerts.json", "/nowhere/alerts.json"])
def test_valid_state_file(state_file: str, tmp_path: Path) -> None:
    """It does not have to exist yet."""
    assert _problems(tmp_path, state_file) == ()
