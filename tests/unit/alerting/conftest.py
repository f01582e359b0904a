"""Alerts, and an Alertmanager on the loopback that a test controls."""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from exporter.alerting import monitoring_rules
from exporter.alerting.engine import Alert, State
from exporter.alerting.rule import Rule


def alert(rule: Rule, state: State, tenant: str = "ACME", severity: str = "") -> Alert:
    """Return an alert on a tenant, its trunk "1" or its queue "1", or the watchdog."""
    found = () if rule is monitoring_rules.WATCHDOG else (("switch", "pbx"), ("tenant", tenant))
    part = tuple((name, "1") for name in ("trunk", "queue") if name in rule.label_names)
    more = (("severity", severity),) if severity else ()
    return Alert((rule, found + part + more), state, 480.0, 0.0, 20.0)


Refuses = Callable[[dict[str, Any]], bool]


@dataclass
class FakeAlertmanager:
    """Stores accepted alerts. ``status`` is that of all responses; ``refuses`` picks invalid alerts."""

    url: str = ""
    status: int = 200
    refuses: Refuses = lambda _: False
    date: str = ""
    messages: list[list[dict[str, Any]]] = field(default_factory=list)
    taken: list[dict[str, Any]] = field(default_factory=list)
    authorizations: list[str] = field(default_factory=list)

    async def handle(self, request: web.Request) -> web.Response:
        """Respond as Alertmanager 0.25 does: an invalid alert is a 400, and the others are stored."""
        self.authorizations.append(request.headers.get("Authorization", ""))
        alerts = await request.json()
        if alerts:  # an empty message is a request for the time
            self.messages.append(alerts)
        headers = {"Date": self.date} if self.date else {}
        if self.status != 200:
            return web.Response(status=self.status, text="an error", headers=headers)
        good = [alert for alert in alerts if not self.refuses(alert)]
        self.taken += good
        if len(good) < len(alerts):
            return web.Response(status=400, text='"invalid label set"', headers=headers)
        return web.Response(headers=headers)

    def names(self) -> list[str]:
        """Return the node of each accepted alert."""
        return [alert["labels"]["node"] for alert in self.taken]


@pytest.fixture
async def fake() -> AsyncIterator[FakeAlertmanager]:
    """Serve an Alertmanager that accepts everything."""
    alertmanager = FakeAlertmanager()
    application = web.Application()
    application.router.add_post("/api/v2/alerts", alertmanager.handle)
    async with TestServer(application) as server:
        alertmanager.url = str(server.make_url("/")).rstrip("/")
        yield alertmanager
