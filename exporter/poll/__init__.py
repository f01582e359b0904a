"""Polls one switch: which requests to send and when, and what to do with the responses.

In reading order:

    planner, requests        what is polled, and the requests of a sweep
    cycles                   how often the rate limit allows each query
    sweep                    which targets are due; starts sweeps on schedule
    dispatcher, limiter      send the requests evenly, within the rate limit and the slots
    request_policy, backoff  whether a target may be requested now: backoff, key health, circuit breaker
    fetch                    one request and its response
    ingest, recorder         from a response to values in the store, with
        registration_ingest, registrations, peers, technologies, queues, queue_scope, parts, discovery,
        scope_check
    config_metrics           values from the configuration and the clock
    poller, context          join these modules, and hold what they share
"""

from exporter.poll.context import SwitchContext
from exporter.poll.poller import Poller

__all__ = ["Poller", "SwitchContext"]
