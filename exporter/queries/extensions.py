"""The extensions of a tenant: INFO extensions (seen as JSON and as a table, wire notes 2026-10)."""

import re
from collections.abc import Callable, Mapping, Sequence

from exporter.decode.columns import Column, Layout
from exporter.decode.records import REPEATED, interning, name_of, read_rows, text_of
from exporter.decode.text import Windows
from exporter.fields import Interval, Section
from exporter.model import Extension, Extensions, Failure, Query, Registration
from exporter.queries.spec import Endpoint, QuerySpec, every
from exporter.request import Operation

NOTE = "a list of about 3.4 kB per extension"

MOST_EXTENSIONS = 25_000
"""Per tenant. The body limit of 64 MiB holds 19,700 records of the size that was seen (3.4 kB)."""

_NUMBER = Column("ex_number", "Number")
_STATE = Column("st_state", "State")
_LAYOUT = Layout("the list of extensions", (_NUMBER, _STATE), key=_NUMBER, most=MOST_EXTENSIONS)

Words = Mapping[Registration, tuple[str, ...]]
"""A switch's own words for each state, in addition to ``WORDS``."""

_REGISTERED = Registration.REGISTERED
_UNREGISTERED = Registration.UNREGISTERED
_UNKNOWN = Registration.UNKNOWN

# A phone that can ring or talk is registered. Sources:
#   seen        in a response of a switch (wire notes 2026-10)
#   documented  by Asterisk, which the vendor's switch runs on, or in the vendor's manual
#   inferred    plain English with the same meaning; ``words`` in the configuration overrides it
# "KO" is left out: it was also seen when a request failed, and only the text beside it shows which.
# So are "1" and "0": Asterisk has two numberings, in which 0 is "unknown" or "idle".
WORDS: tuple[tuple[str, Registration, str], ...] = (
    # Device states of Asterisk
    ("NOT_INUSE", _REGISTERED, "seen"),
    ("INUSE", _REGISTERED, "documented"),
    ("BUSY", _REGISTERED, "documented"),
    ("RINGING", _REGISTERED, "documented"),
    ("RINGINUSE", _REGISTERED, "documented"),
    ("ONHOLD", _REGISTERED, "documented"),
    ("UNAVAILABLE", _UNREGISTERED, "seen"),
    ("UNKNOWN", _UNKNOWN, "documented"),
    ("INVALID", _UNKNOWN, "documented"),
    # The same, spelled out for people
    ("Not in use", _REGISTERED, "documented"),
    ("In use", _REGISTERED, "documented"),
    ("Ring+Inuse", _REGISTERED, "documented"),
    ("On hold", _REGISTERED, "documented"),
    # Status of SIP peers, followed by the round trip: "OK (10 ms)"
    ("OK", _REGISTERED, "seen"),
    ("LAGGED", _REGISTERED, "documented"),
    ("UNREACHABLE", _UNREGISTERED, "documented"),
    ("UNMONITORED", _UNKNOWN, "documented"),
    # Sentences and plain words
    ("Extension not registered", _UNREGISTERED, "seen"),
    ("Registered", _REGISTERED, "inferred"),
    ("Not registered", _UNREGISTERED, "inferred"),
    ("Unregistered", _UNREGISTERED, "inferred"),
    ("Extension registered", _REGISTERED, "inferred"),
    ("Online", _REGISTERED, "inferred"),
    ("Offline", _UNREGISTERED, "inferred"),
    ("Reachable", _REGISTERED, "inferred"),
    ("Not reachable", _UNREGISTERED, "inferred"),
)

_ROUND_TRIP = re.compile(r"\(\s*[0-9]+\s*ms\s*\)\Z", re.IGNORECASE)


def _plain(word: str) -> str:
    return " ".join(_ROUND_TRIP.sub("", word.strip()).casefold().replace("_", " ").split())


_TABLE = {_plain(word): state for word, state, _ in WORDS}


def lookup(words: Words) -> Callable[[str], Registration | None]:
    """Return a function from a word to the state that it means, None if the word is unknown.

    ``words`` extend and override the table. Case, ``_`` for a space and a trailing round trip (``(10 ms)``)
    are ignored.
    """
    table = _TABLE
    if words:
        table = _TABLE | {_plain(word): state for state, own in words.items() for word in own}
    return lambda word: table.get(_plain(word))


def state_of(state_of_word: Callable[[str], Registration | None], word: str | None) -> Registration:
    """Return the state of a row; unknown if it has no word, or an unknown one."""
    return (state_of_word(word) if word is not None else None) or Registration.UNKNOWN


class ExtensionsQuery(Section):
    """Per tenant only."""

    tenant_interval: Interval = every(
        "6h", "How often to request the list of extensions of tenants with `extensions: all`.", example="1d"
    )


def read_extensions(windows: Windows, words: Words) -> Extensions | Failure:
    """Read the number and the state of each extension. ``words`` come from the configuration.

    An extension is unknown if its state is unreadable, if its word is unknown, or if it is listed twice with
    different states.
    """
    known, once = lookup(words), interning()
    extensions: dict[str, Extension] = {}

    def take(cells: Sequence[object]) -> Column | None:
        number, word = name_of(cells[0]), text_of(cells[1])
        if number is None:
            return _NUMBER
        row = Extension(number, state_of(known, word), once(word))
        before = extensions.setdefault(number, row)
        if before is not row:
            if before.state is not row.state:
                extensions[number] = Extension(number, Registration.UNKNOWN, "")
            return REPEATED
        return None if word is not None else _STATE

    skipped = read_rows(windows, _LAYOUT, take)
    if isinstance(skipped, Failure):
        return skipped
    return Extensions(tuple(extensions.values()), skipped=skipped)


SPEC = QuerySpec(
    query=Query.EXTENSIONS,
    summary="Extension discovery (INFO extensions).",
    section=ExtensionsQuery,
    tenant=Endpoint(
        operation=Operation.EXTENSIONS,
        rows=lambda windows, _: read_extensions(windows, {}),
        fills=None,
        note=NOTE,
    ),
    start=0.92,
    finds=True,
    series=0,
    unused="no tenant has `extensions: all`, or `source` already returns the list",
)
