"""The command line: ``softswitch-exporter``.

arguments    flags and commands
parsing      parse them; an error never repeats what may be a key
daemon       poll and serve, without a command
check        --config.check: validate the configuration and print the polling plan
probe        query a switch once and suggest settings
healthcheck  check whether the local exporter is healthy
rules        print the shipped rules for Prometheus
assets       write the shipped files for other programs to a directory
testalert    send a test alert to every configured Alertmanager
demo         run the exporter against a simulated switch
"""

import argparse
import errno
import io
import os
import signal
import sys
from collections.abc import Sequence

from exporter.cli.parsing import parse
from exporter.errors import ConfigurationError, StartError

EXIT_START = 1
EXIT_CONFIGURATION = 2
EXIT_INTERRUPTED = 130
EXIT_CLOSED_PIPE = 141
"""What a shell shows for a program that SIGPIPE ended."""

_UNWRITABLE = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO}


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command and return its exit status."""
    if os.getpid() == 1:
        # Without a handler the kernel ignores SIGTERM for the first process of a container. An exception
        # could be caught by the module that is being imported. The daemon replaces this handler.
        signal.signal(signal.SIGTERM, lambda number, _: os._exit(128 + number))
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # for what the encoding of the locale lacks
    try:
        try:
            return _run(parse(argv))
        finally:  # here, not at exit, and also when --help raises SystemExit
            for stream in (sys.stdout, sys.stderr):
                if stream is not None:  # None if the shell closed it: >&-
                    stream.flush()
    except OSError as error:
        if not isinstance(error, BrokenPipeError) and error.errno not in _UNWRITABLE:
            raise
        _discard_output()
        if isinstance(error, BrokenPipeError):
            return EXIT_CLOSED_PIPE
        print(f"softswitch-exporter: cannot write the output: {error.strerror}", file=sys.stderr)
        return EXIT_START
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED


def _run(arguments: argparse.Namespace) -> int:
    try:
        status: int = arguments.run(arguments)
    except ConfigurationError as error:
        print(error, file=sys.stderr)
        count = len(error.problems)
        print(f"{count} error{'' if count == 1 else 's'} found; nothing was started", file=sys.stderr)
        return EXIT_CONFIGURATION
    except StartError as error:
        print(f"softswitch-exporter: {error}", file=sys.stderr)
        return EXIT_START
    return status


def _discard_output() -> None:
    """Redirect unwritable streams, or the interpreter would retry at exit and print a traceback."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is not None:
                stream.flush()
        except OSError:
            os.dup2(nowhere, stream.fileno())
    os.close(nowhere)
