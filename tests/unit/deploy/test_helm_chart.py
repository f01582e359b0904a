"""The files of the Helm chart: versions, schema, documentation, copies, sizes."""

import json
import shutil
from pathlib import Path

import helm_python
import pytest
import yaml

import exporter
from exporter.cli.rules import document
from tests.documents import blocks
from tests.helm_chart import CHART, resources
from tests.helm_docs import README, VALUES, described, leaves, readme

ROOT = Path(__file__).parents[3]
DASHBOARDS = sorted((ROOT / "grafana/dashboards").glob("*.json"))
SCHEMA = json.loads((CHART / "values.schema.json").read_text())


def test_the_versions_are_those_of_the_exporter() -> None:
    """The chart of a commit installs the image of the same commit."""
    metadata = yaml.safe_load((CHART / "Chart.yaml").read_text())
    assert (metadata["version"], metadata["appVersion"]) == (exporter.__version__, exporter.__version__)


@pytest.mark.parametrize("kubernetes", ["v1.25.0", "v1.36.0"])
def test_helm_lint_has_no_remark(kubernetes: str) -> None:
    """With warnings as errors, for the oldest and the newest version of Kubernetes that Helm knows."""
    report = helm_python.lint(CHART, strict=True, kube_version=kubernetes)
    assert report["errors"] == []
    assert [message["error"] for message in report["messages"]] == ["icon is recommended"]


def test_the_chart_can_be_packaged(tmp_path: Path) -> None:
    """The package has the rules and dashboards, and renders as the directory does."""
    archive = helm_python.package(CHART, destination=tmp_path)
    assert Path(archive).name == f"softswitch-exporter-{exporter.__version__}.tgz"
    with helm_python.Chart.load(archive) as chart:
        packaged = chart.render(
            {"dashboards": {"enabled": True}, "prometheusRule": {"enabled": True}}, name="pbx"
        )
    assert sum(text.count("kind: ConfigMap") for text in packaged.values()) == 1 + len(DASHBOARDS)
    assert any("SoftswitchNodeMissing" in text for text in packaged.values())


def test_it_can_be_a_dependency_with_an_alias(tmp_path: Path) -> None:
    """A parent chart may contain it twice: each alias selects its own pods, and the job stays the same.

    ``global`` and ``condition: ALIAS.enabled`` are accepted.
    """
    aliases = ("eu", "us")
    chart = {"name": "softswitch-exporter", "version": exporter.__version__}
    parent = {
        "apiVersion": "v2",
        "name": "parent",
        "version": "1.0.0",
        "dependencies": [chart | {"alias": alias, "condition": f"{alias}.enabled"} for alias in aliases],
    }
    (tmp_path / "Chart.yaml").write_text(yaml.safe_dump(parent))
    shutil.copytree(CHART, tmp_path / "charts/softswitch-exporter")
    values = {"global": {"domain": "example.com"}, **{alias: {"enabled": True} for alias in aliases}}
    with helm_python.Chart.load(tmp_path) as loaded:
        texts = loaded.render(values, name="site")
    for alias in aliases:
        service = yaml.safe_load(texts[f"parent/charts/{alias}/templates/service.yaml"])
        assert service["metadata"]["name"] == f"site-{alias}"
        assert service["spec"]["selector"] == {
            "app.kubernetes.io/name": "softswitch-exporter",
            "app.kubernetes.io/instance": f"site-{alias}",
        }


def test_the_examples_of_the_readme_are_accepted() -> None:
    """The values can be installed as they are."""
    examples = blocks(README, "yaml")
    assert examples
    for example in examples:
        assert resources(yaml.safe_load(example))


def test_the_rules_are_current() -> None:
    """The chart can only read its own files, so it has a copy: run ``make rules``."""
    assert (CHART / "files/rules.yaml").read_text() == document()


def test_the_dashboards_are_current() -> None:
    """Likewise: run ``make dashboards``."""
    copies = {path.name: path.read_text() for path in (CHART / "files/dashboards").iterdir()}
    assert copies == {path.name: path.read_text() for path in DASHBOARDS}


def test_the_readme_is_current() -> None:
    """Its table has the names, defaults and descriptions of values.yaml: run ``make helm-docs``."""
    assert README.read_text() == readme()


def test_every_value_is_described() -> None:
    """Each value in values.yaml has a comment that begins with ``# --``."""
    documented = {path for path, _ in described(VALUES.read_text())}
    assert set(leaves(yaml.safe_load(VALUES.read_text()), documented)) == documented


def test_the_schema_has_every_value() -> None:
    """It allows only the names in values.yaml, and what Helm adds. The exporter checks ``config``."""

    def names(schema: dict[str, object], values: object, path: str = "") -> None:
        properties = schema.get("properties")
        if not isinstance(properties, dict) or not isinstance(values, dict) or path == ".config":
            return
        assert schema["additionalProperties"] is False, path
        of_parents = set() if path else {"enabled", "global"}
        assert set(properties) - of_parents == set(values), path
        for name, value in values.items():
            names(properties[name], value, f"{path}.{name}")

    names(SCHEMA, yaml.safe_load(VALUES.read_text()))


def test_every_template_function_is_named_after_the_chart() -> None:
    """Names are global: a chart that contains this one may have its own."""
    for file in CHART.glob("templates/*.tpl"):
        for line in file.read_text().splitlines():
            assert "define " not in line or 'define "softswitch-exporter.' in line, line


@pytest.mark.parametrize("file", DASHBOARDS, ids=lambda file: file.stem)
def test_a_dashboard_fits_into_a_configmap(file: Path) -> None:
    """A ConfigMap holds 1 MiB, and `kubectl apply` stores it in an annotation, which holds 256 KiB."""
    assert file.stat().st_size < 256 * 1024
