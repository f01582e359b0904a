import json
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.decode.text import Windows
from exporter.decode.values import servable
from exporter.model import Failure, Tenants
from exporter.queries.tenants import TenantsQuery, read_tenants


def _tenants(text: str) -> Tenants | Failure:
    return read_tenants(Windows(text.encode()), TenantsQuery())


@pytest.mark.parametrize(
    ("cell", "disabled"),
    [
        *[("1", True), (1, True), (True, True), (" ON ", True), ("yes", True), ("TRUE", True)],
        *[("0", False), (0, False), (False, False), ("", False), (None, False), ("off", False)],
        *[("Y", True), ("t", True), ("N", False), ("false", False)],
        *[("0000-00-00", False), ("0000-00-00 00:00:00", False)],
        *[(day, date(2026, 3, 9)) for day in ("2026-03-09", "2026/03/09", " 2026-03-09 10:00:00 ")],
        *[(day, date(2026, 3, 9)) for day in ("2026-03-09T10:00:00Z", "2026-03-09T10:00:00.5+01:00")],
    ],
)
def test_words_for_disabled(cell: object, disabled: object) -> None:
    """Each known word for yes and no is understood, and so is the day from which a tenant is disabled."""
    outcome = _tenants(json.dumps([{"te_code": "A", "te_disabled": cell}]))
    assert isinstance(outcome, Tenants)
    assert outcome.rows[0].disabled == disabled
    assert type(outcome.rows[0].disabled) is type(disabled)


@pytest.mark.parametrize("cell", ["2", "perhaps", 2, 1.0, [1], "2026-02-30", "9/3/2026", "2026-03"])
def test_unknown_words_for_disabled(cell: object) -> None:
    """Any other word is unreadable; a list of nothing else is a failure."""
    assert isinstance(_tenants(json.dumps([{"te_code": "A", "te_disabled": cell}])), Failure)


def test_a_tenant_with_an_unreadable_disabled() -> None:
    """It is in the list, so it has not left."""
    outcome = _tenants('[{"te_code": "A", "te_disabled": "perhaps"}, {"te_code": "B"}]')
    assert isinstance(outcome, Tenants)
    assert [(row.code, row.disabled) for row in outcome.rows] == [("A", None), ("B", False)]


@pytest.mark.parametrize(
    ("record", "code", "name"),
    [
        ({"te_id": "7", "te_name": "Acme, S.p.A."}, "Acme, S.p.A.", "Acme, S.p.A."),
        ({"te_code": "", "te_name": "Acme"}, "Acme", "Acme"),
        ({"te_code": None, "te_name": "Acme"}, "Acme", "Acme"),
        ({"te_code": "A", "te_name": "Acme"}, "A", "Acme"),
        ({"TE_CODE": "A", "Te_Name": "Acme"}, "A", "Acme"),
    ],
)
@pytest.mark.parametrize("is_object", [False, True])
def test_a_tenant_without_a_code(record: object, code: str, name: str, *, is_object: bool) -> None:
    """Its name is the code: the vendor accepts either."""
    outcome = _tenants(json.dumps({"7": record} if is_object else [record]))
    assert isinstance(outcome, Tenants)
    assert [(row.code, row.name) for row in outcome.rows] == [(code, name)]
    assert outcome.skipped is None


@pytest.mark.parametrize("code", ["A\0", "x" * 256, ["A"], True])
def test_an_unreadable_code_is_not_replaced_by_the_name(code: object) -> None:
    """The same tenant would change its label with every repair of the list."""
    outcome = _tenants(json.dumps([{"te_code": code, "te_name": "Acme"}, {"te_code": "B"}]))
    assert isinstance(outcome, Tenants)
    assert [row.code for row in outcome.rows] == ["B"]
    assert outcome.skipped is not None
    assert (outcome.skipped.first, outcome.skipped.nameless) == (
        "the list of tenants: row 1 has an unreadable te_code",
        1,
    )


_names = st.text() | st.none() | st.integers() | st.lists(st.text()) | st.just("x" * 300)


@given(st.dictionaries(st.text("ABCDEFGH0123456789", min_size=1, max_size=6), _names, min_size=1))
def test_a_broken_display_name_never_costs_a_tenant(names: dict[str, object]) -> None:
    """All tenants are read, even if no name can be shown; what is shown is a valid label."""
    outcome = _tenants(json.dumps([{"te_code": code, "te_name": name} for code, name in names.items()]))
    assert isinstance(outcome, Tenants)
    assert [row.code for row in outcome.rows] == list(names)
    assert outcome.skipped is None
    assert all(row.name == "" or servable(row.name) for row in outcome.rows)
