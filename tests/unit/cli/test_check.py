import argparse
import asyncio
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from exporter.app import Settings, running
from exporter.cli import main
from exporter.cli.check import describe, duration, estimated_series, run, warnings
from exporter.config import SwitchConfiguration, load
from exporter.errors import ConfigurationError
from exporter.masking import Mask
from exporter.poll.planner import Targets
from exporter.simulator.server import create_application, start
from exporter.simulator.world import World
from tests.certificates import Authority
from tests.e2e.everything import configuration, queries, switch

Configured = Callable[..., SwitchConfiguration]

_OFF = {"interval": "off", "tenant_interval": "off"}
_ONLY_REGISTRATIONS = {"channels": _OFF, "calls": _OFF, "peers": _OFF, "balance": {"tenant_interval": "off"}}


def _only(source: str, **more: str) -> dict[str, dict[str, str]]:
    return {**_ONLY_REGISTRATIONS, "registrations": {"source": source, "tenant_interval": "5m", **more}}


def _many(count: int) -> list[dict[str, Any]]:
    return [{"code": f"T{number}"} for number in range(count)]


def _warnings(switch: SwitchConfiguration) -> list[str]:
    return list(warnings(switch, Targets(switch)))


def test_the_proxy_is_printed(configured: Configured) -> None:
    """Where it comes from, too: a variable of the environment is easily forgotten. Its password is not."""
    lines = list(describe(configured(proxy_url="http://user:S3CRET@proxy.example.com:3128")))
    assert lines[1] == "  through the proxy http://proxy.example.com:3128, from proxy_url"


def test_what_is_planned(configured: Configured) -> None:
    """Requests, interval and cycle of each query, the rate, the first sweep, and the series."""
    switch = configured(tenants=[{"code": "ACME", "extensions": ["100", "101"]}, {"code": "B"}])

    assert list(describe(switch)) == [
        "switch pbx: 2 tenants, at most 10 requests per second, 4 in flight",
        "  query          scope    requests  interval     cycle",
        "  peers          switch          1        1m        1m",
        "  channels       switch          1       30s       30s",
        "  channels       tenant          2        2m        2m",
        "  calls          switch          1       30s       30s",
        "  calls          tenant          2        2m        2m",
        "  license        switch          1        1h        1h",
        "  balance        tenant          2        5m        5m",
        "  registrations  tenant          2        5m        5m",
        "  requests per second: 0.13 wanted, 0.13 planned",
        "  first sweep after a start: within 30s",
        (
            "  series: about 69, and one for each tenant on each node it uses, "
            "and each extension that is found"
        ),
    ]


def test_a_rate_that_is_too_low(configured: Configured) -> None:
    """5,000 lists in five minutes need 17.6 requests a second; at 10 they take 527 s. The mend is told."""
    switch = configured(
        tenants=_many(5000), tenant_defaults={"extensions": "all"}, queries=_only("extensions")
    )
    lines = list(describe(switch))

    assert "  registrations  tenant       5000        5m     8m46s" in lines
    assert "  requests per second: 16.67 wanted, 9.50 planned" in lines
    assert _warnings(switch) == [
        (
            "10 requests per second cannot meet every interval: raise max_requests_per_second to 18 if the "
            "switch can bear it, or the intervals below"
        ),
        "registrations will come every 8m46s: set queries.registrations.tenant_interval to 8m47s",
    ]


def test_each_mend_mends(configured: Configured) -> None:
    """With the rate, or with the interval, that a warning names, there is no warning any more."""
    settings = {"tenants": _many(5000), "tenant_defaults": {"extensions": "all"}}

    assert _warnings(configured(**settings, queries=_only("extensions"), max_requests_per_second=18)) == []
    assert _warnings(configured(**settings, queries=_only("extensions", tenant_interval="8m47s"))) == []
    assert _warnings(configured(**settings, queries=_only("peers", tenant_interval="1m"))) == []


def test_extensions_one_by_one(configured: Configured) -> None:
    """Where each extension is a request of its own, another source is a mend; else it is not offered."""
    numbers = [str(number) for number in range(100, 200)]
    settings: dict[str, Any] = {"tenants": _many(100), "tenant_defaults": {"extensions": numbers}}

    slow = _warnings(configured(**settings, queries=_only("regstate")))

    assert slow[-1].startswith("registrations will come every 17m")
    assert slow[-1].endswith("or queries.registrations.source to extensions or peers")
    assert _warnings(configured(**settings, queries=_only("extensions"))) == []


def test_extensions_that_are_to_be_found_one_by_one(configured: Configured) -> None:
    """How many there are is not known: told is what there is room for, and the sources that do not care."""
    settings: dict[str, Any] = {"tenants": _many(100), "tenant_defaults": {"extensions": "all"}}
    (warning,) = _warnings(configured(**settings, queries=_only("regstate")))

    # 9.5 requests a second, less a licence an hour and 100 lists every 6 hours, for 300 seconds.
    assert "there is room for 2848 of them within 5m" in warning
    assert "set queries.registrations.source to extensions" in warning
    for source in ("extensions", "peers"):
        assert _warnings(configured(**settings, queries=_only(source))) == []
    assert _warnings(configured(tenants=_many(100), queries=_only("regstate"))) == []


