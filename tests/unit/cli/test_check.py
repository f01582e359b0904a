import asyncio
import json
import re
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from exporter.app import Settings, running
from exporter.cli import main
from exporter.cli.check import describe, describe_high_availability, notes, warnings
from exporter.cli.check_estimates import estimated_series
from exporter.config import HighAvailability, SwitchConfiguration, load
from exporter.masking import Mask
from exporter.poll.planner import Targets
from exporter.simulator.server import create_application, start
from exporter.simulator.world import Size, World
from tests.certificates import Authority
from tests.conftest import Configured
from tests.e2e.full_configuration import configuration, queries, switch

_OFF = {"interval": "off", "tenant_interval": "off"}
_ALL = {"extensions": "all"}


def _only_registrations(source: str, interval: str = "5m") -> dict[str, Any]:
    others = {"channels": _OFF, "calls": _OFF, "peers": _OFF, "balance": {"tenant_interval": "off"}}
    return {**others, "registrations": {"source": source, "tenant_interval": interval}}


def _tenants(count: int) -> list[dict[str, Any]]:
    return [{"code": f"T{number}"} for number in range(count)]


def _warnings(switch: SwitchConfiguration) -> list[str]:
    return list(warnings(switch, Targets(switch)))


def _notes(switch: SwitchConfiguration) -> list[str]:
    return list(notes(switch, Targets(switch)))


def test_plan(configured: Configured) -> None:
    """It lists each query and names the source of the proxy, without its password."""
    switch = configured(
        tenants=[{"code": "ACME", "extensions": ["100", "101"]}, {"code": "B"}],
        proxy_url="http://user:S3CRET@proxy.example.com:3128",
    )

    assert list(describe(switch)) == [
        "switch pbx: 2 tenants, limits: 10 requests per second, 4 in flight",
        "  proxy http://proxy.example.com:3128, from proxy_url",
        "  query          scope    requests  interval     cycle",
        "  peers          switch          1        1m        1m",
        "  channels       switch          1       30s       30s",
        "  channels       tenant          2        2m        2m",
        "  calls          switch          1       30s       30s",
        "  calls          tenant          2        2m        2m",
        "  license        switch          1        1h        1h",
        "  balance        tenant          2        5m        5m",
        "  registrations  tenant          2        5m        5m",
        "  requests per second: 0.13 required, 0.13 planned",
        "  first sweep after a start: within 30s",
        "  series: about 69, plus up to two per pair of tenant and node, and one per discovered extension",
        (
            "  nodes: none configured, so a node is reported missing only if it was listed before; "
            "`probe --switch=pbx --query=peers` prints a `nodes:` line to paste into the configuration"
        ),
    ]


def test_nodes(configured: Configured) -> None:
    """The line about nodes is printed only if there are none, and the installation's peers are polled."""

    def lines(**settings: Any) -> list[str]:
        return [line for line in describe(configured(**settings)) if "nodes:" in line]

    assert len(lines()) == 1
    assert "`probe --switch='pbx eu' --query=peers`" in lines(name="pbx eu")[0]
    assert lines(nodes=["pbx1"]) == []
    assert lines(queries={"peers": {"interval": "off"}}) == []
    assert lines(key=None, tenants=[{"code": "A", "key": "k"}]) == []


def test_series_of_queues_and_trunks(configured: Configured) -> None:
    """Named queues are estimated; the line says how many series a discovered queue and a trunk have."""

    def described(**settings: Any) -> tuple[int, str]:
        """Return the estimate, and what is said to come on top."""
        text = next(line for line in describe(configured(**settings)) if "series: about" in line)
        return int(re.findall(r"about (\d+)", text)[0]), text.partition("node, ")[2]

    trunks = {"trunks": {"interval": "1m"}}
    none, unknown = described(tenants=_tenants(2))
    assert unknown == "and one per discovered extension"
    assert described(tenants=_tenants(2), queries=trunks) == (
        none + 4 + 3,  # interval, cycle, success and its time; one per state
        "one per discovered extension, and up to four per trunk",
    )
    named = [{"code": "T0", "queues": ["1", "2", "3"]}, {"code": "T1"}]
    # 10 each; two thresholds; interval and cycle, success and its time of the queues and of their list.
    assert described(tenants=named) == (none + 30 + 2 + 8, "and one per discovered extension")
    every = [{"code": "T0", "queues": "all"}, {"code": "T1"}]
    assert described(tenants=every) == (
        none + 2 + 8,
        "one per discovered extension, and 10 per discovered queue",
    )


