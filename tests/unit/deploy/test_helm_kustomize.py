"""The Helm chart and the kustomize overlays describe the same, except for the differences listed here."""

import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.helm_chart import NAMESPACE, Resource, resources

ROOT = Path(__file__).parents[3]
NAME = "softswitch-exporter"

ONLY_KUSTOMIZE = {"Namespace", "Secret"}
"""Helm is told the namespace, and keys never go through it."""

ONLY_HELM = {"Pod"}
"""The pod of ``helm test``."""

LABELS = {
    "app.kubernetes.io/instance",
    "app.kubernetes.io/component",
    "app.kubernetes.io/managed-by",
    "app.kubernetes.io/version",
    "helm.sh/chart",
}
"""Helm tells releases apart, and switches within a release; kustomize only switches."""

DEFAULTS = {"imagePullPolicy": "IfNotPresent", "revisionHistoryLimit": 10, "type": "ClusterIP"}
"""What Helm writes although it is the default of Kubernetes."""

GENERATED = re.compile(r"-[a-z0-9]{10}\Z")
"""The hash that kustomize adds to the name of a ConfigMap or Secret. Helm adds an annotation to the pods."""

RULES = {"softswitch": NAME}
"""The name of the PrometheusRule, which kustomize installs once for several exporters."""

SHARED = {"NetworkPolicy", "ServiceAccount", "ServiceMonitor", "PrometheusRule"}
"""With one exporter per switch, Helm creates these once for all; kustomize the first two for each."""

COMMON: dict[str, Any] = {
    "fullnameOverride": NAME,
    "networkPolicy": {"enabled": True},
    "serviceMonitor": {"enabled": True},
    "prometheusRule": {"enabled": True},
}

LEASE = """\
high_availability:
  lease: {name: softswitch-exporter-lease, namespace: softswitch, duration: 15s}
"""

Kustomize = Callable[..., list[Resource]]


@pytest.fixture
def kustomize(require_program: Callable[[str, str], str], tmp_path: Path) -> Kustomize:
    """Return a function that renders a copy of an overlay, with these components and more configuration."""
    kubectl = require_program("kubectl", "kubernetes-client  # 1.22 or newer")

    def render(overlay: str, component: str = "", configuration: str = "") -> list[Resource]:
        for part in ("deploy/kubernetes", "alerts/kubernetes"):
            shutil.copytree(ROOT / part, tmp_path / part)
        directory = tmp_path / "deploy/kubernetes/overlays" / overlay
        if component:
            with (directory / "kustomization.yaml").open("a") as file:
                file.write(f"components: [../../components/{component}]\n")
        with (directory / "config.yaml").open("a") as file:
            file.write(configuration)
        done = subprocess.run([kubectl, "kustomize", directory], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return list(yaml.safe_load_all(done.stdout))

    return render


def comparable(found: list[Resource]) -> dict[tuple[str, str], Resource]:
    """Return the resources by kind and name, without the differences listed above."""
    kept = (each for each in found if each["kind"] not in ONLY_KUSTOMIZE | ONLY_HELM)
    result = {}
    for resource in map(_normal, kept):
        if resource["kind"] == "ConfigMap":
            resource["data"] = {"config.yaml": yaml.safe_load(resource["data"]["config.yaml"])}
        if resource["kind"] == "NetworkPolicy":
            for rule in resource["spec"]["ingress"]:
                rule["from"] = [each for each in rule["from"] if "podSelector" not in each]  # `helm test`
        result[resource["kind"], resource["metadata"]["name"]] = resource
    return result


def _normal(value: Any, key: str = "") -> Any:
    if isinstance(value, dict):
        shorter = {
            name: _normal(each, name)
            for name, each in value.items()
            if name not in LABELS and DEFAULTS.get(name) != each and name != "checksum/config"
        }
        if shorter.get("type") == "RollingUpdate":  # also a default
            del shorter["type"]
        return {name: each for name, each in shorter.items() if each not in ({}, None) or name == "emptyDir"}
    if isinstance(value, list):
        items = [_normal(each) for each in value]
        return sorted(items, key=_name) if key == "volumes" else items  # a patch changes their order
    if isinstance(value, str) and key in {"name", "secretName"}:
        return RULES.get(value, GENERATED.sub("", value))
    return value


def _name(volume: dict[str, Any]) -> str:
    name: str = volume["name"]
    return name


@pytest.mark.parametrize(
    ("component", "values", "configuration"),
    [
        ("", {}, ""),
        ("storage", {"persistence": {"enabled": True}}, ""),
        (
            "scrape-per-switch",
            {"serviceMonitor": {"enabled": False}, "scrapeConfig": {"enabled": True}},
            "",
        ),
        (
            "high-availability",
            {"highAvailability": {"enabled": True}},
            LEASE,
        ),
    ],
    ids=["alone", "storage", "one scrape per switch", "high availability"],
)
def test_one_exporter_for_all_switches(
    kustomize: Kustomize, component: str, values: dict[str, Any], configuration: str
) -> None:
    """Every resource is equal, alone and with each component."""
    overlay = comparable(kustomize("single", component, configuration))
    chart = comparable(resources(COMMON | values))
    assert overlay.keys() == chart.keys()
    for key, resource in overlay.items():
        assert resource == chart[key]
    assert ("NetworkPolicy", NAME) in overlay


def test_one_exporter_per_switch(kustomize: Kustomize) -> None:
    """Each switch has an equal Deployment, Service and configuration."""
    overlay = kustomize("per-switch")
    configurations = [
        yaml.safe_load(each["data"]["config.yaml"]) for each in overlay if each["kind"] == "ConfigMap"
    ]
    switches = [switch for configuration in configurations for switch in configuration["switches"]]
    secrets = {switch["name"]: f"{NAME}-{switch['name']}" for switch in switches}
    values = {
        "config": {"switches": switches},
        "deploymentPerSwitch": True,
        "existingSecretPerSwitch": secrets,
    }
    of_kustomize = _of_switches(comparable(overlay))
    assert of_kustomize == _of_switches(comparable(resources(COMMON | values)))
    assert {kind for kind, _ in of_kustomize} == {"Deployment", "Service", "ConfigMap"}
    assert len(of_kustomize) == 6


def _of_switches(found: dict[tuple[str, str], Resource]) -> dict[tuple[str, str], Resource]:
    result = {key: resource for key, resource in found.items() if key[0] not in SHARED}
    for (kind, _), resource in result.items():
        if kind == "Deployment":  # an account for each, or one for all
            del resource["spec"]["template"]["spec"]["serviceAccountName"]
    return result


def test_the_namespace_is_the_same(kustomize: Kustomize) -> None:
    """The comparison would not notice if both had none."""
    names = {
        each["metadata"].get("namespace") for each in kustomize("single") if each["kind"] == "Deployment"
    }
    assert names == {NAMESPACE}


def test_a_difference_is_found(kustomize: Kustomize) -> None:
    """The comparison fails if a limit or an argument is another one."""
    overlay = comparable(kustomize("single"))
    for changed in (
        {"resources": {"limits": {"memory": "1Gi"}}},
        {"log": {"level": "debug"}},
        {"securityContext": {"readOnlyRootFilesystem": False}},
    ):
        chart = comparable(resources(COMMON | changed))
        assert chart["Deployment", NAME] != overlay["Deployment", NAME]
