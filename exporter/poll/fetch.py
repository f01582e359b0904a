"""One request: sends it, reads the answer, and keeps any key out of what is reported of a failure."""

import math
from collections.abc import Awaitable, Callable
from functools import lru_cache, partial
from typing import Any

from exporter.fields import Section
from exporter.model import Answer, Body, Content, Failure, Query, Reason, Scope, SkipReason, Target
from exporter.poll.context import SwitchContext
from exporter.poll.key_health import KeyHealth
from exporter.poll.limiter import Lane
from exporter.poll.request_policy import RequestPolicy
from exporter.poll.requests import Item
from exporter.queries import QUERIES, Endpoint

_READ_ON_THE_LOOP = 256 * 1024
"""Bytes. Decoding 6.6 MiB of JSON blocked the event loop for 70 ms: what is larger goes to a thread."""

_STRAGGLES_AFTER = 1 / 10
"""Of the timeout: a sweep waits for a target that is still busy for so long, and then skips it."""


class Fetcher:
    """Sends the requests to one switch, as far as ``policy`` allows it.

    ``probing`` is the one request that is sent although the circuit breaker is open. ``answers`` holds what
    came instead of values. ``on_outcome`` is given each outcome, with the key that the request was sent with.
    """

    def __init__(
        self,
        context: SwitchContext,
        policy: RequestPolicy,
        on_outcome: Callable[[Item, Answer | Failure, KeyHealth], Awaitable[None]],
    ) -> None:
        self.probing: Item | None = None
        self.answers = FailedAnswers()
        self._context = context
        self._policy = policy
        self._on_outcome = on_outcome

    @property
    def patience(self) -> float:
        """Seconds after which a sweep waits no longer for a request in flight."""
        return self._context.configuration.timeout * _STRAGGLES_AFTER

    def lane(self, target: Target) -> Lane:
        """Return which slots a request to this target may take."""
        return self._policy.lane(target)

    def skip_reason(self, target: Target, now: float) -> SkipReason | None:
        """Return why a target is left out of this sweep, or None where it may be asked."""
        targets = self._context.targets
        if not targets.is_polled(target):
            return None  # it left during the sweep; `send` sends nothing to it
        if target.scope is Scope.TENANT and self._context.store.drops_tenants:
            is_watched = target.query is Query.REGISTRATIONS and targets.tenants[target.tenant].watch
            if not is_watched:
                return SkipReason.BUDGET  # its values would not be kept
        reason = self._policy.skip_reason(target, now)
        if reason is not None:
            self._policy.record_skip(target, now, targets.planned_interval(target))
        return reason

    def count_skip(self, target: Target, reason: SkipReason) -> None:
        """Count a request that is not sent."""
        skipped = self._context.instruments.targets_skipped
        skipped.labels(self._context.store.switch, target.query, target.scope, reason).inc()

    async def send(self, item: Item) -> None:
        """Send a request, unless the policy forbids it since it began to wait for its slot."""
        context, target = self._context, item.target
        if not context.targets.is_polled(target):
            return  # it left
        health = self._policy.key_health(target)
        started = context.clock.elapsed()
        reason = None if item is self.probing else self._policy.admit(health, started)
        if reason is not None:
            self.count_skip(target, reason)
            self._policy.record_skip(target, started, context.targets.planned_interval(target))
            return
        url = context.client.url
        try:
            outcome = await self.fetch(item, health.key)
        except Exception:
            context.log.exception("request failed in a way that should not happen", query=target.query.value)
            outcome = Failure(Reason.DECODE, "the exporter failed on this answer; its log says where")
        if url != context.client.url:
            return  # a reload has replaced the switch that answered
        ended = context.clock.elapsed()
        context.store.note_attempt(valid=not isinstance(outcome, Failure), now=ended)
        interval = context.targets.planned_interval(target)
        if interval == math.inf:
            return  # it left
        self._policy.record_outcome(
            target,
            outcome if isinstance(outcome, Failure) else None,
            health=health,
            started=started,
            ended=ended,
            interval=interval,
            other_targets_exist=context.targets.has_several,
        )
        await self._on_outcome(item, outcome, health)

    async def fetch(self, item: Item, key: str) -> Answer | Failure:
        """Send a request with this key and return what the answer says."""
        context, spec = self._context, QUERIES[item.target.query]
        endpoint, section = spec.of(item.request), context.configuration.queries.options(spec)
        context.mask.add(key)
        started = context.clock.monotonic()
        mask = lru_cache(maxsize=2)(context.mask)  # what is read and what is displayed begin alike
        async with context.client.ask(item.request, key, max_bytes=endpoint.max_bytes) as body:
            durations = context.instruments.request_duration.labels(context.store.switch, spec.query)
            durations.observe(context.clock.monotonic() - started)
            outcome: Answer | Failure
            if isinstance(body, Failure):
                outcome = body
            else:
                read = partial(read_answer, endpoint, section, body, mask)
                outcome = read() if len(body) <= _READ_ON_THE_LOOP else await context.decode_in_thread(read)
            if isinstance(outcome, Failure) and not isinstance(body, Failure) and not is_blank(body):
                self.answers.keep(item.target, outcome.reason, displayed(endpoint, body, mask))
            elif not item.part:  # a good answer about one phone says nothing about the others
                self.answers.forget(item.target)
        return outcome


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


def read_answer(
    endpoint: Endpoint[Any, Any], section: Section, body: Content, mask: Masking
) -> Answer | Failure:
    """Return what a body says. Nothing is raised, and no key that ``mask`` knows is in a failure's detail."""
    charset = body.charset if isinstance(body, Body) else ""
    decoded: Answer | Failure = endpoint.decode(body, section, charset)
    if not isinstance(decoded, Failure) or endpoint.private or decoded.reason is Reason.TOO_LARGE:
        return decoded  # which quotes nothing
    if len(body) > _QUOTED:
        return Failure(decoded.reason, f"{len(body):,} bytes came that are no answer to this")
    if len(body) > _READ_TWICE:
        return Failure(decoded.reason, mask(decoded.detail))
    # What a failure quotes may be cut, or cleaned of tags, in the middle of a key: so the mask comes first.
    # It comes last as well, since a quotation may begin further on.
    start = _start(body, mask)
    again = endpoint.decode(start + body[_START:], section, charset)
    detail = again.detail if isinstance(again, Failure) else "a key stands in the answer"
    return Failure(decoded.reason, detail if len(body) <= _START else mask(detail))


def displayed(endpoint: Endpoint[Any, Any], body: Content, mask: Masking) -> str:
    """Return what people may see of an answer: its start without any key; of a private one size and type."""
    if endpoint.private:
        return endpoint.excerpt(body, _SHOWN)
    if len(body) > _QUOTED:
        return f"{len(body):,} bytes, too many to be shown"
    text = endpoint.excerpt(_start(body, mask), _SHOWN)
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
