"""``probe --write-config``: survey a switch, and write a configuration for it."""

import argparse
import asyncio
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from exporter.cli.probe.advice import advice
from exporter.cli.probe.draft.conduct import Conductor, Say, label, outcome_text, plan
from exporter.cli.probe.draft.document import document
from exporter.cli.probe.draft.entries import visible
from exporter.cli.probe.draft.extras import answered_but_off
from exporter.cli.probe.draft.flags import settings_of, switch_of, with_flags, with_relative_paths
from exporter.cli.probe.draft.pace import Pace
from exporter.cli.probe.draft.survey import Survey, repaired
from exporter.cli.probe.draft.target import checked, reject_unwritable, write
from exporter.cli.probe.runner import open_runner
from exporter.config import load
from exporter.config.fields import ValidationContext
from exporter.errors import ConfigurationError, StartError
from exporter.masking import Mask
from exporter.model import Counts, Failure, Query

_STDOUT = "-"
_MOST_CAUSES = 3


def run(arguments: argparse.Namespace) -> int:
    """Return 0 if a configuration was written, and 1 if the switch returned no value."""
    settings = settings_of(arguments)
    switch = switch_of(settings, os.environ)
    to_stdout = arguments.write_config == _STDOUT
    say = _printer(to_stderr=to_stdout)
    file = Path(arguments.write_config)
    if not to_stdout:
        reject_unwritable(file, overwrite=arguments.overwrite)
    survey = Survey(switch, [], tuple(dict.fromkeys(arguments.tenant or ())), frozenset(arguments.skip))
    for line in plan(survey, switch.url):
        say(line)
    if arguments.dry_run:
        return 0
    mask = Mask()
    say("")
    asyncio.run(_conduct(survey, mask, say))
    say("")
    if not survey.works:
        for line in _causes(survey):
            say(mask(line))
        say("Nothing was written, because the switch returned no value.")
        return 1
    survey = repaired(survey)
    directory = Path.cwd()
    if not to_stdout:
        directory = file.absolute().parent
        settings = with_relative_paths(settings, directory)
    text, pace = document(survey, settings, ValidationContext(directory, os.environ), mask)
    if to_stdout:
        print(checked(text, _check), end="")
    else:
        write(file, text, _check, overwrite=arguments.overwrite)
    for line in _summary(survey, pace, text, arguments.write_config):
        say(mask(line))
    return 0


def _printer(*, to_stderr: bool) -> Say:
    return lambda line: print(line, file=sys.stderr if to_stderr else sys.stdout, flush=True)


async def _conduct(survey: Survey, mask: Mask, say: Say) -> None:
    async with open_runner(survey.switch, mask) as runner:
        survey.findings = runner.findings
        await Conductor(runner, survey, say, time.monotonic).run()


def _check(file: Path) -> None:
    """Raise StartError if the exporter would not start with the file: that is a defect."""
    try:
        load(file, os.environ)
    except ConfigurationError as error:
        report = "the new configuration is invalid. This is a defect of the exporter; please report it"
        raise StartError("\n".join([f"{report}:", *error.problems])) from None


def _causes(survey: Survey) -> Iterator[str]:
    """Yield why nothing works, and which flag may help: each advice once."""
    seen: dict[str, str] = {}
    for position, finding in enumerate(survey.findings):
        if isinstance(finding.verdict, Failure):
            for given in advice(finding, survey.switch, survey.findings[:position]):
                for text in with_flags(given):
                    seen.setdefault(text, f"{label(finding.request)}: {outcome_text(finding)}")
    for text, outcome in list(seen.items())[:_MOST_CAUSES]:
        yield outcome
        yield f"  {visible(text)}"


def _counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def _summary(survey: Survey, pace: Pace, text: str, target: str) -> Iterator[str]:
    peers = survey.of(Query.PEERS)
    nodes = len(peers.verdict.nodes or ()) if peers and isinstance(peers.verdict, Counts) else 0
    count = len(survey.polled)
    parts = [
        *([_counted(nodes, "node")] if nodes else []),
        f"{_counted(count, 'tenant')}{', discovered' if survey.listed else ''}",
        f"registrations from {pace.source.source.name}" if pace.source else "no source of registrations",
    ]
    yield f"Wrote {'the configuration' if target == _STDOUT else target}: {'; '.join(parts)}."
    if off := answered_but_off(survey, pace):
        yield f"Off, see the comments: {', '.join(off)}."
    if count := sum(line.lstrip(" #").startswith("? ") for line in text.splitlines()):
        yield f"Comments that begin with a question mark, and need your decision: {count}."
    if target != _STDOUT:
        yield "Next:"
        yield f"  softswitch-exporter --config.file={target} --config.check"
        yield f"  softswitch-exporter --config.file={target} --web.listen-address=127.0.0.1:10390"
