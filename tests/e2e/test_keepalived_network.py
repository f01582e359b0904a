"""A pair under the shipped keepalived.conf, while a machine or the network fails."""

from tests.e2e.machines import isolate
from tests.e2e.pair import (
    BUSY,
    CHECKED,
    FIRST,
    TERM,
    VRRP,
    Pair,
)


def test_a_machine_fails(pair: Pair) -> None:
    """The other one takes over when it misses advertisements, and keeps polling afterwards."""
    active, standby = pair.roles()
    with pair.observed("the machine fails", silence=VRRP + FIRST + BUSY):
        active.lose_power()
        pair.wait_until_polled_by(standby)
        active.start_keepalived()
        active.start_exporter()
        assert pair.roles() == (standby, active)


def test_a_machine_loses_its_link(pair: Pair) -> None:
    """Its keepalived is in state FAULT, so it stops polling, and the other one takes over."""
    active, standby = pair.roles()
    link = ("ip", "link", "set", "dev", active.machine.name)
    with pair.observed("the link of the machine is down", silence=VRRP + FIRST + BUSY):
        pair.center.call(*link, "down")
        pair.wait_until_polled_by(standby)
        pair.center.call(*link, "up")
        assert pair.roles() == (standby, active)


def test_the_machines_do_not_reach_each_other(pair: Pair) -> None:
    """Both poll while they are separated. Afterwards, one of them stops."""
    machines = [node.machine for node in pair.nodes]
    pair.roles()
    with pair.observed("both are separated", silence=FIRST + BUSY, together=60, lasting=3):
        isolate(pair.center, *machines, isolated=True)
        pair.wait_until_polled_by(*pair.nodes)
    with pair.observed("they are together again", silence=FIRST + BUSY, together=1 + BUSY):
        isolate(pair.center, *machines, isolated=False)
        pair.roles()


def test_a_rolling_restart(pair: Pair) -> None:
    """Both exporters are restarted, one after the other, without both polling at any time."""
    active, standby = pair.roles()
    with pair.observed("both exporters are restarted", silence=CHECKED + FIRST + BUSY):
        for node in (standby, active):
            node.exporter.stop(TERM)
            node.start_exporter()
            pair.roles()
