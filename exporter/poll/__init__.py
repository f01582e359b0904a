"""Polls one switch: which requests to send and when, and what to do with the responses.

In reading order:

    planner, requests        what is polled, how often the rate limit allows it, and the requests of a sweep
    sweep                    which targets are due; starts sweeps on schedule
    dispatcher               sends the requests evenly, within the rate limit and the slots
    request_policy, backoff  whether a target may be requested now: backoff, key health, circuit breaker
    fetch                    one request and its response
    ingest                   from a response to values in the store, with registration_ingest, queues, states,
        trunks, call_records, discovery, scope_check
    config_metrics           values from the configuration and the clock
    memory                   what is remembered across restarts
    poller, context          join these modules, and hold what they share
"""

from exporter.poll.context import SwitchContext
from exporter.poll.poller import Poller

__all__ = ["Poller", "SwitchContext"]
