"""A machine on which everything is where the pages say, to run their commands as printed.

It is this machine, in its own network and mount namespaces: the documented ports are free there,
``pbx.example.com`` is a simulated switch with HTTPS, and nothing reaches the real network.

    unshare --net --mount python -m tests.e2e.operator_machine DIRECTORY < scripts.json > results.json

Each script is a text for bash, or an ``{"expression": …}`` in PromQL. The results have the same order.
"""

import asyncio
import contextlib
import json
import os
import ssl
import subprocess
import sys
import urllib.parse
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from tests.certificates import Authority
from tests.documents import ROOT, blocks
from tests.e2e.programs import EXPORTER, Program, Start, get, get_json, running_programs, send, wait_until

_EXPORTER = "http://127.0.0.1:10390"
_PROMETHEUS = "http://127.0.0.1:9090"
_ALERTMANAGER = "http://127.0.0.1:9093"
_SIMULATOR = 10391
_SIMULATED = f"http://127.0.0.1:{_SIMULATOR}"
_SCRIPT_TIMEOUT = 100
_CONFIGURATION = """\
switches:
  - name: pbx-eu
    url: https://pbx.example.com/pbx/proxyapi.php
    key_file: pbx-eu.key
    queries: {trunks: {interval: 1m}, queue: {tenant_interval: 1m}}
    tenants:
      - code: ACME
        extensions: ["100"]
        queues: all
alerting:
  alertmanagers: [{url: "http://127.0.0.1:9093"}]
"""
"""The switch, tenant and extension that the pages name."""


def is_daemon(line: str) -> bool:
    """Return whether a command runs until it is stopped."""
    words = line.split()
    ends = {"probe", "rules", "assets", "test-alert", "healthcheck", "--config.check", "--version"}
    return words[0] == "softswitch-exporter" and not ends & set(words)


def main() -> None:
    """Run the scripts of standard input and print the results."""
    directory = Path(sys.argv[1])
    scripts = json.load(sys.stdin)
    _isolate(directory)
    authority = Authority("openssl", directory)
    pair = authority.issue("pbx.example.com", "DNS:pbx.example.com")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(pair.certificate, pair.key)
    trust = {"SSL_CERT_FILE": str(authority.certificate), "CURL_CA_BUNDLE": str(authority.certificate)}
    os.environ.update(trust, PATH=f"{_launcher(directory)}:{os.environ['PATH']}")
    os.chdir(_prepare(directory / "work"))
    with running_programs(directory) as run:
        results = asyncio.run(_run(scripts, run, context))
    json.dump(results, sys.stdout)


def _isolate(directory: Path) -> None:
    """Name the switch, and hide what the host keeps in ``/var/lib``. Only this process sees it."""
    hosts = directory / "hosts"
    hosts.write_text("127.0.0.1 localhost pbx.example.com\n")
    for command in (
        ("ip", "link", "set", "lo", "up"),
        ("mount", "--bind", str(hosts), "/etc/hosts"),
        ("mount", "-t", "tmpfs", "tmpfs", "/var/lib"),
    ):
        subprocess.run(command, check=True)
    Path("/var/lib/softswitch-exporter").mkdir()


def _launcher(directory: Path) -> Path:
    """Return a directory for PATH with ``softswitch-exporter`` of this clone."""
    folder = directory / "bin"
    folder.mkdir()
    program = folder / "softswitch-exporter"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m exporter "$@"\n')
    program.chmod(0o755)
    return folder


def _prepare(work: Path) -> Path:
    """Write the files that the pages tell the reader to save."""
    work.mkdir()
    page = ROOT / "docs/alerting.md"
    [prometheus] = [block for block in blocks(page, "yaml") if block.startswith("rule_files:")]
    [message] = blocks(page, "json")
    files = {
        "config.yaml": _CONFIGURATION,
        "pbx-eu.key": "demo-admin\n",
        "prometheus.yml": prometheus.replace("scrape_interval: 30s", "scrape_interval: 1s"),
        "alertmanager.yaml": (ROOT / "alerts/alertmanager.example.yaml").read_text(),
        "message.json": message,
    }
    for name, text in files.items():
        (work / name).write_text(text)
    for name in ("alerts", "deploy", "grafana", ".venv"):  # as in a clone, or where `assets` has written
        (work / name).symlink_to(ROOT / name)
    (work / "softswitch.yaml").write_bytes(subprocess.check_output([*EXPORTER, "rules"]))
    return work


