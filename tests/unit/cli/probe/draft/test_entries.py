import re

import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from exporter.cli.probe.draft.entries import OFF, Comment, Entry, Items, Section, comment, inline, lines, tree

_NASTY = [
    "",
    "0123",
    "no",
    "*a",
    "&a",
    "a: b",
    "a #b",
    '"',
    "'",
    "\n",
    "\u202ea",
    "- a",
    "{x",
    "~",
    "!t",
    "a\\",
]
TEXTS = st.text() | st.sampled_from(_NASTY)


@given(TEXTS)
@example("\ud800")
def test_a_value_is_one_line_that_means_the_same(text: str) -> None:
    """Whatever a switch calls its nodes and tenants, also for programs that read numbers and booleans."""
    text = text.encode("utf-8", "ignore").decode()
    written = inline(text)
    assert written.splitlines() == [written]
    assert written.isprintable()
    listed = f"key: {inline([text, {text: text}])}\n"
    assert yaml.safe_load(listed)["key"] == [text, {text: text}]
    for line in (f"key: {written}\n", f"key:\n  - {written}\nnext: 1\n"):
        assert yaml.safe_load(line)["key"] in (text, [text])


@given(TEXTS)
def test_a_comment_stays_a_comment(text: str) -> None:
    """No text ends the comment, and nothing in it is invisible."""
    written = comment(f"the switch returned {text}")
    assert all(line.startswith("# ") and line.isprintable() for line in written)
    assert all(line.splitlines() == [line] for line in written)
    assert yaml.safe_load("\n".join([*written, "a: b"])) == {"a": "b"}


@given(TEXTS, TEXTS, st.lists(TEXTS, min_size=1))
def test_the_meaning_of_the_text(code: str, why: str, nodes: list[str]) -> None:
    """Every entry that is not proposed means its value, as text."""
    clean = [each.encode("utf-8", "ignore").decode() for each in nodes]
    code = code.encode("utf-8", "ignore").decode()
    section = Section(
        (
            Comment(why),
            Entry("nodes", Items(clean), why),
            Entry("proposed", code, why, is_proposed=True),
            Entry("inner", Section((Entry("interval", OFF, why), Entry("rate", 0.5), Entry("code", code)))),
            Entry("gone", Section((Entry("a", code, is_proposed=True), Comment(why)))),
        )
    )
    assert tree(section) == {"nodes": clean, "inner": {"interval": "off", "rate": "0.5", "code": code}}


def test_the_form_of_the_text() -> None:
    """Proposals are comments that can be uncommented as a block."""
    section = Section(
        (
            Entry("queries", Section((Entry("calls", {"interval": OFF, "empty": "zero"}, "because"),))),
            Entry("tenants", Items([{"code": "0123"}, {"code": "no"}])),
            Entry("thresholds", Section((Entry("license", {"warning": "30d"}, is_proposed=True),))),
        )
    )
    assert list(lines(section)) == [
        "queries:",
        "  # because",
        "  calls: {interval: off, empty: zero}",
        "tenants:",
        "  - {code: '0123'}",
        "  - {code: 'no'}",
        "# thresholds:",
        "#   license: {warning: 30d}",
    ]
    uncommented = [re.sub("^# ", "", line) for line in lines(section)]
    assert yaml.safe_load("\n".join(uncommented))["thresholds"] == {"license": {"warning": "30d"}}
