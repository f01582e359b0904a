import contextlib
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.config import load
from exporter.config import tree as yaml_tree
from exporter.config.tree import Tree, read_yaml
from exporter.errors import ConfigurationError

FIXTURES = Path(__file__).parents[2] / "fixtures" / "config"
LOADERS = [yaml_tree.YAML_LOADER, yaml.SafeLoader]


def _read(directory: Path, content: str | bytes) -> Tree:
    path = directory / "file.yaml"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    document = read_yaml(path)
    assert document.problems == ()
    return document.tree


def _problem(directory: Path, content: str | bytes) -> str:
    """Return line, column and text of the only problem."""
    with pytest.raises(ConfigurationError) as caught:
        _read(directory, content)
    file = directory / "file.yaml"
    assert caught.value.source == str(file)
    assert len(caught.value.problems) == 1
    return str(caught.value).removeprefix(f"{file}:").strip()


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
def test_quotes_byte_order_mark_and_aliases(tmp_path: Path, content: str | bytes, tree: Tree) -> None:
    """A quoted text is never "no value", a byte order mark is skipped, and aliases are resolved."""
    assert _read(tmp_path, content) == tree


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"a: \xff", "1:4: contains a byte that is not UTF-8; save the file as UTF-8"),
        (b"\xc3\xa9\xc3\xa9: \xff", "1:5: contains a byte that is not UTF-8; save the file as UTF-8"),
        (b"a: b\nc: d\n# \xe9", "3:3: contains a byte that is not UTF-8; save the file as UTF-8"),
        (
            "a: b\nc: \x07",
            "2:4: contains U+0007 (control character), which YAML does not allow; remove it",
        ),
        ("a: 1\n---\nb: 2", "2:1: a second document starts; keep one document"),
        ("a: 1\n[b]: 2", "2:1: expected a plain word as key, got a list, a mapping or an alias"),
        (
            "a: b # c\u2028 d: e",
            "1:9: contains U+2028 (line separator), where YAML ends the line; remove it",
        ),
        ("a: *b", '1:4: alias without an anchor; quote a value that starts with "*"'),
        ("a: &b [*b]", '1:8: alias without an anchor; quote a value that starts with "*"'),
        ("\n" + "[" * 100_000, "2:22: nested more than 20 deep; check for unclosed brackets"),
        ("- " * 100_000, "1:43: nested more than 20 deep; check for unclosed brackets"),
    ],
    ids=lambda value: repr(value)[:30],
)
def test_rejected_file(tmp_path: Path, content: str | bytes, problem: str) -> None:
    """The message says where the problem is and what to do."""
    assert _problem(tmp_path, content) == problem


@pytest.mark.parametrize("break_", ["\x85", "\u2028", "\u2029"])
@pytest.mark.parametrize(
    ("content", "place"),
    [
        ("b: !x 1", "3:4"),
        ("b: [", "3:5"),
        ("b: &x\nc: *y", "4:4"),
        ("b: 1\nb: 2", "4:1: b: duplicate key, first set on line 3; keep one"),
        (b"b: \xff", "3:4"),
        ("b: \x0c", "3:4"),
        ("b: c\n\xa0d: [", "4:1"),
    ],
)
def test_lines_as_editors_count_them(tmp_path: Path, break_: str, content: str | bytes, place: str) -> None:
    """Only YAML 1.1 ends a line, and so a comment, at these characters; it rejects a form feed."""
    before = f"a: 1 # {break_}# more\r\n# {break_}#\n".encode()
    path = tmp_path / "file.yaml"
    path.write_bytes(before + (content.encode() if isinstance(content, str) else content))
    with pytest.raises(ConfigurationError) as caught:
        load(path, {})
    assert f"{path}:{place}" in str(caught.value)


@pytest.mark.parametrize(
    ("content", "place"),
    [
        ("a: 5\n b: 3", "2:3: "),
        ("a: 'b", "1:6: "),
        ("a: [1, 2", "1:9: invalid YAML (while parsing a flow sequence, "),
        ('a: "\\q"', "1:5: "),
        ("%YAML 9.9\n---\na: 1", "1:1: "),
    ],
)
def test_syntax_error(tmp_path: Path, content: str, place: str) -> None:
    """The message has line and column, and what to check."""
    problem = _problem(tmp_path, content)
    assert problem.startswith(place)
    assert problem.endswith("; check indentation, quotes, colons and brackets, also in the lines before")


