"""The kustomize overlays are valid, and equal the Helm chart except for the differences listed here."""

import re
import shutil
import subprocess
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import kubernetes_validate  # type: ignore[import-untyped]  # has no types
import pytest
import yaml

from exporter.config import load
from tests.helm_chart import OF_THE_OPERATOR, VERSIONS, Resource, of_kind, one, pod_of, resources

ROOT = Path(__file__).parents[3]
NAME = "softswitch-exporter"
PAIR = "high-availability"

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

NAMES = {"softswitch": NAME, f"{NAME}-lease": NAME}
"""Names of the PrometheusRule, which kustomize installs once for several exporters, and of the Role."""

SHARED = {"NetworkPolicy", "ServiceAccount", "ServiceMonitor", "PrometheusRule", "Role", "RoleBinding"}
"""With one exporter per switch, Helm creates these once for all; kustomize most of them for each."""

COMMON: dict[str, Any] = {
    "fullnameOverride": NAME,
    "networkPolicy": {"enabled": True},
    "serviceMonitor": {"enabled": True},
    "prometheusRule": {"enabled": True},
}
COMPONENTS: dict[str, dict[str, Any]] = {
    "": {},
    "storage": {"persistence": {"enabled": True}},
    "scrape-per-switch": {"serviceMonitor": {"enabled": False}, "scrapeConfig": {"enabled": True}},
    PAIR: {"highAvailability": {"enabled": True}},
}
"""Each component, and the values of the chart that do the same."""

Kustomize = Callable[..., list[Resource]]


