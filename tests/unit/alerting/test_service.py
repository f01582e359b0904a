import asyncio
import threading
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest
from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

from exporter.alerting.metrics import AlertingMetrics
from exporter.alerting.service import AlertingService
from exporter.alerting.state_file import StateFile
from exporter.alerting.state_keeper import StateKeeper
from exporter.clock import Clock
from exporter.config import AlertingConfiguration
from exporter.config.fields import ValidationContext
from exporter.errors import StartError
from exporter.masking import Mask
from exporter.poll import Poller
from exporter.store import Store
from tests.certificates import Authority
from tests.unit.alerting.conftest import FakeAlertmanager

_DAY = 86_400.0
_ALERTS = "softswitch_alerting_alerts"
_WATCHDOG = {"alertname": "SoftswitchWatchdog", "state": "firing"}
_ERRORS = "softswitch_alerting_state_file_errors_total"


class _Watch:
    """Both clocks, moved by the test."""

    def __init__(self) -> None:
        self.monotonic, self.wall = 1000.0, 1_700_000_000.0

    def passes(self, seconds: float, *, step: float = 0.0) -> None:
        """Let time pass, and the wall clock be stepped on top of it."""
        self.monotonic += seconds
        self.wall += seconds + step


def _alerting(watch: _Watch, registry: CollectorRegistry | None = None) -> AlertingService:
    clock = Clock(lambda: watch.monotonic, lambda: watch.wall)
    return AlertingService(list, registry or CollectorRegistry(), Mask(), clock)


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
        while not condition():  # noqa: ASYNC110 -- neither a file nor the fake tells when it has changed
            await asyncio.sleep(0.001)


async def test_without_a_configuration_there_is_nothing() -> None:
    """Nothing is judged, shown or counted: a site with Prometheus sees nothing of it."""
    registry = CollectorRegistry()
    alerting = _alerting(_Watch(), registry)
    await alerting.adopt(None)
    await alerting.evaluate()
    await alerting.stop()

    assert (alerting.is_on, alerting.status(), list(registry.collect())) == (False, {}, [])


async def test_a_dry_run_sends_nothing(fake: FakeAlertmanager) -> None:
    """What fires is shown, with the configured labels, and nobody is told."""
    alerting = _alerting(_Watch())
    await _start(alerting, _configuration(fake.url, dry_run=True, labels={"site": "eu"}))
    await alerting.stop()

    (watchdog,) = alerting.status()["alerts"]
    assert watchdog["labels"]["site"] == "eu"
    assert fake.authorizations == []


@pytest.mark.parametrize("step", [0.0, _DAY, -_DAY])
async def test_a_restart_goes_on(step: float, tmp_path: Path, fake: FakeAlertmanager) -> None:
    """An alert has aged by the time that nobody was there, wherever the wall clock was stepped."""
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


async def test_after_a_boot_the_wall_clock_tells(tmp_path: Path, fake: FakeAlertmanager) -> None:
    """The monotonic clock begins anew then; a wall clock that was set back since counts as no time."""
    watch = _Watch()
    configuration = _configuration(fake.url, tmp_path, state_file="state.json")
    first = _alerting(watch)
    await _start(first, configuration)
    await first.stop()

    watch.monotonic = 5
    watch.wall += 120
    second = _alerting(watch)
    await _start(second, configuration)
    await second.stop()
    assert _age(second) == 120

    watch.monotonic = 1
    watch.wall -= 10 * _DAY
    third = _alerting(watch)
    await _start(third, configuration)
    await third.stop()
    assert _age(third) == 120


@pytest.mark.parametrize("content", [b"", b"{", b"\xff", b'{"version":2}\n{"parts":0}\n', b"[" * 100_000])
async def test_a_broken_file_is_a_fresh_start(content: bytes, tmp_path: Path, fake: FakeAlertmanager) -> None:
    """It is said and counted, and the next evaluation makes it a good one."""
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


async def test_a_disk_that_takes_nothing(tmp_path: Path, fake: FakeAlertmanager) -> None:
    """It is said once and counted each time; alerts are sent as ever, and it is said when it is over."""
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
        "the state file is written again",
    ]


async def test_it_is_turned_off_in_the_middle_of_an_evaluation(fake: FakeAlertmanager) -> None:
    """The evaluation ends first, and nothing of it is shown or counted afterwards."""
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

    assert registry.get_sample_value(_ALERTS, _WATCHDOG) is None
    assert alerting.status() == {}


class _HangingDisk(StateFile):
    """Reads nothing until the test lets it."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.answers = threading.Event()

    def read(self, *_: object) -> None:
        self.answers.wait(10)


async def test_a_disk_that_hangs(tmp_path: Path) -> None:
    """The start waits for a while, and then goes on without what may be there."""
    registry = CollectorRegistry()
    disk = _HangingDisk(tmp_path / "state.json")
    keeper = StateKeeper(disk.path, Clock(), AlertingMetrics(registry), patience=0.05, opened=lambda _: disk)
    with capture_logs() as logs:
        assert await keeper.load() is None

    assert [log["reason"] for log in logs] == ["the disk does not answer"]
    assert registry.get_sample_value(_ERRORS) == 1
    disk.answers.set()  # lets the thread end


@pytest.mark.parametrize("step", [_DAY, -_DAY, 365 * _DAY])
async def test_a_step_of_the_wall_clock_is_no_gap(step: float, fake: FakeAlertmanager) -> None:
    """What fires goes on firing: with a gap of a day it would end, be told so, and pend anew."""
    watch = _Watch()
    alerting = _alerting(watch)
    await _start(alerting, _configuration(fake.url, dry_run=True))
    watch.passes(60)
    await alerting.evaluate()
    watch.passes(60, step=step)
    await alerting.evaluate()
    await alerting.stop()

    assert _age(alerting) == 120


async def test_a_late_evaluation_is_no_gap(fake: FakeAlertmanager) -> None:
    """What comes some seconds late or early is taken for on time."""
    watch = _Watch()
    alerting = _alerting(watch)
    await _start(alerting, _configuration(fake.url, dry_run=True))
    for seconds in (65, 55, 70, 50):
        watch.passes(seconds)
        await alerting.evaluate()
    await alerting.stop()

    assert _age(alerting) == 240


async def test_alertmanagers_come_and_go(fake: FakeAlertmanager) -> None:
    """A reload tells a new one what fires, at once, and takes the series of one that is gone."""
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
    assert alerting.status() == {}


async def test_a_certificate_that_went_bad(tmp_path: Path, authority: Authority) -> None:
    """Spoilt after the file was read: it is said of which Alertmanager, and no session is left open."""
    certificate = tmp_path / "ca.pem"
    certificate.write_bytes(authority.certificate.read_bytes())
    alertmanagers = [{"url": "http://a"}, {"url": "https://b", "tls": {"ca_file": "ca.pem"}}]
    configuration = AlertingConfiguration.model_validate(
        {"alertmanagers": alertmanagers}, context=ValidationContext(tmp_path, {})
    )
    certificate.write_text("not a certificate")

    with pytest.raises(StartError, match=r"Alertmanager https://b: tls: .*ca\.pem"):
        await _alerting(_Watch()).open(configuration)
