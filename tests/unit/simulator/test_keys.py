import pytest

from exporter.simulator.keys import REFUSAL, KeyKind, Keys
from exporter.simulator.request import parse

_KEYS = Keys()
_COUNT = {"reqtype": "COUNTPEERS"}
_BALANCE = {"reqtype": "INFO", "info": "balance", "tenant": "ACME"}


def _refusal(key: str, parameters: dict[str, str], *, tenant_known: bool = True) -> str | None:
    return _KEYS.refusal(key, parse("GET", list(parameters.items())), tenant_known=tenant_known)


@pytest.mark.parametrize(
    ("key", "kind"),
    [
        ("demo-admin", KeyKind.ADMIN),
        ("demo-tenant-ACME", KeyKind.TENANT),
        ("demo-tenant-", KeyKind.WRONG),
        ("demo-admin ", KeyKind.WRONG),
        ("", KeyKind.MISSING),
    ],
)
def test_kinds_of_keys(key: str, kind: KeyKind) -> None:
    """A key is known by its form, and nothing but the exact admin key is one."""
    assert _KEYS.kind(key) is kind


def test_the_refusal_has_the_size_that_was_seen() -> None:
    """The sentence is 46 bytes long, as a real switch's was (wire notes 2026-10)."""
    assert len(REFUSAL.encode()) == 46


def test_the_admin_key_may_ask_everything() -> None:
    """With the admin key neither the whole installation nor a tenant is refused."""
    assert _refusal("demo-admin", _COUNT) is None
    assert _refusal("demo-admin", {"reqtype": "LICENSEDAYS"}) is None
    assert _refusal("demo-admin", _BALANCE) is None


def test_a_tenant_key_is_for_its_tenant() -> None:
    """A tenant key is refused without its tenant, with another one, and for what only an admin may ask."""
    assert _refusal("demo-tenant-ACME", _BALANCE) is None
    assert _refusal("demo-tenant-ACME", _COUNT) == REFUSAL
    assert _refusal("demo-tenant-ACME", {**_BALANCE, "tenant": "FJORD"}) == REFUSAL
    assert _refusal("demo-tenant-ACME", {"reqtype": "LICENSEDAYS", "tenant": "ACME"}) == REFUSAL
    listing = {"reqtype": "MANAGEDB", "object": "tenant", "action": "list"}
    assert _refusal("demo-tenant-ACME", listing) == REFUSAL


def test_count_channels_refuses_in_its_own_words() -> None:
    """COUNTCHANNELS tells a tenant key that its tenant is wrong or missing (wire notes 2026-10)."""
    assert _refusal("demo-tenant-ACME", {"reqtype": "COUNTCHANNELS"}) == "Wrong or missing tenant"
    assert _refusal("demo-tenant-ACME", {"reqtype": "COUNTCHANNELS", "tenant": "ACME"}) is None


@pytest.mark.parametrize("key", ["demo-admin", "demo-tenant-ACME", "wrong", ""])
def test_an_unknown_tenant_is_refused(key: str) -> None:
    """A tenant that the switch does not know is refused with the same words, whatever the key."""
    assert _refusal(key, _BALANCE, tenant_known=False) == REFUSAL


@pytest.mark.parametrize("key", ["wrong", ""])
def test_a_wrong_key_is_refused(key: str) -> None:
    """A wrong key and none are refused for everything."""
    assert _refusal(key, _COUNT) == REFUSAL
    assert _refusal(key, {"reqtype": "COUNTCHANNELS"}) == REFUSAL


def test_keys_are_configurable_and_not_in_their_repr() -> None:
    """Other keys can be chosen, and are not shown."""
    keys = Keys(admin="root", tenant_prefix="x")
    assert keys.kind("root") is KeyKind.ADMIN
    assert keys.of_tenant("ACME") == "x-tenant-ACME"
    assert "root" not in repr(keys)
