import pytest

from exporter.alerting.rule import NO_LINKS, Links

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
