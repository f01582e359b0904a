"""What a panel claims: the words, numbers and colors that it shows."""

from collections.abc import Iterator

from grafana.preview.prometheus import Source
from grafana.preview.values import Said, config_of, rows, said
from tests.dashboard_files import Panel

_ENDED = 1.5
"""Steps without a value after which a state has ended."""


def shown(panel: Panel, source: Source) -> list[Said]:
    """Return what a panel shows now. A graph shows numbers without a verdict: nothing."""
    match panel["type"]:
        case "timeseries":
            found: Iterator[Said] = iter(())
        case "table":
            found = _cells(panel, source)
        case "state-timeline":
            found = _states(panel, source)
        case _:
            found = _values(panel, source)
    return list(found) or [Said(panel["fieldConfig"]["defaults"]["noValue"], "text")]


def reassures(panel: Panel, source: Source) -> bool:
    """Return whether a panel says that all is well: something is green, and nothing is orange or red."""
    colours = {one.colour for one in shown(panel, source)}
    return "green" in colours and not colours & {"orange", "red"}


def _values(panel: Panel, source: Source) -> Iterator[Said]:
    for target in panel["targets"]:
        config = config_of(panel, query=target["refId"])
        yield from (said(one.newest, config, source.end) for one in source.now(target["expr"]))


def _cells(panel: Panel, source: Source) -> Iterator[Said]:
    for row in rows(panel, source):
        yield from (said(value, config_of(panel, name=title), source.end) for title, value in row.items())


def _states(panel: Panel, source: Source) -> Iterator[Said]:
    config = panel["fieldConfig"]["defaults"]
    for target in panel["targets"]:
        for one in source.over_time(target["expr"]):
            if source.end - one.points[-1][0] <= _ENDED * source.step:
                yield said(one.newest, config, source.end)
