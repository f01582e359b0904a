"""What ``probe`` says about trunks and watched peers: which fields are used, and what to configure. Pure.

The list of trunks presumably contains credentials. So only the names of fields, and words that are known
states, are printed.
"""

import re
from collections import Counter
from collections.abc import Iterator, Sequence

from exporter.cli.probe.findings import Advice, Finding, setting
from exporter.config import SwitchConfiguration
from exporter.decode.records import fields_of
from exporter.decode.redact import column_names
from exporter.fields import Section, duration_text
from exporter.metrics import catalogue
from exporter.model import Peers, Query, Reason, Registration, Scope
from exporter.poll.trunks import tenant_finder
from exporter.queries import trunks
from exporter.queries.trunks import Trunk, Trunks, TrunksQuery
from exporter.queries.watched_peers import watched
from exporter.queries.words import TRUNK_WORDS, lookup

_NAME = re.compile(r"name|desc|label|title|trunk|provider|peer|host|server|domain|registrar", re.IGNORECASE)
_CREDENTIAL = re.compile(r"pass|pwd|secret|token|pin|auth|key|user|account|login", re.IGNORECASE)
_MOST_WORDS = 5
_HALF = 0.5


def trunk_advice(finding: Finding, switch: SwitchConfiguration) -> Iterator[Advice]:
    """Yield which fields of the list are used, which states it has, and the lines to configure."""
    section = switch.queries.options(trunks.SPEC)
    readable = isinstance(finding.verdict, Trunks) or finding.reason is Reason.DECODE
    if finding.query is not Query.TRUNKS or finding.body is None or not readable:
        return
    names = list(fields_of(finding.body, trunks.layout(section)).values())
    if not names:
        return
    name, state, tenant, *_ = names
    yield Advice(f"fields used: name {name or 'none'}, state {state or 'none'}, tenant {tenant or 'none'}")
    columns = [each for each in column_names(finding.body) if each not in names]
    likely = [] if name else _names(columns)
    if likely:
        section = section.model_copy(update={"name_fields": tuple(likely)})  # for the states
        yield Advice(
            f"no known field contains the name of a trunk. It may be {' or '.join(likely)}: choose one",
            setting("queries", "trunks", "name_fields", value=likely[:1]),
        )
    settings: dict[str, object] = {}
    if better := _state_field(finding, section, columns):
        settings["state_fields"] = [better]
        section = section.model_copy(update={"state_fields": (better,)})
    rows = _read(finding, section)
    yield from _states(rows, section)
    if found := "" if tenant else _tenant_field(finding, section, columns, switch):
        settings["tenant_fields"] = [found]
    if switch.interval(Query.TRUNKS, Scope.SWITCH) is None and rows:
        settings = {"interval": "1m", **settings}
    if settings:
        yield Advice("to poll the trunks", setting("queries", "trunks", value=settings), sure=True)


def _states(rows: Sequence[Trunk], section: TrunksQuery) -> Iterator[Advice]:
    """Yield the known words, but only the number and length of unknown ones: they may be credentials."""
    known = lookup(section.words, TRUNK_WORDS)
    counts = Counter(row.word for row in rows)
    if shown := [f"{word} ({count})" for word, count in counts.items() if known(word)]:
        yield Advice(f"known states in the list: {', '.join(shown)}")
    else:
        yield Advice(
            "no field has known states. If one of them is the state, set `state_fields` to its name and "
            "`words` to its words. Otherwise, watch the trunks as peers with `watch_peers`"
        )
    if hidden := [f"{len(word)} characters ({count})" for word, count in counts.items() if not known(word)]:
        more = f" and {len(hidden) - _MOST_WORDS} more" if len(hidden) > _MOST_WORDS else ""
        yield Advice(
            f"{len(hidden)} unknown states, which are not shown: {', '.join(hidden[:_MOST_WORDS])}{more}. "
            "Check the list on the switch, and add the words that are states",
            setting("queries", "trunks", "words", value={"registered": [], "unregistered": []}),
        )


def _state_field(finding: Finding, section: TrunksQuery, columns: Sequence[str]) -> str:
    """Return a field with mostly known states, and more of them than the field in use; "" for none."""

    def known(**settings: object) -> float:
        rows = _read(finding, section, **settings)
        return sum(row.state is not Registration.UNKNOWN for row in rows) / len(rows) if rows else 0.0

    shares = {column: known(state_fields=(column,)) for column in columns}
    best = max(shares, key=lambda column: shares[column], default="")
    return best if best and shares[best] >= _HALF and shares[best] > known() else ""


def _tenant_field(
    finding: Finding, section: TrunksQuery, columns: Sequence[str], switch: SwitchConfiguration
) -> str:
    """Return a field that contains the code of a configured tenant; "" for none."""
    find = tenant_finder(tenant.code for tenant in switch.tenants)
    for column in columns:
        if any(find(row.tenant) for row in _read(finding, section, tenant_fields=(column,))):
            return column
    return ""


def _read(finding: Finding, section: Section, **settings: object) -> tuple[Trunk, ...]:
    """Return the trunks, read with other settings."""
    decoded = finding.endpoint.decode(finding.body or b"", section.model_copy(update=settings))
    return decoded.rows if isinstance(decoded, Trunks) else ()


def _names(columns: Sequence[str]) -> list[str]:
    """Return the fields that may contain the name of a trunk: those with a fitting name, else all."""
    harmless = [each for each in columns if not _CREDENTIAL.search(each)]
    return [each for each in harmless if _NAME.search(each)] or harmless


def watched_advice(finding: Finding, switch: SwitchConfiguration) -> Iterator[Advice]:
    """Yield the state of each watched peer, and which names are not in the list."""
    if finding.query is not Query.WATCHED_PEERS or not isinstance(finding.verdict, Peers):
        return
    tenant = finding.request.tenant
    names = switch.settings(tenant).watch_peers if tenant else switch.watch_peers
    if not names:
        yield Advice("no peer is watched", setting("watch_peers", value=["NAME"]))
        return
    values, missing = watched(finding.verdict, names)
    reachable, times = values[catalogue.PEER_REACHABLE], values[catalogue.PEER_ROUND_TRIP]
    assert isinstance(reachable, dict)  # noqa: S101 -- for the type checker
    assert isinstance(times, dict)  # noqa: S101 -- for the type checker
    for name in names:
        if name in missing:
            yield Advice(f"{name} is not in the list: correct it in `watch_peers`. Names are case-sensitive")
        else:
            state = {1.0: "reachable", 0.0: "unreachable"}.get(reachable.get(name, -1), "in an unknown state")
            took = f", {duration_text(times[name])}" if name in times else ""
            yield Advice(f"{name} is {state}{took}")
