"""Polling one switch: what to ask, when each target is due, and what an answer says.

In reading order:

    planner, requests        what is polled, how often that is possible, and the requests of a sweep
    sweep                    which targets are due; starts sweeps when the schedule says so
    dispatcher, limiter      send the requests evenly, within the rate limit and the slots
    request_policy           whether a target may be asked now, by
        backoff, key_health, circuit_breaker
                             its failures, those of its key, and those of the whole switch
    fetch                    one request and its answer
    ingest                   from an answer to values, with what is remembered between answers:
        registrations, discovery, scope_check
    config_metrics           values that come from the configuration and the clock
    poller, context          join them, and share what all of them need
"""

from exporter.poll.context import SwitchContext
from exporter.poll.poller import Poller

__all__ = ["Poller", "SwitchContext"]
