"""Sends one request, reads the response, and masks keys in whatever is reported about a failure."""

import math
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from exporter.fields import Section
from exporter.model import Answer, Body, Content, Failure, Query, Reason, Scope, SkipReason, Target
from exporter.poll.backoff import KeyHealth
from exporter.poll.context import SwitchContext
from exporter.poll.dispatcher import Lane
from exporter.poll.request_policy import RequestPolicy
from exporter.poll.requests import NEXT_WINDOW, Item
from exporter.queries import QUERIES, Endpoint
from exporter.request import Request

_DECODED_ON_LOOP = 256 * 1024
"""Bytes. Larger bodies are decoded in a thread: 6.6 MiB of JSON blocked the event loop for 70 ms."""

_PATIENCE = 1 / 10
"""Share of the timeout that a sweep waits for a target with a request in flight, before it skips it."""


class Fetcher:
    """Sends the requests to one switch, if ``policy`` admits them.

    ``probing`` is the one request that is sent while the circuit breaker is open. ``answers`` are the newest
    responses without a value. ``on_outcome`` receives each outcome and the record of the key that was sent.
    ``next_window`` returns the request that replaces ``NEXT_WINDOW``.
    """

    def __init__(
        self,
        context: SwitchContext,
        policy: RequestPolicy,
        on_outcome: Callable[[Item, Answer | Failure, KeyHealth], Awaitable[None]],
        next_window: Callable[[Target], Request],
    ) -> None:
        self.probing: Item | None = None
        self.answers = FailedAnswers()
        self._context = context
        self._policy = policy
        self._on_outcome = on_outcome
        self._next_window = next_window

    @property
    def patience(self) -> float:
        """Seconds that a sweep waits for a target with a request in flight before it skips the target."""
        return self._context.configuration.timeout * _PATIENCE

    def lane(self, target: Target) -> Lane:
        """Return which slots a request to this target may take."""
        return self._policy.lane(target)

    def skip_reason(self, target: Target, now: float) -> SkipReason | None:
        """Return why a sweep skips this target, or None if it may be requested."""
        targets = self._context.targets
        if not targets.is_polled(target):
            return None  # removed during the sweep; `send` sends nothing
        if target.scope is Scope.TENANT and self._context.store.drops_tenants:
            is_watched = target.query is Query.REGISTRATIONS and targets.tenants[target.tenant].watch
            if not is_watched:
                return SkipReason.BUDGET  # the store would drop its values
        reason = self._policy.skip_reason(target, now)
        if reason is not None:
            self._policy.record_skip(target, now, targets.planned_interval(target))
        return reason

    def count_skip(self, target: Target, reason: SkipReason) -> None:
        """Count a request that is not sent."""
        skipped = self._context.instruments.targets_skipped
        skipped.labels(self._context.store.switch, target.query, target.scope, reason).inc()

    async def send(self, item: Item) -> None:
        """Send a request, unless the policy has stopped requests while it waited for a slot."""
        context, target = self._context, item.target
        if (held := context.hold()) is not None:
            await held
        if not context.targets.is_polled(target):
            return
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
            context.log.exception("request failed; please report this defect", query=target.query.value)
            outcome = Failure(Reason.DECODE, "the exporter failed on this response; see its log")
        if url != context.client.url:
            return  # a reload replaced the switch that responded
        ended = context.clock.elapsed()
        context.store.note_attempt(valid=not isinstance(outcome, Failure), now=ended)
        interval = context.targets.planned_interval(target)
        if interval == math.inf:
            return  # the target was removed
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
        """Send a request with this key and return the decoded response."""
        context, spec = self._context, QUERIES[item.target.query]
        request = item.request
        if request is NEXT_WINDOW:
            request = self._next_window(item.target)
        endpoint, section = spec.of(request), context.configuration.queries.options(spec)
        context.mask.add(key)
        started = context.clock.monotonic()
        mask = _MaskOnce(context.mask)
        async with context.client.send(request, key, max_bytes=endpoint.max_bytes) as body:
            durations = context.instruments.request_duration.labels(context.store.switch, spec.query)
            durations.observe(context.clock.monotonic() - started)
            outcome: Answer | Failure
            if isinstance(body, Failure):
                outcome = body
            elif len(body) <= _DECODED_ON_LOOP:
                outcome = read_answer(endpoint, section, body, mask)
            else:
                outcome = await context.decode_in_thread(partial(read_answer, endpoint, section, body, mask))
            if isinstance(outcome, Failure) and not isinstance(body, Failure) and not is_blank(body):
                self.answers.keep(item.target, outcome.reason, displayed(endpoint, body, mask))
            elif not item.part:  # the value of one phone does not replace the failed response of another
                self.answers.drop(item.target)
        return outcome


