"""Rows of a table panel: what ``merge``, ``organize`` and the order make of its queries."""

from typing import Any

from grafana.preview.asking import Series, Source
from grafana.preview.wording import Panel

Row = dict[str, float | str]


class UnknownTransformationError(Exception):
    """A transformation that is not known here."""


def rows(panel: Panel, source: Source) -> list[Row]:
    """Return the rows as they are shown, in order: title of the column to what is in it."""
    frames = [_frame(source.now(target["expr"]), _value(panel, target)) for target in panel["targets"]]
    found = [row for frame in frames for row in frame]
    for transformation in panel["transformations"]:
        match transformation["id"]:
            case "merge":
                found = _merged(frames)
            case "organize":
                found = [_organized(row, transformation["options"]) for row in found]
            case other:
                raise UnknownTransformationError(other)
    for key in reversed(panel["options"].get("sortBy") or []):
        found = _sorted(found, key["displayName"], down=bool(key.get("desc")))
    return found


def titles_of(panel: Panel, found: list[Row]) -> list[str]:
    """Return the titles of the columns in the order of the panel; a row need not have them all."""
    (options,) = (one["options"] for one in panel["transformations"] if one["id"] == "organize")
    names, places = options["renameByName"], options["indexByName"]
    ordered = [names.get(name, name) for name in sorted(places, key=places.__getitem__)]
    titles = {title for row in found for title in row}
    return [*(title for title in ordered if title in titles), *sorted(titles - {*ordered})]


def _value(panel: Panel, target: dict[str, Any]) -> str:
    """Return what Grafana calls the values of a query."""
    return f"Value #{target['refId']}" if len(panel["targets"]) > 1 else "Value"


def _frame(series: list[Series], value: str) -> list[Row]:
    return [{"Time": 0.0, **one.labels, value: one.newest} for one in series]


def _merged(frames: list[list[Row]]) -> list[Row]:
    """Join rows that agree in the fields which all queries have, where they contradict in no other."""
    filled = [set[str]().union(*frame) for frame in frames if frame]
    shared = sorted(set.intersection(*filled)) if filled else []
    merged: dict[tuple[float | str, ...], list[Row]] = {}
    for row in (row for frame in frames for row in frame):
        alike = merged.setdefault(tuple(row.get(name, "") for name in shared), [])
        for other in alike:
            if all(other.get(name, value) == value for name, value in row.items()):
                other.update(row)
                break
        else:
            alike.append(dict(row))
    return [row for alike in merged.values() for row in alike]


def _organized(row: Row, options: dict[str, Any]) -> Row:
    hidden, names = options["excludeByName"], options["renameByName"]
    return {names.get(name, name): value for name, value in row.items() if not hidden.get(name)}


def _sorted(found: list[Row], title: str, *, down: bool) -> list[Row]:
    """Return rows by a column; those without it come last."""
    having = [row for row in found if title in row]
    return sorted(having, key=lambda row: row[title], reverse=down) + [
        row for row in found if title not in row
    ]
