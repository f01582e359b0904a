"""The status page, the pages of tenants, and the status as JSON: their handlers, and how they are rendered.

The pages work without JavaScript. Rendering yields to the event loop. Templates are loaded in a thread.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from http import HTTPStatus
from importlib import import_module
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from aiohttp import web

from exporter.errors import shown
from exporter.poll import Poller
from exporter.slices import slices
from exporter.threads import ThreadLimit
from exporter.web import formatting
from exporter.web.headline import is_standby
from exporter.web.limits import STATUSES, bounded
from exporter.web.responses import FIRST_TENANTS, HEADERS, send
from exporter.web.status import TENANTS, status, to_json
from exporter.web.tenant_detail import tenant_detail
from exporter.web.tenant_rows import Filter, merged
from exporter.web.unknown_values import silence

if TYPE_CHECKING:
    from exporter.web.server import Handler, Sources

_PIECES = 500
"""Pieces of HTML to render before yielding to the event loop."""

_RECENT = 3600.0
"""Seconds for which a change is recent."""

_MOST_RECENT = 15
"""How many recent changes the page shows at most. The others are among the earlier ones."""

_MOST_EARLIER = 200
"""How many earlier changes the page shows at most."""

_MOST_PROBLEMS = 200
"""How many problems the page shows at most."""

_MOST_SILENT = 5
"""How many switches that do not respond the page names at most above the nodes or the trunks."""

_QUERIES = {"nodes": ("peers", "channels"), "trunks": ("trunks", "watched_peers")}
"""The queries that return the nodes and the trunks of a switch."""

_UNRESERVED = "!*'()"
"""Characters that ``encodeURIComponent`` does not encode, either."""

Json = dict[str, Any]

_HTML = {**HEADERS, "Content-Type": "text/html; charset=utf-8"}
_JSON = {**HEADERS, "Content-Type": "application/json; charset=utf-8"}


def page_routes(sources: "Sources", telemetry_path: str, threads: ThreadLimit) -> dict[str, "Handler"]:
    """Return the handlers by path. ``threads`` loads the templates."""

    async def state_of(pollers: Sequence[Poller], tenants: int) -> dict[str, Any]:
        return await status(
            pollers,
            sources.clock,
            alerting=sources.alerting(),
            configuration=sources.configuration(),
            activity=sources.activity(),
            tenants=tenants,
        )

    async def page(request: web.Request) -> web.StreamResponse:
        shown_tenants = TENANTS if request.query.get("tenants") == "all" else FIRST_TENANTS
        wanted = Filter.of(request.query)
        state = await state_of(sources.pollers(), shown_tenants if wanted == Filter() else TENANTS)
        text = await status_page(state, telemetry_path, tenants=shown_tenants, threads=threads, wanted=wanted)
        return await send(request, text, _HTML)

    async def tenant(request: web.Request) -> web.StreamResponse:
        name, code = request.query.get("switch", ""), request.query.get("tenant", "")
        found = [poller for poller in sources.pollers() if poller.configuration.name == name]
        if is_standby(sources.activity()):
            text = await missing_page("This exporter stands by and polls no switch.", threads)
            return await send(request, text, _HTML, status=HTTPStatus.NOT_FOUND)
        if not found or code not in found[0].targets.tenants:
            what = f"tenant {shown(code)} on the switch {shown(name)}" if found else f"switch {shown(name)}"
            text = await missing_page(f"There is no {what}.", threads)
            return await send(request, text, _HTML, status=HTTPStatus.NOT_FOUND)
        state = await state_of(found, 0)
        alerts = sources.alerts_of(name, code)
        detail = tenant_detail(found[0], code, alerts, state["switches"][0], sources.clock.elapsed())
        return await send(request, await tenant_page(state, detail, threads), _HTML)

    async def api_status(request: web.Request) -> web.StreamResponse:
        return await send(request, await to_json(await state_of(sources.pollers(), TENANTS)), _JSON)

    return {
        "/": bounded(page, STATUSES),
        "/tenant": bounded(tenant, STATUSES),
        "/api/v1/status": bounded(api_status, STATUSES),
    }


async def status_page(
    state: Json, telemetry_path: str, *, tenants: int, threads: ThreadLimit, wanted: Filter | None = None
) -> str:
    """Return the page for a ``status``, with at most ``tenants`` tenants that match ``wanted``.

    ``static/status.js`` refreshes the page from ``/api/v1/status`` and uses the same words.
    """
    recent, earlier, folded = _changes(state)
    variables = {
        **state,
        "problems": _anchored(state["problems"][:_MOST_PROBLEMS]),
        "metrics": f".{telemetry_path}",  # relative: a proxy may add a prefix
        "time": _time(state),
        "limit": tenants,
        "total": sum(switch["tenants"] for switch in state["switches"]),
        "tenants": merged(state["switches"], wanted or Filter(), tenants),
        "nodes": _worst_first(state, "nodes"),
        "trunks": _worst_first(state, "trunks"),
        "gaps": {kind: _gaps(state, kind) for kind in _QUERIES},
        "recent": recent,
        "earlier": earlier,
        "folded": folded,
    }
    return await _rendered("status.html", variables, threads)


async def tenant_page(state: Json, detail: Json, threads: ThreadLimit) -> str:
    """Return the page of one tenant."""
    is_evaluated = (state["alerting"] or {}).get("firing") is not None
    variables = {**detail, "time": _time(state), "is_evaluated": is_evaluated}
    return await _rendered("tenant.html", variables, threads)


def anchor(alertname: str, switch: str) -> str:
    """Return the id of the first problem of this alert and switch on the status page."""
    return f"{alertname}:{quote(switch, safe=_UNRESERVED)}"


async def missing_page(text: str, threads: ThreadLimit) -> str:
    """Return the page that says which switch or tenant does not exist."""
    return await _rendered("missing.html", {"text": text}, threads)


def _time(state: Json) -> str:
    return f"{datetime.fromtimestamp(state['time_seconds'], UTC):%Y-%m-%d %H:%M:%S} UTC"


def _worst_first(state: Json, kind: str) -> list[tuple[str, Json]]:
    """Return the nodes or trunks of all switches, each with its switch. Missing or down ones come first."""
    rows = [(switch["name"], row) for switch in state["switches"] for row in switch[kind]]
    rows.sort(key=lambda row: not any(value is False for value in row[1].values()))
    return rows


def _anchored(problems: Sequence[Json]) -> list[Json]:
    """Return the problems, each with ``anchor``: "" unless it is the first of its alert and switch."""
    seen: set[str] = set()
    rows = []
    for problem in problems:
        name = anchor(problem["alertname"], problem["switch"] or "")
        rows.append({**problem, "anchor": "" if name in seen else name})
        seen.add(name)
    return rows


def _gaps(state: Json, kind: str) -> str:
    """Return which switches do not respond, so that their nodes or trunks are not known."""
    silent = [
        switch
        for switch in state["switches"]
        if switch["up"] is not True
        and any(
            query["scope"] == "switch" and query["query"] in _QUERIES[kind] for query in switch["queries"]
        )
    ]
    return " ".join(f"Unknown: {silence(switch)}." for switch in silent[:_MOST_SILENT])


def _changes(state: Json) -> tuple[list[Json], list[Json], str]:
    """Return the changes of the last hour, the other changes, and a text about the others.

    If there are too many in the last hour, changes of alerts are left out first.
    """
    changes = state.get("timeline") or []
    since = state["time_seconds"] - _RECENT
    places = [place for place, change in enumerate(changes) if change["time_seconds"] >= since]
    places.sort(key=lambda place: changes[place]["kind"].startswith("alert_"))
    chosen = {*places[:_MOST_RECENT]}
    others = [change for place, change in enumerate(changes) if place not in chosen][:_MOST_EARLIER]
    late = sum(change["time_seconds"] >= since for change in others)
    more = f"Others in the last hour: {late}. " if late else ""
    return (
        [changes[place] for place in sorted(chosen)],
        others,
        f"{more}Earlier, in the last 24 hours: {len(others) - late}",
    )


async def _rendered(name: str, variables: Mapping[str, Any], threads: ThreadLimit) -> str:
    page = await threads.run(lambda: template(name))
    parts = [
        # Join each slice at once: the garbage collector tracks escaped pieces, but not plain strings.
        "".join(pieces)
        async for pieces in slices(page.generate(variables), _PIECES)
    ]
    return "".join(parts).lstrip()


@cache
def template(name: str) -> Any:  # noqa: ANN401 -- jinja2.Template
    """Return a template. The first call imports jinja2: run it in a thread."""
    return _environment().get_template(name)


@cache
def _environment() -> Any:  # noqa: ANN401 -- jinja2.Environment
    # Importing jinja2 would take a fifth of the startup time, so the first page imports it.
    jinja2 = import_module("jinja2")
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("exporter.web"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=formatting.finalized,
    )
    environment.filters |= {
        "count": formatting.count,
        "money": formatting.money,
        "duration": formatting.duration,
        "license_left": formatting.license_left,
        "sentence": _sentence,
    }
    return environment


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]
