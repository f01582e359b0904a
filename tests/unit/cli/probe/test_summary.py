import yaml

from exporter.cli.probe.finding import Advice, setting
from exporter.cli.probe.summary import merged, summary
from exporter.model import Query, Reason
from tests.unit.cli.probe.answers import answered, failed


def text(*findings: object, given: object = (), left_out: object = (), off: object = ()) -> str:
    """Return a summary as one text."""
    lines = summary(findings, given, switch_name="pbx", left_out=left_out, off=off)  # type: ignore[arg-type]
    return "\n".join(lines)


def test_what_works_and_what_fails() -> None:
    """Each is named with the reason, and so is what was not asked."""
    told = text(
        answered(Query.LICENSE, "42"),
        failed(Query.PEERS, Reason.AUTH),
        left_out=["calls (whole installation)"],
        off=["limits (tenants)"],
    )
    assert "works     license (whole installation)" in told
    assert "fails     peers (whole installation): auth" in told
    assert "not asked calls (whole installation)" in told
    assert "off       in the configuration, so not asked: limits (tenants)" in told
    assert "unknown   what a refusal means" in told


def test_sure_settings_are_one_piece_and_others_are_apart() -> None:
    """What is sure can be pasted whole; what is to be decided stands alone, with what it is about."""
    finding = answered(Query.LICENSE, "42")
    told = text(
        finding,
        given=[
            (None, Advice("a", setting("queries", "license", "pattern", value="(x)"), sure=True)),
            (None, Advice("b", setting("queries", "registrations", "source", value="peers"), sure=True)),
            (finding, Advice("perhaps", setting("timeout", value="2m"))),
            (finding, Advice("nothing to paste")),
        ],
    )
    piece = told.partition("below the switch pbx:\n")[2].partition("\ndecide")[0]
    assert yaml.safe_load(piece) == {
        "queries": {"license": {"pattern": "(x)"}, "registrations": {"source": "peers"}}
    }
    assert "decide    license (whole installation): perhaps:\n          timeout: 2m" in told
    assert "nothing to paste" not in told


def test_nothing_to_configure() -> None:
    """It says so."""
    assert "configure nothing that is sure" in text(answered(Query.LICENSE, "42"))


def test_what_cannot_be_known() -> None:
    """Empty counts, a total that is not stated, and the tenants that were not asked."""
    told = text(answered(Query.CALLS, ""), answered(Query.PEERS, '{"a": 1}'), answered(Query.BALANCE, "1"))
    assert "idle switch or a missing right" in told
    assert "no total" in told
    assert "other than ACME" in told


def test_settings_that_differ() -> None:
    """The first holds."""
    assert merged({"a": {"b": 1}}, {"a": {"b": 2, "c": 3}}) == {"a": {"b": 1, "c": 3}}
