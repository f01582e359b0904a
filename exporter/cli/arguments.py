"""Flags and commands, named as in the programs of the Prometheus project."""

import argparse
import gc
import importlib
import platform
import re
import signal
import ssl
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeAlias
from urllib.parse import urlsplit

from exporter import __version__
from exporter.cli import probe_arguments
from exporter.errors import shown, shown_url
from exporter.simulator import options as simulator

DEFAULT_LISTEN_ADDRESS = ":10390"
LEVELS = ("debug", "info", "warning", "error")
_HIGHEST_PORT = 65_535
_LABELS_OF_ALERTS = frozenset({
    "alertname", "extension", "instance", "job", "node", "query", "queue", "reason", "rule_group", "scope",
    "severity", "switch", "tenant", "trunk",
})  # fmt: skip
_NOT_LABELS_IN_PROMQL = frozenset({"inf", "nan", "without"})
"""Words, in any case, that PromQL does not accept as a label in ``by`` (seen, promtool 2.42 and 3.5)."""
_BASE_URL = re.compile(r"[A-Za-z0-9._~:/\[\]!$&'()*+,;=%-]+")

_Command = Callable[[argparse.Namespace], int]
_Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"  # noqa: SLF001 -- it has no public name

_FILE: Mapping[str, Any] = {"type": Path, "metavar": "FILE"}
_KEEP: Mapping[str, Any] = {"default": argparse.SUPPRESS}
"""For a flag that may also precede the command: a default after the command would overwrite that value."""


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line. Its namespace holds the command as ``run``."""
    main = argparse.ArgumentParser(
        prog="softswitch-exporter",
        description="Prometheus exporter for hosted-telephony soft-switches. "
        "Without a command, it polls the configured switches and serves /metrics.",
        allow_abbrev=False,
    )
    libraries = f"Python {platform.python_version()}, {' '.join(ssl.OPENSSL_VERSION.split()[:2])}"
    version = f"softswitch-exporter {__version__} ({libraries})"
    main.add_argument("--version", action="version", version=version)
    _add_daemon_flags(main)
    commands = main.add_subparsers(title="commands", metavar="COMMAND")
    _add_probe(commands)
    _add_healthcheck(commands)
    simulator.add_arguments(_command(commands, "simulate", "run a simulated switch", _module("simulate")))
    _add_demo(commands)
    _add_test_alert(commands)
    _add_rules(commands)
    _add_assets(commands)
    return main


def _command(commands: _Commands, name: str, summary: str, run: _Command) -> argparse.ArgumentParser:
    description = f"{summary[0].upper()}{summary[1:]}."
    command = commands.add_parser(name, help=summary, description=description, allow_abbrev=False)
    command.set_defaults(run=run)
    return command


def _flag(command: argparse.ArgumentParser, name: str, text: str, **options: Any) -> None:  # noqa: ANN401 -- argparse's
    """Add a flag; ``--web.config.file`` is ``web_config_file`` in the namespace."""
    command.add_argument(name, dest=re.sub(r"[.-]", "_", name.strip("-")), help=text, **options)


def _module(name: str) -> _Command:
    """Return a command that imports its module when it runs: ``--help`` needs no library."""

    def run(arguments: argparse.Namespace) -> int:
        status: int = load(name).run(arguments)
        return status

    return run


def load(command: str) -> Any:  # noqa: ANN401 -- a module, whose `run` mypy does not know
    """Import the module of a command.

    Garbage collections would look at every object of the modules, and find nothing to free: a twelfth of the
    CPU time of the import (2026-12).
    """
    gc.disable()
    try:
        module = importlib.import_module(f"exporter.cli.{command}")
        gc.freeze()
    finally:
        gc.enable()
    return module


def _add_daemon_flags(main: argparse.ArgumentParser) -> None:
    def run(arguments: argparse.Namespace) -> int:
        if arguments.config_file is None and not arguments.config_schema:
            main.error("--config.file is required; `softswitch-exporter demo` needs no configuration")
        _set_default_address(arguments)
        if arguments.config_check or arguments.config_schema:
            return _module("check")(arguments)
        # SIGHUP would end the process before the daemon installs its handler.
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        return _module("daemon")(arguments)

    main.set_defaults(run=run)
    _add_configuration_flags(main)
    address = f"address to listen on; may be repeated (default: {DEFAULT_LISTEN_ADDRESS})"
    tls = "file with TLS and basic authentication settings, in the format of Prometheus's exporter-toolkit"
    path = "path that serves the metrics (default: /metrics)"
    url = (
        "URL at which browsers reach the exporter, for example behind a reverse proxy; alerts link to it; "
        "the pages, /api/v1/status and /-/reload then also accept the host of this URL in the Host header"
    )
    lifecycle = "enable POST /-/reload (as SIGHUP), /-/activate and /-/standby"
    storage = (
        "directory in which known nodes, alerts and the timeline are kept across restarts "
        "(default: in memory only)"
    )
    formats = ("logfmt", "json")
    _flag(main, "--web.listen-address", address, **_LISTEN_ADDRESS)
    _flag(main, "--web.config.file", tls, **_FILE)
    _flag(main, "--web.telemetry-path", path, type=_path, default="/metrics", metavar="PATH")
    _flag(main, "--web.external-url", url, type=_base_url, metavar="URL")
    _flag(main, "--web.enable-lifecycle", lifecycle, action="store_true")
    _flag(main, "--storage.path", storage, type=Path, metavar="DIR")
    _flag(main, "--log.level", "minimum level to log (default: info)", choices=LEVELS, default="info")
    _flag(main, "--log.format", "log format (default: logfmt)", choices=formats, default="logfmt")


def _add_configuration_flags(main: argparse.ArgumentParser) -> None:
    check = "validate the configuration, print the polling plan, and exit"
    schema = "print the JSON Schema of the configuration, for editors and other programs, and exit"
    auto_reload = (
        "reload the configuration about ten seconds after it, or a file that it names, has changed; an "
        "invalid configuration changes nothing"
    )
    _flag(main, "--config.file", "configuration file (required without a command)", **_FILE)
    _flag(main, "--config.check", check, action="store_true")
    _flag(main, "--config.schema", schema, action="store_true")
    _flag(main, "--config.auto-reload", auto_reload, action="store_true")


def _add_healthcheck(commands: _Commands) -> None:
    def run(arguments: argparse.Namespace) -> int:
        _set_default_address(arguments)
        return _module("healthcheck")(arguments)

    command = _command(commands, "healthcheck", "check whether the local exporter is healthy", run)
    address = f"same value as the exporter's flag (default: {DEFAULT_LISTEN_ADDRESS})"
    tls = "same value as the exporter's flag; decides between HTTP and HTTPS"
    _flag(command, "--web.listen-address", address, **_LISTEN_ADDRESS, **_KEEP)
    _flag(command, "--web.config.file", tls, **_FILE, **_KEEP)


def _add_probe(commands: _Commands) -> None:
    summary = "query a switch once: show the responses and suggest settings, or write a first configuration"
    command = _command(commands, "probe", summary, _module("probe"))
    probe_arguments.add_arguments(command, {**_FILE, **_KEEP})


def _add_demo(commands: _Commands) -> None:
    summary = "run the exporter against a simulated switch"
    command = _command(commands, "demo", summary, _module("demo"))
    port = "port of the exporter; 0 picks a free port (default: 10390)"
    simulator_port = "port of the simulated switch; 0 picks a free port (default: 10391)"
    seed = "random seed; the same seed produces the same switch (default: 1)"
    _flag(command, "--port", port, type=_port, default=10390)
    _flag(command, "--simulator-port", simulator_port, type=_port, default=10391)
    _flag(command, "--seed", seed, type=int, default=1)


def _add_test_alert(commands: _Commands) -> None:
    summary = "send a test alert to every configured Alertmanager, then resolve it"
    command = _command(commands, "test-alert", summary, _module("testalert"))
    severity = "severity label of the alert, to test the route for it (default: warning)"
    severities = ("critical", "warning", "info")
    hold = "seconds until the alert is resolved (default: 10)"
    _flag(command, "--config.file", "configuration file (required)", **_FILE, **_KEEP)
    _flag(command, "--severity", severity, choices=severities, default="warning")
    url = "same value as the exporter's flag; the alert then has the same links"
    _flag(command, "--web.external-url", url, type=_base_url, metavar="URL", **_KEEP)
    _flag(command, "--hold", hold, type=_up_to_an_hour, default=10.0, metavar="SECONDS")


def _add_rules(commands: _Commands) -> None:
    summary = "print the recording and alerting rules for Prometheus"
    command = _command(commands, "rules", summary, _module("rules"))
    runbooks = (
        "link each alert to URL/NAME, such as http://exporter:10390/runbooks (default: the runbooks of the "
        "repository)"
    )
    team = "label of softswitch_tenant_info that alerts on a tenant carry, for routing (default: team)"
    form = "rule file, resource of the Prometheus Operator, or rule file as JSON (default: prometheus)"
    _flag(command, "--runbooks", runbooks, type=_base_url, metavar="URL")
    _flag(command, "--team-label", team, type=_team_label, metavar="NAME")
    _flag(command, "--format", form, choices=("prometheus", "prometheusrule", "json"), default="prometheus")


def _add_assets(commands: _Commands) -> None:
    summary = "write the rules, dashboards, runbooks and examples to a directory"
    command = _command(commands, "assets", summary, _module("assets"))
    way = command.add_mutually_exclusive_group(required=True)
    way.add_argument("--to", help="directory to write to, created if absent", type=Path, metavar="DIR")
    way.add_argument("--list", help="print the names of the files instead", action="store_true")
    _flag(command, "--force", "replace files that differ from this version", action="store_true")


def _set_default_address(arguments: argparse.Namespace) -> None:
    if arguments.web_listen_address is None:
        arguments.web_listen_address = [_listen_address(DEFAULT_LISTEN_ADDRESS)]


def _listen_address(text: str) -> tuple[str | None, int]:
    """Parse ``host:port``, ``[ipv6]:port`` or ``:port``; the host is None for every interface."""
    host, colon, port = text.rpartition(":")
    if not colon or not _is_port(port):
        raise argparse.ArgumentTypeError(
            f"expected an address such as :10390 or 127.0.0.1:10390, got {shown(text)}"
        )
    return host.removeprefix("[").removesuffix("]") or None, int(port)


_LISTEN_ADDRESS: Mapping[str, Any] = {"type": _listen_address, "action": "append", "metavar": "[HOST]:PORT"}


def _port(text: str) -> int:
    if not _is_port(text):
        raise argparse.ArgumentTypeError(f"expected a port from 0 to {_HIGHEST_PORT}, got {shown(text)}")
    return int(text)


def _is_port(text: str) -> bool:
    return text.isascii() and text.isdigit() and int(text) <= _HIGHEST_PORT


def _path(text: str) -> str:
    is_ours = f"{text}/".startswith(("/-/", "/api/", "/runbooks/", "/sd/", "/tenant/"))
    if not re.fullmatch(r"(/[\w.~-]+)+", text, re.ASCII) or is_ours:
        raise argparse.ArgumentTypeError(
            "expected a path such as /metrics, not below /-, /api, /runbooks, /sd or /tenant, "
            f"got {shown(text)}"
        )
    return text


def _base_url(text: str) -> str:
    """Return the URL that links begin with. Credentials would show in each of them."""
    try:
        url = urlsplit(text)
        is_url = url.scheme in {"http", "https"} and url.hostname and (url.port is None or url.port > 0)
        is_url = is_url and _BASE_URL.fullmatch(text) and not ("@" in url.netloc or url.query or url.fragment)
    except ValueError:
        is_url = False
    if not is_url:
        raise argparse.ArgumentTypeError(
            f"invalid URL {shown_url(text)}; expected one such as https://exporter.example.com, "
            "without user, query and fragment"
        )
    return text


def _team_label(text: str) -> str:
    if not re.fullmatch(r"(?!__)[a-zA-Z_][a-zA-Z0-9_]*", text):
        raise argparse.ArgumentTypeError(f"expected a label name such as team, got {shown(text)}")
    if text in _LABELS_OF_ALERTS:
        raise argparse.ArgumentTypeError(f"alerts have a label {shown(text)} already; choose another label")
    if text.lower() in _NOT_LABELS_IN_PROMQL:
        raise argparse.ArgumentTypeError(
            f"PromQL does not accept the label {shown(text)}; choose another label"
        )
    return text


def _up_to_an_hour(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds <= 3600:  # noqa: PLR2004 -- also false for NaN
        raise argparse.ArgumentTypeError(f"expected a number of seconds from 0 to 3600, got {shown(text)}")
    return seconds
