"""Which answers there are of one switch, what each said, and how old it is."""

from collections.abc import Callable, Iterator
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import NamedTuple

from exporter.metrics.catalogue import Metric
from exporter.model import Query, Scope, Target

Job = tuple[Query, Scope]
"""What is asked in one sweep, and takes one cycle."""

Source = tuple[Target, str]
"""A target, and the part of it that ages on its own, "" where it ages as a whole."""


class _Kind(NamedTuple):
    job: Job
    interval: float
    metrics: frozenset[Metric]


@dataclass(frozen=True, slots=True)
class _Group:
    """Answers that were asked in the same sweeps, at the same interval, and are about the same families.

    ``times``: when each came, oldest first, so that nothing is looked at while nothing is stale.
    """

    kind: _Kind
    times: dict[Source, float]


class Answers:
    """The newest answer of each source. Times are monotonic seconds."""

    def __init__(self) -> None:
        self._groups: dict[_Kind, _Group] = {}
        self._group_of: dict[Source, _Group] = {}

    def __iter__(self) -> Iterator[Source]:
        return iter(self._group_of)

    def __contains__(self, source: Source) -> bool:
        return source in self._group_of

    def metrics(self, source: Source) -> frozenset[Metric]:
        """Return the families that the answer of a source is about."""
        return self._group_of[source].kind.metrics

    def add(
        self, source: Source, metrics: AbstractSet[Metric], job: Job, interval: float, now: float
    ) -> frozenset[Metric]:
        """Note an answer; return the families that the one before was about, and this one is not."""
        kind = _Kind(job, interval, frozenset(metrics))
        group = before = self._group_of.get(source)
        if group is None or group.kind != kind:
            if group:
                self._leave(group, source)
            group = self._group_of[source] = self._groups.setdefault(kind, _Group(kind, {}))
        group.times.pop(source, None)
        group.times[source] = now
        return before.kind.metrics - kind.metrics if before else frozenset()

    def remove(self, source: Source) -> frozenset[Metric]:
        """Forget an answer; return the families that it was about."""
        group = self._group_of.pop(source)
        self._leave(group, source)
        return group.kind.metrics

    def stale(self, oldest: Callable[[Job, float], float]) -> Iterator[Source]:
        """Return the sources whose answer is older than ``oldest`` says for its job and interval.

        Each has to be removed, or renewed with ``postpone``, before the next one is asked for.
        """
        for group in list(self._groups.values()):
            limit = oldest(group.kind.job, group.kind.interval)
            while group.times:
                source = next(iter(group.times))
                if group.times[source] >= limit:
                    break
                yield source

    def postpone(self, source: Source, now: float) -> None:
        """Let an answer age from now on."""
        times = self._group_of[source].times
        del times[source]
        times[source] = now

    def _leave(self, group: _Group, source: Source) -> None:
        group.times.pop(source, None)
        if not group.times:
            self._groups.pop(group.kind, None)  # intervals change with every plan: empty groups would pile up
