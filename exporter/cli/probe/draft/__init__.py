"""``probe --write-config``: survey a switch, and write a configuration with comments for it.

flags       the settings of the survey, from the command line
surveyor    sends the requests, and prints the plan and the progress
survey      what the switch answered
pace        intervals that the rate limit allows
document    the configuration as text; queries and tenants are its sections
entries     YAML with comments
"""

import argparse
import asyncio
import contextlib
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from exporter.cli.probe.advice import advice
from exporter.cli.probe.draft.document import document
from exporter.cli.probe.draft.entries import visible
from exporter.cli.probe.draft.flags import settings_of, switch_of, with_flags, with_relative_paths
from exporter.cli.probe.draft.pace import Pace
from exporter.cli.probe.draft.queries import answered_but_off
from exporter.cli.probe.draft.survey import Survey, repaired
from exporter.cli.probe.draft.surveyor import Say, Surveyor, label, outcome_text, plan
from exporter.cli.probe.runner import open_runner
from exporter.config import load
from exporter.config.fields import ValidationContext
from exporter.errors import ConfigurationError, StartError
from exporter.masking import Mask
from exporter.model import Counts, Failure, Query

_STDOUT = "-"
_MOST_CAUSES = 3
_MODE = 0o640
"""The configuration contains no key, but names of tenants."""

Check = Callable[[Path], None]


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
    asyncio.run(_send_requests(survey, mask, say))
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


async def _send_requests(survey: Survey, mask: Mask, say: Say) -> None:
    async with open_runner(survey.switch, mask) as runner:
        survey.findings = runner.findings
        await Surveyor(runner, survey, say, time.monotonic).run()


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


def reject_unwritable(file: Path, *, overwrite: bool) -> None:
    """Raise StartError if the file cannot be written, before any request is sent."""
    if file.exists() or file.is_symlink():
        if not overwrite:
            raise StartError(f"{file} exists; name another file, or add --overwrite")
        if not file.is_file():
            raise StartError(f"{file} is not a regular file; name another file, or - for standard output")
    directory = file.absolute().parent
    if not directory.is_dir():
        raise StartError(f"{directory} is not a directory; create it first")
    if not os.access(directory, os.W_OK | os.X_OK):
        raise StartError(f"{directory} is not writable; name another directory, or - for standard output")


def write(file: Path, text: str, check: Check, *, overwrite: bool) -> None:
    """Write a text that passes a check, atomically. Raises StartError if the file cannot be written."""
    try:
        with _temporary(text, file.absolute().parent) as written:
            check(written)
            if overwrite:
                written.replace(file)
            else:
                os.link(written, file)  # unlike a rename, it never replaces a file
    except FileExistsError:
        raise StartError(f"{file} was created meanwhile; name another file, or add --overwrite") from None
    except OSError as error:
        raise StartError(f"{file} cannot be written: {error.strerror}") from None


def checked(text: str, check: Check) -> str:
    """Return a text that passes a check of a file with it."""
    with _temporary(text, Path(tempfile.gettempdir())) as written:
        check(written)
    return text


@contextlib.contextmanager
def _temporary(text: str, directory: Path) -> Iterator[Path]:
    """Yield a file with a text, and remove it if it is still there."""
    descriptor, name = tempfile.mkstemp(prefix=".config-", suffix=".yaml", dir=directory)
    path = Path(name)
    try:
        os.fchmod(descriptor, _MODE)
        os.close(descriptor)
        with path.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        yield path
    finally:
        path.unlink(missing_ok=True)
