from dataclasses import replace
from pathlib import Path

import pytest

from exporter.cli.probe.findings import Finding
from exporter.model import Query, Scope, Tenant, Tenants
from exporter.simulator.faults import Fault, FaultKind
from exporter.simulator.options import Options
from tests.unit.cli.probe.draft.surveys import drafted, surveyed, write

BLF_REFUSED = Fault(FaultKind.REFUSE_KEY, reqtype="BLFS")


def _slower(finding: Finding, factor: float) -> Finding:
    return replace(finding, seconds=factor if finding.request.tenant else finding.seconds)


@pytest.mark.parametrize(
    ("seconds", "rate"), [(0.01, 10), (0.19, 10), (0.21, 5), (0.8, 2), (3, 0.5), (30, 0.1)]
)
async def test_the_rate_follows_the_latency(seconds: float, rate: float, tmp_path: Path) -> None:
    """Half of what four concurrent requests can reach, 10 at most."""
    survey, output, tree = await surveyed(skip=["peers"])
    survey.findings = [_slower(finding, seconds) for finding in survey.findings]
    found = write(tmp_path, survey, output, tree)
    assert found.switch.max_requests_per_second == rate
    assert found.switch.max_concurrency == 4


@pytest.mark.parametrize(
    ("tenants", "channels", "registrations", "source", "faults"),
    [
        (200, 120, 300, "blf", []),
        (5000, 1800, 300, "peers", []),  # one list, since there are too many tenants for one request each
        (
            5000,
            1800,
            3600,
            "tenant_peers",
            [Fault(FaultKind.REFUSE_KEY, reqtype="CHANSIPPEERS"), BLF_REFUSED],
        ),
    ],
)
async def test_intervals_fit_the_rate_limit(
    tenants: int,
    channels: int,
    registrations: int,
    source: str,
    faults: list[Fault],
    tmp_path: Path,
) -> None:
    """They are the defaults if possible, else longer."""
    survey, output, tree = await surveyed(*faults)
    rows = [Tenant(f"T{number}", "", disabled=False) for number in range(tenants - len(survey.listed) + 2)]
    position = survey.findings.index(next(each for each in survey.findings if each.query is Query.TENANTS))
    listed = Tenants((*survey.listed, *rows))
    survey.findings[position] = replace(survey.findings[position], verdict=listed)
    found = write(tmp_path, survey, output, tree)
    assert found.section("queries", "registrations", "source") == source
    assert found.switch.queries.interval(Query.CHANNELS, Scope.TENANT) == channels
    assert found.switch.queries.interval(Query.REGISTRATIONS, Scope.TENANT) == registrations
    assert found.pace.fits
    assert found.switch.queries.interval(Query.CHANNELS, Scope.SWITCH) == 30


async def test_slow_requests_of_the_installation(tmp_path: Path) -> None:
    """They are sent after a pause of three times their duration; the timeout is at least twice as long."""
    survey, output, tree = await surveyed()
    survey.findings = [
        replace(each, seconds=40.0) if each.query is Query.PEERS else each for each in survey.findings
    ]
    found = write(tmp_path, survey, output, tree)
    assert found.section("queries", "peers") == {"interval": "2m"}
    assert found.section("timeout") == "1m30s"
    assert "A response took 40 s." in found.comments


async def test_one_request_per_node(tmp_path: Path) -> None:
    """If COUNTCHANNELS returns only a total, the need for the rate includes a request per node."""
    needed = [
        (await drafted(tmp_path, options=Options(channels="total"))).text,
        (await drafted(tmp_path)).text,
    ]
    rates = [float(text.partition("It needs about ")[2].partition(" ")[0]) for text in needed]
    assert 3 / 30 - 0.01 <= rates[0] - rates[1] <= 4 / 30 + 0.01


async def test_a_longer_timeout_of_the_flags(tmp_path: Path) -> None:
    """It is kept: the operator knows the switch."""
    assert (await drafted(tmp_path, timeout="5m")).section("timeout") == "5m"
