import asyncio
import contextlib
import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

from exporter.clock import Clock
from exporter.config import Configuration, load
from exporter.config_file import ConfigurationFile, ConfigurationHealth
from exporter.errors import ConfigurationError, StartError
from exporter.masking import Mask
from exporter.metrics.self_metrics import Instruments
from tests.e2e.full_configuration import configuration, switch

_VALID = configuration(switch("pbx", "http://127.0.0.1:9/api"))
_SUCCESSFUL = "softswitch_exporter_config_last_reload_successful"
_FILE_VALID = "softswitch_exporter_config_file_valid"
_GOOD: dict[str, object] = {"reload_failed_age_seconds": None, "file_invalid_age_seconds": None, "errors": []}
_INVALID_EVENT = "configuration file is invalid; the exporter would not start with it"


class _Site:
    """A configuration file, a clock that the test sets, and what is reported."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.now = 1000.0
        self.registry = CollectorRegistry()
        self.mask = Mask()
        self.loads = 0
        self.before: Callable[[], object] = lambda: None
        clock = Clock(lambda: self.now, lambda: 1_700_000_000.0)
        self.health = ConfigurationHealth(Instruments(self.registry), self.mask, clock)
        self.file = ConfigurationFile(self.load, path, self.health, limit=5.0)

    def load(self) -> Configuration:
        """Read the file, after what the test does first."""
        self.loads += 1
        self.before()
        return load(self.path, {})

    def write(self, text: str) -> None:
        """Replace the file, as a deployment does."""
        new = self.path.with_suffix(".new")
        new.write_text(text)
        new.replace(self.path)

    def metrics(self) -> tuple[float | None, float | None]:
        """Return the values of both metrics."""
        value = self.registry.get_sample_value
        return value(_SUCCESSFUL), value(_FILE_VALID)


@pytest.fixture
async def site(tmp_path: Path) -> _Site:
    """Return a site with a valid configuration that was loaded."""
    site = _Site(tmp_path / "config.yaml")
    site.write(_VALID)
    await site.file.load()
    site.health.reload_succeeded()
    return site


async def test_a_valid_file_is_read_once(site: _Site) -> None:
    """A check compares its size and times only, and reports nothing about a change."""
    await site.file.check()
    assert site.loads == 1
    site.write(_VALID.replace("5s", "6s"))
    with capture_logs() as log:
        await site.file.check()
        await site.file.check()

    assert (site.loads, site.metrics(), site.health.status(), log) == (2, (1, 1), _GOOD, [])


async def test_a_file_becomes_invalid_and_valid_again(site: _Site) -> None:
    """Each is logged once; the age counts from when it was found; reloads have not failed."""
    with capture_logs() as log:
        site.write(_VALID.replace('"5s"', '"soon"'))
        await site.file.check()
        site.now += 90
        await site.file.check()

        assert (site.metrics(), site.health.is_good) == ((1, 0), False)
        status = site.health.status()
        assert (status["reload_failed_age_seconds"], status["file_invalid_age_seconds"]) == (None, 90.0)
        (error,) = status["errors"]
        assert error.startswith(f"{site.path}:7:4: switches[0].timeout: expected a duration")

        site.write(_VALID)
        await site.file.check()

    assert (site.metrics(), site.health.is_good, site.health.status()) == ((1, 1), True, _GOOD)
    assert [line["event"] for line in log] == [_INVALID_EVENT, "configuration file is valid again"]
    assert log[0]["problems"] == error


async def test_other_errors_are_logged(site: _Site) -> None:
    """A file that is invalid in another way is logged again, and its age continues."""
    with capture_logs() as log:
        for text in (_VALID.replace('"5s"', '"soon"'), "switches: []"):
            site.now += 60
            site.write(text)
            await site.file.check()

    assert [line["event"] for line in log] == [_INVALID_EVENT] * 2
    assert site.health.status()["file_invalid_age_seconds"] == 60


async def test_missing_files(site: _Site) -> None:
    """Without the file, or a key file that it names, the exporter would not start."""
    key = site.path.with_name("pbx.key")
    key.write_text("a-key-for-tests")
    site.write(_VALID.replace('"key": "demo-admin"', f'"key_file": "{key}"'))
    await site.file.load()
    for file in (key, site.path):
        text = file.read_text()
        file.unlink()
        await site.file.check()
        assert site.metrics() == (1, 0)
        file.write_text(text)
        await site.file.check()
        assert site.metrics() == (1, 1)


async def test_an_unchanged_invalid_file_is_rarely_read_again(site: _Site) -> None:
    """Only a tenth check reads it, because a network file system may have failed."""
    site.write("switches: []")
    for _ in range(10):
        await site.file.check()
    assert site.loads == 2

    await site.file.check()
    assert site.loads == 3


async def test_a_key_file_that_becomes_readable(site: _Site) -> None:
    """A change of permissions alone is noticed, also for a file that the invalid configuration names."""
    key = site.path.with_name("pbx.key")
    key.write_text("a-key-for-tests\nand another line")
    site.write(_VALID.replace('"key": "demo-admin"', f'"key_file": "{key}"'))
    await site.file.check()
    key.chmod(0o600)
    await site.file.check()
    await site.file.check()
    assert site.loads == 3


async def test_a_file_that_changes_while_it_is_read(site: _Site) -> None:
    """The change counts: the next check reads the file again."""
    site.before = lambda: os.utime(site.path, (1, 1))
    site.write(_VALID.replace("5s", "6s"))
    await site.file.check()
    site.before = lambda: None
    await site.file.check()
    await site.file.check()

    assert site.loads == 3


async def test_a_failed_reload_is_not_logged_again_by_the_check(site: _Site) -> None:
    """The errors are those of the reload; the fixed file ends only the second of the two ages."""
    site.write("switches: []")
    with pytest.raises(ConfigurationError) as raised:
        await site.file.load()
    site.health.reload_failed(raised.value)
    site.now += 60
    with capture_logs() as log:
        await site.file.check()
    assert log == []
    assert (site.metrics(), site.health.status()) == (
        (0, 0),
        {
            "reload_failed_age_seconds": 60.0,
            "file_invalid_age_seconds": 60.0,
            "errors": str(raised.value).split("\n"),
        },
    )

    site.write(_VALID)
    await site.file.check()
    assert (site.metrics(), site.health.is_good) == ((0, 1), False)
    assert site.health.status()["errors"] == str(raised.value).split("\n")

    await site.file.load()
    site.health.reload_succeeded()
    assert (site.metrics(), site.health.is_good, site.health.status()) == ((1, 1), True, _GOOD)


@pytest.mark.parametrize(("reloaded", "checked"), [(_VALID, "switches: []"), ("switches: []", _VALID)])
async def test_a_reload_during_a_check(reloaded: str, checked: str, site: _Site) -> None:
    """It ends before the check, which therefore reports nothing, whichever file was invalid."""
    reading, go_on = threading.Event(), threading.Event()

    def wait() -> None:
        reading.set()
        go_on.wait(10)

    site.write(checked)
    site.before = wait
    check = asyncio.create_task(site.file.check())
    await asyncio.to_thread(reading.wait, 10)
    site.before = lambda: site.write(reloaded)
    with contextlib.suppress(ConfigurationError):
        assert (await site.file.load()).switches[0].name == "pbx"
    site.write(checked)
    go_on.set()
    with capture_logs() as log:
        await check

    assert (site.metrics(), log) == ((1, float(reloaded == _VALID)), [])


async def test_errors_are_bounded_and_masked(site: _Site) -> None:
    """The status has the first 20 lines, and no key."""
    site.mask.add("a-key-for-tests")
    site.health.reload_failed(ConfigurationError("a-key-for-tests", [f"wrong {n}" for n in range(1000)]))

    errors = site.health.status()["errors"]
    assert errors[:2] == ["***: wrong 0", "***: wrong 1"]
    assert errors[20:] == ["and 980 more; run --config.check to see all"]
    site.health.reload_failed(StartError("x" * 100_000))
    assert [len(line) for line in site.health.status()["errors"]] == [4001]


async def test_defects_are_not_quoted(site: _Site) -> None:
    """Their text may contain anything."""
    site.health.reload_failed(RuntimeError("a-key-for-tests"))
    site.now += 0.25
    assert site.health.status()["reload_failed_age_seconds"] == 0.25
    assert site.health.status()["errors"] == ["internal error; see the log"]
    site.health.reload_failed(asyncio.CancelledError())
    assert site.health.status()["errors"] == ["the reload was interrupted; try again"]


async def test_a_disk_that_hangs(site: _Site) -> None:
    """The check reports it after a while, and a later one works. Only one thread reads at a time."""
    go_on = threading.Event()
    site.before = lambda: go_on.wait(10)
    slow = ConfigurationFile(site.load, site.path, site.health, limit=0.05)
    await slow.check()
    assert site.metrics() == (1, 0)
    (error,) = site.health.status()["errors"]
    assert "not read within 0.05 s" in error
    await slow.check()
    assert site.loads == 2

    go_on.set()
    async with asyncio.timeout(10):
        while site.metrics() != (1, 1):
            await slow.check()


async def test_without_a_path_nothing_is_checked(site: _Site) -> None:
    """A configuration that is not from a file cannot change."""
    await ConfigurationFile(site.load, None, site.health, limit=5.0).check()
    assert site.loads == 1


async def test_a_new_file_that_a_pattern_matches(site: _Site) -> None:
    """It is a change, also of an invalid configuration; an unrelated file is not."""
    tenants = site.path.with_name("tenants")
    tenants.mkdir()
    site.write(_VALID.replace('"key": "demo-admin"', '"key": "demo-admin", "include": ["tenants/*.yaml"]'))
    await site.file.load()
    (tenants / "unrelated").write_text("")
    await site.file.check()
    assert site.loads == 2

    (tenants / "a.yaml").write_text("tenants: [{code: A}, {}]")
    await site.file.check()
    assert site.metrics() == (1, 0)
    (tenants / "b.yaml").write_text("tenants: [{code: B}]")
    await site.file.check()
    assert site.loads == 4

    (tenants / "a.yaml").unlink()
    await site.file.check()
    assert (site.loads, site.metrics()) == (5, (1, 1))


async def test_a_changed_file_settles_before_it_is_read(site: _Site) -> None:
    """With automatic reloads: it may be half written. `check` returns whether to apply it.

    A file that settles, but is invalid, is reported, and its correction is applied.
    """
    file = ConfigurationFile(site.load, site.path, site.health, limit=5.0, settles=True)
    await file.load()
    assert not await file.check()

    for part in ("switches: [", _VALID.replace("5s", "6s")):
        site.path.write_text(part)
        assert not await file.check()
    assert (site.loads, site.metrics()) == (2, (1, 1))
    assert [await file.check() for _ in range(2)] == [True, False]
    assert site.loads == 3

    site.write("switches: []")
    assert [await file.check() for _ in range(3)] == [False] * 3
    assert site.metrics() == (1, 0)
    site.write(_VALID)
    assert [await file.check() for _ in range(3)] == [False, True, False]
    assert site.metrics() == (1, 1)


async def test_a_file_that_never_settles(site: _Site) -> None:
    """Something that is named may change all the time, such as a token: it must not block other changes."""
    file = ConfigurationFile(site.load, site.path, site.health, limit=5.0, settles=True)
    await file.load()
    found = []
    for second in range(24):
        os.utime(site.path, (second, second))
        found.append(await file.check())
    assert found == ([False] * 11 + [True]) * 2
