import json
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from exporter.cli.probe.draft.flags import Tree
from exporter.cli.probe.draft.queries import answered_but_off
from exporter.cli.probe.draft.survey import Survey
from exporter.cli.probe.findings import Finding, query_request
from exporter.config import Proxy
from exporter.masking import Mask
from exporter.model import Content, Counts, Query, Tenant, Tenants
from exporter.simulator.faults import Fault, FaultKind
from exporter.simulator.options import Options
from exporter.simulator.tenants import Technologies
from exporter.simulator.world import Size, World
from tests.unit.cli.probe.draft.surveys import KEY, drafted, surveyed, switch_of, write

REFUSE, EMPTY, BODY = FaultKind.REFUSE_KEY, FaultKind.EMPTY, FaultKind.BODY


async def test_a_switch_that_answers_everything(tmp_path: Path) -> None:
    """An admin key: nodes, discovery, the best source, trunks; what else is off by default is proposed."""
    found = await drafted(tmp_path)
    assert found.section("nodes") == ["pbx1", "pbx2", "pbx3", "pbx4"]
    assert "The default. The slowest response took" in found.comments
    assert found.section("key_env") == "PBX_KEY"
    assert found.section("discover_tenants") == {"enabled": "true"}
    assert found.section("tenant_defaults") == {"extensions": "all"}
    assert found.section("queries", "registrations") == {"tenant_interval": "5m", "source": "blf"}
    assert found.section("queries", "license") == {"interval": "1h"}
    assert found.section("thresholds") is None
    assert "? " not in found.comments.replace("? Alert on credit", "").replace("? Alert if less", "")
    assert found.section("queries", "trunks") == {"interval": "1m"}
    assert answered_but_off(found.survey, found.pace) == ["queues", "limits", "call_records"]
    for proposal in ("limits: {tenant_interval: 1h}", "call_records: {", "queues: all"):
        assert f"# {proposal}" in found.text
    assert "Disabled, and not polled: CLOSED1, CLOSED2." in found.comments
    assert "# license: {warning: 30d, critical: 7d}" in found.text.replace("#   ", "# ")
    assert "45 days are left." in found.comments


@pytest.mark.parametrize(
    ("zone", "written"),
    [
        ("UTC", "timezone: UTC}"),
        ("Asia/Kolkata", "timezone: Asia/Calcutta}"),
        ("America/New_York", "the time zone of the switch is behind UTC."),
    ],
)
async def test_the_time_zone_of_call_records(zone: str, written: str, tmp_path: Path) -> None:
    """It is that of the switch, or at least one with the same time now."""
    world = World(Size(tenants=20))
    world.time.freeze()
    found = await drafted(tmp_path, world=world, options=Options(time_zone=zone))
    assert written in found.comments


async def test_a_time_zone_that_is_not_known(tmp_path: Path) -> None:
    """The value is invalid, so it cannot be used by mistake, and the command finds the right one."""
    survey, output, tree = await surveyed(world=World(Size(tenants=20)))
    found = write(tmp_path, replace(survey, zone=None), output, tree)
    assert "# call_records: {interval: 5m, timezone: '???'}" in found.text
    assert "--query=call_records` finds it" in found.comments
    with pytest.raises(ValidationError, match=r"(?s)timezone.*\?\?\?"):
        switch_of({**found.tree, "queries": {"call_records": {"interval": "5m", "timezone": "???"}}})


async def test_call_records_of_any_time(tmp_path: Path) -> None:
    """A switch that ignores the times in the request would be counted wrong, so nothing is proposed."""
    row = {
        "tenantcode": "ACME",
        "sc_start": "2020-01-01 00:00:00",
        "sc_direction": "in",
        "sc_disposition": "ANSWERED",
        "sc_duration": "3",
    }
    found = await drafted(tmp_path, Fault(BODY, info="simplecdrs", text=json.dumps([row])))
    assert "but ignores their times: leave `call_records` off." in found.comments
    assert "call_records" not in answered_but_off(found.survey, found.pace)


async def test_a_tenant_key(tmp_path: Path) -> None:
    """The key belongs to its tenant, and nothing of the installation is polled."""
    found = await drafted(tmp_path, key_env="TENANT_KEY", asked=["ACME"])
    assert found.section("tenants") == [{"code": "ACME", "key_env": "TENANT_KEY"}]
    assert found.section("key_env") is found.section("nodes") is found.section("discover_tenants") is None
    assert set(found.section("queries")) == {"channels", "calls", "balance", "registrations", "extensions"}
    assert found.section("queries", "channels") == {"tenant_interval": "2m"}
    assert found.section("queries", "registrations", "source") == "blf"
    assert "balance: {warning" in found.text
    assert "license: {warning" not in found.text
    refused = [line for line in found.output.splitlines() if " refused" in line]
    assert len(refused) == 3


