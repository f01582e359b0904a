"""Says which switches do not respond, so that no page calls something well that is not known. Pure."""

from collections.abc import Iterable, Mapping
from typing import Any

from exporter.web import figures


def silence(switch: Mapping[str, Any]) -> str:
    """Return a text about a switch that is not up. ``switch``: as in the status."""
    name, seconds = switch.get("name", ""), switch.get("valid_answer_age_seconds")
    if switch.get("up") is None:
        return f"{name} has not been polled yet"
    since = "since the start" if seconds is None else f"for {figures.duration(seconds)}"
    return f"{name} has not responded {since}"


def silences(switches: Iterable[Mapping[str, Any]]) -> str:
    """Return a text about the first switch that is not up, and the number of others; "" if all are up."""
    texts = [silence(switch) for switch in switches if switch["up"] is not True]
    if not texts:
        return ""
    more = len(texts) - 1
    others = f" (nor {more} other switch{'es' if more > 1 else ''})" if more else ""
    return f"{texts[0]}{others}"
