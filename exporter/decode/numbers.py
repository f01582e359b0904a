"""Single figures: calls, days of licence, credit. And what counts as a number anywhere in an answer."""

import re
import sys
from collections.abc import Callable

from exporter.decode.complaints import speaks_of_trouble, unread
from exporter.decode.excerpts import quoted
from exporter.decode.options import Options
from exporter.model import Failure, Number, Reason
from exporter.patterns import Pattern

TRAILING = "| \t\r\n"
"""What may follow a value: this API likes to end with a ``|`` (wire notes 2026-10)."""

_NUMBER = re.compile(r"-?(?:[0-9]++(?:\.[0-9]++)?|\.[0-9]++)(?:[eE][+-]?[0-9]++)?")
_LONGEST_NUMBER = 400
_LONGEST_WRAPPING = 10_000
"""Characters within which ``pattern`` is searched. A number in words is a sentence, not a book."""

_LARGEST_WHOLE = 2**53
"""Above it a float, which is what every sample is, cannot tell one whole number from the next."""


def number_of(value: object) -> int | float | None:
    """Return the finite number that a JSON value or a text is; None for everything else, booleans too.

    No thousands separators, no decimal comma: ``1,234`` means two different things to two people.
    """
    if isinstance(value, str):
        text = value.strip()
        if len(text) > _LONGEST_NUMBER or not _NUMBER.fullmatch(text):
            return None
        value = int(text) if text.removeprefix("-").isdigit() else float(text)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    # False for NaN and the infinities, and exact for whole numbers beyond any float.
    return value if -sys.float_info.max <= value <= sys.float_info.max else None


def whole_of(value: object) -> int | None:
    """Return the whole number that a JSON value or a text is. 30.0 is whole."""
    number = number_of(value)
    if number is None or abs(number) > _LARGEST_WHOLE or number != int(number):
        return None
    return int(number)


def count_of(value: object) -> int | None:
    """Return the count that a JSON value or a text is: whole, and not below 0."""
    if type(value) is int:  # nearly always, and 50 nodes a tenant have one each
        return value if 0 <= value <= _LARGEST_WHOLE else None
    whole = whole_of(value)
    return whole if whole is not None and whole >= 0 else None


def decode_calls(text: str, options: Options) -> Number | Failure:
    """COUNTCALLS: presumably a bare whole number (inferred; only idle tenants were seen)."""
    return _decode(text, options, count_of, "a number of calls, whole and not below 0,", "calls")


def decode_license_days(text: str, options: Options) -> Number | Failure:
    """LICENSEDAYS: presumably a bare whole number of days, which may be 0 or below (never seen)."""
    return _decode(text, options, whole_of, "a whole number of days", "license")


def decode_balance(text: str, options: Options) -> Number | Failure:
    """INFO balance: a bare decimal number, also with format=json (seen); negative for post-paid tenants."""
    return _decode(text, options, number_of, "an amount of credit", "balance")


def _decode(
    text: str, options: Options, convert: Callable[[object], float | None], due: str, query: str
) -> Number | Failure:
    bare = text.rstrip(TRAILING)
    if number_of(bare) is not None:
        found = bare
    else:
        wrapped = _wrapped(text, options.pattern)
        if wrapped is None:
            hint = f"; if the number is in it, let `queries.{query}.pattern` say where"
            return unread(text, due, hint=hint if any(map(str.isdigit, text[:_LONGEST_WRAPPING])) else "")
        if isinstance(wrapped, Failure):
            return wrapped
        found = wrapped
    value = convert(found)
    if value is None:
        return Failure(Reason.DECODE, f"{due} was due, {quoted(found)} came")
    return Number(float(value))


def _wrapped(text: str, pattern: Pattern | None) -> str | Failure | None:
    if pattern is None or len(text) > _LONGEST_WRAPPING or speaks_of_trouble(text):
        return None
    match pattern.first_two(text):
        case []:
            return None
        case [found]:
            return found
        case _:
            return Failure(Reason.DECODE, f"`pattern` matches more than once in {quoted(text)}; narrow it")