async def test_a_tenant_key_without_its_tenant() -> None:
    """Nothing works; three requests are sent."""
    survey, output, _ = await surveyed(key_env="TENANT_KEY")
    assert not survey.works
    assert len(survey.findings) == 3
    assert "The switch refuses the key for the installation" in output


async def test_an_admin_key_that_lists_no_tenants(tmp_path: Path) -> None:
    """The tenants of the flags are polled; a wrong code is named, and turns nothing off."""
    refused = Fault(REFUSE, reqtype="MANAGEDB")
    found = await drafted(tmp_path, refused, asked=["ACME", "ACNE"])
    assert found.section("tenants") == [{"code": "ACME"}]
    assert found.section("discover_tenants") is None
    assert "# discover_tenants: {enabled: true}" in found.text
    assert "? --tenant=ACNE: the key works for the installation, so either the switch has no tenant ACNE" in (
        found.comments
    )
    assert "ACNE" not in found.text.replace("--tenant=ACNE", "").replace("no tenant ACNE", "")
    assert ": off" not in found.text.replace("{balance: off}", "")
    none = await drafted(tmp_path, refused)
    assert none.section("tenants") is None
    assert "No tenant is polled. List them here:" in none.comments


async def test_refused_and_empty_queries(tmp_path: Path) -> None:
    """What the switch refuses is off, with the reason. What is empty stays on: it may have no data."""
    found = await drafted(tmp_path, Fault(REFUSE, info="balance"), Fault(EMPTY, reqtype="LICENSEDAYS"))
    assert found.section("queries", "balance") == {"tenant_interval": "off"}
    assert "The switch does not allow this: refused" in found.comments
    assert "Grant the right, then set 5m." in found.comments
    assert found.section("queries", "license") == {"interval": "1h"}
    assert "? An empty response. There is no data, or the key lacks the right" in found.comments


async def test_a_request_without_response(tmp_path: Path) -> None:
    """It stays on, with the reason; its duration is no measurement. The other requests are not affected."""
    found = await drafted(tmp_path, Fault(FaultKind.HANG, reqtype="COUNTPEERS"), timeout="1s")
    assert found.section("queries", "peers") == {"interval": "1m"}
    assert "? Timeout: no complete response within 1 s" in found.comments
    assert "? The nodes are not known." in found.comments
    assert found.section("nodes") is None
    assert found.section("timeout") == "1m"


async def test_ignored_scope(tmp_path: Path) -> None:
    """If several tenants have the value of the installation, the query of tenants is off."""
    found = await drafted(tmp_path, Fault(BODY, reqtype="COUNTCALLS", text="7"))
    assert found.section("queries", "calls") == {"interval": "30s", "tenant_interval": "off"}
    assert "The switch ignores `tenant` here" in found.comments
    nothing = await drafted(tmp_path, Fault(BODY, reqtype="COUNTCALLS", text="0"))
    assert nothing.section("queries", "calls", "tenant_interval") == "2m"


async def test_wrapped_license_and_renamed_total(tmp_path: Path) -> None:
    """The pattern and the name of the total are written, and the nodes do not contain the total."""
    found = await drafted(tmp_path, options=Options(license="sentence", total_name="Insgesamt"))
    assert found.section("queries", "license") == {"interval": "1h", "pattern": r"in (-?\d+) days?"}
    assert found.section("queries", "peers", "total_name") == "Insgesamt"
    assert found.section("nodes") == ["pbx1", "pbx2", "pbx3", "pbx4"]
    assert "45 days are left." in found.comments


async def test_a_number_that_is_ambiguous(tmp_path: Path) -> None:
    """Each pattern is proposed, and the query stays on: the response is no refusal."""
    text = "License 12 of 30 days left"
    found = await drafted(tmp_path, Fault(BODY, reqtype="LICENSEDAYS", text=text))
    assert found.section("queries", "license") == {"interval": "1h"}
    assert found.text.count("# pattern: ") == 2


