"""The template of the status page, and the words in which it writes figures."""

from jinja2 import Environment, PackageLoader, StrictUndefined

_UNKNOWN = "\N{EN DASH}"
_UNITS = ((86_400, 172_800, "d"), (3600, 7200, "h"), (60, 120, "min"), (1, 0, "s"))
"""Seconds of each unit, from how many on it is used, and its sign."""


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


_environment = Environment(
    loader=PackageLoader("exporter.web"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_environment.filters |= {"count": _count, "money": _money, "duration": _duration}
TEMPLATE = _environment.get_template("status.html")