@pytest.mark.parametrize("yaml_loader", LOADERS)
@pytest.mark.parametrize(
    ("content", "place"),
    [
        ("a:\n  - name:b\n    url: c", ":2:10: "),
        ("a:\n  b: 1\n  key:c\n  d: 2", ":3:7: "),
        ("a:\n  b: 1\n  url:http://c", ":3:7: "),
    ],
)
def test_no_space_after_a_colon(tmp_path: Path, yaml_loader: type[Any], content: str, place: str) -> None:
    """YAML reads key and value as one text, so its own error is in the next line."""
    path = tmp_path / "file.yaml"
    path.write_text(content)
    with pytest.raises(ConfigurationError, match=f"{place}no space after the colon; write it as in `key: "):
        read_yaml(path, yaml_loader)


@pytest.mark.parametrize("content", ["a: @b", "a: `b", "a: %b"])
def test_a_value_that_must_be_quoted(tmp_path: Path, content: str) -> None:
    """Passwords often start with such a character."""
    assert _problem(tmp_path, content).endswith("quote a value that starts with %, @ or `")


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
        problems = read_yaml(path, yaml_loader).problems
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
        read_yaml(path, yaml.SafeLoader)


@pytest.mark.parametrize("yaml_loader", LOADERS)
@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("a:\n\tb", ":2:1: contains U+0009 (tab) instead of a space; use spaces"),
        ("a:\n  b: 1\n\u00a0 c: 2\n  d: 3", ":3:1: contains U+00A0 (no-break space) instead of a space"),
        ("a:\n  - b: 1\n    c:\u00a02\n    d: 3", ":3:7: contains U+00A0 (no-break space) instead"),
        ("a:\n  - \u200bb: [1", ":2:5: contains U+200B (zero width space) instead of a space"),
    ],
)
def test_a_character_that_looks_like_a_space_is_named(
    tmp_path: Path, yaml_loader: type[Any], content: str, problem: str
) -> None:
    """The error names the line of the character, not the later line where the parser fails."""
    path = tmp_path / "file.yaml"
    path.write_text(content)
    with pytest.raises(ConfigurationError) as caught:
        read_yaml(path, yaml_loader)
    assert str(caught.value).startswith(f"{path}{problem}")


@pytest.mark.parametrize("yaml_loader", LOADERS)
@pytest.mark.parametrize("line", ["# Attention\u00a0: a key", "# note:\u00a0see below", 'b: "c:\u00a0d"'])
def test_a_no_break_space_in_a_comment_or_text_is_not_the_cause(
    tmp_path: Path, yaml_loader: type[Any], line: str
) -> None:
    """French and Italian texts have them before or after a colon."""
    path = tmp_path / "file.yaml"
    path.write_text(f"{line}\na: 'x\n")
    with pytest.raises(ConfigurationError, match="invalid YAML"):
        read_yaml(path, yaml_loader)


def test_missing_file(tmp_path: Path) -> None:
    """The message has the system's reason."""
    with pytest.raises(ConfigurationError) as caught:
        read_yaml(tmp_path / "none")
    assert caught.value.problems == (
        "cannot be read (No such file or directory); check the path and its permissions",
    )


def test_billion_laughs() -> None:
    """Aliases that stand for billions of values are not expanded."""
    with pytest.raises(ConfigurationError) as caught:
        read_yaml(FIXTURES / "billion-laughs.yaml")
    assert caught.value.problems == ("more than 2,000,000 values, including aliases; use fewer aliases",)


def test_problems_have_path_and_position(tmp_path: Path) -> None:
    """Reading continues after them, with the first of two equal keys."""
    path = tmp_path / "file.yaml"
    path.write_text("a:\n  - b: 1\n    b: 2\n    c:\nd: !t 3\n")
    document = read_yaml(path)
    assert document.tree == {"a": [{"b": "1", "c": None}], "d": "3"}
    assert [f"{problem.mark} {problem}" for problem in document.problems] == [
        "(3, 5) a[0].b: duplicate key, first set on line 2; keep one",
        "(4, 7) a[0].c: no value; add one or delete the key",
        '(5, 4) d: YAML tags are not supported; quote a value that starts with "!"',
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
        tree = read_yaml(path, yaml_loader).tree
        assert tree is None or isinstance(tree, str | list | dict)
