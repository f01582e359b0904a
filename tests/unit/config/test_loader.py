import contextlib
import os
import socket
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.config import load, load_web, loader
from exporter.errors import ConfigurationError

Problems = Callable[..., list[str]]

FIXTURES = Path(__file__).parents[2] / "fixtures" / "config"
SWITCH = "switches:\n  - name: a\n    url: https://pbx.example.com/api\n    key: k\n"
LOADERS = [loader.YAML_LOADER, yaml.SafeLoader]


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
    assert [expected in problem for problem in found if problem.startswith(f"{place}: ")] == [True]


@pytest.mark.timeout(20)
@pytest.mark.parametrize("kind", ["fifo", "/dev/zero", "directory"])
def test_configuration_file_must_be_regular(tmp_path: Path, kind: str) -> None:
    """This applies to both files."""
    file = _irregular(tmp_path, kind)
    for load_file in (partial(load, environment={}), load_web):
        with pytest.raises(ConfigurationError) as caught:
            load_file(file)
        assert caught.value.problems == (_NOT_REGULAR,)


@pytest.mark.timeout(20)
@pytest.mark.parametrize("kind", ["fifo", "/dev/zero"])
@pytest.mark.parametrize("key", ["cert_file", "key_file", "client_ca_file"])
def test_file_named_in_the_web_configuration_must_be_regular(tmp_path: Path, key: str, kind: str) -> None:
    """It is reported at its key."""
    path = tmp_path / "web.yml"
    path.write_text(f"tls_server_config: {{{key}: {_irregular(tmp_path, kind)}}}")
    with pytest.raises(ConfigurationError, match=rf"{key}: .* {_NOT_REGULAR}"):
        load_web(path)


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


def _read(directory: Path, content: str | bytes) -> loader.Tree:
    path = directory / "file.yaml"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    tree, problems, _ = loader.read_yaml(path)
    assert problems == []
    return tree


def _problem(directory: Path, content: str | bytes) -> str:
    with pytest.raises(ConfigurationError) as caught:
        _read(directory, content)
    (problem,) = caught.value.problems
    assert caught.value.source == str(directory / "file.yaml")
    return problem


@pytest.mark.parametrize(
    "written", ["0101", "NO", "off", "yes", "18:00", "1e3", "0x1f", "2026-10-01", "1_000", ".inf", "=", "<<"]
)
def test_plain_values_are_text(tmp_path: Path, written: str) -> None:
    """They do not become octal or sexagesimal numbers, booleans or dates."""
    assert _read(tmp_path, f"a: {written}\n{written}: b") == {"a": written, written: "b"}


@pytest.mark.parametrize(
    ("content", "tree"),
    [
        ("a: 'null'\nb: ''\nc: \"~\"", {"a": "null", "b": "", "c": "~"}),
        (b"\xef\xbb\xbfa: b", {"a": "b"}),
        ("a: &x [1, {b: 2}]\nc: *x", {"a": ["1", {"b": "2"}], "c": ["1", {"b": "2"}]}),
    ],
)
def test_quotes_byte_order_mark_and_aliases(tmp_path: Path, content: str | bytes, tree: loader.Tree) -> None:
    """A quoted text is never "no value", a byte order mark is skipped, and aliases are resolved."""
    assert _read(tmp_path, content) == tree


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"a: \xff", "byte 4 is not UTF-8; save the file as UTF-8"),
        (
            "a: b\nc: \x07",
            "line 2: contains U+0007 (control character), which YAML does not allow; remove it",
        ),
        ("a: 1\n---\nb: 2", "line 2: a second document starts; keep one document"),
        ("a: 1\n[b]: 2", "line 2: expected a plain word as key, got a list, a mapping or an alias"),
        ("a: *b", 'line 1: alias without an anchor; quote a value that starts with "*"'),
        ("a: &b [*b]", 'line 1: alias without an anchor; quote a value that starts with "*"'),
        ("\n" + "[" * 100_000, "line 2: nested more than 20 deep; check for unclosed brackets"),
        ("- " * 100_000, "line 1: nested more than 20 deep; check for unclosed brackets"),
    ],
    ids=lambda value: repr(value)[:30],
)
def test_rejected_file(tmp_path: Path, content: str | bytes, problem: str) -> None:
    """The message says where the problem is and what to do."""
    assert _problem(tmp_path, content) == problem


@pytest.mark.parametrize(
    ("content", "place"),
    [
        ("a: 5\n b: 3", "line 2, column "),
        ("a: 'b", "line 1, column "),
        ("a: [1, 2", "line "),
        ("a: @b", "line 1, column 4"),
        ('a: "\\q"', "line 1, column "),
        ("%YAML 9.9\n---\na: 1", "line 1, column 1"),
    ],
)
def test_syntax_error(tmp_path: Path, content: str, place: str) -> None:
    """The message has line and column, and what to check."""
    problem = _problem(tmp_path, content)
    assert problem.startswith(place)
    assert problem.endswith("; check indentation, quotes, colons and brackets, also in the lines before")


def test_a_key_that_is_not_shown_has_its_line(problems: Problems) -> None:
    """A key that may be a secret is masked, so the message has its line, also for errors below the key."""
    found = problems(SWITCH + "    tenant_defaults:\n      labels:\n        bad-label: [x]\n")
    place = "switches[0].tenant_defaults.labels.…: line 7: "
    assert found == [
        (
            f"{place}expected a label name of letters, digits and _ that does not start with a digit or __, "
            'got "…"'
        ),
        f"{place}expected a single value, got a list",
    ]


