"""Sends the newest list of alerts to one Alertmanager, in batches, the most urgent first.

Firing alerts are sent again each minute, and resolved alerts for 15 minutes. So the queue of a slow or
unreachable Alertmanager is bounded: it has firing alerts, and those that resolved in the last 15 minutes.
"""

import asyncio
import contextlib
import math
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import structlog

from exporter.alerting.alertmanager import VALID_FOR, Alertmanager, Answer, Skew, Verdict, message
from exporter.alerting.engine import RESOLVED_FOR, Alert, Now, State
from exporter.alerting.notification_queue import Kind, NotificationQueue, parts
from exporter.alerting.rule import NO_LINKS, Links
from exporter.alerting.status import AlertingMetrics

BATCH = 64
"""Alerts in a message."""

LARGE_BATCH = 256
"""Alerts in a message while many wait: most of the time of a message does not depend on its size."""

_MANY = 1000

_LONGEST_PAUSE = 60.0
"""Seconds. An Alertmanager that is back gets firing alerts within this time, the interval of resends."""

_STEP = 5.0
"""Seconds. After a larger step of our clock, it is compared with Alertmanager's before alerts are sent."""

_BEHIND = 2
"""Consecutive lists that arrive before the previous one was sent, for Alertmanager to count as slow."""

_ROUNDS = 4
"""Resends that may be lost before Alertmanager resolves an alert."""


