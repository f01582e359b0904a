"""Finds phrases that read as if translated, and says what to write instead.

    .venv/bin/python -m tests.prose

Checks the documentation, alerts, dashboards, Makefile and other text files, and the comments, docstrings and
string literals of Python modules. `make lint` runs it after codespell.
"""

import io
import re
import sys
import tokenize
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]

FILES = (
    "*.md",
    "docs/**/*.md",
    "alerts/**/*.yaml",
    "alerts/**/*.md",
    "exporter/**/*.py",
    "exporter/**/*.html",
    "exporter/**/*.js",
    "grafana/*.py",
    "grafana/dashboards/*.json",
    "config.example.yaml",
    "deploy/helm/**/*.md",
    "deploy/helm/**/*.tpl",
    "deploy/helm/**/*.txt",
    "deploy/helm/**/*.yaml",
    "deploy/helm/**/values.schema.json",
    "Makefile",
    "Dockerfile",
    ".ci/*",
)

PHRASES = {
    "answered with words of its own": "returned an error message",
    "at one moment": "concurrently, or in one snapshot",
    "begin anew|begins anew": "restart",
    "byte for byte": "identical, exact",
    "by its name": "by name",
    "gone by": "expired",
    "have their turn|has its turn": "yields to the event loop",
    "hold against|holds against": "check against",
    "letter for letter": "exact",
    "made up for": "caught up",
    "mend|mends|mended|mending": "fix",
    "mistakes at once|mistake at once": "all errors together",
    "of one mind": "agree",
    "take up again|takes up again|taken up again": "resume",
    "tell whether|tells whether": "return whether, report whether",
    "anew": "again; restart, reload",
    "in force": "active",
    "in turn": "sequentially",
    "what is wanted|what was wanted": "the thing itself, by name",
    "whoever": "the one who does it, by name",
    "so many": "the number of",
    "speaks of|speak of": "states, mentions",
    "befall|befalls": "affect, apply to",
    "heed|heeds|heeded": "obey, respect",
    "judge|judges|judged": "evaluate",
    "ever more slowly": "with increasing backoff",
    "be had": "is available, cannot be bound",
    "hold up|holds up|held up": "block, delay",
    "told of": "is notified, receives, reports",
    "mistake|mistakes": "error",
    "stand still|stands still|stood still": "block, stop",
    "taken in|takes in|take in": "processed",
    "tell of|tells of|tells each|tells every": "report",
    "what is known|what was told|what came": "the thing itself, by name",
    "in the place of": "instead of",
    "in vain": "without success",
    "for ever": "forever",
    "as ever": "still, unchanged",
    "noted": "recorded, logged",
    "strange|odd": "unexpected, malformed",
    "keep in mind|keeps in mind|kept in mind": "store, track",
    "asked of|asks of": "requested from, polled for",
    "in another way": "differently",
    "is said|are said|was said": "reported",
    "go on to|goes on to": "continue",
    "the very same": "the same",
    "what is due": "the thing itself, by name",
    "of its own accord|by and by|bit by bit": "gradually; in steps",
    "the whole installation": "the installation, installation-wide",
}
"""Phrases, their variants separated by a bar, and what to write instead."""


_GAP = r"[\s#\"']+"
_INSTEAD = {variant: instead for variants, instead in PHRASES.items() for variant in variants.split("|")}
_LONGEST_FIRST = sorted(_INSTEAD, key=len, reverse=True)  # a phrase must not hide a longer one
_ANY = re.compile(rf"\b(?:{'|'.join(variant.replace(' ', _GAP) for variant in _LONGEST_FIRST)})\b")


class Finding(NamedTuple):
    """A phrase at a line of a file."""

    line: int
    phrase: str
    instead: str


def find(text: str) -> Iterator[Finding]:
    """Yield the phrases in a text, also those broken over lines of a comment or fragments of a string."""
    for match in _ANY.finditer(text.lower()):
        phrase = re.sub(_GAP, " ", match[0])
        yield Finding(text.count("\n", 0, match.start()) + 1, phrase, _INSTEAD[phrase])


def python_text(source: str) -> str:
    """Return Python source with everything but comments and strings blanked out, at the same lines."""
    lines = [re.sub(r"\S", "\0", line) for line in source.splitlines(keepends=True)]
    text_tokens = {tokenize.COMMENT, tokenize.STRING, getattr(tokenize, "FSTRING_MIDDLE", tokenize.STRING)}
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type not in text_tokens:
            continue
        (row, start), parts = token.start, token.string.splitlines(keepends=True)
        for number, part in enumerate(parts, row - 1):
            line = lines[number]
            lines[number] = line[:start] + part + line[start + len(part) :]
            start = 0
    return re.sub("\0+", "\0", "".join(lines))


def check(folder: Path) -> list[str]:
    """Return one message for each phrase in the checked files below a folder."""
    messages = []
    for path in sorted(path for pattern in FILES for path in folder.glob(pattern)):
        text = path.read_text(encoding="utf-8")
        found = find(python_text(text) if path.suffix == ".py" else text)
        name = path.relative_to(folder)
        messages += [f"{name}:{line}: {phrase} -> {instead}" for line, phrase, instead in found]
    return messages


if __name__ == "__main__":
    sys.exit("\n".join(check(ROOT)) or None)
