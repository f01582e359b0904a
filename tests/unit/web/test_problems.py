from typing import Any

import pytest

from exporter.alerting.rules import RULES
from exporter.model import Reason
from exporter.web.problem_words import WORDS, reasons_of
from exporter.web.problems import diagnose
from tests.unit.web.conftest import alert_group, switch_state

_MINUS = "\N{MINUS SIGN}"
_NO_PHONES: dict[str, Any] = {"has_no_phones": True, "phones": 8.0}
_CHECK = "wrong tenant code or key (check with `softswitch-exporter probe --query=tenants`)"


def _diagnosed(
    *groups: dict[str, Any], switches: list[dict[str, Any]] | None = None, covered: int = 0, **more: Any
) -> Any:
    status = {
        "switches": [switch_state()] if switches is None else switches,
        "alerting": {"firing": 0, "pending": 0, "delivery": "on"},
        **more,
    }
    diagnose(status, groups, covered)
    return status


def _tenants(number: int) -> list[dict[str, str]]:
    return [{"tenant": f"T{each}"} for each in range(min(number, 10))]


def test_every_rule_has_words() -> None:
    """No alert of the exporter is shown by its summary alone, except the watchdog, which is not shown."""
    assert {rule.name for rule in RULES} - WORDS.keys() == {"SoftswitchWatchdog"}


def test_all_clear() -> None:
    """Only if there is no problem and everything is known."""
    found = _diagnosed()

    assert (found["state"], found["headline"], found["problems"]) == ("clear", "all clear", [])
    (switch,) = found["switches"]
    assert (switch["state"], switch["severity"]) == ("clear", None)
    assert (switch["sentence"], switch["unknown"]) == ("all clear", [])


def test_nothing_is_clear_before_it_is_known() -> None:
    """The sentence says what is not known, and so does the headline."""
    found = _diagnosed(switches=[switch_state(up=None), switch_state("other")])

    assert (found["state"], found["headline"]) == ("unknown", "1 of 2 not known")
    assert [(it["state"], it["sentence"]) for it in found["switches"]] == [
        ("unknown", "not polled yet"), ("clear", "all clear"),
    ]  # fmt: skip
    assert _diagnosed(switches=[])["headline"] == "no switch configured"


def test_the_sentence_of_a_switch() -> None:
    """It names every kind of problem, the worst first, and what is not known. Critical ones have an age."""
    found = _diagnosed(
        alert_group("SoftswitchLicenseExpiring", value=5 * 86_400.0, threshold=7 * 86_400.0),
        alert_group("SoftswitchTenantRegistrationsLost", *_tenants(3)),
        alert_group("SoftswitchNodeMissing", {"node": "pbx2"}),
        alert_group("SoftswitchBalanceLow", *_tenants(1), severity="warning", state="pending"),
        alerting={"firing": None},
    )

    (switch,) = found["switches"]
    assert switch["sentence"] == (
        "node pbx2 missing for 12 min · 3 tenants have no phones registered for 12 min"
        " · license expires in 5 d · T0 has low credit (pending) · alerts not evaluated yet"
    )
    assert (switch["state"], switch["severity"]) == ("problems", "critical")
    assert (found["state"], found["headline"]) == ("critical", "3 critical, 1 warning (6 alerts)")


def test_a_problem() -> None:
    """It has its text, value and threshold, and links to its evidence and its runbook."""
    (problem,) = _diagnosed(
        alert_group("SoftswitchBalanceLow", {"tenant": "A&B"}, value=-12.0, threshold=10.0)
    )["problems"]

    assert problem == {
        "id": "pbx SoftswitchBalanceLow critical firing",
        "severity": "critical",
        "state": "firing",
        "last_known": False,
        "of_switch": False,
        "switch": "pbx",
        "alertname": "SoftswitchBalanceLow",
        "text": "A&B has low credit",
        "age_seconds": 720.0,
        "value": f"{_MINUS}12.00, threshold 10.00",
        "count": 1,
        "subjects": ["A&B"],
        "runbook": "./runbooks/SoftswitchBalanceLow?switch=pbx",
        "evidence": "./tenant?switch=pbx&tenant=A%26B",
    }


def test_many_alerts_of_a_kind_are_one_problem() -> None:
    """Its text names five, its count all, and its evidence is the filtered table."""
    group = alert_group("SoftswitchBalanceLow", *_tenants(2000), count=2000, value=-12.0, threshold=10.0)
    (problem,) = _diagnosed(group)["problems"]

    assert problem["text"] == "2,000 tenants with low credit: T0, T1, T2, T3, T4, …"
    assert (problem["count"], len(problem["subjects"])) == (2000, 10)
    assert problem["value"] == f"worst {_MINUS}12.00, threshold 10.00"
    assert problem["evidence"] == "./?switch=pbx&text=SoftswitchBalanceLow#tenants"


