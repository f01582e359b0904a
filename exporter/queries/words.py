"""The words for the registration states of phones and trunks."""

import re
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Annotated

from pydantic import AfterValidator

from exporter.errors import shown
from exporter.fields import ExactText, Form
from exporter.model import Registration

Words = Mapping[Registration, tuple[str, ...]]
"""A switch's own words for each state, in addition to the tables."""


def _one_state_each(words: Mapping[Registration, tuple[str, ...]]) -> Mapping[Registration, tuple[str, ...]]:
    times = Counter(word.casefold() for spellings in words.values() for word in spellings)
    twice = [shown(word) for word, count in times.items() if count > 1]
    if twice:
        raise ValueError(f"duplicate word {', '.join(twice)}; list each word under one state")
    return words


StateWords = Annotated[
    dict[Registration, tuple[ExactText, ...]],
    AfterValidator(_one_state_each),
    Form("mapping of state to words"),
]
"""``Words`` as a key of the configuration."""

Table = tuple[tuple[str, Registration, str], ...]
"""Words, the state that each means, and its source."""

_REGISTERED = Registration.REGISTERED
_UNREGISTERED = Registration.UNREGISTERED
_UNKNOWN = Registration.UNKNOWN

# A phone that can ring or talk is registered. So is a phone with a contact, because Asterisk keeps a contact
# only while its registration is valid. Sources:
#   seen        in a response of a switch (wire notes 2026-10)
#   documented  by Asterisk, which the vendor's switch runs on, or in the vendor's manual
#   inferred    plain English with the same meaning; ``words`` in the configuration overrides it
# "KO" is left out: it was also seen when a request failed, and only the text beside it tells them apart.
# So are "1" and "0": Asterisk has two numberings. In one, 0 is "unknown"; in the other, it is "idle".
WORDS: Table = (
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
    # The same states in readable form
    ("Not in use", _REGISTERED, "documented"),
    ("In use", _REGISTERED, "documented"),
    ("Ring+Inuse", _REGISTERED, "documented"),
    ("On hold", _REGISTERED, "documented"),
    # Status of SIP peers, followed by the round trip: "OK (10 ms)"
    ("OK", _REGISTERED, "seen"),
    ("LAGGED", _REGISTERED, "documented"),
    ("UNREACHABLE", _UNREGISTERED, "documented"),
    ("UNMONITORED", _UNKNOWN, "documented"),
    # Status of PJSIP contacts, short and long. It is unknown whether this switch returns them. Asterisk
    # reports a device as available if its contact is not qualified (pinged).
    ("Avail", _REGISTERED, "documented"),
    ("Reachable", _REGISTERED, "documented"),
    ("Unavail", _UNREGISTERED, "documented"),
    ("NonQual", _REGISTERED, "documented"),
    ("NonQualified", _REGISTERED, "documented"),
    ("Created", _REGISTERED, "documented"),
    ("Removed", _UNREGISTERED, "documented"),
    # Sentences and plain words
    ("Extension not registered", _UNREGISTERED, "seen"),
    ("Registered", _REGISTERED, "inferred"),
    ("Not registered", _UNREGISTERED, "inferred"),
    ("Unregistered", _UNREGISTERED, "inferred"),
    ("Extension registered", _REGISTERED, "inferred"),
    ("Online", _REGISTERED, "inferred"),
    ("Offline", _UNREGISTERED, "inferred"),
    ("Not reachable", _UNREGISTERED, "inferred"),
)

# States of `sip show registry`, `iax2 show registry` and `pjsip show registrations`, for trunks only:
# "Timeout" or "Failed" in a response about a phone may describe the request. A trunk whose provider does not
# respond is in the state "Request Sent" nearly all the time, so this state counts as unregistered.
TRUNK_WORDS: Table = (
    ("Registered", _REGISTERED, "documented (Asterisk)"),
    ("Unregistered", _UNREGISTERED, "documented (Asterisk)"),
    ("Request Sent", _UNREGISTERED, "documented (Asterisk)"),
    ("Auth. Sent", _UNREGISTERED, "documented (Asterisk)"),
    ("Rejected", _UNREGISTERED, "documented (Asterisk)"),
    ("Timeout", _UNREGISTERED, "documented (Asterisk)"),
    ("No Authentication", _UNREGISTERED, "documented (Asterisk)"),
    ("Failed", _UNREGISTERED, "documented (Asterisk)"),
    ("Stopped", _UNREGISTERED, "documented (Asterisk)"),
)

_ROUND_TRIP = re.compile(r"\(\s*[0-9]+\s*ms\s*\)\Z", re.IGNORECASE)


def plain(word: str) -> str:
    """Return a normalized word: lower case, spaces for ``_``, no trailing round trip."""
    return " ".join(_ROUND_TRIP.sub("", word.strip()).casefold().replace("_", " ").split())


def _by_word(table: Table) -> Mapping[str, Registration]:
    return {plain(word): state for word, state, _ in table}


_STATES = _by_word(WORDS)


def lookup(words: Words, more: Table = ()) -> Callable[[str], Registration | None]:
    """Return a function that maps a word to its state, or to None if the word is unknown.

    ``words`` overrides ``more``, which overrides ``WORDS``. Case, ``_`` for a space and a trailing round trip
    (``(10 ms)``) are ignored.
    """
    states = _STATES
    if words or more:
        own = {plain(word): state for state, spellings in words.items() for word in spellings}
        states = {**_STATES, **_by_word(more), **own}
    return lambda word: states.get(plain(word))


def state_of(state_of_word: Callable[[str], Registration | None], word: str | None) -> Registration:
    """Return the state of a row; unknown if its word is missing or unknown."""
    return (state_of_word(word) if word is not None else None) or Registration.UNKNOWN
