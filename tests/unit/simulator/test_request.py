import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.simulator.request import ForbiddenRequest, for_log, parse

_READINGS = [
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
    "reqtype=CHANSIPPEERS",
    "reqtype=HELP&tenant=ACME",
]

_OTHER_REQUEST_TYPES = """
AGENT ATXTRANSFER AUTHTOKEN BALANCE BLFS CAMPAIGN CDR CHANNEL CHANNELS CHECKAUTH DIAL DND FAX FLOWS
GETCURRENTCALLS GETWEBRTCAUTH HANGUP MEDIAFILE PHONEBOOK PHONEBOOKS QUEUE QUEUERESET REBOOT RESPONSEPATH
SETFLOW SETTING SMS TRANSFER UNREGISTER USERGROUP VIRTUALEXT VOICEMAIL
"""

# Everything in the vendor's reference (reqtype=HELP) that changes something, rings, or hands out secrets.
_DEEDS = [
    *(f"reqtype={name}" for name in _OTHER_REQUEST_TYPES.split()),
    "reqtype=BALANCE&tenant=ACME&amount=1",
    "reqtype=SETTING&action=SET",
    "reqtype=INFO",
    "reqtype=INFO&info=recording",
    "reqtype=INFO&info=cdrs",
    "reqtype=MANAGEDB&object=tenant&action=delete",
    "reqtype=MANAGEDB&object=tenant&action=get",
    "reqtype=MANAGEDB&object=user&action=list",
    "reqtype=MANAGEDB&object=tenant",
    "reqtype=MANAGEDB&object=tenant list",
    "reqtype=MANAGEDB tenant list",
    "reqtype=",
    "",
]


def _pairs(query: str) -> list[tuple[str, str]]:
    return [(name, value) for name, _, value in (pair.partition("=") for pair in query.split("&") if pair)]


@pytest.mark.parametrize("query", _READINGS)
def test_what_only_reads_is_heard(query: str) -> None:
    """Every operation of the allow-list is accepted, with a key and in any case of its words."""
    pairs = [*_pairs(query), ("key", "demo-admin")]
    swapped = [(name, value.swapcase() if name in {"reqtype", "info"} else value) for name, value in pairs]
    assert parse("GET", pairs).operation == parse("GET", swapped).operation


@pytest.mark.parametrize("query", _DEEDS)
def test_what_does_more_is_forbidden(query: str) -> None:
    """Every operation of the vendor's reference that is not on the allow-list is refused."""
    with pytest.raises(ForbiddenRequest, match="not on the list"):
        parse("GET", _pairs(query))


@given(st.text(), st.text(), st.text(), st.text())
def test_no_other_words_are_heard(reqtype: str, info: str, thing: str, action: str) -> None:
    """Whatever the words are, an operation is heard only if it is one of the eleven."""
    pairs = [("reqtype", reqtype), ("info", info), ("object", thing), ("action", action)]
    try:
        operation = parse("GET", pairs).operation
    except ForbiddenRequest:
        return
    assert operation in {parse("GET", _pairs(query)).operation for query in _READINGS}


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
        ("GET", "reqtype=COUNTPEERS&callback=f", "'callback'"),
        ("GET", "reqtype=INFO&info=balance&tenant=ACME&start=2026", "'start'"),
        ("GET", "reqtype=COUNTCHANNELS&tenant=ACME&nodename=pbx1", "without tenant"),
    ],
)
def test_odd_requests_are_forbidden_and_say_why(method: str, query: str, why: str) -> None:
    """Methods, parameters given twice, unknown ones and cache=no are refused, each with its reason."""
    with pytest.raises(ForbiddenRequest, match=why):
        parse(method, _pairs(query))


def test_what_was_asked_is_understood() -> None:
    """Tenant, node, extension, format and parameters arrive in their places, and the key in none."""
    asked = parse("GET", _pairs("reqtype=info&info=RegState&tenant=ACME&id=100&format=JSON&key=demo-admin"))
    assert (asked.reqtype, asked.info, asked.operation) == ("INFO", "regstate", "INFO regstate")
    assert (asked.tenant, asked.node, asked.extension, asked.json) == ("ACME", "", "100", True)
    assert "demo-admin" not in repr(asked)


def test_a_log_shows_no_key_and_no_value_it_does_not_know() -> None:
    """Keys are left out, and values of foreign parameters, which may be passwords, are not shown."""
    shown = for_log(_pairs("reqtype=CHECKAUTH&username=a&password=b&key=c&tenant=ACME"))
    assert shown == {
        "reqtype": "CHECKAUTH",
        "username": "(not shown)",
        "password": "(not shown)",
        "tenant": "ACME",
    }
