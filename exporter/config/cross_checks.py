"""Conflicts between sections, found in the tree of the file rather than in the validated models.

The models do not exist if anything in them is invalid, but all problems are reported together. These checks
skip everything of the wrong type, which the schema reports.
"""

import contextlib
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from exporter.config.errors import FIRST, Problem
from exporter.config.errors import Path as ProblemPath
from exporter.config.keys import KEY_SETTINGS
from exporter.config.thresholds import TenantThresholds, Thresholds, merged, order_problem
from exporter.errors import shown
from exporter.fields import Section

_Rows = list[tuple[ProblemPath, Mapping[str, Any]]]
_SectionType = TypeVar("_SectionType", bound=Section)

_BOOL = TypeAdapter(bool)
_KEY_ADVICE = "set key_file, key_env or key"
_STATE_FILE = ("alerting", "state_file")


def conflicts(tree: Mapping[str, Any], file: Path, named: Iterable[tuple[str, Path]]) -> Iterator[Problem]:
    """Yield the conflicts between sections.

    ``file``: the configuration file. ``named``: the other files that are read, each with its place.
    """
    switches = _rows(tree, (), "switches")
    alerting = tree.get("alerting")
    if isinstance(alerting, dict):
        alertmanagers = _rows(alerting, ("alerting",), "alertmanagers")
        yield from _duplicates(alertmanagers, "url")
        for path, alertmanager in alertmanagers:
            yield from _credentials(path, alertmanager)
            yield from _client_key(path, alertmanager)
        yield from _state_file(alerting.get("state_file"), file, named)
    high_availability = tree.get("high_availability")
    if isinstance(high_availability, dict) and {"lease", "start"} <= high_availability.keys():
        yield Problem(("high_availability",), "lease and start are both set; keep one")
    yield from _duplicates(switches, "name")
    for path, switch in switches:
        tenants = _rows(switch, path, "tenants")
        yield from _duplicates(tenants, "code")
        nodes = [{"name": node} if isinstance(node, str) else node for node in _list(switch, "nodes")]
        yield from _duplicates(_rows({"nodes": nodes}, path, "nodes"), "name")
        for keyed_path, keyed in [(path, switch), *tenants]:
            if len(given := _given_keys(keyed)) > 1:
                yield Problem(keyed_path, f"{' and '.join(given)} are set; keep one")
        yield from _client_key(path, switch)
        if not _given_keys(switch):
            yield from _without_admin_key(path, switch, tenants)
        yield from _thresholds(path, switch, tenants)


def _client_key(path: ProblemPath, connection: Mapping[str, Any]) -> Iterator[Problem]:
    tls = connection.get("tls")
    if isinstance(tls, dict) and "key_file" in tls and "cert_file" not in tls:
        yield Problem((*path, "tls", "key_file"), "set without cert_file; add cert_file or remove key_file")


def _credentials(path: ProblemPath, alertmanager: Mapping[str, Any]) -> Iterator[Problem]:
    if "basic_auth" in alertmanager and "bearer_token_file" in alertmanager:
        yield Problem(path, "basic_auth and bearer_token_file are both set; keep one")
    basic_auth = alertmanager.get("basic_auth")
    if isinstance(basic_auth, dict):
        found = basic_auth.keys() & {"password", "password_file"}
        if len(found) > 1:
            yield Problem((*path, "basic_auth"), "password and password_file are both set; keep one")
        if not found:
            yield Problem((*path, "basic_auth"), "no password; set password_file or password")


def _state_file(written: object, file: Path, named: Iterable[tuple[str, Path]]) -> Iterator[Problem]:
    """Find a state file, or its lock file, that would overwrite another file."""
    if not isinstance(written, str) or not written.strip() or not written.isprintable():
        return
    directory = file.absolute().parent
    state = directory / written
    if os.path.isdir(state):  # noqa: PTH112 -- Path.is_dir raises PermissionError
        yield Problem(_STATE_FILE, "is a directory; expected a file")
    lock = state.with_name(f"{state.name}.lock")
    for where, other in [("this configuration file", file), *named]:
        if _is_same(state, other) or _is_same(lock, other):
            yield Problem(_STATE_FILE, f"would overwrite {where}; choose another file")


