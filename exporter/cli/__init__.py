"""The command line: ``softswitch-exporter``.

arguments    flags and commands
daemon       poll and serve, without a command
check        --config.check: validate the configuration and print the polling plan; --config.schema
probe        query a switch once and suggest settings; its flags are in ``probe_arguments``
healthcheck  check whether the local exporter is healthy
rules        print the shipped rules for Prometheus
assets       write the shipped files for other programs to a directory
testalert    send a test alert to every configured Alertmanager
demo         run the exporter against a simulated switch
simulate     run a simulated switch alone
"""

import argparse
import errno
import io
import os
import re
import signal
import sys
from collections.abc import Iterator, Sequence

from exporter.cli.arguments import parser
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


_SECRET = re.compile(r"key|password|passwd|token|secret", re.IGNORECASE)

KNOWN = frozenset({"--admin-key", "--cert-key-file", "--key-env", "--key-file"})
"""All flags whose names match ``_SECRET``."""

_ADVICE = (
    "its value is not shown. All users of this machine can see the arguments of a program, so save a key or "
    "a password in a file; for a key, probe has --key-file=FILE"
)


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    """Return the parsed arguments, or print an error and exit with status 2."""
    main = parser()
    given = sys.argv[1:] if argv is None else list(argv)
    for name in _names(given):
        if _SECRET.search(name) and name not in KNOWN:
            main.error(f"unrecognized argument {name}: {_ADVICE}")
    arguments, unknown = main.parse_known_args(given)
    if unknown:
        flags = list(dict.fromkeys(_names(unknown)))
        main.error(f"unrecognized arguments: {' '.join(flags or unknown)}")
    return arguments


def _names(arguments: Sequence[str]) -> Iterator[str]:
    """Yield the flags without their values, up to ``--``."""
    for argument in arguments:
        if argument == "--":
            return
        if argument.startswith("-"):
            yield argument.partition("=")[0]
