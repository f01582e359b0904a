"""The manifests render, are valid, and match each other."""

import json
import shutil
import subprocess
import sys
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

import exporter
from exporter.config import load
from tests.rule_files import RULES

ROOT = Path(__file__).parents[3]
OVERLAYS = ROOT / "deploy/kubernetes/overlays"
SCHEMA = json.loads(Path(__file__).with_name("servicemonitor.schema.json").read_text())
SCRAPE_SCHEMA = json.loads(Path(__file__).with_name("scrapeconfig.schema.json").read_text())
OLDEST, NEWEST = "1.25", "1.37"
"""The Kubernetes versions that kubernetes-validate knows."""

OF_THE_OPERATOR = {"PrometheusRule", "ServiceMonitor"}

Resources = dict[str, list[dict[str, Any]]]


@pytest.fixture(
    scope="module", params=["single", "per-switch", "single with storage", "single with high-availability"]
)
def overlay(
    request: pytest.FixtureRequest,
    require_program: Callable[[str, str], str],
    tmp_path_factory: pytest.TempPathFactory,
) -> str:
    """Return a rendered overlay."""
    name, _, component = request.param.partition(" with ")
    directory = _with(component, tmp_path_factory.mktemp("copy")) if component else OVERLAYS
    return _rendered(require_program, directory / name)


def _rendered(require_program: Callable[[str, str], str], overlay: Path) -> str:
    # Debian 12 has kubectl 1.20, which does not support `labels`.
    kubectl = require_program("kubectl", "kubernetes-client  # 1.22 or newer")
    rendered = subprocess.run([kubectl, "kustomize", overlay], capture_output=True, text=True, check=False)
    assert rendered.returncode == 0, rendered.stderr
    return rendered.stdout


def _with(component: str, copy: Path) -> Path:
    """Copy the overlays, and add a component to one as docs/installing.md says."""
    for part in ("deploy/kubernetes", "alerts/kubernetes"):
        shutil.copytree(ROOT / part, copy / part)
    overlays = copy / "deploy/kubernetes/overlays"
    with (overlays / "single/kustomization.yaml").open("a") as file:
        file.write(f"components: [../../components/{component}]\n")
    return overlays


@pytest.fixture(scope="module")
def resources(overlay: str) -> Resources:
    """Return the resources of an overlay by kind."""
    found: Resources = defaultdict(list)
    for resource in yaml.safe_load_all(overlay):
        found[resource["kind"]].append(resource)
    return found


@pytest.mark.parametrize("version", [OLDEST, NEWEST])
def test_kubernetes_accepts_the_resources(overlay: str, version: str, tmp_path: Path) -> None:
    """The oldest and the newest version know all fields and types."""
    file = tmp_path / "rendered.yaml"
    file.write_text(overlay)
    command = [sys.executable, "-m", "kubernetes_validate", "--strict", f"-k={version}", str(file)]
    checked = subprocess.run(command, capture_output=True, text=True, check=False)
    lines = (checked.stdout + checked.stderr).splitlines()
    unknown = {line.split(" for kind ")[1].split()[0] for line in lines if line.startswith("WARN")}
    assert checked.returncode == 0, lines
    assert unknown == OF_THE_OPERATOR
    assert sum("passed for resource deployment/" in line for line in lines) >= 1


def test_the_operator_accepts_the_servicemonitor(resources: Resources) -> None:
    """The operator knows all its fields, and it keeps the exporter's label `node`."""
    [monitor] = resources["ServiceMonitor"]
    jsonschema.validate(monitor, SCHEMA)
    assert [endpoint["honorLabels"] for endpoint in monitor["spec"]["endpoints"]] == [True]


def test_the_servicemonitor_finds_each_exporter_once(resources: Resources) -> None:
    """It selects every Service, and each Service selects the pods of one Deployment by port and label."""
    [monitor] = resources["ServiceMonitor"]
    wanted = monitor["spec"]["selector"]["matchLabels"].items()
    [endpoint] = monitor["spec"]["endpoints"]
    pods = [deployment["spec"]["template"] for deployment in resources["Deployment"]]
    for service in resources["Service"]:
        assert wanted <= service["metadata"]["labels"].items()
        [port] = service["spec"]["ports"]
        assert port["name"] == endpoint["port"]
        chosen = [
            pod for pod in pods if service["spec"]["selector"].items() <= pod["metadata"]["labels"].items()
        ]
        assert len(chosen) == 1
        [container] = chosen[0]["spec"]["containers"]
        assert port["targetPort"] in {port["name"] for port in container["ports"]}
    assert len(resources["Service"]) == len(pods)


