import io
import json
import logging
import re
import sys
import threading
import types
import warnings
from collections.abc import Iterator
from datetime import datetime

import pytest
import structlog
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from exporter import logs
from exporter.cli.arguments import LEVELS
from exporter.logs import LogFormat
from exporter.masking import Mask

_SECRET = "s3cr3t/key+1"

# As readers of logfmt parse it: a bare value ends at a space; a quoted one has backslash escapes.
_PAIR = re.compile(r'([^ ="]+)=(?:"((?:[^"\\]|\\.)*)"|([^ "]*))(?: |$)')

_ANY_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)
_FORMATS: list[LogFormat] = ["logfmt", "json"]


@pytest.fixture(autouse=True)
def _logging_as_before() -> Iterator[None]:
    """Restore the logging of the process, which other tests read."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    asyncio_level = logging.getLogger("asyncio").level
    yield
    logging.captureWarnings(capture=False)
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.getLogger("asyncio").setLevel(asyncio_level)
    structlog.reset_defaults()


def _configured(log_format: LogFormat, level: str = "debug") -> io.StringIO:
    mask = Mask()
    mask.add(_SECRET)
    stream = io.StringIO(newline="")
    logs.configure(level, log_format, mask, stream)
    return stream


def _logger() -> structlog.stdlib.BoundLogger:
    logger: structlog.stdlib.BoundLogger = structlog.get_logger("exporter.test")
    return logger


def _read_logfmt(line: str) -> dict[str, str]:
    pairs = {}
    position = 0
    while position < len(line):
        match = _PAIR.match(line, position)
        assert match is not None, f"not logfmt from {position}: {line!r}"
        name, quoted, bare = match.groups()
        pairs[name] = (
            bare if quoted is None else re.sub(r"\\(.)", lambda m: {"n": "\n"}.get(m[1], m[1]), quoted)
        )
        position = match.end()
    return pairs


def _read(log_format: LogFormat, stream: io.StringIO) -> list[dict[str, str]]:
    text = stream.getvalue()
    assert text.endswith("\n")
    reader = _read_logfmt if log_format == "logfmt" else json.loads
    return [reader(line) for line in text.split("\n")[:-1]]


@pytest.mark.parametrize("log_format", _FORMATS)
def test_each_event_is_one_line(log_format: LogFormat) -> None:
    """It has the time, level, logger, message and the bound values, each with its name."""
    stream = _configured(log_format)

    _logger().bind(switch="pbx").warning("query failing", tenant="ACME", seconds=1.5, enabled=True)

    (line,) = _read(log_format, stream)
    assert datetime.fromisoformat(line.pop("ts")).utcoffset() is not None
    assert {name: str(value).lower() for name, value in line.items()} == {
        "level": "warning",
        "logger": "exporter.test",
        "msg": "query failing",
        "switch": "pbx",
        "tenant": "acme",
        "seconds": "1.5",
        "enabled": "true",
    }


@pytest.mark.parametrize("log_format", _FORMATS)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@example("x", "in C:\\")
@given(message=_ANY_TEXT, value=_ANY_TEXT)
def test_nothing_breaks_a_line(log_format: LogFormat, message: str, value: str) -> None:
    """Whatever a switch sends, one event is one parseable line without control characters."""
    stream = _configured(log_format)

    _logger().info(message, detail=value, after="it")

    text = stream.getvalue()
    assert text.count("\n") == 1
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]", text)
    (line,) = _read(log_format, stream)
    assert line["after"] == "it"
    if log_format == "json":
        plain = value.translate(
            {code: f"\\x{code:02x}" for code in (*range(10), *range(11, 32), *range(127, 160))}
        )
        assert line["detail"] == plain


@pytest.mark.parametrize("log_format", _FORMATS)
def test_no_secret_in_any_part(log_format: LogFormat) -> None:
    """Message, bound values, nested values, arguments of libraries and tracebacks are all masked."""
    stream = _configured(log_format)

    _logger().bind(url=f"http://pbx/?key={_SECRET}").error(f"key {_SECRET}", nested={"keys": [_SECRET]})
    logging.getLogger("library").warning("asked %s with %r", f"http://pbx/?key={_SECRET}", {"key": _SECRET})
    try:
        int(f"http://pbx/?key={_SECRET}")
    except ValueError:
        _logger().exception("structlog", cause=ValueError(_SECRET))
        logging.getLogger("library").exception("library")
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logging.captureWarnings(capture=True)
        warnings.warn(f"deprecated {_SECRET}", UserWarning, stacklevel=1)

    lines = _read(log_format, stream)
    assert [line["logger"] for line in lines] == ["exporter.test", "library"] * 2 + ["py.warnings"]
    assert _SECRET not in stream.getvalue()
    assert "s3cr3t" not in stream.getvalue()
    assert stream.getvalue().count("***") >= 8
    assert stream.getvalue().count("Traceback") == 2


@pytest.mark.parametrize(("level", "lines"), [("debug", 4), ("info", 3), ("warning", 2), ("error", 1)])
def test_levels(level: str, lines: int) -> None:
    """Only lines of the configured level or above are written."""
    stream = _configured("logfmt", level)

    for name in LEVELS:
        getattr(_logger(), name)("x")
        getattr(logging.getLogger("asyncio"), name)("from a library, at debug level without use")

    own = [line for line in _read("logfmt", stream) if line["logger"] == "exporter.test"]
    assert len(own) == lines


class _Time:
    """A clock that is set by hand."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def now() -> _Time:
    """Return a clock that stands still."""
    return _Time()


