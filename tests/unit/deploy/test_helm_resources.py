"""What the Helm chart renders, with default values and with everything on."""

import json
import re
from pathlib import Path
from typing import Any

import kubernetes_validate  # type: ignore[import-untyped]  # has no types
import pytest
import yaml

import exporter
from exporter.config import load
from tests.helm_chart import (
    CHART,
    EVERYTHING,
    NAMESPACE,
    OF_THE_OPERATOR,
    VERSIONS,
    Resource,
    of_kind,
    one,
    pod_of,
    refusal,
    rendered,
    resources,
    with_switches,
)

ROOT = Path(__file__).parents[3]
SECRETS = "/run/secrets/softswitch-exporter"
RELEASES = (
    *("pbx", "pbx2", "a.b", "a-b", "softswitch-exporter", "x.softswitch-exporter"),
    *("a" * 53, "a" * 52 + "b"),  # the longest that Helm accepts
)


@pytest.mark.parametrize("version", VERSIONS)
def test_kubernetes_accepts_the_resources(version: str) -> None:
    """The oldest and the newest version know all fields and types."""
    for resource in (*resources(), *resources(EVERYTHING)):
        if resource["kind"] not in OF_THE_OPERATOR:
            kubernetes_validate.validate(resource, version, strict=True)


def test_everything_is_on() -> None:
    """The values in everything.yaml create every kind of resource but one of two alternatives."""
    templates = "".join(path.read_text() for path in (CHART / "templates").rglob("*.yaml"))
    kinds = set(re.findall(r"^kind: (\w+)", templates, re.MULTILINE))
    created = {each["kind"] for each in resources(EVERYTHING)}
    assert created == kinds - {"ScrapeConfig"} | {"Secret"}  # one of extraManifests


def test_the_default_is_one_unprivileged_exporter() -> None:
    """Without values there is one pod, no token, no Role, and nothing that the cluster may not know."""
    found = resources()
    assert sorted(each["kind"] for each in found) == [
        "ConfigMap",
        "Deployment",
        "Pod",
        "Service",
        "ServiceAccount",
    ]
    deployment = one("Deployment", found)
    pod = pod_of(deployment)
    assert deployment["spec"]["replicas"] == 1
    assert pod["automountServiceAccountToken"] is False
    assert pod["containers"][0]["image"] == f"registry.example.com/softswitch-exporter:{exporter.__version__}"


@pytest.mark.parametrize("values", [{}, EVERYTHING], ids=["default values", "everything"])
def test_every_resource_has_namespace_and_labels(values: dict[str, Any]) -> None:
    """`helm template | kubectl apply` then puts them where Helm would, and they can be listed by label."""
    for resource in resources({**values, "extraManifests": []}):
        assert resource["metadata"]["namespace"] in {NAMESPACE, "monitoring"}
        labels = resource["metadata"]["labels"]
        assert labels["app.kubernetes.io/instance"] == "pbx"
        assert labels["helm.sh/chart"] == f"softswitch-exporter-{exporter.__version__}"
        assert labels["app.kubernetes.io/managed-by"] == "Helm"
        assert values == {} or labels["team"] == resource["metadata"]["annotations"]["contact"] == "noc"


def test_labels_from_values_cannot_replace_those_of_selectors() -> None:
    """Else a Service would select nothing, and an upgrade would be refused."""
    own = {"app.kubernetes.io/name": "other", "app.kubernetes.io/instance": "other"}
    values = {"commonLabels": own, "podLabels": own, "service": {"labels": own}}
    found = resources(values)
    selected = one("Service", found)["spec"]["selector"]
    deployment = one("Deployment", found)
    assert selected == {"app.kubernetes.io/name": "softswitch-exporter", "app.kubernetes.io/instance": "pbx"}
    assert selected == deployment["spec"]["selector"]["matchLabels"]
    assert selected.items() <= deployment["spec"]["template"]["metadata"]["labels"].items()
    assert selected.items() <= one("Service", found)["metadata"]["labels"].items()


