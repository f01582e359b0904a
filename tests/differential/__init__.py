"""Random days of a switch, judged by the daemon and by Prometheus: both must say the same each minute.

A scenario acts on a real ``Store``: answers, failures, values that go stale, reloads, tenants that leave,
restarts of the daemon. What the store serves at each minute is what promtool is given as a scrape; what the
daemon's engine says at that minute is what promtool must find in ``ALERTS``. No clock and no network.

site       what a switch says, and its troubles
play       the store, the daemon, and the minutes
promtool   the same for Prometheus, and the comparison
mutants    daemons in which one thing is not as it was
"""