@pytest.mark.parametrize("yaml_loader", LOADERS)
@pytest.mark.parametrize(
    "content",
    ["a: *S3CRET", "a: !S3CRET!x y", "a: @S3CRET", '"\\US3CRET"', "a: |S3CRET", "%S3CRET\n---\na: !S3CRET b"],
)
def test_syntax_errors_do_not_quote_the_file(tmp_path: Path, yaml_loader: type[Any], content: str) -> None:
    """PyYAML's Python loader quotes the text, which may be a key."""
    path = tmp_path / "file.yaml"
    path.write_text(content)
    try:
        _, problems, _ = loader.read_yaml(path, yaml_loader)
    except ConfigurationError as error:
        found = str(error)
    else:
        found = "".join(map(str, problems))
    assert found
    assert "S3CRET" not in found


def test_invalid_escape_sequence(tmp_path: Path) -> None:
    """PyYAML's Python loader raises an error that is not its own."""
    path = tmp_path / "file.yaml"
    path.write_text('"\\UFFFFFFFF"')
    with pytest.raises(ConfigurationError, match="an escape sequence names a character that does not exist"):
        loader.read_yaml(path, yaml.SafeLoader)


@pytest.mark.parametrize("yaml_loader", LOADERS)
@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("a:\n\tb", "line 2: contains U+0009 (tab) instead of a space; use spaces"),
        ("a:\n  b: 1\n\u00a0 c: 2\n  d: 3", "line 3: contains U+00A0 (no-break space) instead of a space"),
        ("a:\n  - b: 1\n    c:\u00a02\n    d: 3", "line 3: contains U+00A0 (no-break space) instead"),
        ("a:\n  - \u200bb: [1", "line 2: contains U+200B (zero width space) instead of a space"),
    ],
)
def test_a_character_that_looks_like_a_space_is_named(
    tmp_path: Path, yaml_loader: type[Any], content: str, problem: str
) -> None:
    """The error names the line of the character, not the later line where the parser fails."""
    path = tmp_path / "file.yaml"
    path.write_text(content)
    with pytest.raises(ConfigurationError) as caught:
        loader.read_yaml(path, yaml_loader)
    assert caught.value.problems[0].startswith(problem)


@pytest.mark.parametrize("yaml_loader", LOADERS)
@pytest.mark.parametrize("line", ["# Attention\u00a0: a key", "# note:\u00a0see below", 'b: "c:\u00a0d"'])
def test_a_no_break_space_in_a_comment_or_text_is_not_the_cause(
    tmp_path: Path, yaml_loader: type[Any], line: str
) -> None:
    """French and Italian texts have them before or after a colon."""
    path = tmp_path / "file.yaml"
    path.write_text(f"{line}\na: 'x\n")
    with pytest.raises(ConfigurationError, match="invalid YAML"):
        loader.read_yaml(path, yaml_loader)


def test_missing_file(tmp_path: Path) -> None:
    """The message has the system's reason."""
    with pytest.raises(ConfigurationError) as caught:
        loader.read_yaml(tmp_path / "none")
    assert caught.value.problems == (
        "cannot be read (No such file or directory); check the path and its permissions",
    )


def test_billion_laughs() -> None:
    """Aliases that stand for billions of values are not expanded."""
    with pytest.raises(ConfigurationError) as caught:
        loader.read_yaml(FIXTURES / "billion-laughs.yaml")
    assert caught.value.problems == (
        "line 8: more than 2,000,000 values, including aliases; use fewer aliases",
    )


def test_problems_have_path_and_line(tmp_path: Path) -> None:
    """Reading continues after them, with the first of two equal keys."""
    path = tmp_path / "file.yaml"
    path.write_text("a:\n  - b: 1\n    b: 2\n    c:\nd: !t 3\n")
    tree, problems, _ = loader.read_yaml(path)
    assert tree == {"a": [{"b": "1", "c": None}], "d": "3"}
    assert [str(problem) for problem in problems] == [
        "a[0].b: line 3: duplicate key, first set on line 2; keep one",
        "a[0].c: line 4: no value; add one or delete the key",
        'd: line 5: YAML tags are not supported; quote a value that starts with "!"',
    ]


_TREES: st.SearchStrategy[object] = st.recursive(
    st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"])),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text("abc", min_size=1), inner, max_size=4)
    ),
    max_leaves=20,
)


@given(tree=_TREES)
@settings(deadline=None)
def test_round_trip(tmp_path_factory: pytest.TempPathFactory, tree: object) -> None:
    """Texts, lists and mappings that PyYAML writes are read back unchanged."""
    directory = tmp_path_factory.getbasetemp()
    assert _read(directory, yaml.safe_dump(tree, allow_unicode=True)) == tree


@pytest.mark.parametrize("yaml_loader", LOADERS)
@given(
    content=st.binary(max_size=200) | st.text("ab:-[]{}*&!#|>'\"%@`,? \n\t~<", max_size=60).map(str.encode)
)
@settings(deadline=None, max_examples=300)
def test_any_file_is_read_or_rejected(
    tmp_path_factory: pytest.TempPathFactory, yaml_loader: type[Any], content: bytes
) -> None:
    """The result is a tree or a ConfigurationError."""
    path = tmp_path_factory.getbasetemp() / "bytes.yaml"
    path.write_bytes(content)
    with contextlib.suppress(ConfigurationError):
        tree, _, _ = loader.read_yaml(path, yaml_loader)
        assert tree is None or isinstance(tree, str | list | dict)
