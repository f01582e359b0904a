"""Checks across sections, on the tree of the file and not on the validated models.

The models do not exist while anything in them is wrong, and all problems are reported together. So these
checks skip everything that has the wrong shape.
"""

import contextlib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from exporter.config.errors import Path as ProblemPath
from exporter.config.errors import Problem, location
from exporter.config.keys import KEY_SETTINGS
from exporter.config.thresholds import TenantThresholds, Thresholds, merged, order_problem
from exporter.errors import shown
from exporter.fields import Section

_Rows = list[tuple[ProblemPath, Mapping[str, Any]]]
_SectionType = TypeVar("_SectionType", bound=Section)

_BOOL = TypeAdapter(bool)


def conflicts(tree: Mapping[str, Any], file: Path) -> Iterator[Problem]:
    """Yield conflicts between sections that are valid by themselves. ``file`` is the configuration file."""
    switches = _rows(tree, (), "switches")
    alerting = tree.get("alerting")
    if isinstance(alerting, dict):
        yield from _duplicates(_rows(alerting, ("alerting",), "alertmanagers"), "url")
        yield from _state_file(alerting.get("state_file"), tree, file)
    yield from _duplicates(switches, "name")
    for path, switch in switches:
        tenants = _rows(switch, path, "tenants")
        yield from _duplicates(tenants, "code")
        yield from _duplicates(_nodes(switch, path), "name")
        for keyed_path, keyed in [(path, switch), *tenants]:
            given = _given_keys(keyed)
            if len(given) > 1:
                yield Problem(keyed_path, f"has {' and '.join(given)}; keep one of them")
        if not _given_keys(switch):
            yield from _without_admin_key(path, switch, tenants)
        yield from _thresholds(path, switch, tenants)


def _state_file(written: object, tree: Mapping[str, Any], file: Path) -> Iterator[Problem]:
    """Find a state file that would be written over a file with another purpose."""
    if not isinstance(written, str) or not written.strip() or not written.isprintable():
        return  # reported by the schema
    directory = file.absolute().parent
    state, path = directory / written, ("alerting", "state_file")
    if state.is_dir():
        yield Problem(path, "is a directory; name a file in it")
    lock = state.with_name(f"{state.name}.lock")  # a file that the exporter makes and removes
    named: list[tuple[str, Path]] = [("this configuration file", file)]
    named += [(location(where), directory / other) for where, other in _named_files(tree, ())]
    for where, other in named:
        if _is_same(state, other) or _is_same(lock, other):
            yield Problem(path, f"would overwrite {where}; give it a name of its own")


def _named_files(branch: object, path: ProblemPath) -> Iterator[tuple[ProblemPath, str]]:
    """Find all files that the configuration names."""
    steps = (
        branch.items() if isinstance(branch, dict) else enumerate(branch) if isinstance(branch, list) else ()
    )
    for step, value in steps:
        is_file = (
            isinstance(step, str) and step.endswith("_file") and (*path, step) != ("alerting", "state_file")
        )
        if is_file and isinstance(value, str) and value.isprintable():
            yield (*path, step), value
        else:
            yield from _named_files(value, (*path, step))


def _is_same(one: Path, other: Path) -> bool:
    """Return whether two paths lead to one file, also through symbolic and hard links."""
    with contextlib.suppress(OSError):  # one of them is not there
        return one.samefile(other)
    return os.path.realpath(one) == os.path.realpath(other)


def _list(parent: Mapping[str, Any], key: str) -> list[Any]:
    entries = parent.get(key)
    return entries if isinstance(entries, list) else []


def _rows(parent: Mapping[str, Any], path: ProblemPath, key: str) -> _Rows:
    entries = enumerate(_list(parent, key))
    return [((*path, key, index), entry) for index, entry in entries if isinstance(entry, dict)]


def _nodes(switch: Mapping[str, Any], path: ProblemPath) -> _Rows:
    """Return the nodes as mappings, those that are a name alone too."""
    nodes = [{"name": node} if isinstance(node, str) else node for node in _list(switch, "nodes")]
    return _rows({"nodes": nodes}, path, "nodes")


def _duplicates(rows: _Rows, key: str) -> Iterator[Problem]:
    taken: dict[str, ProblemPath] = {}
    for path, row in rows:
        value = row.get(key)
        if not isinstance(value, str):
            continue
        if value in taken:
            yield Problem(
                (*path, key), f"{shown(value)} is taken by {location(taken[value])}; choose another"
            )
        else:
            taken[value] = path


def _given_keys(keyed: Mapping[str, Any]) -> list[str]:
    return [way for way in KEY_SETTINGS if way in keyed]


def _without_admin_key(path: ProblemPath, switch: Mapping[str, Any], tenants: _Rows) -> Iterator[Problem]:
    discovery = switch.get("discover_tenants")
    if isinstance(discovery, dict) and _is_true(discovery.get("enabled")):
        yield Problem(
            (*path, "discover_tenants", "enabled"),
            "discovery needs an admin key; give the switch key_file, key_env or key",
        )
    elif not _list(switch, "tenants"):
        yield Problem(
            path,
            "has neither an admin key nor tenants, so there is nothing to poll; "
            "give it key_file, key_env or key, or list tenants",
        )
    for tenant_path, tenant in tenants:
        if not _given_keys(tenant):
            yield Problem(
                tenant_path,
                "has no key, and the switch has no admin key instead; give it key_file, key_env or key",
            )


def _is_true(written: object) -> bool:
    try:
        return _BOOL.validate_python(written)
    except ValidationError:
        return False


def _thresholds(path: ProblemPath, switch: Mapping[str, Any], tenants: _Rows) -> Iterator[Problem]:
    """Find tenants whose own thresholds are at odds with those that they inherit."""
    inherited = _valid(Thresholds, switch)
    defaults_written = switch.get("tenant_defaults", {})
    defaults = _valid(TenantThresholds, defaults_written) if isinstance(defaults_written, dict) else None
    if inherited is None or defaults is None:
        return
    yield from _at_odds((*path, "tenant_defaults"), inherited, defaults)
    for tenant_path, written in tenants:
        if own := _valid(TenantThresholds, written):
            yield from _at_odds(tenant_path, inherited, defaults, own)


def _at_odds(path: ProblemPath, inherited: Thresholds, *layers: TenantThresholds) -> Iterator[Problem]:
    for name in layers[-1].model_fields_set:
        effective = merged(getattr(inherited, name), *(getattr(layer, name) for layer in layers))
        if wrong := order_problem(effective):
            yield Problem((*path, "thresholds", name), f"with what is inherited, {wrong}")


def _valid(section: type[_SectionType], parent: Mapping[str, Any]) -> _SectionType | None:
    try:
        return section.model_validate(parent.get("thresholds", {}))
    except ValidationError:
        return None
