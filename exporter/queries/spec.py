"""The declaration of a query. One that is incomplete or contradictory raises TypeError at import.

    QuerySpec   one query: its configuration section, and what it requests for the switch and for a tenant
    Endpoint    one operation of the allow-list: how its responses are read and which metrics they fill

A response is private unless its endpoint says otherwise: no part of its text is quoted, logged or shown.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Generic, TypeVar

from pydantic import Field

from exporter.decode.classify import classify, classify_list
from exporter.decode.columns import Layout
from exporter.decode.redact import excerpt, outline
from exporter.decode.text import Windows
from exporter.decode.values import read_counts
from exporter.fields import Section, parse_duration
from exporter.metrics.metric import Metric
from exporter.metrics.text_format import Values
from exporter.model import Answer, Content, Counts, Failure, Number, Query, Reason, Scope
from exporter.request import Operation, Request

# Descriptions of configuration keys that several queries have.
PER_SWITCH = "How often to request it for the installation, which needs the admin key."
PER_TENANT = "How often to request it for each tenant, at one request per tenant."
PATTERN = (
    "For a number that the switch wraps in words: a regular expression whose one group is the number. It "
    "must match once, and is tried only if the whole response is not a number."
)
TOTAL = (
    "Exact name of the entry that is the total and not a node. By default, the usual names of a total apply."
)

ANSWER_LIMIT = 8 * 1024 * 1024
LIST_LIMIT = 64 * 1024 * 1024
"""Bytes. A list of extensions was seen with 3.4 kB per record (wire notes 2026-10)."""

Families = Mapping[Metric, Values]

Config = TypeVar("Config", bound=Section)
Read = TypeVar("Read", bound=Answer)


def every(default: str | None, description: str, *, example: str = "") -> Any:  # noqa: ANN401 -- as pydantic.Field
    """Declare a key for an interval. ``default`` is a duration; None turns the query off."""
    seconds = parse_duration(default) if default else None
    return Field(seconds, description=description, examples=[example or default])


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint(Generic[Config, Read]):
    """One operation, how its responses are read, and which metrics they fill.

    ``value`` or ``rows``: reads a single value or a list; receives the configuration section of the query.
    ``fills``: turns what was read into metric values; None if the poller does that.
    ``for_part``: returns the request for one part of a tenant, given the section, the tenant and the part, if
    each part has a request of its own. Parts are extensions or queues.
    ``private``: whether no part of a response may be quoted, logged or shown.
    ``partial``: whether the reader of a value can skip entries, such as nodes (``Answer.skipped``). The
    reader of a list always can.
    ``max_bytes``: largest response that is read; 0 for the default, 8 MiB, or 64 MiB for a list.
    ``note``: printed by ``probe`` before a request that is heavy for the switch.
    ``title``: its name in ``probe`` if the query has several sources.
    ``empty_too``: a further cause of an empty response.
    ``series``: more series per tenant than the query has from its other sources.
    ``layout``: the columns of a list, so that ``probe`` can print which of them a response has.
    """

    operation: Operation
    value: Callable[[str, Config], Read | Failure] | None = None
    rows: Callable[[Windows, Config], Read | Failure] | None = None
    fills: Callable[[Read], Families] | None
    for_part: Callable[[Config, str, str], Request] | None = None
    private: bool = True
    partial: bool = False
    max_bytes: int = 0
    note: str = ""
    title: str = ""
    empty_too: str = ""
    series: int = 0
    layout: Callable[[Config], Layout] | None = None

    def __post_init__(self) -> None:
        if (self.value is None) is (self.rows is None):
            raise TypeError(f"{self.operation.name}: declare either `value` or `rows`")
        if self.rows is not None and not self.private:
            raise TypeError(
                f"{self.operation.name}: a list must be private, because lists contain credentials (seen)"
            )
        if not self.max_bytes:
            object.__setattr__(self, "max_bytes", LIST_LIMIT if self.rows else ANSWER_LIMIT)

    @property
    def has_rows(self) -> bool:
        """Whether a response may be read although some of its rows or nodes are skipped."""
        return self.rows is not None or self.partial

    def decode(self, body: Content, section: Config, charset: str = "") -> Read | Failure:
        """Read the body of an HTTP 200. Never raises.

        ``charset`` is the declared one. The detail of a failure quotes at most 120 characters of the body,
        and nothing of a private one. It may contain a key: mask it before it is shown.
        """
        if self.rows is not None:
            windows = classify_list(body, charset)
            if not isinstance(windows, Failure):
                return self.rows(windows, section)
            is_explained = windows.reason is Reason.EMPTY and self.empty_too
            return replace(windows, detail=f"{windows.detail}, {self.empty_too}") if is_explained else windows
        text = classify(body, charset, may_quote=not self.private)
        if isinstance(text, Failure):
            return text
        assert self.value is not None  # noqa: S101 -- for the type checker
        answer = self.value(text, section)
        return _without_quotes(answer, len(text)) if self.private else answer

    def excerpt(self, body: Content, limit: int) -> str:
        """Return the part of a response that may be shown: only size and type of a private one."""
        if self.private:
            return outline(body, "list" if self.rows else "private response")
        return excerpt(body, limit)


def _without_quotes(answer: Read | Failure, size: int) -> Read | Failure:
    """Return what was read from a private response, without what its reader may have quoted."""
    if isinstance(answer, Failure):
        rejected = answer.reason is Reason.REJECTED
        got = "an error message" if rejected else "something other than the expected value"
        return Failure(answer.reason, f"got {got}, {size:,} characters; the response is private")
    if answer.skipped is None:
        return answer
    skipped = replace(answer.skipped, first="an entry is unreadable; the response is private", more=())
    return replace(answer, skipped=skipped)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeTexts:
    """What ``probe`` needs for its advice on one query.

    ``number``: regular expression group for its number, used in the ``pattern`` that is suggested.
    ``over``: regular expression for texts whose number means something else, explained by ``over_advice``.
    ``without``: what it means that a list lacks a column, by the name of the column.
    ``doubt``: what one value leaves open. ``doubt_empty``: what an empty response leaves open.
    """

    number: str = ""
    over: str = ""
    over_advice: str = ""
    without: Mapping[str, str] = field(default_factory=dict)
    doubt: str = ""
    doubt_empty: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class QuerySpec(Generic[Config]):
    """One query.

    ``section``: the section ``queries.<name>`` of the configuration, described by ``summary``. It has
    ``interval`` if there is a ``switch`` endpoint, and ``tenant_interval`` if there is a ``tenant`` endpoint.
    ``switch``, ``tenant``: what is requested for the installation, and for each tenant.
    ``sources``: replaces ``tenant`` by one endpoint for each value of the key ``source``.
    ``start``: the tenant at which a sweep starts, from 0 (first) to 1 (last). Only one request per tenant may
    be in flight, and queries in step would meet at the same tenant in every sweep.
    ``finds``: whether it discovers other targets and has no value itself.
    ``parts_of``: the query whose parts it discovers. ``names_parts``: whether configured parts need it as
    well, for their names.
    ``empty``: what an empty response means if the same key has returned a value since the start; None if it
    is a failure.
    ``series``: series per tenant, apart from phones and nodes, for the estimate of ``--config.check``.
    ``unused``: the reason why it is not polled although it has an interval.
    """

    query: Query
    summary: str
    section: type[Config]
    switch: Endpoint[Config, Any] | None = None
    tenant: Endpoint[Config, Any] | None = None
    sources: Mapping[str, Endpoint[Config, Any]] = field(default_factory=dict)
    start: float | None = None
    finds: bool = False
    parts_of: Query | None = None
    names_parts: bool = False
    empty: Callable[[Config], Answer | None] | None = None
    series: int = 1
    unused: str = "it is off for every tenant"
    probe: ProbeTexts = ProbeTexts()

    def __post_init__(self) -> None:
        for error in self._errors():
            raise TypeError(f"query {self.query}: {error}")

    def endpoint(self, section: Config, scope: Scope) -> Endpoint[Config, Any]:
        """Return the endpoint for this section. Raises LookupError if the query does not have the scope."""
        if self.sources:
            return self.sources[getattr(section, "source", "")]
        found = self.switch if scope is Scope.SWITCH else self.tenant
        if found is None:
            raise LookupError(f"{self.query} has no scope {scope}")
        return found

    def of(self, request: Request) -> Endpoint[Config, Any]:
        """Return the endpoint that sends a request. Raises LookupError if there is none."""
        own = self.tenant if request.tenant else self.switch
        for endpoint in (own, *self.sources.values()):
            if endpoint and endpoint.operation is request.operation:
                return endpoint
        raise LookupError(f"{self.query} does not send {request.operation.name}")

    @property
    def endpoints(self) -> tuple[Endpoint[Config, Any], ...]:
        """All endpoints."""
        return tuple(each for each in (self.switch, self.tenant, *self.sources.values()) if each)

    @property
    def operations(self) -> Iterator[tuple[Operation, Scope]]:
        """The operations that it sends, each with its scope."""
        for endpoint, scope in ((self.switch, Scope.SWITCH), (self.tenant, Scope.TENANT)):
            if endpoint:
                yield endpoint.operation, scope
        for endpoint in self.sources.values():
            yield from ((endpoint.operation, scope) for scope in endpoint.operation.scopes)

    @property
    def has_both_scopes(self) -> bool:
        """Whether a tenant's value can be compared with that of the installation."""
        return self.switch is not None and self.tenant is not None

    @property
    def has_rows(self) -> bool:
        """Whether a response may be read although some of its rows or nodes are skipped."""
        return any(endpoint.has_rows for endpoint in self.endpoints)

    def _errors(self) -> Iterator[str]:
        keys = self.section.model_fields
        if not self.endpoints or not self.summary:
            yield "declare a `summary`, and `switch`, `tenant` or both"
        if bool(self.switch) is not ("interval" in keys):
            yield "declare both or neither: `switch`, and `interval` in its section"
        if bool(self.tenant) is not ("tenant_interval" in keys):
            yield "declare both or neither: `tenant`, and `tenant_interval` in its section"
        if bool(self.sources) is not ("source" in keys):
            yield "declare both or neither: `sources`, and `source` in its section"
        for operation, scope in self.operations:
            if scope not in operation.scopes:
                yield f"exporter.request does not allow {operation.name} for a {scope}"
        if self.tenant and (self.start is None or not 0 <= self.start < 1):
            yield "declare a `start` of at least 0 and below 1"
        for key, declared in keys.items():
            if not declared.description or declared.is_required():
                yield f"its key `{key}` needs a description and a default"


def count_endpoint(
    operation: Operation, total: Metric, by_node: Metric, *, zeros: bool, note: str = ""
) -> Endpoint[Any, Counts]:
    """Return the endpoint of a count per node, which fills one metric with the total and one per node.

    The section of the query needs ``total_name``. ``zeros``: whether a node with a count of 0 gets a series;
    per tenant it does not, because most of 50 nodes times 5,000 tenants are 0.
    """

    def fill(answer: Counts) -> Families:
        counts = {node: count for node, count in (answer.nodes or {}).items() if count or zeros}
        filled: dict[Metric, Values] = {} if answer.whole is None else {total: answer.whole}
        return {**filled, by_node: counts} if counts else filled

    return Endpoint(
        operation=operation,
        value=lambda text, section: read_counts(text, section.total_name),
        fills=fill,
        private=False,
        partial=True,
        note=note,
    )


def number_into(metric: Metric, factor: int = 1) -> Callable[[Number], Families]:
    """Return a function that fills one metric with ``factor`` times the number that was read."""
    return lambda answer: {metric: answer.value * factor}
