import subprocess
import tracemalloc
from collections.abc import Callable, Collection

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from exporter.alerting.status import AlertingMetrics
from exporter.metrics import catalogue
from exporter.metrics.catalogue import METRICS
from exporter.metrics.exposition import EVERYTHING, SLICE_BYTES, Exposition, Format, Selection, Source
from exporter.metrics.metric import Kind
from exporter.metrics.self_metrics import Instruments
from exporter.model import Failure, Query, Reason, Scope, Target
from exporter.store import Store


def _filled(switch: str, tenants: int = 2) -> Store:
    """Return a store with something in every family that stores hold."""
    store = Store(switch, stale_after=3, max_series=1_000_000)
    for metric in METRICS:
        is_stored = metric.kind is Kind.GAUGE or metric.source == "INFO simplecdrs"
        if not is_stored or not metric.labels or metric.labels[0] != "switch":
            continue
        for tenant in [f"T{number}" for number in range(tenants)] if "tenant" in metric.labels else [""]:
            if metric is catalogue.TENANT_INFO:
                store.set_info(tenant, 'Käse "und"\nmehr', {"team": "noc"})
            elif metric is catalogue.TENANT_CALL_RECORDS:
                store.set(metric, tenant, {"busy": 0}, part="out", labels=("out",))
            elif "query" not in metric.labels and metric is not catalogue.BREAKER_OPEN:
                own = 1 + ("tenant" in metric.labels)
                store.set(metric, tenant, 1 if len(metric.labels) == own else {"a": 1, "b": 0.5})
    for tenant in [f"T{number}" for number in range(tenants)]:
        target = Target(Query.CALLS, Scope.TENANT, tenant)
        store.record(target, None, now=0, wall=1700000000.25)
        store.record(target, Failure(Reason.EMPTY, ""), now=0, wall=1700000001)
    store.set_interval(Query.CALLS, Scope.TENANT, 120)
    store.set_cycle(Query.CALLS, Scope.TENANT, 121)
    return store


def _exposition(*stores: Store) -> Exposition:
    registry = CollectorRegistry()
    instruments = Instruments(registry, external_url="https://exporter.example.com")
    for switch in ("pbx", "other"):
        instruments.start_at_zero(switch, Query.CALLS, Scope.TENANT, has_rows=True)
        instruments.request_duration.labels(switch, "calls").observe(3)
        instruments.breaker_open.labels(switch).set(0)
    instruments.active.value = instruments.lease_reachable.value = 1
    instruments.start_lease(["timeout"])
    instruments.reload_successful.set(1)
    instruments.reload_timestamp.set(1700000000)
    alerting = AlertingMetrics(registry)
    alerting.start_at_zero("http://127.0.0.1:9093")
    alerting.alerts.labels("SoftswitchApiDown", "firing").set(1)

    def sources(switches: Collection[str] | None) -> list[Source]:
        chosen = [store for store in stores if switches is None or store.switch in switches]
        return [*chosen, instruments.of(switches)]

    return Exposition(sources, registry)


def _page(exposition: Exposition, form: Format, selection: Selection = EVERYTHING) -> str:
    return b"".join(exposition.render(form, selection)).decode()


def _series(page: str) -> list[str]:
    """Return the names and labels of a page."""
    return [line.rpartition(" ")[0] for line in page.splitlines() if not line.startswith("#")]


@pytest.fixture
def full() -> Exposition:
    """Return a page of two switches, with every metric there is."""
    return _exposition(_filled("pbx"), _filled("other"))


def test_every_metric_is_on_the_page_once(full: Exposition) -> None:
    """Each metric of the catalogue has one block with one `# TYPE`."""
    page = _page(full, Format.TEXT)

    types = [line.split()[2:] for line in page.splitlines() if line.startswith("# TYPE softswitch_")]
    assert sorted(types) == sorted([metric.name, str(metric.kind)] for metric in METRICS)


