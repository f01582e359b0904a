"""Reads the values of flags. Each raises ArgumentTypeError with what would have been right."""

import argparse
import math
from collections.abc import Callable

_HIGHEST_PORT = 65535


def address(text: str) -> tuple[str, int]:
    """Read HOST:PORT, with an IPv6 host in brackets."""
    host, colon, port = text.rpartition(":")
    if not colon or not port.isdecimal() or int(port) > _HIGHEST_PORT:
        raise argparse.ArgumentTypeError(f"{text!r} is not HOST:PORT, as in 127.0.0.1:10391")
    return host.removeprefix("[").removesuffix("]"), int(port)


def at_least_0(text: str) -> int:
    """Read a whole number from 0 up."""
    return _whole(text, 0)


def at_least_1(text: str) -> int:
    """Read a whole number from 1 up."""
    return _whole(text, 1)


def _whole(text: str, least: int) -> int:
    if not (text.isascii() and text.isdecimal() and int(text) >= least):
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from {least} up")
    return int(text)


def seconds(text: str) -> float:
    """Read a number of seconds from 0 up."""
    return _number(text, lambda value: 0 <= value < math.inf, "a number of seconds from 0 up")


def above_0(text: str) -> float:
    """Read a number above 0."""
    return _number(text, lambda value: 0 < value < math.inf, "a number above 0")


def _number(text: str, passes: Callable[[float], bool], wanted: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not passes(value):
        raise argparse.ArgumentTypeError(f"{text!r} is not {wanted}")
    return value
