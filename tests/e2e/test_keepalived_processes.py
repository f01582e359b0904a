"""A pair under the shipped keepalived.conf, while keepalived is killed, stopped or hangs."""

from tests.e2e.pair import BUSY, CONTINUE, FIRST, KILL, STOP, TERM, VRRP, Pair


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


def test_keepalived_hangs(pair: Pair) -> None:
    """The other machine takes over, and both poll until it continues."""
    active, _ = pair.roles()
    with pair.observed("keepalived hangs", silence=FIRST + BUSY, together=60, lasting=3):
        active.signal_keepalived(STOP)
        pair.wait_until_polled_by(*pair.nodes)
    with pair.observed("it continues", silence=FIRST + BUSY, together=1 + BUSY):
        active.signal_keepalived(CONTINUE)
        pair.roles()
