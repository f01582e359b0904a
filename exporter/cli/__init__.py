"""The command line: ``softswitch-exporter``.

signals     what comes before a command is loaded
arguments   every flag and command
daemon      poll and serve
check       what would be polled, and whether that can work
probe       ask a switch once and show everything about the answer
healthcheck whether the exporter of this machine is healthy
testalert   send a test to every Alertmanager of the configuration
demo        the simulated switch and the exporter together
"""

import sys
from collections.abc import Sequence

from exporter.cli import signals
from exporter.cli.arguments import parser
from exporter.errors import ConfigurationError, StartError

EXIT_START = 1
EXIT_CONFIGURATION = 2


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command and return its exit status: 2 for a bad configuration, 1 for a start that failed."""
    signals.end_as_first_process()
    arguments = parser().parse_args(argv)
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
