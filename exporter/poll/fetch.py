"""One request: sends it, reads the answer, and keeps any key out of what is reported of a failure."""

import math
from collections.abc import Awaitable, Callable
from functools import lru_cache, partial

import structlog

from exporter.client import Client
from exporter.clock import Clock
from exporter.config import SwitchConfiguration
from exporter.decode import Options, decode, excerpt, is_list
from exporter.masking import Mask
from exporter.metrics.self_metrics import Instruments
from exporter.model import Answer, Body, Content, Failure, Reason, SkipReason, Target
from exporter.poll.key_health import KeyHealth
from exporter.poll.options import all_options
from exporter.poll.planner import Targets
from exporter.poll.request_policy import RequestPolicy
from exporter.poll.requests import Item
from exporter.request import Operation
from exporter.store import Store
from exporter.threads import ThreadLimit

_READ_ON_THE_LOOP = 256 * 1024
"""Bytes. Decoding 6.6 MiB of JSON blocked the event loop for 70 ms: what is larger goes to a thread."""


class Fetcher:
    """Asks one switch through ``client``, and reads its answers with ``options``; both may be exchanged.

    ``probing`` is the one request that goes out although the breaker is open. ``answers`` holds what came
    instead of values. ``decoding`` reads large answers, one at a time. ``on_outcome`` is given each outcome,
    with the key that the request was sent with.
    """

    def __init__(  # noqa: PLR0913, PLR0917 -- the parts that one request has to do with
        self,
        configuration: SwitchConfiguration,
        client: Client,
        targets: Targets,
        policy: RequestPolicy,
        store: Store,
        instruments: Instruments,
        mask: Mask,
        clock: Clock,
        *,
        on_outcome: Callable[[Item, Answer | Failure, KeyHealth], Awaitable[None]],
    ) -> None:
        self.options = all_options(configuration)
        self.client = client
        self.probing: Item | None = None
        self.answers = FailedAnswers()
        self.decoding = ThreadLimit("decode", 1)
        self._targets = targets
        self._policy = policy
        self._store = store
        self._instruments = instruments
        self._mask = mask
        self._clock = clock
        self._on_outcome = on_outcome
        self._log = structlog.get_logger("exporter.poll").bind(switch=configuration.name)

    def skipped(self, target: Target, reason: SkipReason) -> None:
        """Count a request that is not sent."""
        self._instruments.targets_skipped.labels(self._store.switch, target.query, target.scope, reason).inc()

    async def ask(self, item: Item) -> None:
        """Send a request, unless something has come to speak against it while it waited for its slot."""
        target = item.target
        if not self._targets.is_polled(target):
            return  # it left
        health = self._policy.key_health(target)
        started = self._clock.elapsed()
        reason = None if item is self.probing else self._policy.admit(health, started)
        if reason is not None:
            self.skipped(target, reason)
            self._policy.record_skip(target, started, self._targets.planned_interval(target))
            return
        client = self.client
        try:
            outcome = await self._outcome(item, health.key)
        except Exception:  # noqa: BLE001 -- a defect of ours must not end the polling of this target
            self._log.exception("request failed in a way that should not happen", query=target.query.value)
            outcome = Failure(Reason.DECODE, "the exporter failed on this answer; its log says where")
        if client.url != self.client.url:
            return  # a reload has put another switch in the place of the one that answers here
        ended = self._clock.elapsed()
        self._store.note_attempt(valid=not isinstance(outcome, Failure), now=ended)
        interval = self._targets.planned_interval(target)
        if interval == math.inf:
            return  # it left
        self._policy.record_outcome(
            target,
            outcome if isinstance(outcome, Failure) else None,
            health=health,
            started=started,
            ended=ended,
            interval=interval,
            other_targets_exist=self._targets.has_several,
        )
        await self._on_outcome(item, outcome, health)

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
                outcome = read_answer(*how) if is_small else await self._elsewhere(partial(read_answer, *how))
            if isinstance(outcome, Failure) and not isinstance(body, Failure) and not is_blank(body):
                shown_body = displayed(item.request.operation, body, mask)
                self.answers.keep(item.target, outcome.reason, shown_body)
            elif not item.part:  # one phone that answers well does not speak for those that do not
                self.answers.forget(item.target)
        return outcome

    async def _elsewhere(self, work: Callable[[], Answer | Failure]) -> Answer | Failure:
        return await self.decoding.run(partial(self.client.bodies.decode, work))


