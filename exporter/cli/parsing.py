"""Parse the command line. An error never repeats the value of an unknown flag, which may be a key."""

import argparse
import re
import sys
from collections.abc import Iterator, Sequence

from exporter.cli.arguments import parser

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
