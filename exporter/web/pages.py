"""The status page. Complete without JavaScript, but for most of many tenants; ``static/status.js`` renews it.

What the script shows it reads from ``/api/v1/status``; it says the same in the same words as the template.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from importlib import import_module, resources
from typing import Any

from exporter.threads import ThreadLimit
from exporter.web.streaming import slices

FIRST_TENANTS = 100
"""Rows that the page comes with; the script fetches the others, and a link leads to them without it."""

HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
"""Of the page and of all that belongs to it. What a switch says is data: nothing in it can be run."""

_TYPES = {
    "status.js": "text/javascript",
    "words.js": "text/javascript",
    "status.css": "text/css",
    "icon.svg": "image/svg+xml",
}
_PIECES_AT_A_TIME = 500
_UNKNOWN = "\N{EN DASH}"
_UNITS = ((86_400, 172_800, "d"), (3600, 7200, "h"), (60, 120, "min"), (1, 0, "s"))
"""Seconds of each unit, from how many on it is used, and its sign."""


def static_files() -> dict[str, tuple[bytes, str]]:
    """Return each file that the page loads, with its content type, by its path."""
    folder = resources.files("exporter.web").joinpath("static")
    return {f"/-/static/{name}": (folder.joinpath(name).read_bytes(), kind) for name, kind in _TYPES.items()}


async def status_page(
    state: dict[str, Any], telemetry_path: str, *, tenants: int, threads: ThreadLimit
) -> str:
    """Return the page for a ``status`` that has so many rows of tenants at most.

    It yields to the event loop between pieces. The template is loaded in ``threads``.
    """
    template = await threads.run(_template)
    time = datetime.fromtimestamp(state["time_seconds"], UTC)
    # The path is relative, so that the page works behind a proxy that adds a prefix.
    shown = {
        **state,
        "metrics": f".{telemetry_path}",
        "time": f"{time:%Y-%m-%d %H:%M:%S} UTC",
        "limit": tenants,
    }
    parts = [
        # Escaped pieces are objects to the garbage collector, and plain text is not.
        "".join(pieces)
        async for pieces in slices(template.generate(shown), _PIECES_AT_A_TIME)
    ]
    return "".join(parts)


@cache
def _template() -> Any:  # noqa: ANN401 -- jinja2.Template
    # Jinja takes a fifth of the time that starting the program does, so it is loaded with the first page.
    jinja2 = import_module("jinja2")
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("exporter.web"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"count": _count, "money": _money, "duration": _duration}
    return environment.get_template("status.html")


def _count(value: float | None) -> str:
    return _UNKNOWN if value is None else f"{value:,.0f}"


def _money(value: float | None) -> str:
    return _UNKNOWN if value is None else f"{value:,.2f}"


def _duration(seconds: float | None) -> str:
    """Return a span of time in its largest unit that is there at least twice."""
    if seconds is None:
        return _UNKNOWN
    size, sign = next((size, sign) for size, least, sign in _UNITS if abs(seconds) >= least)
    return f"{int(abs(seconds) / size + 0.5) * (-1 if seconds < 0 else 1)} {sign}"
