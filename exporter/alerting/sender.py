"""Keeps one Alertmanager told: the newest list of alerts, in portions, until it has taken all of it.

What waits is one list at most. A newer one takes its place, and holds everything that is still to be told:
what fires is told as long as it fires, and what ended for 15 minutes.
"""

import asyncio
import contextlib
import math
from collections.abc import Callable, Mapping, Sequence
from itertools import islice

import structlog

from exporter.alerting.alertmanager import Alertmanager, Answer, Verdict
from exporter.alerting.alerts import RESOLVED_FOR, Alert, State
from exporter.alerting.conditions import Identity
from exporter.alerting.instruments import AlertingInstruments
from exporter.alerting.messages import Now, message

BATCH = 64

_LONGEST_PAUSE = 60.0
"""Seconds: an Alertmanager that is back must not wait longer for what fires than for a resend."""

_OFF = 30.0
"""Seconds by which two clocks may differ before times are told by the other one."""

_STEP = 5.0
"""Seconds by which our clock must have been stepped for both to be compared anew, before anything is told."""


class Sender:
    """Tells one Alertmanager. ``now`` gives the instant by our clocks."""

    def __init__(
        self,
        alertmanager: Alertmanager,
        labels: Mapping[str, str],
        instruments: AlertingInstruments,
        now: Callable[[], Now],
    ) -> None:
        self.alertmanager = alertmanager
        self._labels = labels
        self._instruments = instruments
        self._now = now
        self._log = structlog.get_logger("exporter.alerting").bind(alertmanager=alertmanager.url)
        self._waiting: dict[Identity, Alert] = {}
        self._refused: dict[Identity, Alert | None] = {}
        self._ahead = 0.0
        self._compared_at = math.inf  # what the wall clock was ahead of moments then
        self._failing = False
        self._news = asyncio.Event()
        instruments.start_at_zero(alertmanager.url)
        self._task = asyncio.create_task(self._run(), name=f"alerts to {alertmanager.url}")

    def offer(self, alerts: Mapping[Identity, Alert]) -> None:
        """Tell all of these, and nothing of an older list any more."""
        now = self._now().moment
        newer = dict(alerts)
        self._refused = {identity: newer.pop(identity) for identity in self._refused if identity in newer}
        ended = [alert for alert in self._waiting.values() if alert.state is State.RESOLVED]
        given_up = sum(now - one.since > RESOLVED_FOR and one.identity not in newer for one in ended)
        if given_up:
            self._count_dropped(given_up)
            self._log.warning("alerts ended and could not be told for 15 minutes", count=given_up)
        self._waiting = newer
        self._news.set()

    async def stop(self) -> None:
        """Stop telling, at once. What fires is not resolved by it: Alertmanager waits for four minutes."""
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
                taken = await self._tell()
            except Exception:  # noqa: BLE001 -- a defect of ours: what fires next is to be told all the same
                self._log.exception("job failed", job="alerts")
                taken = False
            if taken:
                pause = 1.0
                continue
            await asyncio.sleep(pause / self._now().speed)
            pause = min(2 * pause, _LONGEST_PAUSE)
            self._news.set()

    async def _tell(self) -> bool:
        """Tell everything that waits; return whether it was taken, but for what is refused alone."""
        taken = 0
        # A newer list may come meanwhile, with the end of what is being told as firing: all of it is told.
        while batch := list(islice((waiting := self._waiting).values(), BATCH)):
            answer = await self._send(batch)
            if answer.verdict is Verdict.REFUSED:
                answer = await self._send_one_by_one(batch, others_were_taken=taken > 0)
            if answer.verdict is not Verdict.TAKEN:
                if not self._failing:
                    self._log.warning("alerts are not taken", reason=answer.detail)
                self._failing = True
                return False
            taken += len(batch)
            for alert in batch:
                del waiting[alert.identity]
        if not await self._try_refused():
            return False
        if self._failing:
            self._log.info("alerts are taken again")
        self._failing = False
        return True

    async def _send_one_by_one(self, batch: Sequence[Alert], *, others_were_taken: bool) -> Answer:
        """Find out which alerts of a message are refused: from now on they do not share one with others.

        Where every one is, it is not the alerts that are wrong.
        """
        refused: list[tuple[Alert, Answer]] = []
        for alert in batch:
            answer = await self._send([alert])
            if answer.verdict is Verdict.FAILED:
                return answer
            if answer.verdict is Verdict.REFUSED:
                refused.append((alert, answer))
        if len(refused) == len(batch) and not others_were_taken:
            return refused[0][1]
        for alert, why in refused:
            self._refused[alert.identity] = None  # to be tried with the next list
            self._log.error("alert refused", reason=why.detail, labels=alert.labels)
        self._count_dropped(len(refused))
        return Answer(Verdict.TAKEN)

    async def _try_refused(self) -> bool:
        """Try some of what was refused, each alone: it may have been Alertmanager that was not well."""
        for alert in [alert for alert in self._refused.values() if alert is not None][:BATCH]:
            answer = await self._send([alert])
            if answer.verdict is Verdict.FAILED:
                return False
            if answer.verdict is Verdict.TAKEN:
                self._refused.pop(alert.identity, None)
        return True

    async def _send(self, batch: Sequence[Alert]) -> Answer:
        now = self._now()
        clock = now.wall - now.moment / now.speed
        if abs(clock - self._compared_at) > _STEP:
            # Never told yet, or our clock was stepped. By a wrong clock the message itself would say that
            # what fires has ended: an empty one tells what time it is there.
            answer = await self._post([])
            if answer.verdict is Verdict.FAILED:
                self._instruments.errors.labels(self.alertmanager.url).inc(len(batch))
                return answer
            self._compare(answer)
            self._compared_at = clock
        answer = await self._post(batch)
        self._compare(answer)
        return answer

    def _compare(self, answer: Answer) -> None:
        """Tell times by the clock over there where it and ours differ: one of the two is wrong."""
        if answer.ahead is None or abs(answer.ahead - self._ahead) <= _OFF:
            return
        self._ahead = answer.ahead if abs(answer.ahead) > _OFF else 0.0
        seconds = round(self._ahead)
        self._log.warning("its clock and ours differ: times are told by its clock", seconds=seconds)

    async def _post(self, batch: Sequence[Alert]) -> Answer:
        now = self._now()
        theirs = Now(now.moment, now.wall + self._ahead, now.speed)
        with self._instruments.latency.labels(self.alertmanager.url).time():
            answer = await self.alertmanager.post([message(alert, self._labels, theirs) for alert in batch])
        counter = self._instruments.sent if answer.verdict is Verdict.TAKEN else self._instruments.errors
        counter.labels(self.alertmanager.url).inc(len(batch))
        return answer

    def _count_dropped(self, count: int) -> None:
        self._instruments.dropped.labels(self.alertmanager.url).inc(count)