@pytest.mark.parametrize(
    ("refused", "source"),
    [
        ((), "blf"),
        (("BLFS",), "peers"),
        (("BLFS", "CHANSIPPEERS"), "tenant_peers"),
        (("BLFS", "CHANSIPPEERS", "PEERS"), "extensions"),
    ],
)
async def test_source_of_registrations(refused: tuple[str, ...], source: str, tmp_path: Path) -> None:
    """The best of those that work."""
    found = await drafted(tmp_path, *(Fault(REFUSE, reqtype=each) for each in refused))
    assert found.section("queries", "registrations", "source") == source
    assert found.section("tenant_defaults") == {"extensions": "all"}


async def test_phones_that_a_list_of_peers_does_not_know(tmp_path: Path) -> None:
    """A source that lacks the PJSIP phones is not chosen."""
    world = World(Size(tenants=3), technologies=Technologies(pjsip=0.5))
    found = await drafted(tmp_path, Fault(REFUSE, reqtype="BLFS"), world=world)
    assert found.section("queries", "registrations", "source") == "extensions"


async def test_only_a_list_of_peers(tmp_path: Path) -> None:
    """Without the list of extensions, the phones cannot be discovered: those seen are proposed."""
    refused = [Fault(REFUSE, reqtype="BLFS"), Fault(REFUSE, reqtype="PEERS"), Fault(REFUSE, reqtype="INFO")]
    found = await drafted(tmp_path, *refused)
    assert found.section("queries", "registrations", "source") == "peers"
    assert found.section("tenant_defaults") is None
    assert "? The phones cannot be discovered" in found.comments
    assert "#   - {code: ACME, extensions: ['100', " in found.text


async def test_only_device_states(tmp_path: Path) -> None:
    """Without the list of extensions, each record is a phone; the list is off, so it does not fail."""
    refused = [Fault(REFUSE, reqtype=each) for each in ("CHANSIPPEERS", "PEERS", "INFO")]
    found = await drafted(tmp_path, *refused)
    assert found.section("queries", "registrations", "source") == "blf"
    assert found.section("queries", "extensions") == {"tenant_interval": "off"}
    assert found.section("tenant_defaults") == {"extensions": "all"}


@pytest.mark.parametrize("parameter", ["ext", "id", "number"])
async def test_only_one_phone_at_a_time(parameter: str, tmp_path: Path) -> None:
    """The parameter is found; the list has no states."""
    refused = [Fault(REFUSE, reqtype=each) for each in ("BLFS", "CHANSIPPEERS", "PEERS")]
    rows = '[{"ex_number": "100", "ex_name": "A", "ex_tech": "SIP", "st_state": "?"}]'
    listed = Fault(BODY, info="extensions", text=rows)
    found = await drafted(tmp_path, *refused, listed, options=Options(regstate_parameter=parameter))  # type: ignore[arg-type]  # parametrized
    expected = {"tenant_interval": "5m", "source": "regstate", "parameter": parameter}
    assert found.section("queries", "registrations") == expected


async def test_no_source(tmp_path: Path) -> None:
    """Registrations are not turned off: the comment says what was tried and what to do."""
    refused = [Fault(REFUSE, reqtype=each) for each in ("BLFS", "CHANSIPPEERS", "PEERS")]
    found = await drafted(
        tmp_path, *refused, Fault(REFUSE, info="regstate"), Fault(REFUSE, info="extensions")
    )
    assert found.section("queries", "registrations") == {"tenant_interval": "5m"}
    assert "? No request returned the state of a phone (extensions: no state: auth; blf:" in found.comments
    assert "When `queries.registrations.source` is set, this polls the state of all phones:" in found.comments


async def test_tenants_without_phones(tmp_path: Path) -> None:
    """No right is missing, so another tenant is to be queried."""
    found = await drafted(tmp_path, world=World(Size(tenants=1, extensions=0)))
    assert "? The tenants that were queried (ACME) have no phones." in found.comments
    assert "Grant" not in found.comments


async def test_unknown_words(tmp_path: Path) -> None:
    """They are proposed under each state, and never assigned to one; only those of the source in use."""
    refused = [Fault(REFUSE, reqtype=each) for each in ("BLFS", "CHANSIPPEERS", "PEERS")]
    rows = [{"ex_number": number, "st_state": "Da"} for number in ("100", "101")]
    listed = Fault(BODY, info="extensions", text=json.dumps(rows))
    found = await drafted(tmp_path, *refused, listed, options=Options(registered_word="Angemeldet"))
    assert "#   registered: [Da, Angemeldet]" in found.text
    assert "#   unregistered: [Da, Angemeldet]" in found.text
    assert found.section("queries", "registrations") == {"tenant_interval": "5m"}
    other = await drafted(tmp_path, *refused, listed)
    assert other.section("queries", "registrations", "source") == "regstate"
    assert "Unknown states" not in other.comments


