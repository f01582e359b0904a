"""The table of results: each row is the ratio of two figures of the same run."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """One result. ``holds`` is whether ``ratio`` meets the target, None without a target."""

    what: str
    ours: str
    peer: str
    theirs: str
    ratio: float
    target: str = ""
    holds: bool | None = None


def compared(
    what: str, ours: float, peer: str, theirs: float, unit: str, *, at_most: float = 0, at_least: float = 0
) -> Row:
    """Return a row with the ratio of our figure to the peer's, and a bound if there is a target."""
    return _row(what, (_figure(ours, unit), peer, _figure(theirs, unit)), ours / theirs, at_most, at_least)


def faster(what: str, ours: float, peer: str, theirs: float, unit: str, *, at_least: float = 0) -> Row:
    """Return a row with the ratio of the peer's cost to ours: how many times cheaper ours is."""
    return _row(what, (_figure(ours, unit), peer, _figure(theirs, unit)), theirs / ours, 0, at_least)


def _row(what: str, texts: tuple[str, str, str], ratio: float, at_most: float, at_least: float) -> Row:
    if at_most:
        return Row(what, *texts, ratio, f"<= {at_most:g}", ratio <= at_most)
    if at_least:
        return Row(what, *texts, ratio, f">= {at_least:g}", ratio >= at_least)
    return Row(what, *texts, ratio)


_UNITS: dict[str, tuple[float, str]] = {
    "s": (1, "s"),
    "ms": (1e3, "ms"),
    "us": (1e6, "us"),
    "MB": (1e-6, "MB"),
    "%": (100, "%"),
}


def _figure(value: float, unit: str) -> str:
    factor, name = _UNITS.get(unit, (1, unit))
    value *= factor
    return f"{value:,.0f} {name}" if abs(value) >= 100 else f"{value:.3g} {name}"  # noqa: PLR2004 -- three digits


_COLUMNS: tuple[tuple[str, Callable[[Row], str]], ...] = (
    ("measured", lambda row: row.what),
    ("softswitch-exporter", lambda row: row.ours),
    ("peer", lambda row: row.peer),
    ("peer's", lambda row: row.theirs),
    ("ratio", lambda row: f"{row.ratio:.3g}"),
    ("target", lambda row: row.target),
    ("", lambda row: {True: "ok", False: "MISSED", None: ""}[row.holds]),
)


def text(rows: list[Row]) -> str:
    """Return the rows as a Markdown table."""
    cells = [[name for name, _ in _COLUMNS], *([cell(row) for _, cell in _COLUMNS] for row in rows)]
    widths = [max(len(line[column]) for line in cells) for column in range(len(_COLUMNS))]
    cells.insert(1, ["-" * width for width in widths])
    return "\n".join(
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) + " |"
        for line in cells
    )
