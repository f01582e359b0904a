import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from exporter.config import load, load_web
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
        "switches[0].tenants[1].key_file: is not a regular file; name a regular file",
        "switches[0].tenants[2].key_file: is empty; put the key there",
        "switches[0].tenants[3].key_file: is not UTF-8 text; name the file that holds the key alone",
        "switches[0].tenants[4].key_file: is larger than 64 KiB; check that it is the right file",
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


_KEY = "    key: k\n"
_ALERTMANAGER = "key: k\nalerting: {alertmanagers: [{url: 'http://a', %s}]}"
_FILES = {
    "key_file: FILE": "switches[0].key_file",
    "tenants: [{code: A, key_file: FILE}]": "switches[0].tenants[0].key_file",
    "tls: {ca_file: FILE}": "switches[0].tls.ca_file",
    "tls: {cert_file: FILE}": "switches[0].tls.cert_file",
    "tls: {key_file: FILE}": "switches[0].tls.key_file",
    _ALERTMANAGER % "basic_auth: {username: u, password_file: FILE}": (
        "alerting.alertmanagers[0].basic_auth.password_file"
    ),
    _ALERTMANAGER % "bearer_token_file: FILE": "alerting.alertmanagers[0].bearer_token_file",
    _ALERTMANAGER % "tls: {ca_file: FILE}": "alerting.alertmanagers[0].tls.ca_file",
}
_NOT_REGULAR = "is not a regular file; name a regular file"


@pytest.mark.timeout(20)
@pytest.mark.parametrize("kind", ["fifo", "/dev/zero", "directory", "socket"])
@pytest.mark.parametrize(("snippet", "place"), _FILES.items())
def test_a_file_that_hangs_or_never_ends_is_refused(
    problems: Problems, tmp_path: Path, snippet: str, place: str, kind: str
) -> None:
    """Wherever a file is named: a FIFO does not block, a device is not read, and both are reported."""
    file = _odd(tmp_path, kind)
    found = problems(f"{SWITCH.removesuffix(_KEY)}    {snippet.replace('FILE', str(file))}")
    expected = "cannot be read (No such device" if kind == "socket" else _NOT_REGULAR
    assert [expected in problem for problem in found if problem.startswith(f"{place}: ")] == [True]


@pytest.mark.timeout(20)
@pytest.mark.parametrize("kind", ["fifo", "/dev/zero", "directory"])
def test_the_configuration_itself_is_a_regular_file(tmp_path: Path, kind: str) -> None:
    """The same is said of the file as a whole."""
    with pytest.raises(ConfigurationError) as caught:
        load(_odd(tmp_path, kind), {})
    assert caught.value.problems == (f"file: {_NOT_REGULAR}",)


@pytest.mark.timeout(20)
@pytest.mark.parametrize("kind", ["fifo", "/dev/zero"])
@pytest.mark.parametrize("key", ["", "cert_file", "key_file", "client_ca_file"])
def test_so_it_is_for_the_file_of_the_web_server(tmp_path: Path, key: str, kind: str) -> None:
    """The web configuration and the files that it names are regular files as well."""
    file = _odd(tmp_path, kind)
    path = tmp_path / "web.yml"
    path.write_text(f"tls_server_config: {{{key}: {file}}}")
    with pytest.raises(ConfigurationError) as caught:
        load_web(path if key else file)
    assert _NOT_REGULAR in str(caught.value)


def _odd(directory: Path, kind: str) -> Path:
    """Return a path of something that is no regular file."""
    path = directory / "odd"
    match kind:
        case "fifo":
            os.mkfifo(path)
        case "directory":
            path.mkdir()
        case "socket":
            with socket.socket(socket.AF_UNIX) as listening:
                listening.bind(str(path))
        case _:
            return Path(kind)
    return path
