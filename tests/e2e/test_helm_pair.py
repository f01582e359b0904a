"""Two pods of the Helm chart, of which one polls, as processes with a Lease."""

import asyncio
from functools import partial
from pathlib import Path

from tests.e2e.conftest import Start, StartSimulator
from tests.e2e.lease_server import lease_server
from tests.e2e.pods import KEYS, Release, is_up, probe, start
from tests.e2e.programs import Exporter, free_port, wait_until
from tests.helm_chart import NAMESPACE, one, pod_of, resources


async def test_a_pair_of_which_one_polls(
    run_program: Start, run_simulator: StartSimulator, tmp_path: Path
) -> None:
    """The pods share the Lease that the Role names, and a volume. If one stops, the other takes over."""
    switch = {"name": "pbx", "url": run_simulator("--tenants=1").url, "key_file": f"{KEYS}/pbx.key"}
    values = {
        "config": {"switches": [switch]},
        "highAvailability": {"enabled": True, "leaseDuration": "10s"},
        "persistence": {"enabled": True, "accessModes": ["ReadWriteMany"]},
    }
    secrets = {"softswitch-exporter": {"pbx.key": "demo-admin"}}

    def start_pod(name: str, kubeconfig: Path) -> Exporter:
        # On one machine, each pod needs its own port.
        release = Release(resources({**values, "web": {"port": free_port()}}), secrets, tmp_path)
        deployment = one("Deployment", release.found)
        [variable] = pod_of(deployment)["containers"][0]["env"]
        access = {variable["name"]: name, "KUBECONFIG": str(kubeconfig)}
        return start(release, run_program, deployment, **access)

    def takes_over(exporter: Exporter) -> bool:
        return is_up(exporter, "pbx") and exporter.value("softswitch_exporter_active") == 1

    async with lease_server() as server:
        first = await asyncio.to_thread(start_pod, "pbx-0", server.kubeconfig(tmp_path / "first", "first"))
        await asyncio.to_thread(wait_until, partial(takes_over, first), 60, "the first pod to poll")
        assert server.holder.startswith("pbx-0_")
        second = await asyncio.to_thread(start_pod, "pbx-1", server.kubeconfig(tmp_path / "second", "second"))
        for path in ("/-/healthy", "/-/ready"):
            answers = partial(probe, second, {"httpGet": {"path": path}})
            await asyncio.to_thread(wait_until, lambda: answers() == 200, 60, path)  # noqa: B023 -- called at once
        metrics = await asyncio.to_thread(second.metrics)
        assert "softswitch_exporter_active 0" in metrics
        assert "softswitch_up{" not in metrics
        assert await asyncio.to_thread(first.program.stop) == 0
        await asyncio.to_thread(wait_until, partial(takes_over, second), 60, "the second pod to poll")
        assert server.holder.startswith("pbx-1_")
        role = one("Role", resources(values))
        assert list(server.leases) == [(NAMESPACE, role["rules"][0]["resourceNames"][0])]
        assert await asyncio.to_thread(second.program.stop) == 0
    kept = (tmp_path / "pbx-softswitch-exporter/timeline.json").read_text()
    assert kept.count("exporter started") == 2