def _limited(clock: _Time) -> io.StringIO:
    stream = io.StringIO(newline="")
    logs.configure("debug", "logfmt", Mask(), stream, clock)
    return stream


def _raise(text: str) -> None:
    raise OSError(24, text)


def test_repeated_lines_of_a_library(now: _Time) -> None:
    """Each line of asyncio is logged once a minute, whatever its details, with the number of repeats."""
    stream = _limited(now)
    log = logging.getLogger("asyncio")
    for number in range(1000):
        try:
            _raise("Too many open files")
        except OSError as error:
            text = f"socket.accept() out of system resource\nsocket: <TransportSocket fd={number}>"
            log.log(logging.ERROR, text, exc_info=error)  # as asyncio does it
    log.error("Task exception was never retrieved\nfuture: <Task>")
    now.now += 60
    log.error("Task exception was never retrieved\nfuture: <Task>")
    now.now += 60
    _logger().info("x")

    lines = [(line["logger"], line["msg"].partition("\n")[0]) for line in _read("logfmt", stream)]
    assert lines == [
        ("asyncio", "socket.accept() out of system resource"),
        ("asyncio", "Task exception was never retrieved"),
        ("exporter.logs", "log line repeated"),
        ("asyncio", "Task exception was never retrieved"),
        ("exporter.test", "x"),
    ]
    assert 'of=asyncio line="socket.accept() out of system resource" count=999' in stream.getvalue()


def test_lines_that_differ_in_arguments_or_numbers_are_repeats(now: _Time) -> None:
    """Lines that differ in an address or a number only are repeats; other texts are not."""
    stream = _limited(now)
    log = logging.getLogger("aiohttp.server")
    for number in range(10):
        log.error("Error handling request from %s", f"2001:db8::{number:x}")
        text = f"Fatal error on transport {number}"
        log.error(text)
    log.error("Unclosed connection")
    for text in ("DeprecationWarning: a", "DeprecationWarning: b", "DeprecationWarning: a"):
        logging.getLogger("py.warnings").warning("%s", text)
    assert len(_read("logfmt", stream)) == 5


def test_own_exceptions_are_limited_and_own_lines_are_not(now: _Time) -> None:
    """A job that fails every second is logged once a minute; a failing query is logged for each tenant."""
    stream = _limited(now)
    for number in range(50):
        try:
            _raise(f"number {number}")
        except OSError:
            _logger().exception("job failed", job="pbx peers switch")
        _logger().warning("query failing", tenant=f"T{number}")
    _logger().error("job failed", job="another", exc_info=ValueError("x"))
    assert len(_read("logfmt", stream)) == 1 + 50 + 1


def test_number_of_counted_lines_is_bounded(now: _Time) -> None:
    """Beyond 200 different lines, all lines of one logger share one count."""
    stream = _limited(now)
    for number in range(5000):
        text = f"trouble {'x' * number}"
        logging.getLogger("library").warning(text)
    assert len(_read("logfmt", stream)) == 201
    now.now += 60
    _logger().info("x")
    assert "count=4799" in stream.getvalue()


def test_uncaught_exceptions_are_logged(now: _Time) -> None:
    """An exception of a thread or of a finalizer is one line, with the traceback."""
    hooks = threading.excepthook, sys.unraisablehook
    stream = _limited(now)
    try:
        logs.log_uncaught()
        thread = threading.Thread(target=_raise, args=("in the thread",))
        thread.start()
        thread.join()
        unraisable = types.SimpleNamespace(exc_value=ValueError("in a finalizer"))
        sys.unraisablehook(unraisable)
    finally:
        threading.excepthook, sys.unraisablehook = hooks
    first, second = _read("logfmt", stream)
    assert "in the thread" in first["exception"]
    assert "in a finalizer" in second["exception"]


@pytest.mark.parametrize("error", [MemoryError(), RuntimeError("can't start new thread")])
def test_out_of_memory_is_detected(error: Exception, now: _Time) -> None:
    """It is detected in lines of libraries and our own; other exceptions are ignored."""
    ends: list[int] = []
    logs.configure("debug", "logfmt", Mask(), io.StringIO(), now, lambda: ends.append(1))
    _logger().error("job failed", exc_info=ValueError("x"))
    logging.getLogger("asyncio").error("x", exc_info=ValueError("MemoryError"))
    assert not ends
    _logger().error("job failed", exc_info=error)
    assert len(ends) == 1
    logging.getLogger("asyncio").error("Task exception was never retrieved", exc_info=error)
    assert len(ends) == 2


def test_dropped_lines_are_reported(now: _Time) -> None:
    """One line states their number."""
    stream = _limited(now)
    logs.log_dropped(7)
    (line,) = _read("logfmt", stream)
    assert (line["level"], line["count"]) == ("warning", "7")


def test_configuring_twice_does_not_write_twice() -> None:
    """The second call replaces the first."""
    first = _configured("logfmt")
    second = _configured("json")

    _logger().info("x")

    assert first.getvalue() == ""
    assert len(_read("json", second)) == 1
