import json
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from yarl import URL

from exporter.cli.probe.advice import advice
from exporter.cli.probe.questions import Advice, Finding, Question, setting
from exporter.cli.probe.render import about_answer, about_request, advice_lines, settings_lines, summary
from exporter.config import SwitchConfiguration
from exporter.masking import Mask
from exporter.model import Query, Reason
from exporter.poll.fetch import read_answer
from exporter.queries import QUERIES
from exporter.request import Operation, Request
from tests.reading import READERS, endpoint_of
from tests.unit.cli.probe.findings import answered, asked, failed

Configured = Callable[..., SwitchConfiguration]
ANSWERS = Path(__file__).parents[3] / "fixtures/answers"
KEY = "s3cr3t/key+ü"
SECRET = "must-not-show"
PERSON = "Zephyrine"
"""A name that no fixture and no text of ours has."""


def told(operation: Operation, body: bytes, switch: SwitchConfiguration) -> str:
    """Return all that is printed of an answer: itself, the advice and the summary."""
    mask = Mask()
    mask.add(KEY)
    query, _ = READERS[operation]
    request, section = asked(query, operation), switch.queries.options(QUERIES[query])
    verdict = read_answer(QUERIES[query].of(request), section, body, mask)
    finding = Finding(query, request, 0.1, verdict, body, status=200)
    given = advice(finding, switch, [])
    lines = [
        *about_answer(finding, switch, mask),
        *(line for each in given for line in advice_lines(each)),
        *summary([finding], [(finding, each) for each in given], switch_name="pbx", not_asked=[], off=[]),
    ]
    return "\n".join(map(mask, lines))


@pytest.mark.parametrize("operation", Operation)
def test_no_answer_shows_a_credential(operation: Operation, configured: Configured) -> None:
    """Of every fixture, given as the answer to anything, no credential is printed."""
    switch = configured()
    files = [path for path in ANSWERS.rglob("*") if path.suffix in {".json", ".txt", ".html", ".bin"}]
    assert len(files) > 100
    for file in files:
        if file.name == "extensions-sentence.txt" and not endpoint_of(operation).private:
            continue  # a sentence with a bare credential, where nothing marks it as one
        assert SECRET not in told(operation, file.read_bytes(), switch).casefold(), file.name


PERSONAL_LISTS = [
    json.dumps([{"ex_number": "100", "ex_name": PERSON, "st_state": "OK", "password": "x"}]),
    json.dumps({"100": {"ex_number": "100", "ex_name": PERSON, "st_state": "OK"}}),
    json.dumps([{"te_code": "A", "te_name": PERSON}, {"te_code": "B", "te_name": PERSON}]),
    json.dumps({PERSON: {"password": "x"}}),
    json.dumps({PERSON: "x", "password": "y"}),
    f"Number|Name|Tech|State|Username|Password|\n100|{PERSON}|SIP|OK|100-A|x|\n",
    f"100|{PERSON}|SIP|OK|100-A|x|\n101|{PERSON}|SIP|OK|101-A|x|\n",
    f"100|{PERSON}|SIP|OK|100-A|x|",
    f"{PERSON}|State|",
    f"Number|{PERSON}|\n1|2|",
]


@pytest.mark.parametrize("body", PERSONAL_LISTS)
@pytest.mark.parametrize("operation", [each for each in Operation if endpoint_of(each).private])
def test_no_list_shows_a_person(operation: Operation, body: str, configured: Configured) -> None:
    """Of lists in any shape no name of a person is printed, except as a column beside one that is known."""
    shown = told(operation, body.encode(), configured())
    assert PERSON not in shown.replace(f"Number, {PERSON}", "").replace(f"{PERSON}, State", "")


@pytest.mark.parametrize("body", PERSONAL_LISTS[:8])
@pytest.mark.parametrize(
    "operation", [Operation.REGISTRATION, Operation.LIMITS, Operation.BALANCE, Operation.COUNT_PEERS]
)
def test_a_list_in_place_of_a_value_is_not_shown(
    operation: Operation, body: str, configured: Configured
) -> None:
    """A switch that answers with records where a value was due is not quoted."""
    assert PERSON not in told(operation, body.encode(), configured())


@pytest.mark.parametrize(
    "body",
    [
        "mysql_connect(): Access denied, password=hunter2horse",
        "PDO->__construct('mysql:host=db', 'root', 'hunter2horse')",
        '<input type="hidden" name="csrf" value="hunter2horse">',
        "<password>hunter2horse</password>",
        "see /api?apikey=hunter2horse&x=1",
        '{"secret": "hunter2horse", "error": "x"}',
        "Password: hunter2horse",
        f"the key {KEY} is wrong",
    ],
)
@pytest.mark.parametrize("operation", [Operation.LICENSE_DAYS, Operation.REGISTRATION])
def test_no_text_shows_a_credential(operation: Operation, body: str, configured: Configured) -> None:
    """Credentials in error texts, stack traces, forms and XML are masked, and so is the key."""
    shown = told(operation, body.encode(), configured())
    assert "hunter2horse" not in shown
    assert KEY not in shown


