from exporter import shipped
from tests.documents import ROOT, RUNBOOKS


def test_runbooks_are_those_of_the_repository() -> None:
    """Every page, by its name, and the index."""
    assert shipped.runbooks() == {page.stem: page.read_text() for page in RUNBOOKS.glob("Softswitch*.md")}
    assert shipped.index_of_runbooks() == (RUNBOOKS / "README.md").read_text()


def test_rules_are_those_of_the_repository() -> None:
    """By the name of their file."""
    name = "softswitch.alerts.yaml"
    assert shipped.rules(name) == (ROOT / "alerts" / name).read_text()
