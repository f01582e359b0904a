"""Authorization: one admin key, and a key for each tenant.

Source: wire notes 2026-10. The refusal says the same for a wrong key, a missing or unknown tenant, and an
operation that the key may not use.
"""

from dataclasses import dataclass, field
from enum import StrEnum

from exporter.simulator.request import ApiRequest

# With a newline it has the 46 bytes that were seen (wire notes 2026-10).
REFUSAL = "Too bad... you mistaken the security api key.\n"
_WRONG_TENANT = "Wrong or missing tenant"

_ADMIN_ONLY = {"LICENSEDAYS", "MANAGEDB tenant list"}


class KeyKind(StrEnum):
    """Which kind of key came with a request; it is all that a log says about a key."""

    ADMIN = "admin"
    TENANT = "tenant"
    WRONG = "wrong"
    MISSING = "missing"


@dataclass(frozen=True, slots=True)
class Keys:
    """The keys of the simulator, all made up: ``admin``, and ``<tenant_prefix>-tenant-<CODE>``."""

    admin: str = field(default="demo-admin", repr=False)
    tenant_prefix: str = field(default="demo", repr=False)

    def of_tenant(self, code: str) -> str:
        """Return the key of a tenant."""
        return f"{self.tenant_prefix}-tenant-{code}"

    def kind(self, key: str) -> KeyKind:
        """Return what kind of key this is. A tenant key may well be that of a tenant nobody knows."""
        if not key:
            return KeyKind.MISSING
        if key == self.admin:
            return KeyKind.ADMIN
        return KeyKind.TENANT if self._owner(key) else KeyKind.WRONG

    def refusal(self, key: str, request: ApiRequest, *, tenant_known: bool) -> str | None:
        """Return the sentence that refuses a request, or None where the key may ask this."""
        kind = self.kind(key)
        if kind in {KeyKind.WRONG, KeyKind.MISSING} or (request.tenant and not tenant_known):
            return REFUSAL
        if kind is KeyKind.ADMIN:
            return None
        if request.tenant != self._owner(key):
            # Seen for this operation alone (wire notes 2026-10).
            return _WRONG_TENANT if request.operation == "COUNTCHANNELS" else REFUSAL
        return REFUSAL if request.operation in _ADMIN_ONLY else None

    def _owner(self, key: str) -> str:
        """Return the code of the tenant whose key this is, "" where it has no such form."""
        return key.removeprefix(start) if key.startswith(start := self.of_tenant("")) else ""
