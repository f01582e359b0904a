"""No text of a switch makes an expression, or the mask, work out of all proportion to its length."""

import importlib
import pkgutil
import re
import time
from collections.abc import Callable, Iterator
from functools import partial

import pytest

import exporter.alerting
import exporter.decode
import exporter.queries
from exporter.masking import Mask
from exporter.poll.fetch import displayed, read_answer
from exporter.request import Operation
from tests.reading import READERS, decode, endpoint_of, section_of

_SIZE = 16 * 1024

_SMALL = 4

_UNITS = [
    *(" ", "\n", "\t", "\r\n", " \n", "\n" + " " * 40, "=\n", "= \n", "=3D", "&amp;", "&amp;amp;"),
    *("&#x26;", "%25", "%2525", "%", "\\", "\\/", "\\u0041", "\\n", "<", "<>", "<b", ">", "+", ":", ": 1"),
    *("0", "1.", "1|", ",", "}", "} ,", '"', '"a":', '"pin', "pin", "key=", "value=", "('", "word"),
    *("word\n", "word\n    ", "too bad ", "Warning ", "aB3d", "aB3d\n \n", "(", "( ", "1 ms", "[Errno 1"),
    *("(1", "-", "\x1f", "\u0130", "&amp;%25", "%=3D\\/&lt;"),
]
_BEFORE = ["", "word", '"pin"', "1"]
_WHOLE = {"queries.limits._POSITIONAL"}
"""What only whole texts are compared with."""


def _texts(size: int) -> Iterator[str]:
    for before in _BEFORE:
        for unit in _UNITS:
            yield f"{before}{(unit * size)[: size - len(before) - 1]}!"


def _patterns() -> list[tuple[str, re.Pattern[str]]]:
    """Return the expressions that what others send is searched with."""
    names = ["exporter.masking", "exporter.normalized", "exporter.net.errors", "exporter.net.errors"]
    names += ["exporter.logs", "exporter.web.access"]
    for package in (exporter.alerting, exporter.decode, exporter.queries):
        names += [each.name for each in pkgutil.iter_modules(package.__path__, f"{package.__name__}.")]
    found: list[tuple[str, re.Pattern[str]]] = []

    def collect(name: str, value: object) -> None:
        if isinstance(value, re.Pattern):
            found.append((name, value))
        elif isinstance(value, dict):
            collect(name, tuple(value.values()))
        elif isinstance(value, tuple):
            for each in value:
                collect(name, each)

    for name in names:
        for variable, value in vars(importlib.import_module(name)).items():
            collect(f"{name.removeprefix('exporter.')}.{variable}", value)
    return found


def _seconds(work: Callable[[], object]) -> float:
    started = time.thread_time()
    work()
    return time.thread_time() - started


@pytest.mark.parametrize(
    ("name", "pattern"), [pytest.param(name, found, id=name) for name, found in _patterns()]
)
def test_regular_expressions_take_linear_time(name: str, pattern: re.Pattern[str]) -> None:
    """Twice the text takes about twice the time."""

    def work(text: str) -> None:
        if name not in _WHOLE:
            pattern.sub("", text)
        pattern.fullmatch(text)

    for text in _texts(48):
        assert _seconds(partial(work, text)) < 0.5, text
    for long, short in zip(_texts(_SIZE), _texts(_SIZE // _SMALL), strict=True):
        if (taken := _seconds(partial(work, long))) > 0.02:
            less = min(_seconds(partial(work, short)) for _ in range(3))
            taken = min(taken, *(_seconds(partial(work, long)) for _ in range(2)))
            assert taken < 2.5 * _SMALL * less, long[:60]


@pytest.fixture
def mask() -> Mask:
    """Return a mask that knows two keys."""
    mask = Mask()
    mask.add("demo-admin-key-123456")
    mask.add("a key with blanks")
    return mask


def test_the_mask_handles_indented_lines(mask: Mask) -> None:
    """A response of 200 bytes took half a minute."""
    assert _seconds(lambda: mask("word" + ("\n" + " " * 40) * 4 + "!")) < 0.5


def test_the_mask_is_fast_for_any_text(mask: Mask) -> None:
    """The worst 16 KiB are masked within a second on a slow machine."""
    for text in _texts(_SIZE):
        assert _seconds(partial(mask, text)) < 1, text[:60]


@pytest.mark.parametrize("operation", [each for each in Operation if endpoint_of(each).value])
def test_decoders_are_fast_for_any_text(operation: Operation) -> None:
    """The worst 16 KiB are decoded within half a second."""
    for text in _texts(_SIZE):
        body = text.encode()
        assert _seconds(partial(decode, operation, body)) < 0.5, text[:60]


def test_only_the_start_of_a_failed_response_is_masked() -> None:
    """It is 3 KiB and the detail, once."""
    asked: list[int] = []

    def mask(text: str) -> str:
        asked.append(len(text))
        return text

    body = b"x=3D" * 4096
    query, endpoint = READERS[Operation.COUNT_CALLS]
    read_answer(endpoint, section_of(query), body, mask)
    displayed(endpoint, body, mask)
    assert sum(asked) < 7 * 1024


@pytest.mark.parametrize("encoded", ["QWJjZGVmZ2hpSktM", "QWJjZGVmZ2hpSktMTQ"])
def test_truncated_base64_is_masked(encoded: str) -> None:
    """A sequence that ends within a group still contains the bytes before it."""
    mask = Mask()
    mask.add("AbcdefghiJKLM")
    for end in range(11, len(encoded) + 1):
        assert "***" in mask(encoded[:end])
