"""Renders the shipped runbooks from Markdown to HTML, with links that work under ``/runbooks/``.

The example values in their commands are replaced by those of a problem.
"""

import posixpath
import re
from collections.abc import Collection, Mapping
from functools import cache
from importlib import import_module
from typing import Any
from urllib.parse import urlencode

from exporter.shipped import REPOSITORY

_FOLDER = "docs/runbooks"
_OWN = "http://127.0.0.1:10390/"
"""The address of the exporter in the documentation."""

_EXAMPLES: Mapping[str, str] = {
    "switch": "pbx-eu",
    "tenant": "ACME",
    "node": "pbx1",
    "extension": "100",
}
"""The example value of each label in the runbooks."""

LABELS = frozenset(_EXAMPLES)
"""The labels whose values can be filled in."""

_SAFE = re.compile(r"[A-Za-z0-9_.-]{1,100}", re.ASCII)
"""Values that need no quotes in a shell and no escapes in PromQL. Others come from a switch or a link."""

_EXAMPLE = re.compile(
    "|".join(rf"(?<!\w)(?P<{name}>{name}=\"?){value}(?![\w.-])" for name, value in _EXAMPLES.items())
)


def html(
    text: str,
    runbooks: Collection[str],
    *,
    without_title: bool = False,
    values: Mapping[str, str] | None = None,
) -> str:
    """Return a page of ``docs/runbooks`` as HTML. HTML in the page is escaped.

    ``values`` replace the example values in commands. A note above commands names examples without a value.

    Links to ``runbooks`` and to the exporter become relative links. Links to other files lead to the
    repository. The first call imports the library: run it in a thread.
    """
    parser = _parser()
    tokens = parser.parse(text)
    if without_title and tokens and tokens[0].tag == "h1":
        del tokens[: 1 + next(i for i, token in enumerate(tokens) if token.type == "heading_close")]
    for token, following in zip(tokens, [*tokens[1:], None], strict=True):
        if token.type == "heading_open" and following:
            token.attrs["id"] = _anchor(following.content)
        for child in token.children or ():
            if child.type == "link_open":
                child.attrs["href"] = _target(str(child.attrs["href"]), runbooks)
        if token.type == "fence" and values is not None:
            token.content, left = fill(token.content, values)
            token.meta["examples"] = left
        token.attrs.pop("style", None)  # aligned cells have one, which the Content-Security-Policy forbids
    rendered: str = parser.renderer.render(tokens, parser.options, {})
    return rendered


def _anchor(heading: str) -> str:
    return re.sub(r"[^\w-]", "", heading.lower().replace(" ", "-"))


def _target(href: str, runbooks: Collection[str]) -> str:
    if href.startswith(_OWN):
        return f"../{href.removeprefix(_OWN)}"
    if "://" in href or href.startswith("#"):
        return href
    file, hash_sign, anchor = href.partition("#")
    path = posixpath.normpath(f"{_FOLDER}/{file}")
    folder, _, name = path.rpartition("/")
    if folder == _FOLDER and name.removesuffix(".md") in {*runbooks, "README"}:
        return f"./{name.removesuffix('.md').removeprefix('README')}{hash_sign}{anchor}"
    return f"{REPOSITORY}/{path}{hash_sign}{anchor}"


@cache
def _parser() -> Any:  # noqa: ANN401 -- markdown_it.MarkdownIt, imported when the first page is rendered
    parser = import_module("markdown_it").MarkdownIt("commonmark", {"html": False}).enable("table")
    parser.add_render_rule("table_open", _table_open)
    parser.add_render_rule("table_close", _table_close)
    parser.add_render_rule("fence", _commands)
    return parser


def _table_open(*_: object) -> str:
    # On a phone, the table scrolls sideways. The tabindex lets the keyboard scroll it.
    return '<div class="scroll" role="region" aria-label="Table" tabindex="0">\n<table>\n'


def _table_close(*_: object) -> str:
    return "</table>\n</div>\n"


def _commands(renderer: Any, tokens: Any, index: int, options: Any, env: Any) -> str:  # noqa: ANN401 -- of markdown_it
    """Return the HTML of commands, after a note about the example values in them."""
    fence: str = type(renderer).fence(renderer, tokens, index, options, env)
    examples = tokens[index].meta.get("examples", {})
    if not examples:
        return fence
    listed = ", ".join(f"<code>{value}</code> (the {name})" for name, value in examples.items())
    return f'<p class="legend">First replace the example values: {listed}.</p>\n' + fence


def usable(values: Mapping[str, str]) -> dict[str, str]:
    """Return the values that can replace an example."""
    return {name: values[name] for name in _EXAMPLES if _SAFE.fullmatch(values.get(name, ""))}


def runbook_link(name: str, labels: Mapping[str, str]) -> str:
    """Return the link to a runbook with these values in its commands, relative to the runbooks."""
    found = usable(labels)
    return f"{name}?{urlencode(found)}" if found else name


def fill(commands: str, values: Mapping[str, str]) -> tuple[str, dict[str, str]]:
    """Return commands with these ``usable`` values, and the examples that are still in them, by label."""
    left: dict[str, str] = {}

    def replaced(match: re.Match[str]) -> str:
        name = match.lastgroup or ""
        if name not in values:
            left[name] = _EXAMPLES[name]
            return match[0]
        return f"{match[name]}{values[name]}"

    return _EXAMPLE.sub(replaced, commands), left
