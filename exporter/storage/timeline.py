"""What changed in the last 24 hours: a bounded list for people, newest last. Pure.

Similar changes within a minute become one entry with a count. Otherwise, 5,000 tenants that disappear at
once, or lose their trunks one after another, would hide what happened before. The time of an entry is the
wall-clock time when it happened, as in the log. Its age is measured with the clock since boot, so that a step
of the wall clock does not drop entries.
"""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import islice
from typing import Any

from exporter.clock import Clock
from exporter.storage.values import INVALID, moment, number, showable, text, wall

KEPT_FOR = 24 * 3600.0
MOST = 2_000
"""How many entries the timeline keeps at most."""
LISTED = 500
"""How many entries ``/api/v1/status`` shows at most."""

_GROUPED_FOR = 60.0
"""Seconds within which similar changes extend an entry."""
_LOOKED_AT = 20
"""How many of the newest entries are searched for one to extend."""

_NAMED = 5
"""How many names an entry has at most. The others are only counted."""

_LONGEST = 500
"""Maximum length, in characters, of each name and of the words before the names. The rest is cut off."""

_FUTURE = 1e10
Json = dict[str, Any]


class Kind(StrEnum):
    """What happened. The part before the first underscore is the subject."""

    ALERT_FIRING = "alert_firing"
    ALERT_RESOLVED = "alert_resolved"
    EXPORTER_ACTIVE = "exporter_active"
    EXPORTER_STANDBY = "exporter_standby"
    EXPORTER_STARTED = "exporter_started"
    EXPORTER_STOPPED = "exporter_stopped"
    NODE_NEW = "node_new"
    NODE_MISSING = "node_missing"
    NODE_BACK = "node_back"
    RELOAD_SUCCEEDED = "reload_succeeded"
    RELOAD_FAILED = "reload_failed"
    TENANT_NEW = "tenant_new"
    TENANT_GONE = "tenant_gone"
    TRUNK_NEW = "trunk_new"
    TRUNK_DOWN = "trunk_down"
    TRUNK_UP = "trunk_up"
    TRUNK_GONE = "trunk_gone"

    @property
    def subject(self) -> str:
        """The part of the name before the underscore, such as ``trunk``."""
        return self.value.partition("_")[0]


@dataclass(slots=True, eq=False)
class Entry:
    """One entry: ``what`` happened to ``count`` things. ``names`` has the first few of them.

    ``time``: wall-clock time; ``at``: seconds since boot. ``switch``: "" if the entry is about the exporter.
    """

    time: float
    at: float
    kind: Kind
    switch: str
    what: str
    names: tuple[str, ...] = ()
    count: int = 0

    @property
    def text(self) -> str:
        """The text for people, such as ``node missing: pbx2``."""
        if not self.names:
            return self.what
        more = self.count - len(self.names)
        names = "; ".join(self.names)
        return f"{self.what}: {names}" + (f" and {more:,} more" if more > 0 else "")


