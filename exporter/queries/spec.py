"""What each query declares. Whatever is left out or does not fit is an error when the program starts.

    QuerySpec   one query: its section of the configuration, and what it asks of the switch and of a tenant
    Endpoint    one operation of the allow-list: how its answers are read, and which families they fill

Everything about an answer is private unless its endpoint says otherwise: then nothing of its text is quoted,
logged or shown.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Generic, TypeVar

from exporter.decode.classify import classify, classify_list
from exporter.decode.redact import excerpt, outline
from exporter.decode.windows import Windows
from exporter.fields import Section
from exporter.metrics.catalogue import Metric
from exporter.metrics.text_format import Values
from exporter.model import Answer, Content, Counts, Failure, Number, Query, Reason, Scope
from exporter.request import ONE_TENANT_ONLY, WHOLE_INSTALLATION_ONLY, Operation, Request

OF_SWITCH = "How often it is asked of the whole installation, which needs the admin key."
OF_TENANTS = "How often it is asked of each tenant, at one request a tenant."
PATTERN = (
    "Where the switch wraps the number in words: one group, which is the number. It must match once, and is "
    "only tried where the whole answer is no number."
)
"""Descriptions of keys that the sections of several queries have."""

ANSWER_LIMIT = 8 * 1024 * 1024
LIST_LIMIT = 64 * 1024 * 1024
"""Bytes. An extension list was seen at 3.4 kB a record (wire notes 2026-10)."""

Families = Mapping[Metric, Values]

Config = TypeVar("Config", bound=Section)
Read = TypeVar("Read", bound=Answer)


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint(Generic[Config, Read]):
    """One operation, how its answers are read, and which families they fill.

    ``value`` or ``rows``: reads a single value, or a list. It gets the section of the query.
    ``fills``: turns an answer into values; None where the poller does that.
    ``private``: whether nothing of the text of an answer may be quoted, logged or shown.
    ``partial``: whether entries of its answers, as the nodes of a count, can be skipped while the rest is
    read (``Answer.skipped``). Those of a list always can.
    ``max_bytes``: the largest answer that is read; 0 for 8 MiB, and 64 MiB for a list.
    ``note``: what ``probe`` says before a request that is heavy for the switch.
    ``title``: what ``probe`` calls it, where the query has several sources.
    """

    operation: Operation
    value: Callable[[str, Config], Read | Failure] | None = None
    rows: Callable[[Windows, Config], Read | Failure] | None = None
    fills: Callable[[Read], Families] | None
    private: bool = True
    partial: bool = False
    max_bytes: int = 0
    note: str = ""
    title: str = ""

    def __post_init__(self) -> None:
        if (self.value is None) is (self.rows is None):
            raise TypeError(f"{self.operation.name}: declare either `value` or `rows`")
        if self.rows is not None and not self.private:
            raise TypeError(f"{self.operation.name}: a list is private; it holds credentials (seen)")
        if not self.max_bytes:
            object.__setattr__(self, "max_bytes", LIST_LIMIT if self.rows else ANSWER_LIMIT)

    @property
    def has_rows(self) -> bool:
        """Whether rows, or nodes, of its answers can be skipped while the rest is read."""
        return self.rows is not None or self.partial

    def decode(self, body: Content, section: Config, charset: str = "") -> Read | Failure:
        """Return what the body of an HTTP 200 says, or why it says nothing. Nothing is raised, whatever came.

        ``charset`` is the declared one. The detail of a failure quotes at most 120 characters of the body,
        and nothing of a private one, but it masks no key: the caller does that before it is shown.
        """
        if self.rows is not None:
            windows = classify_list(body, charset)
            return windows if isinstance(windows, Failure) else self.rows(windows, section)
        text = classify(body, charset, shown=not self.private)
        if isinstance(text, Failure) or self.value is None:
            return text if isinstance(text, Failure) else _unquoted(Reason.DECODE, text)
        answer = self.value(text, section)
        if not self.private:
            return answer
        if isinstance(answer, Failure):
            return _unquoted(answer.reason, text)
        return _without_quotation(answer)

    def excerpt(self, body: Content, limit: int) -> str:
        """Return what may be shown of an answer: of a private one only size and type."""
        if self.private:
            return outline(body, "list" if self.rows else "private answer")
        return excerpt(body, limit)


def _unquoted(reason: Reason, text: str) -> Failure:
    """Return the failure of a private answer: only its size, since its reader may have quoted the text."""
    what = "an error message" if reason is Reason.REJECTED else "something other than the expected value"
    return Failure(reason, f"got {what}, {len(text):,} characters; the answer is private")


def _without_quotation(answer: Read) -> Read:
    """Return a private answer without what its reader may have quoted of the first entry it skipped."""
    if answer.skipped is None:
        return answer
    skipped = replace(answer.skipped, first="an entry cannot be read; the answer is private")
    return replace(answer, skipped=skipped)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeTexts:
    """What ``probe`` knows of one query.

    ``number``: a group of a regular expression for its number, in the ``pattern`` that is suggested.
    ``over``: an expression for texts whose number means something else: ``over_advice`` says so.
    ``doubt``: what one value cannot tell. ``doubt_empty``: what an empty answer cannot tell.
    """

    number: str = ""
    over: str = ""
    over_advice: str = ""
    doubt: str = ""
    doubt_empty: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class QuerySpec(Generic[Config]):
    """One query.

    ``section``: its section ``queries.<name>`` of the configuration. It has ``interval`` where it has a
    ``switch``, and ``tenant_interval`` where it has a ``tenant``. ``summary`` describes it for the reference.
    ``switch``, ``tenant``: what is asked of the whole installation, and of each tenant.
    ``sources``: what is asked instead of ``tenant`` for each value of ``source`` in its section.
    ``start``: at which tenant a sweep begins, from 0 to 1. Only one request a tenant may be in flight, and
    queries that walked in step would meet at the same tenant every time.
    ``finds``: whether it finds out what else to ask, and has no value of its own.
    ``empty_is_zero``: whether an empty answer means 0, where it may.
    ``series``: how many series an answer about a tenant gives, apart from phones and nodes, for the
    estimate of ``--config.check``. Of no use for a query that is asked of no tenant.
    ``unused``: why it is asked of no tenant although it has an interval.
    """

    query: Query
    summary: str
    section: type[Config]
    switch: Endpoint[Config, Any] | None = None
    tenant: Endpoint[Config, Any] | None = None
    sources: Mapping[str, Endpoint[Config, Any]] = field(default_factory=dict)
    start: float | None = None
    finds: bool = False
    empty_is_zero: Callable[[Config], bool] | None = None
    series: int = 1
    unused: str = "it is off for every tenant"
    probe: ProbeTexts = ProbeTexts()

    def __post_init__(self) -> None:
        for wrong in self._mistakes():
            raise TypeError(f"query {self.query}: {wrong}")

    def endpoint(self, section: Config, scope: Scope) -> Endpoint[Config, Any]:
        """Return what is asked with this section. Raises LookupError for a scope that it does not have."""
        if self.sources:
            return self.sources[getattr(section, "source", "")]
        found = self.switch if scope is Scope.SWITCH else self.tenant
        if found is None:
            raise LookupError(f"{self.query} is not asked of a {scope}")
        return found

    def of(self, request: Request) -> Endpoint[Config, Any]:
        """Return the endpoint behind a request. Raises LookupError where the query does not ask it."""
        own = self.tenant if request.tenant else self.switch
        for endpoint in (own, *self.sources.values()):
            if endpoint and endpoint.operation is request.operation:
                return endpoint
        raise LookupError(f"{self.query} does not ask {request.operation.name}")

    @property
    def endpoints(self) -> tuple[Endpoint[Config, Any], ...]:
        """Everything that may be asked."""
        return tuple(each for each in (self.switch, self.tenant, *self.sources.values()) if each)

    @property
    def has_both_scopes(self) -> bool:
        """Whether a figure of a tenant can be compared with that of the whole installation."""
        return self.switch is not None and self.tenant is not None

    @property
    def has_rows(self) -> bool:
        """Whether rows, or nodes, of its answers can be skipped while the rest is read."""
        return any(endpoint.has_rows for endpoint in self.endpoints)

    def _mistakes(self) -> Iterator[str]:
        fields = self.section.model_fields
        if not self.endpoints or not self.summary:
            yield "declare a `summary`, and what it asks: `switch`, `tenant` or both"
        if bool(self.switch) is not ("interval" in fields):
            yield "`switch` and `interval` in its section belong together"
        if bool(self.tenant) is not ("tenant_interval" in fields):
            yield "`tenant` and `tenant_interval` in its section belong together"
        if self.switch and self.switch.operation in ONE_TENANT_ONLY:
            yield f"{self.switch.operation.name} is asked of a tenant only"
        if self.tenant and self.tenant.operation in WHOLE_INSTALLATION_ONLY:
            yield f"{self.tenant.operation.name} is asked of the whole installation only"
        if self.tenant and (self.start is None or not 0 <= self.start < 1):
            yield "declare its `start`, from 0 to below 1"
        if bool(self.sources) is not ("source" in fields):
            yield "`sources` and `source` in its section belong together"
        for key, declared in fields.items():
            if not declared.description or declared.is_required():
                yield f"its key `{key}` needs a description and a default"


def counts_into(whole: Metric, by_node: Metric, *, zeros: bool) -> Callable[[Counts], Families]:
    """Return a function that fills the family of the whole and the family by node.

    ``zeros``: whether nodes with a count of 0 have a series. Of a tenant they have none: 50 nodes times 5,000
    tenants are mostly zeros.
    """

    def fill(answer: Counts) -> Families:
        counts = {node: count for node, count in (answer.nodes or {}).items() if count or zeros}
        filled: dict[Metric, Values] = {} if answer.whole is None else {whole: answer.whole}
        return {**filled, by_node: counts} if counts else filled

    return fill


def number_into(metric: Metric, factor: int = 1) -> Callable[[Number], Families]:
    """Return a function that fills one family, with ``factor`` times the figure of the wire."""
    return lambda answer: {metric: answer.value * factor}
