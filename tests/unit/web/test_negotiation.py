import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.metrics.exposition import Format
from exporter.web.negotiation import accepts_gzip, metrics_format

_PROMETHEUS_2_42 = (
    "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
    "text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
)
_PROMETHEUS_2_49 = (
    "application/openmetrics-text;version=1.0.0;q=0.5,application/openmetrics-text;version=0.0.1;q=0.4,"
    "text/plain;version=0.0.4;q=0.3,*/*;q=0.2"
)
_PROMETHEUS_3 = (
    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,"
    "application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,"
    "text/plain;version=0.0.4;q=0.3,*/*;q=0.2"
)
_PROMETHEUS_3_PROTOBUF = (
    "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;q=0.6,"
    + _PROMETHEUS_3
)
_FIREFOX = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
_CHROME = (
    _FIREFOX.replace(",*/*", ",image/avif,image/webp,image/apng,*/*")
    + ",application/signed-exchange;v=b3;q=0.7"
)


@pytest.mark.parametrize(
    "accept", [_PROMETHEUS_2_42, _PROMETHEUS_2_49, _PROMETHEUS_3, _PROMETHEUS_3_PROTOBUF]
)
def test_prometheus_gets_openmetrics(accept: str) -> None:
    """As it asks for it, in each of its versions."""
    assert metrics_format(accept) is Format.OPENMETRICS


@pytest.mark.parametrize(
    "accept", ["", "*/*", _FIREFOX, _CHROME, "text/plain", "text/html", "nonsense", ";;,,=;q=", ","]
)
def test_everybody_else_gets_text(accept: str) -> None:
    """curl, browsers, and whoever says nothing or nonsense."""
    assert metrics_format(accept) is Format.TEXT


@pytest.mark.parametrize(
    ("accept", "form"),
    [
        ("application/openmetrics-text", Format.OPENMETRICS),
        ("Application/OpenMetrics-Text; Version=1.0.0", Format.OPENMETRICS),
        ('application/openmetrics-text; version="1.0.0"', Format.OPENMETRICS),
        ("application/openmetrics-text;version=0.0.1", Format.OPENMETRICS),
        ("application/openmetrics-text;version=2.0.0", Format.TEXT),
        ("application/openmetrics-text;q=0", Format.TEXT),
        ("application/openmetrics-text;q=0,*/*", Format.TEXT),
        ("application/openmetrics-text;q=0.0,text/plain;q=0", Format.TEXT),
        ("application/openmetrics-text;q=0.4,text/plain;version=0.0.4;q=0.5", Format.TEXT),
        ("application/openmetrics-text;q=0.5,text/plain;version=0.0.4;q=0.4", Format.OPENMETRICS),
        ("text/plain;version=0.0.4,application/openmetrics-text", Format.OPENMETRICS),
        ("application/openmetrics-text;q=0.5,*/*;q=0.9", Format.TEXT),
        ("application/openmetrics-text;q=0.5,text/*;q=0.9", Format.TEXT),
        ("application/openmetrics-text;q=nan", Format.TEXT),
        ("application/openmetrics-text;q=inf", Format.TEXT),
        ("application/openmetrics-text;q=-1", Format.TEXT),
        ("application/openmetrics-text;q=2", Format.TEXT),
        ("application/openmetrics-text;q=x", Format.TEXT),
        ("application/openmetrics-text ; q = 0.5", Format.OPENMETRICS),
        ("application/json,application/openmetrics-text;q=0.1", Format.OPENMETRICS),
    ],
)
def test_formats(accept: str, form: Format) -> None:
    """What is preferred wins; what is refused, or cannot be read, is not given."""
    assert metrics_format(accept) is form


@pytest.mark.parametrize(
    ("accept_encoding", "accepted"),
    [
        ("gzip", True),
        ("GZIP", True),
        ("gzip, deflate, br, zstd", True),
        ("deflate, gzip;q=0.5", True),
        ("gzip;q=0.001", True),
        ("*", True),
        ("*;q=0.1", True),
        ("br, *", True),
        ("gzip;q=0", False),
        ("gzip;q=0.000", False),
        ("*, gzip;q=0", False),
        ("gzip;q=0, *", False),
        ("*;q=0", False),
        ("*;q=0, gzip", True),
        ("identity", False),
        ("deflate, br", False),
        ("", False),
        ("gzipped", False),
        ("gzip;q=nan", False),
    ],
)
def test_encodings(accept_encoding: str, accepted: bool) -> None:  # noqa: FBT001 -- a table
    """Gzip is given to whoever takes it, and to nobody who refuses it."""
    assert accepts_gzip(accept_encoding) is accepted


@given(st.one_of(st.text(), st.text(alphabet=' ;,=q.01*/"gziptexplan')))
def test_no_header_breaks_it(header: str) -> None:
    """Whatever somebody sends, there is a decision."""
    assert metrics_format(header) in set(Format)
    assert accepts_gzip(header) in {True, False}
