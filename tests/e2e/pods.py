"""The pods of the Helm chart as processes: the rendered flags, environment and files, without a cluster."""

import re
import ssl
import subprocess
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.e2e.programs import EXPORTER, Exporter, Start, run_command
from tests.helm_chart import Resource, of_kind, one, pod_of

KEYS = "/run/secrets/softswitch-exporter"

Secrets = Mapping[str, Mapping[str, str]]
"""The entries of each Secret."""


@dataclass(frozen=True)
class Release:
    """The resources of a release, the Secrets that it expects, and a directory for volumes."""

    found: list[Resource]
    secrets: Secrets
    directory: Path

    def mount(self, pod: dict[str, Any]) -> Path:
        """Write the volumes of a pod where its container mounts them, below a new directory."""
        root = self.directory / f"pod-{len(list(self.directory.glob('pod-*')))}"
        [container] = pod["containers"]
        volumes = {volume["name"]: volume for volume in pod.get("volumes", [])}
        for mount in container.get("volumeMounts", []):
            folder = root / mount["mountPath"].lstrip("/")
            volume = volumes[mount["name"]]
            folder.mkdir(parents=True)
            for name, text in self._entries(volume).items():
                (folder / name).write_text(inside(root, text))
        return root

    def _entries(self, volume: dict[str, Any]) -> Mapping[str, str]:
        if "secret" in volume:
            return self.secrets[volume["secret"]["secretName"]]
        if "configMap" in volume:
            maps = {each["metadata"]["name"]: each["data"] for each in of_kind("ConfigMap", self.found)}
            data: dict[str, str] = maps[volume["configMap"]["name"]]
            return data
        assert "emptyDir" in volume
        return {}


def inside(root: Path, text: str) -> str:
    """Return a text in which the paths of mounted volumes are below ``root``."""
    return re.sub(r"/(etc|run/secrets|var/lib)/softswitch-exporter", rf"{root}\g<0>", text)


def start(release: Release, run: Start, deployment: Resource) -> Exporter:
    """Start the program as the container of a Deployment does."""
    pod = pod_of(deployment)
    root = release.mount(pod)
    [container] = pod["containers"]
    environment = {each["name"]: each["value"] for each in container.get("env", []) if "value" in each}
    [port] = container["ports"]
    program = run(*EXPORTER, *(inside(root, flag) for flag in container["args"]), **environment)
    program.wait_for("msg=listening")
    return Exporter(program, f"http://127.0.0.1:{port['containerPort']}")


def helm_test(release: Release, port: int) -> subprocess.CompletedProcess[str]:
    """Run the command of ``helm test``. The Service is the port of the pod on this machine."""
    pod = one("Pod", release.found)["spec"]
    root = release.mount(pod)
    program, *arguments = pod["containers"][0]["command"]
    assert program == "softswitch-exporter"
    service = one("Service", release.found)
    name, space = service["metadata"]["name"], service["metadata"]["namespace"]
    address = f"{name}.{space}.svc:{service['spec']['ports'][0]['port']}"
    assert f"--web.listen-address={address}" in arguments
    return run_command(*(inside(root, each.replace(address, f"127.0.0.1:{port}")) for each in arguments))


def is_up(exporter: Exporter, switch: str) -> bool:
    """Return whether the exporter receives values from a switch."""
    return exporter.value("softswitch_up", switch=switch) == 1


def probe(exporter: Exporter, handler: dict[str, Any]) -> int:
    """Send the request of a probe, without verifying certificates, as the kubelet does. Return the status."""
    request = handler["httpGet"]
    url = f"{request.get('scheme', 'HTTP').lower()}{exporter.base_url.removeprefix('http')}{request['path']}"
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        with urllib.request.urlopen(url, timeout=5, context=context) as response:
            status: int = response.status
            return status
    except urllib.error.HTTPError as error:
        return error.code
