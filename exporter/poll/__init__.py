"""Polling one switch: what to ask, when a target's turn is, and what an answer says.

In the order of reading:

    targets, plan, requests       what is polled, how fast that can go, and which requests a sweep consists of
    turns                         whose turn it is in a sweep
    rounds                        starts sweeps, when the schedule says so
    sweep, slots                  sends their requests evenly, and never too many
    courtesy                      whether a target may be asked now, by
        backoff, refusals, breaker    its failures, those of its key, and those of the whole switch
    asking, reading, options      one request, and its answer
        answers                       what came instead of values, for people to see
    intake, families              from an answer to the values of metrics, with
        registrations, presence, scope, roll, discovery
                                      what has to be remembered from one answer to the next
    declared, opening, upkeep     values that come from the configuration and the clock
    poller                        joins them
"""

from exporter.poll.poller import Poller

__all__ = ["Poller"]
