"""``test-alert``: send a test alert and its end, and print which Alertmanagers accepted them."""

import argparse
import asyncio
import os
import time
from collections.abc import Sequence
from dataclasses import replace

from exporter.alerting.alertmanager import NOTICEABLE, Alertmanager, Answer, Verdict, message
from exporter.alerting.engine import Alert, Now, State
from exporter.alerting.rule import Rule
from exporter.config import AlertingConfiguration, load
from exporter.errors import StartError
from exporter.masking import Mask

_AN_HOUR = 3600.0

_SUMMARY = "This is a test of softswitch-exporter: nothing is wrong."


def run(arguments: argparse.Namespace) -> int:
    """Send the test; return 0 if any Alertmanager accepted the alert, else 1."""
    if getattr(arguments, "config_file", None) is None:
        raise StartError("test-alert needs --config.file=FILE")
    alerting = load(arguments.config_file, os.environ).alerting
    if alerting is None:
        raise StartError("the configuration has no section `alerting`: there is nobody to send an alert to")
    return asyncio.run(_test(alerting, arguments.severity, arguments.hold))


async def _test(alerting: AlertingConfiguration, severity: str, hold: float) -> int:
    # It starts an hour ago: Alertmanager delays new alerts (group_wait), and a test should not take minutes.
    rule = Rule("SoftswitchTestAlert", severity, "monitoring", _SUMMARY, f"{_SUMMARY} Sent by `test-alert`.")
    firing = Alert((rule, ()), State.FIRING, 0.0, 0.0, 0.0, fired_at=0.0)
    alertmanagers = [Alertmanager(one, Mask(), time.time) for one in alerting.alertmanagers]
    try:
        taken = await _send(alertmanagers, alerting, firing, _AN_HOUR, "the alert")
        if taken:
            await asyncio.sleep(hold)
            ended = replace(firing, state=State.RESOLVED, since=_AN_HOUR + hold)
            await _send(taken, alerting, ended, _AN_HOUR + hold, "its end")
    finally:
        for alertmanager in alertmanagers:
            await alertmanager.close()
    return 0 if taken else 1


async def _send(
    alertmanagers: Sequence[Alertmanager],
    alerting: AlertingConfiguration,
    alert: Alert,
    moment: float,
    what: str,
) -> list[Alertmanager]:
    """Send to all of them concurrently; return those that accepted it."""
    answers = await asyncio.gather(
        *(_post(alertmanager, alerting, alert, moment) for alertmanager in alertmanagers)
    )
    for alertmanager, answer in zip(alertmanagers, answers, strict=True):
        taken = answer.verdict is Verdict.ACCEPTED
        told = f"accepted {what}" if taken else f"did not accept {what}: {answer.detail}"
        print(f"{alertmanager.url}  {told}")
        if answer.ahead is not None and abs(answer.ahead) > NOTICEABLE:
            print(
                f"{alertmanager.url}  clock skew: its clock, or that of a proxy before it, is "
                f"{abs(round(answer.ahead))} s {'ahead of' if answer.ahead > 0 else 'behind'} ours; "
                "synchronize both clocks, or alerts may count as ended when they arrive, or long after"
            )
    return [
        alertmanager
        for alertmanager, answer in zip(alertmanagers, answers, strict=True)
        if answer.verdict is Verdict.ACCEPTED
    ]


async def _post(
    alertmanager: Alertmanager, alerting: AlertingConfiguration, alert: Alert, moment: float
) -> Answer:
    return await alertmanager.post([message(alert, alerting.labels, Now(moment, time.time()))])
