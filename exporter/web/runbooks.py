"""The pages under ``/runbooks/``: each runbook, with the firing and pending alerts of its name."""

import re
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from http import HTTPStatus
from typing import Any, NamedTuple
from urllib.parse import quote, urlencode

from aiohttp import web

from exporter import shipped
from exporter.errors import shown
from exporter.threads import ThreadLimit
from exporter.web.markdown import LABELS, html, runbook_link, usable
from exporter.web.pages import anchor, template
from exporter.web.responses import HEADERS, send

_LISTED = 50
"""How many problems a page shows at most.

The status, too, lists at most 50 alerts of one name, severity and state.
"""

_LONGEST = 300
"""Maximum length, in characters, of a label or a description: names from a switch can be of any length."""

_WATCHDOG = "SoftswitchWatchdog"
_API_DOWN = "SoftswitchApiDown"
_KNOWN_IN_SILENCE = frozenset({_WATCHDOG, "SoftswitchConfigurationInvalid", "SoftswitchDetailDropped"})
"""The alerts that do not depend on the responses of a switch."""

_KNOWN_BY_NAME = frozenset({"alertname", "severity", "scope"})
"""Labels left out of the list.

The page shows them elsewhere, or they have the same value in all alerts of one name.
"""

_ROW = re.compile(r"^\| \[(\w+)\]\(\w+\.md\) \| ([^|]+) \| (.+) \|$", re.MULTILINE)

Json = dict[str, Any]
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Entry(NamedTuple):
    """A row of the index: the name of an alert, its severity and its meaning."""

    name: str
    severity: str
    meaning: str


class Runbooks:
    """The pages. ``alerting`` returns the parts ``alerting`` and ``alerts`` of the status.

    ``evaluated``: the names of the alerts that the exporter evaluates itself. ``wall``: the wall clock.
    ``silent`` returns a text about the switches that do not respond, "" if all do.
    """

    def __init__(
        self,
        alerting: Callable[[], Json],
        evaluated: Collection[str],
        wall: Callable[[], float],
        silent: Callable[[], str] = str,
    ) -> None:
        self._alerting = alerting
        self._evaluated = evaluated
        self._wall = wall
        self._silent = silent
        self._threads = ThreadLimit("runbook", 1)

    def routes(self) -> dict[str, Handler]:
        """Return the handlers by path."""
        return {"/runbooks": _to_index, "/runbooks/": self._index, "/runbooks/{name}": self._page}

    async def _index(self, request: web.Request) -> web.StreamResponse:
        state = self._alerting()
        before, after = await self._threads.run(_around_the_table)
        rows = [(entry, self._summary(entry.name, state)) for entry in entries()]
        rows.sort(key=lambda row: (not row[1].startswith("firing: "), not row[1].startswith("pending: ")))
        return await self._respond(request, "runbooks.html", {"rows": rows, "before": before, "after": after})

    async def _page(self, request: web.Request) -> web.StreamResponse:
        name = request.match_info["name"]
        if name.removesuffix(".md") not in shipped.runbooks():
            unknown = {"name": shown(name)}
            return await self._respond(request, "no_runbook.html", unknown, HTTPStatus.NOT_FOUND)
        if name.endswith(".md"):  # file names, and the links between the files, end in .md
            raise web.HTTPFound(name.removesuffix(".md"))
        state = self._alerting()
        active = _of(state, name)
        values = _values(request.query, active)
        variables: Json = {
            "name": name,
            "entry": next(entry for entry in entries() if entry.name == name),
            "text": await self._threads.run(lambda: _text(name, values)),
            "values": values,
            "problems": [_problem(alert, self._wall()) for alert in active[:_LISTED]],
            "is_cut": len(active) >= _LISTED,
            "summary": self._summary(name, state),
            "not_known": "" if name == _API_DOWN and active else self._not_known(name),
        }
        return await self._respond(request, "runbook.html", variables)

    async def _respond(
        self, request: web.Request, page: str, variables: Json, status: HTTPStatus = HTTPStatus.OK
    ) -> web.StreamResponse:
        loaded = await self._threads.run(lambda: template(page))
        time = datetime.fromtimestamp(self._wall(), UTC)
        text = loaded.render({**variables, "time": f"{time:%Y-%m-%d %H:%M:%S} UTC"})
        return await send(request, text, {**HEADERS, "Content-Type": "text/html; charset=utf-8"}, status)

    def _summary(self, name: str, state: Json) -> str:
        """Return the state of an alert in a few words."""
        if name not in self._evaluated:
            return "evaluated by Prometheus only"
        if state.get("alerting", {}).get("firing") is None:
            return "not evaluated yet"
        if name == _WATCHDOG and any(alert["labels"]["alertname"] == name for alert in state["alerts"]):
            return "firing, as it should"
        counts = Counter(alert["state"] for alert in _of(state, name))
        found = [f"{kind}: {counts[kind]}" for kind in ("firing", "pending") if counts[kind]]
        if not found and (silent := self._not_known(name)):
            return f"{'not firing yet' if name == _API_DOWN else 'unknown'}: {silent}"
        return ", ".join(found) or "not firing"

    def _not_known(self, name: str) -> str:
        """Return why it is not known whether an alert should fire, or "" if it is known."""
        is_affected = name in self._evaluated and name not in _KNOWN_IN_SILENCE
        return self._silent() if is_affected else ""