Masking = Callable[[str], str]


class _MaskOnce:
    """Masks each text once: the decoded and the displayed text of a response start alike."""

    __slots__ = ("_mask", "_masked")

    def __init__(self, mask: Masking) -> None:
        self._mask = mask
        self._masked: dict[str, str] = {}

    def __call__(self, text: str) -> str:
        if text not in self._masked:
            self._masked[text] = self._mask(text)
        return self._masked[text]


_START = 3 * 1024
"""Bytes that are masked, once per response, in 1 ms, or 7 ms if everything is escaped. More bytes are masked
than displayed, so that a key at the end of the displayed part is masked whole."""

_DECODED_TWICE = 16 * 1024
"""Bytes. A failed response up to this size is decoded again, with its start masked."""

_QUOTED = 64 * 1024
"""Bytes. Of a larger failed response, only the size is reported."""

_DISPLAYED = 2048
"""Characters of a response that are displayed at most."""


def read_answer(
    endpoint: Endpoint[Any, Any], section: Section, body: Content, mask: Masking
) -> Answer | Failure:
    """Return the decoded body. Never raises. The detail of a failure contains no key that ``mask`` knows."""
    charset = body.charset if isinstance(body, Body) else ""
    decoded: Answer | Failure = endpoint.decode(body, section, charset)
    if not isinstance(decoded, Failure) or endpoint.private or decoded.reason is Reason.TOO_LARGE:
        return decoded  # quotes nothing
    if len(body) > _QUOTED:
        return Failure(decoded.reason, f"unexpected response of {len(body):,} bytes")
    if len(body) > _DECODED_TWICE:
        return Failure(decoded.reason, mask(decoded.detail))
    # The detail may cut a key in the middle, or remove tags from it, so mask before decoding. Mask the detail
    # as well, because it may quote text after the masked start.
    again = endpoint.decode(_start(body, mask) + body[_START:], section, charset)
    detail = again.detail if isinstance(again, Failure) else "the response contains a key"
    return Failure(decoded.reason, detail if len(body) <= _START else mask(detail))


def displayed(endpoint: Endpoint[Any, Any], body: Content, mask: Masking) -> str:
    """Return what users may see of a response: its masked start; for a private one, size and type."""
    if endpoint.private:
        return endpoint.excerpt(body, _DISPLAYED)
    if len(body) > _QUOTED:
        return f"{len(body):,} bytes, too large to display"
    text = endpoint.excerpt(_start(body, mask), _DISPLAYED)
    return text if len(body) <= _START or text.endswith("…") else f"{text[: _DISPLAYED - 1]}…"


def is_blank(body: Content) -> bool:
    """Return whether a body has nothing to display."""
    return len(body) <= _QUOTED and not body.strip()


def _start(body: Content, mask: Masking) -> bytes:
    return masked(body[:_START], mask)


def masked(body: Content, mask: Masking) -> bytes:
    """Return a body with its keys masked; invalid UTF-8 is kept."""
    return mask(body.decode("utf-8", "surrogateescape")).encode("utf-8", "surrogateescape")


_KEPT = 50
"""Per switch, with at most 2,048 characters each."""


class FailedAnswers:
    """The newest response without a value of each target, for the 50 targets that failed last."""

    def __init__(self) -> None:
        self._kept: dict[Target, tuple[Reason, str]] = {}

    def keep(self, target: Target, reason: Reason, text: str) -> None:
        """Keep the displayed text of a response that failed for this reason; drop the oldest if full."""
        self._kept.pop(target, None)
        self._kept[target] = reason, text
        if len(self._kept) > _KEPT:
            del self._kept[next(iter(self._kept))]

    def drop(self, target: Target) -> None:
        """Drop the response of a target that now has a value, or no response at all."""
        self._kept.pop(target, None)

    def of(self, target: Target, reason: Reason) -> str | None:
        """Return the response behind a failure, or None if there was none or it was dropped."""
        kept = self._kept.get(target)
        return kept[1] if kept and kept[0] is reason else None
