import contextlib
import os
import socket
from collections.abc import Callable
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
    not_there = "cannot be read (No such file or directory); check its permissions and its path, relative to "
    not_there += str(tmp_path)
    assert found == [
        f'switches[0].tls.ca_file: "{tmp_path}/ca.pem" {missing}',
        f'switches[0].tls.key_file: "{tmp_path}/key.pem" {missing}',
        f"switches[0].tenants[0].key_file: {not_there}",
        "switches[0].tenants[1].key_file: is a directory, device or pipe; expected a regular file",
        "switches[0].tenants[2].key_file: is empty; expected a key, password or token",
        "switches[0].tenants[3].key_file: is not UTF-8 text; expected a file that contains only the key",
        "switches[0].tenants[4].key_file: is larger than 64 KiB; check that it is the right file",
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


def _read(directory: Path, content: str | bytes) -> loader.Tree:
    path = directory / "file.yaml"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    tree, problems = loader.read_yaml(path)
    assert problems == []
    return tree


def _refusal(directory: Path, content: str | bytes) -> str:
    with pytest.raises(ConfigurationError) as caught:
        _read(directory, content)
    (problem,) = caught.value.problems
    assert caught.value.source == str(directory / "file.yaml")
    return problem


@pytest.mark.parametrize(
    "written", ["0101", "NO", "off", "yes", "18:00", "1e3", "0x1f", "2026-10-01", "1_000", ".inf", "=", "<<"]
)
def test_a_plain_value_stays_what_was_written(tmp_path: Path, written: str) -> None:
    """Nothing is made of a plain value: no octal number, no truth value, no sexagesimal, no date."""
    assert _read(tmp_path, f"a: {written}\n{written}: b") == {"a": written, written: "b"}


def test_quotes_make_no_difference_but_to_the_empty_value(tmp_path: Path) -> None:
    """A quoted text is a text, even where it would mean "no value" without the quotes."""
    assert _read(tmp_path, "a: 'null'\nb: ''\nc: \"~\"\nd: 'off'") == {
        "a": "null",
        "b": "",
        "c": "~",
        "d": "off",
    }


def test_a_byte_order_mark_is_passed_over(tmp_path: Path) -> None:
    """An editor's byte order mark is no part of the first key."""
    assert _read(tmp_path, b"\xef\xbb\xbfa: b") == {"a": "b"}


def test_aliases_stand_for_what_they_name(tmp_path: Path) -> None:
    """Anchors and aliases may be used."""
    assert _read(tmp_path, "a: &x [1, {b: 2}]\nc: *x") == {"a": ["1", {"b": "2"}], "c": ["1", {"b": "2"}]}


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"a: \xff", "file: byte 4 is not UTF-8; save the file as UTF-8"),
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
def test_what_cannot_be_read_is_one_sentence(tmp_path: Path, content: str | bytes, problem: str) -> None:
    """A file that cannot be read as a whole is refused, with where and what to do."""
    assert _refusal(tmp_path, content) == problem


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
def test_a_slip_of_the_pen_is_told_with_its_line(tmp_path: Path, content: str, place: str) -> None:
    """A syntax error names line and column, and what to look for."""
    problem = _refusal(tmp_path, content)
    assert problem.startswith(place)
    assert problem.endswith("; check indentation, quotes and colons")


@pytest.mark.parametrize("yaml_loader", LOADERS)
@pytest.mark.parametrize(
    "content",
    ["a: *S3CRET", "a: !S3CRET!x y", "a: @S3CRET", '"\\US3CRET"', "a: |S3CRET", "%S3CRET\n---\na: !S3CRET b"],
)
def test_neither_reader_repeats_what_it_stumbled_over(
    tmp_path: Path, yaml_loader: type[Any], content: str
) -> None:
    """The reader written in Python quotes the text at fault, which may be a key; that is left out."""
    path = tmp_path / "file.yaml"
    path.write_text(content)
    try:
        _, problems = loader.read_yaml(path, yaml_loader)
    except ConfigurationError as error:
        told = str(error)
    else:
        told = "".join(map(str, problems))
    assert told
    assert "S3CRET" not in told


def test_an_escaped_character_that_does_not_exist(tmp_path: Path) -> None:
    """What the reader written in Python leaves to Python's own errors is one sentence too."""
    path = tmp_path / "file.yaml"
    path.write_text('"\\UFFFFFFFF"')
    with pytest.raises(
        ConfigurationError, match="file: an escape sequence names a character that does not exist"
    ):
        loader.read_yaml(path, yaml.SafeLoader)


@pytest.mark.parametrize("yaml_loader", LOADERS)
@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("a:\n\tb", "line 2: contains U+0009 (tab) in place of a space; use spaces"),
        ("a:\n  b: 1\n\u00a0 c: 2\n  d: 3", "line 3: contains U+00A0 (no-break space) in place of a space"),
        ("a:\n  - b: 1\n    c:\u00a02\n    d: 3", "line 3: contains U+00A0 (no-break space) in place"),
        ("a:\n  - \u200bb: [1", "line 2: contains U+200B (zero width space) in place of a space"),
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


def test_a_missing_file(tmp_path: Path) -> None:
    """What cannot be opened is reported with the system's reason."""
    with pytest.raises(ConfigurationError) as caught:
        loader.read_yaml(tmp_path / "none")
    assert caught.value.problems == (
        "file: cannot be read (No such file or directory); check the path and its permissions",
    )


def test_a_billion_laughs() -> None:
    """Aliases that stand for billions of values are refused, not expanded."""
    with pytest.raises(ConfigurationError) as caught:
        loader.read_yaml(FIXTURES / "billion-laughs.yaml")
    assert caught.value.problems == (
        "line 8: more than 2,000,000 values, including aliases; use fewer aliases",
    )


def test_remarks_come_with_path_and_line(tmp_path: Path) -> None:
    """What is wrong but readable is told at its path, the first of two keys counts, reading goes on."""
    path = tmp_path / "file.yaml"
    path.write_text("a:\n  - b: 1\n    b: 2\n    c:\nd: !t 3\n")
    tree, problems = loader.read_yaml(path)
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
    """What a YAML writer writes of texts, lists and mappings is read back the same."""
    directory = tmp_path_factory.getbasetemp()
    assert _read(directory, yaml.safe_dump(tree, allow_unicode=True)) == tree


@pytest.mark.parametrize("yaml_loader", LOADERS)
@given(
    content=st.binary(max_size=200) | st.text("ab:-[]{}*&!#|>'\"%@`,? \n\t~<", max_size=60).map(str.encode)
)
@settings(deadline=None, max_examples=300)
def test_any_bytes_are_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, yaml_loader: type[Any], content: bytes
) -> None:
    """Whatever stands in the file, it is a tree or a ConfigurationError."""
    path = tmp_path_factory.getbasetemp() / "bytes.yaml"
    path.write_bytes(content)
    with contextlib.suppress(ConfigurationError):
        tree, _ = loader.read_yaml(path, yaml_loader)
        assert tree is None or isinstance(tree, str | list | dict)
