"""Renders the Helm chart, through Helm's library, as `helm template` does."""

from functools import cache
from pathlib import Path
from typing import Any

import helm_python
import yaml

CHART = Path(__file__).parents[1] / "deploy/helm/softswitch-exporter"
EVERYTHING: dict[str, Any] = yaml.safe_load(
    (Path(__file__).parent / "unit/deploy/everything.yaml").read_text()
)
"""Values that turn everything on."""
RELEASE, NAMESPACE = "pbx", "softswitch"
VERSIONS = ("1.25", "1.37")
"""The oldest and the newest version of Kubernetes that kubernetes-validate knows."""
OF_THE_OPERATOR = {"PrometheusRule", "ScrapeConfig", "ServiceMonitor"}
"""Kinds that Kubernetes itself does not know."""

Resource = dict[str, Any]


@cache
def _chart() -> helm_python.Chart:
    return helm_python.Chart.load(CHART)


def rendered(values: dict[str, Any] | None = None, release: str = RELEASE) -> dict[str, str]:
    """Return the rendered text of each template. Raises HelmError if the chart refuses the values."""
    texts = _chart().render(values or {}, name=release, namespace=NAMESPACE)
    return {name.removeprefix("softswitch-exporter/templates/"): text for name, text in texts.items()}


def resources(values: dict[str, Any] | None = None, release: str = RELEASE) -> list[Resource]:
    """Return all resources of a release, with the pod of ``helm test``."""
    return [
        resource
        for name, text in rendered(values, release).items()
        if name.endswith(".yaml")
        for resource in yaml.load_all(text, yaml.CSafeLoader)
        if resource
    ]


def refusal(values: dict[str, Any], release: str = RELEASE) -> str:
    """Return the message with which the chart refuses values. Raises AssertionError if it accepts them."""
    try:
        rendered(values, release)
    except helm_python.HelmError as error:
        return str(error)
    raise AssertionError(f"the chart accepts {values}")


def of_kind(kind: str, found: list[Resource]) -> list[Resource]:
    """Return the resources of a kind, without the pod of ``helm test``."""
    return [resource for resource in found if resource["kind"] == kind]


def one(kind: str, found: list[Resource]) -> Resource:
    """Return the only resource of a kind."""
    [resource] = of_kind(kind, found)
    return resource


def pod_of(deployment: Resource) -> dict[str, Any]:
    """Return the specification of the pods of a Deployment."""
    specification: dict[str, Any] = deployment["spec"]["template"]["spec"]
    return specification


def with_switches(*names: str, **more: Any) -> dict[str, Any]:
    """Return values with these switches, which have no key."""
    return {
        "config": {"switches": [{"name": name, "url": "https://pbx.example.com/"} for name in names]}
    } | more
