"""Texts that pass for a value and cannot be meant: placeholders, stray quotes, characters that nobody sees.

Each function raises ValueError with the second half of a sentence, which does not repeat the text: it may be
a key.
"""

import re
import unicodedata

_TEMPLATE = re.compile(r"\$\{[^}]*\}|\$\([^)]*\)|\{\{.*?\}\}|\{%.*?%\}|<%.*?%>", re.DOTALL)
"""What shells, compose, Helm, Jinja and ERB replace; the exporter replaces nothing."""

_PLACEHOLDER = re.compile(
    r"""<[^<>]*> | \[[^\[\]]*\] | \$[A-Za-z_]\w* | %[A-Za-z_]\w*% | __\w+__ | @\w+@
    | (change|replace)[-_ ]?(me|this|it)[!.]? | replace[-_ ]with[-_ ].*
    | (your|insert|enter|put|paste)[-_ ]?.*(key|token|password|secret).*
    | to[-_ ]?do | tbd | fixme | place[-_ ]?holder | redacted
    | x{3,} | \*{3,} | \.{3} | … | -{3,} | \?{3,}""",
    re.VERBOSE | re.IGNORECASE,
)
_ASSIGNMENT = re.compile(r"(export\s+)?\w*(key|token|secret)\w*\s*[=:]\s*[^=\s].*", re.IGNORECASE | re.DOTALL)
_QUOTES = "\"'`\u2018\u2019\u201a\u201c\u201d\u201e\u00ab\u00bb"

_INVISIBLE = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0") | {
    chr(number) for number in range(0xFE00, 0xFE10)
}
"""What Unicode counts as printable and shows nothing: fillers, joiners, variation selectors."""


def refuse_invisible(text: str) -> None:
    """Refuse characters that nobody sees in an editor: zero-width and bidirectional ones, NBSP, BOM.

    One of them makes another name of a name: it matches no tenant and no route, and looks right.
    """
    for position, letter in enumerate(text, 1):
        if letter in _INVISIBLE or not letter.isprintable():
            name = unicodedata.name(letter, "control character").lower()
            raise ValueError(
                f"has an invisible character, U+{ord(letter):04X} ({name}), in position {position}; "
                "type the value again instead of pasting it"
            )


def refuse_template(text: str) -> None:
    """Refuse what another program was to replace."""
    if _TEMPLATE.search(text):
        raise ValueError(
            "has a placeholder such as ${NAME} or {{ name }}, which the exporter does not replace; "
            "write the value"
        )


def refuse_placeholder(secret: str) -> None:
    """Refuse what stands for a key, password or token in an example."""
    refuse_template(secret)
    if _PLACEHOLDER.fullmatch(secret):
        raise ValueError("is a placeholder; write the value that it stands for")


def refuse_dress(key: str) -> None:
    """Refuse a key of the API with quotes or spaces, or with the name of a variable in front."""
    if _ASSIGNMENT.fullmatch(key):
        raise ValueError("begins with a name and = or :; write the key alone")
    if any(letter in _QUOTES for letter in (key[0], key[-1])):
        raise ValueError("has quotes around it; write the key without them")
    if any(letter.isspace() for letter in key):
        raise ValueError("has a space in it; write the key alone")
    if "://" in key:
        raise ValueError("is a URL; write the key alone")
