"""What ``probe`` says about trunks and watched peers."""

import json

import pytest
import yaml

from exporter.cli.probe.findings import Advice, Finding
from exporter.cli.probe.trunks import trunk_advice, watched_advice
from exporter.model import Query, Reason
from exporter.request import Operation
from tests.conftest import Configured
from tests.unit.cli.probe.findings import answered, failed

SECRET = "s3cr3t-account"
_LIST = [
    {"line": "One", "secret": SECRET, "condition": "Registered", "owner": "ACME"},
    {"line": "Two", "secret": SECRET, "condition": "Request Sent", "owner": ""},
]
_USUAL = {
    str(number): {"sr_name": "carrier", "sr_secret": SECRET, "sr_state": state, "te_code": "ACME"}
    for number, state in enumerate(["Registered", "Registered", "Rejected", SECRET])
}
_ACME = [{"code": "ACME"}]


def _finding(document: object) -> Finding:
    return answered(Query.TRUNKS, json.dumps(document))


def _texts(given: list[Advice]) -> list[str]:
    return [each.text for each in given]


def test_unusual_fields_are_found(configured: Configured) -> None:
    """By their values: known states, and codes of configured tenants. The lines can be pasted."""
    given = list(trunk_advice(_finding(_LIST), configured(tenants=_ACME)))

    assert _texts(given) == [
        "fields used: name none, state none, tenant none",
        "no known field contains the name of a trunk. It may be line or condition or owner: choose one",
        "known states in the list: Registered (1), Request Sent (1)",
        "to poll the trunks",
    ]
    fields = {"state_fields": ["condition"], "tenant_fields": ["owner"]}
    assert given[-1].settings == {"queries": {"trunks": {"interval": "1m", **fields}}}
    assert given[-1].sure


def test_usual_fields_are_named(configured: Configured) -> None:
    """With the known states. Unknown ones may be anything, so only their lengths are shown."""
    given = list(trunk_advice(_finding(_USUAL), configured(tenants=_ACME)))

    assert _texts(given)[:2] == [
        "fields used: name sr_name, state sr_state, tenant te_code",
        "known states in the list: Registered (2), Rejected (1)",
    ]
    assert _texts(given)[2].startswith(f"1 unknown states, which are not shown: {len(SECRET)} characters (1)")
    assert given[3].settings == {"queries": {"trunks": {"interval": "1m"}}}


def test_a_polled_list_needs_no_lines(configured: Configured) -> None:
    """Only what is wrong has settings."""
    switch = configured(queries={"trunks": {"interval": "5m"}}, tenants=_ACME)
    given = list(trunk_advice(_finding(dict(list(_USUAL.items())[:3])), switch))
    assert [each for each in given if each.settings] == []


def test_a_list_without_known_states(configured: Configured) -> None:
    """Perhaps it has none, so peers are the other way. Nothing is certain."""
    rows = [{"sr_id": "1", "sr_title": "One", "sr_up": "99"}]
    given = list(trunk_advice(_finding(rows), configured()))
    assert "It may be sr_title: choose one" in _texts(given)[1]
    assert given[1].settings == {"queries": {"trunks": {"name_fields": ["sr_title"]}}}
    assert "no field has known states" in _texts(given)[2]
    assert [each for each in given if each.sure] == []


def test_many_unknown_states_are_cut(configured: Configured) -> None:
    """The field is probably not the state."""
    rows = [{"name": str(number), "state": "x" * number} for number in range(1, 20)]
    assert any(
        "5 characters (1) and 14 more" in text
        for text in _texts(list(trunk_advice(_finding(rows), configured())))
    )


@pytest.mark.parametrize(
    "document", [_LIST, _USUAL, {"1": {"a": SECRET}}, [{"state": SECRET, "name": SECRET}], [], "x"]
)
def test_no_value_is_shown(document: object, configured: Configured) -> None:
    """Only names of fields and known words are, whatever the list looks like."""
    given = list(trunk_advice(_finding(document), configured(tenants=_ACME)))
    assert SECRET not in yaml.safe_dump([[each.text, dict(each.settings)] for each in given])


def test_other_outcomes_have_no_advice(configured: Configured) -> None:
    """A failure without a list, and lists of other queries."""
    assert list(trunk_advice(failed(Query.TRUNKS, Reason.TIMEOUT), configured())) == []
    assert list(trunk_advice(answered(Query.CALLS, "5"), configured())) == []
    assert list(watched_advice(answered(Query.CALLS, "5"), configured())) == []


_PEERS = json.dumps(
    [
        {"node": "pbx1", "Name": "carrier-a/account", "Status": "OK (12 ms)"},
        {"node": "pbx1", "Name": "carrier-b/account", "Status": "UNREACHABLE"},
        {"node": "pbx1", "Name": "carrier-c/account", "Status": "UNKNOWN"},
    ]
)


def test_watched_peers(configured: Configured) -> None:
    """Each with its state, also those of a tenant; names that are not in the list are pointed out."""
    names = ["carrier-a", "carrier-b", "carrier-c", "typo"]
    of_switch = answered(Query.WATCHED_PEERS, _PEERS)
    assert _texts(list(watched_advice(of_switch, configured(watch_peers=names)))) == [
        "carrier-a is reachable, 12ms",
        "carrier-b is unreachable",
        "carrier-c is in an unknown state",
        "typo is not in the list: correct it in `watch_peers`. Names are case-sensitive",
    ]
    of_tenant = answered(Query.WATCHED_PEERS, _PEERS, operation=Operation.TENANT_PEERS, tenant="ACME")
    switch = configured(tenants=[{"code": "ACME", "watch_peers": ["carrier-b"]}])
    assert _texts(list(watched_advice(of_tenant, switch))) == ["carrier-b is unreachable"]
    assert _texts(list(watched_advice(of_switch, switch))) == ["no peer is watched"]
