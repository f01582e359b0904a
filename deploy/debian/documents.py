"""Documents of the Debian package: manual page, completions, copyright, changelog."""

import gzip
import os
import subprocess
import sys
from argparse import ArgumentParser
from collections.abc import Iterator
from datetime import UTC, datetime
from email.utils import format_datetime
from importlib.metadata import Distribution, distributions
from pathlib import Path

import shtab

from exporter import __version__
from exporter.cli.arguments import parser
from exporter.shipped import REPOSITORY

_NAME = "softswitch-exporter"

_COPYRIGHT = f"""\
softswitch-exporter
Source: {REPOSITORY.partition("/blob/")[0]}
License: Apache-2.0, the text of which is in /usr/share/common-licenses/Apache-2.0
Copyright © 2026 the authors of softswitch-exporter

/usr/lib/softswitch-exporter also contains these Python packages, unchanged. The text of each license and the
copyright are in the directory NAME-VERSION.dist-info there.

"""

_CHANGELOG = """\
softswitch-exporter ({version}) unstable; urgency=medium

  * {reason}

 -- {maintainer}  {date}
"""


def manual_page(seconds: int) -> bytes:
    """Return the manual page of all commands, with a date in seconds since 1970."""
    program = Path(sys.executable).with_name("argparse-manpage")
    made = subprocess.run(  # noqa: S603 -- a tool of the lock file, with fixed flags
        [
            program, "--module=exporter.cli.arguments", "--function=parser",
            "--format=single-commands-section", f"--project-name={_NAME}", f"--prog={_NAME}",
            f"--version={__version__}", "--manual-title=User Commands",
            "--description=Prometheus exporter for hosted-telephony soft-switches",
            f"--url={REPOSITORY.partition('/blob/')[0]}",
        ],
        capture_output=True,
        check=True,
        env={**os.environ, "SOURCE_DATE_EPOCH": str(seconds)},
    )  # fmt: skip
    return made.stdout


def completion(shell: str) -> bytes:
    """Return the completions of a shell: bash, zsh or fish."""
    main = parser()
    for each in _with_commands(main):
        for action in each._actions:  # noqa: SLF001 -- argparse has no public list of flags
            # The attribute is how shtab is told what to complete; argparse does not declare it.
            if action.metavar == "FILE":
                action.complete = shtab.FILE  # type: ignore[attr-defined]  # see above
            elif action.metavar == "DIR":
                action.complete = shtab.DIRECTORY  # type: ignore[attr-defined]  # see above
    return shtab.complete(main, shell=shell).encode()


def copyright_file(libraries: Path) -> bytes:
    """Return the licenses of the program and of every package in ``libraries``."""
    found = sorted(distributions(path=[str(libraries)]), key=lambda package: package.name.lower())
    lines = [f"{each.name} {each.version}: {_license(each)}\n" for each in found if each.name != _NAME]
    return (_COPYRIGHT + "".join(lines)).encode()


def debian_changelog(version: str, maintainer: str, seconds: int) -> bytes:
    """Return the compressed changelog of the package, which points to that of the program."""
    date = format_datetime(datetime.fromtimestamp(seconds, UTC))
    reason = "See changelog.gz in this directory."
    text = _CHANGELOG.format(version=version, maintainer=maintainer, date=date, reason=reason)
    return compressed(text.encode())


def compressed(content: bytes) -> bytes:
    """Return the content in the gzip format, without a time."""
    return gzip.compress(content, 9, mtime=0)


def _with_commands(main: ArgumentParser) -> Iterator[ArgumentParser]:
    yield main
    for action in main._actions:  # noqa: SLF001 -- argparse has no public list of commands
        if isinstance(action.choices, dict):
            yield from action.choices.values()


def _license(package: Distribution) -> str:
    """Return the license as its maintainers state it: as an expression, a classifier or a word."""
    data = package.metadata
    classifiers = [
        text.rpartition(" :: ")[2] for text in data.get_all("Classifier") or () if "License" in text
    ]
    stated = ", ".join(data.get_all("License-Expression") or classifiers or data.get_all("License") or ())
    if not stated or "\n" in stated:
        raise ValueError(f"{package.name} does not state its license in its metadata")
    return stated
