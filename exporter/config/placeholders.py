"""Placeholders: what another program should have expanded, or a person should have replaced.

They are errors in names, URLs, paths and keys. A key file is used as it is, with a warning, so it can contain
a key that looks like a placeholder.
"""

import re

from exporter.errors import is_variable_name

_VARIABLE = re.compile(r"\$\{[^}]*\}|\$\([^)]*\)")
"""Of shells, compose and systemd."""
_TEMPLATE = re.compile(r"\{\{.*?\}\}|\{%.*?%\}|<%.*?%>", re.DOTALL)
"""Of Helm, Ansible, Jinja and ERB."""
_NAMED = re.compile(r"\$\{?([A-Za-z_]\w*)\}?")
_BRACKETED = re.compile(
    r"<[^<>]*>|\[[^\[\]]*\]|\$([A-Z][A-Z0-9_]*|[a-z]+(_[a-z0-9]+)+)|%[A-Za-z_]\w*%|__\w+__|@\w+@"
)
"""A variable is in capitals or has several words: a password may begin with ``$``."""
_WORDS = re.compile(
    r"""(change|replace)[-_ ]?(me|this|it)[!.]? | replace[-_ ]with[-_ ].*
    | (your|insert|enter|put|paste)[-_ ]?.*(key|token|password|secret).*
    | to[-_ ]?do | tbd | fixme | place[-_ ]?holder | redacted
    | x{3,} | \*{3,} | \.{3} | … | -{3,} | \?{3,}""",
    re.VERBOSE | re.IGNORECASE,
)
_HOST = re.compile(
    r"(change|replace)[-_]?me|(your|my)[-_]?(host|hostname|server|switch|pbx|domain)|to[-_]?do|place[-_]?holder|x{3,}",
    re.IGNORECASE,
)
_IN_URL = re.compile(r"<[^<>]*>|\$[A-Z_]+(?![A-Za-z])|%[A-Z_]{3,}%")


def template_problem(text: str, fix: str = "write the value itself") -> str:
    """Return an error message about a placeholder anywhere in a text, or "".

    ``fix``: what to do about a variable.
    """
    if _VARIABLE.search(text):
        return f"contains a placeholder such as ${{NAME}}, which the exporter does not expand; {fix}"
    if _TEMPLATE.search(text):
        return (
            "contains a placeholder such as {{ name }}, which was not filled in; render the template first, "
            "or write the value itself"
        )
    return ""


def reject_template(text: str) -> None:
    """Raise ValueError for a placeholder that another program should have replaced."""
    if problem := template_problem(text):
        raise ValueError(problem)


def reject_in_url(url: str) -> None:
    """Raise ValueError for a placeholder in a URL."""
    reject_template(url)
    if _IN_URL.search(url):
        raise ValueError(
            "contains a placeholder such as <host> or $HOST, which the exporter does not expand; write the "
            "value itself, with < > $ of the URL as %3C %3E %24"
        )
    host = re.split(r"[./:?#]", url.partition("://")[2].rpartition("@")[2], maxsplit=1)[0]
    if _HOST.fullmatch(host):
        raise ValueError("contains only a placeholder as host; replace it with the actual name")


def reject_unreplaced(text: str) -> None:
    """Raise ValueError for a text that consists of a word such as ``CHANGEME``."""
    if _WORDS.fullmatch(text):
        raise ValueError("contains only a placeholder; replace it with the actual value")


def only_bracketed(text: str) -> bool:
    """Return whether a whole text is a word in brackets or signs, such as ``<key>`` or ``@KEY@``."""
    return bool(_BRACKETED.fullmatch(text))


def variable_of(text: str) -> str:
    """Return the name if a text is ``$NAME`` or ``${NAME}`` and the name may be shown, else "".

    A single word may be a password that begins with ``$``.
    """
    match = _NAMED.fullmatch(text)
    return match[1] if match and "_" in match[1] and is_variable_name(match[1]) else ""
