import json
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from yarl import URL

from exporter.cli.probe.advice import advice
from exporter.cli.probe.findings import Advice, Finding, QueryRequest, setting
from exporter.cli.probe.render import about_request, about_response, advice_lines, settings_lines, summary
from exporter.config import SwitchConfiguration
from exporter.masking import Mask
from exporter.model import Query, Reason
from exporter.poll.fetch import read_answer
from exporter.queries import QUERIES
from exporter.request import Operation, Request
from tests.conftest import Configured
from tests.reading import READERS, endpoint_of
from tests.unit.cli.probe.findings import answered, failed, request_of

ANSWERS = Path(__file__).parents[3] / "fixtures/answers"
KEY = "s3cr3t/key+ü"
SECRET = "must-not-show"
PERSON = "Zephyrine"
"""A name that occurs in no fixture and in no text of the program."""


def printed(operation: Operation, body: bytes, switch: SwitchConfiguration) -> str:
    """Return what is printed about a response: the response, the advice and the summary."""
    mask = Mask()
    mask.add(KEY)
    query, _ = READERS[operation]
    request, section = request_of(query, operation), switch.queries.options(QUERIES[query])
    verdict = read_answer(QUERIES[query].of(request), section, body, mask)
    finding = Finding(query, request, 0.1, verdict, body, status=200)
    given = advice(finding, switch, [])
    lines = [
        *about_response(finding, switch, mask),
        *(line for each in given for line in advice_lines(each)),
        *summary([finding], [(finding, each) for each in given], switch_name="pbx", skipped=[], disabled=[]),
    ]
    return "\n".join(map(mask, lines))


@pytest.mark.parametrize("operation", Operation)
def test_no_fixture_leaks_a_credential(operation: Operation, configured: Configured) -> None:
    """As the response to any request, no fixture has a credential printed."""
    switch = configured()
    files = [path for path in ANSWERS.rglob("*") if path.suffix in {".json", ".txt", ".html", ".bin"}]
    assert len(files) > 100
    for file in files:
        if file.name == "extensions-sentence.txt" and not endpoint_of(operation).private:
            continue  # a sentence with a bare credential, where nothing marks it as one
        assert SECRET not in printed(operation, file.read_bytes(), switch).casefold(), file.name


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
def test_no_list_leaks_a_person(operation: Operation, body: str, configured: Configured) -> None:
    """A list in any shape has no person's name printed, except as a column next to a known one.

    Such a column of the list of trunks, whose fields are not documented, may also be proposed.
    """
    shown = printed(operation, body.encode(), configured())
    proposals = [f"It may be {PERSON}", f"- {PERSON}"] if operation is Operation.TRUNKS else []
    for column in (f"Number, {PERSON}", f"{PERSON}, State", *proposals):
        shown = shown.replace(column, "")
    assert PERSON not in shown


@pytest.mark.parametrize("body", PERSONAL_LISTS[:8])
@pytest.mark.parametrize(
    "operation", [Operation.REGISTRATION, Operation.LIMITS, Operation.BALANCE, Operation.COUNT_PEERS]
)
def test_list_instead_of_a_value_is_not_shown(
    operation: Operation, body: str, configured: Configured
) -> None:
    """Records are not quoted, although the endpoint is not private."""
    assert PERSON not in printed(operation, body.encode(), configured())


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
def test_no_text_leaks_a_credential(operation: Operation, body: str, configured: Configured) -> None:
    """Credentials in error messages, stack traces, forms and XML are masked, and so is the key."""
    shown = printed(operation, body.encode(), configured())
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
def test_no_record_leaks_its_credential(
    configured: Configured, operation: Operation, records: list[dict[str, object]], name: str
) -> None:
    """In any record, as JSON or as a table, whole or cut, the credential is masked."""
    whole = [{**record, name: "hunter2horse"} for record in records]
    table = "Number|State|Password|\n" + "100|OK|hunter2horse|\n" * len(records)
    for body in (json.dumps(whole), json.dumps(whole)[:-3], table, table[:-3]):
        assert "hunter2" not in printed(operation, body.encode(), configured())


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
@given(st.sampled_from(list(Operation)), st.binary(max_size=200))
def test_any_bytes_are_printable(configured: Configured, operation: Operation, body: bytes) -> None:
    """Nothing is raised, and no control character is printed."""
    assert all(line.isprintable() for line in printed(operation, body, configured()).split("\n"))


def test_request_is_shown_without_its_key() -> None:
    """A heavy request is described before it is sent."""
    url = URL("https://u:p@pbx.example.com/api")
    lines = list(about_request(url, QueryRequest(Query.REGISTRATIONS, Request(Operation.PEERS))))
    assert lines[0] == "request   https://pbx.example.com/api?reqtype=CHANSIPPEERS&format=json&key=***"
    assert lines[1].startswith("fetches   ")
    light = QueryRequest(Query.LICENSE, Request(Operation.LICENSE_DAYS))
    assert len(list(about_request(url, light))) == 1


