import asyncio
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest
from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

from exporter.alerting.rule import Links
from exporter.alerting.service import AlertingOptions, AlertingService
from exporter.clock import Clock
from exporter.config import AlertingConfiguration
from exporter.config.fields import ValidationContext
from exporter.errors import StartError
from exporter.masking import Mask
from exporter.poll import Poller
from exporter.storage.service import Storage
from exporter.store import Store
from tests.certificates import Authority
from tests.unit.alerting.conftest import FakeAlertmanager

_DAY = 86_400.0
_ALERTS = "softswitch_alerting_alerts"
_WATCHDOG = {"alertname": "SoftswitchWatchdog", "state": "firing"}
_ERRORS = "softswitch_alerting_state_file_errors_total"


class _Watch:
    """Both clocks, which the test sets."""

    def __init__(self) -> None:
        self.monotonic, self.wall = 1000.0, 1_700_000_000.0

    def passes(self, seconds: float, *, step: float = 0.0) -> None:
        """Let time pass, and step the wall clock."""
        self.monotonic += seconds
        self.wall += seconds + step


def _alerting(
    watch: _Watch, registry: CollectorRegistry | None = None, storage: Storage | None = None
) -> AlertingService:
    clock = Clock(lambda: watch.monotonic, lambda: watch.wall)
    return AlertingService(list, registry or CollectorRegistry(), Mask(), clock, storage=storage)


def _configuration(url: str, folder: Path = Path("/"), **more: object) -> AlertingConfiguration:
    return AlertingConfiguration.model_validate(
        {"alertmanagers": [{"url": url}], **more}, context=ValidationContext(folder, {})
    )


async def _start(alerting: AlertingService, configuration: AlertingConfiguration) -> None:
    await alerting.adopt(configuration, await alerting.open(configuration))
    await alerting.evaluate()


def _age(alerting: AlertingService) -> float:
    """Return for how long the watchdog has been firing."""
    (watchdog,) = alerting.status()["alerts"]
    assert (watchdog["state"], watchdog["labels"]["alertname"]) == ("firing", "SoftswitchWatchdog")
    age: float = watchdog["age_seconds"]
    return age


async def _until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 -- a file has no event
            await asyncio.sleep(0.001)


async def test_without_a_configuration_alerts_are_shown_and_not_sent() -> None:
    """They are evaluated and counted, and no series of an Alertmanager exists."""
    registry = CollectorRegistry()
    alerting = _alerting(_Watch(), registry)
    await alerting.adopt(None)
    await alerting.evaluate()
    await alerting.stop()

    usual = {"delivery": "off", "dry_run": False, "failing_alertmanagers": {}}
    assert alerting.status()["alerting"] == {**usual, "firing": 0, "pending": 0}
    assert [alert["labels"] for alert in alerting.status()["alerts"]] == [
        {"alertname": "SoftswitchWatchdog", "severity": "none", "scope": "monitoring"}
    ]
    assert registry.get_sample_value(_ALERTS, _WATCHDOG) == 1
    assert not [
        each for metric in registry.collect() for each in metric.samples if "alertmanager" in each.labels
    ]


async def test_a_dry_run_sends_nothing(fake: FakeAlertmanager) -> None:
    """Firing alerts are shown, with the configured labels."""
    alerting = _alerting(_Watch())
    await _start(alerting, _configuration(fake.url, dry_run=True, labels={"site": "eu"}))
    await alerting.stop()

    (watchdog,) = alerting.status()["alerts"]
    assert watchdog["labels"]["site"] == "eu"
    assert fake.authorizations == []


async def test_an_alertmanager_that_does_not_accept_alerts(fake: FakeAlertmanager) -> None:
    """The status names it with the reason until it accepts them again."""
    fake.status = 500
    alerting = _alerting(_Watch())
    await _start(alerting, _configuration(fake.url))

    def failing() -> dict[str, str]:
        found: dict[str, str] = alerting.status()["alerting"]["failing_alertmanagers"]
        return found

    await _until(failing)
    assert failing().keys() == {fake.url}
    assert "500" in failing()[fake.url]
    fake.status = 200
    await _until(lambda: not failing())
    await alerting.stop()


async def test_alerts_link_to_the_external_url(fake: FakeAlertmanager) -> None:
    """Those that are sent, and those in the status."""
    links = Links("https://exporter.example.com")
    alerting = AlertingService(list, CollectorRegistry(), Mask(), Clock(), AlertingOptions(links=links))
    await _start(alerting, _configuration(fake.url))
    await _until(lambda: fake.taken)
    await alerting.stop()

    runbook = "https://exporter.example.com/runbooks/SoftswitchWatchdog"
    assert fake.taken[0]["annotations"]["runbook_url"] == runbook
    assert fake.taken[0]["generatorURL"] == "https://exporter.example.com/"
    assert alerting.status()["alerts"][0]["annotations"]["runbook_url"] == runbook