def test_releases_and_switches_in_a_namespace_do_not_collide() -> None:
    """Every name is a DNS label, of at most 63 characters, that no other resource has.

    No Service selects the pods of another release or switch, however similar their names are.
    """
    config = with_switches("PBX EU.1", "pbx-us", "x" * 200, "Ω")
    values = EVERYTHING | config | {"existingSecretPerSwitch": {}, "extraManifests": []}
    found = [resource for release in RELEASES for resource in resources(values, release)]
    for resource in found:
        assert re.fullmatch(r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?", resource["metadata"]["name"])
        for label in resource["metadata"]["labels"].values():
            assert re.fullmatch(r"([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?", label)
    names = [(each["kind"], each["metadata"]["namespace"], each["metadata"]["name"]) for each in found]
    assert len(names) == len(set(names))
    pods = [each["spec"]["template"]["metadata"]["labels"].items() for each in of_kind("Deployment", found)]
    for service in of_kind("Service", found):
        assert sum(service["spec"]["selector"].items() <= labels for labels in pods) == 1


@pytest.mark.parametrize("values", [{}, EVERYTHING], ids=["default values", "everything"])
def test_each_service_selects_the_pods_of_one_deployment(values: dict[str, Any]) -> None:
    """And not the pod of ``helm test``. The ServiceMonitor selects each Service.

    No label of the pods has the version: a new chart alone starts no pods.
    """
    found = resources(values)
    pods = [
        deployment["spec"]["template"]["metadata"]["labels"] for deployment in of_kind("Deployment", found)
    ]
    assert not [name for labels in pods for name in labels if "chart" in name or "version" in name]
    pods += [pod["metadata"]["labels"] for pod in of_kind("Pod", found)]
    for service in of_kind("Service", found):
        assert sum(service["spec"]["selector"].items() <= labels.items() for labels in pods) == 1
        for monitor in of_kind("ServiceMonitor", found):
            wanted = monitor["spec"]["selector"]["matchLabels"]
            assert wanted.items() <= service["metadata"]["labels"].items()
    assert len(of_kind("Service", found)) == len(of_kind("Deployment", found))


def test_the_example_configuration_survives(tmp_path: Path) -> None:
    """All keys of config.example.yaml mean the same after Helm has read and written them."""
    example = (ROOT / "config.example.yaml").read_text()
    (tmp_path / "pbx.key").write_text("a-key\n")
    example = re.sub(
        r"^( +)key: .*$", rf"\1key_file: {SECRETS}/pbx.key", example, count=1, flags=re.MULTILINE
    )
    example = re.sub(r"_file: (?!/run/secrets/softswitch)\S+", f"_file: {SECRETS}/pbx.key", example)
    example = re.sub(r"state_file: \S+", "state_file: /var/lib/softswitch-exporter/state.json", example)
    # The chart writes this section.
    example = re.sub(r"^high_availability:\n(?: .*\n)+", "", example, flags=re.MULTILINE)
    passed = _config(resources({"configFile": example}))
    assert passed == example

    from_values = _config(resources({"config": yaml.safe_load(example)}))
    loaded = []
    for name, text in (("passed", passed), ("from_values", from_values)):
        file = tmp_path / f"{name}.yaml"
        file.write_text(text.replace(SECRETS, str(tmp_path)))
        loaded.append(json.dumps(load(file, {}).model_dump(), default=repr, sort_keys=True))
    assert loaded[0] == loaded[1]


def _config(found: list[Resource]) -> str:
    text: str = one("ConfigMap", found)["data"]["config.yaml"]
    return text


def test_a_configuration_file_is_passed_unchanged() -> None:
    """Comments and spaces stay, and nothing in it is a template."""
    text = "  \n# é {{ .Values }}\nswitches: [{name: a, url: x}]"
    assert _config(resources({"configFile": text})) == text


def test_a_number_keeps_its_digits() -> None:
    """Helm holds numbers as floating point; none becomes 1e+06."""
    values = with_switches("a")
    values["config"]["switches"][0] |= {"max_series": 2_000_000, "max_requests_per_second": 0.5}
    text = _config(resources(values))
    assert "max_series: 2000000" in text
    assert "max_requests_per_second: 0.5" in text


def test_a_changed_configuration_starts_new_pods() -> None:
    """And only that: other values do not change the annotation."""

    def checksum(values: dict[str, Any]) -> str:
        template = one("Deployment", resources(values))["spec"]["template"]
        found: str = template["metadata"]["annotations"]["checksum/config"]
        return found

    assert checksum(with_switches("a")) != checksum(with_switches("b"))
    assert checksum(with_switches("a")) == checksum(
        with_switches("a", replicas=2, podAnnotations={"checksum/config": "x"})
    )


def test_running_pods_can_reload_the_configuration() -> None:
    """Then a change of it does not change the pods."""
    first, second = (
        one("Deployment", resources(with_switches(name, autoReload=True)))["spec"]["template"]
        for name in "ab"
    )
    assert first == second
    assert "--config.auto-reload" in first["spec"]["containers"][0]["args"]
    assert "--config.auto-reload" not in pod_of(one("Deployment", resources()))["containers"][0]["args"]


def test_5000_tenants_fit() -> None:
    """A configuration with 5,000 tenants, each with a label and a limit, fits into a ConfigMap of 1 MiB."""
    values = with_switches("a")
    tenants = [
        {"code": f"T{number:05}", "labels": {"team": "voice"}, "channels_limit": 30} for number in range(5000)
    ]
    values["config"]["switches"][0]["tenants"] = tenants
    assert len(_config(resources(values))) < 1024 * 1024
    values["config"]["switches"][0]["tenants"] = [{"code": "A", "labels": {"note": "x" * 1024 * 1024}}]
    assert re.search(
        r"config: pbx-softswitch-exporter has \d{7} bytes, but a ConfigMap holds 1 MiB; let the exporter "
        r"find tenants with discover_tenants",
        refusal(values),
    )


def test_high_availability_has_what_the_lease_needs(tmp_path: Path) -> None:
    """Two pods, their names, a token, a Role for this Lease alone, and access to the API server."""
    values = {
        "highAvailability": {"enabled": True, "leaseDuration": "20s"},
        "networkPolicy": {"enabled": True},
    }
    found = resources(values)
    lease = yaml.safe_load(_config(found))["high_availability"]["lease"]
    assert lease == {"name": "pbx-softswitch-exporter-lease", "namespace": NAMESPACE, "duration": "20s"}
    (tmp_path / "pbx-eu.key").write_text("a-key\n")
    file = tmp_path / "config.yaml"
    file.write_text(_config(found).replace(SECRETS, str(tmp_path)))
    assert load(file, {}).high_availability
    deployment = one("Deployment", found)
    pod = pod_of(deployment)
    assert deployment["spec"]["replicas"] == 2
    assert pod["automountServiceAccountToken"] is True
    [variable] = pod["containers"][0]["env"]
    assert variable == {"name": "POD_NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}
    named, create = one("Role", found)["rules"]
    assert (named["verbs"], named["resourceNames"]) == (["get", "update"], [lease["name"]])
    assert create["verbs"] == ["create"]
    binding = one("RoleBinding", found)
    assert binding["roleRef"]["name"] == one("Role", found)["metadata"]["name"]
    assert binding["subjects"][0]["name"] == pod["serviceAccountName"]
    assert one("PodDisruptionBudget", found)["spec"]["maxUnavailable"] == 1
    ports = [rule["ports"] for rule in one("NetworkPolicy", found)["spec"]["egress"]]
    assert [{"port": port, "protocol": "TCP"} for port in (443, 6443)] in ports


def test_each_switch_has_its_own_deployment() -> None:
    """Its configuration has only its switch, and its pods mount only its key and hold only its Lease."""
    found = resources(EVERYTHING)
    texts = {each["metadata"]["name"]: each["data"] for each in of_kind("ConfigMap", found)}
    names, secrets, leases = [], [], []
    for deployment in of_kind("Deployment", found):
        name = deployment["metadata"]["name"]
        config = yaml.safe_load(texts[name]["config.yaml"])
        names += [switch["name"] for switch in config["switches"]]
        assert config["alerting"] == EVERYTHING["config"]["alerting"]
        leases.append(config["high_availability"]["lease"]["name"])
        volumes = {volume["name"]: volume for volume in pod_of(deployment)["volumes"]}
        secrets.append(volumes["keys"]["secret"]["secretName"])
        assert volumes["config"]["configMap"]["name"] == name
        assert volumes["storage"]["persistentVolumeClaim"]["claimName"] == name
    assert (names, secrets) == (["PBX EU", "pbx-us"], ["pbx-eu", "softswitch-exporter"])
    assert len(set(leases)) == 2
    assert one("Role", found)["rules"][0]["resourceNames"] == leases


def test_each_switch_has_its_own_page() -> None:
    """Its Ingress, certificate and ``--web.external-url`` have the same host, and lead to its Service."""
    found = resources(EVERYTHING)
    for ingress, deployment in zip(of_kind("Ingress", found), of_kind("Deployment", found), strict=True):
        [rule] = ingress["spec"]["rules"]
        [tls] = ingress["spec"]["tls"]
        assert tls["hosts"] == [rule["host"]]
        assert f"--web.external-url=https://{rule['host']}/" in pod_of(deployment)["containers"][0]["args"]
        assert rule["http"]["paths"][0]["backend"]["service"]["name"] == deployment["metadata"]["name"]


def test_openshift_chooses_the_user() -> None:
    """No pod names a user or group, and all others of the security settings stay."""
    values = {"openshift": True}
    found = resources(values)
    for pod in (pod_of(one("Deployment", found)), one("Pod", found)["spec"]):
        assert pod["securityContext"] == {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
        assert pod["containers"][0]["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }


def test_the_network_policy_allows_what_is_configured() -> None:
    """DNS, switches, proxies, Alertmanagers, what was added, and the pod of ``helm test``.

    A URL without port has that of its scheme.
    """
    found = resources({**EVERYTHING, "highAvailability": {"enabled": False}, "persistence": {}})
    policy = one("NetworkPolicy", found)["spec"]
    [rule] = policy["ingress"]
    _, test = rule["from"]
    assert test["podSelector"]["matchLabels"].items() <= one("Pod", found)["metadata"]["labels"].items()
    dns, configured, added = policy["egress"]
    assert {port["port"] for port in dns["ports"]} == {53}
    assert [port["port"] for port in configured["ports"]] == [8443, 3128, 80, 9093]
    assert configured["to"] == [{"ipBlock": {"cidr": "192.0.2.0/24"}}]
    assert added == {"ports": [{"port": 8080, "protocol": "TCP"}]}


def test_the_storage_follows_the_values() -> None:
    """An emptyDir, a new claim or an existing one; with a claim, a single old pod stops first."""
    claim = {"enabled": True}
    for values, volume, strategy in (
        ({}, {"emptyDir": {"sizeLimit": "100Mi"}}, "RollingUpdate"),
        (claim, {"persistentVolumeClaim": {"claimName": "pbx-softswitch-exporter"}}, "Recreate"),
        ({**claim, "existingClaim": "old"}, {"persistentVolumeClaim": {"claimName": "old"}}, "Recreate"),
    ):
        found = resources({"persistence": values})
        deployment = one("Deployment", found)
        assert {"name": "storage", **volume} in pod_of(deployment)["volumes"]
        assert deployment["spec"]["strategy"]["type"] == strategy
        assert len(of_kind("PersistentVolumeClaim", found)) == (values == claim)
    pair = {"persistence": claim | {"accessModes": ["ReadWriteMany"]}, "highAvailability": {"enabled": True}}
    assert one("Deployment", resources(pair))["spec"]["strategy"]["type"] == "RollingUpdate"


@pytest.mark.parametrize(
    ("web", "probes"),
    [
        ({}, [{"path": "/-/healthy", "port": "metrics"}, {"path": "/-/ready", "port": "metrics"}]),
        ({"configSecret": "web"}, [{"path": "/-/healthy", "port": "metrics", "scheme": "HTTPS"}] * 2),
        (
            {"configSecret": "web", "probes": "HTTP"},
            [{"path": "/-/healthy", "port": "metrics", "scheme": "HTTP"}] * 2,
        ),
    ],
)
def test_probes_need_no_password(web: dict[str, str], probes: list[dict[str, str]]) -> None:
    """With a web configuration, both request the only path without a password."""
    [container] = pod_of(one("Deployment", resources({"web": web})))["containers"]
    assert [container[name]["httpGet"] for name in ("livenessProbe", "readinessProbe")] == probes


def test_the_notes_say_what_to_do_next() -> None:
    """They name what is still an example, the Secret, the test, and what Prometheus lacks."""
    notes = rendered()["NOTES.txt"]
    for line in (
        "registry.example.com/softswitch-exporter is an example. Set image.repository.",
        "The URL of switch pbx-eu is an example. Set config.switches.",
        "kubectl get secret --namespace softswitch softswitch-exporter",
        "helm test --namespace softswitch pbx",
        "set serviceMonitor.enabled=true",
        "set prometheusRule.enabled=true",
    ):
        assert line in notes
    ready = with_switches("a") | {"image": {"repository": "registry.local/exporter"}}
    ready["config"]["switches"][0]["url"] = "https://192.0.2.1/"
    ready |= {"serviceMonitor": {"enabled": True}, "prometheusRule": {"enabled": True}}
    notes = rendered(ready)["NOTES.txt"]
    assert "example" not in notes
    assert "Prometheus" not in notes


def test_names_that_are_numbers() -> None:
    """A release and objects with such names stay texts, because Kubernetes rejects a number."""
    found = resources(
        {
            "fullnameOverride": "first",
            "existingSecret": "123",
            "highAvailability": {"enabled": True},
            "serviceAccount": {"create": False, "name": "456"},
        },
        release="2026",
    )
    for resource in found:
        assert resource["metadata"]["labels"]["app.kubernetes.io/instance"] == "2026"
    deployment = one("Deployment", found)
    assert deployment["spec"]["selector"]["matchLabels"]["app.kubernetes.io/instance"] == "2026"
    pod = pod_of(deployment)
    assert pod["serviceAccountName"] == one("RoleBinding", found)["subjects"][0]["name"] == "456"
    [keys] = [volume for volume in pod["volumes"] if volume["name"] == "keys"]
    assert keys["secret"]["secretName"] == "123"
