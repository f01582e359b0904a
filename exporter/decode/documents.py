"""JSON as switches send it, read strictly where a lax reading would invent a value."""

import json
from collections.abc import Collection
from typing import NoReturn

from exporter.model import Failure, Reason

Record = dict[str, object]


def _one_record(pairs: list[tuple[str, object]]) -> Record:
    record = dict(pairs)
    if len(record) != len(pairs):
        raise ValueError("a name twice in one object")
    return record


def _no_number(name: str) -> NoReturn:
    raise ValueError(f"{name}, which is not a number")


def record_decoder(required: Collection[str] = (), optional: Collection[str] = ()) -> json.JSONDecoder:
    """Return a strict decoder. A record that has all ``required`` columns keeps only those and ``optional``.

    The rest is dropped while reading, so that the credentials of a list are never held longer than its body.
    """
    kept = (*required, *optional)

    def few_columns(pairs: list[tuple[str, object]]) -> Record:
        record = _one_record(pairs)
        if not all(name in record for name in required):
            return record
        return {name: record[name] for name in kept if name in record}

    return json.JSONDecoder(
        object_pairs_hook=few_columns if required else _one_record, parse_constant=_no_number
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
    except ValueError as error:  # ours, and Python's limit of digits
        why = f"holds {error}"
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
