import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.simulator.request import REFUSAL, ForbiddenRequest, KeyKind, Keys, for_log, parse

_READS = [
    "reqtype=COUNTPEERS",
    "reqtype=COUNTPEERS&tenant=ACME&format=json",
    "reqtype=COUNTCHANNELS&nodename=pbx1",
    "reqtype=COUNTCALLS&tenant=ACME",
    "reqtype=LICENSEDAYS",
    "reqtype=INFO&info=balance&tenant=ACME",
    "reqtype=INFO&info=regstate&tenant=ACME&ext=100",
    "reqtype=INFO&info=regstate&tenant=ACME&id=100",
    "reqtype=INFO&info=regstate&tenant=ACME&number=100",
    "reqtype=INFO&info=extensions&tenant=ACME",
    "reqtype=INFO&info=config&tenant=ACME",
    "reqtype=MANAGEDB&object=tenant&action=list",
    "reqtype=MANAGEDB&object=sipregs&action=list",
    "reqtype=CHANSIPPEERS",
    "reqtype=INFO&info=simplecdrs&tenant=%&start=2026-10-05 12:00:00&end=2026-10-05 12:05:00",
    "reqtype=INFO&info=queues&tenant=ACME",
    "reqtype=INFO&info=queue&tenant=ACME&id=1000",
    "reqtype=PEERS&tenant=ACME",
    "reqtype=BLFS&tenant=ACME",
    "reqtype=HELP&tenant=ACME",
]

# The operations in the vendor's reference (reqtype=HELP) that change something, ring, or return secrets.
_OTHER_REQUEST_TYPES = """
AGENT ATXTRANSFER AUTHTOKEN BALANCE CAMPAIGN CDR CHANNEL CHANNELS CHECKAUTH DIAL DND FAX FLOWS
GETCURRENTCALLS GETWEBRTCAUTH HANGUP MEDIAFILE PHONEBOOK PHONEBOOKS QUEUE QUEUERESET REBOOT RESPONSEPATH
SETFLOW SETTING SMS TRANSFER UNREGISTER USERGROUP VIRTUALEXT VOICEMAIL
"""
_OTHERS = [
    *(f"reqtype={name}" for name in _OTHER_REQUEST_TYPES.split()),
    "reqtype=BALANCE&tenant=ACME&amount=1",
    "reqtype=SETTING&action=SET",
    "reqtype=INFO",
    "reqtype=INFO&info=recording",
    "reqtype=INFO&info=cdrs",
    "reqtype=INFO&info=queuelogs",
    "reqtype=MANAGEDB&object=tenant&action=delete",
    "reqtype=MANAGEDB&object=tenant&action=get",
    "reqtype=MANAGEDB&object=sipregs&action=add",
    "reqtype=MANAGEDB&object=user&action=list",
    "reqtype=MANAGEDB&object=tenant",
    "reqtype=MANAGEDB&object=tenant list",
    "reqtype=MANAGEDB tenant list",
    "reqtype=",
    "",
]


def _pairs(query: str) -> list[tuple[str, str]]:
    return [(name, value) for name, _, value in (pair.partition("=") for pair in query.split("&") if pair)]


@pytest.mark.parametrize("query", _READS)
def test_reads_are_accepted(query: str) -> None:
    """Every operation of the allow-list is accepted, with a key and in any case."""
    pairs = [*_pairs(query), ("key", "demo-admin")]
    swapped = [(name, value.swapcase() if name in {"reqtype", "info"} else value) for name, value in pairs]
    assert parse("GET", pairs).operation == parse("GET", swapped).operation


@pytest.mark.parametrize("query", _OTHERS)
def test_all_other_operations_are_rejected(query: str) -> None:
    """Every other operation of the vendor's reference is rejected."""
    with pytest.raises(ForbiddenRequest, match="not in the allow-list"):
        parse("GET", _pairs(query))


@given(st.text(), st.text(), st.text(), st.text())
def test_only_the_allow_list_is_accepted(reqtype: str, info: str, thing: str, action: str) -> None:
    """Any combination of words gives an operation of the allow-list or an error."""
    pairs = [("reqtype", reqtype), ("info", info), ("object", thing), ("action", action)]
    try:
        operation = parse("GET", pairs).operation
    except ForbiddenRequest:
        return
    assert operation in {parse("GET", _pairs(query)).operation for query in _READS}


@pytest.mark.parametrize(
    ("method", "query", "why"),
    [
        ("POST", "reqtype=COUNTPEERS", "only GET"),
        ("HEAD", "reqtype=COUNTPEERS", "only GET"),
        ("GET", "reqtype=COUNTPEERS&cache=no", "cache=no"),
        ("GET", "reqtype=COUNTPEERS&cache=NO", "cache=no"),
        ("GET", "reqtype=COUNTPEERS&cache=yes", "'cache'"),
        ("GET", "reqtype=COUNTPEERS&reqtype=REBOOT", "more than once: 'reqtype'"),
        ("GET", "reqtype=COUNTPEERS&key=a&key=b", "more than once: 'key'"),
        ("GET", "reqtype=COUNTPEERS&amount=5", "'amount'"),
        ("GET", "reqtype=COUNTPEERS&Tenant=ACME", "'Tenant'"),
        ("GET", "reqtype=INFO&info=balance&tenant=ACME&start=2026", "'start'"),
        ("GET", "reqtype=COUNTCHANNELS&tenant=ACME&nodename=pbx1", "without tenant"),
    ],
)
def test_malformed_requests_are_rejected_with_a_reason(method: str, query: str, why: str) -> None:
    """Methods, repeated and unknown parameters and cache=no are rejected, each with its reason."""
    with pytest.raises(ForbiddenRequest, match=why):
        parse(method, _pairs(query))


