import json
import re
from pathlib import Path
from typing import Any

import pytest

from exporter import __version__
from exporter.alerting.engine import Engine, Now
from exporter.alerting.status import shown
from exporter.config import AlertingConfiguration
from exporter.config.sections import Surroundings
from exporter.metrics import catalogue
from exporter.model import Failure, Query, Reason, Scope, Target
from exporter.poll import Poller
from exporter.web.status import TENANTS, status, to_json
from tests.unit.alerting.conftest import made_of
from tests.unit.web.conftest import CLOCK, NOW, Pollers

_PEERS = Target(Query.PEERS, Scope.SWITCH)
_DOCUMENT = (Path(__file__).parents[3] / "docs/status.md").read_text()


@pytest.fixture
async def poller(pollers: Pollers) -> Poller:
    """Return a poller of a switch with 150 tenants."""
    return pollers(tenants=[{"code": f"T{number:03}"} for number in range(150)])


async def _status(poller: Poller) -> dict[str, Any]:
    whole: dict[str, Any] = json.loads(await to_json(await status([poller], CLOCK)))
    assert (whole["version"], whole["time_seconds"]) == (__version__, 1_700_000_000.0)
    (switch,) = whole["switches"]
    assert isinstance(switch, dict)
    return switch


async def test_before_anything_was_asked(poller: Poller) -> None:
    """Nothing is known, and nothing is claimed."""
    switch = await _status(poller)

    assert (switch["name"], switch["url"], switch["up"]) == ("pbx", "http://127.0.0.1:9/api", None)
    assert (switch["tenants"], switch["requests_in_flight"]) == (150, 0)
    assert len(switch["queries"]) == len(poller.jobs)
    assert switch["nodes"] == []
    for name in ("valid_answer_age_seconds", "peers", "channels", "calls", "license_remaining_seconds"):
        assert switch[name] is None


async def test_without_switches() -> None:
    """A configuration without switches has a status."""
    whole = json.loads(await to_json(await status([], CLOCK)))

    assert (whole["switches"], whole["alerting"], whole["alerts"]) == ([], None, [])


async def test_the_whole_installation(pollers: Pollers) -> None:
    """Its figures, and how long the license lasts with the severity that is due."""
    poller = pollers(thresholds={"license": {"warning": "30d", "critical": "7d"}})
    poller.store.note_attempt(valid=True, now=NOW - 5)
    for metric, value in ((catalogue.PEERS, 40), (catalogue.CHANNELS, 14), (catalogue.CALLS, 7)):
        poller.store.set(metric, "", value)
    poller.store.set(catalogue.LICENSE_REMAINING, "", 7 * 86_400)

    switch = await _status(poller)

    assert (switch["up"], switch["valid_answer_age_seconds"]) == (True, 5)
    assert (switch["peers"], switch["channels"], switch["calls"]) == (40, 14, 7)
    assert (switch["license_remaining_seconds"], switch["license_verdict"]) == (604_800, "critical")


async def test_nodes(pollers: Pollers) -> None:
    """Each node that is configured or was counted: whether it is there, its figures and its limit."""
    poller = pollers(nodes=["n9", {"name": "n1", "channels_limit": 500}])
    poller.store.set(catalogue.NODE_PRESENT, "", {"n9": 0.0, "n1": 1.0, "n2": 1.0})
    poller.store.set(catalogue.NODE_PEERS, "", {"n1": 3, "n2": 4})
    poller.store.set(catalogue.NODE_CHANNELS, "", {"n1": 1})
    poller.store.set(catalogue.NODE_CHANNELS, "", {"n2": 2}, part="n2")

    nodes = (await _status(poller))["nodes"]

    assert [tuple(node.values()) for node in nodes] == [
        ("n9", False, None, None, None),
        ("n1", True, 3, 1, 500),
        ("n2", True, 4, 2, None),
    ]


async def test_its_size_is_bounded(pollers: Pollers) -> None:
    """With as many tenants as are told of, all failing with long answers, it would be below 5 MB."""
    tenants = 300
    poller = pollers(tenants=[{"code": f"T{number:05}"} for number in range(tenants)])
    poller.store.set(catalogue.NODE_PRESENT, "", {f"n{number}": 1.0 for number in range(1000)})
    for number in range(tenants):
        for query in (Query.CALLS, Query.BALANCE):
            target = Target(query, Scope.TENANT, f"T{number:05}")
            poller.store.record(target, Failure(Reason.DECODE, "x" * 200), now=number, wall=0)
            poller.answers.keep(target, Reason.DECODE, "y" * 2048)

    text = await to_json(await status([poller], CLOCK))

    (switch,) = json.loads(text)["switches"]
    rows = len(json.dumps(switch.pop("tenant_list")))
    assert TENANTS * rows / tenants + len(json.dumps(switch)) < 5_000_000
    assert (switch["tenants"], len(switch["nodes"])) == (tenants, 500)
    assert text.count("y" * 2048) == 50


async def test_no_key(poller: Poller) -> None:
    """The key of the configuration is nowhere in it."""
    poller.store.record(_PEERS, Failure(Reason.AUTH, "refused"), now=NOW, wall=0)

    assert "admin-key" not in json.dumps(await _status(poller))


async def test_every_name_is_documented(pollers: Pollers) -> None:
    """docs/status.md tells each name of the JSON, in its order, and no other."""
    poller = pollers(tenants=[{"code": "ACME"}], nodes=["n1"])
    poller.store.record(_PEERS, Failure(Reason.AUTH, "refused"), now=NOW, wall=0)

    engine = Engine()
    list(engine.evaluate({}, 0.0))
    made = made_of(*engine.alerts.by_identity.values())
    section = AlertingConfiguration.model_validate(
        {"alertmanagers": [{"url": "http://127.0.0.1:9093"}]}, context=Surroundings(Path("/"), {})
    )

    whole = await status([poller], CLOCK, alerting=shown(section, made, Now(0.0, 0.0)))

    (switch,), (watchdog,) = whole["switches"], whole["alerts"]
    (query, *_), (node,), (tenant,) = switch["queries"], switch["nodes"], switch["tenant_list"]
    (failure,) = query["failures"]
    objects = (whole, whole["alerting"], watchdog, switch, query, failure, node, tenant)
    sections = _DOCUMENT.split("\n## ")[1:]
    assert [re.findall(r"^\| `(\w+)`", section, re.MULTILINE) for section in sections] == [
        list(names) for names in objects
    ]
