"""Polling one switch: what to ask, when a target's turn is, and what an answer says.

plan            how fast each query can go
requests        which requests one sweep consists of
slots, backoff  whether a request may go now
poller          sweeps, and takes in what comes back
families        from an answer to the values of metrics
"""

from exporter.poll.plan import Demand, Plan, plan
from exporter.poll.poller import Poller

__all__ = ["Demand", "Plan", "Poller", "plan"]
