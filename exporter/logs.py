"""One line for each event, in logfmt or JSON as Prometheus writes them, with every secret masked.

Repeated lines of libraries and repeated exceptions are limited to one line and, once a minute, their number.
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

# A line may quote a switch. That must neither break the line nor control a terminal.
_CONTROLS = {code: f"\\x{code:02x}" for code in (*range(0x20), *range(0x7F, 0xA0)) if code != ord("\n")}

_RENDERERS: dict[LogFormat, structlog.typing.Processor] = {
    "logfmt": structlog.processors.LogfmtRenderer(
        key_order=["ts", "level", "logger", "msg"], drop_missing=True, bool_as_flag=False
    ),
    "json": structlog.processors.JSONRenderer(ensure_ascii=False),
}

_WINDOW = 60.0
"""Seconds in which a repeated line is counted and not logged."""

_MOST_LINES = 200
"""Different lines that are counted separately; beyond that, one count for each logger."""

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
    """Write all logs of the process, including those of libraries, to ``stream`` (default: standard error).

    ``out_of_memory`` is called after an exception about memory was logged: whatever nobody handles is logged.
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
    handler = _Handler(stream or sys.stderr, _RepeatCounter(clock), out_of_memory)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                _masked(mask),
                _RENDERERS[log_format],
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    # At debug level asyncio only logs which selector it uses.
    logging.getLogger("asyncio").setLevel(logging.WARNING)
    logging.captureWarnings(capture=True)


def _masked(mask: Mask) -> structlog.typing.Processor:
    def process(_: object, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        return {
            key: value if isinstance(value, int | float) else mask(str(value)).translate(_CONTROLS)
            for key, value in event.items()
        }

    return process


def log_uncaught() -> None:
    """Log exceptions of threads and finalizers, which Python would print."""
    log = logging.getLogger("exporter.uncaught")

    def in_thread(raised: threading.ExceptHookArgs) -> None:
        if is_out_of_memory(raised.exc_value):
            end_out_of_memory()
        log.error("exception in a thread", exc_info=raised.exc_value)

    def in_finalizer(raised: "sys.UnraisableHookArgs") -> None:
        if is_out_of_memory(raised.exc_value):  # also of a thread that could not start
            end_out_of_memory()
        log.error("exception in a finalizer", exc_info=raised.exc_value)

    threading.excepthook = in_thread
    sys.unraisablehook = in_finalizer


def log_dropped(count: int) -> None:
    """Log that lines were dropped."""
    log = structlog.get_logger("exporter.logs")
    log.warning("log lines dropped: the log reader was too slow", count=count)


@dataclass(slots=True)
class _Repeated:
    """A line that may repeat, when it was logged, and how often it was repeated since."""

    logger: str
    line: str
    since: float
    count: int = 0


class _RepeatCounter:
    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lines: dict[tuple[str, ...], _Repeated] = {}

    def is_repeated(self, record: logging.LogRecord) -> bool:
        """Return whether the same line was logged within the window, and count it."""
        key = _key(record)
        if key is None:
            return False
        if len(self._lines) >= _MOST_LINES and key not in self._lines:
            key = (record.name,)
        if key in self._lines:
            self._lines[key].count += 1
            return True
        self._lines[key] = _Repeated(record.name, key[1] if len(key) > 1 else "", self._clock())
        return False

    def ended(self) -> list[_Repeated]:
        """Drop the lines whose window is over, and return those that were repeated."""
        before = self._clock() - _WINDOW
        ended = [key for key, line in self._lines.items() if line.since <= before]
        return [line for key in ended if (line := self._lines.pop(key)).count]


def _key(record: logging.LogRecord) -> tuple[str, ...] | None:
    """Return what all repeats of a line have in common, or None for a line that is never limited."""
    if isinstance(record.msg, dict):  # our own: limited only with an exception
        if "exception" not in record.msg:
            return None
        error = _last_line(record.msg["exception"]).partition(":")[0]
        return record.name, str(record.msg["msg"]), str(record.msg.get("job")), error
    # asyncio logs without a template and puts details into further lines; the template of warnings is "%s".
    template = str(record.msg)
    text = template if record.args and template != "%s" else record.getMessage()
    error = str(record.exc_info[0]) if record.exc_info else ""
    return record.name, _NUMBERS.sub("#", text.partition("\n")[0]), error


def _last_line(traceback: object) -> str:
    return str(traceback).rstrip().rpartition("\n")[2]


def _says_out_of_memory(record: logging.LogRecord) -> bool:
    if isinstance(record.msg, dict):  # our own: the exception is text by now
        return says_out_of_memory(_last_line(record.msg.get("exception", "")))
    return record.exc_info is not None and is_out_of_memory(record.exc_info[1])


class _Handler(logging.StreamHandler[TextIO]):
    """Writes lines that are not repeated."""

    def __init__(self, stream: TextIO, repeats: _RepeatCounter, out_of_memory: Callable[[], None]) -> None:
        super().__init__(stream)
        self._repeats = repeats
        self._out_of_memory = out_of_memory

    def emit(self, record: logging.LogRecord) -> None:
        log = structlog.get_logger("exporter.logs")
        for line in self._repeats.ended():
            log.warning("log line repeated", of=line.logger, line=line.line, count=line.count)
        if not self._repeats.is_repeated(record):
            super().emit(record)
        if _says_out_of_memory(record):
            self._out_of_memory()

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 -- the name of the standard library
        """Handle an exception that was raised while a line was rendered."""
        if is_out_of_memory(sys.exception()):
            self._out_of_memory()
        super().handleError(record)
