"""Values that the Helm chart refuses: the message names the value, and says what to do."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.helm_chart import refusal, rendered

REFUSED: list[dict[str, Any]] = yaml.safe_load(Path(__file__).with_name("refused.yaml").read_text())


@pytest.mark.parametrize("case", REFUSED, ids=lambda case: case["message"][:50])
def test_a_value_is_refused(case: dict[str, Any]) -> None:
    """The message contains these words, and no secret."""
    said = refusal(case["values"])
    assert case["message"] in said
    assert "s3cret" not in said


def test_the_name_of_a_service_starts_with_a_letter() -> None:
    """A release may be named otherwise; the message says which value to set."""
    assert 'the resources would be named "1st-softswitch-exporter"' in refusal({}, release="1st")
    assert "set fullnameOverride" in refusal({}, release="1st")
    rendered({"fullnameOverride": "first"}, release="1st")


def _switch(**more: Any) -> dict[str, Any]:
    return {"config": {"switches": [{"name": "a", "url": "https://pbx.example.com/", **more}]}}


@pytest.mark.parametrize(
    "values",
    [
        _switch(tenants=[{"code": "A", "labels": {"key": "gold", "password": "no"}}]),
        _switch(key_file="/run/secrets/softswitch-exporter/pbx.key"),
        _switch(key_env="PBX_KEY") | {"existingSecret": ""},
        _switch(key_file="/run/more/pbx.key")
        | {"existingSecret": "", "extraVolumeMounts": [{"name": "more", "mountPath": "/run/more/"}]},
        _switch(tls={"ca_file": "/etc/ssl/certs/ca-certificates.crt"}),
        {"configFile": "switches: [{name: 1, url: x, tenants: [{code: NO, extensions: [0101]}]}]"},
        {"global": {"imageRegistry": "registry.example.com"}},
    ],
    ids=str,
)
def test_what_looks_similar_is_accepted(values: dict[str, Any]) -> None:
    """Labels with the name of a secret, keys from elsewhere, texts in a file, values of a parent chart."""
    assert re.search(r"^kind: Deployment$", rendered(values)["deployment.yaml"], re.MULTILINE)
