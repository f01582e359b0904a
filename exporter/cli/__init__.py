"""The command line: ``softswitch-exporter``.

arguments   every flag and command
process     standard output, standard error and signals
daemon      poll and serve
check       --config.check: what would be polled, and whether the rate suffices
probe       ask a switch once, show the answers, and suggest settings
healthcheck ask the exporter of this machine whether it is healthy
testalert   send a test alert to every Alertmanager of the configuration
simulate    the simulated switch on its own
demo        the simulated switch and the exporter together
"""

import argparse
import sys
from collections.abc import Sequence

from exporter.cli import process
from exporter.cli.arguments import parser
from exporter.errors import ConfigurationError, StartError

EXIT_START = 1
EXIT_CONFIGURATION = 2
EXIT_INTERRUPTED = 130


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command and return its exit status: 2 for a bad configuration, 1 for a start that failed."""
    process.end_as_first_process()
    process.accept_every_character()
    try:
        try:
            return _run(parser().parse_args(argv))
        finally:  # after --help as well, which raises SystemExit
            process.flush()
    except OSError as error:
        if reason := process.discard_output(error):
            print(f"softswitch-exporter: {reason}", file=sys.stderr)
            return EXIT_START
        return process.EXIT_CLOSED_PIPE
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED


def _run(arguments: argparse.Namespace) -> int:
    try:
        status: int = arguments.run(arguments)
    except ConfigurationError as error:
        print(error, file=sys.stderr)
        print(f"{len(error.problems)} problem(s): nothing was started", file=sys.stderr)
        return EXIT_CONFIGURATION
    except StartError as error:
        print(f"softswitch-exporter: {error}", file=sys.stderr)
        return EXIT_START
    return status