@pytest.mark.parametrize(
    ("name", "subjects", "more", "text"),
    [
        ("TrunkDown", [{"trunk": "t"}], {}, "trunk t down"),
        ("TrunkDown", [{"trunk": "t", "tenant": "A"}], {}, "trunk t of A down"),
        ("TrunkDown", [{"trunk": "t"}, {"trunk": "u"}], {}, "2 trunks down: t, u"),
        ("KeyRefused", [], {}, "API key refused"),
        ("KeyRefused", [{"tenant": "A"}], {}, f"requests for A refused: {_CHECK}"),
        ("LicenseImminent", [], {"value": 0.0}, "license expires today"),
        ("LicenseImminent", [], {"value": 86_400.0}, "license expires in 1 d"),
        ("LicenseImminent", [], {"value": -86_400.0 * 3}, "license expired 3 d ago"),
        ("LicenseImminent", [], {}, "license about to expire"),
        ("TenantRegistrationsLow", [{"tenant": "A"}], {}, "A has few phones registered"),
        ("TenantRegistrationsLow", [{"tenant": "A"}], _NO_PHONES, "A has no phones registered (0 of 8)"),
        ("TenantRegistrationsLow", [{"tenant": "A"}, {"tenant": "B"}], _NO_PHONES,
         "2 tenants have no phones registered: A, B"),
        ("New{}", [], {}, "S"),
        ("New", [{"tenant": "A"}, {"tenant": "B"}], {}, "S (2): A, B"),
        ("NodeMissing", [{"node": "{x}"}], {}, "node {x} missing"),
    ],
)  # fmt: skip
def test_texts(name: str, subjects: list[dict[str, str]], more: dict[str, Any], text: str) -> None:
    """Each kind has its words; an unknown kind has the summary of its alert. Braces in names stay."""
    group = alert_group(f"Softswitch{name}", *subjects, **more)
    assert [problem["text"] for problem in _diagnosed(group)["problems"]] == [text]


def test_the_worst_comes_first() -> None:
    """What concerns a whole switch; then by severity, firing before pending, by urgency and number."""
    found = _diagnosed(
        alert_group("SoftswitchNodeMissing", severity="critical", state="pending"),
        alert_group("SoftswitchBalanceLow", severity="warning"),
        alert_group("SoftswitchBalanceLow", *_tenants(1), switch="other"),
        alert_group("SoftswitchBalanceLow", *_tenants(3)),
        alert_group("SoftswitchApiDown", switch="other", state="pending"),
        switches=[switch_state(), switch_state("other", up=False)],
    )

    assert [(p["alertname"], p["severity"], p["state"], p["switch"]) for p in found["problems"]] == [
        ("SoftswitchApiDown", "critical", "pending", "other"),
        ("SoftswitchBalanceLow", "critical", "firing", "pbx"),
        ("SoftswitchBalanceLow", "critical", "firing", "other"),
        ("SoftswitchNodeMissing", "critical", "pending", "pbx"),
        ("SoftswitchBalanceLow", "warning", "firing", "pbx"),
    ]


def test_a_problem_of_the_exporter_belongs_to_noswitch_state() -> None:
    """It counts in the headline, and the switch stays clear."""
    found = _diagnosed(alert_group("SoftswitchConfigurationInvalid", severity="warning", switch=""))

    assert (found["state"], found["headline"]) == ("warning", "1 warning")
    assert (found["problems"][0]["switch"], found["switches"][0]["state"]) == (None, "clear")


def test_a_sentence_is_bounded() -> None:
    """It names eight kinds, and how many more there are; the list has all."""
    names = [name for name in WORDS if name != "SoftswitchLicenseImminent"][:11]
    groups = [alert_group(name, severity="warning") for name in names]
    found = _diagnosed(*groups, switches=[switch_state(up=False)])

    parts = found["switches"][0]["sentence"].split(" · ")
    assert (len(parts), parts[-1], len(found["problems"])) == (9, "3 more", 11)


