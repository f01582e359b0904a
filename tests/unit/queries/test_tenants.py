import json

import pytest

from exporter.decode.text import Windows
from exporter.model import Failure, Tenants
from exporter.queries.tenants import TenantsQuery, read_tenants


def _tenants(text: str) -> Tenants | Failure:
    return read_tenants(Windows(text.encode()), TenantsQuery())


@pytest.mark.parametrize(
    ("cell", "disabled"),
    [
        *[("1", True), (1, True), (True, True), (" ON ", True), ("yes", True), ("TRUE", True)],
        *[("0", False), (0, False), (False, False), ("", False), (None, False), ("off", False)],
    ],
)
def test_words_for_disabled(cell: object, disabled: bool) -> None:  # noqa: FBT001 -- the expectation of a case
    """Each known word for yes and no is understood."""
    outcome = _tenants(json.dumps([{"te_code": "A", "te_disabled": cell}]))
    assert isinstance(outcome, Tenants)
    assert outcome.rows[0].disabled is disabled


@pytest.mark.parametrize("cell", ["2", "perhaps", 2, 1.0, [1]])
def test_unknown_words_for_disabled(cell: object) -> None:
    """Any other word is unreadable; a list of nothing else is a failure."""
    assert isinstance(_tenants(json.dumps([{"te_code": "A", "te_disabled": cell}])), Failure)


def test_a_tenant_with_an_unreadable_disabled() -> None:
    """It is in the list, so it has not left."""
    outcome = _tenants('[{"te_code": "A", "te_disabled": "perhaps"}, {"te_code": "B"}]')
    assert isinstance(outcome, Tenants)
    assert [(row.code, row.disabled) for row in outcome.rows] == [("A", None), ("B", False)]