Masking = Callable[[str], str]

_START = 3 * 1024
"""Bytes that are masked, once for each answer: it takes 1 ms, and 4 ms where everything is escaped. That is
more than is shown, so that no key is cut where the shown part ends."""

_READ_TWICE = 16 * 1024
"""Bytes of an answer that is read once more, without keys at its start."""

_QUOTED = 64 * 1024
"""Bytes of an answer of which anything is told but its size."""

_SHOWN = 2048
"""Characters of an answer that are shown at most."""


def read_answer(operation: Operation, body: Content, options: Options, mask: Masking) -> Answer | Failure:
    """Return what a body says. Nothing is raised, and no key that ``mask`` knows is in a failure's detail."""
    charset = body.charset if isinstance(body, Body) else ""
    decoded = decode(operation, body, options, charset)
    if not isinstance(decoded, Failure) or is_list(operation) or decoded.reason is Reason.TOO_LARGE:
        return decoded  # of which nothing is quoted
    if len(body) > _QUOTED:
        return Failure(decoded.reason, f"{len(body):,} bytes came that are no answer to this")
    if len(body) > _READ_TWICE:
        return Failure(decoded.reason, mask(decoded.detail))
    # What a failure quotes may be cut, or cleaned of tags, in the middle of a key: so the mask comes first.
    # It comes last as well, since a quotation may begin further on.
    start = _start(body, mask)
    again = decode(operation, start + body[_START:], options, charset)
    detail = again.detail if isinstance(again, Failure) else "a key stands in the answer"
    return Failure(decoded.reason, detail if len(body) <= _START else mask(detail))


def displayed(operation: Operation, body: Content, mask: Masking) -> str:
    """Return what people may see of an answer: its start, without any key; of a list only size and type."""
    if is_list(operation):
        return excerpt(operation, body, _SHOWN)
    if len(body) > _QUOTED:
        return f"{len(body):,} bytes, too many to be shown"
    text = excerpt(operation, _start(body, mask), _SHOWN)
    return text if len(body) <= _START or text.endswith("…") else f"{text[: _SHOWN - 1]}…"


def is_blank(body: Content) -> bool:
    """Tell whether there is nothing in a body to be shown."""
    return len(body) <= _QUOTED and not body.strip()


def _start(body: Content, mask: Masking) -> bytes:
    return masked(body[:_START], mask)


def masked(body: Content, mask: Masking) -> bytes:
    """Return a body without any key; bytes that are no text stay as they are."""
    return mask(body.decode("utf-8", "surrogateescape")).encode("utf-8", "surrogateescape")


_KEPT = 50
"""Of each switch, with at most 2,048 characters each."""


class FailedAnswers:
    """What a switch answered to targets that failed: the newest of each, and of the newest 50 targets."""

    def __init__(self) -> None:
        self._kept: dict[Target, tuple[Reason, str]] = {}

    def keep(self, target: Target, reason: Reason, text: str) -> None:
        """Keep what may be shown of an answer that failed for this reason; the oldest makes room."""
        self._kept.pop(target, None)
        self._kept[target] = reason, text
        if len(self._kept) > _KEPT:
            del self._kept[next(iter(self._kept))]

    def forget(self, target: Target) -> None:
        """Forget the answer of a target, whose newest request gave a value, or no answer at all."""
        self._kept.pop(target, None)

    def of(self, target: Target, reason: Reason) -> str | None:
        """Return the answer behind a failure, or None where there was none or it had to make room."""
        kept = self._kept.get(target)
        return kept[1] if kept and kept[0] is reason else None
