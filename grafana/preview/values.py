"""Formats values like Grafana: overrides, mappings, units, colors and table rows."""

from datetime import UTC, datetime
from math import isnan
from typing import Any, NamedTuple

from grafana.preview.prometheus import Series, Source

Panel = dict[str, Any]
Config = dict[str, Any]

_TIMES = ((1, "s"), (60, "min"), (3600, "h"), (86_400, "days"), (604_800, "weeks"))


class Said(NamedTuple):
    """A formatted value and its color, as it is named in the dashboard."""

    text: str
    colour: str


def config_of(panel: Panel, *, query: str = "", name: str = "") -> Config:
    """Return the field configuration of a query (by letter) or a column (by title)."""
    field = panel["fieldConfig"]
    config: Config = {**field["defaults"], "custom": field["defaults"].get("custom") or {}}
    for override in field.get("overrides") or []:
        kind, wanted = override["matcher"]["id"], override["matcher"].get("options")
        if (kind, wanted) in {("byFrameRefID", query), ("byName", name)}:
            for change in override["properties"]:
                place, _, key = change["id"].rpartition(".")
                target = config["custom"] = dict(config["custom"]) if place else config["custom"]
                (target if place else config)[key] = change["value"]
    return config


def said(value: float | str, config: Config, now: float) -> Said:
    """Return a value as displayed. Raises LookupError for an unknown unit."""
    for mapping in config.get("mappings") or []:
        found = mapping["options"].get(value if isinstance(value, str) else f"{value:.15g}")
        if found is not None:
            return Said(found["text"], found["color"])
    if isinstance(value, str):
        return Said(value, "text")
    text = worded(value, config.get("unit", "none"), config.get("decimals"), now)
    return Said(text, _step(value, config))


def _step(value: float, config: Config) -> str:
    steps = (config.get("thresholds") or {}).get("steps") or []
    reached = [step["color"] for step in steps if step["value"] is None or value >= step["value"]]
    return reached[-1] if reached else "text"


def worded(value: float, unit: str, decimals: int | None, now: float) -> str:
    """Return a value with its unit. Raises LookupError for an unknown unit."""
    if isnan(value):
        return "NaN"
    name, _, suffix = unit.partition(":")
    match name:
        case "none":
            return _number(value, decimals)
        case "suffix":
            return f"{_number(value, decimals)} {suffix}"
        case "percentunit":
            return f"{_number(value * 100, 1 if decimals is None else decimals)} %"
        case "s":
            return _duration(value, decimals)
        case "reqps" | "cps":
            return f"{_number(value, decimals)}/s"
        case "dateTimeFromNow":
            since = f"{datetime.fromtimestamp(value / 1000, UTC):%H:%M:%S}"
            return f"{_duration(now - value / 1000, 0)} ago ({since})"
    raise LookupError(f"add the unit {unit}")


def _number(value: float, decimals: int | None) -> str:
    if decimals is not None:
        return f"{value:.{decimals}f}"
    return f"{value:.0f}" if value == round(value) or abs(value) >= 1000 else f"{value:.3g}"  # noqa: PLR2004 (no digits after it)


def _duration(value: float, decimals: int | None) -> str:
    if abs(value) < 1 and value:
        return f"{value * 1000:.0f} ms"
    size, unit = max((size, unit) for size, unit in _TIMES if abs(value) >= size or size == 1)
    return f"{_number(value / size, decimals if size == 1 else decimals or 1)} {unit}"


Row = dict[str, float | str]


def rows(panel: Panel, source: Source) -> list[Row]:
    """Return the rows in display order: values by column title."""
    frames = [_frame(source.now(target["expr"]), _value(panel, target)) for target in panel["targets"]]
    found = [row for frame in frames for row in frame]
    for transformation in panel["transformations"]:
        match transformation["id"]:
            case "merge":
                found = _merged(frames)
            case "organize":
                found = [_organized(row, transformation["options"]) for row in found]
            case other:
                raise LookupError(f"add the transformation {other}")
    for key in reversed(panel["options"].get("sortBy") or []):
        found = _sorted(found, key["displayName"], down=bool(key.get("desc")))
    return found


def titles_of(panel: Panel, found: list[Row]) -> list[str]:
    """Return the column titles in display order; a row need not have all of them."""
    (options,) = (one["options"] for one in panel["transformations"] if one["id"] == "organize")
    names, places = options["renameByName"], options["indexByName"]
    ordered = [names.get(name, name) for name in sorted(places, key=places.__getitem__)]
    titles = {title for row in found for title in row}
    return [*(title for title in ordered if title in titles), *sorted(titles - {*ordered})]


def _value(panel: Panel, target: dict[str, Any]) -> str:
    """Return Grafana's field name for the values of a query."""
    return f"Value #{target['refId']}" if len(panel["targets"]) > 1 else "Value"


def _frame(series: list[Series], value: str) -> list[Row]:
    return [{"Time": 0.0, **one.labels, value: one.newest} for one in series]


def _merged(frames: list[list[Row]]) -> list[Row]:
    """Merge rows with equal values in the fields of all queries and no conflicting values in others."""
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
    """Return the rows sorted by a column; those without it come last."""
    having = [row for row in found if title in row]
    return sorted(having, key=lambda row: row[title], reverse=down) + [
        row for row in found if title not in row
    ]
