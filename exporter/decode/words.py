"""From the words of switches to the three states of a registration: one table, read top to bottom."""

import re
from collections.abc import Callable, Mapping

from exporter.model import Registration

Words = Mapping[Registration, tuple[str, ...]]
"""What a switch calls the states, beyond the table."""

_REGISTERED = Registration.REGISTERED
_UNREGISTERED = Registration.UNREGISTERED
_UNKNOWN = Registration.UNKNOWN

# A phone that can ring or talk is registered, whatever it is doing. Sources:
#   seen        in an answer of a switch (wire notes 2026-10)
#   documented  by Asterisk, under the vendor's switch, or in the vendor's manual
#   inferred    plain English of the same meaning; ``words`` in the configuration overrides it
# "KO" is left out: it was seen where a request failed as well, and only the text beside it tells.
# So are "1" and "0": Asterisk has two numberings, and 0 is "unknown" in one and "idle" in the other.
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
    # The same as Asterisk spells them out for people
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
    """Return the function that knows the state a word means, or None for a word that is in no table.

    ``words`` extend and override the table. Case, ``_`` for a blank and a round trip at the end (``(10 ms)``)
    make no difference.
    """
    table = _TABLE
    if words:
        table = _TABLE | {_plain(word): state for state, said in words.items() for word in said}
    return lambda word: table.get(_plain(word))


def state_of(known: Callable[[str], Registration | None], word: str | None) -> Registration:
    """Return the state of a row; one without a word, or with a word that is in no table, is unknown."""
    return (known(word) if word is not None else None) or Registration.UNKNOWN