async def test_unknown_words_of_a_source_that_is_not_used(tmp_path: Path) -> None:
    """They are named, because the file lists what did not work."""
    found = await drafted(tmp_path, options=Options(registered_word="Angemeldet"))
    assert found.section("queries", "registrations", "source") == "blf"
    assert "INFO regstate returned an unknown state: Angemeldet." in found.comments
    assert "INFO regstate" not in (await drafted(tmp_path)).comments


async def test_skipped_requests(tmp_path: Path) -> None:
    """They are not sent, and the configuration says so."""
    skip = ["peers", "extensions", "regstate", "call_records", "trunks"]
    found = await drafted(tmp_path, skip=skip)
    for name in ("CHANSIPPEERS", "INFO extensions", "INFO regstate", "simplecdrs", "sipregs"):
        assert f"  {name}" not in found.output
    assert found.section("queries", "extensions") == {"tenant_interval": "off"}
    assert "the list of extensions was left out of the survey" in found.comments


async def test_low_credit(tmp_path: Path) -> None:
    """A balance that is below the threshold now is named: the scale of the currency may be another."""
    world = World(Size(tenants=4))
    found = await drafted(tmp_path, Fault(BODY, info="balance", text="12.5"), world=world)
    assert "Now: ACME 12.5" in found.comments
    assert "A post-paid tenant needs `thresholds: {balance: off}`." in found.comments
    assert "would alert at once" in found.comments


async def test_few_registered_phones(tmp_path: Path) -> None:
    """A share below the threshold is named."""
    world = World(Size(tenants=2, extensions=20))
    listed = [
        {"st_extension": str(100 + n), "st_state": "UNAVAILABLE" if n % 2 else "INUSE"} for n in range(20)
    ]
    only = [Fault(REFUSE, reqtype=each) for each in ("CHANSIPPEERS", "PEERS", "INFO")]
    found = await drafted(tmp_path, Fault(BODY, reqtype="BLFS", text=json.dumps(listed)), *only, world=world)
    assert "? Alert if less than this share of a tenant's phones is registered. Now, ACME has 0.50 and" in (
        found.comments
    )


async def test_a_proxy_of_the_environment(tmp_path: Path) -> None:
    """It is written, because a service may not have the variable; not with a password."""
    survey, _, tree = await surveyed()
    for written, expected in (
        ("http://p:3128", "proxy_url: http://p:3128"),
        ("http://u:PW@p:1", "needs this"),
    ):
        switch = survey.switch.model_copy(update={"proxy": Proxy(written, "HTTPS_PROXY")})
        text = write(tmp_path, replace(survey, switch=switch), "", tree).text
        assert expected in text
        assert "PW" not in text


_NAMES = st.text(min_size=1, max_size=20) | st.sampled_from(
    ["0123", "no", "a: b", "*a", "&a", "x #y", "'", '"', "a\nb: c", "\u202e", "${X}", "{{ x }}", "~", KEY]
)


def _finding(query: Query, verdict: Counts | Tenants, body: Content = b"{}") -> Finding:
    return Finding(*query_request(query), 0.1, verdict, body, status=200)


@settings(max_examples=60)
@given(st.lists(_NAMES, max_size=4, unique=True), st.lists(_NAMES, max_size=4, unique=True))
def test_names_from_the_switch(
    tmp_path_factory: pytest.TempPathFactory, nodes: list[str], codes: list[str]
) -> None:
    """Whatever the nodes and tenants are called, the configuration loads, and a name is written as it is."""
    nodes, codes = (
        [text.encode("utf-8", "ignore").decode() or "x" for text in each] for each in (nodes, codes)
    )
    tree: Tree = {"name": "pbx", "url": "http://127.0.0.1:9/api", "key_env": "PBX_KEY"}
    counts = Counts(total=None, nodes=dict.fromkeys(nodes, 1))
    rows = tuple(Tenant(code, "", disabled=True) for code in dict.fromkeys(codes))
    findings = [_finding(Query.PEERS, counts), _finding(Query.TENANTS, Tenants(rows))]
    mask = Mask()
    mask.add(KEY)
    survey = Survey(switch_of(tree), findings, ("ACME",), today=date(2026, 12, 1))
    found = write(tmp_path_factory.mktemp("names"), survey, "", tree, mask)
    written = [node.name for node in found.switch.nodes]
    assert set(written) <= set(nodes)
    assert all(name in written for name in nodes if name.isidentifier() and name != KEY)
    assert found.text.replace("\n", "").isprintable()
