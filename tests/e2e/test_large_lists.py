"""Lists at the size limit."""

import json
import threading
import time

from tests.e2e.conftest import StartExporter
from tests.e2e.full_configuration import configuration
from tests.e2e.programs import get, print_result, samples, wait_until
from tests.e2e.stub_switch import stub_switch

LIMIT = 64 * 2**20
OFF = {"interval": "off", "tenant_interval": "off"}


def _extensions(size: int) -> bytes:
    """Return a list of extensions of ``size`` bytes, with 3.4 kB per record as real switches send."""
    records: list[bytes] = []
    length = 2
    while length < size - 4000:
        record = {"ex_number": str(100 + len(records)), "st_state": "NOT_INUSE", "ex_notes": "x" * 3300}
        records.append(json.dumps(record).encode())
        length += len(records[-1]) + 1
    text = b"[" + b",".join(records) + b"]"
    return text[:-1] + b" " * (size - len(text)) + b"]"


def _configuration(url: str, codes: list[str]) -> str:
    queries = {
        **dict.fromkeys(("peers", "channels", "calls"), OFF),
        "license": {"interval": "off"},
        "balance": {"tenant_interval": "off"},
        "registrations": {"tenant_interval": "10s", "source": "extensions"},
    }
    switch = {"name": "pbx", "url": url, "key": "demo-admin", "timeout": "60s", "queries": queries}
    tenants = [{"code": code, "extensions": "all"} for code in codes]
    return configuration({**switch, "tenants": tenants, "stale_after": 100})


def test_lists_above_64_mib_are_rejected(run_exporter: StartExporter) -> None:
    """A list of 64 MiB is decoded while pages are served; one more byte is `too_large`."""
    bodies = {"FITS": _extensions(LIMIT), "BURSTS": _extensions(LIMIT + 1)}
    expected = bodies["FITS"].count(b"ex_number")
    labels = {"switch": "pbx", "query": "registrations", "scope": "tenant", "tenant": "BURSTS"}
    with stub_switch(lambda parameters: bodies[parameters["tenant"]]) as switch:
        exporter = run_exporter(_configuration(switch.url, list(bodies)))
        began, slowest, end = time.monotonic(), 0.0, threading.Event()

        def measure() -> None:
            nonlocal slowest
            while not end.wait(0.02):
                started = time.monotonic()
                get(f"{exporter.base_url}/-/healthy")
                slowest = max(slowest, time.monotonic() - started)

        thread = threading.Thread(target=measure)
        thread.start()
        try:
            wait_until(
                lambda: (
                    exporter.value(
                        "softswitch_tenant_extensions", switch="pbx", tenant="FITS", state="registered"
                    )
                    == expected
                ),
                100,
                "the list that fits",
            )
            took = time.monotonic() - began
        finally:
            end.set()
            thread.join()
        too_large = {**labels, "reason": "too_large"}
        wait_until(
            lambda: exporter.value("softswitch_query_failure", **too_large) == 1, 60, "the list that does not"
        )

    print_result(f"{expected} extensions after {took:.1f} s; slowest /-/healthy: {slowest:.3f} s")
    tenants = {
        dict(of)["tenant"]
        for name, of in samples(exporter.metrics())
        if name == "softswitch_extension_registered"
    }
    assert tenants == {"FITS"}
    assert slowest < took / 2
