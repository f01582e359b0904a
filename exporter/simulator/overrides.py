"""The changes that were requested: each sets a value until it is restored."""

from collections.abc import Mapping
from typing import NamedTuple, TypeVar

_Value = TypeVar("_Value")


class Setting(NamedTuple):
    """A value and the moment it was set at; from then on it changes as usual."""

    value: float
    moment: float


class QueueSetting(NamedTuple):
    """A queue as requested at a moment; what is None changes as usual. ``longest_wait`` grows with time."""

    moment: float
    waiting: int | None = None
    longest_wait: float | None = None
    online: int | None = None
    paused: int | None = None


class AddedCalls(NamedTuple):
    """Calls of a tenant that begin evenly over ``seconds`` from ``start``, in seconds since 1970."""

    code: str
    start: float
    number: int
    direction: str = "OUT"
    disposition: str = "ANSWERED"
    duration: int = 60
    seconds: float = 0.0


class Overrides:
    """All active changes. ``generation`` grows with each, to invalidate cached sums."""

    def __init__(self) -> None:
        self.generation = 0
        self._clear()

    def _clear(self) -> None:
        self.absent_nodes: dict[str, bool] = {}
        self.absent_tenants: dict[str, bool] = {}
        self.disabled: dict[str, bool] = {}
        self.dropped: dict[str, float] = {}  # by tenant; "" is every tenant
        self.calls: dict[str, int] = {}
        self.balances: dict[str, Setting] = {}
        self.max_channels: dict[str, int] = {}
        self.license_days: Setting | None = None
        self.failed_trunks: dict[str, bool] = {}
        self.queues: dict[str, QueueSetting] = {}
        self.added_calls: list[AddedCalls] = []

    def restore(self) -> None:
        """Undo every change."""
        self._clear()
        self.generation += 1

    def _set(self, values: dict[str, _Value], name: str, value: _Value | None) -> None:
        if value is None:
            values.pop(name, None)
        else:
            values[name] = value
        self.generation += 1

    def set_nodes(self, present: Mapping[str, bool]) -> None:
        """Remove nodes with their phones and calls, or bring them back."""
        for node in present:
            self._set(self.absent_nodes, node, None if present[node] else True)

    def set_tenant_present(self, code: str, *, present: bool) -> None:
        """Remove a tenant from the switch, or bring it back."""
        self._set(self.absent_tenants, code, None if present else True)

    def set_disabled(self, code: str, *, disabled: bool) -> None:
        """Disable or enable a tenant; a disabled one has no registered phones and no calls."""
        self._set(self.disabled, code, disabled)

    def drop_registrations(self, share: float, code: str = "") -> None:
        """Unregister a share (0 to 1) of the phones of one tenant, or of every tenant; 0 restores them."""
        self._set(self.dropped, code, share)

    def set_calls(self, code: str, calls: int | None) -> None:
        """Fix a tenant's number of calls, whatever its phones and limits; None restores it."""
        self._set(self.calls, code, calls)

    def set_balance(self, code: str, balance: float | None, moment: float) -> None:
        """Set a tenant's credit; calls keep spending it, without top-ups. None restores it."""
        self._set(self.balances, code, None if balance is None else Setting(balance, moment))

    def set_max_channels(self, code: str, max_channels: int | None) -> None:
        """Set a tenant's channel limit, -1 for unlimited; None restores it."""
        self._set(self.max_channels, code, max_channels)

    def set_trunks(self, registered: Mapping[str, bool]) -> None:
        """Let registrations of trunks fail, or register them again."""
        for name in registered:
            self._set(self.failed_trunks, name, None if registered[name] else True)

    def set_queue(self, queue: str, setting: QueueSetting | None) -> None:
        """Set the calls and agents of the queue with this id; None restores them."""
        self._set(self.queues, queue, setting)

    def add_calls(self, added: AddedCalls) -> None:
        """Add calls to the call history."""
        self.added_calls.append(added)
        self.generation += 1

    def set_license_days(self, days: int | None, moment: float) -> None:
        """Set the remaining days of the license, which keep counting down; None restores them."""
        self.license_days = None if days is None else Setting(days, moment)
        self.generation += 1
