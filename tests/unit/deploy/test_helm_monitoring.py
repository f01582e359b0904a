"""What the Helm chart renders for the Prometheus Operator and for Grafana."""

import json
from pathlib import Path
from typing import Any

import jsonschema
import yaml

from exporter.cli.rules import Form, document
from tests.helm_chart import EVERYTHING, NAMESPACE, of_kind, one, resources, with_switches

ROOT = Path(__file__).parents[3]
SERVICEMONITOR = json.loads(Path(__file__).with_name("servicemonitor.schema.json").read_text())
SCRAPECONFIG = json.loads(Path(__file__).with_name("scrapeconfig.schema.json").read_text())
LIMIT = {"sampleLimit": 50_000}


def test_the_rules_are_those_of_the_program() -> None:
    """Also with another runbook URL and team label, as ``softswitch-exporter rules`` prints them."""
    rule = {"enabled": True, "runbooks": "https://wiki.example.com/$1/", "teamLabel": "owner"}
    for values, printed in (
        ({"enabled": True}, document(Form.PROMETHEUSRULE)),
        (rule, document(Form.PROMETHEUSRULE, "https://wiki.example.com/$1/", "owner")),
    ):
        found = one("PrometheusRule", resources({"prometheusRule": values}))
        assert found["spec"] == yaml.safe_load(printed)["spec"]


def test_an_alert_can_be_left_out() -> None:
    """Only it is missing."""

    def alerts(values: dict[str, Any]) -> set[str]:
        rules = one("PrometheusRule", resources({"prometheusRule": {"enabled": True, **values}}))
        return {
            rule["alert"] for group in rules["spec"]["groups"] for rule in group["rules"] if "alert" in rule
        }

    assert alerts({}) - alerts({"exclude": ["SoftswitchWatchdog"]}) == {"SoftswitchWatchdog"}


def test_the_operator_accepts_the_servicemonitor() -> None:
    """It knows all fields, and the exporter's label `node` stays."""
    for values in ({"serviceMonitor": {"enabled": True}}, EVERYTHING):
        monitor = one("ServiceMonitor", resources(values))
        jsonschema.validate(monitor, SERVICEMONITOR)
        assert {endpoint["honorLabels"] for endpoint in monitor["spec"]["endpoints"]} == {True}
        assert monitor["spec"]["jobLabel"] == "app.kubernetes.io/name"


def test_each_switch_is_a_target() -> None:
    """The endpoints request what ``/sd`` lists, for each pod, also of a pair of which one polls."""
    values = with_switches(
        "pbx-eu", 'a$1"', serviceMonitor={"enabled": True, "perSwitch": True, "extraSpec": LIMIT}
    )
    monitor = one("ServiceMonitor", resources({**values, "highAvailability": {"enabled": True}}))
    jsonschema.validate(monitor, SERVICEMONITOR)
    own, first, second = monitor["spec"]["endpoints"]
    assert own["params"] == {"only": ["exporter"]}
    assert (first["params"], second["params"]) == ({"switch": ["pbx-eu"]}, {"switch": ['a$1"']})
    assert first["relabelings"][-1] == {"targetLabel": "switch", "replacement": "pbx-eu"}
    assert second["relabelings"][-1] == {"targetLabel": "switch", "replacement": 'a$$1"'}
    assert [len(endpoint["relabelings"]) for endpoint in (own, first, second)] == [1, 2, 2]
    assert monitor["spec"].items() >= LIMIT.items()


def test_the_scrape_configuration_finds_each_exporter() -> None:
    """It reads ``/sd`` from each Service, with the same job, TLS settings and password as the scrape."""
    access = {
        "tlsConfig": {"insecureSkipVerify": True},
        "basicAuth": EVERYTHING["serviceMonitor"]["basicAuth"],
    }
    scrape = {"enabled": True, "scheme": "https", "extraSpec": LIMIT, **access}
    for more in ({}, {"deploymentPerSwitch": True}):
        found = resources(with_switches("pbx-eu", "pbx-us", scrapeConfig=scrape, **more))
        jsonschema.validate(one("ScrapeConfig", found), SCRAPECONFIG)
        spec = one("ScrapeConfig", found)["spec"]
        services = [each["metadata"]["name"] for each in of_kind("Service", found)]
        urls = [f"https://{name}.{NAMESPACE}.svc:10390/sd" for name in services]
        assert spec["httpSDConfigs"] == [{"url": url, **access} for url in urls]
        assert spec["relabelings"] == [{"targetLabel": "job", "replacement": "softswitch-exporter"}]
        assert spec["honorLabels"] is True
        assert spec.items() >= {**access, **LIMIT}.items()


def test_the_dashboards_are_for_the_sidecar() -> None:
    """Each ConfigMap has its label and one dashboard."""
    found = resources({"dashboards": {"enabled": True, "labels": {"grafana_dashboard": "1"}}})
    boards = [
        each for each in of_kind("ConfigMap", found) if "grafana_dashboard" in each["metadata"]["labels"]
    ]
    names = [name for board in boards for name in board["data"]]
    assert sorted(names) == sorted(path.name for path in (ROOT / "grafana/dashboards").glob("*.json"))
    for board in boards:
        [text] = board["data"].values()
        assert json.loads(text)["title"]
