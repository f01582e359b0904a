"""What somebody changed in the simulated world, on top of what it does by itself."""

from typing import NamedTuple, TypeVar

_Value = TypeVar("_Value")


class Setting(NamedTuple):
    """A value and the moment at which it was set; from there on it changes as it would by itself."""

    value: float
    moment: float


class Overrides:
    """Every change that is in force. ``generation`` grows with each, so that sums can be kept until then."""

    def __init__(self) -> None:
        self.generation = 0
        self._clear()

    def _clear(self) -> None:
        self.absent_nodes: set[str] = set()
        self.absent_tenants: set[str] = set()
        self.disabled: dict[str, bool] = {}
        self.dropped: dict[str, float] = {}
        self.dropped_everywhere = 0.0
        self.calls: dict[str, int] = {}
        self.balances: dict[str, Setting] = {}
        self.max_channels: dict[str, int] = {}
        self.license_days: Setting | None = None

    def restore(self) -> None:
        """Take every change back."""
        self._clear()
        self.generation += 1

    def set_node_present(self, node: str, *, present: bool) -> None:
        """Let a node vanish, with the phones and calls on it, or come back."""
        _set_member(self.absent_nodes, node, member=not present)
        self.generation += 1

    def set_tenant_present(self, code: str, *, present: bool) -> None:
        """Let a tenant vanish from the list and become unknown, or come back."""
        _set_member(self.absent_tenants, code, member=not present)
        self.generation += 1

    def set_disabled(self, code: str, *, disabled: bool) -> None:
        """Disable or enable a tenant; a disabled one has no phone registered and no call."""
        self.disabled[code] = disabled
        self.generation += 1

    def drop_registrations(self, share: float, code: str = "") -> None:
        """Hold off a share (0 to 1) of the phones of one tenant, or of every tenant; 0 lets them back."""
        if code:
            self.dropped[code] = share
        else:
            self.dropped_everywhere = share
        self.generation += 1

    def set_calls(self, code: str, calls: int | None) -> None:
        """Hold a tenant's calls at a number, whatever its phones and limits; None lets them go."""
        _set_item(self.calls, code, calls)
        self.generation += 1

    def set_balance(self, code: str, balance: float | None, moment: float) -> None:
        """Set a tenant's credit; calls go on spending it and nobody pays in. None: as it would be."""
        _set_item(self.balances, code, None if balance is None else Setting(balance, moment))
        self.generation += 1

    def set_max_channels(self, code: str, max_channels: int | None) -> None:
        """Set how many channels a tenant may use, -1 for any number; None: as it was set up."""
        _set_item(self.max_channels, code, max_channels)
        self.generation += 1

    def set_license_days(self, days: int | None, moment: float) -> None:
        """Set the days of license that are left; they go on counting down. None: as at first."""
        self.license_days = None if days is None else Setting(days, moment)
        self.generation += 1


def _set_member(names: set[str], name: str, *, member: bool) -> None:
    if member:
        names.add(name)
    else:
        names.discard(name)


def _set_item(items: dict[str, _Value], name: str, value: _Value | None) -> None:
    if value is None:
        items.pop(name, None)
    else:
        items[name] = value
