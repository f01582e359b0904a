"""JSON as switches send it, read strictly where a lax reading would invent a value."""

import json
from collections import Counter
from collections.abc import Collection

from exporter.model import Failure, Reason

Record = dict[str, object]

UNREADABLE = object()
"""Stands for a value that says nothing: NaN, an infinity, or a name that is twice in one object."""


def _one_record(pairs: list[tuple[str, object]]) -> Record:
    record = dict(pairs)
    if len(record) != len(pairs):
        times = Counter(name for name, _ in pairs)
        record |= {name: UNREADABLE for name, often in times.items() if often > 1}
    return record


def record_decoder(required: Collection[str] = (), optional: Collection[str] = ()) -> json.JSONDecoder:
    """Return a decoder. With ``required``, an object keeps only those columns and ``optional``.

    The rest is dropped while reading, so that the credentials of a list are never held longer than its body.
    What cannot be a value is ``UNREADABLE``, which costs that value and not the document. Control characters
    in texts are read as they are, for the same reason.
    """
    kept = (*required, *optional)

    def few_columns(pairs: list[tuple[str, object]]) -> Record:
        record = _one_record(pairs)
        return {name: record[name] for name in kept if name in record}

    return json.JSONDecoder(
        object_pairs_hook=few_columns if required else _one_record,
        parse_constant=lambda _: UNREADABLE,
        strict=False,
    )


_STRICT = record_decoder()


def parse(text: str, decoder: json.JSONDecoder = _STRICT) -> object:
    """Return the JSON value of a text, or a Failure that quotes nothing of it."""
    try:
        value: object = decoder.decode(text)
    except json.JSONDecodeError as error:
        why = f"goes wrong or breaks off after character {error.pos:,} of {len(text):,}"
    except RecursionError:
        why = "is nested too deeply"
    except ValueError:  # Python's limit of digits
        why = "holds a number with too many digits"
    else:
        return value
    return Failure(Reason.DECODE, f"the JSON of the answer {why}")


def parse_record(text: str) -> Record | Failure:
    """Return the JSON object of a text, also where it stands alone in a list."""
    value = parse(text)
    if isinstance(value, list) and len(value) == 1:
        (value,) = value
    if isinstance(value, dict | Failure):
        return value
    return Failure(Reason.DECODE, "a JSON object was due, and another kind of JSON came")


def unwrapped(text: str) -> str:
    """Return what a JSON string says, and any other text as it is."""
    if not text.startswith('"'):
        return text
    value = parse(text)
    return value.strip() if isinstance(value, str) else text