def test_tenants_that_are_to_be_discovered(configured: Configured) -> None:
    """How many come is not known: for how many there is room is told, and it is so."""
    settings: dict[str, Any] = {
        "discover_tenants": {"enabled": True},
        "tenant_defaults": {"extensions": "all"},
        "queries": _only("extensions"),
    }
    switch = configured(**settings)
    (warning,) = _warnings(switch)
    match = re.search(r"there is room for (\d+) within", warning)

    assert "0 tenants and those to be discovered" in next(iter(describe(switch)))
    assert match is not None
    room = int(match[1])
    assert 2800 < room < 2850
    # As if they had been discovered.
    for found, fits in ((room, True), (int(room * 1.02), False)):
        targets = Targets(switch)
        targets.configure(switch, [f"T{number}" for number in range(found)])
        assert (max(targets.plan.cycles.values()) <= 6 * 3600) is True
        cycle = next(c for (query, _), c in targets.plan.cycles.items() if query == "registrations")
        assert (cycle <= 300) is fits


def test_no_room_for_tenants(configured: Configured) -> None:
    """Where the rate is used up, the room for others is none, and not less than none."""
    switch = configured(
        discover_tenants={"enabled": True},
        tenants=_many(5000),
        tenant_defaults={"extensions": "all"},
        queries=_only("extensions"),
    )

    assert any("there is room for 0 within" in warning for warning in _warnings(switch))


def test_too_many_series(configured: Configured) -> None:
    """A budget below what is wanted is told beforehand."""
    tenants = [{"code": "ACME", "extensions": [str(number) for number in range(100, 200)]}]

    (warning,) = _warnings(configured(tenants=tenants, max_series=100))

    assert warning.startswith("max_series is 100, and about 1")
    assert "raise it" in warning
    assert _warnings(configured(tenants=tenants, max_series=500)) == []


def _various() -> list[dict[str, Any]]:
    hours = {"timezone": "UTC", "days": ["mon"], "from": "09:00", "to": "18:00"}
    numbers = [str(number) for number in range(100, 110)]
    return [
        {"code": "ACME", "extensions": numbers, "channels_limit": 30, "business_hours": hours},
        {"code": "BOREAL", "extensions": numbers[:3], "watch": numbers[5:7]},
        {"code": "CINDER", "queries": {"calls": {"tenant_interval": "off"}}},
        {"code": "DELTA9", "thresholds": {"balance": {"warning": "off", "critical": "off"}}},
    ]


@pytest.mark.parametrize("source", ["regstate", "extensions", "peers"])
async def test_the_estimate_is_what_is_held_later(source: str, tmp_path: Path) -> None:
    """Of a switch that was polled, the series are within 5 % of those estimated before."""
    world = World(tenants=6, nodes=3, extensions=10)
    world.time.freeze()
    for code in ("ACME", "BOREAL", "CINDER", "DELTA9"):
        world.overrides.calls[code] = 2  # an idle tenant answers nothing before any has answered a number
    simulator = await start("127.0.0.1", 0, create_application(world))
    asked = queries("500ms", registrations={"source": source})
    text = configuration(
        switch("pbx", simulator.url, nodes=["pbx1", "pbx2", "pbx3"], tenants=_various(), queries=asked)
    )
    file = tmp_path / "config.yaml"
    file.write_text(text)
    (configured,) = load(file, {}).switches
    settings = Settings(load=lambda: load(file, {}), listen_addresses=[("127.0.0.1", 0)])

    async with running(settings, Mask()) as exporter:
        host, port = exporter.server.addresses[0]
        page = await _settled(f"http://{host}:{port}/metrics")
    await simulator.stop()

    (held,) = [int(line.split()[-1]) for line in page.splitlines() if line.startswith("softswitch_series{")]
    by_node = len(re.findall(r"^softswitch_tenant_node_\w+\{", page, re.MULTILINE))
    estimated = estimated_series(configured, Targets(configured))
    assert abs(estimated + by_node - held) <= 0.05 * held, (estimated, by_node, held)


async def _settled(url: str) -> str:
    """Return the page once it has had the same series for a second and a half: three sweeps."""
    seen: list[int] = []
    async with aiohttp.ClientSession() as session:
        for _ in range(100):
            async with session.get(url) as response:
                page = await response.text()
            seen.append(page.count("\nsoftswitch_"))
            if len(seen) > 15 and len(set(seen[-15:])) == 1:
                return page
            await asyncio.sleep(0.1)
    raise AssertionError(f"the series do not settle: {seen[-20:]}")


