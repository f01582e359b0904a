"""The pods of the Helm chart as processes: the rendered flags, environment and files, without a cluster."""

import json
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import bcrypt
import pytest

from tests.certificates import Authority
from tests.e2e.conftest import Start, StartSimulator
from tests.e2e.pods import KEYS, Release, helm_test, inside, is_up, probe, start
from tests.e2e.programs import free_port, run_command, wait_until
from tests.e2e.prometheus import Prometheus
from tests.helm_chart import Resource, one, pod_of, resources


@pytest.fixture
def port() -> int:
    """Return a free port for the container."""
    return free_port()


def test_a_pod_polls_and_is_healthy(
    run_program: Start, run_simulator: StartSimulator, tmp_path: Path, port: int
) -> None:
    """With keys from the Secret and the environment, it serves the switches, and keeps its memory."""
    simulator = run_simulator("--tenants=2")
    switch = {"name": "pbx-eu", "url": simulator.url, "key_file": f"{KEYS}/pbx-eu.key"}
    more = {"name": "pbx-us", "url": simulator.url, "key_env": "PBX_US_KEY"}
    values = {
        "config": {"switches": [switch, more]},
        "web": {"port": port, "externalUrl": "https://softswitch.example.com"},
        "extraEnv": [{"name": "PBX_US_KEY", "value": "demo-admin"}],
        "log": {"format": "logfmt", "level": "debug"},
    }
    secrets = {"softswitch-exporter": {"pbx-eu.key": "demo-admin\n"}}
    release = Release(resources(values), secrets, tmp_path)
    deployment = one("Deployment", release.found)
    [container] = pod_of(deployment)["containers"]
    exporter = start(release, run_program, deployment)
    for name in ("pbx-eu", "pbx-us"):
        wait_until(partial(is_up, exporter, name), 60, "softswitch_up 1")
    wait_until(lambda: probe(exporter, container["readinessProbe"]) == 200, 60, "ready")
    assert probe(exporter, container["livenessProbe"]) == 200
    assert exporter.value("softswitch_exporter_web_info", external_url="https://softswitch.example.com") == 1
    assert exporter.program.stop() == 0
    kept = next(tmp_path.glob("pod-*/var/lib/softswitch-exporter/timeline.json"))
    assert "exporter stopped" in kept.read_text()


def scrape_configs(monitor: Resource, address: str) -> list[dict[str, Any]]:
    """Return what the Prometheus Operator makes of a ServiceMonitor, for one target."""
    names = {"targetLabel": "target_label"}
    job = {"target_label": "job", "replacement": "softswitch-exporter"}  # from jobLabel
    return [
        {
            "job_name": f"serviceMonitor/{number}",
            "params": endpoint.get("params", {}),
            "scrape_interval": "1s",
            "scrape_timeout": "1s",
            "honor_labels": endpoint["honorLabels"],
            "static_configs": [{"targets": [address]}],
            "relabel_configs": [
                job,
                *(
                    {names.get(key, key): text for key, text in rule.items()}
                    for rule in endpoint["relabelings"]
                ),
            ],
        }
        for number, endpoint in enumerate(monitor["spec"]["endpoints"])
    ]


def test_prometheus_scrapes_each_switch(
    run_program: Start,
    run_simulator: StartSimulator,
    require_program: Callable[[str, str], str],
    tmp_path: Path,
    port: int,
) -> None:
    """The endpoints of the ServiceMonitor are targets with a label for the switch, whatever its name is."""
    names = ("pbx-eu", 'a$1" é')
    url = run_simulator("--tenants=1").url
    values = {
        "config": {
            "switches": [{"name": name, "url": url, "key_file": f"{KEYS}/pbx.key"} for name in names],
        },
        "serviceMonitor": {"enabled": True, "perSwitch": True},
        "web": {"port": port},
    }
    release = Release(resources(values), {"softswitch-exporter": {"pbx.key": "demo-admin"}}, tmp_path)
    exporter = start(release, run_program, one("Deployment", release.found))
    configuration = {
        "scrape_configs": scrape_configs(one("ServiceMonitor", release.found), f"127.0.0.1:{port}")
    }
    file = tmp_path / "prometheus.yaml"
    file.write_text(json.dumps(configuration))
    listen = f"127.0.0.1:{free_port()}"
    flags = (
        f"--config.file={file}",
        f"--storage.tsdb.path={tmp_path / 'data'}",
        f"--web.listen-address={listen}",
    )
    program = run_program(require_program("prometheus", "prometheus"), *flags)
    prometheus = Prometheus(program, f"http://{listen}")

    def labels(selector: str) -> list[str]:
        found = prometheus.series(selector, time.time())
        return sorted(dict(labels).get("switch", "") for (_, labels), value in found.items() if value == 1)

    for name in names:
        wait_until(partial(is_up, exporter, name), 60, "softswitch_up 1")
    wait_until(lambda: labels("up") == sorted(["", *names]), 60, lambda: str(labels("up")))
    wait_until(lambda: labels("softswitch_up") == sorted(names), 60, lambda: str(labels("softswitch_up")))
    assert labels("softswitch_exporter_build_info") == [""]


def test_tls_and_passwords(
    run_program: Start, run_simulator: StartSimulator, authority: Authority, tmp_path: Path, port: int
) -> None:
    """With a web configuration from a Secret, the probes and ``helm test`` pass without a password."""
    pair = authority.issue("server")
    secret = bcrypt.hashpw(b"password", bcrypt.gensalt(4)).decode()
    web = (
        "tls_server_config: {cert_file: tls.crt, key_file: tls.key}\n"
        f"basic_auth_users: {{prometheus: '{secret}'}}\n"
    )
    secrets = {
        "softswitch-exporter": {"pbx.key": "demo-admin"},
        "web": {"web.yml": web, "tls.crt": pair.certificate.read_text(), "tls.key": pair.key.read_text()},
    }
    switch = {"name": "pbx", "url": run_simulator("--tenants=1").url, "key_file": f"{KEYS}/pbx.key"}
    values = {"config": {"switches": [switch]}, "web": {"port": port, "configSecret": "web"}}
    release = Release(resources(values), secrets, tmp_path)
    deployment = one("Deployment", release.found)
    exporter = start(release, run_program, deployment)
    [container] = pod_of(deployment)["containers"]
    assert probe(exporter, container["livenessProbe"]) == 200
    assert probe(exporter, container["readinessProbe"]) == 200
    assert probe(exporter, {"httpGet": {"path": "/metrics", "scheme": "HTTPS"}}) == 401
    passed = helm_test(release, port)
    assert (passed.returncode, passed.stderr) == (0, "")

    with_exec = {**values, "web": {"configSecret": "web", "port": port, "probes": "exec"}}
    [container] = pod_of(one("Deployment", resources(with_exec)))["containers"]
    _, *arguments = container["livenessProbe"]["exec"]["command"]
    root = tmp_path / "pod-0"
    assert run_command(*(inside(root, each) for each in arguments)).returncode == 0
