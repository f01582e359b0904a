"""Surveys of a simulated switch, and the configurations that they lead to."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from exporter.cli.check import warnings
from exporter.cli.probe.draft.document import document
from exporter.cli.probe.draft.flags import Tree
from exporter.cli.probe.draft.pace import Pace
from exporter.cli.probe.draft.survey import Survey, repaired
from exporter.cli.probe.draft.surveyor import Surveyor
from exporter.cli.probe.runner import open_runner
from exporter.config import Configuration, SwitchConfiguration, load
from exporter.config.fields import ValidationContext
from exporter.masking import Mask
from exporter.poll.planner import Targets
from exporter.simulator.faults import Fault
from exporter.simulator.options import Options
from exporter.simulator.overrides import AddedCalls
from exporter.simulator.server import create_application, start
from exporter.simulator.world import Size, World

KEY = "demo-admin"
_ENVIRONMENT = {"PBX_KEY": KEY, "TENANT_KEY": "demo-tenant-ACME"}

_HISTORY = 30 * 3600.0
"""Seconds with calls: more than time zones differ."""

_CALLS = 3600
"""Two a minute."""


@dataclass(frozen=True)
class Drafted:
    """A survey, what was printed, and the configuration."""

    survey: Survey
    output: str
    text: str
    pace: Pace
    switch: SwitchConfiguration

    def section(self, *steps: str) -> Any:
        """Return a part of the configuration as written, with texts as values; None if it is absent."""
        found: Any = self.tree
        for step in steps:
            found = found.get(step) if isinstance(found, dict) else None
        return found

    @property
    def tree(self) -> dict[str, Any]:
        """The switch as written."""
        [switch] = yaml.load(self.text, Loader=yaml.BaseLoader)["switches"]  # noqa: S506 -- builds texts only
        return dict(switch)

    @property
    def comments(self) -> str:
        """All comments as one line."""
        lines = [line.strip() for line in self.text.splitlines()]
        return " ".join(line.lstrip("# ") for line in lines if line.startswith("#"))


async def surveyed(
    *faults: Fault,
    world: World | None = None,
    options: Options | None = None,
    asked: Sequence[str] = (),
    skip: Sequence[str] = (),
    key_env: str = "PBX_KEY",
    clock: Callable[[], float] = lambda: 0.0,
    **settings: Any,
) -> tuple[Survey, str, Tree]:
    """Return a survey of a switch, what was printed, and the settings of the flags."""
    world = world or World(Size(tenants=4))
    # Calls at any time of the day, so that a window of five minutes has some.
    world.overrides.add_calls(AddedCalls("ACME", time.time() - _HISTORY, _CALLS, seconds=_HISTORY))
    running = await start("127.0.0.1", 0, create_application(world, options=options or Options()))
    for fault in faults:
        running.parts.faults.add(fault)
    tree: Tree = {"name": "pbx", "url": running.url, "key_env": key_env, **settings}
    survey = Survey(
        switch_of({**tree, "max_requests_per_second": "10000"}), [], tuple(asked), frozenset(skip)
    )
    lines: list[str] = []
    try:
        async with open_runner(survey.switch, Mask()) as runner:
            survey.findings = runner.findings
            await Surveyor(runner, survey, lines.append, clock).run()
        assert running.parts.journal.forbidden == []
    finally:
        await running.stop()
    return survey, "\n".join(lines), tree


def switch_of(tree: dict[str, Any]) -> SwitchConfiguration:
    """Return the configuration of a switch with these settings."""
    context = ValidationContext(Path.cwd(), _ENVIRONMENT)
    return Configuration.model_validate({"switches": [tree]}, context=context).switches[0]


async def drafted(folder: Path, *faults: Fault, **manners: Any) -> Drafted:
    """Return a configuration for a switch. It loads, and ``--config.check`` has no warning."""
    survey, output, tree = await surveyed(*faults, **manners)
    return write(folder, survey, output, tree)


def write(folder: Path, survey: Survey, output: str, tree: Tree, mask: Callable[[str], str] = str) -> Drafted:
    """Return the configuration that a survey leads to."""
    survey = repaired(survey)
    text, pace = document(survey, tree, ValidationContext(Path.cwd(), _ENVIRONMENT), mask)
    file = folder / "config.yaml"
    file.write_text(text)
    [switch] = load(file, _ENVIRONMENT).switches
    assert list(warnings(switch, Targets(switch))) == []
    assert KEY not in text
    return Drafted(survey, output, text, pace, switch)
