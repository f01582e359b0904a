"""How values are written down: JSON, and the tables and lines with bars of the plain answers."""

import json
from collections.abc import Iterable, Mapping, Sequence

EMPTY_LIST = "]"
"""What an empty JSON list arrives as (seen, wire notes 2026-10)."""


def as_json(value: object) -> str:
    """Return JSON without spaces, letters beyond ASCII as escapes: PHP's way."""
    return json.dumps(value, separators=(",", ":"))


def as_list(records: Iterable[str]) -> str:
    """Return a JSON list of records that are JSON already; an empty one loses its first bracket."""
    body = ",".join(records)
    return f"[{body}]" if body else EMPTY_LIST


def as_pairs(counts: Mapping[str, int]) -> str:
    """Return ``name:count`` pairs, each followed by a bar, the last one too."""
    return "".join(f"{name}:{count}|" for name, count in counts.items())


def as_table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return a header and rows, their cells parted by bars, each line ended by a newline."""
    return "".join("|".join(map(str, line)) + "\n" for line in (header, *rows))


def with_positions(record: Mapping[str, object]) -> dict[str, object]:
    """Return a record that has every value twice, under its position and under its name (seen, 2026-10)."""
    doubled: dict[str, object] = {}
    for position, (name, value) in enumerate(record.items()):
        doubled[str(position)] = value
        doubled[name] = value
    return doubled
