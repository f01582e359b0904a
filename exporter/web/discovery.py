"""One scrape per switch: what ``/metrics`` selects, and the targets that ``/sd`` lists.

``/sd`` is HTTP service discovery of Prometheus (https://prometheus.io/docs/prometheus/latest/http_sd/).
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import SplitResult, urlsplit

from aiohttp import web

from exporter.errors import shown
from exporter.metrics.exposition import EVERYTHING, Selection

PATH = "/sd"

_SWITCH = "switch"
_ONLY = "only"
_EXPORTER = "exporter"

_NAMED = 20
"""Names of configured switches in an error: the response must stay short."""

_HOST = re.compile(
    r"(?P<name>\[[0-9a-f:.]{2,45}\]|[a-z0-9._-]{1,253})(:(?P<port>[0-9]{1,5}))?", re.ASCII | re.IGNORECASE
)
_DEFAULT_PORTS = {"http": "80", "https": "443"}


def selection(query: Iterable[tuple[str, str]], configured: Sequence[str]) -> Selection:
    """Return what a scrape with these parameters selects. Parameters that are not known are ignored.

    ``switch=NAME``, repeatable: the series of these switches. ``switch=`` or ``only=exporter``: the metrics
    of the exporter itself. Without either: everything. Raises HTTPBadRequest for an unknown switch.
    """
    names = {value for name, value in query if name == _SWITCH}
    only = {value for name, value in query if name == _ONLY}
    if only - {_EXPORTER}:
        raise _bad_request(f"Unknown value {shown(min(only - {_EXPORTER}))} of `only`: expected `exporter`.")
    if not names and not only:
        return EVERYTHING
    switches = names - {""}
    if unknown := switches - set(configured):
        raise _bad_request(f"Unknown switch {shown(min(unknown))}. {_listed(configured)}")
    return Selection(switches, own=bool(only) or "" in names)


def _listed(configured: Sequence[str]) -> str:
    if not configured:
        return "No switch is configured."
    more = len(configured) - _NAMED
    names = ", ".join(map(shown, configured[:_NAMED]))
    return f"Configured: {names}" + (f", and {more} more." if more > 0 else ".")


def targets(configured: Sequence[str], address: str, labels: Mapping[str, str]) -> list[dict[str, Any]]:
    """Return what ``/sd`` lists: a target for the exporter's own metrics, and one per switch.

    ``address`` and ``labels`` are those of every target. Prometheus drops labels with an empty value,
    ``__param_switch`` as well. So the target of the exporter itself has ``only=exporter``.
    """
    own = {**labels, f"__param_{_ONLY}": _EXPORTER}
    of_switches = [{**labels, f"__param_{_SWITCH}": name, "switch": name} for name in configured]
    return [{"targets": [address], "labels": each} for each in (own, *of_switches)]


def scraped_at(
    host: str, telemetry_path: str, external_url: str | None, *, is_tls: bool
) -> tuple[str, dict[str, str]]:
    """Return the address of the targets, and the labels that Prometheus needs to scrape them.

    The address is the ``Host`` of the request. If that is the host of the external URL, the request came
    through the reverse proxy, which may speak TLS and add a prefix. Raises HTTPBadRequest for an invalid
    host.
    """
    if not _HOST.fullmatch(host):
        raise _bad_request(
            "The targets have the host of this request, so its header Host must be a name or an IP address."
        )
    external = urlsplit(external_url or "")
    if _is_same(host, external):
        host, is_tls = external.netloc, external.scheme == "https"
        telemetry_path = external.path.rstrip("/") + telemetry_path
    labels = {"__scheme__": "https"} if is_tls else {}
    if telemetry_path != "/metrics":
        labels["__metrics_path__"] = telemetry_path
    return host, labels


def _is_same(host: str, external: SplitResult) -> bool:
    """Return whether a request to this host was for the external URL. Some proxies remove the port."""
    found = _HOST.fullmatch(host)
    if found is None or found["name"].strip("[]").lower() != external.hostname:
        return False
    port = str(external.port or _DEFAULT_PORTS[external.scheme])
    return found["port"] in {None, port}


def _bad_request(text: str) -> web.HTTPBadRequest:
    return web.HTTPBadRequest(text=f"{text}\n", headers={"X-Content-Type-Options": "nosniff"})
