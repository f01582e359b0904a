"""Sends one request of a sweep, and hands on what came back."""

import math
from collections.abc import Awaitable, Callable
from functools import lru_cache, partial

import structlog

from exporter.client import Client
from exporter.clock import Clock
from exporter.config import SwitchConfiguration
from exporter.masking import Mask
from exporter.metrics.self_metrics import Instruments
from exporter.model import Answer, Failure, Reason, SkipReason, Target
from exporter.poll.answers import Answers
from exporter.poll.courtesy import Courtesy
from exporter.poll.options import all_options
from exporter.poll.reading import is_blank, read, shown
from exporter.poll.refusals import KeyRecord
from exporter.poll.requests import Item
from exporter.poll.targets import Targets
from exporter.store import Store
from exporter.threads import ThreadLimit

_READ_ON_THE_LOOP = 256 * 1024
"""Bytes. Decoding 6.6 MiB of JSON blocked the event loop for 70 ms: what is larger goes to a thread."""


class Asker:
    """Asks one switch through ``client``, and reads its answers with ``options``; both may be exchanged.

    ``probing`` is the one request that goes out although the breaker is open. ``answers`` holds what came
    instead of values. ``decoding`` reads large answers, one at a time. ``hand_on`` is given each outcome,
    with the key that the request was sent with.
    """

    def __init__(  # noqa: PLR0913, PLR0917 -- the parts that one request has to do with
        self,
        configuration: SwitchConfiguration,
        client: Client,
        targets: Targets,
        courtesy: Courtesy,
        store: Store,
        instruments: Instruments,
        mask: Mask,
        clock: Clock,
        *,
        hand_on: Callable[[Item, Answer | Failure, KeyRecord], Awaitable[None]],
    ) -> None:
        self.options = all_options(configuration)
        self.client = client
        self.probing: Item | None = None
        self.answers = Answers()
        self.decoding = ThreadLimit("decode", 1)
        self._targets = targets
        self._courtesy = courtesy
        self._store = store
        self._instruments = instruments
        self._mask = mask
        self._clock = clock
        self._hand_on = hand_on
        self._log = structlog.get_logger("exporter.poll").bind(switch=configuration.name)

    def skipped(self, target: Target, reason: SkipReason) -> None:
        """Count a request that is not sent."""
        self._instruments.targets_skipped.labels(self._store.switch, target.query, target.scope, reason).inc()

    async def ask(self, item: Item) -> None:
        """Send a request, unless something has come to speak against it while it waited for its slot."""
        target = item.target
        if not self._targets.is_polled(target):
            return  # it left
        record = self._courtesy.key(target)
        started = self._clock.elapsed()
        reason = None if item is self.probing else self._courtesy.admit(record, started)
        if reason is not None:
            self.skipped(target, reason)
            self._courtesy.left_out(target, started, self._targets.pace(target))
            return
        client = self.client
        try:
            outcome = await self._outcome(item, record.key)
        except Exception:  # noqa: BLE001 -- a defect of ours must not end the polling of this target
            self._log.exception("request failed in a way that should not happen", query=target.query.value)
            outcome = Failure(Reason.DECODE, "the exporter failed on this answer; its log says where")
        if client.url != self.client.url:
            return  # a reload has put another switch in the place of the one that answers here
        ended = self._clock.elapsed()
        self._store.note_attempt(valid=not isinstance(outcome, Failure), now=ended)
        interval = self._targets.pace(target)
        if interval == math.inf:
            return  # it left
        self._courtesy.note(
            target,
            outcome if isinstance(outcome, Failure) else None,
            record=record,
            started=started,
            ended=ended,
            interval=interval,
            has_witnesses=self._targets.are_several,
        )
        await self._hand_on(item, outcome, record)

    async def _outcome(self, item: Item, key: str) -> Answer | Failure:
        self._mask.add(key)
        started = self._clock.monotonic()
        mask = lru_cache(maxsize=2)(self._mask)  # what is read and what is shown begin alike
        async with self.client.ask(item.request, key) as body:
            taken = self._clock.monotonic() - started
            self._instruments.request_duration.labels(self._store.switch, item.target.query).observe(taken)
            outcome: Answer | Failure
            if isinstance(body, Failure):
                outcome = body
            else:
                how = item.request.operation, body, self.options[item.target.query], mask
                is_small = len(body) <= _READ_ON_THE_LOOP
                outcome = read(*how) if is_small else await self._elsewhere(partial(read, *how))
            if isinstance(outcome, Failure) and not isinstance(body, Failure) and not is_blank(body):
                shown_body = shown(item.request.operation, body, mask)
                self.answers.keep(item.target, outcome.reason, shown_body)
            elif not item.part:  # one phone that answers well does not speak for those that do not
                self.answers.forget(item.target)
        return outcome

    async def _elsewhere(self, work: Callable[[], Answer | Failure]) -> Answer | Failure:
        return await self.decoding.run(partial(self.client.bodies.decode, work))
