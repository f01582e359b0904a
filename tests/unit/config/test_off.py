"""``off`` and ``false`` for every key that accepts ``off``."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from exporter.config import Configuration
from exporter.fields import is_off
from exporter.model import Query
from tests.config_docs import declared, form

Load = Callable[..., Configuration]
Problems = Callable[..., list[str]]

_REQUIRED = {"tenants[]": {"code": "A"}, "alertmanagers[]": {"url": "http://a:9093"}}
_TENANT_QUERIES = ("peers", "channels", "calls", "balance", "registrations", "limits", "extensions")


def _places() -> Iterator[str]:
    """Yield the path of every key that accepts ``off``, also below ``tenant_defaults``."""
    for key in declared():
        if "`off`" not in form(key):
            continue
        paths = [key.path]
        if ".QUERY." in key.path:
            paths = [key.path.replace("QUERY", query) for query in _TENANT_QUERIES]
        if key.path.startswith("switches[].tenants[]."):
            paths += [path.replace("tenants[]", "tenant_defaults") for path in paths]
        for path in paths:
            yield path
            if "mapping" in form(key):
                yield f"{path}.warning"
                yield f"{path}.critical"


PLACES = sorted(_places())


def _with(path: str, value: str) -> str:
    """Return a configuration as YAML, with this value at a path."""
    switch: dict[str, Any] = {"name": "a", "url": "https://pbx/api", "key": "k"}
    whole: dict[str, Any] = {"switches": [switch]}
    place = switch if path.startswith("switches[].") else whole
    *parents, last = path.removeprefix("switches[].").split(".")
    for parent in parents:
        below: dict[str, Any] = dict(_REQUIRED.get(parent, {}))
        place[parent.removesuffix("[]")] = [below] if parent.endswith("[]") else below
        place = below
    place[last] = "VALUE"
    return json.dumps(whole).replace('"VALUE"', value)


def test_places_are_complete() -> None:
    """They include the intervals of all queries, and all thresholds."""
    for query in Query:
        assert any(f".queries.{query}." in path for path in PLACES)
    for threshold in ("license", "balance", "registered_ratio"):
        assert f"switches[].thresholds.{threshold}" in PLACES
        assert f"switches[].thresholds.{threshold}.critical" in PLACES
    assert "switches[].tenant_defaults.thresholds.balance.warning" in PLACES
    assert "switches[].tenants[].queries.limits.tenant_interval" in PLACES


def test_false_means_off(loaded: Load) -> None:
    """Ansible, Helm and PyYAML read a plain ``off`` as a boolean and write ``false``."""
    for path in PLACES:
        meant, *read = (repr(loaded(_with(path, spelling))) for spelling in ("off", "false", "'False'"))
        assert read == [meant] * len(read), path


@pytest.mark.parametrize("written", ["no", "true", "on", "null"])
def test_other_booleans_are_errors_that_name_off(problems: Problems, written: str) -> None:
    """YAML has more words for false, and ``on`` has no meaning where a value is expected."""
    for path in PLACES:
        *_, problem = problems(_with(path, written))
        assert written == "null" or "off" in problem, path


@pytest.mark.parametrize("written", ["off", "Off", "OFF", "false", "False", "FALSE"])
def test_spellings_of_off(written: str) -> None:
    """These are the spellings of YAML 1.1."""
    assert is_off(written)


@pytest.mark.parametrize("written", ["no", "none", "0", "true", "on", "oFF", "null", "n"])
def test_other_words_do_not_mean_off(written: str) -> None:
    """No tool writes one of these for ``off``."""
    assert not is_off(written)