def test_discovered_queues(configured: Configured) -> None:
    """A note states how many the rate limit allows; named queues count in the plan."""
    (note,) = _notes(configured(tenants=[{"code": "A", "queues": "all"}], max_requests_per_second=1))
    assert "the number of discovered queues is unknown, and each needs a request" in note
    allowed = re.search(r"allows (\d+) within 1m; for more, raise queries.queue.tenant_interval", note)
    assert allowed is not None
    assert 45 < int(allowed[1]) < 57

    named = {"queues": [str(number) for number in range(30)]}
    assert _warnings(configured(tenants=[{"code": "A", **named}], max_requests_per_second=1)) == []
    settings = {"discover_tenants": {"enabled": True}, "max_requests_per_second": 10}
    (few,) = _notes(configured(tenant_defaults=named, **settings))
    assert "the rate limit allows 18 of them" in few  # 30 requests a minute each


def test_rate_limit_that_is_too_low(configured: Configured) -> None:
    """500 lists in five minutes need 1.76 requests a second. Each suggested setting ends the warning."""
    settings = {"tenants": _tenants(500), "tenant_defaults": _ALL, "max_requests_per_second": 1}
    slow = configured(**settings, queries=_only_registrations("extensions"))

    assert "  registrations  tenant        500        5m     8m46s" in describe(slow)
    assert "  requests per second: 1.67 required, 0.95 planned" in describe(slow)
    assert _warnings(slow) == [
        (
            "max_requests_per_second: 1 is too low for these intervals; raise it to 2 if the switch can "
            "handle that, or use the longer intervals below"
        ),
        "registrations will be polled every 8m46s: set queries.registrations.tenant_interval to 8m47s",
    ]
    for fixed in (
        {"queries": _only_registrations("extensions"), "max_requests_per_second": 2},
        {"queries": _only_registrations("extensions", "8m47s")},
        {"queries": _only_registrations("peers", "1m")},
    ):
        assert _warnings(configured(**{**settings, **fixed})) == []


def test_extensions_polled_one_by_one(configured: Configured) -> None:
    """Another source is suggested only if each extension needs a request."""
    numbers = [str(number) for number in range(100, 200)]
    settings = {"tenants": _tenants(100), "tenant_defaults": {"extensions": numbers}}

    slow = _warnings(configured(**settings, queries=_only_registrations("regstate")))[-1]

    assert slow.startswith("registrations will be polled every 17m")
    assert slow.endswith("or queries.registrations.source to one with fewer requests, such as blf")
    assert _warnings(configured(**settings, queries=_only_registrations("extensions"))) == []


def test_discovered_extensions_polled_one_by_one(configured: Configured) -> None:
    """A note states how many the rate limit allows."""
    settings = {"tenants": _tenants(100), "tenant_defaults": _ALL}
    switch = configured(**settings, queries=_only_registrations("regstate"))
    (note,) = _notes(switch)

    # 9.5 requests a second, less a license an hour and 100 lists every 6 hours, for 300 seconds.
    assert "the rate limit allows 2848 within 5m" in note
    assert "set queries.registrations.source to blf or extensions" in note
    assert f"  note: {note}" in describe(switch)
    assert _warnings(switch) == []
    for source in ("extensions", "peers", "tenant_peers", "blf"):
        assert _notes(configured(**settings, queries=_only_registrations(source))) == []
    assert _notes(configured(tenants=_tenants(100), queries=_only_registrations("regstate"))) == []


