from collections.abc import Callable
from pathlib import Path

import pytest

from exporter.config import load
from exporter.errors import ConfigurationError

Problems = Callable[..., list[str]]

FIXTURES = Path(__file__).parents[2] / "fixtures" / "config"
SWITCH = "switches:\n  - name: a\n    url: https://pbx.example.com/api\n    key: k\n"


def test_missing_files_are_told_with_the_directory_they_were_looked_for_in(
    problems: Problems, tmp_path: Path
) -> None:
    """A relative path starts from the configuration's directory, and the message says so."""
    (tmp_path / "directory").mkdir()
    (tmp_path / "empty").write_text(" \n")
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    (tmp_path / "large").write_bytes(b"k" * 70_000)
    files = ["missing", "directory", "empty", "binary", "large"]
    tenants = "".join(f"      - {{code: {name}, key_file: {name}}}\n" for name in files)
    found = problems(SWITCH + "    tls: {ca_file: ca.pem, key_file: key.pem}\n    tenants:\n" + tenants)
    missing = "cannot be read (No such file or directory); check the path and its permissions"
    not_there = "cannot be read (No such file or directory); check its permissions and its path, from "
    not_there += str(tmp_path)
    assert found == [
        f'switches[0].tls.ca_file: "{tmp_path}/ca.pem" {missing}',
        f'switches[0].tls.key_file: "{tmp_path}/key.pem" {missing}',
        f"switches[0].tenants[0].key_file: {not_there}",
        "switches[0].tenants[1].key_file: is not a regular file; name the file that holds the key",
        "switches[0].tenants[2].key_file: is empty; put the key there",
        "switches[0].tenants[3].key_file: is not UTF-8 text; name the file that holds the key alone",
        "switches[0].tenants[4].key_file: is far larger than a key; name the file that holds the key alone",
    ]


def test_a_tls_key_needs_its_certificate(problems: Problems, tmp_path: Path) -> None:
    """A client's private key without a certificate would be passed over in silence, so it is refused."""
    (tmp_path / "key.pem").write_text("x")
    assert problems(SWITCH + "    tls: {key_file: key.pem}") == [
        "switches[0].tls: has key_file without cert_file; add cert_file, or take key_file away"
    ]


def test_ten_mistakes_are_told_at_once_in_the_order_of_the_file() -> None:
    """Mistakes of every kind, found at different stages, come together and from top to bottom."""
    path = FIXTURES / "ten-mistakes.yaml"
    with pytest.raises(ConfigurationError) as caught:
        load(path, {})
    assert "\n".join(caught.value.problems).replace(str(path.parent), "DIRECTORY") == path.with_suffix(
        ".txt"
    ).read_text(encoding="utf-8").rstrip("\n")
    assert str(caught.value).splitlines() == [f"{path}: {problem}" for problem in caught.value.problems]
