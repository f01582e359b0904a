import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.model import (
    Counts,
    Devices,
    Extensions,
    Failure,
    Number,
    Peers,
    Reason,
    Registration,
    RegistrationState,
    Tenants,
)
from exporter.patterns import Pattern
from exporter.queries.call_records import CallRecords
from exporter.queries.limits import Limits
from exporter.queries.queue import QueueState
from exporter.queries.queues import Queues
from exporter.queries.trunks import Trunks
from exporter.request import Operation
from tests.reading import READERS, decode, endpoint_of

_ANSWERS = Path(__file__).parents[2] / "fixtures" / "answers"
_BODIES = [path.read_bytes() for path in sorted(_ANSWERS.rglob("*/*")) if path.stat().st_size < 5000]
_LISTS = [operation for operation in Operation if endpoint_of(operation).rows]

_KINDS = {
    Operation.COUNT_PEERS: Counts,
    Operation.COUNT_CHANNELS: Counts,
    Operation.COUNT_CALLS: Number,
    Operation.LICENSE_DAYS: Number,
    Operation.BALANCE: Number,
    Operation.REGISTRATION: RegistrationState,
    Operation.EXTENSIONS: Extensions,
    Operation.LIMITS: Limits,
    Operation.TENANTS: Tenants,
    Operation.PEERS: Peers,
    Operation.TENANT_PEERS: Peers,
    Operation.CALL_RECORDS: CallRecords,
    Operation.BLFS: Devices,
    Operation.QUEUES: Queues,
    Operation.QUEUE: QueueState,
    Operation.TRUNKS: Trunks,
}

_NAMES = [
    *("pbx1", "Total", "error", "state", "maxchannels", "ex_number", "st_state", "te_code", "node", "Name"),
    *("12", "CALLSINQUEUE", "FIRSTWAITING", "AGENTSONLINE", "SERVICELEVEL", "CALLSRECEIVED"),
]
_json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(_NAMES) | st.text(max_size=9), inner)
    ),
    max_leaves=12,
)
_PIECES = [
    *("|", ":", '"', "{", "}", "[", "]", ",", "-1", "12", "1e5", "Total", "pbx1", "<br", "/>", "Warning:"),
    *("line", "Number|State", "OK", "(10", "ms)", "null", "KO", "error"),
]
_pieces = st.sampled_from(
    [*_PIECES, "\n", "\r\n", " ", "\ufeff", "No id specified", "Extension not registered"]
)


