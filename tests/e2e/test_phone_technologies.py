"""A site with SIP, PJSIP, custom and virtual extensions: no false alarm from any source of registrations."""

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from exporter.alerting.engine import INTERVAL, Alert, Engine
from exporter.alerting.inputs import SwitchSnapshot
from exporter.config import SwitchConfiguration
from exporter.simulator.options import Options
from exporter.simulator.tenants import Technologies, Technology
from exporter.simulator.truth import truth
from tests.e2e.fast_clock import run
from tests.e2e.fast_fleet import FastExporter, fast_exporter

Configured = Callable[..., SwitchConfiguration]
Phones = dict[tuple[str, str], float]

MIX = Technologies(pjsip=0.4, custom=0.05, virtual=0.05)
_POLLED_EVERY = 300.0
_OFF = {"interval": "off", "tenant_interval": "off"}
_NEVER_REGISTER = {"CUSTOM", "VIRTUAL"}
_LOST = "SoftswitchTenantRegistrationsLost"
_ALERTS = {_LOST, "SoftswitchTenantRegistrationsLow", "SoftswitchWatchedExtensionDown"}


def _switch(url: str, source: str) -> dict[str, Any]:
    return {
        "name": "pbx",
        "url": url,
        "key": "demo-admin",
        "max_requests_per_second": 1000,
        "discover_tenants": {"enabled": True},
        "tenant_defaults": {"extensions": "all"},
        # The phones' usual outages leave more than this; PJSIP phones counted as lost would not.
        "thresholds": {"registered_ratio": {"warning": 0.7, "critical": 0.6}},
        "queries": {
            "peers": _OFF,
            "channels": _OFF,
            "calls": _OFF,
            "license": {"interval": "off"},
            "balance": {"tenant_interval": "off"},
            "registrations": {"tenant_interval": "5m", "source": source},
        },
    }


class _Alerting:
    """Evaluates the daemon's rules once a minute. ``seen``: every registration alert so far, by tenant."""

    def __init__(self, exporter: FastExporter) -> None:
        self._exporter = exporter
        self._engine = Engine()
        self.seen: set[tuple[str, str]] = set()

    async def evaluate(self) -> None:
        store = self._exporter.poller.store
        snapshot = SwitchSnapshot(store, up=True, breaker_open=False, offset=0.0)
        for _ in self._engine.evaluate({"pbx": snapshot}, round(self._exporter.now / INTERVAL) * INTERVAL):
            pass
        alerts: list[Alert] = list(self._engine.alerts.by_identity.values())
        self.seen |= {
            (alert.labels["alertname"], alert.labels["tenant"])
            for alert in alerts
            if alert.labels["alertname"] in _ALERTS
        }


def _served(exporter: FastExporter) -> Phones:
    return {
        (dict(labels)["tenant"], dict(labels)["extension"]): value
        for (name, labels), value in exporter.scrape().series.items()
        if name == "softswitch_extension_registered"
    }


def _counted(exporter: FastExporter, state: str) -> dict[str, float]:
    return {
        dict(labels)["tenant"]: value
        for (name, labels), value in exporter.scrape().series.items()
        if name == "softswitch_tenant_extensions" and dict(labels)["state"] == state
    }


def _true(exporter: FastExporter) -> tuple[Phones, dict[tuple[str, str], str]]:
    """Return the state of each phone that can register, and the technology of every extension."""
    tenants: Mapping[str, Any] = truth(exporter.switch.parts.world)["tenants"]  # type: ignore[assignment]  # JSON
    enabled = {code: tenant for code, tenant in tenants.items() if not tenant["disabled"]}
    states = {
        (code, number): float(registered)
        for code, tenant in enabled.items()
        for number, registered in tenant["extensions"].items()
        if registered is not None
    }
    kinds = {
        (code, number): kind
        for code, tenant in enabled.items()
        for number, kind in tenant["technologies"].items()
    }
    return states, kinds


@pytest.mark.parametrize(
    ("source", "options"),
    [
        ("peers", Options(chansippeers="registered")),
        ("peers", Options(chansippeers="all", user_separator="_")),
        ("peers", Options(chansippeers="registered", user_ending="name")),
        ("tenant_peers", Options()),
        ("tenant_peers", Options(pjsip_in_peers=True, pjsip_words=True)),
        ("blf", Options()),
        ("extensions", Options()),
        ("regstate", Options()),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_no_false_alarm_with_40_percent_pjsip_phones(
    configured: Configured, source: str, options: Options
) -> None:
    """In an hour, every served state is true, and only the tenant whose phones drop raises an alert."""

    async def scenario() -> None:
        async with fast_exporter(
            lambda url: configured(**_switch(url, source)),
            tenants=4,
            extensions=40,
            options=options,
            technologies=MIX,
        ) as exporter:
            alerting = _Alerting(exporter)
            exporter.fast.schedule.ensure("alerting", alerting.evaluate, lambda: INTERVAL)
            world = exporter.switch.parts.world
            await exporter.advance(3600)
            world.time.freeze()
            await exporter.advance(2 * _POLLED_EVERY + 60)
            states, kinds = _true(exporter)
            served = _served(exporter)
            assert {place: states.get(place) for place in served} == served
            expected = {place for place in states if _is_visible(source, options, kinds[place])}
            assert served.keys() >= expected
            assert not alerting.seen
            assert set(kinds.values()) == set(Technology)
            not_applicable = _counted(exporter, "not_applicable")
            assert not_applicable == {
                code: sum(tenant == code and kind in _NEVER_REGISTER for (tenant, _), kind in kinds.items())
                for code in not_applicable
            }

            world.time.freeze(frozen=False)
            world.overrides.drop_registrations(1, "ACME")
            await exporter.advance(1200)
            assert (_LOST, "ACME") in alerting.seen
            assert {tenant for _, tenant in alerting.seen} == {"ACME"}

    run(scenario())


def _is_visible(source: str, options: Options, technology: str) -> bool:
    """Return whether the source shows the state of a phone of this technology."""
    if source == "peers" or (source == "tenant_peers" and not options.pjsip_in_peers):
        return technology == "SIP"
    return True