async def _to_index(_: web.Request) -> web.StreamResponse:
    raise web.HTTPFound("runbooks/")  # relative: a proxy may add a prefix


def entries() -> Sequence[Entry]:
    """Return the rows of the index, in its order."""
    return [Entry(*row) for row in _ROW.findall(shipped.index_of_runbooks().replace("`", ""))]


@cache
def _around_the_table() -> tuple[str, str]:
    """Return the text before and after the table of the index, as HTML."""
    before, _, rest = shipped.index_of_runbooks().partition("\n| ")
    after = rest[rest.index("\n\n") :]
    names = shipped.runbooks()
    return html(before, names, without_title=True), html(after, names)


def _text(name: str, values: Mapping[str, str]) -> str:
    return html(shipped.runbooks()[name], shipped.runbooks(), without_title=True, values=values)


def _values(query: Mapping[str, str], active: Sequence[Json]) -> dict[str, str]:
    """Return the values for the commands: those in the URL, and those of the first alert that has them."""
    given = {name: text for name, text in query.items() if name in LABELS}
    for alert in active:
        if all(alert["labels"].get(name) == text for name, text in given.items()):
            return usable({**alert["labels"], **given})
    return usable(given)


def _of(state: Json, name: str) -> list[Json]:
    """Return the alerts of one name. For the watchdog, return none: it fires, but is no problem."""
    listed = () if name == _WATCHDOG else state.get("alerts", ())
    return [alert for alert in listed if alert["labels"]["alertname"] == name]


def _problem(alert: Json, now: float) -> Json:
    labels: Mapping[str, str] = alert["labels"]
    since = datetime.fromtimestamp(now - alert["age_seconds"], UTC)
    found = {name: labels[name] for name in ("switch", "tenant") if labels.get(name)}
    about = [f"{name} {_cut(text)}" for name, text in labels.items() if name not in _KNOWN_BY_NAME]
    return {
        "state": alert["state"],
        "severity": labels.get("severity", ""),
        "about": ", ".join(about),
        "age_seconds": alert["age_seconds"],
        "since": f"{since:%Y-%m-%d %H:%M} UTC",
        "description": _cut(alert["annotations"].get("description", "")),
        "row": f"../#{anchor(labels['alertname'], labels.get('switch', ''))}",
        "tenant": f"../tenant?{urlencode(found, quote_via=quote)}" if "tenant" in found else "",
        "commands": f"./{runbook_link(labels['alertname'], labels)}#diagnosis",
    }


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