def test_tenants_with_few_and_without_phones_are_two_problems() -> None:
    """One alert fires for both. Each links to its own tenants."""
    few = alert_group("SoftswitchTenantRegistrationsLow", *_tenants(2), has_no_phones=False)
    none = alert_group("SoftswitchTenantRegistrationsLow", *_tenants(3), has_no_phones=True)

    problems = _diagnosed(few, none)["problems"]

    assert len({problem["id"] for problem in problems}) == 2
    assert [problem["evidence"] for problem in problems] == [
        "./?switch=pbx&text=SoftswitchTenantRegistrationsLow+no+phones+registered#tenants",
        "./?switch=pbx&text=SoftswitchTenantRegistrationsLow+few+phones#tenants",
    ]


def test_only_the_license_is_said_once() -> None:
    """Two alerts are about it. Equal texts about tenants are about different tenants."""
    lost = alert_group("SoftswitchTenantRegistrationsLost", *_tenants(2))
    low = alert_group(
        "SoftswitchTenantRegistrationsLow", {"tenant": "A"}, {"tenant": "B"}, has_no_phones=True
    )
    licenses = [alert_group(f"SoftswitchLicense{name}", value=0.0) for name in ("Imminent", "Expiring")]

    none = "2 tenants have no phones registered for 12 min"
    (switch,) = _diagnosed(lost, low, *licenses)["switches"]
    assert switch["sentence"] == f"{none} · license expires today · {none}"


def test_the_license_is_the_current_one() -> None:
    """The value of an alert is from its evaluation, up to a minute ago."""
    group = alert_group("SoftswitchLicenseImminent", value=86_400.0, threshold=86_400.0)
    (problem,) = _diagnosed(group, switches=[switch_state(license_remaining_seconds=0.0)])["problems"]

    assert (problem["text"], problem["value"]) == ("license expires today", "expires today, threshold 1 d")


_RECOVERED: Any = {
    "state": "recovered", "recovered_age_seconds": 240.0, "changes_at_seconds": 1_700_000_459.7
}  # fmt: skip


def test_a_problem_that_is_over_is_no_problem() -> None:
    """Its alert still fires, but it counts nowhere, is last, and has no value and no age."""
    over = alert_group(
        "SoftswitchTenantRegistrationsLow", *_tenants(3), value=0.5, threshold=0.8, **_RECOVERED
    )
    (problem,), switch = (found := _diagnosed(over))["problems"], found["switches"][0]

    assert (problem["state"], problem["value"], problem["age_seconds"]) == ("recovered", "", None)
    assert problem["text"].endswith("T0, T1, T2 (recovered 4 min ago; the alert ends at 22:21 UTC)")
    assert (found["state"], found["headline"]) == ("clear", "all clear, 1 recovered (3 alerts)")
    assert (switch["state"], switch["severity"], switch["sentence"]) == (
        "clear", None, "all clear · 1 recovered",
    )  # fmt: skip

    found = _diagnosed(over, alert_group("SoftswitchBalanceLow", *_tenants(1), severity="warning"), covered=2)
    assert [problem["state"] for problem in found["problems"]] == ["firing", "recovered"]
    assert found["headline"] == "1 warning, 1 recovered (6 alerts, 2 covered)"
    assert found["state"] == found["switches"][0]["severity"] == "warning"
    assert found["switches"][0]["sentence"] == "T0 has low credit · 1 recovered"


def test_an_alert_that_ends_for_lack_of_values_has_not_recovered() -> None:
    """While its query fails or the API is silent, it stays a problem: nobody knows whether it is over."""
    over = alert_group("SoftswitchTenantRegistrationsLost", *_tenants(2), **_RECOVERED)
    query = {"query": "registrations", "scope": "tenant", "targets_tried": 9, "targets": 9}

    def state(group: Any, **more: Any) -> Any:
        (problem, *_) = _diagnosed(group, switches=[switch_state(**more)])["problems"][-1:]
        return problem["state"]

    assert state(over, queries=[query | {"targets_unknown": 0, "unknown_tenants": []}]) == "recovered"
    assert state(over, queries=[query | {"targets_unknown": 1, "unknown_tenants": ["T1"]}]) == "unknown"
    assert state(over, queries=[query | {"targets_unknown": 1, "unknown_tenants": ["X"]}]) == "recovered"
    assert state(over, queries=[query | {"targets_unknown": 9, "unknown_tenants": ["X"]}]) == "unknown"
    assert state(over, up=False, valid_answer_age_seconds=300.0) == "unknown"
    assert state(over, up=False, valid_answer_age_seconds=200.0) == "recovered"  # 240 s ago


