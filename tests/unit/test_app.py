import asyncio
import json
import os
import signal
import threading
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from exporter.app import Running, Settings, _reload_on, run, running
from exporter.config import Configuration, load
from exporter.errors import ConfigurationError, StartError
from exporter.masking import Mask
from tests.e2e.full_configuration import configuration, queries, switch

_FILE_VALID = "softswitch_exporter_config_file_valid"
_RELOADED = "softswitch_exporter_config_last_reload_successful"
_ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n7"


@pytest.fixture
async def url() -> AsyncIterator[str]:
    """Serve a switch that answers 7 to everything; return its URL."""
    writers: set[asyncio.StreamWriter] = set()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.add(writer)
        while await reader.readline():
            while (await reader.readline()).strip():
                pass
            writer.write(_ANSWER)
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/api"
    server.close()
    for writer in writers:
        writer.close()
    await server.wait_closed()


def _settings(file: Path, **more: Any) -> Settings:
    return Settings(load=lambda: load(file, {}), listen_addresses=[("127.0.0.1", 0)], **more)


async def _get(exporter: Running, path: str) -> tuple[int, str]:
    host, port = exporter.server.addresses[0]
    async with aiohttp.ClientSession() as session, session.get(f"http://{host}:{port}{path}") as response:
        return response.status, await response.text()


def _background() -> list[str]:
    """Return what runs in the background, but for the switch that answers."""
    names = [getattr(task.get_coro(), "__qualname__", "?") for task in asyncio.all_tasks()]
    return sorted(name for name in names if not name.endswith("answer"))


async def test_running_and_stopping(url: str, tmp_path: Path) -> None:
    """It polls and serves; afterwards no task and no listener is left."""
    file = tmp_path / "config.yaml"
    file.write_text(configuration(switch("pbx", url, tenants=[{"code": "ACME"}])))
    before = asyncio.all_tasks()

    async with running(_settings(file), Mask()) as exporter:
        async with asyncio.timeout(10):
            # A page tells nobody that it has changed.
            while 'softswitch_up{switch="pbx"} 1' not in (await _get(exporter, "/metrics"))[1]:  # noqa: ASYNC110 -- see above
                await asyncio.sleep(0.05)
        addresses = exporter.server.addresses

    assert asyncio.all_tasks() == before
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection(*addresses[0])


async def test_errors_in_both_files_are_reported_together(tmp_path: Path) -> None:
    """In the configuration and in the web configuration."""
    for name in ("config.yaml", "web.yml"):
        (tmp_path / name).write_text("nothing: here")
    with pytest.raises(ConfigurationError) as caught:
        async with running(_settings(tmp_path / "config.yaml", web_config_file=tmp_path / "web.yml"), Mask()):
            pass
    told = [line.split(": ", 2)[:2] for line in str(caught.value).splitlines()]
    assert told == [
        [f"{tmp_path}/web.yml:1:1", "nothing"],
        [f"{tmp_path}/config.yaml", "switches"],
        [f"{tmp_path}/config.yaml:1:1", "nothing"],
    ]
    assert len(caught.value.problems) == 3


async def test_fifty_reloads_leave_no_task(url: str, tmp_path: Path) -> None:
    """While switches and queries are added and removed."""
    file = tmp_path / "config.yaml"
    # Long intervals: their sweeps would go on for hours after the switch has left.
    whole = [switch("pbx", url, queries=queries("6h"), tenants=[{"code": f"T{n}"} for n in range(50)])]
    guest = [switch("guest", url, queries=queries("6h"), tenants=[{"code": f"T{n}"} for n in range(50)])]
    file.write_text(configuration(*whole))

    async with running(_settings(file), Mask()) as exporter:
        # A sweep over the tenants for each query, for hours, and no request under way.
        await _until(lambda: sum(task.get_name().startswith("sweep ") for task in asyncio.all_tasks()) == 5)
        await _settled()
        before = _background()
        for number in range(50):
            file.write_text("switches: [" if number % 5 == 4 else configuration(*whole, *guest[number % 2 :]))
            if number % 5 == 4:
                with pytest.raises(ConfigurationError):
                    await exporter.reload()
            else:
                await exporter.reload()
            await asyncio.sleep(0.01)
        file.write_text(configuration(*whole))
        await exporter.reload()
        await _until(lambda: _background() == before)


async def _settled() -> None:
    """Wait until what runs in the background has been the same for half a second."""
    while True:
        before = _background()
        await asyncio.sleep(0.5)
        if _background() == before:
            return


async def _until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110 -- tasks tell nobody
            await asyncio.sleep(0.05)


