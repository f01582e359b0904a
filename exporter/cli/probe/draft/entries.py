r"""A configuration as entries with comments, and its text. Pure.

Values and comments may contain text from a switch. A value is written by PyYAML, so quotes, colons and `*` in
it are quoted. In a comment, line breaks and invisible characters are written as ``\u202e`` and the like.
"""

import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import yaml

from exporter.cli.probe.render import Dumper, yaml_text
from exporter.config.fields import invisible_problem

_WIDTH = 118
_STEP = "  "
_LOADER = getattr(yaml, "CBaseLoader", yaml.BaseLoader)


@dataclass(frozen=True, slots=True)
class Word:
    """A value that is written plain. PyYAML quotes the text ``off``, which is a boolean in YAML 1.1."""

    text: str


OFF, ON = Word("off"), Word("true")

Inline = object
"""A text, a number, a ``Word``, or a list or mapping of them."""


@dataclass(frozen=True, slots=True)
class Items:
    """A list with one item per line."""

    items: Sequence[Inline]


@dataclass(frozen=True, slots=True)
class Comment:
    """A comment on a line of its own."""

    text: str


@dataclass(frozen=True, slots=True)
class Entry:
    """A key and its value: one line, ``Items``, or a ``Section``.

    ``why``: a comment above it. ``is_proposed``: it is commented out, because the operator has to decide.
    """

    key: str
    value: Inline
    why: str = ""
    is_proposed: bool = False


@dataclass(frozen=True, slots=True)
class Section:
    """The entries of a mapping. Without any that is not proposed, the whole mapping is commented out."""

    entries: tuple[Entry | Comment, ...]

    @property
    def is_live(self) -> bool:
        """Whether it has an entry that is not commented out."""
        return any(isinstance(entry, Entry) and is_live(entry) for entry in self.entries)


def is_live(entry: Entry) -> bool:
    """Return whether an entry is not commented out."""
    inner = not isinstance(entry.value, Section) or entry.value.is_live
    return inner and not entry.is_proposed


def tree(section: Section) -> dict[str, object]:
    """Return what the text of a section means, with all values as text as the loader reads them."""
    read: dict[str, object] = yaml.load("\n".join(lines(section)), _LOADER)  # noqa: S506 -- reads only texts
    return read


def lines(section: Section) -> Iterator[str]:
    """Yield the lines of a section, not indented."""
    for entry in section.entries:
        if isinstance(entry, Comment):
            yield from comment(entry.text)
            continue
        yield from comment(entry.why)
        is_out = not is_live(entry)
        for line in _lines_of(entry, is_out=is_out):
            yield f"# {line}" if is_out else line


def _lines_of(entry: Entry, *, is_out: bool) -> Iterator[str]:
    """Yield the lines of an entry. In a section that is commented out as a whole, nothing else is."""
    key = inline(entry.key)
    match entry.value:
        case Section() as section:
            yield f"{key}:"
            inner = _proposals_only(section) if is_out else section
            yield from (_STEP + line for line in lines(inner))
        case Items(items=items):
            yield f"{key}:"
            yield from (f"{_STEP}- {inline(item)}" for item in items)
        case value:
            yield f"{key}: {inline(value)}"


def _proposals_only(section: Section) -> Section:
    return Section(
        tuple(
            Entry(entry.key, entry.value, entry.why) if isinstance(entry, Entry) else entry
            for entry in section.entries
        )
    )


def comment(text: str) -> list[str]:
    """Return a text as comment lines, wrapped; none for an empty text."""
    wrapped = textwrap.wrap(visible(text), _WIDTH - 12, break_long_words=False, break_on_hyphens=False)
    return [f"# {line}" for line in wrapped]


def visible(text: str) -> str:
    r"""Return a text with ``\u202e`` and the like instead of line breaks and invisible characters."""
    return "".join(
        f"\\u{ord(letter):04x}" if letter != " " and invisible_problem(letter) else letter for letter in text
    )


Dumper.add_representer(
    Word, lambda dumper, word: dumper.represent_scalar("tag:yaml.org,2002:bool", word.text)
)


def inline(value: Inline) -> str:
    """Return a value as one line of YAML, in flow style."""
    return yaml_text(value, in_one_line=True).removesuffix("...\n").rstrip("\n")
