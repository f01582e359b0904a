"""A pair of exporters under the shipped keepalived.conf, of which a program crashes, hangs or is stopped."""

from tests.e2e.pair import (
    BUSY,
    CHECK_EVERY,
    CHECKED,
    CONTINUE,
    FIRST,
    HUNG,
    KILL,
    OPTIONS,
    PASSWORD,
    STOP,
    TERM,
    VRRP,
    Pair,
)
from tests.e2e.programs import wait_until


def test_the_exporter_is_killed(pair: Pair) -> None:
    """The other one takes over. When it is back, it stands by, so nothing is interrupted again."""
    active, standby = pair.roles()
    with pair.observed("the exporter is killed", silence=CHECKED + FIRST + BUSY):
        active.exporter.stop(KILL)
        pair.wait_until_polled_by(standby)
        active.start_exporter()
        assert pair.roles() == (standby, active)


def test_the_exporter_hangs(pair: Pair) -> None:
    """The other one takes over. When it continues, it gets the state that it has missed.

    Meanwhile, curl waits for it, and its command line does not contain the password.
    """
    active, standby = pair.roles()
    with pair.observed("the exporter hangs", silence=HUNG + FIRST + BUSY):
        active.exporter.process.send_signal(STOP)
        commands = wait_until(
            lambda: [line for _, line in active.machine.processes() if line.startswith("curl ")], 10, "curl"
        )
        pair.wait_until_polled_by(standby)
    with pair.observed("it continues", silence=FIRST + BUSY, together=CHECK_EVERY + BUSY):
        active.exporter.process.send_signal(CONTINUE)
        assert pair.roles() == (standby, active)
    assert all(OPTIONS in line and PASSWORD not in line for line in commands)


def test_keepalived_is_killed(pair: Pair) -> None:
    """Its child notices, says goodbye to the other machine, and stops polling."""
    active, standby = pair.roles()
    with pair.observed("keepalived is killed", silence=FIRST + BUSY):
        active.end_keepalived(KILL)
        pair.wait_until_polled_by(standby)
        active.start_keepalived()
        assert pair.roles() == (standby, active)


def test_keepalived_is_killed_with_its_child(pair: Pair) -> None:
    """The drop-in stops polling, and the other machine takes over when it misses advertisements."""
    active, standby = pair.roles()
    with pair.observed("keepalived is killed with its child", silence=VRRP + FIRST + BUSY):
        active.end_keepalived(KILL, with_child=True)
        pair.wait_until_polled_by(standby)
        active.start_keepalived()
        assert pair.roles() == (standby, active)


def test_keepalived_is_stopped(pair: Pair) -> None:
    """The other machine takes over at once. With keepalived stopped on both, polling starts by hand."""
    active, standby = pair.roles()
    with pair.observed("keepalived is stopped", silence=FIRST + BUSY):
        active.end_keepalived(TERM)
        pair.wait_until_polled_by(standby)
    standby.end_keepalived(TERM)
    pair.wait_until_polled_by()
    standby.fetch("/-/activate", "--request", "POST")
    pair.wait_until_polled_by(standby)
    for node in (standby, active):
        node.start_keepalived()
    pair.roles()
