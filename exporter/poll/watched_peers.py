"""Stores the watched peers of one switch and of its tenants."""

from functools import partial

from exporter.model import Answer, Failure, Peers, Reason
from exporter.poll.context import SwitchContext
from exporter.poll.recorder import Recorder
from exporter.poll.requests import Item
from exporter.queries.watched_peers import watched

_NAMED = 5
"""Peers named in a failure."""


class WatchedPeersIngester:
    """Stores the watched peers of one switch and of its tenants."""

    def __init__(self, context: SwitchContext, recorder: Recorder) -> None:
        self._context = context
        self._recorder = recorder

    async def ingest(self, item: Item, outcome: Answer | Failure) -> None:
        """Store the outcome of a request for a list of peers.

        A watched peer that is not in the list is a failure.
        """
        target, failure = item.target, outcome if isinstance(outcome, Failure) else None
        if isinstance(outcome, Peers):
            failure = await self._ingest_list(item, outcome)
            if failure:
                self._recorder.count_failure(target, failure)
        if self._context.targets.is_polled(target):  # a reload may have removed it meanwhile
            self._recorder.record(target, failure)

    async def _ingest_list(self, item: Item, listed: Peers) -> Failure | None:
        target, targets = item.target, self._context.targets
        if not listed.rows:
            self._recorder.count_empty(target)
            return Failure(Reason.EMPTY, "the list is empty; known states stay until they are stale")
        of = targets.tenants[target.tenant] if target.tenant else self._context.configuration
        values, missing = await self._context.decode_in_thread(partial(watched, listed, of.watch_peers))
        if targets.is_polled(target):
            self._recorder.put(target, values)
        return not_listed(missing, len(of.watch_peers)) if missing else None


def not_listed(missing: tuple[str, ...], watched: int) -> Failure:
    """Return the failure that names the watched peers that are not in the list."""
    more = f" and {len(missing) - _NAMED} more" if len(missing) > _NAMED else ""
    names = ", ".join(missing[:_NAMED])
    return Failure(
        Reason.DECODE, f"{len(missing)} of {watched} watched peers are not in the list: {names}{more}"
    )
