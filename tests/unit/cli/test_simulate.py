import argparse
import asyncio
import os
import re
import signal
import socket

import aiohttp
import pytest
import yaml

from exporter.cli.simulate import serve
from exporter.errors import StartError
from exporter.simulator.options import Options, add_arguments, options_of
from exporter.simulator.tenants import Technologies


def _parsed(*arguments: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    return parser.parse_args(arguments)


async def _printed(capsys: pytest.CaptureFixture[str]) -> str:
    """Wait for the end of the introduction and return it."""
    printed = ""
    async with asyncio.timeout(30):
        while "Press Ctrl-C to stop." not in printed:
            await asyncio.sleep(0.01)
            printed += capsys.readouterr().out
    return printed


@pytest.mark.parametrize(
    ("flag", "value"),
    [
        ("--listen=localhost:0", ("localhost", 0)),
        ("--listen=[::1]:80", ("::1", 80)),
        ("--listen=:80", ("", 80)),
        ("--tenants=0", 0),
        ("--nodes=50", 50),
        ("--queues=3", 3),
        ("--latency=0.2", 0.2),
        ("--speed=60", 60.0),
        ("--technologies=pjsip=0.4, custom=0.05,virtual=0.05", Technologies(0.4, 0.05, 0.05)),
    ],
)
def test_valid_flags(flag: str, value: object) -> None:
    """Each flag converts its value."""
    assert value in vars(_parsed(flag)).values()


@pytest.mark.parametrize(
    ("flag", "values"),
    [
        ("--listen", ["", "127.0.0.1", "host:", "host:x", "host:65536", "host:-1"]),
        ("--tenants", ["-1", "1.5", "", "x", "²"]),
        ("--nodes", ["0", "-1"]),
        ("--queues", ["-1", "1001"]),
        ("--latency", ["-1", "inf", "nan", "x", ""]),
        ("--speed", ["0", "-1", "inf", "nan"]),
        ("--technologies", ["sip", "sip=1", "pjsip=x", "pjsip=-0.1", "pjsip=0.6,custom=0.6", "pjsip=nan"]),
    ],
)
def test_invalid_flags(flag: str, values: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """The error says what was expected, and what it got."""
    for value in values:
        with pytest.raises(SystemExit):
            _parsed(f"{flag}={value}")
        error = capsys.readouterr().err
        assert re.search(rf"argument {flag}: expected .*, got \"{re.escape(value)}\"", error)


def test_options() -> None:
    """``--option`` converts its value and overrides the flag for the same option."""
    flags = ("--channels=total", "--latency=1", "--option=channels=nodes", "--option=pjsip_words=yes")
    options = options_of(_parsed(*flags, "--option=peers_delay=2.5", "--option=total_name="))
    assert options == Options(channels="nodes", latency=1, pjsip_words=True, peers_delay=2.5, total_name="")


@pytest.mark.parametrize(
    ("option", "expected", "got"),
    [
        ("colour=red", "channels, license, .*", "colour"),
        ("channels=both", "nodes, total", "both"),
        ("pjsip_words=true", "yes, no", "true"),
        ("time_zone=Nowhere", "a time zone such as Europe/Rome", "Nowhere"),
        ("latency=-1", "a number of seconds such as 0.5", "-1"),
    ],
)
def test_invalid_options(option: str, expected: str, got: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The error lists the options, or the values of the option."""
    with pytest.raises(SystemExit):
        _parsed(f"--option={option}")
    assert re.search(f'expected (one of )?{expected}, got "{got}"', capsys.readouterr().err)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_it_serves_until_a_signal(capsys: pytest.CaptureFixture[str], number: signal.Signals) -> None:
    """It applies the flags, prints a configuration that fits, and announces forbidden requests."""
    flags = ("--listen=127.0.0.1:0", "--tenants=3", "--nodes=2", "--admin-key=root", "--channels=total")
    running = asyncio.create_task(serve(_parsed(*flags, "--license=sentence", "--regstate-parameter=id")))
    printed = await _printed(capsys)
    [configured] = yaml.safe_load(printed[printed.index("switches:") : printed.index("To try it")])[
        "switches"
    ]
    assert configured["url"] in printed.split("switches:")[0]
    assert configured["key"] == "root"
    assert configured["discover_tenants"] == {"enabled": True}
    assert configured["queries"]["registrations"] == {"parameter": "id"}
    async with aiohttp.ClientSession() as session:
        asked = {"reqtype": "COUNTCHANNELS", "key": "root"}
        async with session.get(configured["url"], params=asked) as response:
            assert (await response.text()).isdecimal()
        async with session.get(configured["url"], params={**asked, "reqtype": "REBOOT"}) as response:
            assert response.status == 403
    assert "FORBIDDEN REQUEST" in capsys.readouterr().out
    os.kill(os.getpid(), number)
    await running


async def test_an_address_in_use() -> None:
    """The error has the address, the reason and the flag to change."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(StartError) as raised:
            await serve(_parsed(f"--listen=127.0.0.1:{port}"))
    assert str(raised.value) == (
        f"cannot listen on 127.0.0.1:{port}: address already in use; choose another address with --listen"
    )
