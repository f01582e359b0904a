"""Where memory runs out the daemon ends, and says why: its supervisor starts it again."""

from typing import Any

from tests.e2e.everything import configuration

_LINE = 'msg="out of memory: ending, to be started again"'
_STATUS = 3


def _text(url: str, tenants: int) -> str:
    """Return a configuration whose size grows with the number of tenants, and that asks for little."""
    off = {name: {"tenant_interval": "off"} for name in ("balance", "registrations", "channels", "calls")}
    switch: dict[str, Any] = {"name": "pbx", "url": url, "key": "demo-admin", "queries": off}
    watch = [str(1000 + number) for number in range(100)]
    return configuration({**switch, "tenants": [{"code": f"T{n}", "watch": watch} for n in range(tenants)]})
