"""A switch that ignores the id of a queue, and returns the same answer for every queue."""

from tests.e2e.conftest import StartExporter, StartSimulator
from tests.e2e.full_configuration import configuration, queries, switch
from tests.e2e.programs import get_json, samples, wait_until


def test_a_switch_that_ignores_the_id(run_simulator: StartSimulator, run_exporter: StartExporter) -> None:
    """No queue has a series; the metric, the log and the status state the reason."""
    simulator = run_simulator("--tenants=2", "--queues=3", "--option=queue_id=ignored")
    simulator.change_world(freeze=True)
    tenants = [{"code": code, "queues": "all"} for code in ("ACME", "BOREAL")]
    text = configuration(switch("pbx", simulator.url, tenants=tenants, queries=queries("500ms")))
    exporter = run_exporter(text)

    def reasons() -> dict[str, str]:
        """Return the reason of each tenant whose queues fail."""
        found = [
            dict(labels) for name, labels in samples(exporter.metrics()) if name.endswith("_query_failure")
        ]
        return {labels["tenant"]: labels["reason"] for labels in found if labels["query"] == "queue"}

    wait_until(lambda: len(reasons()) == 2, 20, "the failure of both tenants")
    assert set(reasons().values()) == {"scope_ignored"}
    of_queues = [
        series for series in samples(exporter.metrics()) if series[0].startswith("softswitch_queue_")
    ]
    assert of_queues == []
    assert exporter.program.text().count("the switch ignores `id` for this query") == 1
    (polled,) = get_json(f"{exporter.base_url}/api/v1/status")["switches"]
    (queue,) = [query for query in polled["queries"] if query["query"] == "queue"]
    assert queue["failures_by_reason"] == {"scope_ignored": 2}
    assert "set queries.queue.tenant_interval to off" in str(queue["failures"])
