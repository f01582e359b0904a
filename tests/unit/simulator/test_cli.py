import argparse
import asyncio
import os
import re
import signal

import aiohttp
import pytest
import yaml

from exporter.simulator.cli import run
from exporter.simulator.options import add_arguments
from exporter.simulator.server import RunningSimulator


def _parsed(*arguments: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    return parser.parse_args(arguments)


async def _printed(capsys: pytest.CaptureFixture[str]) -> str:
    """Wait until the introduction is there."""
    printed = ""
    async with asyncio.timeout(5):
        while "Stop it with Ctrl-C." not in printed:
            await asyncio.sleep(0.01)
            printed += capsys.readouterr().out
    return printed


def test_the_flags_have_their_defaults() -> None:
    """Without flags it is a small installation on the pinned address."""
    parsed = _parsed()
    assert parsed.listen == ("127.0.0.1", 10391)
    assert (parsed.tenants, parsed.nodes, parsed.extensions, parsed.seed) == (20, 4, 10, 1)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_a_signal_ends_it_cleanly(capsys: pytest.CaptureFixture[str], number: signal.Signals) -> None:
    """It serves what the flags ask for until a signal comes, and returns 0."""
    flags = ("--listen=127.0.0.1:0", "--tenants=3", "--nodes=2", "--admin-key=root", "--channels=total")
    running = asyncio.create_task(run(_parsed(*flags, "--license=sentence")))
    printed = await _printed(capsys)
    url = re.search(r"http://\S+proxyapi\.php", printed)
    assert url is not None
    async with aiohttp.ClientSession() as session:
        async with session.get(url[0], params={"reqtype": "COUNTCHANNELS", "key": "root"}) as response:
            assert (await response.text()).isdecimal()
        async with session.get(url[0], params={"reqtype": "REBOOT", "key": "root"}) as response:
            assert response.status == 403
    assert "FORBIDDEN REQUEST" in capsys.readouterr().out
    os.kill(os.getpid(), number)
    assert await running == 0


async def test_the_configuration_it_prints_is_yaml(capsys: pytest.CaptureFixture[str]) -> None:
    """The printed configuration names the switch's real address and key, and an unusual parameter."""
    running = asyncio.create_task(run(_parsed("--listen=127.0.0.1:0", "--regstate-parameter=id")))
    printed = await _printed(capsys)
    os.kill(os.getpid(), signal.SIGTERM)
    await running
    configuration = yaml.safe_load(printed[printed.index("switches:") : printed.index("To try it")])
    (switch,) = configuration["switches"]
    assert switch["key"] == "demo-admin"
    assert switch["url"] in printed.split("switches:")[0]
    assert switch["discover_tenants"] == {"enabled": True}
    assert switch["queries"] == {"registrations": {"parameter": "id"}}


async def test_an_address_in_use_is_one_clear_sentence(
    simulator: RunningSimulator, capsys: pytest.CaptureFixture[str]
) -> None:
    """It says which address and why, on standard error, and returns 1."""
    assert await run(_parsed(f"--listen=127.0.0.1:{simulator.port}")) == 1
    assert capsys.readouterr().err == (
        f"Cannot listen on 127.0.0.1:{simulator.port}: Address already in use. "
        "Choose another address with --listen.\n"
    )