class Notifier:
    """Sends alerts to one Alertmanager. ``now`` returns the current time; ``timer`` measures messages.

    ``links``: the links in the alerts. ``failure``: why the latest message was not accepted, "" if it was.
    """

    def __init__(
        self,
        alertmanager: Alertmanager,
        labels: Mapping[str, str],
        metrics: AlertingMetrics,
        now: Callable[[], Now],
        timer: Callable[[], float] = time.monotonic,
        links: Links = NO_LINKS,
    ) -> None:
        self.alertmanager = alertmanager
        self._labels = labels
        self._metrics = metrics
        self._now = now
        self._timer = timer
        self._links = links
        self._log = structlog.get_logger("exporter.alerting").bind(alertmanager=alertmanager.url)
        self._queue = NotificationQueue()
        self._skew = Skew(self._log)
        self._compared_at = math.inf  # wall clock minus moment at that time
        self._seconds_a_message = 0.0
        self.failure = ""
        self._lists_behind = 0
        self._news = asyncio.Event()
        metrics.start_at_zero(alertmanager.url)
        self._task = asyncio.create_task(self._run(), name=f"alerts to {alertmanager.url}")

    def offer(self, alerts: Collection[Alert]) -> None:
        """Replace the queue by these alerts, and begin to send them."""
        self._check_backlog()
        self._skew.log()
        self._drop_ended(self._queue.replace(alerts))
        self._count_waiting()
        self._news.set()

    async def stop(self) -> None:
        """Stop at once. Firing alerts stay firing in Alertmanager for four minutes."""
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task
        await self.alertmanager.close()

    async def _run(self) -> None:
        pause = 1.0
        while True:
            await self._news.wait()
            self._news.clear()
            try:
                is_well = await self._send_all()
            except Exception:  # noqa: BLE001 -- a bug of ours must not stop the sending
                self._log.exception("job failed", job="alerts")
                is_well = False
            if is_well:
                pause = 1.0
                continue
            await asyncio.sleep(pause / self._now().speed)
            pause = min(2 * pause, _LONGEST_PAUSE)
            self._news.set()

    async def _send_all(self) -> bool:
        """Send all queued alerts; return False as soon as Alertmanager does not accept a message."""
        is_accepted = False
        # A newer list may arrive meanwhile, so with a slow Alertmanager this loop takes long.
        while batch := self._queue.next(self._batch_size()):
            answer = await self._send(batch)
            if answer.verdict is Verdict.REFUSED:
                answer = await self._send_in_parts(batch, others_are_accepted=is_accepted)
            if not self._is_accepted(answer):
                return False
            is_accepted = True
            if not await self._try_refused(1):
                return False
        return await self._try_refused(BATCH)

    def _batch_size(self) -> int:
        return LARGE_BATCH if sum(map(self._queue.waiting, Kind)) > _MANY else BATCH

    def _is_accepted(self, answer: Answer) -> bool:
        is_accepted = answer.verdict is Verdict.ACCEPTED
        if is_accepted and self.failure:
            self._log.info("Alertmanager accepts alerts again")
        if not is_accepted and not self.failure:
            self._log.warning("Alertmanager does not accept alerts", reason=answer.detail)
        self.failure = "" if is_accepted else answer.detail or "unknown reason"
        return is_accepted

    async def _send_in_parts(self, batch: Sequence[Alert], *, others_are_accepted: bool) -> Answer:
        """Split a refused message until each refused alert is alone, and keep these out of later messages.

        If every alert is refused, the cause is not the alerts.
        """
        refused: list[tuple[Alert, Answer]] = []
        portions = parts(batch)
        while portions:
            portion = portions.pop(0)
            answer = await self._send(portion)
            if answer.verdict is Verdict.FAILED:
                return answer
            if answer.verdict is Verdict.REFUSED and len(portion) > 1:
                portions = parts(portion) + portions
            elif answer.verdict is Verdict.REFUSED:
                refused.append((portion[0], answer))
        if len(refused) == len(batch) and not others_are_accepted:
            return refused[0][1]
        for alert, why in refused:
            self._refuse(alert, why.detail)
        return Answer(Verdict.ACCEPTED)

    async def _try_refused(self, most: int) -> bool:
        """Send some refused alerts again, one by one: the cause may have been Alertmanager."""
        for _ in range(most):
            alert = self._queue.next_refused()
            if alert is None:
                break
            answer = await self._send([alert])
            if answer.verdict is Verdict.FAILED:
                return self._is_accepted(answer)
        return True

    def _refuse(self, alert: Alert, reason: str) -> None:
        if self._queue.refuse(alert):
            self._log.error("alert refused", reason=reason, labels=alert.labels)
            self._count_dropped(1)

    async def _send(self, batch: Sequence[Alert]) -> Answer:
        now = self._now()
        clock = now.wall - now.moment / now.speed
        if abs(clock - self._compared_at) > _STEP:
            # First message, or our clock was stepped: the response to an empty message shows the skew.
            answer = await self._post([])
            if answer.verdict is Verdict.FAILED:
                self._metrics.errors.labels(self.alertmanager.url).inc(len(batch))
                return answer
            self._compared_at = clock
        states, messages = await self._messages(batch)
        if not messages:
            return Answer(Verdict.ACCEPTED)
        answer = await self._post(messages)
        if answer.verdict is Verdict.ACCEPTED:
            self._queue.record_sent(states)
            self._count_waiting()
        return answer

    async def _messages(
        self, batch: Sequence[Alert]
    ) -> tuple[list[tuple[Alert, State]], list[dict[str, Any]]]:
        """Return the JSON of alerts, and the state of each; one that cannot be rendered is dropped alone."""
        now, valid_for = self._now(), self._valid_for()
        states, made = [], []
        for number, alert in enumerate(batch, 1):
            try:
                made.append(message(alert, self._labels, now, valid_for, self._links))
                states.append((alert, alert.state))
            except Exception:  # noqa: BLE001 -- a bug of ours, or an alert of a state file
                if self._queue.refuse(alert):
                    self._log.exception("job failed", job="alert", alert=alert.identity[0].name)
                    self._count_dropped(1)
            if not number % BATCH:
                await asyncio.sleep(0)
        return states, made

    def _valid_for(self) -> float:
        """Return the seconds after which Alertmanager resolves an alert that is not sent again.

        This covers several resends, even if Alertmanager is slow. If its clock is ahead, the skew is added:
        otherwise alerts would have expired when they arrive. A wrong skew does no harm, because the end of
        each alert is sent, too.
        """
        messages = math.ceil(self._queue.size / self._batch_size())
        return max(VALID_FOR, _ROUNDS * messages * self._seconds_a_message) + self._skew.allowance

    async def _post(self, messages: Sequence[dict[str, Any]]) -> Answer:
        began = self._timer()
        answer = await self.alertmanager.post(messages)
        took = self._timer() - began
        # A decaying maximum: one quick message does not make an Alertmanager quick.
        self._seconds_a_message = max(took, 0.9 * self._seconds_a_message)
        self._metrics.latency.labels(self.alertmanager.url).observe(took)
        counter = self._metrics.sent if answer.verdict is Verdict.ACCEPTED else self._metrics.errors
        counter.labels(self.alertmanager.url).inc(len(messages))
        if answer.ahead is not None:
            self._skew.update(answer.ahead)
            self._metrics.clock_skew.labels(self.alertmanager.url).set(answer.ahead)
        return answer

    def _check_backlog(self) -> None:
        """Log that Alertmanager is slow: twice in a row the previous list was not sent completely."""
        waiting = sum(map(self._queue.waiting, Kind))
        before = self._lists_behind
        self._lists_behind = before + 1 if waiting and not self.failure else 0
        if self._lists_behind == _BEHIND:
            seconds = round(self._seconds_a_message, 3)
            self._log.warning("Alertmanager is slow: alerts wait", waiting=waiting, seconds_a_message=seconds)
        elif before >= _BEHIND and not self._lists_behind:
            self._log.info("Alertmanager is not slow any more")

    def _count_waiting(self) -> None:
        for kind in Kind:
            gauge = self._metrics.waiting.labels(self.alertmanager.url, kind.value)
            gauge.set(self._queue.waiting(kind))

    def _drop_ended(self, ended: Sequence[Alert]) -> None:
        now = self._now().moment
        dropped = sum(now - alert.since > RESOLVED_FOR for alert in ended)
        if dropped:
            self._count_dropped(dropped)
            self._log.warning("alerts ended and could not be sent for 15 minutes", count=dropped)

    def _count_dropped(self, count: int) -> None:
        self._metrics.dropped.labels(self.alertmanager.url).inc(count)
