"""A pair under the shipped keepalived.conf, of which one exporter crashes, hangs or refuses the password."""

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
    Pair,
)
from tests.e2e.programs import wait_until


def test_both_exporters_are_restarted(pair: Pair) -> None:
    """One is killed, then the other one is stopped. Each time, the other one takes over and keeps polling."""
    with pair.observed("both exporters are restarted", silence=CHECKED + FIRST + BUSY):
        for signal_number in (KILL, TERM):
            active, standby = pair.roles()
            active.exporter.stop(signal_number)
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


def test_the_exporter_refuses_the_password(pair: Pair) -> None:
    """The check fails and says why; the other machine takes over. Nobody can stop the first."""
    active, standby = pair.roles()
    with pair.observed("the exporter refuses the password", silence=FIRST + BUSY, together=60):
        active.set_password("wrong")
        pair.wait_until_polled_by(*pair.nodes)
    assert active.check() == "curl: (22) The requested URL returned error: 401\n"
    with pair.observed("it accepts the password", silence=FIRST + BUSY, together=CHECK_EVERY + BUSY):
        active.set_password(PASSWORD)
        assert pair.roles() == (standby, active)