@pytest.mark.parametrize("step", [0.0, _DAY, -_DAY])
async def test_alerts_continue_after_a_restart(step: float, tmp_path: Path, fake: FakeAlertmanager) -> None:
    """An alert ages meanwhile, whatever happens to the wall clock."""
    watch = _Watch()
    configuration = _configuration(fake.url, tmp_path, state_file="state.json")
    first = _alerting(watch)
    await _start(first, configuration)
    watch.passes(60)
    await first.evaluate()
    watch.passes(30)
    await first.stop()

    watch.passes(90, step=step)
    second = _alerting(watch)
    await _start(second, configuration)
    await second.stop()
    assert _age(second) == 180


@pytest.mark.parametrize("seconds", [20, 2])
async def test_time_passes_in_a_crash_loop(seconds: float, tmp_path: Path, fake: FakeAlertmanager) -> None:
    """Restarts after less than half an interval: their time still counts, and only once."""
    watch = _Watch()
    configuration = _configuration(fake.url, tmp_path, state_file="state.json")
    ages = []
    for _ in range(31):
        alerting = _alerting(watch)
        await _start(alerting, configuration)
        ages.append(_age(alerting))
        await alerting.stop()
        watch.passes(seconds)
    assert ages == [seconds * restarts for restarts in range(31)]


async def test_alerts_are_kept_in_the_storage(tmp_path: Path, fake: FakeAlertmanager) -> None:
    """With or without a section `alerting`; a configured state file is used instead."""
    watch = _Watch()
    storage = Storage(tmp_path, Clock())
    ages = []
    for configuration in (None, _configuration(fake.url), None):
        alerting = _alerting(watch, storage=storage)
        await alerting.adopt(configuration, await alerting.open(configuration))
        await alerting.evaluate()
        await alerting.stop()
        ages.append(_age(alerting))
        watch.passes(60)
    assert ages == [0, 60, 120]

    kept = (tmp_path / "alerts.json").read_bytes()
    alerting = _alerting(watch, storage=storage)
    await _start(alerting, _configuration(fake.url, tmp_path, state_file="other.json"))
    await alerting.stop()
    assert (tmp_path / "other.json").exists()
    assert (tmp_path / "alerts.json").read_bytes() == kept


async def test_after_a_boot_the_wall_clock_is_used(tmp_path: Path, fake: FakeAlertmanager) -> None:
    """The monotonic clock restarts with a boot. If the wall clock was set back, no time has passed."""
    watch = _Watch()
    configuration = _configuration(fake.url, tmp_path, state_file="state.json")
    first = _alerting(watch)
    await _start(first, configuration)
    await first.stop()

    for monotonic, step in ((500, 120), (1, -10 * _DAY)):
        watch.monotonic = monotonic
        watch.wall += step
        alerting = _alerting(watch)
        await _start(alerting, configuration)
        await alerting.stop()
        assert _age(alerting) == 120


@pytest.mark.parametrize("content", [b"", b"{", b"\xff", b'{"version":2}\n{"parts":0}\n', b"[" * 100_000])
async def test_a_broken_file_is_a_fresh_start(content: bytes, tmp_path: Path, fake: FakeAlertmanager) -> None:
    """It is logged and counted, and the next evaluation replaces it."""
    file = tmp_path / "state.json"
    file.write_bytes(content)
    registry = CollectorRegistry()
    alerting = _alerting(_Watch(), registry)
    with capture_logs() as logs:
        await _start(alerting, _configuration(fake.url, tmp_path, state_file="state.json"))
    await alerting.stop()

    assert registry.get_sample_value(_ERRORS) == 1
    assert [log["event"] for log in logs].count("the state file cannot be used: starting without it") == 1
    assert file.read_text().startswith('{"version":2,"moment":0.0,')
    assert file.stat().st_mode & 0o777 == 0o600
    assert not file.with_name("state.json.new").exists()


async def test_a_state_file_that_cannot_be_written(tmp_path: Path, fake: FakeAlertmanager) -> None:
    """The error is logged once and counted each time; alerts are sent; the end of the error is logged."""
    watch, registry = _Watch(), CollectorRegistry()
    alerting = _alerting(watch, registry)
    with capture_logs() as logs:
        await _start(alerting, _configuration(fake.url, tmp_path, state_file="later/state.json"))
        await _until(lambda: registry.get_sample_value(_ERRORS) == 1)
        watch.passes(60)
        await alerting.evaluate()
        await _until(lambda: registry.get_sample_value(_ERRORS) == 2)
        await _until(lambda: fake.taken)
        (tmp_path / "later").mkdir()
        watch.passes(60)
        await alerting.evaluate()
        await _until((tmp_path / "later/state.json").exists)
        await alerting.stop()

    told = [log["event"] for log in logs if "the state file" in log["event"]]
    assert told == [
        "the state file cannot be written: a restart would forget alerts",
        "the state file can be written again",
    ]