def test_samples_have_the_labels_of_the_catalogue(full: Exposition) -> None:
    """Samples have exactly the declared labels; only `tenant_info` has those of the user as well."""
    declared = {metric.name: set(metric.labels) for metric in METRICS}
    declared["softswitch_tenant_info"].add("team")
    for family in parse_text(_page(full, Format.TEXT)):
        for sample in family.samples:
            if not sample.name.startswith("softswitch_"):
                continue
            name = sample.name
            for suffix in ("_bucket", "_count", "_sum"):
                name = name.removesuffix(suffix) if name.removesuffix(suffix) in declared else name
            assert sample.labels.keys() - {"le"} == declared[name]
            assert sample.timestamp is None


def test_both_formats_have_the_same_samples(full: Exposition) -> None:
    """A scraper that prefers OpenMetrics sees the same series and values."""
    text = {
        (sample.name, *sorted(sample.labels.items())): sample.value
        for family in parse_text(_page(full, Format.TEXT))
        for sample in family.samples
        if sample.name.startswith("softswitch_")
    }
    page = _page(full, Format.OPENMETRICS)
    families = parse_openmetrics(page)  # type: ignore[no-untyped-call]  # it has no annotations
    openmetrics = {
        (sample.name, *sorted(sample.labels.items())): sample.value
        for family in families
        for sample in family.samples
        if sample.name.startswith("softswitch_")
    }

    assert text == openmetrics


def test_openmetrics_ends_with_eof(full: Exposition) -> None:
    """`# EOF` is the last line and occurs nowhere else."""
    page = _page(full, Format.OPENMETRICS)

    assert page.endswith("\n# EOF\n")
    assert page.count("# EOF") == 1
    assert "# EOF" not in _page(full, Format.TEXT)


def test_promtool_accepts_the_page(full: Exposition, require_program: Callable[[str, str], str]) -> None:
    """Prometheus reads a page with every metric, and its linter accepts it."""
    done = subprocess.run(
        [require_program("promtool", "prometheus"), "check", "metrics"],
        input=_page(full, Format.TEXT).encode(),
        capture_output=True,
        check=False,
    )

    assert (done.returncode, done.stderr.decode(), done.stdout.decode()) == (0, "", "")


def test_a_metric_without_values_is_absent() -> None:
    """Its header is absent, too."""
    store = Store("pbx", stale_after=3, max_series=1_000_000)
    exposition = Exposition(lambda _: [store, Instruments(CollectorRegistry())], CollectorRegistry())

    assert _page(exposition, Format.TEXT) == ""
    assert _page(exposition, Format.OPENMETRICS) == "# EOF\n"


def test_large_pages_come_in_slices() -> None:
    """No slice is much larger than 256 KiB, and together they are the page."""
    store = Store("pbx", stale_after=3, max_series=1_000_000)
    for number in range(2000):
        store.set(catalogue.EXTENSION_REGISTERED, f"T{number}", {str(n): 1.0 for n in range(10)})
    exposition = Exposition(lambda _: [store], CollectorRegistry())

    slices = list(exposition.render(Format.TEXT))

    assert len(slices) > 4
    assert max(map(len, slices)) < SLICE_BYTES + 4096
    assert min(map(len, slices[:-1])) >= SLICE_BYTES
    assert b"".join(slices).count(b"\n") == 20_002


def test_a_scrape_is_consistent() -> None:
    """A response that arrives while a page is sent is not on it."""
    store = Store("pbx", stale_after=3, max_series=1_000_000)
    store.set(catalogue.CHANNELS, "", 1)
    store.set(catalogue.TENANTS, "", 1)
    exposition = Exposition(lambda _: [store], CollectorRegistry())

    slices = exposition.render(Format.TEXT)
    store.set(catalogue.CHANNELS, "", 2)
    store.set(catalogue.CALLS, "", 2)
    store.drop_tenants({""})

    page = b"".join(slices).decode()
    assert 'softswitch_channels{switch="pbx"} 1\n' in page
    assert 'softswitch_tenants{switch="pbx"} 1\n' in page
    assert "softswitch_calls" not in page


