"""``test-alert``: send a test alert, resolve it, and print which Alertmanagers accepted it."""

import argparse
import asyncio
import os
import time
from collections.abc import Sequence
from dataclasses import replace

from exporter.alerting.alertmanager import NOTICEABLE, Alertmanager, Verdict, message
from exporter.alerting.engine import Alert, Now, State
from exporter.alerting.rule import Links, Rule
from exporter.config import AlertingConfiguration, load
from exporter.errors import StartError
from exporter.masking import Mask

_AN_HOUR = 3600.0

_SUMMARY = "This is a test of softswitch-exporter: nothing is wrong."


def run(arguments: argparse.Namespace) -> int:
    """Send the test alert. Return 0 if any Alertmanager accepted it, else 1."""
    if getattr(arguments, "config_file", None) is None:
        raise StartError("test-alert needs --config.file=FILE")
    alerting = load(arguments.config_file, os.environ).alerting
    if alerting is None:
        raise StartError(
            f"{arguments.config_file}: no section `alerting`; add it with at least one Alertmanager"
        )
    links = Links(arguments.web_external_url)
    return asyncio.run(_test(alerting, arguments.severity, arguments.hold, links))


async def _test(alerting: AlertingConfiguration, severity: str, hold: float, links: Links) -> int:
    # It started an hour ago: Alertmanager delays new alerts (group_wait), and a test should not take minutes.
    rule = Rule("SoftswitchTestAlert", severity, "monitoring", _SUMMARY, f"{_SUMMARY} Sent by `test-alert`.")
    firing = Alert((rule, ()), State.FIRING, 0.0, 0.0, 0.0, fired_at=0.0)
    alertmanagers = [Alertmanager(one, Mask(), time.time) for one in alerting.alertmanagers]
    try:
        accepted = await _send(alertmanagers, alerting, firing, _AN_HOUR, "the alert", links)
        if accepted:
            await asyncio.sleep(hold)
            resolved = replace(firing, state=State.RESOLVED, since=_AN_HOUR + hold)
            await _send(accepted, alerting, resolved, _AN_HOUR + hold, "the resolved alert", links)
    finally:
        for alertmanager in alertmanagers:
            await alertmanager.close()
    return 0 if accepted else 1


async def _send(
    alertmanagers: Sequence[Alertmanager],
    alerting: AlertingConfiguration,
    alert: Alert,
    moment: float,
    what: str,
    links: Links,
) -> list[Alertmanager]:
    """Send to all of them concurrently; return those that accepted it."""
    notification = message(alert, alerting.labels, Now(moment, time.time()), links=links)
    notification["annotations"]["runbook_url"] = links.runbooks  # it has none of its own
    answers = await asyncio.gather(*(alertmanager.post([notification]) for alertmanager in alertmanagers))
    accepted = []
    for alertmanager, answer in zip(alertmanagers, answers, strict=True):
        if answer.verdict is Verdict.ACCEPTED:
            accepted.append(alertmanager)
            print(f"{alertmanager.url}  accepted {what}")
        else:
            print(f"{alertmanager.url}  did not accept {what}: {answer.detail}")
        if answer.ahead is not None and abs(answer.ahead) > NOTICEABLE:
            print(
                f"{alertmanager.url}  clock skew: its clock, or that of a proxy in front of it, is "
                f"{abs(round(answer.ahead))} s {'ahead of' if answer.ahead > 0 else 'behind'} this one; "
                "synchronize both, or alerts may be resolved on arrival or stay active for too long"
            )
    return accepted
