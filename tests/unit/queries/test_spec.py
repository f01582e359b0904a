from dataclasses import replace
from typing import Any

import pytest
from pydantic import Field

from exporter.decode.classify import rejected, unread
from exporter.decode.redact import quoted
from exporter.fields import Interval, Section
from exporter.model import Answer, Counts, Failure, Query, Reason, Scope, Skipped
from exporter.queries import QUERIES, Endpoint, QuerySpec, table
from exporter.request import Operation, Request

_SECRET = "hunter2-MUST-NOT-SHOW"


class _OfSwitch(Section):
    interval: Interval = Field(None, description="How often.", examples=["1h"])


class _OfTenants(Section):
    tenant_interval: Interval = Field(None, description="How often.", examples=["1h"])


class _Undescribed(Section):
    interval: Interval = None


class _Chosen(_OfTenants):
    source: str = Field("x", description="What is asked.")


def _quoting(text: str, _: Section) -> Answer | Failure:
    return Failure(Reason.DECODE, f"got {text}")


def _endpoint(operation: Operation = Operation.COUNT_CALLS, **more: Any) -> Endpoint[Any, Any]:
    return Endpoint(**{"operation": operation, "value": _quoting, "fills": None, **more})


def _spec(**more: Any) -> QuerySpec[Any]:
    """Return a query of a made-up module, as somebody declares it who knows no more than that."""
    declared = {"query": Query.CALLS, "summary": "Made up.", "section": _OfSwitch, "switch": _endpoint()}
    return QuerySpec(**{**declared, **more})


@pytest.mark.parametrize(
    "more",
    [
        {"summary": ""},
        {"switch": None},
        {"switch": None, "tenant": _endpoint(), "start": 0.5},
        {"section": _OfTenants},
        {"section": _OfTenants, "switch": None, "tenant": _endpoint()},
        {"section": _OfTenants, "switch": None, "tenant": _endpoint(), "start": 1.0},
        {"section": _Chosen, "switch": None, "tenant": _endpoint(), "start": 0.5},
        {"section": _Undescribed},
        {"switch": _endpoint(Operation.BALANCE)},
        {
            "section": _OfTenants,
            "switch": None,
            "tenant": _endpoint(Operation.LICENSE_DAYS),
            "start": 0.5,
        },
    ],
)
def test_an_incomplete_query_is_an_error_at_import(more: dict[str, Any]) -> None:
    """An omission in a module cannot reach production."""
    with pytest.raises(TypeError, match="query calls: "):
        _spec(**more)


def test_an_incomplete_endpoint_is_an_error_at_import() -> None:
    """`fills` and the reader have no default."""
    with pytest.raises(TypeError, match="fills"):
        Endpoint(operation=Operation.COUNT_CALLS, value=_quoting)  # type: ignore[call-arg]  # the mistake
    with pytest.raises(TypeError, match="either"):
        _endpoint(value=None)
    with pytest.raises(TypeError, match="either"):
        _endpoint(rows=lambda *_: None)
    with pytest.raises(TypeError, match="a list must be private"):
        _endpoint(value=None, rows=lambda *_: None, private=False)


@pytest.mark.parametrize(
    "body",
    [
        _SECRET,
        f"Sorry, {_SECRET} is wrong",
        f'{{"error": "{_SECRET}"}}',
        f'{{"password": "{_SECRET}"',
        f"<b>Warning</b>: wrong password {_SECRET} in x.php",
        f"{_SECRET}|{_SECRET}",
    ],
)
@pytest.mark.parametrize(
    "value",
    [
        _quoting,
        lambda text, _: unread(text, "a value"),
        lambda text, _: rejected(text),
        lambda text, _: Failure(Reason.REJECTED, quoted(text)),
    ],
)
def test_responses_are_private_by_default(body: str, value: Any) -> None:
    """Nothing of one is in a failure or an excerpt, even if its reader quotes it."""
    endpoint = _endpoint(value=value)
    outcome = endpoint.decode(body.encode(), _OfSwitch())
    assert isinstance(outcome, Failure)
    assert "hunter2" not in outcome.detail
    assert endpoint.excerpt(body.encode(), 1000).startswith("private response of ")
    assert "hunter2" not in endpoint.excerpt(body.encode(), 1000)


def test_skipped_entries_of_a_private_response_are_not_quoted() -> None:
    """Only their number is returned, even if the reader quotes an entry."""
    skipped = Skipped(2, 1, f"the entry {_SECRET} cannot be read")
    read = Counts(None, {"pbx1": 3}, skipped=skipped)
    answer = _endpoint(value=lambda *_: read).decode(b"pbx1|3", _OfSwitch())
    assert isinstance(answer, Counts)
    assert answer.skipped
    assert answer == replace(read, skipped=replace(skipped, first=answer.skipped.first))
    assert "hunter2" not in answer.skipped.first
    assert _endpoint(value=lambda *_: read, private=False).decode(b"pbx1|3", _OfSwitch()) == read


def test_only_reviewed_operations_are_shown() -> None:
    """Their responses are values without credentials (wire notes 2026-10)."""
    shown = {
        endpoint.operation for spec in QUERIES.values() for endpoint in spec.endpoints if not endpoint.private
    }
    assert shown == {
        *(Operation.COUNT_PEERS, Operation.COUNT_CHANNELS, Operation.COUNT_CALLS, Operation.LICENSE_DAYS),
        *(Operation.BALANCE, Operation.REGISTRATION, Operation.LIMITS),
    }


def test_the_table_has_each_query_once() -> None:
    """A query that is missing, listed twice or in step with another one is an error."""
    specs = list(QUERIES.values())
    assert list(table(*reversed(specs))) == list(Query)
    for wrong in (specs[1:], [*specs, specs[0]]):
        with pytest.raises(TypeError, match="exactly one module"):
            table(*wrong)
    peers, *others = specs
    with pytest.raises(TypeError, match="the same `start`"):
        table(replace(peers, start=QUERIES[Query.CALLS].start), *others)


def test_the_endpoint_of_a_request() -> None:
    """It is found even for a request of an earlier configuration."""
    registrations = QUERIES[Query.REGISTRATIONS]
    assert registrations.of(Request(Operation.EXTENSIONS, tenant="ACME")).private
    assert registrations.of(Request(Operation.PEERS)).rows is not None
    with pytest.raises(LookupError):
        registrations.of(Request(Operation.COUNT_CALLS))
    with pytest.raises(LookupError):
        QUERIES[Query.LICENSE].endpoint(QUERIES[Query.LICENSE].section(), Scope.TENANT)


@pytest.mark.parametrize("query", Query)
def test_size_limits(query: Query) -> None:
    """A value may have 8 MiB, a list 64."""
    for endpoint in QUERIES[query].endpoints:
        assert endpoint.max_bytes == (64 if endpoint.rows else 8) * 2**20


def test_operations_without_a_query_are_an_error() -> None:
    """The allow-list contains no operation, and no scope of one, that no query uses."""
    calls, others = QUERIES[Query.CALLS], [spec for spec in QUERIES.values() if spec.query is not Query.CALLS]
    without_tenants = replace(calls, tenant=None, start=None, section=_OfSwitch)
    with pytest.raises(TypeError, match="no query sends COUNT_CALLS for a tenant"):
        table(without_tenants, *others)