def test_discovered_tenants(configured: Configured) -> None:
    """A note states how many the rate limit allows: the plan with that many meets the interval."""
    switch = configured(
        discover_tenants={"enabled": True}, tenant_defaults=_ALL, queries=_only_registrations("extensions")
    )
    (note,) = _notes(switch)
    match = re.search(r"the rate limit allows (\d+) of them", note)

    assert "0 tenants and those discovered" in next(iter(describe(switch)))
    assert match is not None
    allowed = int(match[1])
    assert 2800 < allowed < 2850
    for discovered, fits in ((allowed, True), (int(allowed * 1.02), False)):
        targets = Targets(switch)
        targets.configure(switch, [f"T{number}" for number in range(discovered)])
        assert max(targets.plan.cycles.values()) <= 6 * 3600
        cycle = next(c for (query, _), c in targets.plan.cycles.items() if query == "registrations")
        assert (cycle <= 300) is fits


def test_discovered_tenants_without_spare_rate(configured: Configured) -> None:
    """If the rate limit is used up, it allows none, not a negative number."""
    switch = configured(
        discover_tenants={"enabled": True},
        tenants=_tenants(5000),
        tenant_defaults=_ALL,
        queries=_only_registrations("extensions"),
    )
    assert any("the rate limit allows 0 of them" in warning for warning in _warnings(switch))


def test_too_many_series(configured: Configured) -> None:
    """A warning compares `max_series` with the estimate."""
    tenants = [{"code": "ACME", "extensions": [str(number) for number in range(100, 200)]}]

    (warning,) = _warnings(configured(tenants=tenants, max_series=100))

    assert warning.startswith("max_series: 100 is less than the estimated 1")
    assert _warnings(configured(tenants=tenants, max_series=500)) == []


def _various_tenants() -> list[dict[str, Any]]:
    hours = {"timezone": "UTC", "days": ["mon"], "from": "09:00", "to": "18:00"}
    numbers = [str(number) for number in range(100, 110)]
    return [
        {"code": "ACME", "extensions": numbers, "channels_limit": 30, "business_hours": hours},
        {"code": "BOREAL", "extensions": numbers[:3], "watch": numbers[5:7]},
        {"code": "CINDER", "queries": {"calls": {"tenant_interval": "off"}}},
        {"code": "DELTA9", "thresholds": {"balance": {"warning": "off", "critical": "off"}}},
    ]


async def test_estimated_series_match_the_polled_ones(tmp_path: Path) -> None:
    """For each source of registrations, the estimate is within 5 % of the series of a polled switch."""
    world = World(Size(tenants=6, nodes=3, extensions=10))
    world.time.freeze()
    for code in ("ACME", "BOREAL", "CINDER", "DELTA9"):
        world.overrides.calls[code] = 2  # an idle tenant answers nothing before any has answered a number
    simulator = await start("127.0.0.1", 0, create_application(world))
    polled = {"nodes": ["pbx1", "pbx2", "pbx3"], "tenants": _various_tenants()}
    file = tmp_path / "config.yaml"
    by_source = {
        source: queries("500ms", registrations={"source": source})
        for source in ("regstate", "extensions", "peers", "blf")
    }
    switches = (switch(source, simulator.url, **polled, queries=each) for source, each in by_source.items())
    file.write_text(configuration(*switches))
    settings = Settings(load=lambda: load(file, {}), listen_addresses=[("127.0.0.1", 0)])
    async with running(settings, Mask()) as exporter:
        host, port = exporter.server.addresses[0]
        page = await _settled(f"http://{host}:{port}/metrics")
    await simulator.stop()

    for configured in load(file, {}).switches:
        name = configured.name
        [stored] = re.findall(rf'^softswitch_series{{switch="{name}"}} (\d+)', page, re.MULTILINE)
        by_node = len(re.findall(rf'^softswitch_tenant_node_\w+{{switch="{name}"', page, re.MULTILINE))
        estimated = estimated_series(configured, Targets(configured)) + by_node
        assert abs(estimated - int(stored)) <= 0.05 * int(stored), (name, estimated, stored)


