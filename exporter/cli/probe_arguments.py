"""The flags of ``probe``. Imports no library, because it is loaded before the command is known."""

import argparse
from collections.abc import Callable
from typing import Any

from exporter.model import Query

SKIPPABLE = ("peers", "extensions", "regstate", "call_records", "trunks")
"""What ``--skip`` accepts: requests that are expensive for a switch, or need many rights."""

TLS_VERSIONS = ("TLS10", "TLS11", "TLS12", "TLS13")

SETTINGS = {
    "name": ("name",),
    "url": ("url",),
    "key_file": ("key_file",),
    "key_env": ("key_env",),
    "timeout": ("timeout",),
    "proxy_url": ("proxy_url",),
    "ca_file": ("tls", "ca_file"),
    "cert_file": ("tls", "cert_file"),
    "cert_key_file": ("tls", "key_file"),
    "server_name": ("tls", "server_name"),
    "tls_min_version": ("tls", "min_version"),
    "insecure": ("tls", "insecure_skip_verify"),
}
"""The flags of ``--write-config`` that are settings of a switch, and their paths in the configuration."""


def flag_of(name: str) -> str:
    """Return how a flag is written."""
    return f"--{name.replace('_', '-')}"


def add_arguments(command: argparse.ArgumentParser, config_file: dict[str, Any]) -> None:
    """Declare the flags. ``config_file``: the options of ``--config.file``."""
    command.add_argument(
        "--config.file",
        dest="config_file",
        help="configuration file (required without --write-config)",
        **config_file,
    )
    text = _flag(command, metavar="NAME", type=_text)
    text("--switch", "switch to query; required if there is more than one")
    _flag(command, choices=[each.value for each in Query])(
        "--query",
        "run only this query; for registrations, try every source. Without --query, probe runs all enabled "
        "queries, for the installation, one tenant and one extension, then prints a summary",
    )
    _flag(command, metavar="CODE", type=_text, action="append")(
        "--tenant",
        "query this tenant; by default, probe queries the installation, or the first tenant if the query "
        "exists only for tenants. With --write-config, a tenant to poll; may be repeated",
    )
    _flag(command, metavar="NUMBER", type=_text)(
        "--extension",
        "query only the registration of this extension, from the configured source; requires --tenant. With "
        "--query=registrations, try every source on this extension",
    )
    _add_write_config(command)


def _add_write_config(command: argparse.ArgumentParser) -> None:
    group = command.add_argument_group(
        "a first configuration",
        "query a switch that is not configured yet, and write a configuration with comments. Needs --url and "
        "one of --key-file and --key-env.",
    )
    file = _flag(group, metavar="FILE", type=_text)
    text = _flag(group, metavar="NAME", type=_text)
    switch = _flag(group, action="store_true")
    file("--write-config", "file to write, or - for standard output")
    switch("--overwrite", "replace the file if it exists")
    switch("--dry-run", "print the requests that would be sent, and send nothing")
    _flag(group, choices=SKIPPABLE, action="append", default=[])(
        "--skip", "do not send these requests, which are expensive for a switch; may be repeated"
    )
    _flag(group, metavar="URL", type=_text)("--url", "URL of the API, without parameters")
    file("--key-file", "file that contains only the API key")
    text("--key-env", "environment variable that contains the API key")
    text("--name", "name of the switch in all metrics (default: the host in --url)")
    _flag(group, metavar="DURATION", type=_text)("--timeout", "limit for each request (default: 1m)")
    _flag(group, metavar="URL", type=_text)(
        "--proxy-url", "HTTP proxy without user and password, or off (default: HTTPS_PROXY or HTTP_PROXY)"
    )
    file("--ca-file", "certificates to trust instead of the system's")
    file("--cert-file", "client certificate")
    file("--cert-key-file", "private key of --cert-file")
    text("--server-name", "name in the certificate, if it differs from the host in --url")
    _flag(group, choices=TLS_VERSIONS)("--tls-min-version", "lowest TLS version (default: TLS12)")
    switch("--insecure", "do not verify the certificate: anyone on the network path can read the key")


def _flag(group: argparse._ActionsContainer, **options: Any) -> Callable[[str, str], object]:  # noqa: ANN401 -- argparse's, which has no public name
    """Return a function that adds a flag with these options, given its name and help."""
    return lambda name, text: group.add_argument(name, help=text, **options)


def _text(text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError:  # Python keeps bytes that it cannot decode as lone surrogates
        raise argparse.ArgumentTypeError(
            "expected text in the encoding of this terminal; set LC_ALL=C.UTF-8 or retype it"
        ) from None
    return text