async def test_delivery_is_turned_off_during_an_evaluation(fake: FakeAlertmanager) -> None:
    """The evaluation ends first. Alerts are still shown and counted afterwards, and nothing is sent."""
    registry = CollectorRegistry()
    breaker = SimpleNamespace(breaker=SimpleNamespace(is_open=False))
    store = Store("pbx", stale_after=3, max_series=1000)
    poller = SimpleNamespace(store=store, policy=breaker, drop_stale=lambda: None, is_up=lambda: True)
    alerting = AlertingService(lambda: [cast("Poller", poller)], registry, Mask(), Clock())
    await _start(alerting, _configuration(fake.url))
    assert registry.get_sample_value(_ALERTS, _WATCHDOG) == 1

    evaluation = asyncio.create_task(alerting.evaluate())
    await asyncio.sleep(0)
    assert not evaluation.done()
    await alerting.adopt(None)
    await evaluation

    sent = len(fake.taken)
    await alerting.evaluate()
    await alerting.stop()
    assert registry.get_sample_value(_ALERTS, _WATCHDOG) == 1
    assert alerting.status()["alerting"]["delivery"] == "off"
    assert len(fake.taken) == sent


async def test_delivery_is_turned_on(fake: FakeAlertmanager) -> None:
    """An alert that fires already is sent at once, and keeps its age."""
    watch = _Watch()
    alerting = _alerting(watch)
    await alerting.adopt(None)
    await alerting.evaluate()
    watch.passes(60)
    configuration = _configuration(fake.url)
    await alerting.adopt(configuration, await alerting.open(configuration))
    await _until(lambda: fake.taken)
    await alerting.stop()

    assert _age(alerting) == 60


@pytest.mark.parametrize(
    ("seconds", "step"), [((60, 60), _DAY), ((60, 60), -_DAY), ((60, 60), 365 * _DAY), ((65, 55, 70, 50), 0)]
)
async def test_no_gap(seconds: Sequence[float], step: float, fake: FakeAlertmanager) -> None:
    """Late evaluations and steps of the wall clock are none: alerts would end and start again."""
    watch = _Watch()
    alerting = _alerting(watch)
    await _start(alerting, _configuration(fake.url, dry_run=True))
    for passed in seconds:
        watch.passes(passed, step=step)
        await alerting.evaluate()
    await alerting.stop()

    assert _age(alerting) == sum(seconds)


async def test_alertmanagers_come_and_go(fake: FakeAlertmanager) -> None:
    """A reload sends firing alerts to a new one at once, and drops the series of a removed one."""
    registry = CollectorRegistry()
    alerting = _alerting(_Watch(), registry)
    gone = "http://127.0.0.1:9"
    await _start(alerting, _configuration(gone))
    configuration = _configuration(fake.url)
    await alerting.adopt(configuration, await alerting.open(configuration))
    await _until(lambda: fake.taken)
    await alerting.adopt(None)

    sent = "softswitch_alerting_notifications_total"
    assert registry.get_sample_value(sent, {"alertmanager": gone}) is None
    assert registry.get_sample_value(sent, {"alertmanager": fake.url}) is None
    await alerting.stop()


async def test_an_invalid_certificate(tmp_path: Path, authority: Authority) -> None:
    """It changed after validation: the error names the Alertmanager, and no session stays open."""
    certificate = tmp_path / "ca.pem"
    certificate.write_bytes(authority.certificate.read_bytes())
    alertmanagers = [{"url": "http://a"}, {"url": "https://b", "tls": {"ca_file": "ca.pem"}}]
    configuration = AlertingConfiguration.model_validate(
        {"alertmanagers": alertmanagers}, context=ValidationContext(tmp_path, {})
    )
    certificate.write_text("not a certificate")

    with pytest.raises(StartError, match=r"Alertmanager https://b: tls: .*ca\.pem"):
        await _alerting(_Watch()).open(configuration)


