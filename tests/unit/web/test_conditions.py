"""The page and the daemon agree on which conditions of alerts the values of a tenant meet."""

from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from exporter.alerting.engine import Engine
from exporter.alerting.inputs import SwitchSnapshot
from exporter.metrics import catalogue
from exporter.metrics.metric import Metric
from exporter.poll.config_metrics import set_tenant_metrics
from exporter.web.conditions import of_tenant
from tests.unit.web.conftest import NOW, Pollers

_CODE = "ACME"
_COMPARED = {
    "SoftswitchBalanceLow",
    "SoftswitchTenantRegistrationsLow",
    "SoftswitchTrunkDown",
    "SoftswitchQueueUnattended",
    "SoftswitchQueueWaitingLong",
    "SoftswitchWatchedExtensionDown",
}
"""The alerts on a tenant whose conditions read only current values."""

_SETTINGS = {
    "tenants": [{"code": _CODE, "watch": ["100", "101"], "queues": "all"}],
    "thresholds": {
        "balance": {"warning": 50, "critical": 10},
        "registered_ratio": {"warning": 0.8, "critical": 0.5},
        "queue_wait": {"warning": "1m", "critical": "2m"},
    },
    "queries": {"queue": {"tenant_interval": "1m"}, "queues": {"tenant_interval": "5m"}},
}


def _values(names: tuple[str, ...], *values: float) -> st.SearchStrategy[dict[str, float]]:
    return st.dictionaries(st.sampled_from(names), st.sampled_from(values), max_size=len(names))


def _states(most: int) -> st.SearchStrategy[dict[str, float]]:
    count = st.integers(0, most).map(float)
    return st.fixed_dictionaries(dict.fromkeys(("registered", "unregistered", "unknown"), count))


_QUEUES, _TRUNKS, _PHONES = ("q1", "q2"), ("t1", "t2"), ("100", "101", "102")
_METRICS: dict[tuple[Metric, str], st.SearchStrategy[Any]] = {
    (catalogue.TENANT_BALANCE, ""): st.sampled_from([-1.0, 9.99, 10.0, 49.99, 50.0, 51.0]),
    (catalogue.TENANT_EXTENSIONS, ""): _states(5),
    (catalogue.TRUNK_REGISTERED, ""): _values(_TRUNKS, 0.0, 1.0),
    (catalogue.PEER_REACHABLE, ""): _values(_TRUNKS, 0.0, 1.0),
    (catalogue.EXTENSION_REGISTERED, ""): _values(_PHONES, 0.0, 1.0),
    (catalogue.QUEUE_CALLS_WAITING, ""): _values(_QUEUES, 0.0, 1.0, 7.0),
    (catalogue.QUEUE_LONGEST_WAIT, ""): _values(_QUEUES, 0.0, 60.0, 61.0, 120.0, 121.0),
    (catalogue.QUEUE_AGENTS, "online"): _values(_QUEUES, 0.0, 1.0),
    (catalogue.TENANT_OPEN, ""): st.sampled_from([0.0, 1.0]),
}


@given(known=st.fixed_dictionaries({}, optional=_METRICS))
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_the_daemon_finds_the_same(known: dict[tuple[Metric, str], Any], pollers: Pollers) -> None:
    """Every condition that is met is due in the daemon, with its severity, and no other is."""
    poller = pollers(**_SETTINGS)
    (tenant,) = poller.targets.tenants.values()
    set_tenant_metrics(poller.store, tenant, name="", label_names=())
    for (metric, part), values in known.items():
        poller.store.set(metric, _CODE, values, part=part)

    engine = Engine()
    for _ in engine.evaluate(
        {"pbx": SwitchSnapshot(poller.store, up=True, breaker_open=False, offset=0.0)}, NOW
    ):
        pass

    due = {
        (alert.identity[0].name, alert.severity, *sorted({**dict(alert.identity[1]), "severity": ""}.items()))
        for alert in engine.alerts.by_identity.values()
        if alert.identity[0].name in _COMPARED
    }
    met = {
        (
            condition.alertname,
            condition.severity,
            *sorted({"switch": "pbx", **dict(condition.subject), "severity": ""}.items()),
        )
        for condition in of_tenant(poller, _CODE, {})
        if condition.is_met
    }
    assert met == due