def test_one_scrape_per_switch(require_program: Callable[[str, str], str], tmp_path: Path) -> None:
    """The component replaces the ServiceMonitor by a ScrapeConfig with the same job, for the Service."""
    text = _rendered(require_program, _with("scrape-per-switch", tmp_path) / "single")
    found = {resource["kind"]: resource for resource in yaml.safe_load_all(text)}
    config, service = found["ScrapeConfig"], found["Service"]
    jsonschema.validate(config, SCRAPE_SCHEMA)
    spec, metadata = config["spec"], service["metadata"]
    [port] = service["spec"]["ports"]

    assert "ServiceMonitor" not in found
    assert spec["httpSDConfigs"] == [
        {"url": f"http://{metadata['name']}.{metadata['namespace']}.svc:{port['port']}/sd"}
    ]
    assert spec["honorLabels"] is True
    job = {"targetLabel": "job", "replacement": metadata["labels"]["app.kubernetes.io/name"]}
    assert spec["relabelings"] == [job]


def test_each_deployment_selects_only_its_pods(resources: Resources) -> None:
    """Its network policy and spread constraint have its selector."""
    selectors = [deployment["spec"]["selector"] for deployment in resources["Deployment"]]
    assert [policy["spec"]["podSelector"] for policy in resources["NetworkPolicy"]] == selectors
    for deployment in resources["Deployment"]:
        [spread] = deployment["spec"]["template"]["spec"]["topologySpreadConstraints"]
        assert spread["labelSelector"] == deployment["spec"]["selector"]


def test_the_configuration_is_valid_and_mounted_with_its_keys(resources: Resources, tmp_path: Path) -> None:
    """The exporter loads the mounted configuration, from the path in the image, with its key files."""
    configurations = {resource["metadata"]["name"]: resource["data"] for resource in resources["ConfigMap"]}
    secrets = {resource["metadata"]["name"]: resource["data"] for resource in resources["Secret"]}
    for deployment in resources["Deployment"]:
        spec = deployment["spec"]["template"]["spec"]
        volumes = {volume["name"]: volume for volume in spec["volumes"]}
        mounts = {mount["name"]: mount["mountPath"] for mount in spec["containers"][0]["volumeMounts"]}
        assert f'"--config.file={mounts["config"]}/config.yaml"' in (ROOT / "Dockerfile").read_text()
        for name in secrets[volumes["keys"]["secret"]["secretName"]]:
            (tmp_path / name).write_text("a-key\n")
        text = configurations[volumes["config"]["configMap"]["name"]]["config.yaml"]
        assert mounts["keys"] in text
        file = tmp_path / "config.yaml"
        file.write_text(text.replace(mounts["keys"], str(tmp_path)))
        load(file, {})


def test_the_storage_is_a_volume(resources: Resources) -> None:
    """It is mounted where the flag says, and with the component a volume that a new pod gets."""
    claims = {claim["metadata"]["name"] for claim in resources["PersistentVolumeClaim"]}
    for deployment in resources["Deployment"]:
        spec = deployment["spec"]["template"]["spec"]
        [container] = spec["containers"]
        [flag] = [each for each in container["args"] if each.startswith("--storage.path=")]
        [mount] = [each for each in container["volumeMounts"] if each["name"] == "storage"]
        assert (mount["mountPath"], mount.get("readOnly")) == (flag.partition("=")[2], None)
        [volume] = [each for each in spec["volumes"] if each["name"] == "storage"]
        claim = volume.get("persistentVolumeClaim", {}).get("claimName")
        assert (claim in claims) is bool(claims) is ("emptyDir" not in volume)
        assert deployment["spec"]["strategy"].get("type") == ("Recreate" if claims else None)


def test_the_pods_are_unprivileged(resources: Resources) -> None:
    """Each runs as the image's user, read-only and without capabilities: `restricted`."""
    for deployment in resources["Deployment"]:
        spec = deployment["spec"]["template"]["spec"]
        user = spec["securityContext"]["runAsUser"]
        assert f"USER {user}:{spec['securityContext']['runAsGroup']}\n" in (ROOT / "Dockerfile").read_text()
        [container] = spec["containers"]
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert container["image"].endswith(f":{exporter.__version__}")
    levels = {
        space["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] for space in resources["Namespace"]
    }
    assert levels == {"restricted"}


def test_every_rule_is_installed(resources: Resources) -> None:
    """The overlay contains the rules of alerts/ once."""
    [rules] = resources["PrometheusRule"]
    assert sum(len(group["rules"]) for group in rules["spec"]["groups"]) == len(RULES)
