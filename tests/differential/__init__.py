"""Random days of a switch, evaluated by the daemon and by Prometheus: both must agree at each minute.

A scenario acts on a real ``Store``: responses, failures, stale values, reloads, tenants that leave, restarts.
What the store serves at each minute is a scrape for promtool; the alerts of the daemon's engine are what
promtool must find in ``ALERTS``. No clock and no network.

site       the configuration and values of a switch, and its faults
play       the store, the daemon, and the minutes
promtool   the same for Prometheus, and the comparison
mutants    daemons with one change
"""