@pytest.mark.parametrize("form", Format)
def test_the_parts_together_are_the_page(full: Exposition, form: Format) -> None:
    """Each series of the page is in exactly one part: that of its switch, or the exporter's own."""
    pbx, other, own = (
        _series(_page(full, form, selection))
        for selection in (Selection({"pbx"}, own=False), Selection({"other"}, own=False), Selection(()))
    )
    everything = _series(_page(full, form))

    assert len(set(everything)) == len(everything)
    assert sorted(pbx + other + own) == sorted(everything)
    assert all('switch="pbx"' in series for series in pbx)
    assert all('switch="other"' in series for series in other)
    assert not any("switch=" in series for series in own)


@pytest.mark.parametrize("form", Format)
def test_all_parts_in_one_scrape_are_the_page(full: Exposition, form: Format) -> None:
    """A scrape that names all switches and the exporter has the same bytes, apart from its own CPU time."""

    def stable(page: str) -> list[str]:
        return [line for line in page.splitlines() if not line.startswith(("process_", "python_gc_"))]

    assert stable(_page(full, form, Selection({"pbx", "other"}))) == stable(_page(full, form))


def test_metrics_of_the_catalogue_are_in_the_part_that_their_labels_say(full: Exposition) -> None:
    """A metric with the label `switch` is in the part of each switch, any other one in the exporter's own."""
    parts = {
        is_own: {
            line.split()[2]
            for line in _page(full, Format.TEXT, selection).splitlines()
            if line.startswith("# TYPE softswitch_")
        }
        for is_own, selection in ((True, Selection(())), (False, Selection({"pbx"}, own=False)))
    }

    for metric in METRICS:
        is_own = "switch" not in metric.labels
        assert (metric.name in parts[is_own], metric.name in parts[not is_own]) == (True, False), metric.name


def test_a_part_of_openmetrics_ends_with_eof(full: Exposition) -> None:
    """The series of one switch are a complete page: any scraper of OpenMetrics reads it."""
    page = _page(full, Format.OPENMETRICS, Selection({"pbx"}, own=False))

    assert page.endswith("\n# EOF\n")
    assert list(parse_openmetrics(page))  # type: ignore[no-untyped-call]  # it has no annotations


def test_a_switch_without_series_is_an_empty_page(full: Exposition) -> None:
    """Neither samples nor headers without samples."""
    assert _page(full, Format.TEXT, Selection({"unknown"}, own=False)) == ""
    assert _page(full, Format.OPENMETRICS, Selection({"unknown"}, own=False)) == "# EOF\n"


def test_each_scrape_gets_the_current_stores() -> None:
    """After a reload the stores of the new configuration are served."""
    stores = [Store("old", stale_after=3, max_series=1000)]
    exposition = Exposition(lambda _: stores, CollectorRegistry())
    stores[0] = Store("new", stale_after=3, max_series=1000)
    stores[0].set(catalogue.TENANTS, "", 3)

    assert 'softswitch_tenants{switch="new"} 3' in _page(exposition, Format.TEXT)


def test_a_scrape_holds_one_slice_in_memory() -> None:
    """A page of megabytes never exists as a whole."""
    store = Store("pbx", stale_after=3, max_series=1_000_000)
    for number in range(2000):
        store.set(catalogue.EXTENSION_REGISTERED, f"T{number}", {str(n): 1.0 for n in range(10)})
    exposition = Exposition(lambda _: [store], CollectorRegistry())
    tracemalloc.start()
    try:
        size = sum(map(len, exposition.render(Format.TEXT)))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert size > 4 * SLICE_BYTES
    assert peak < 2.2 * SLICE_BYTES