async def test_a_file_that_would_not_load_at_the_next_start(url: str, tmp_path: Path) -> None:
    """The status and a metric report it without a reload; the next good load ends it."""
    file = tmp_path / "config.yaml"
    good = configuration(switch("pbx", url))
    file.write_text(good)
    settings = _settings(file, config_file=file, config_check_period=0.05)

    async with running(settings, Mask()) as exporter:

        async def reported() -> dict[str, Any]:
            reported: dict[str, Any] = json.loads((await _get(exporter, "/api/v1/status"))[1])[
                "configuration"
            ]
            return reported

        assert await reported() == {
            "reload_failed_age_seconds": None,
            "file_invalid_age_seconds": None,
            "errors": [],
        }
        file.write_text("switches: []")
        async with asyncio.timeout(10):
            while not (found := await reported())["errors"]:  # noqa: ASYNC110 -- a page tells nobody
                await asyncio.sleep(0.05)
        assert found["errors"] == [f"{file}:1:1: switches: expected at least one entry, got an empty list"]
        assert found["file_invalid_age_seconds"] < 10
        assert found["reload_failed_age_seconds"] is None
        assert f"{_FILE_VALID} 0.0\n" in (await _get(exporter, "/metrics"))[1]

        with pytest.raises(ConfigurationError):
            await exporter.reload()
        assert (await reported())["reload_failed_age_seconds"] < 10

        file.write_text(good)
        await exporter.reload()
        assert (await reported())["errors"] == []
        assert f"{_FILE_VALID} 1.0\n" in (await _get(exporter, "/metrics"))[1]


async def test_reload_that_hangs(url: str, tmp_path: Path) -> None:
    """It fails after its time limit, the metric is 0, and the next one works."""
    file = tmp_path / "config.yaml"
    file.write_text(configuration(switch("pbx", url)))
    back = threading.Event()
    hangs = [False, True, True, False]

    def read() -> Configuration:
        if hangs.pop(0):
            back.wait(30)
        return load(file, {})

    settings = Settings(load=read, listen_addresses=[("127.0.0.1", 0)], load_timeout=0.2)
    async with running(settings, Mask()) as exporter:
        for _ in range(2):
            with pytest.raises(ConfigurationError, match=r"not read within 0\.2 s; check its disk"):
                await exporter.reload()
            assert f"{_RELOADED} 0.0\n" in (await _get(exporter, "/metrics"))[1]
        await exporter.reload()
        assert f"{_RELOADED} 1.0\n" in (await _get(exporter, "/metrics"))[1]
    back.set()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_signal_during_a_start_that_hangs(number: signal.Signals) -> None:
    """It ends the exporter while a disk does not respond."""
    back, reading = threading.Event(), threading.Event()

    def read() -> Configuration:
        reading.set()
        back.wait(30)
        raise AssertionError

    starting = asyncio.create_task(run(Settings(load=read, listen_addresses=[("127.0.0.1", 0)]), Mask()))
    async with asyncio.timeout(5):
        while not reading.is_set():  # noqa: ASYNC110 -- a thread changes what is waited for
            await asyncio.sleep(0.01)
        os.kill(os.getpid(), number)
        await starting
    back.set()


async def test_rotated_keys_are_used(url: str, tmp_path: Path) -> None:
    """Of switches, tenants and Alertmanagers."""
    for name in ("admin", "tenant", "password", "token"):
        (tmp_path / name).write_text(f"first-{name}")
    acme = {"code": "ACME", "key_file": "tenant"}
    pbx = switch("pbx", url, key_file="admin", tenants=[acme], queries=queries("6h"))
    del pbx["key"]
    basic = {"url": "http://127.0.0.1:1", "basic_auth": {"username": "noc", "password_file": "password"}}
    bearer = {"url": "http://127.0.0.1:2", "bearer_token_file": "token"}
    file = tmp_path / "config.yaml"
    file.write_text(configuration(pbx, alerting={"alertmanagers": [basic, bearer]}))
    loaded = load(file, {})
    settings = Settings(load=lambda: loaded, listen_addresses=[("127.0.0.1", 0)])

    async with running(settings, Mask()):
        for name in ("admin", "tenant", "password", "token"):
            (tmp_path / name).write_text(f"another-{name}")
        async with asyncio.timeout(10):
            while [key.current().partition("-")[0] for key in loaded.keys] != ["another"] * 4:  # noqa: ASYNC110 -- as above
                await asyncio.sleep(0.05)


async def test_sighup_after_a_reload_that_raised() -> None:
    """It reloads."""
    hangup, reloaded = asyncio.Event(), asyncio.Event()
    errors = [RuntimeError("a defect"), ConfigurationError("config.yaml", ["a mistake"])]

    async def reload() -> None:
        if errors:
            raise errors.pop(0)
        reloaded.set()

    reloads = asyncio.create_task(_reload_on(hangup, reload))
    for _ in range(3):
        hangup.set()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
    async with asyncio.timeout(5):
        await reloaded.wait()
    reloads.cancel()


async def test_address_in_use(url: str, tmp_path: Path) -> None:
    """The start fails with the address, and leaves neither tasks nor connections."""
    file = tmp_path / "config.yaml"
    file.write_text(configuration(switch("pbx", url)))
    before = asyncio.all_tasks()
    port = int(url.split(":")[2].removesuffix("/api"))
    settings = Settings(load=lambda: load(file, {}), listen_addresses=[("127.0.0.1", port)])

    with pytest.raises(StartError, match=str(port)):
        async with running(settings, Mask()):
            pytest.fail("it started")

    assert asyncio.all_tasks() == before
