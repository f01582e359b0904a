import os
import socket
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from exporter.config import load, load_web
from exporter.errors import ConfigurationError

Problems = Callable[..., list[str]]
Raised = Callable[..., list[str]]

SWITCH = "switches:\n  - name: a\n    url: https://pbx.example.com/api\n    key: k\n"


def test_unreadable_files(problems: Problems, tmp_path: Path) -> None:
    """A message about a key file names the directory but not the path, which may be a key."""
    (tmp_path / "directory").mkdir()
    (tmp_path / "empty").write_text(" \n")
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    (tmp_path / "large").write_bytes(b"k" * 70_000)
    files = ["missing", "directory", "empty", "binary", "large"]
    tenants = "".join(f"      - {{code: {name}, key_file: {name}}}\n" for name in files)
    found = problems(SWITCH + "    tls: {ca_file: ca.pem, key_file: key.pem}\n    tenants:\n" + tenants)
    missing = "cannot be read (No such file or directory); check the path and its permissions"
    not_there = "the file cannot be read (No such file or directory); check its permissions and its path, "
    not_there += f"relative to {tmp_path}"
    assert found == [
        f'switches[0].tls.ca_file: "{tmp_path}/ca.pem" {missing}',
        f'switches[0].tls.key_file: "{tmp_path}/key.pem" {missing}',
        "switches[0].tls.key_file: set without cert_file; add cert_file or remove key_file",
        f"switches[0].tenants[0].key_file: {not_there}",
        "switches[0].tenants[1].key_file: the file is a directory, device or pipe; expected a regular file",
        "switches[0].tenants[2].key_file: the file is empty; expected a key, password or token",
        "switches[0].tenants[3].key_file: the file is not UTF-8 text; expected only the key",
        "switches[0].tenants[4].key_file: the file is larger than 64 KiB; check that it is the right file",
    ]


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
_NOT_REGULAR = "is a directory, device or pipe; expected a regular file"


@pytest.mark.timeout(20)
@pytest.mark.parametrize("kind", ["fifo", "/dev/zero", "directory", "socket"])
@pytest.mark.parametrize(("snippet", "place"), _FILES.items())
def test_named_file_must_be_regular(
    problems: Problems, tmp_path: Path, snippet: str, place: str, kind: str
) -> None:
    """A FIFO does not block and a device is not read; both are reported at their key."""
    file = _irregular(tmp_path, kind)
    found = problems(f"{SWITCH.removesuffix(_KEY)}    {snippet.replace('FILE', str(file))}")
    expected = "cannot be read (No such device" if kind == "socket" else _NOT_REGULAR
    assert [problem.startswith(f"{place}: ") for problem in found if expected in problem] == [True]


@pytest.mark.timeout(20)
@pytest.mark.parametrize("kind", ["fifo", "/dev/zero", "directory"])
def test_configuration_file_must_be_regular(tmp_path: Path, kind: str) -> None:
    """This applies to both files."""
    file = _irregular(tmp_path, kind)
    for load_file in (partial(load, environment={}), load_web):
        with pytest.raises(ConfigurationError) as caught:
            load_file(file)
        assert caught.value.problems == (_NOT_REGULAR,)


def _irregular(directory: Path, kind: str) -> Path:
    """Return the path of something other than a regular file."""
    path = directory / "irregular"
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


def test_a_key_that_is_not_shown_has_its_position(raised: Raised) -> None:
    """A key that may be a secret is masked, and its position leads to it, also for errors below the key."""
    found = raised(SWITCH + "    tenant_defaults:\n      labels:\n        bad-label: [x]\n")
    place = "7:9: switches[0].tenant_defaults.labels.…: "
    assert found == [
        (
            f"{place}expected a label name of letters, digits and _ that does not start with a digit or __, "
            'got "…"'
        ),
        f"{place}expected a single value, got a list",
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("    time_out: 5s", '5:5: switches[0].time_out: unknown key; did you mean "timeout"?'),
        (
            "    queries: {license: {interval: soon}}",
            "5:25: switches[0].queries.license.interval: expected a",
        ),
        ("    nodes: [a, b, a]", '5:19: switches[0].nodes[2].name: "a" is already used by switches[0].nodes'),
        ("    key: other", "5:5: switches[0].key: duplicate key, first set on line 4; keep one"),
        ("    tenants:\n      - labels: {}", "6:9: switches[0].tenants[0].code: required key is missing"),
        (
            "    tenants:\n      - &a {code: A, x: 1}\n      - *a",
            "6:22: switches[0].tenants[0].x: unknown",
        ),
        ("    tls: {key_file: config.yaml}", "5:11: switches[0].tls.key_file: set without cert_file"),
        ("alerting: [", "6:1: invalid YAML ("),
    ],
)
def test_position_of_a_problem(raised: Raised, text: str, expected: str) -> None:
    """It is that of the key, of the entry of a list, or of the section in which a key is missing."""
    assert raised(f"{SWITCH}{text}\n")[0].startswith(expected)


def test_position_of_a_problem_within_an_alias(raised: Raised) -> None:
    """The alias is where the path leads; the anchor has the same problem under its own path."""
    text = "    tenants:\n      - {code: A, labels: &a {bad-label: b}}\n      - {code: B, labels: *a}\n"
    assert [problem.partition(" ")[0] for problem in raised(SWITCH + text)] == ["6:31:", "7:19:"]


def test_both_problems_of_a_section_are_reported_in_one_run(problems: Problems) -> None:
    """A conflict between two keys is found although another key of the section is invalid."""
    found = problems(SWITCH + "    tls: {key_file: config.yaml, min_version: TLS9}\n")
    assert found == [
        "switches[0].tls.key_file: set without cert_file; add cert_file or remove key_file",
        'switches[0].tls.min_version: expected TLS10, TLS11, TLS12 or TLS13, got "TLS9"',
    ]
    hours = "business_hours: {timezone: Mars, days: [mon], from: '09:00', to: '09:00'}"
    found = problems(SWITCH + f"    tenant_defaults: {{{hours}}}\n")
    assert [problem.partition(": ")[0].rpartition(".")[2] for problem in found] == ["timezone", "to"]


def test_too_many_switches_are_rejected_before_they_are_read(problems: Problems) -> None:
    """60,000 of them took more than the 30 seconds that a reload may take."""
    text = "switches:\n" + "  - {name: a}\n" * 1001
    assert problems(text)[0] == "switches: expected at most 1,000 entries, got 1,001"


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("PBX_EU_KEY2", ' "PBX_EU_KEY2"'),
        ("NUMBER_1", ' "NUMBER_1"'),
        ("hunter2", ""),
        ("AKIA4NZ7XQ2PLM3R", ""),
    ],
)
def test_environment_variable_that_is_not_set(problems: Problems, name: str, shown: str) -> None:
    """It is named, unless a key may have been pasted in its place."""
    (problem,) = problems(SWITCH.replace("key: k", f"key_env: {name}"))
    assert problem == (
        f"switches[0].key_env: the environment variable{shown} is not set; set it or correct the name"
    )
