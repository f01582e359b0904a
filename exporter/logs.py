"""One line for each event, in logfmt or JSON as Prometheus writes them, with every secret masked.

What asyncio and aiohttp can log without bound is limited here, in one place, as are exceptions: one line for
each trouble, and once a minute a line that says how often it was repeated.
"""

import logging
import re
import sys
import threading
import time
from collections.abc import Callable, MutableMapping
from dataclasses import dataclass
from typing import Any, Literal, TextIO

import structlog

from exporter.masking import Mask
from exporter.watchdog import end_out_of_memory, is_out_of_memory, says_out_of_memory

LogFormat = Literal["logfmt", "json"]

# What a switch sends may stand in a line: it must not break the line, nor steer a terminal.
_CONTROLS = {code: f"\\x{code:02x}" for code in (*range(0x20), *range(0x7F, 0xA0)) if code != ord("\n")}

_RENDERERS: dict[LogFormat, structlog.typing.Processor] = {
    "logfmt": structlog.processors.LogfmtRenderer(
        key_order=["ts", "level", "logger", "msg"], drop_missing=True, bool_as_flag=False
    ),
    "json": structlog.processors.JSONRenderer(ensure_ascii=False),
}


_REPEAT_EVERY = 60.0
"""Seconds between two lines about the same trouble."""

_TROUBLES = 200
"""That are told apart at a time; beyond, all of one logger count as one."""

_NUMBERS = re.compile(r"0x[0-9a-f]+|\d+")

Clock = Callable[[], float]


def configure(
    level: str,
    log_format: LogFormat,
    mask: Mask,
    stream: TextIO | None = None,
    clock: Clock = time.monotonic,
    out_of_memory: Callable[[], None] = end_out_of_memory,
) -> None:
    """Send all logging of the process, that of the libraries too, to a stream as lines.

    Without ``stream`` it is what standard error is now. ``out_of_memory`` is called when an exception was
    logged that says so: whatever nobody else handles is logged.
    """
    shared: list[structlog.typing.Processor] = [
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="ts"),
        structlog.processors.format_exc_info,
        structlog.processors.EventRenamer("msg"),
    ]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
    )
    handler = _Handler(stream or sys.stderr, _Repeats(clock), out_of_memory)
    handler.setFormatter(_formatter(log_format, mask, shared))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    # At debug level asyncio tells which selector it uses, and nothing that helps an operator.
    logging.getLogger("asyncio").setLevel(logging.WARNING)
    logging.captureWarnings(capture=True)


def _formatter(
    log_format: LogFormat, mask: Mask, before: list[structlog.typing.Processor]
) -> structlog.stdlib.ProcessorFormatter:
    remove_meta = structlog.stdlib.ProcessorFormatter.remove_processors_meta
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=before, processors=[remove_meta, _masked(mask), _RENDERERS[log_format]]
    )


def log_uncaught() -> None:
    """Log what is raised where nobody can catch it: in a thread, or in a finalizer. Python would print it."""
    log = logging.getLogger("exporter.uncaught")

    def in_thread(raised: threading.ExceptHookArgs) -> None:
        if is_out_of_memory(raised.exc_value):
            end_out_of_memory()
        log.error("exception in a thread", exc_info=raised.exc_value)

    def in_finalizer(raised: "sys.UnraisableHookArgs") -> None:
        if is_out_of_memory(raised.exc_value):  # also of a thread that could not begin
            end_out_of_memory()
        log.error("exception in a finalizer", exc_info=raised.exc_value)

    threading.excepthook = in_thread
    sys.unraisablehook = in_finalizer


def log_dropped(count: int) -> None:
    """Log that lines were dropped because nobody read them."""
    log = structlog.get_logger("exporter.logs")
    log.warning("log lines dropped: the reader of the log did not read", count=count)


@dataclass(slots=True)
class _Trouble:
    """What is being repeated: of which logger, how its line begins, since when, and how often since."""

    logger: str
    line: str
    since: float
    repeats: int = 0


class _Repeats:
    """Decides which lines are repetitions."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._troubles: dict[tuple[str, ...], _Trouble] = {}

    def is_repetition(self, record: logging.LogRecord) -> bool:
        """Count a line about a trouble that was logged within the last minute."""
        key = _key(record)
        if key is None:
            return False
        if len(self._troubles) >= _TROUBLES and key not in self._troubles:
            key = (record.name,)
        known = self._troubles.get(key)
        if known is None:
            self._troubles[key] = _Trouble(record.name, key[1] if len(key) > 1 else "", self._clock())
            return False
        known.repeats += 1
        return True

    def ended(self) -> list[_Trouble]:
        """Return and forget those whose minute is over, if they were repeated."""
        before = self._clock() - _REPEAT_EVERY
        over = [key for key, trouble in self._troubles.items() if trouble.since <= before]
        return [trouble for key in over if (trouble := self._troubles.pop(key)).repeats]


def _key(record: logging.LogRecord) -> tuple[str, ...] | None:
    """Return what is the same in each repetition of a line; None for a line that is never limited.

    Our own lines are one for each change, but for exceptions.
    """
    if isinstance(record.msg, dict):
        if "exception" not in record.msg:
            return None
        error = str(record.msg["exception"]).rstrip().rpartition("\n")[2].partition(":")[0]
        return record.name, str(record.msg["msg"]), str(record.msg.get("job")), error
    # A template is the same each time. asyncio has none, and puts details into further lines;
    # warnings have "%s".
    template = str(record.msg)
    text = template if record.args and template != "%s" else record.getMessage()
    error = str(record.exc_info[0]) if record.exc_info else ""
    return record.name, _NUMBERS.sub("#", text.partition("\n")[0]), error


def _says_out_of_memory(record: logging.LogRecord) -> bool:
    if isinstance(record.msg, dict):  # ours: the exception is text by now
        return says_out_of_memory(str(record.msg.get("exception", "")).rstrip().rpartition("\n")[2])
    return record.exc_info is not None and is_out_of_memory(record.exc_info[1])


class _Handler(logging.StreamHandler[TextIO]):
    """Writes lines, and no repetitions."""

    def __init__(self, stream: TextIO, repeats: _Repeats, out_of_memory: Callable[[], None]) -> None:
        super().__init__(stream)
        self._repeats = repeats
        self._out_of_memory = out_of_memory

    def emit(self, record: logging.LogRecord) -> None:
        for trouble in self._repeats.ended():
            self._log_repeats(trouble)
        if not self._repeats.is_repetition(record):
            super().emit(record)
        if _says_out_of_memory(record):
            self._out_of_memory()

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 -- the name of the standard library
        """Handle what was raised while a line was made."""
        if is_out_of_memory(sys.exception()):
            self._out_of_memory()
        super().handleError(record)

    @staticmethod
    def _log_repeats(trouble: _Trouble) -> None:
        log = structlog.get_logger("exporter.logs")
        log.warning("log line repeated", of=trouble.logger, line=trouble.line, count=trouble.repeats)


def _masked(mask: Mask) -> structlog.typing.Processor:
    def process(
        _: object, __: str, event: MutableMapping[str, Any]
    ) -> MutableMapping[str, Any]:  # structlog's signature
        return {
            key: value if isinstance(value, int | float) else mask(str(value)).translate(_CONTROLS)
            for key, value in event.items()
        }

    return process
