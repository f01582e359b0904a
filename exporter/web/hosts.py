"""For which hosts the status is shown, and anything is changed: an answer to DNS rebinding.

A page of somebody else can let its own name lead to the address of the exporter, after which a browser takes
both for one site and lets it read and send everything. But the browser still names that site in ``Host``.
"""

import ipaddress
import re
import socket
from collections.abc import Sequence
from urllib.parse import urlsplit

_INSIDE = (".localhost", ".svc", ".svc.cluster.local")
"""Ends of names that nobody can own on the Internet: of this machine, and of services in Kubernetes."""

_PORT = re.compile(r":[0-9]*\Z")


class Hosts:
    """The hosts that are allowed: addresses, names without a dot, and what the operator named.

    ``external_url`` is where a proxy publishes the exporter.
    """

    def __init__(
        self, listen_addresses: Sequence[tuple[str | None, int]] = (), external_url: str | None = None
    ) -> None:
        external = urlsplit(external_url or "")
        names = [socket.gethostname(), external.hostname or "", *(host or "" for host, _ in listen_addresses)]
        self._names = {_plain(name) for name in names if name}
        self.external_origin = f"{external.scheme}://{external.netloc}".lower() if external_url else None

    def allows(self, host: str | None) -> bool:
        """Tell whether a ``Host`` header names this exporter. Every browser sends one; None is no browser."""
        if host is None:
            return True
        name = _plain(_PORT.sub("", host))
        if name in self._names or name.endswith(_INSIDE):
            return True
        # A name without a dot, localhost for one, cannot be registered; it is of this machine or network.
        return _is_address(name) or "." not in name


def refusal(host: str) -> str:
    """Return what is wrong with a host, and what to do about it."""
    shown = "".join(letter for letter in host[:100] if letter.isprintable())
    return (
        f"The host of this request, {shown!r}, is not known to be a name of this exporter. If it is one, "
        f"start the exporter with --web.external-url=http://{shown} (or https)."
    )


def _plain(name: str) -> str:
    return name.strip("[]").rstrip(".").lower()


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name.partition("%")[0])
    except ValueError:
        return False
    return True