@st.composite
def _damaged(draw: st.DrawFn) -> bytes:
    """Return the body of a fixture, cut off or with a piece of another one in it."""
    body, other = draw(st.sampled_from(_BODIES)), draw(st.sampled_from(_BODIES))
    at = draw(st.integers(0, len(body)))
    return body[:at] + draw(st.sampled_from([b"", other, other[: len(other) // 2], b"\xff", b"\x00", body]))


_bodies = (
    st.binary(max_size=60)
    | st.lists(_pieces, max_size=12).map(lambda pieces: "".join(pieces).encode())
    | _json_values.map(lambda value: json.dumps(value).encode())
    | _damaged()
)
_settings = st.fixed_dictionaries(
    {
        "pattern": st.none() | st.sampled_from([r"(-?\d+)", r"\d", r"(x)?", "", r"days: (.*)"]).map(Pattern),
        "total_name": st.none() | st.sampled_from(["Total", "pbx1", ""]),
        "words": st.dictionaries(
            st.sampled_from(Registration), st.lists(st.sampled_from(["KO", "12", "", "OK"])).map(tuple)
        ),
    }
)
_operations = st.sampled_from(Operation)

# Any text may follow, but these are not names of a total or of an error.
_node_names = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\0\ufffd"), max_size=30
).map("pbx".__add__)
_plain_names = st.text(
    st.characters(categories=["L", "N", "P", "S"], exclude_characters="|<\ufffd"), max_size=30
).map("srv 1".__add__)
_counts = st.integers(0, 2**53)


def test_every_operation_has_a_reader() -> None:
    """An operation that no query sends cannot be added to the allow-list unnoticed."""
    assert READERS.keys() == set(Operation) == set(_KINDS)


@given(_operations, _bodies, _settings)
def test_any_bytes_give_an_answer_or_a_failure(
    operation: Operation, body: bytes, settings: dict[str, object]
) -> None:
    """No body raises: it gives an answer of the operation's type, or a failure with one of five reasons."""
    outcome = decode(operation, body, settings)
    if isinstance(outcome, Failure):
        assert outcome.reason in {
            Reason.AUTH,
            Reason.REJECTED,
            Reason.EMPTY,
            Reason.DECODE,
            Reason.TOO_LARGE,
        }
        assert outcome.detail
    else:
        assert type(outcome) is _KINDS[operation]
    repr(outcome).encode()


@given(_operations, _bodies, _settings)
def test_details_are_printable(operation: Operation, body: bytes, settings: dict[str, object]) -> None:
    """The detail of a failure is one printable line."""
    outcome = decode(operation, body, settings)
    if isinstance(outcome, Failure):
        assert outcome.detail.isprintable()


@given(
    _operations,
    st.sampled_from(["{}", '"{}"', '{{"{}": 1}}', '{{"pbx1": "{}"}}', '{{"error": "{}"}}', "{}:1|{}:2"]),
)
def test_details_quote_little(operation: Operation, shape: str) -> None:
    """A failure quotes at most 120 characters of the body, and none of a list."""
    outcome = decode(
        operation, shape.replace("{}", "ж щ" * 400).replace("{{", "{").replace("}}", "}").encode()
    )
    assert isinstance(outcome, Failure)
    assert sum(outcome.detail.count(letter) for letter in "жщ") <= (
        0 if endpoint_of(operation).private else 120
    )


@pytest.mark.parametrize(
    ("body", "shown"),
    [
        ("Tenant is gone", '"Tenant is gone"'),
        ('{"error": "gone"}', '"{"error": "gone"}"'),
        ("twelve", '"twelve"'),
        ("<b>Warning</b>: odd <i>n</i>", '"Warning: odd n"'),
    ],
)
def test_details_quote_the_response(body: str, shown: str) -> None:
    """They show what the switch returned, unless the response is private."""
    for operation in (operation for operation in Operation if not endpoint_of(operation).private):
        outcome = decode(operation, body.encode())
        assert isinstance(outcome, Failure)
        assert shown in outcome.detail


@given(st.dictionaries(_node_names, _counts, min_size=1), _counts | st.none())
def test_counts_survive_json(nodes: dict[str, int], total: int | None) -> None:
    """Node names, counts and a total are read exactly from JSON."""
    sent = nodes if total is None else {**nodes, "Total": total}
    for body in (
        json.dumps(sent),
        json.dumps(sent, ensure_ascii=False),
        json.dumps({k: str(v) for k, v in sent.items()}),
    ):
        assert decode(Operation.COUNT_PEERS, body.encode()) == Counts(total, nodes)


@given(
    st.dictionaries(_plain_names, _counts, min_size=1), _counts | st.none(), st.sampled_from(["|", "|\r\n"])
)
def test_counts_survive_plain(nodes: dict[str, int], total: int | None, end: str) -> None:
    """Node names, counts and a total are read exactly from the plain form."""
    sent = nodes if total is None else {"Total": total, **nodes}
    body = "|".join(f"{name}:{count}" for name, count in sent.items()) + end
    assert decode(Operation.COUNT_CHANNELS, body.encode()) == Counts(total, nodes)


@given(
    st.dictionaries(
        st.sampled_from(["Total", "TOTALS", "all", "sum", "Total_Peers", "pbx1", "pbx2"]), _counts
    ),
    st.sampled_from([None, "pbx1"]),
)
def test_the_total_is_never_a_node(entries: dict[str, int], total_name: str | None) -> None:
    """The total is not among the nodes, whatever its name and value."""
    outcome = decode(Operation.COUNT_PEERS, json.dumps(entries).encode(), {"total_name": total_name})
    if isinstance(outcome, Counts):
        assert outcome.nodes is not None
        assert outcome.nodes.keys().isdisjoint(
            {total_name} if total_name else entries.keys() - {"pbx1", "pbx2"}
        )


@given(
    st.sampled_from(_LISTS), _damaged(), st.text("abcdefgh", min_size=12, max_size=12), st.integers(0, 3000)
)
def test_no_list_is_quoted(operation: Operation, body: bytes, secret: str, at: int) -> None:
    """The failure of a damaged list contains no text of its body."""
    outcome = decode(operation, body[:at] + secret.encode() + body[at:])
    if isinstance(outcome, Failure):
        assert secret not in outcome.detail


@given(st.text("abcdefgh", min_size=12, max_size=12), st.sampled_from(["INUSE", "MARTIAN", "", None]))
def test_credentials_are_dropped(secret: str, word: str | None) -> None:
    """An answer contains only the columns that are kept."""
    others = {"password": secret, "Description": secret, "nested": {"te_password": [secret]}}
    kept = {
        "ex_number": "100",
        "st_state": word,
        "st_extension": "100",
        "te_code": "A",
        "node": "pbx1",
        "id": "12",
        "Name": "100-A/x",
        "Status": word,
        "tenantcode": "A",
        "sc_direction": "IN",
        "sc_disposition": "ANSWERED",
        "sc_duration": 1,
    }
    for operation in _LISTS:
        # The list of trunks must have states, and must not be that of extensions.
        fields = {"Name": "carrier", "Status": word or ""} if operation is Operation.TRUNKS else kept
        outcome = decode(operation, json.dumps([{**others, **fields}]).encode())
        assert type(outcome) is _KINDS[operation]
        assert secret not in repr(outcome)


@pytest.mark.parametrize("operation", Operation)
def test_megabytes_of_one_character(operation: Operation) -> None:
    """They fail in linear time, without an exception."""
    for filling in (b"[", b'{"a":', b"<", b"|", b"1", b" ", b"a:1|", b'"'):
        outcome = decode(operation, filling * (500_000 // len(filling)), {"pattern": Pattern(r"(-?\d+)")})
        assert isinstance(outcome, Failure)
        assert outcome.reason in {Reason.DECODE, Reason.EMPTY, Reason.TOO_LARGE}