_VALUES = st.one_of(st.text("abc |:\n\"'{}<>=", max_size=12), st.integers(), st.none())
_RECORDS = st.lists(
    st.dictionaries(
        st.sampled_from(["ex_number", "st_state", "te_code", "Name", "node", "Status", "state", "a b"]),
        _VALUES,
    ),
    max_size=4,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
@given(st.sampled_from(list(Operation)), _RECORDS, st.sampled_from(["password", "ex_lockpin", "te_apikey"]))
def test_no_record_shows_its_credential(
    configured: Configured, operation: Operation, records: list[dict[str, object]], name: str
) -> None:
    """Whatever the records, as JSON or as a table, their credential is not printed."""
    whole = [{**record, name: "hunter2horse"} for record in records]
    table = "Number|State|Password|\n" + "100|OK|hunter2horse|\n" * len(records)
    for body in (json.dumps(whole), json.dumps(whole)[:-3], table, table[:-3]):
        assert "hunter2" not in told(operation, body.encode(), configured())


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
@given(st.sampled_from(list(Operation)), st.binary(max_size=200))
def test_any_bytes_can_be_shown(configured: Configured, operation: Operation, body: bytes) -> None:
    """Nothing is raised, and what is printed is printable."""
    assert all(line.isprintable() for line in told(operation, body, configured()).split("\n"))


def test_a_request_is_shown_without_its_key() -> None:
    """And what asks for much says so before."""
    lines = list(
        about_request(
            URL("https://u:p@pbx.example.com/api"), Question(Query.REGISTRATIONS, Request(Operation.PEERS))
        )
    )
    assert lines[0] == "request   https://pbx.example.com/api?reqtype=CHANSIPPEERS&format=json&key=***"
    assert lines[1].startswith("asks for  every phone")
    assert (
        len(list(about_request(URL("http://h/"), Question(Query.LICENSE, Request(Operation.LICENSE_DAYS)))))
        == 1
    )


def test_a_long_list_of_columns_is_cut(configured: Configured) -> None:
    """A record of 148 columns does not fill the screen."""
    record = {"ex_number": "1", "st_state": "OK", **{f"ex_column_{n}": "" for n in range(60)}}
    shown = told(Operation.EXTENSIONS, json.dumps([record]).encode(), configured())
    assert "columns: ex_number, st_state" in shown
    assert "and 38 more" in shown


def test_settings_are_yaml() -> None:
    """What is printed below an advice is read again as it was."""
    tree = {"queries": {"license": {"pattern": "': (-?\\d+) #"}}, "timeout": "2m"}
    assert yaml.safe_load("\n".join(settings_lines(tree))) == tree
    assert list(settings_lines({})) == []
    assert list(settings_lines({"word": "é"})) == ["          word: é"]
    assert list(settings_lines({"word": "\ue000"})) == ['          word: "\\uE000"']


def summarized(*findings: object, given: object = (), not_asked: object = (), off: object = ()) -> str:
    """Return a summary as one text."""
    lines = summary(findings, given, switch_name="pbx", not_asked=not_asked, off=off)  # type: ignore[arg-type]
    return "\n".join(lines)


def test_what_works_and_what_fails() -> None:
    """Each is named with the reason, and so is what was not asked."""
    told = summarized(
        answered(Query.LICENSE, "42"),
        failed(Query.PEERS, Reason.AUTH),
        not_asked=["calls (whole installation)"],
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
    told = summarized(
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
    assert "configure nothing that is sure" in summarized(answered(Query.LICENSE, "42"))


def test_what_cannot_be_known() -> None:
    """Empty counts, a total that is not stated, and the tenants that were not asked."""
    told = summarized(
        answered(Query.CALLS, ""), answered(Query.PEERS, '{"a": 1}'), answered(Query.BALANCE, "1")
    )
    assert "idle switch or a missing right" in told
    assert "no total" in told
    assert "other than ACME" in told


def test_settings_that_differ() -> None:
    """The first holds."""
    first = Advice("a", setting("a", value={"b": 1}), sure=True)
    second = Advice("b", setting("a", value={"b": 2, "c": 3}), sure=True)
    piece = summarized(given=[(None, first), (None, second)]).partition("below the switch pbx:\n")[2]
    assert yaml.safe_load(piece) == {"a": {"b": 1, "c": 3}}