def test_an_api_that_responds_again_is_not_silent() -> None:
    """The page does not wait for the next evaluation of the alert, in either direction."""
    (problem,) = _diagnosed(alert_group("SoftswitchApiDown"))["problems"]
    assert (problem["state"], problem["text"]) == ("recovered", "API silent (recovered)")

    down = switch_state(up=False, valid_answer_age_seconds=90.0)
    (problem,) = _diagnosed(alert_group("SoftswitchApiDown", **_RECOVERED), switches=[down])["problems"]
    assert (problem["state"], problem["text"], problem["age_seconds"]) == ("firing", "API silent", 90.0)


def _failures(*failures: tuple[float, str, str]) -> list[dict[str, Any]]:
    """Return one query with failures: the age, the reason and the detail of each."""
    found = [{"age_seconds": age, "reason": reason, "detail": detail} for age, reason, detail in failures]
    return [{"query": "calls", "scope": "tenant", "targets_unknown": 0, "failures": found}]


@pytest.mark.parametrize(
    ("failures", "more", "why"),
    [
        ([(1, "http", "HTTP 404")] * 2 + [(1, "timeout", "slow")], {}, "HTTP 404; first check `url`"),
        ([(1, "http", "HTTP 503")], {}, "HTTP 503; first read the error log"),
        ([(1, "http", "HTTP 403: the switch refuses the key")], {}, "refuses the key; first check the key"),
        ([(1, "tls", "TLS failed: EOF")], {}, "TLS failed: EOF; first check the port"),
        ([(1, "connect", "no connection to the proxy in x: y")], {}, "in x: y; first check the proxy"),
        ([(2, "timeout", "a")] * 4 + [(1, "connect", "b")], {"breaker_open": True}, "b; first check DNS"),
        ([(9, "connect", "old"), (5, "connect", "new")], {}, "new; first check DNS"),
        ([(9, "http", "HTTP 404"), (5, "http", "2 of 2 queues: HTTP 404")], {}, " (HTTP 404; first check"),
        ([(400, "empty", "before")] * 9 + [(1, "decode", "HTML; check it")], {}, "HTML; first check the"),
        ([(400, "empty", "since the start")], {"valid_answer_age_seconds": None}, "since the start; first"),
        ([(1, "rejected", "x" * 500)], {}, "x" * 160 + "…; first run"),
    ],
)  # fmt: skip
def test_a_silent_api_says_why(
    failures: list[tuple[float, str, str]], more: dict[str, Any], why: str
) -> None:
    """The most frequent failure since the last response, or that of the newest probe, and the first step."""
    silent: dict[str, Any] = {"up": False, "valid_answer_age_seconds": 300.0, "queries": _failures(*failures)}
    found = _diagnosed(alert_group("SoftswitchApiDown"), switches=[switch_state(**(silent | more))])

    assert found["problems"][0]["text"].startswith("API silent (")
    assert why in found["problems"][0]["text"]
    assert why in found["switches"][0]["sentence"]


def test_every_reason_has_a_first_step() -> None:
    """A silent API is never announced without one."""
    for reason in Reason:
        silent = switch_state(up=False, queries=_failures((1, reason, "detail")))
        found = _diagnosed(alert_group("SoftswitchApiDown"), switches=[silent])
        assert "(detail; first " in found["problems"][0]["text"]


def test_a_pending_problem_says_when_it_fires() -> None:
    """By the wall clock, in the list and in the sentence."""
    group = alert_group(
        "SoftswitchNodeMissing", {"node": "n"}, state="pending", changes_at_seconds=1_700_000_459.7
    )
    found = _diagnosed(group)

    assert found["problems"][0]["text"] == "node n missing (fires at 22:21 UTC)"
    assert found["switches"][0]["sentence"] == "node n missing for 12 min (pending, fires at 22:21 UTC)"


@pytest.mark.parametrize(
    ("alerts", "reasons"),
    [
        ([], []),
        (["SoftswitchBalanceLow", "SoftswitchTrunkDown"], ["trunk down", "credit low"]),
        (["SoftswitchWatchedExtensionDown", "SoftswitchTenantRegistrationsLow"], ["few phones"]),
        (["SoftswitchWatchedExtensionDown"], ["watched phone"]),
        (["SoftswitchSomethingNew"], []),
    ],
)
def test_reasons_of_a_tenant(alerts: list[str], reasons: list[str]) -> None:
    """The most urgent first; what another one covers is left out."""
    assert reasons_of(alerts) == reasons


def test_a_tenant_without_phones_has_not_just_few() -> None:
    """Whichever of the two alerts fires."""
    low, lost = "SoftswitchTenantRegistrationsLow", "SoftswitchTenantRegistrationsLost"
    for alerts in ([low], [lost], [lost, low]):
        assert reasons_of(alerts, has_no_phones=True) == ["no phones registered"]
