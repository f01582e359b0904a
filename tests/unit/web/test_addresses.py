import socket

import pytest

from exporter.web.addresses import every_interface


def _connects(host: str, port: int) -> bool:
    try:
        socket.create_connection((host, port), 5).close()
    except OSError:
        return False
    return True


def test_both_families() -> None:
    """One socket serves IPv4 and IPv6."""
    with every_interface(0) as bound:
        port = bound.getsockname()[1]
        assert _connects("127.0.0.1", port)
        assert _connects("::1", port)


def test_a_machine_without_ipv6() -> None:
    """IPv4 is served all the same."""
    with every_interface(0, dual_stack=False) as bound:
        assert bound.family is socket.AF_INET
        assert _connects("127.0.0.1", bound.getsockname()[1])


def test_a_port_in_use() -> None:
    """It is an error on both, and no reason to serve IPv4 alone."""
    with every_interface(0) as bound, pytest.raises(OSError, match="in use"):
        every_interface(bound.getsockname()[1])