async def _settled(url: str) -> str:
    """Return the page once each query was swept, and its series have not changed for three sweeps (1.5 s)."""
    seen: list[int] = []
    async with aiohttp.ClientSession() as session, asyncio.timeout(60):
        while True:
            async with session.get(url) as response:
                page = await response.text()
            seen.append(page.count("\nsoftswitch_"))
            swept, queries = (
                page.count(f"\nsoftswitch_query_{each}_seconds{{") for each in ("cycle", "interval")
            )
            if swept == queries and len(seen) > 15 and len(set(seen[-15:])) == 1:
                return page
            await asyncio.sleep(0.1)


def test_both_files_are_checked(
    tmp_path: Path, authority: Authority, capsys: pytest.CaptureFixture[str]
) -> None:
    """All errors of both files are reported together; a valid file of either kind is described."""
    authority.issue("server")
    (tmp_path / "no.pem").write_text("not a certificate\n")
    config, web = tmp_path / "config.yaml", tmp_path / "web.yml"
    config.write_text(configuration(switch("a", "http://127.0.0.1:9/", tls={"ca_file": "no.pem"})))
    web.write_text("tls_server_config: {cert_file: server.pem, key_file: no.pem}\nbasic_auth_users: {a: b}")
    check = [f"--config.file={config}", f"--web.config.file={web}", "--config.check"]

    assert main(check) == 2
    printed = capsys.readouterr()
    *errors, summary = printed.err.splitlines()
    places = ["tls_server_config.key_file", "basic_auth_users.a", "switches[0].tls.ca_file"]
    assert [error.split(": ")[1] for error in errors] == places
    assert summary == "3 errors found; nothing was started"
    assert printed.out == ""

    config.write_text(configuration(*(switch(name, "http://127.0.0.1:9/") for name in "ab")))
    assert main(check) == 2
    web.write_text("tls_server_config: {cert_file: server.pem, key_file: server.key}")
    assert main(check) == 0
    printed = capsys.readouterr()
    assert printed.out.startswith(
        f"{web} is valid: HTTPS, client certificates: NoClientCert, users: none, open to all.\n"
        f"{config} is valid.\n\nswitch a: 0 tenants"
    )
    assert "\n\nswitch b: 0 tenants" in printed.out
    assert "demo-admin" not in printed.out


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        (
            {"queries": {"calls": {"interval": "30ms"}}},
            "queries.calls.interval: 30ms is below one second; ms is milliseconds, m is minutes",
        ),
        (
            {"key": None, "tenants": [{"code": "A", "key": "k"}], "queries": {"peers": {"interval": "2m"}}},
            "queries.peers.interval has no effect: the switch has no admin key",
        ),
        (
            {"queries": {"tenants": {"interval": "1h"}}},
            "queries.tenants.interval has no effect: discover_tenants is not enabled",
        ),
        (
            {"tenants": [], "queries": {"balance": {"tenant_interval": "6m"}}},
            "queries.balance.tenant_interval has no effect: the switch has no tenants; list them, or ",
        ),
        (
            {"tenants": _tenants(2), "queries": {"registrations": {"tenant_interval": "6m"}}},
            "queries.registrations.tenant_interval has no effect: no tenant has `extensions` or `watch`",
        ),
        (
            {
                "tenants": [{"code": "A", "queries": {"calls": {"tenant_interval": "off"}}}],
                "queries": {"calls": {"tenant_interval": "6m"}},
            },
            "queries.calls.tenant_interval has no effect: it is off for every tenant",
        ),
        (
            {"watch_peers": ["a"], "queries": {"watched_peers": {"interval": "off"}}},
            "watch_peers has no effect: queries.watched_peers.interval is off",
        ),
        (
            {"watch_peers": ["a"], "key": None, "tenants": [{"code": "A", "key": "k"}]},
            "watch_peers has no effect: the switch has no admin key",
        ),
        (
            {
                "tenants": [
                    {"code": code, "watch": ["100"], "queues": ["1"], "watch_peers": ["a"]} for code in "AB"
                ],
                "queries": {"registrations": {"tenant_interval": "off"}},
            },
            'watch of tenant "A" and 1 more has no effect: queries.registrations.tenant_interval is off',
        ),
        (
            {"tenants": [{"code": "A", "queues": "all", "queries": {"queue": {"tenant_interval": "off"}}}]},
            'queues of tenant "A" has no effect: queries.queue.tenant_interval is off',
        ),
        (
            {"discover_tenants": {"enabled": True}, "queries": {"tenants": {"interval": "off"}}},
            "discover_tenants has no effect: queries.tenants.interval is off",
        ),
        (
            {
                "discover_tenants": {"enabled": True},
                "tenant_defaults": {"extensions": "all"},
                "queries": {"registrations": {"tenant_interval": "off"}},
            },
            "extensions of discovered tenants has no effect: queries.registrations.tenant_interval is off",
        ),
        ({"url": "https://pbx.example.com"}, "url: no path; real switches use "),
    ],
)
def test_settings_that_cannot_work(configured: Configured, settings: dict[str, Any], expected: str) -> None:
    """Each gets a warning with the reason."""
    assert _warnings(configured(**settings))[0].startswith(expected)