def test_long_list_of_columns_is_cut(configured: Configured) -> None:
    """A record of 148 columns does not fill the screen."""
    record = {"ex_number": "1", "st_state": "OK", **{f"ex_column_{n}": "" for n in range(60)}}
    shown = printed(Operation.EXTENSIONS, json.dumps([record]).encode(), configured())
    assert "columns: ex_number, st_state" in shown
    assert "and 38 more" in shown


def test_fields_and_skipped_rows_of_a_list(configured: Configured) -> None:
    """They say which columns the switch sends, what a missing one means, and which rows are unreadable."""
    record = {"te_id": "7", "te_name": PERSON, "te_apikey": SECRET}
    shown = printed(Operation.TENANTS, json.dumps({"7": record}).encode(), configured())
    assert "fields    found te_name, te_id; missing te_code, te_disabled" in shown
    assert PERSON not in shown
    rows = [{"te_code": str(n) * (n > 12), "te_name": "", "te_disabled": ""} for n in range(28)]
    shown = printed(Operation.TENANTS, json.dumps(rows).encode(), configured())
    assert "fields    found te_code, te_name, te_disabled; missing te_id\n" in shown
    assert (
        "skipped   13 unreadable: the list of tenants: row 1 has no te_code; row 2 has no te_code; " in shown
    )
    assert "row 10 has no te_code; and 3 more" in " ".join(shown.split())


def test_skipped_nodes(configured: Configured) -> None:
    """The nodes of a count are named."""
    shown = printed(Operation.COUNT_PEERS, b'{"pbx1": 1, "pbx2": 2, "pbx3": null}', configured())
    assert 'skipped   1 unreadable: the count of "pbx3" cannot be read' in shown


def test_settings_are_yaml() -> None:
    """They can be parsed again, and are printable."""
    tree = {"queries": {"license": {"pattern": "': (-?\\d+) #"}}, "timeout": "2m"}
    assert yaml.safe_load("\n".join(settings_lines(tree))) == tree
    assert list(settings_lines({})) == []
    assert list(settings_lines({"word": "é"})) == ["          word: é"]
    assert list(settings_lines({"word": "\ue000"})) == ['          word: "\\uE000"']


def summarized(*findings: object, given: object = (), skipped: object = (), disabled: object = ()) -> str:
    """Return a summary as one text."""
    lines = summary(findings, given, switch_name="pbx", skipped=skipped, disabled=disabled)  # type: ignore[arg-type]  # by name
    return "\n".join(lines)


def test_summary_of_queries() -> None:
    """Each query is listed: with its reason if it failed, as skipped, or as disabled."""
    text = summarized(
        answered(Query.LICENSE, "42"),
        failed(Query.PEERS, Reason.AUTH),
        skipped=["calls (installation)"],
        disabled=["limits (per tenant)"],
    )
    assert "works     license (installation)" in text
    assert "fails     peers (installation): auth" in text
    assert "skipped   calls (installation)" in text
    assert "disabled  by the configuration: limits (per tenant)" in text
    assert "configure nothing that is certain to help" in text
    assert "unknown   the cause of a refusal" in text


def test_sure_settings_are_one_block() -> None:
    """It can be pasted whole; each setting to decide on stands alone, with its query."""
    finding = answered(Query.LICENSE, "42")
    text = summarized(
        finding,
        given=[
            (None, Advice("a", setting("queries", "license", "pattern", value="(x)"), sure=True)),
            (None, Advice("b", setting("queries", "registrations", "source", value="peers"), sure=True)),
            (None, Advice("c", setting("queries", value={"license": {"pattern": "(y)"}}), sure=True)),
            (finding, Advice("perhaps", setting("timeout", value="2m"))),
            (finding, Advice("nothing to paste")),
        ],
    )
    block = text.partition("in the section of switch pbx:\n")[2].partition("\ndecide")[0]
    assert yaml.safe_load(block) == {
        "queries": {"license": {"pattern": "(x)"}, "registrations": {"source": "peers"}}  # the first one wins
    }
    assert "decide    license (installation): perhaps:\n          timeout: 2m" in text
    assert "nothing to paste" not in text


def test_what_a_probe_cannot_find_out() -> None:
    """Empty counts, a missing total, and other tenants are listed as unknown."""
    text = summarized(
        answered(Query.CALLS, ""), answered(Query.PEERS, '{"a": 1}'), answered(Query.BALANCE, "1")
    )
    assert QUERIES[Query.CALLS].probe.doubt_empty[:40] in text
    assert "no total" in text
    assert "other than ACME" in text
