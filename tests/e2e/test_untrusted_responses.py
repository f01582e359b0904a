"""Responses with installation-wide values for a tenant, and bodies above the size limits."""

import json
import time

from tests.e2e.conftest import StartExporter
from tests.e2e.full_configuration import configuration
from tests.e2e.programs import Exporter, get, print_result, samples, wait_until
from tests.e2e.stub_switch import Parameters, stub_switch

OFF = {"interval": "off", "tenant_interval": "off"}
ALL_OFF = {
    "peers": OFF,
    "channels": OFF,
    "calls": OFF,
    "license": {"interval": "off"},
    "balance": {"tenant_interval": "off"},
    "registrations": {"tenant_interval": "off"},
}
MEBIBYTE = 2**20


def _configuration(url: str, codes: list[str], **queries: dict[str, str]) -> str:
    return configuration(
        {
            "name": "pbx",
            "url": url,
            "key": "demo-admin",
            "max_requests_per_second": 200,
            "queries": {**ALL_OFF, **queries},
            "tenant_defaults": {"extensions": "all"},
            "tenants": [{"code": code} for code in codes],
        }
    )


def _tenants_with(exporter: Exporter, name: str) -> set[str]:
    return {dict(labels)["tenant"] for family, labels in samples(exporter.metrics()) if family == name}


class _IgnoresTenant:
    """Responds to COUNTCALLS with installation-wide calls for every tenant, until ``is_fixed``."""

    def __init__(self) -> None:
        self.is_fixed = False

    def __call__(self, parameters: Parameters) -> str | None:
        tenant = parameters.get("tenant", "")
        match parameters["reqtype"]:
            case "COUNTCALLS":
                return str(len(tenant)) if tenant and self.is_fixed else "42"
            case "COUNTCHANNELS":
                return json.dumps({"pbx1": len(tenant) or 84})
        return None


def test_installation_wide_calls_are_not_attributed_to_tenants(run_exporter: StartExporter) -> None:
    """All tenants fail with `scope_ignored`; when the switch is fixed, their calls are served."""
    codes = ["A", "BB", "CCC", "DDDD", "EEEEE", "FFFFFF"]
    respond = _IgnoresTenant()
    labels = {"switch": "pbx", "query": "calls", "scope": "tenant", "reason": "scope_ignored"}
    with stub_switch(respond) as switch:
        both = {"interval": "500ms", "tenant_interval": "1s"}
        exporter = run_exporter(_configuration(switch.url, codes, calls=both, channels=both))

        def failing(code: str) -> bool:
            return exporter.value("softswitch_query_failure", tenant=code, **labels) == 1

        wait_until(lambda: all(map(failing, codes)), 20, "scope_ignored of all tenants")
        before = len(switch.requests)
        while len(switch.requests) < before + 45:  # three sweeps
            assert _tenants_with(exporter, "softswitch_tenant_calls") == set()
            time.sleep(0.1)
        assert exporter.value("softswitch_calls", switch="pbx") == 42
        assert _tenants_with(exporter, "softswitch_tenant_channels") == set(codes)

        respond.is_fixed = True

        wait_until(lambda: len(_tenants_with(exporter, "softswitch_tenant_calls")) == 6, 20, "the calls")
        for code in codes:
            assert exporter.value("softswitch_tenant_calls", switch="pbx", tenant=code) == len(code)
            assert not failing(code)
        assert switch.unexpected == []


def test_equal_calls_of_four_tenants_are_accepted(run_exporter: StartExporter) -> None:
    """So few tenants may have the same number of calls by chance."""
    codes = ["A", "B", "C", "D"]
    with stub_switch(_IgnoresTenant()) as switch:
        both = {"interval": "300ms", "tenant_interval": "500ms"}
        exporter = run_exporter(_configuration(switch.url, codes, calls=both))
        wait_until(lambda: len(_tenants_with(exporter, "softswitch_tenant_calls")) == 4, 20, "the calls")
        before = len(switch.requests)
        wait_until(lambda: len(switch.requests) > before + 20, 20, "more sweeps")

        assert _tenants_with(exporter, "softswitch_tenant_calls") == set(codes)
        assert _tenants_with(exporter, "softswitch_query_failure") == set()


def _counts(size: int) -> bytes:
    """Return a COUNTPEERS body of ``size`` bytes: two nodes and whitespace."""
    body = json.dumps({"pbx1": 3, "pbx2": 4}).encode()
    return body[:-1] + b" " * (size - len(body)) + b"}"


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


def test_counts_above_8_mib_are_rejected(run_exporter: StartExporter) -> None:
    """A count of 8 MiB is accepted; one more byte is `too_large` and keeps the value."""
    bodies = {"COUNTPEERS": _counts(8 * MEBIBYTE)}
    labels = {"switch": "pbx", "query": "peers", "scope": "switch", "tenant": "", "reason": "too_large"}
    with stub_switch(lambda parameters: bodies[parameters["reqtype"]]) as switch:
        exporter = run_exporter(_configuration(switch.url, [], peers={"interval": "2s"}))
        wait_until(lambda: exporter.value("softswitch_peers", switch="pbx") == 7, 20, "the count")

        bodies["COUNTPEERS"] = _counts(8 * MEBIBYTE + 1)

        wait_until(lambda: exporter.value("softswitch_query_failure", **labels) == 1, 20, "too_large")
        assert exporter.value("softswitch_peers", switch="pbx") == 7


def test_lists_above_64_mib_are_rejected(run_exporter: StartExporter) -> None:
    """A list of 64 MiB is decoded while pages are served; one more byte is `too_large`."""
    bodies = {"FITS": _extensions(64 * MEBIBYTE), "BURSTS": _extensions(64 * MEBIBYTE + 1)}
    expected = bodies["FITS"].count(b"ex_number")
    labels = {"switch": "pbx", "query": "registrations", "scope": "tenant", "tenant": "BURSTS"}
    query = {"registrations": {"tenant_interval": "10s", "source": "extensions"}}
    with stub_switch(lambda parameters: bodies[parameters["tenant"]]) as switch:
        exporter = run_exporter(_configuration(switch.url, list(bodies), **query))
        slowest = 0.0

        def both_known() -> bool:
            nonlocal slowest
            started = time.monotonic()
            get(f"{exporter.base_url}/-/healthy")
            slowest = max(slowest, time.monotonic() - started)
            failed = exporter.value("softswitch_query_failure", reason="too_large", **labels)
            known = exporter.value(
                "softswitch_tenant_extensions", switch="pbx", tenant="FITS", state="registered"
            )
            return failed == 1 and known == expected

        wait_until(both_known, 60, "both lists")

    print_result(f"two lists of 64 MiB, {expected} extensions; slowest /-/healthy: {slowest:.3f} s")
    assert _tenants_with(exporter, "softswitch_extension_registered") == {"FITS"}
    assert slowest < 1
