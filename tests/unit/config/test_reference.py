"""docs/configuration.md matches the schema, and its examples are valid."""

from pathlib import Path
from typing import Any

import yaml

from exporter.config import load
from exporter.config.tenant_settings import TenantDefaults
from tests.certificates import Authority
from tests.config_docs import Key, declared, default, form, page

ROOT = Path(__file__).parents[3]
KEYS = declared()


def test_page_is_up_to_date() -> None:
    """``make config-docs`` changes nothing."""
    assert (ROOT / "docs/configuration.md").read_text() == page()


def test_keys_are_complete() -> None:
    """Each has a description and a form, and an example unless it is a section."""
    for key in KEYS:
        assert (key.field.description or "").endswith("."), key.path
        assert form(key), key.path
        assert key.field.examples or key.below is not None, key.path


def test_examples_are_valid(tmp_path: Path, authority: Authority) -> None:
    """A configuration with only the example and the required keys loads."""
    authority.issue("client")
    authority.certificate.rename(tmp_path / "private-ca.pem")
    for name in ("pbx-eu.key", "alertmanager.password", "alertmanager.token"):
        (tmp_path / name).write_text("made-up")
    (tmp_path / "tenants").mkdir()
    file = tmp_path / "config.yaml"
    examples = [(key, example) for key in KEYS for example in key.field.examples or []]
    assert len(examples) > len(KEYS) / 2
    for key, example in examples:
        file.write_text(yaml.safe_dump(_around(key, example)))
        load(file, {"PBX_EU_KEY": "made-up"})


def _around(key: Key, example: object) -> dict[str, Any]:
    """Return the smallest configuration that contains an example."""
    tree: dict[str, Any] = {"switches": [{"name": "pbx", "url": "http://127.0.0.1/api"}]}
    place: Any = tree
    *steps, last = key.path.replace("QUERY", "calls").split(".")
    for step in steps:
        name = step.removesuffix("[]")
        new: Any = [{}] if step.endswith("[]") else {}
        below = place.setdefault(name, new)
        place = below[0] if step.endswith("[]") else below
    place[last] = example
    if "tls" in steps and last in {"cert_file", "key_file"}:
        place |= {"cert_file": "client.pem", "key_file": "client.key"}
    if last == "username":
        place["password"] = "made-up"
    for path, keys in _REQUIRED.items():
        if ".".join(steps).startswith(path):
            at = _at(tree, path)
            for name, value in keys.items():
                at.setdefault(name, value)
    if not any(name.startswith("key") for name in tree["switches"][0]):
        tree["switches"][0]["key"] = "made-up"
    return tree


_REQUIRED: dict[str, dict[str, object]] = {
    "switches[].queries.call_records": {"timezone": "Europe/Rome"},
    "switches[].nodes[]": {"name": "pbx1"},
    "high_availability.lease": {"name": "softswitch-exporter", "namespace": "telephony"},
    "switches[].tenants[]": {"code": "ACME"},
    "switches[].tenants[].business_hours": {
        "timezone": "Europe/Rome", "days": ["mon"], "from": "09:00", "to": "18:00",
    },
    "alerting": {"alertmanagers": [{"url": "http://127.0.0.1:9093"}]},
    "alerting.alertmanagers[]": {"url": "http://127.0.0.1:9093"},
    "alerting.alertmanagers[].basic_auth": {"username": "noc"},
}  # fmt: skip


def _at(tree: Any, path: str) -> Any:
    for step in path.split("."):
        tree = tree[step.removesuffix("[]")]
        tree = tree[0] if step.endswith("[]") else tree
    return tree


def test_documented_defaults(tmp_path: Path) -> None:
    """Writing a documented default changes nothing."""
    documented = {key.path: default(key).strip("`") for key in KEYS}
    tree = {"switches": [{"name": "pbx", "url": "http://127.0.0.1/api", "key": "made-up"}]}
    file = tmp_path / "config.yaml"
    file.write_text(yaml.safe_dump(tree))
    [bare] = load(file, {}).switches
    for path in (
        "timeout",
        "stale_after",
        "max_series",
        "queries.peers.interval",
        "queries.limits.tenant_interval",
    ):
        written: dict[str, Any] = {}
        place = written
        *steps, last = path.split(".")
        for step in steps:
            place = place.setdefault(step, {})
        place[last] = documented[f"switches[].{path}"]
        file.write_text(yaml.safe_dump({"switches": [{**tree["switches"][0], **written}]}))
        [with_it] = load(file, {}).switches
        assert with_it.model_dump(exclude={"literal_key"}) == bare.model_dump(exclude={"literal_key"}), path


def test_tenant_defaults_have_no_other_keys_than_tenants() -> None:
    """The page documents those of ``tenants`` only."""
    of_tenants = {key.path.rpartition(".")[2] for key in KEYS if key.path.startswith("switches[].tenants[].")}
    assert {field.alias or name for name, field in TenantDefaults.model_fields.items()} <= of_tenants
