"""Compare docs/simulator.md with the simulator."""

import argparse
import dataclasses
import re
import shlex
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from exporter.cli.demo import demo_world
from exporter.simulator.faults import FaultKind
from exporter.simulator.options import Options, add_arguments
from exporter.simulator.server import RunningSimulator, create_application, start
from exporter.simulator.world import World

_DOCS = Path(__file__).parents[3] / "docs" / "simulator.md"
_DEFAULT_ADDRESS = "http://127.0.0.1:10391"


def _commands() -> list[list[str]]:
    lines = _DOCS.read_text(encoding="utf-8").splitlines()
    return [shlex.split(line) for line in lines if line.startswith("curl ")]


@pytest.fixture(params=[World, demo_world], ids=["simulate", "demo"])
async def running(request: pytest.FixtureRequest) -> AsyncIterator[RunningSimulator]:
    """Serve an installation of the default size, or that of the demo."""
    simulator = await start("127.0.0.1", 0, create_application(request.param()))
    yield simulator
    await simulator.stop()


async def test_every_documented_command_works(
    running: RunningSimulator, session: aiohttp.ClientSession
) -> None:
    """Each curl line, in order, gets HTTP 200 and no refusal."""
    commands = _commands()
    assert len(commands) > 40
    for command in commands:
        assert command[:2] == ["curl", "-s"]
        (url,) = (word for word in command if word.startswith(_DEFAULT_ADDRESS))
        body = command[command.index("-d") + 1] if "-d" in command else None
        method = command[command.index("-X") + 1] if "-X" in command else "POST" if body else "GET"
        async with session.request(
            method, url.replace(_DEFAULT_ADDRESS, running.base_url), data=body
        ) as response:
            assert response.status == 200, command
            assert "Too bad" not in await response.text(), command


def test_every_fault_is_documented() -> None:
    """There is a command for each kind of fault."""
    documented = re.findall(r'"kind": "(\w+)"', _DOCS.read_text(encoding="utf-8"))
    assert sorted(documented) == sorted(kind.value for kind in FaultKind)


def test_every_flag_is_documented() -> None:
    """The table of flags has exactly the existing flags, in their order."""
    parser = argparse.ArgumentParser(add_help=False)
    add_arguments(parser)
    flags = [option for action in parser._actions for option in action.option_strings]
    assert re.findall(r"^\| `(--[a-z-]+)", _DOCS.read_text(encoding="utf-8"), re.MULTILINE) == flags


def test_every_option_is_documented() -> None:
    """The table of options has exactly the existing options, in their order."""
    options = [field.name for field in dataclasses.fields(Options)]
    section = _DOCS.read_text(encoding="utf-8").split("\n## Options\n")[1].split("\n## ")[0]
    assert re.findall(r"^\| `([a-z_]+)` \|", section, re.MULTILINE) == options