def named_files(branch: object, path: ProblemPath) -> Iterator[tuple[ProblemPath, str]]:
    """Yield all files that a tree names, except the state file."""
    steps = (
        branch.items() if isinstance(branch, dict) else enumerate(branch) if isinstance(branch, list) else ()
    )
    for step, value in steps:
        inner = (*path, step)
        if isinstance(value, str):
            if str(step).endswith("_file") and inner != _STATE_FILE and value.isprintable():
                yield inner, value
        else:
            yield from named_files(value, inner)


def _is_same(one: Path, other: Path) -> bool:
    """Return whether two paths lead to the same file, also through symbolic and hard links."""
    with contextlib.suppress(OSError):  # one of them does not exist
        return one.samefile(other)
    return os.path.realpath(one) == os.path.realpath(other)


def _list(parent: Mapping[str, Any], key: str) -> list[Any]:
    entries = parent.get(key)
    return entries if isinstance(entries, list) else []


def _rows(parent: Mapping[str, Any], path: ProblemPath, key: str) -> _Rows:
    entries = enumerate(_list(parent, key))
    return [((*path, key, index), entry) for index, entry in entries if isinstance(entry, dict)]


def _duplicates(rows: _Rows, key: str) -> Iterator[Problem]:
    taken: dict[str, ProblemPath] = {}
    for path, row in rows:
        value = row.get(key)
        if not isinstance(value, str):
            continue
        if value in taken:
            text = f"{shown(value)} is already used by {FIRST}; must be unique"
            yield Problem((*path, key), text, first=taken[value])
        else:
            taken[value] = (*path, key)


def _given_keys(keyed: Mapping[str, Any]) -> list[str]:
    return [setting for setting in KEY_SETTINGS if setting in keyed]


def _without_admin_key(path: ProblemPath, switch: Mapping[str, Any], tenants: _Rows) -> Iterator[Problem]:
    discovery = switch.get("discover_tenants")
    if isinstance(discovery, dict) and _is_true(discovery.get("enabled")):
        yield Problem(
            (*path, "discover_tenants", "enabled"),
            f"discovery needs an admin key; {_KEY_ADVICE} of the switch",
        )
    elif not _list(switch, "tenants"):
        yield Problem(path, f"nothing to poll without an admin key or tenants; {_KEY_ADVICE}, or add tenants")
    for tenant_path, tenant in tenants:
        if not _given_keys(tenant):
            yield Problem(tenant_path, f"has no key, and the switch has no admin key; {_KEY_ADVICE}")


def _is_true(written: object) -> bool:
    try:
        return _BOOL.validate_python(written)
    except ValidationError:
        return False


def _thresholds(path: ProblemPath, switch: Mapping[str, Any], tenants: _Rows) -> Iterator[Problem]:
    """Find tenants whose own thresholds are in the wrong order with those that they inherit."""
    inherited = _valid(Thresholds, switch)
    defaults_written = switch.get("tenant_defaults", {})
    defaults = _valid(TenantThresholds, defaults_written) if isinstance(defaults_written, dict) else None
    if inherited is None or defaults is None:
        return
    yield from _wrong_order((*path, "tenant_defaults"), inherited, defaults)
    for tenant_path, written in tenants:
        if own := _valid(TenantThresholds, written):
            yield from _wrong_order(tenant_path, inherited, defaults, own)


def _wrong_order(path: ProblemPath, inherited: Thresholds, *layers: TenantThresholds) -> Iterator[Problem]:
    for name in layers[-1].model_fields_set:
        effective = merged(getattr(inherited, name), *(getattr(layer, name) for layer in layers))
        if problem := order_problem(name, effective):
            yield Problem((*path, "thresholds", name), f"with the inherited thresholds, {problem}")


def _valid(section: type[_SectionType], parent: Mapping[str, Any]) -> _SectionType | None:
    try:
        return section.model_validate(parent.get("thresholds", {}))
    except ValidationError:
        return None