class Timeline:
    """The newest entries. ``mask`` removes secrets from every text.

    ``version`` increases with each change.
    """

    def __init__(self, clock: Clock, mask: Callable[[str], str] = str) -> None:
        self.version = 0
        self._since_boot = clock.since_boot()
        self._clock = clock
        self._mask = mask
        self._entries: deque[Entry] = deque(maxlen=MOST)

    def add(
        self, kind: Kind, what: str, *, switch: str = "", names: Sequence[str] = (), count: int | None = None
    ) -> None:
        """Add an entry, or extend a similar one.

        ``count``: how many there are in total; give it if ``names`` contains only the first ones.
        """
        count = len(names) if count is None else count
        known = tuple(self._clean(name) for name in names[:_NAMED])
        what = self._clean(what)
        self.version += 1
        similar = self._similar(kind, switch, what, known) if names else None
        if similar is not None:
            # If the exporter was killed, a change in the restored timeline may be reported again.
            more = [name for name in known if name not in similar.names]
            similar.names = (*similar.names, *more)[:_NAMED]
            similar.count += count - (len(known) - len(more))
            return
        now = self._clock.since_boot()
        self._drop_old(now)
        self._entries.append(Entry(self._clock.wall(), now, kind, switch, what, known, count))

    def newest(self, most: int = LISTED) -> list[Json]:
        """Return the newest entries as JSON, newest first."""
        self._drop_old(self._clock.since_boot())
        now = self._clock.wall()
        return [
            {
                "time_seconds": round(min(entry.time, now), 3),  # the clock may have been set back
                "kind": entry.kind.value,
                "switch": entry.switch or None,
                "text": entry.text,
            }
            for entry in islice(reversed(self._entries), most)
        ]

    def last(self, *kinds: Kind) -> Entry | None:
        """Return the newest entry of these kinds."""
        return next((entry for entry in reversed(self._entries) if entry.kind in kinds), None)

    @property
    def since(self) -> float:
        """The wall-clock time since which the timeline is complete.

        Measured with the clock since boot: a step of the wall clock adds no complete hours.
        """
        now = self._clock.since_boot()
        oldest = self._entries[0].at if len(self._entries) == MOST else self._since_boot
        return max(0.0, self._clock.wall() - min(now - max(self._since_boot, oldest), KEPT_FOR))

    def rows(self) -> Iterator[list[Any]]:
        """Yield the entries to write to the file, oldest first."""
        now = self._clock.since_boot()
        for entry in list(self._entries):
            age = round(max(0.0, now - entry.at), 3)
            yield [entry.time, age, entry.kind, entry.switch, entry.what, entry.names, entry.count]

    def restore(self, rows: Sequence[Any], elapsed: float, *, complete_for: float) -> int:
        """Add the entries of a file that was written ``elapsed`` seconds ago; return how many are invalid.

        ``complete_for``: the seconds since which the timeline is complete.
        """
        now, invalid = self._clock.since_boot(), max(0, len(rows) - MOST)
        kept = {_identity(entry): entry for entry in self._entries}
        self._entries.clear()
        for row in rows[-MOST:]:
            try:
                entry = _entry(row, now - elapsed)
            except INVALID:
                invalid += 1
                continue
            self._entries.append(entry)
            kept.pop(_identity(entry), None)  # an exporter that polls again reads what it wrote before
        self._entries = deque(
            sorted([*self._entries, *kept.values()], key=lambda entry: entry.at), maxlen=MOST
        )
        self._since_boot = min(self._since_boot, now - complete_for)
        self._drop_old(now)
        self.version += 1
        return invalid

    def _similar(self, kind: Kind, switch: str, what: str, names: Sequence[str]) -> Entry | None:
        """Return an entry to extend, unless one of the same things has changed differently since."""
        oldest = self._clock.since_boot() - _GROUPED_FOR
        for entry in islice(reversed(self._entries), _LOOKED_AT):
            if entry.at < oldest:
                return None
            if (entry.kind, entry.switch, entry.what) == (kind, switch, what):
                return entry
            if entry.switch == switch and entry.kind.subject == kind.subject and {*names} & {*entry.names}:
                return None
        return None

    def _drop_old(self, now: float) -> None:
        while self._entries and now - self._entries[0].at > KEPT_FOR:
            self._entries.popleft()

    def _clean(self, written: str) -> str:
        masked = showable(self._mask(written))
        return masked if len(masked) <= _LONGEST else f"{masked[:_LONGEST]}…"


def _identity(entry: Entry) -> tuple[object, ...]:
    return entry.time, entry.kind, entry.switch, entry.what


def _entry(row: Any, written: float) -> Entry:  # noqa: ANN401 -- JSON
    """Return an entry of a file. Raises one of ``INVALID``."""
    time, age, kind, switch, what, names, count = row
    texts = tuple(text(name)[: _LONGEST + 1] for name in list(names)[:_NAMED])
    at = written - moment(age)
    return Entry(
        wall(time), at, Kind(kind), text(switch)[:_LONGEST], text(what)[: _LONGEST + 1], texts, _count(count)
    )


def _count(value: object) -> int:
    found = number(value)
    if not 0 <= found <= _FUTURE:
        raise ValueError("expected a count")
    return int(found)
