import pytest

from exporter.alerting import rules
from exporter.alerting.rule import NO_LINKS, Figure, Links

_TEXTS = {"summary": "S.", "description": "D.", "runbook_url": "https://github.example/A.md"}


@pytest.mark.parametrize(
    ("labels", "page"),
    [
        ({"switch": "pbx", "tenant": "ACME"}, "/tenant?switch=pbx&tenant=ACME"),
        ({"switch": "pbx", "node": "pbx1"}, "/?switch=pbx"),
        ({"switch": "pbx", "tenant": ""}, "/?switch=pbx"),
        (
            {"switch": "a b&c", "tenant": "\N{LATIN SMALL LETTER E WITH ACUTE}/?#"},
            "/tenant?switch=a%20b%26c&tenant=%C3%A9%2F%3F%23",
        ),
        ({}, "/"),
    ],
)
@pytest.mark.parametrize("url", ["https://exporter.example.com/pbx", "https://exporter.example.com/pbx/"])
def test_an_alert_has_a_page(url: str, labels: dict[str, str], page: str) -> None:
    """That of its tenant, else that of its switch; names of switches and tenants are quoted."""
    assert Links(url).page({"alertname": "A", **labels}) == f"https://exporter.example.com/pbx{page}"


def test_an_alert_has_a_runbook() -> None:
    """Below the external URL; the other annotations stay."""
    annotations = Links("http://10.0.0.1:10390/").annotations("SoftswitchApiDown", _TEXTS)
    assert annotations == {**_TEXTS, "runbook_url": "http://10.0.0.1:10390/runbooks/SoftswitchApiDown"}


def test_without_an_external_url() -> None:
    """Runbooks are those of the repository, and there is no page."""
    assert (NO_LINKS.annotations("A", _TEXTS), NO_LINKS.page({"switch": "pbx"})) == (_TEXTS, "")


def test_braces_in_a_label_are_text() -> None:
    """They are no placeholders."""
    found = (("switch", "{value}"), ("node", "{0.__class__}"))

    texts = rules.NODE_MISSING.annotations(found, 0, 0)

    assert texts["description"] == "{value} has not listed the node {0.__class__} for 3 minutes."


@pytest.mark.parametrize(
    ("value", "form", "text"),
    [
        # As promtool 2.42 formats them; see also the differential test.
        (2, "", "2"),
        (0.5, "", "0.5"),
        (0.9, "percentage", "90%"),
        (1.0666666, "percentage", "106.7%"),
        (0, "percentage", "0%"),
        (9.5, ".2f", "9.50"),
        (0, "duration", "0s"),
        (45, "duration", "45s"),
        (59.5, "duration", "59.5s"),
        (60, "duration", "1m 0s"),
        (3 * 86_400, "duration", "3d 0h 0m 0s"),
        (-86_400 - 3_661, "duration", "-1d 1h 1m 1s"),
        (7_200, "duration", "2h 0m 0s"),
    ],
)
def test_figures_are_formatted_as_in_prometheus(value: float, form: str, text: str) -> None:
    """The texts are the same whoever sends the alert."""
    assert format(Figure(value), form) == text
