import io
import json
import logging
import re
import warnings
from collections.abc import Iterator
from datetime import datetime

import pytest
import structlog
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from exporter import logs
from exporter.cli.arguments import LEVELS
from exporter.logs import LogFormat
from exporter.masking import Mask

_SECRET = "s3cr3t/key+1"

# As the readers of logfmt do it: bare values end at a blank; in quoted ones a backslash escapes what follows.
_PAIR = re.compile(r'([^ ="]+)=(?:"((?:[^"\\]|\\.)*)"|([^ "]*))(?: |$)')

_ANY_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)
_FORMATS: list[LogFormat] = ["logfmt", "json"]


@pytest.fixture(autouse=True)
def _logging_as_before() -> Iterator[None]:
    """Leave the logging of the process as it was: the tests of others read it too."""
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
def test_a_line_for_each_event(log_format: LogFormat) -> None:
    """Time, level, logger, message and what was bound, each under its name."""
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
@given(message=_ANY_TEXT, value=_ANY_TEXT)
def test_nothing_breaks_a_line(log_format: LogFormat, message: str, value: str) -> None:
    """Whatever a switch sends: one event is one line, which can be read, and steers no terminal."""
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


def test_logfmt_keeps_a_windows_path() -> None:
    """A backslash at the end of a value does not swallow the quote, and with it the rest of the line."""
    stream = _configured("logfmt")

    _logger().info("x", detail="in C:\\", after="it")

    (line,) = _read("logfmt", stream)
    assert (line["detail"], line["after"]) == ("in C:\\", "it")


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

    assert len(_read(log_format, stream)) == 5
    assert _SECRET not in stream.getvalue()
    assert "s3cr3t" not in stream.getvalue()
    assert stream.getvalue().count("***") >= 8
    assert stream.getvalue().count("Traceback") == 2


@pytest.mark.parametrize("log_format", _FORMATS)
def test_libraries_write_the_same_lines(log_format: LogFormat) -> None:
    """A line of a library has the same names, with its own logger."""
    stream = _configured(log_format)

    logging.getLogger("aiohttp.client").warning("something %s", "odd")

    (line,) = _read(log_format, stream)
    assert (line["level"], line["logger"], line["msg"]) == ("warning", "aiohttp.client", "something odd")


@pytest.mark.parametrize(("level", "lines"), [("debug", 4), ("info", 3), ("warning", 2), ("error", 1)])
def test_levels(level: str, lines: int) -> None:
    """Only what is as grave as was asked for, or graver, is written."""
    stream = _configured("logfmt", level)

    for name in LEVELS:
        getattr(_logger(), name)("x")
        getattr(logging.getLogger("asyncio"), name)("from a library, at debug level without use")

    own = [line for line in _read("logfmt", stream) if line["logger"] == "exporter.test"]
    assert len(own) == lines


def test_configuring_twice_does_not_write_twice() -> None:
    """The second call replaces the first."""
    first = _configured("logfmt")
    second = _configured("json")

    _logger().info("x")

    assert first.getvalue() == ""
    assert len(_read("json", second)) == 1
