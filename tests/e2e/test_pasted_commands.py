"""The commands and expressions of the pages for operators, pasted into a shell and into Prometheus."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.documents import ROOT, RUNBOOKS, blocks
from tests.e2e.operator_machine import is_daemon

pytestmark = pytest.mark.timeout(300)

PAGES = (
    *sorted(RUNBOOKS.glob("*.md")),
    *(
        ROOT / "docs" / f"{name}.md"
        for name in (
            "dashboards",
            "high-availability",
            "installing",
            "alerting",
            "configuration",
            "operating",
            "registrations",
            "sizing",
            "status",
            "troubleshooting",
        )
    ),
)


ELSEWHERE = {
    "make dashboards": "writes to the clone; unit/grafana/test_dashboards.py compares the files",
    "make deb": "e2e/test_debian_package.py installs the package in a root directory of its own",
    "pipx install .": "downloads the newest dependencies; e2e/test_package.py installs the locked ones",
    "uv tool install .": "likewise",
    "uv tool run --from . softswitch-exporter demo": "likewise",
    "make dist": "e2e/test_package.py installs the package into environments of their own",
    "install -d /etc/softswitch-exporter": "needs systemd; unit/deploy/test_systemd.py checks the unit",
    'docker build --build-arg REVISION="$(git rev-parse HEAD)" -t softswitch-exporter .': "e2e/test_image.py",
    "chown 10001 etc/pbx-eu.key": "e2e/test_image.py",
    "docker compose -f deploy/compose.yaml up --build --wait": "e2e/test_image.py",
    "kubectl create namespace softswitch": "needs a cluster; e2e/test_helm.py runs what the chart renders",
    "kubectl kustomize deploy/kubernetes/overlays/single": "unit/deploy/test_kubernetes.py",
    "kubectl --namespace=telephony get lease softswitch-exporter": "needs a cluster",
    "apt-get install --no-install-recommends keepalived curl": "changes the machine; tests/e2e/pair.py",
    "SOFTSWITCH_EXPORTER_URL=https://exporter-1.example.com:10390": "unit/deploy/test_keepalived.py",
    "keepalived --config-test": "unit/deploy/test_keepalived.py",
    "/etc/keepalived/softswitch-exporter-pair check": "tests/e2e/pair.py",
    "curl -s -X POST http://127.0.0.1:10390/-/activate": "a standby serves nothing to other commands; "
    "tests/e2e/pair.py",
}
"""Blocks, by their first line, that are not run here: why, or by which test they are."""


_PROGRAMS = ("softswitch-exporter ", "curl ", "amtool ", "promtool ", "openssl ", "ss ")


def scripts(page: Path) -> Iterator[str | dict[str, str]]:
    """Yield each command and each PromQL expression of a page; a block whose lines need each other as one.

    The pages repeat many commands, which are then run once.
    """
    for block in blocks(page, "sh"):
        if block.splitlines()[0] in ELSEWHERE:
            continue
        lines = [
            line for line in block.replace("\\\n", " ").splitlines() if line and not line.startswith("#")
        ]
        yield from lines if all(line.startswith(_PROGRAMS) for line in lines) else [block]
    for block in blocks(page, "promql"):
        yield {"expression": block}


def readme() -> str:
    """Return the commands with which README leads to a first configuration, in a clone with a key."""
    clone = "mkdir ../clone\ncd ../clone\ncp ../work/pbx-eu.key .\nln -s $(readlink -f ../work/.venv) .venv"
    lines = "".join(blocks(ROOT / "README.md", "sh")).splitlines()
    return "\n".join([clone, *(line for line in lines if line != "make demo" and not is_daemon(line))])


@pytest.fixture(scope="module")
def results(
    tmp_path_factory: pytest.TempPathFactory, require_program: Callable[[str, str], str]
) -> dict[str, dict[str, Any]]:
    """Run everything on one machine, and return the result of each script."""
    if os.geteuid() != 0:
        pytest.skip(
            "needs root for a network namespace: sudo .venv/bin/pytest tests/e2e/test_pasted_commands.py"
        )
    for program, package in {
        "unshare": "util-linux",
        "ip": "iproute2",
        "openssl": "openssl",
        "curl": "curl",
        "prometheus": "prometheus",
        "promtool": "prometheus",
        "prometheus-alertmanager": "prometheus-alertmanager",
        "amtool": "prometheus-alertmanager",
    }.items():
        require_program(program, package)
    found = [readme(), *(script for page in PAGES for script in scripts(page))]
    keys = list(dict.fromkeys(map(json.dumps, found)))
    machine = ("unshare", "--net", "--mount", sys.executable, "-m", "tests.e2e.operator_machine")
    done = subprocess.run(
        [*machine, tmp_path_factory.mktemp("machine")],
        input=json.dumps([json.loads(key) for key in keys]),
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )
    assert done.returncode == 0, done.stderr
    return dict(zip(keys, json.loads(done.stdout), strict=True))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_everything_works_as_printed(page: Path, results: dict[str, dict[str, Any]]) -> None:
    """Each command exits with status 0, each daemon serves, each probe gets a value.

    Each expression is valid.
    """
    for script in scripts(page):
        result = results[json.dumps(script)]
        assert result["status"] == 0, f"{script}\n{result['output']}"
        if isinstance(script, str):
            assert result["output"].count("verdict   valid") >= script.count(" probe "), result["output"]


def test_the_readme_leads_to_a_configuration(results: dict[str, dict[str, Any]]) -> None:
    """With the program of the clone, a URL and a key."""
    result = results[json.dumps(readme())]
    assert result["status"] == 0, result["output"]
    assert "Wrote config.yaml: " in result["output"]
    assert "config.yaml is valid." in result["output"]