async def _run(scripts: list[Any], run: Start, context: ssl.SSLContext) -> list[dict[str, Any]]:
    server = await asyncio.start_server(_forward, "127.0.0.1", 443, ssl=context)
    loop = asyncio.get_running_loop()
    async with server:
        return await loop.run_in_executor(None, lambda: list(_results(scripts, run)))


def _results(scripts: list[Any], run: Start) -> Iterator[dict[str, Any]]:
    ours = {index: script for index, script in enumerate(scripts) if _runs_on(script)}
    simulators = {index: _daemon(line, run) for index, line in ours.items() if " simulate" in line}
    _started(run, f"softswitch-exporter simulate --listen=127.0.0.1:{_SIMULATOR} --tenants=3", _SIMULATED)
    done = simulators | {index: _daemon(line, run) for index, line in ours.items() if index not in simulators}
    # Others read the files that these write.
    done |= {index: _shell(script) for index, script in enumerate(scripts) if " > " in script}
    exporter = _started(
        run, "softswitch-exporter --config.file=config.yaml --web.enable-lifecycle", _EXPORTER
    )
    _started(run, "prometheus --config.file=prometheus.yml --storage.tsdb.path=../prometheus", _PROMETHEUS)
    _started(
        run,
        "prometheus-alertmanager --config.file=alertmanager.yaml --storage.path=../alertmanager "
        "--cluster.listen-address=",
        _ALERTMANAGER,
    )
    wait_until(lambda: _evaluate("softswitch_tenant_balance")["data"]["result"], 60, exporter.text)
    # An idle tenant has empty responses: with current and recent calls, probe gets values.
    recent = {"number": 300, "ago": 1800, "seconds": 1800}
    send(f"{_SIMULATED}/simulator/world", {"tenants": {"ACME": {"calls": 4, "add_calls": recent}}})
    with ThreadPoolExecutor(3) as pool:
        others = pool.map(_result, (script for index, script in enumerate(scripts) if index not in done))
        for index in range(len(scripts)):
            yield done[index] if index in done else next(others)


def _result(script: Any) -> dict[str, Any]:
    if isinstance(script, str):
        return _shell(script)
    result = _evaluate(script["expression"])
    return {"status": 0 if result["status"] == "success" else 1, "output": json.dumps(result)}


def _runs_on(script: object) -> bool:
    return isinstance(script, str) and is_daemon(script)


def _daemon(line: str, run: Start) -> dict[str, Any]:
    """Run a command until it serves, then stop it."""
    program = _started(run, line, _SIMULATED if " simulate" in line else _EXPORTER)
    status = program.stop()
    return {"status": status, "output": program.text()}


def _started(run: Start, command: str, url: str) -> Program:
    program = run("bash", "-c", f"exec {command}")

    def answers() -> bool:
        if program.process.poll() is not None:
            raise AssertionError(program.text())
        return bool(get(url if url == _SIMULATED else f"{url}/-/healthy"))

    wait_until(answers, 60, program.text)
    return program


def _evaluate(expression: str) -> dict[str, Any]:
    result: dict[str, Any] = get_json(
        f"{_PROMETHEUS}/api/v1/query?{urllib.parse.urlencode({'query': expression})}"
    )
    return result


def _shell(script: str) -> dict[str, Any]:
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=_SCRIPT_TIMEOUT,
    )
    return {"status": done.returncode, "output": done.stdout}


async def _forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Forward a decrypted connection to the simulated switch."""
    async with _connected() as (back_reader, back_writer):
        await asyncio.gather(_copy(reader, back_writer), _copy(back_reader, writer))


@contextlib.asynccontextmanager
async def _connected() -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_connection("127.0.0.1", _SIMULATOR)
    try:
        yield reader, writer
    finally:
        writer.close()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError, asyncio.CancelledError):  # cancelled at the end
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.close()


if __name__ == "__main__":
    main()
