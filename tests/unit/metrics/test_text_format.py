import subprocess
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from exporter.metrics import catalogue, text_format

# Half of a character (a lone surrogate) has no place in UTF-8, and so none on any page.
_TEXT = st.text(st.characters(exclude_categories=["Cs"]))

_ODD = {
    "nothing": "",
    "null": "\x00",
    "quote": '"',
    "backslash": "\\",
    "backslash at the end": "C:\\",
    "escaped newline": "\\n",
    "newline": "a\nb",
    "carriage return": "a\rb",
    "both": "a\r\nb",
    "tab": "\t",
    "vertical tab and form feed": "\x0b\x0c",
    "separators of ASCII": "\x1c\x1d\x1e\x1f",
    "escape": "\x1b[31m",
    "delete": "\x7f",
    "next line": "\x85",
    "line separator": "\u2028",
    "paragraph separator": "\u2029",
    "byte order mark": "\ufeff",
    "no-break space": "\xa0",
    "emoji": "\N{TELEPHONE RECEIVER}\ufe0f\N{EARTH GLOBE EUROPE-AFRICA}",
    "combining": "e\u0301",
    "right to left": "\u202eACME",
    "not a character": "\uffff\U0010ffff",
    "braces and commas": '},{a="b"} 1',
    "comment": "# EOF",
}


def _headed(body: str) -> str:
    metric = catalogue.NODE_PEERS
    return f"# HELP {metric.name} {metric.help}\n# TYPE {metric.name} gauge\n{body}"


@given(_TEXT, _TEXT)
def test_any_label_value_survives_both_formats(switch: str, node: str) -> None:
    """A parser returns the exact label values."""
    text = _headed(text_format.line(catalogue.NODE_PEERS, (switch, node), 1))
    families = [
        *parse_text(text),
        *parse_openmetrics(f"{text}# EOF\n"),  # type: ignore[no-untyped-call]  # it has no annotations
    ]

    labels = [sample.labels for family in families for sample in family.samples]
    assert labels == [{"switch": switch, "node": node}] * 2


@given(
    st.one_of(
        st.floats(allow_nan=False, allow_infinity=False),
        st.integers(min_value=-(2**53), max_value=2**53),
        st.integers(min_value=-(10**300), max_value=10**300).map(float),
    )
)
def test_numbers_survive(value: float) -> None:
    """Every finite number is parsed as the same number."""
    assert float(text_format.number(value)) == value


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (-0.0, "0"), (1.0, "1"), (-7, "-7"), (0.1, "0.1"), (123.45, "123.45"), (1e21, f"{10**21}")],
)
def test_whole_numbers_have_no_decimal_point(value: float, text: str) -> None:
    """A fraction keeps all its digits."""
    assert text_format.number(value) == text


def test_a_complete_line() -> None:
    """Labels are in the order of the catalogue, followed by additional ones."""
    more = {"team": "n\\oc", "site": ""}
    text = text_format.block(catalogue.TENANT_INFO, ("pbx-eu", "ACME"), {'A "B"': 1}, more).decode()

    assert text == (
        'softswitch_tenant_info{switch="pbx-eu",tenant="ACME",name="A \\"B\\"",team="n\\\\oc",site=""} 1\n'
    )


_FINITE = st.floats(allow_nan=False, allow_infinity=False)


@given(_TEXT, st.dictionaries(_TEXT, _FINITE, max_size=5))
def test_a_block_is_its_lines(switch: str, values: dict[str, float]) -> None:
    """A block is identical to its lines rendered one by one."""
    block = text_format.block(catalogue.NODE_PEERS, (switch,), values)

    one_by_one = [
        text_format.line(catalogue.NODE_PEERS, (switch, node), value) for node, value in values.items()
    ]
    assert block.decode() == "".join(one_by_one)


@given(st.lists(_TEXT, max_size=5).filter(lambda texts: len(texts) != 2))
def test_a_wrong_number_of_label_values_is_rejected(texts: list[str]) -> None:
    """A series with missing or additional labels is never served."""
    with pytest.raises(ValueError, match="label values"):
        text_format.line(catalogue.NODE_PEERS, texts, 1)


def test_prometheus_reads_unusual_labels(require_program: Callable[[str, str], str]) -> None:
    """The parser of Prometheus accepts all of them, and the sample after each."""
    promtool = require_program("promtool", "prometheus")
    samples = [text_format.line(catalogue.NODE_PEERS, ("pbx", node), 1) for node in _ODD.values()]

    done = subprocess.run(
        [promtool, "check", "metrics"],
        input=_headed("".join(samples)).encode(),
        capture_output=True,
        check=False,
    )

    assert (done.returncode, done.stderr.decode(), done.stdout.decode()) == (0, "", "")
