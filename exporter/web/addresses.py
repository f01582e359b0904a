"""Listening on every interface, over IPv4 and IPv6 alike.

As Go does it, and so every exporter of the Prometheus project: ``:10390``, ``[::]:10390`` and
``0.0.0.0:10390`` all mean one socket for both (seen 2026-11, Alertmanager 0.25). asyncio makes ``::`` IPv6
only.
"""

import errno
import socket

EVERY_INTERFACE = frozenset({None, "::", "0.0.0.0"})  # noqa: S104 -- recognized, not bound here
"""The hosts that stand for every interface."""

_NO_IPV6 = frozenset({errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL, errno.EPROTONOSUPPORT})


def every_interface(port: int, *, dual_stack: bool | None = None) -> socket.socket:
    """Return a socket that is bound to a port on every interface; IPv4 alone where the machine has no IPv6.

    ``dual_stack`` says whether the machine can do both on one socket; None is to find out. Raises OSError.
    """
    if dual_stack if dual_stack is not None else socket.has_dualstack_ipv6():
        try:
            return socket.create_server(("::", port), family=socket.AF_INET6, dualstack_ipv6=True)
        except OSError as error:
            if error.errno not in _NO_IPV6:
                raise
    return socket.create_server(("0.0.0.0", port))  # noqa: S104 -- the operator has asked for it