@pytest.mark.parametrize("dry_run", [True, False])
async def test_a_state_file_that_the_storage_uses(
    tmp_path: Path, fake: FakeAlertmanager, *, dry_run: bool
) -> None:
    """It is an error that says what to do: alerts would be kept nowhere. The file ``alerts.json`` is none."""
    alerting = _alerting(_Watch(), storage=Storage(tmp_path, Clock()))
    with pytest.raises(StartError, match=r"state_file: .* is used by --storage.path; choose .*alerts\.json"):
        await alerting.open(_configuration(fake.url, tmp_path, state_file="timeline.json", dry_run=dry_run))
    for opened in await alerting.open(_configuration(fake.url, tmp_path, state_file="alerts.json")):
        await opened.close()


async def test_standing_by(tmp_path: Path, fake: FakeAlertmanager) -> None:
    """Alerts go over to the exporter that polls: nothing is resolved, sent or counted here any more."""
    watch, registry = _Watch(), CollectorRegistry()
    configuration = _configuration(fake.url, tmp_path, state_file="alerts.json")
    first = _alerting(watch, registry)
    await _start(first, configuration)
    await _until(lambda: fake.taken)
    watch.passes(300)
    await first.evaluate()
    await first.stand_by()

    sent = len(fake.taken)
    assert "endsAt" in fake.taken[-1]
    await first.evaluate()  # one that had begun to wait before
    assert (first.status()["alerts"], first.status()["alerting"]["firing"]) == ([], None)
    assert [each for metric in registry.collect() for each in metric.samples if each.labels] == []
    assert len(fake.taken) == sent

    second = _alerting(watch)
    watch.passes(60)
    await _start(second, configuration)
    assert _age(second) == 360
    await second.stand_by()

    watch.passes(60)
    await _start(first, configuration)
    assert _age(first) == 420
    assert registry.get_sample_value(_ALERTS, _WATCHDOG) == 1
    await first.stop()


async def test_a_takeover_waits_for_the_state_file(tmp_path: Path, fake: FakeAlertmanager) -> None:
    """The other exporter may be told at the same time to stand by, and still be writing."""
    watch = _Watch()
    configuration = _configuration(fake.url, tmp_path, state_file="alerts.json")
    first, second = _alerting(watch), _alerting(watch)
    await _start(first, configuration)
    watch.passes(300)
    await first.evaluate()
    await second.adopt(configuration, await second.open(configuration))
    await asyncio.sleep(0.1)
    await first.stand_by()

    await second.evaluate()
    assert _age(second) == 300
    await second.stop()


@pytest.mark.parametrize("is_taken_over", [True, False])
async def test_a_state_file_that_a_paused_exporter_has_locked(
    tmp_path: Path, fake: FakeAlertmanager, *, is_taken_over: bool
) -> None:
    """Its alerts go on firing in the exporter that takes over, and in no other. It replaces nothing."""
    watch, registry = _Watch(), CollectorRegistry()
    paused = _alerting(watch)
    await _start(paused, _configuration(fake.url, tmp_path, state_file="alerts.json"))
    written = tmp_path / "alerts.json"
    await _until(written.exists)
    before = written.read_bytes()
    watch.passes(300)
    storage = Storage(None, Clock())
    await storage.open(handover=3.0 if is_taken_over else 0.0)
    second = _alerting(watch, registry, storage)
    await _start(second, _configuration(fake.url, tmp_path, state_file="alerts.json"))

    assert _age(second) == (300 if is_taken_over else 0)
    await _until(lambda: registry.get_sample_value(_ERRORS))
    assert written.read_bytes() == before
    await paused.stop()
    await second.stop()


def _write_state(file: Path, watch: _Watch) -> None:
    """Write a state file: the alert about one node fires, and that about another one has ended."""
    alerts = [
        [
            ["SoftswitchNodeMissing", "critical", "node"],
            [["switch", "pbx"], ["node", node]],
            node,
            0,
            0,
            *ages,
        ]
        for node, ages in (("firing", [60, 60, None]), ("resolved", [30, 90, None]))
    ]
    first = {"version": 2, "moment": 3600, "wall": watch.wall, "monotonic": watch.monotonic, "boot": ""}
    file.write_text("\n".join(map(json.dumps, [first, {"alerts": alerts}, {"parts": 1}])))


@pytest.mark.parametrize(("seconds", "sent"), [(180, {"firing", "resolved"}), (300, set())])
async def test_alerts_that_end_during_a_gap(
    seconds: float, sent: set[str], tmp_path: Path, fake: FakeAlertmanager
) -> None:
    """After a long gap they are not sent: meanwhile, another exporter may have sent the same alert."""
    watch = _Watch()
    _write_state(tmp_path / "alerts.json", watch)
    watch.passes(seconds)
    alerting = _alerting(watch)
    await _start(alerting, _configuration(fake.url, tmp_path, state_file="alerts.json"))
    await _until(lambda: fake.taken)
    assert {alert["labels"].get("node") for alert in fake.taken} - {None} == sent
    await alerting.stop()