def test_the_fields_of_a_request() -> None:
    """Tenant, node, extension and format are in their fields, and the key in none."""
    request = parse("GET", _pairs("reqtype=info&info=RegState&tenant=ACME&id=100&format=JSON&key=demo-admin"))
    assert (request.reqtype, request.info, request.operation) == ("INFO", "regstate", "INFO regstate")
    assert (request.tenant, request.node, request.extension, request.json) == ("ACME", "", "100", True)
    assert "demo-admin" not in repr(request)


def test_only_the_call_history_accepts_every_tenant() -> None:
    """``%`` is a wildcard in INFO simplecdrs and an unknown tenant elsewhere."""
    assert parse("GET", _pairs("reqtype=INFO&info=simplecdrs&tenant=%")).every_tenant
    assert not parse("GET", _pairs("reqtype=INFO&info=balance&tenant=%")).every_tenant


def test_the_id_of_a_queue_is_no_extension() -> None:
    """``id`` is a queue in INFO queue and an extension in INFO regstate."""
    queue = parse("GET", _pairs("reqtype=INFO&info=queue&tenant=ACME&id=1000"))
    assert (queue.queue, queue.extension) == ("1000", "")
    phone = parse("GET", _pairs("reqtype=INFO&info=regstate&tenant=ACME&id=100"))
    assert (phone.queue, phone.extension) == ("", "100")


def test_a_log_contains_no_key_and_no_unknown_value() -> None:
    """Keys are omitted, and values of unknown parameters, which may be passwords, are replaced."""
    shown = for_log(_pairs("reqtype=CHECKAUTH&username=a&password=b&key=c&tenant=ACME"))
    assert shown == {
        "reqtype": "CHECKAUTH",
        "username": "(not shown)",
        "password": "(not shown)",
        "tenant": "ACME",
    }


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
    """A key is classified by its form; the admin key must match exactly."""
    assert Keys().kind(key) is kind


_BALANCE = "reqtype=INFO&info=balance&tenant=ACME"
_WRONG_TENANT = "Wrong or missing tenant"


@pytest.mark.parametrize(
    ("key", "query", "refusal"),
    [
        ("demo-admin", "reqtype=COUNTPEERS", None),
        ("demo-admin", "reqtype=LICENSEDAYS", None),
        ("demo-admin", _BALANCE, None),
        ("demo-tenant-ACME", _BALANCE, None),
        ("demo-tenant-ACME", "reqtype=COUNTPEERS", REFUSAL),
        ("demo-tenant-ACME", "reqtype=INFO&info=balance&tenant=FJORD", REFUSAL),
        ("demo-tenant-ACME", "reqtype=LICENSEDAYS&tenant=ACME", REFUSAL),
        ("demo-tenant-ACME", "reqtype=MANAGEDB&object=tenant&action=list", REFUSAL),
        ("demo-tenant-ACME", "reqtype=MANAGEDB&object=sipregs&action=list", REFUSAL),
        ("demo-tenant-ACME", "reqtype=PEERS&tenant=ACME", None),
        ("demo-tenant-ACME", "reqtype=INFO&info=simplecdrs&tenant=ACME", None),
        ("demo-tenant-ACME", "reqtype=INFO&info=simplecdrs&tenant=%", REFUSAL),
        ("demo-tenant-ACME", "reqtype=BLFS&tenant=FJORD", REFUSAL),
        ("demo-tenant-ACME", "reqtype=COUNTCHANNELS", _WRONG_TENANT),
        ("demo-tenant-ACME", "reqtype=COUNTCHANNELS&tenant=ACME", None),
        *(
            (key, f"reqtype={name}", REFUSAL)
            for key in ("wrong", "")
            for name in ("COUNTPEERS", "COUNTCHANNELS")
        ),
    ],
)
def test_what_a_key_allows(key: str, query: str, refusal: str | None) -> None:
    """The admin key allows everything, a tenant key its own tenant, and any other key nothing."""
    assert Keys().refusal(key, parse("GET", _pairs(query)), tenant_exists=True) == refusal


@pytest.mark.parametrize("key", ["demo-admin", "demo-tenant-ACME", "wrong", ""])
def test_an_unknown_tenant_is_refused(key: str) -> None:
    """The refusal for an unknown tenant is the same for every key, 46 bytes as seen (wire notes 2026-10)."""
    refusal = Keys().refusal(key, parse("GET", _pairs(_BALANCE)), tenant_exists=False)
    assert refusal == REFUSAL
    assert len(REFUSAL.encode()) == 46


def test_keys_are_configurable_and_not_in_their_repr() -> None:
    """Keys can be configured, and their repr does not contain them."""
    keys = Keys(admin="root", tenant_prefix="x")
    assert keys.kind("root") is KeyKind.ADMIN
    assert keys.of_tenant("ACME") == "x-tenant-ACME"
    assert "root" not in repr(keys)