@pytest.fixture(scope="module")
def kustomize(
    require_program: Callable[[str, str], str], tmp_path_factory: pytest.TempPathFactory
) -> Kustomize:
    """Return a function that renders an overlay with a component, added as docs/installing.md says."""
    kubectl = require_program("kubectl", "kubernetes-client  # 1.22 or newer")

    @cache
    def render(overlay: str, component: str = "") -> list[Resource]:
        copy = tmp_path_factory.mktemp("copy")
        for part in ("deploy/kubernetes", "alerts/kubernetes"):
            shutil.copytree(ROOT / part, copy / part)
        directory = copy / "deploy/kubernetes/overlays" / overlay
        for file in directory.rglob("config.yaml") if component else ():
            _add(component, file, suffix="" if file.parent == directory else f"-{file.parent.name}")
        done = subprocess.run([kubectl, "kustomize", directory], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return list(yaml.load_all(done.stdout, yaml.CSafeLoader))

    return render


def _add(component: str, config: Path, suffix: str) -> None:
    up = "../../.." if suffix else "../.."
    with (config.parent / "kustomization.yaml").open("a") as file:
        file.write(f"components: [{up}/components/{component}]\n")
    if component == PAIR:
        lease = f"{{name: {NAME}-lease{suffix}, namespace: softswitch, duration: 15s}}"
        config.write_text(f"{config.read_text()}high_availability:\n  lease: {lease}\n")


def comparable(found: list[Resource]) -> dict[tuple[str, str], Resource]:
    """Return the resources by kind and name, without the differences listed above."""
    kept = (each for each in found if each["kind"] not in ONLY_KUSTOMIZE | ONLY_HELM)
    result = {}
    for resource in map(_normal, kept):
        if resource["kind"] == "ConfigMap":
            resource["data"] = _normal(yaml.safe_load(resource["data"]["config.yaml"]))
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
        return NAMES.get(value, GENERATED.sub("", value))
    return value


def _name(volume: dict[str, Any]) -> str:
    name: str = volume["name"]
    return name


@pytest.mark.parametrize("component", COMPONENTS)
def test_one_exporter_for_all_switches(kustomize: Kustomize, component: str) -> None:
    """Every resource is equal, alone and with each component."""
    overlay = comparable(kustomize("single", component))
    chart = comparable(resources(COMMON | COMPONENTS[component]))
    assert overlay.keys() == chart.keys()
    for key, resource in overlay.items():
        assert resource == chart[key]
    assert ("NetworkPolicy", NAME) in overlay


@pytest.mark.parametrize("component", ["", PAIR])
def test_one_exporter_per_switch(kustomize: Kustomize, component: str) -> None:
    """Each switch has an equal Deployment, Service and configuration, also as a pair."""
    overlay = kustomize("per-switch", component)
    switches = [switch for config in _configurations(overlay).values() for switch in config["switches"]]
    values = {
        "config": {"switches": switches},
        "deploymentPerSwitch": True,
        "existingSecretPerSwitch": {switch["name"]: f"{NAME}-{switch['name']}" for switch in switches},
    }
    of_kustomize = _of_switches(comparable(overlay))
    assert of_kustomize == _of_switches(comparable(resources(COMMON | COMPONENTS[component] | values)))
    kinds = {"Deployment", "Service", "ConfigMap"} | ({"PodDisruptionBudget"} if component else set())
    assert {kind for kind, _ in of_kustomize} == kinds
    assert len(of_kustomize) == 2 * len(kinds)


def _of_switches(found: dict[tuple[str, str], Resource]) -> dict[tuple[str, str], Resource]:
    result = {key: resource for key, resource in found.items() if key[0] not in SHARED}
    for (kind, _), resource in result.items():
        if kind == "Deployment":  # an account for each, or one for all
            del resource["spec"]["template"]["spec"]["serviceAccountName"]
        if kind == "ConfigMap" and "high_availability" in resource["data"]:  # other names
            del resource["data"]["high_availability"]["lease"]["name"]
    return result


def _configurations(found: list[Resource]) -> dict[str, dict[str, Any]]:
    """Return the parsed configuration of each ConfigMap."""
    maps = {each["metadata"]["name"]: each["data"] for each in of_kind("ConfigMap", found)}
    return {name: yaml.safe_load(data["config.yaml"]) for name, data in maps.items()}


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


@pytest.mark.parametrize("version", VERSIONS)
def test_kubernetes_accepts_the_resources(kustomize: Kustomize, version: str) -> None:
    """The oldest and the newest version know all fields and types."""
    known: dict[str, Resource] = {}
    for overlay, components in (("single", COMPONENTS), ("per-switch", ("", PAIR))):
        for component in components:
            found = (each for each in kustomize(overlay, component) if each["kind"] not in OF_THE_OPERATOR)
            known |= {str(each): each for each in found}
    for resource in known.values():
        kubernetes_validate.validate(resource, version, strict=True)
    assert len(of_kind("Deployment", [*known.values()])) == 7  # three of `single`, and two for each switch


@pytest.mark.parametrize("overlay", ["single", "per-switch"])
def test_each_service_and_policy_selects_the_pods_of_one_deployment(
    kustomize: Kustomize, overlay: str
) -> None:
    """The ServiceMonitor selects every Service, by the name of its port."""
    found = kustomize(overlay)
    monitor = one("ServiceMonitor", found)["spec"]
    deployments = [each["spec"] for each in of_kind("Deployment", found)]
    pods = [each["template"]["metadata"]["labels"].items() for each in deployments]
    services = of_kind("Service", found)
    assert len(services) == len(pods)
    for service in services:
        assert monitor["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items()
        assert service["spec"]["ports"][0]["name"] == monitor["endpoints"][0]["port"]
        assert sum(service["spec"]["selector"].items() <= labels for labels in pods) == 1
    selectors = [deployment["selector"] for deployment in deployments]
    assert [policy["spec"]["podSelector"] for policy in of_kind("NetworkPolicy", found)] == selectors
    spreads = [deployment["template"]["spec"]["topologySpreadConstraints"] for deployment in deployments]
    assert [spread["labelSelector"] for [spread] in spreads] == selectors


@pytest.mark.parametrize("overlay", ["single", "per-switch"])
def test_the_configuration_is_valid_and_mounted_with_its_keys(
    kustomize: Kustomize, overlay: str, tmp_path: Path
) -> None:
    """The exporter loads it from the path in the image, with its key files, in an unprivileged pod."""
    found = kustomize(overlay)
    secrets = {each["metadata"]["name"]: each["data"] for each in of_kind("Secret", found)}
    texts = {each["metadata"]["name"]: each["data"]["config.yaml"] for each in of_kind("ConfigMap", found)}
    dockerfile = (ROOT / "Dockerfile").read_text()
    for deployment in of_kind("Deployment", found):
        pod = pod_of(deployment)
        user = pod["securityContext"]["runAsUser"]
        assert f"USER {user}:{pod['securityContext']['runAsGroup']}\n" in dockerfile
        volumes = {volume["name"]: volume for volume in pod["volumes"]}
        mounts = {mount["name"]: mount["mountPath"] for mount in pod["containers"][0]["volumeMounts"]}
        assert f'"--config.file={mounts["config"]}/config.yaml"' in dockerfile
        for name in secrets[volumes["keys"]["secret"]["secretName"]]:
            (tmp_path / name).write_text("a-key\n")
        text = texts[volumes["config"]["configMap"]["name"]]
        assert mounts["keys"] in text
        file = tmp_path / "config.yaml"
        file.write_text(text.replace(mounts["keys"], str(tmp_path)))
        load(file, {})
    labels = one("Namespace", found)["metadata"]["labels"]
    assert labels["pod-security.kubernetes.io/enforce"] == "restricted"


@pytest.mark.parametrize("overlay", ["single", "per-switch"])
def test_each_pair_may_use_its_own_lease(kustomize: Kustomize, overlay: str) -> None:
    """The Role of its account allows the Lease in its configuration, which no other pair has."""
    found = kustomize(overlay, PAIR)
    configurations = _configurations(found)
    accounts = {each["roleRef"]["name"]: each["subjects"] for each in of_kind("RoleBinding", found)}
    allowed = {}
    for role in of_kind("Role", found):
        [subject] = accounts[role["metadata"]["name"]]
        allowed[subject["name"]] = (role["metadata"]["namespace"], role["rules"][0]["resourceNames"])
    named = {}
    for deployment in of_kind("Deployment", found):
        pod = pod_of(deployment)
        [volume] = [volume for volume in pod["volumes"] if volume["name"] == "config"]
        lease = configurations[volume["configMap"]["name"]]["high_availability"]["lease"]
        named[pod["serviceAccountName"]] = (lease["namespace"], [lease["name"]])
    assert named == allowed
    assert len({name for _, [name] in named.values()}) == len(of_kind("Deployment", found))
