"""The errors that softswitch-exporter raises itself.

    ExporterError            something a person should read, never a traceback
    ├── ConfigurationError   every problem of a configuration file, all at once
    ├── TlsFileError         a certificate or key file that cannot be used
    └── StartError           a start that cannot succeed: an address in use, say

What goes wrong with *one answer of a switch* is not an exception but a value,
``model.Failure``: it is expected, counted and shown, and nothing is unwound by it.
"""

from collections.abc import Sequence

_MOST_LINES = 100
_MOST_CHARACTERS = 16_000


class ExporterError(Exception):
    """Something that is wrong outside the program; the text says what to do about it."""


class ConfigurationError(ExporterError):
    """A configuration that cannot be used.

    ``problems`` holds one line for each mistake, all of them, in the order of the file:
    the path of the place, what is wrong there, and what to do.
    """

    def __init__(self, source: str, problems: Sequence[str]) -> None:
        self.source = source
        self.problems = tuple(problems)
        super().__init__("\n".join(f"{source}: {problem}" for problem in problems))

    @classmethod
    def joined(cls, errors: Sequence["ConfigurationError"]) -> "ConfigurationError":
        """Return the error of several files as one."""
        joined = cls(", ".join(error.source for error in errors), [])
        joined.problems = tuple(problem for error in errors for problem in error.problems)
        joined.args = ("\n".join(str(error) for error in errors),)
        return joined


def shortened(error: ExporterError) -> str:
    """Return the text of an error as the daemon logs it: the first lines, and how many more there are.

    3,000 mistakes in one file are 350 kB, and masking them held up the event loop for a second (2026-11).
    """
    lines = str(error).split("\n")
    more = len(lines) - _MOST_LINES
    first = "\n".join(lines[:_MOST_LINES])
    if len(first) > _MOST_CHARACTERS:
        first = f"{first[:_MOST_CHARACTERS]}…"
    return f"{first}\nand {more:,} more; --config.check tells all" if more > 0 else first


class TlsFileError(ExporterError):
    """A certificate or key file cannot be used. The text names the file and holds nothing of its content."""


class StartError(ExporterError):
    """The daemon cannot start, although its configuration is valid."""
