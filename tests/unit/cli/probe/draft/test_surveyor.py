import itertools

import pytest

from exporter.cli.probe.draft.survey import Survey
from exporter.cli.probe.draft.surveyor import Surveyor, plan
from exporter.cli.probe.runner import open_runner
from exporter.errors import StartError
from exporter.masking import Mask
from exporter.simulator.faults import Fault, FaultKind
from exporter.simulator.server import create_application, start
from exporter.simulator.world import Size, World
from tests.unit.cli.probe.draft.surveys import surveyed, switch_of

_SWITCH = {"name": "pbx", "url": "http://127.0.0.1:9/api", "key_env": "PBX_KEY"}


def _plan(*skip: str, asked: tuple[str, ...] = ()) -> str:
    return "\n".join(plan(Survey(switch_of(_SWITCH), [], asked, frozenset(skip)), "http://pbx/api"))


async def test_the_plan_lists_what_is_sent() -> None:
    """Every request is in the plan, and there are not more than it says."""
    survey, output, _ = await surveyed(world=World(Size(tenants=10)))
    text = _plan()
    most = int(text.partition("At most ")[2].partition(" ")[0])
    assert 25 < len(survey.findings) <= most
    for line in output.splitlines():
        assert line.split("  ")[1].partition(" of ")[0].partition(" with ")[0] in text


async def test_expensive_requests_can_be_left_out() -> None:
    """The plan names them with their flag."""
    assert "may be expensive: CHANSIPPEERS, one list of every phone, 0.2 kB each; --skip=peers" in _plan()
    assert "  skipped: CHANSIPPEERS" in _plan("peers")
    assert "For A, B, C, and INFO balance of 1 more:" in _plan(asked=("A", "B", "C", "D"))


async def test_the_largest_tenant_is_queried() -> None:
    """The list of peers shows which one it is; the first, the last or the middle one complete the sample."""
    peers = ", ".join(f'{{"node": "pbx1", "Name": "{n}-CINDER", "Status": "OK"}}' for n in range(100, 140))
    listed = Fault(FaultKind.BODY, reqtype="CHANSIPPEERS", text=f"[{peers}]")
    survey, _, _ = await surveyed(listed, world=World(Size(tenants=8)))
    assert len(survey.tenants) == 3
    assert "CINDER" in survey.tenants
    assert survey.tenants[0] == survey.enabled[0]


async def test_every_tenant_of_the_flags_is_tried() -> None:
    """Those beyond the sample with one request each."""
    codes = ["ACME", "BOREAL", "CINDER", "DELTA9"]
    survey, _, _ = await surveyed(Fault(FaultKind.REFUSE_KEY, reqtype="MANAGEDB"), asked=codes)
    assert survey.tenants == codes[:3]
    assert survey.polled == codes


@pytest.mark.parametrize(
    ("asked", "problem"),
    [
        (["acme"], "--tenant: the switch lists no tenant acme; did you mean ACME? Nothing was written."),
        (
            ["ACNE", "zzz\u202e", "BOREAL"],
            (
                "--tenant: the switch lists no tenant ACNE; did you mean ACME?\n"
                "--tenant: the switch lists no tenant zzz\\u202e; correct the code; nothing was written"
            ),
        ),
    ],
)
async def test_a_tenant_that_is_not_listed(asked: list[str], problem: str) -> None:
    """The survey ends with the code that was probably meant, before any request about the tenant."""
    simulator = await start("127.0.0.1", 0, create_application(World(Size(tenants=4))))
    survey = Survey(switch_of({**_SWITCH, "url": simulator.url}), [], tuple(asked))
    async with open_runner(survey.switch, Mask()) as runner:
        survey.findings = runner.findings
        with pytest.raises(StartError) as raised:
            await Surveyor(runner, survey, lambda _: None, lambda: 0.0).run()
    await simulator.stop()
    assert str(raised.value) == problem
    assert not any(finding.request.tenant for finding in survey.findings)


async def test_no_request_is_sent_after_the_time_is_over() -> None:
    """For a switch on which each request takes a minute. It is said once."""
    times = itertools.chain([0.0, 0.0], itertools.repeat(16 * 60.0))
    survey, output, _ = await surveyed(asked=["ACME"], clock=lambda: next(times))
    assert len(survey.findings) == 1
    assert output.count("  No further requests are sent: the limit of 15m is reached") == 1


@pytest.mark.parametrize("kind", [FaultKind.HTML, FaultKind.STATUS])
async def test_another_web_server_gets_the_key_three_times(kind: FaultKind) -> None:
    """A wrong URL may lead to a server that logs it."""
    survey, output, _ = await surveyed(Fault(kind))
    assert len(survey.findings) == 3
    assert not survey.works
    assert "this does not look like the API" in output