def test_a_valid_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It is said to be valid, with a paragraph for each switch and no key."""
    file = tmp_path / "config.yaml"
    file.write_text(configuration(switch("a", "http://127.0.0.1:9/"), switch("b", "http://127.0.0.1:9/")))

    assert run(argparse.Namespace(config_file=file, web_config_file=None)) == 0

    printed = capsys.readouterr().out
    assert printed.startswith(f"{file} is valid.\n\nswitch a: 0 tenants")
    assert "\n\nswitch b: 0 tenants" in printed
    assert "demo-admin" not in printed


def test_a_file_that_is_not_valid(tmp_path: Path) -> None:
    """Its problems are raised; the command line tells them and exits with 2."""
    file = tmp_path / "config.yaml"
    file.write_text("switches: []")

    with pytest.raises(ConfigurationError):
        run(argparse.Namespace(config_file=file, web_config_file=None))


def test_both_files_are_checked(
    tmp_path: Path, authority: Authority, capsys: pytest.CaptureFixture[str]
) -> None:
    """All mistakes of both at once, with exit status 2; of a right one, in a few words, who may ask."""
    authority.issue("server")
    (tmp_path / "no.pem").write_text("not a certificate\n")
    config, web = tmp_path / "config.yaml", tmp_path / "web.yml"
    config.write_text(configuration(switch("a", "http://127.0.0.1:9/", tls={"ca_file": "no.pem"})))
    web.write_text("tls_server_config: {cert_file: server.pem, key_file: no.pem}\nbasic_auth_users: {a: b}")
    flags = [f"--config.file={config}", f"--web.config.file={web}"]

    assert main([*flags, "--config.check"]) == 2
    printed = capsys.readouterr()
    told = printed.err.splitlines()
    places = ["tls_server_config.key_file", "basic_auth_users.a", "switches[0].tls.ca_file"]
    assert [problem.split(": ")[1] for problem in told[:-1]] == places
    assert told[-1] == "3 problem(s): nothing was started"
    assert printed.out == ""

    config.write_text(configuration(switch("a", "http://127.0.0.1:9/")))
    assert main([*flags, "--config.check"]) == 2
    web.write_text("tls_server_config: {cert_file: server.pem, key_file: server.key}")
    assert main([*flags, "--config.check"]) == 0
    says, _, what = capsys.readouterr().out.splitlines()[0].partition(": ")
    assert says == f"{web} is valid"
    assert what == "HTTPS, client certificates: NoClientCert, users: none, open to all."


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.25, "0.2s"),
        (30, "30s"),
        (59.96, "60s"),
        (60, "1m"),
        (90.4, "1m30s"),
        (526.3, "8m46s"),
        (3600, "1h"),
        (90_061, "1d1h1m1s"),
    ],
)
def test_durations(seconds: float, text: str) -> None:
    """They are written as they are written in the file."""
    assert duration(seconds) == text


def test_an_interval_in_milliseconds(configured: Configured) -> None:
    """Seconds or minutes were probably meant: the check warns of it."""
    queries = {**_only("extensions"), "calls": {"interval": "30ms", "tenant_interval": "off"}}
    assert _warnings(configured(queries=queries))[0] == (
        "queries.calls.interval is 30ms, below a second: ms is milliseconds, m is minutes"
    )


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
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
            "queries.balance.tenant_interval has no effect: the switch has no tenants here; list them, or ",
        ),
        (
            {"tenants": _many(2), "queries": {"registrations": {"tenant_interval": "6m"}}},
            "queries.registrations.tenant_interval has no effect: no tenant has `extensions` or `watch`",
        ),
        (
            {"tenants": _many(2), "queries": {"extensions": {"tenant_interval": "7h"}}},
            "queries.extensions.tenant_interval has no effect: no tenant has `extensions: all`, or ",
        ),
        (
            {
                "tenants": [{"code": "A", "queries": {"calls": {"tenant_interval": "off"}}}],
                "queries": {"calls": {"tenant_interval": "6m"}},
            },
            "queries.calls.tenant_interval has no effect: it is off for every tenant",
        ),
        (
            {"url": "https://pbx.example.com"},
            "url has no path: on real switches it was ",
        ),
    ],
)
def test_what_is_configured_in_vain(configured: Configured, settings: dict[str, Any], expected: str) -> None:
    """An interval at which nothing is asked, and a URL without a path, are warned of with the reason."""
    [warning] = _warnings(configured(**settings))
    assert warning.startswith(expected)


def test_one_list_for_all_phones_is_not_in_vain(configured: Configured) -> None:
    """With `source: peers` the tenants' interval is that of the list of the whole installation."""
    registrations = {"source": "peers", "tenant_interval": "6m"}
    settings = {"tenant_defaults": {"watch": ["100"]}, "queries": {"registrations": registrations}}
    assert _warnings(configured(tenants=_many(2), **settings)) == []
