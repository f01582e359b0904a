"""The handlers of the status page, the tenant pages and the status as JSON."""

from collections.abc import Sequence
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from aiohttp import web

from exporter.errors import shown
from exporter.poll import Poller
from exporter.threads import ThreadLimit
from exporter.web.limits import STATUSES, bounded
from exporter.web.notices import is_standby
from exporter.web.pages import missing_page, status_page, tenant_page
from exporter.web.responses import FIRST_TENANTS, HEADERS, send
from exporter.web.status import TENANTS, status, to_json
from exporter.web.tenant_detail import tenant_detail
from exporter.web.tenant_rows import Filter

if TYPE_CHECKING:
    from exporter.web.server import Handler, Sources

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
