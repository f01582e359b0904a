"""The settings of a survey, from the command line. There is no configuration yet."""

import argparse
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import urlsplit

from pydantic import ValidationError

from exporter.cli.probe.draft.entries import ON, Entry, Section, tree
from exporter.cli.probe.findings import Advice, leaves
from exporter.cli.probe_arguments import SETTINGS, flag_of
from exporter.config import Configuration, SwitchConfiguration
from exporter.config.errors import Problem, from_validation
from exporter.config.fields import ValidationContext
from exporter.errors import StartError

SURVEY_RATE = 4
"""Requests per second, one at a time."""

_FILES = {"key_file", "ca_file", "cert_file", "cert_key_file"}
_PATHS = {SETTINGS[name][-1] for name in _FILES}
_ONLY_WITHOUT = ("config_file", "switch", "query", "extension")

Tree = dict[str, object]


def reject_unused(arguments: argparse.Namespace) -> None:
    """Raise StartError for a flag that has no effect: with ``--write-config``, or without it."""
    given = vars(arguments)
    if arguments.write_config is not None:
        unused = [name for name in _ONLY_WITHOUT if given.get(name) is not None]
        names = ", ".join("--config.file" if name == "config_file" else flag_of(name) for name in unused)
        if unused:
            raise StartError(f"{names} has no effect with --write-config; remove it")
        return
    unused = [name for name in (*SETTINGS, "overwrite", "dry_run", "skip") if given.get(name)]
    if unused:
        raise StartError(f"{', '.join(map(flag_of, unused))} needs --write-config=FILE")
    if len(arguments.tenant or ()) > 1:
        raise StartError("--tenant may be repeated only with --write-config; query one tenant at a time")


def settings_of(arguments: argparse.Namespace) -> Tree:
    """Return the settings of a switch in the flags, as in a configuration. Paths are absolute."""
    if arguments.url is None:
        raise StartError("--write-config needs --url=URL, such as https://pbx.example.com/pbx/proxyapi.php")
    if (arguments.key_file is None) is (arguments.key_env is None):
        raise StartError("--write-config needs the API key: --key-file=FILE or --key-env=NAME, one of them")
    if arguments.proxy_url and "@" in arguments.proxy_url:
        raise StartError(
            "--proxy-url: a password in a flag is visible to all users of this machine; set HTTPS_PROXY or "
            "HTTP_PROXY in the environment instead"
        )
    given = {name: getattr(arguments, name) for name in SETTINGS if getattr(arguments, name)}
    given.setdefault("name", _host(arguments.url))
    settings: Tree = {}
    for name, path in SETTINGS.items():
        if name in given:
            value = str(Path(given[name]).absolute()) if name in _FILES else given[name]
            section = settings
            for step in path[:-1]:
                section = section.setdefault(step, {})  # type: ignore[assignment]  # a section is a mapping
            section[path[-1]] = ON if value is True else value
    return settings


def with_relative_paths(settings: Mapping[str, object], directory: Path) -> Tree:
    """Return settings with paths relative to a directory that they are in, so that both can be copied."""
    changed: Tree = {}
    for key, value in settings.items():
        if isinstance(value, Mapping):
            changed[key] = with_relative_paths(value, directory)
        elif isinstance(value, str) and key in _PATHS and ".." not in Path(value).parts:
            is_below = Path(value).is_relative_to(directory)
            changed[key] = str(Path(value).relative_to(directory)) if is_below else value
        else:
            changed[key] = value
    return changed


def _host(url: str) -> str:
    try:
        return urlsplit(url).hostname or "pbx"
    except ValueError:  # reported with all other problems of the URL
        return "pbx"


def switch_of(settings: Tree, environment: Mapping[str, str]) -> SwitchConfiguration:
    """Return the configuration of the survey. Raises StartError, which names the flags."""
    entries = [Entry(name, value) for name, value in settings.items()]
    slow = Entry("max_requests_per_second", SURVEY_RATE), Entry("max_concurrency", 1)
    written = {"switches": [tree(Section((*entries, *slow)))]}
    context = ValidationContext(Path.cwd(), environment)
    try:
        return Configuration.model_validate(written, context=context).switches[0]
    except ValidationError as error:
        problems = from_validation(error, Configuration)
        raise StartError("\n".join(map(_with_flag, problems))) from None


def _with_flag(problem: Problem) -> str:
    steps = problem.path[2:]  # after switches[0]
    flags = [flag_of(name) for name, path in SETTINGS.items() if path == steps]
    return f"{flags[0] if flags else '.'.join(map(str, steps))}: {problem.text}"


_KEYS = re.compile(r"`(url|timeout|proxy_url)(?:: (\w+))?`")
_TENANT_KEY = re.compile(r"Configure a tenant's key with its tenant: .*")


def with_flags(given: Advice) -> Iterator[str]:
    """Yield advice about keys of the configuration as sentences about flags."""
    text = _TENANT_KEY.sub("For a tenant's key, add --tenant=CODE", given.text)
    text = _KEYS.sub(lambda key: flag_of(key[1]) + (f"={key[2]}" if key[2] else ""), text)
    values = dict(leaves(given.settings))
    flags = [f"{flag_of(name)}={values.pop(path)}" for name, path in SETTINGS.items() if path in values]
    yield f"{text}: {' '.join(flags)}" if flags else text
