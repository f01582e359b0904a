from hypothesis import given
from hypothesis import strategies as st

from exporter.alerting import monitoring_rules, rules
from exporter.alerting.engine import Alert, State
from exporter.alerting.notification_queue import Kind, NotificationQueue, parts
from exporter.alerting.rule import Rule

BATCH = 64


def _alert(number: int, rule: Rule = rules.NODE_CHANNELS_NEAR_LIMIT, severity: str = "") -> Alert:
    labels = (("switch", "pbx"), ("node", f"n{number}"), *([("severity", severity)] if severity else []))
    return Alert((rule, labels), State.FIRING, 0, 0, 0, 0)


def _send(queue: NotificationQueue, size: int = BATCH) -> list[Alert]:
    """Send one message that is accepted."""
    batch = queue.next(size)
    queue.record_sent([(alert, alert.state) for alert in batch])
    return batch


def test_critical_alerts_go_first() -> None:
    """By the severity of the rule or of the threshold; the watchdog is one of them."""
    queue = NotificationQueue()
    critical = [
        _alert(1, rules.NODE_MISSING),
        _alert(2, rules.BALANCE_LOW, "critical"),
        Alert((monitoring_rules.WATCHDOG, ()), State.FIRING, 0, 0, 0, 0),
    ]
    queue.replace([*map(_alert, range(10, 1000)), _alert(3, rules.BALANCE_LOW, "warning"), *critical])

    assert _send(queue)[:3] == critical


def test_no_queue_starves_another() -> None:
    """While critical alerts keep arriving, each message has room for others."""
    queue = NotificationQueue()
    warnings = [_alert(number) for number in range(200)]
    sent: list[Alert] = []
    for minute in range(40):
        critical = [_alert(1000 * (minute + 1) + number, rules.NODE_MISSING) for number in range(100)]
        queue.replace([*critical, *warnings])
        sent += _send(queue)

    assert set(warnings) <= set(sent)


def test_an_end_is_sent_before_repeats() -> None:
    """An end that was never sent is returned when it is dropped."""
    queue, alerts = NotificationQueue(), [_alert(number) for number in range(3)]
    queue.replace(alerts)
    assert queue.waiting(Kind.NEW) == 3
    assert _send(queue) == alerts
    alerts[1].state = alerts[2].state = State.RESOLVED
    queue.replace(alerts)

    assert (queue.waiting(Kind.NEW), queue.waiting(Kind.REPEAT)) == (2, 1)
    assert _send(queue, 1) == alerts[1:2]
    assert queue.replace(alerts[:1]) == alerts[2:]


def test_an_alert_that_changes_meanwhile_is_sent_again() -> None:
    """The message had it as firing; its end is still queued."""
    queue, alert = NotificationQueue(), _alert(1)
    queue.replace([alert])
    batch = [(one, one.state) for one in queue.next(BATCH)]
    alert.state = State.RESOLVED
    queue.record_sent(batch)

    assert queue.next(BATCH) == [alert]
    assert queue.waiting(Kind.NEW) == 1


def test_a_refused_alert_is_sent_alone() -> None:
    """Once for each list, until it is accepted or ends."""
    queue, (bad, good) = NotificationQueue(), (_alert(1), _alert(2))
    queue.replace([bad, good])
    assert (queue.refuse(bad), queue.refuse(bad)) == (True, False)
    assert (queue.next(BATCH), queue.next_refused()) == ([good], None)
    queue.replace([bad, good])
    assert (queue.next(BATCH), queue.next_refused(), queue.next_refused()) == ([good], bad, None)
    queue.record_sent([(bad, bad.state)])
    queue.replace([bad, good])
    assert set(queue.next(BATCH)) == {bad, good}

    queue.refuse(bad)
    queue.replace([good])
    assert queue.next_refused() is None
    assert queue.refuse(bad)


@given(size=st.integers(1, 300))
def test_the_parts_of_a_message(size: int) -> None:
    """They have all alerts in order, and each is smaller, so that a refused alert is found."""
    batch = [_alert(number) for number in range(size)]
    found = parts(batch)

    assert [alert for part in found for alert in part] == batch
    assert all(len(part) < size or size == 1 for part in found)
