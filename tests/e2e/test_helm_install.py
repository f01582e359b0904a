"""Helm installs, upgrades, tests and removes the chart in an API that stores the objects."""

import asyncio
import copy
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import helm_python
import pytest
import yaml

from tests.e2e.cluster import Cluster, Key, cluster
from tests.e2e.conftest import Start, StartSimulator
from tests.e2e.pods import KEYS, Release, helm_test, start
from tests.e2e.programs import free_port, print_result
from tests.helm_chart import CHART, EVERYTHING, NAMESPACE, one


def run_helm(
    running: Cluster, action: Callable[[helm_python.Config], None], storage: str = "memory"
) -> asyncio.Future[None]:
    """Run actions of Helm in a thread, while this one serves the API."""

    def run() -> None:
        with helm_python.Config(
            kubeconfig_content=running.kubeconfig, namespace=NAMESPACE, storage_driver=storage
        ) as helm:
            action(helm)

    return asyncio.ensure_future(asyncio.to_thread(run))


async def test_helm_test_runs_the_health_check(
    run_program: Start, run_simulator: StartSimulator, tmp_path: Path
) -> None:
    """It passes while the installed exporter runs, and fails when it does not."""
    port = free_port()
    switch = {"name": "pbx", "url": run_simulator("--tenants=1").url, "key_file": f"{KEYS}/pbx.key"}
    values = {"config": {"switches": [switch]}, "web": {"port": port}}
    secrets = {"softswitch-exporter": {"pbx.key": "demo-admin"}}

    async with cluster() as running:

        def release(*more: dict[str, Any]) -> Release:
            return Release([*running.objects.values(), *more], secrets, tmp_path)

        def use(helm: helm_python.Config) -> None:
            installed = helm.install(CHART, "pbx", values)
            assert installed["status"] == "deployed"
            assert "helm test --namespace softswitch pbx" in installed["notes"]
            exporter = start(release(), run_program, one("Deployment", release().found))
            running.run = lambda pod: helm_test(release(pod), port).returncode == 0
            assert helm.test("pbx", timeout=30)["release"]["status"] == "deployed"
            exporter.program.stop()
            with pytest.raises(helm_python.HelmReleaseError, match="pbx-softswitch-exporter-test"):
                helm.test("pbx", timeout=30)

        await run_helm(running, use)


def _without_claims(running: Cluster) -> set[Key]:
    """Return the objects, without the claims that everything.yaml keeps when a release is removed."""
    return {key for key in running.objects if key[0] != "persistentvolumeclaims"}


async def test_a_release_is_upgraded_and_removed(tmp_path: Path) -> None:
    """No upgrade changes an immutable field, a rollback restores, and only claims to keep stay."""
    newer = tmp_path / "softswitch-exporter"
    shutil.copytree(CHART, newer)
    metadata = yaml.safe_load((CHART / "Chart.yaml").read_text())
    (newer / "Chart.yaml").write_text(yaml.safe_dump({**metadata, "version": "9.0.0", "appVersion": "9.0.0"}))
    async with cluster() as running:

        def use(helm: helm_python.Config) -> None:
            helm.install(CHART, "pbx")
            installed = set(running.objects)
            for chart, values in (
                (CHART, {"commonLabels": {"team": "noc"}, "podLabels": {"tier": "monitoring"}}),
                (CHART, {"highAvailability": {"enabled": True}, "networkPolicy": {"enabled": True}}),
                (newer, {"persistence": {"enabled": True}}),
                (newer, EVERYTHING),
            ):
                assert helm.upgrade(chart, "pbx", values)["status"] == "deployed"
            assert ("servicemonitors", "monitoring", "pbx-softswitch-exporter") in running.objects
            helm.rollback("pbx", version=1)
            assert _without_claims(running) == installed
            helm.uninstall("pbx")
            assert _without_claims(running) == set()
            assert len(running.objects) == 2

        await run_helm(running, use)


async def test_refused_values_change_nothing() -> None:
    """Neither an object nor a release is created. No claim is changed, as Kubernetes would not."""
    many = {"enabled": True, "accessModes": ["ReadWriteMany"]}
    async with cluster() as running:

        def use(helm: helm_python.Config) -> None:
            with pytest.raises(helm_python.HelmError, match="additional properties 'replcas' not allowed"):
                helm.install(CHART, "pbx", {"replcas": 2})
            assert running.objects == {}
            helm.install(CHART, "pbx", {"persistence": {"enabled": True}})
            installed = copy.deepcopy(running.objects)
            for persistence, message in (
                (many, r'accessModes: the claim pbx-softswitch-exporter has \["ReadWriteOnce"\], got \['),
                ({"enabled": True, "storageClass": "fast"}, 'storageClass: the claim .* has "", got "fast"'),
            ):
                values = {"persistence": persistence, "highAvailability": {"enabled": persistence == many}}
                with pytest.raises(helm_python.HelmError, match=message):
                    helm.upgrade(CHART, "pbx", values)
            assert running.objects == installed
            del running.objects["persistentvolumeclaims", NAMESPACE, "pbx-softswitch-exporter"]
            helm.upgrade(CHART, "pbx", {"persistence": many, "highAvailability": {"enabled": True}})

        await run_helm(running, use)


async def test_a_release_fits_into_its_secret() -> None:
    """Helm keeps chart, values and manifests in a Secret of at most 1 MiB. Half of it stays free."""
    async with cluster() as running:

        def use(helm: helm_python.Config) -> None:
            with pytest.raises(helm_python.HelmReleaseError, match="expected JSON"):
                helm.install(CHART, "pbx", EVERYTHING)

        await run_helm(running, use, storage="secret")
    print_result(f"release: {running.release_bytes} bytes of 1 MiB")
    assert 0 < running.release_bytes < 512 * 1024