def test_a_host_of_examples(configured: Configured) -> None:
    """A note names it: a copied example is valid, and is not what the operator wants."""
    text = "url: pbx.example.com is an example; set the host of your switch"
    assert _notes(configured(url="https://pbx.example.com/pbx/proxyapi.php")) == [text]
    assert _notes(configured(url="https://pbx.counterexample.com/pbx/proxyapi.php")) == []


def test_peers_as_source_uses_the_tenant_interval(configured: Configured) -> None:
    """With `source: peers` the one list of the installation is polled at the tenants' interval."""
    registrations = {"source": "peers", "tenant_interval": "6m"}
    settings = {"tenant_defaults": {"watch": ["100"]}, "queries": {"registrations": registrations}}
    assert _warnings(configured(tenants=_tenants(2), **settings)) == []


def test_unlikely_key_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each is named, without its content."""
    file = tmp_path / "config.yaml"
    file.write_text(
        configuration(switch("pbx", "http://a/api")).replace('"key": "demo-admin"', '"key_file": "k"')
    )
    (tmp_path / "k").write_text("'S3CRET'")
    assert main([f"--config.file={file}", "--config.check"]) == 0
    printed = capsys.readouterr().out
    warning = f"  warning: file {tmp_path}/k contains quotes around the key; the exporter sends its"
    assert f"{warning} content as it is\n" in printed
    assert "S3CRET" not in printed


def test_tenants_of_included_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """They are part of the plan; a pattern without a file is a warning."""
    file = tmp_path / "config.yaml"
    included = switch("pbx", "http://a/api", include=["a.yaml", "*.tenants"])
    file.write_text(configuration(included))
    (tmp_path / "a.yaml").write_text("tenants: [{code: A}, {code: B}]")
    assert main([f"--config.file={file}", "--config.check"]) == 0
    printed = capsys.readouterr().out
    assert '  warning: switches[0].include[1]: no file matches "*.tenants"\n' in printed
    assert "\nswitch pbx: 2 tenants" in printed


_LEASE = {"name": "softswitch-exporter", "namespace": "telephony", "duration": "30s"}


def _described(section: dict[str, object]) -> list[str]:
    return [*describe_high_availability(HighAvailability.model_validate(section))]


def test_a_lease() -> None:
    """The line names the Lease, and when another exporter takes over."""
    (line,) = _described({"lease": _LEASE})
    assert line == (
        "High availability: the Lease telephony/softswitch-exporter decides; another exporter takes over 30s "
        "after the last renewal, and polls all switches within a sweep."
    )


def test_without_a_lease() -> None:
    """The line says what the exporter does after its start."""
    end = "after its start; with --web.enable-lifecycle, POST requests change that."
    assert _described({}) == [f"High availability: the exporter polls {end}"]
    assert _described({"start": "standby"}) == [f"High availability: the exporter stands by {end}"]


def test_the_schema_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    """Without a configuration file, and as valid JSON."""
    assert main(["--config.schema"]) == 0
    schema = json.loads(capsys.readouterr().out)
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert {"switches", "alerting"} <= schema["properties"].keys()
