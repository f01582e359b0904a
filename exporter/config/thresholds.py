"""The section ``thresholds``: the values at which alerts fire, by severity."""

from collections.abc import Callable, Mapping
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field, PlainValidator, TypeAdapter

from exporter.config.fields import Number
from exporter.errors import shape, shown, single, unknown_key
from exporter.fields import Form, Section, duration_text, is_off, parse_duration

_SEVERITIES = ("warning", "critical")
_LICENSE = {"warning": parse_duration("30d"), "critical": parse_duration("7d")}
_BALANCE = {"warning": 50.0, "critical": 10.0}
_REGISTERED_RATIO = {"warning": 0.9, "critical": 0.5}

_NumberText = Callable[[float], str]
_number_text: _NumberText = "{:g}".format


def merged(*layers: Mapping[str, float] | Mapping[str, float | None]) -> dict[str, float]:
    """Return the thresholds that are on, by severity; later layers override earlier ones."""
    effective: dict[str, float | None] = {}
    for layer in layers:
        effective.update(layer)
    return {severity: value for severity, value in effective.items() if value is not None}


def order_problem(effective: Mapping[str, float], text: _NumberText = _number_text) -> str:
    """Return an error message if the warning would fire after the critical alert, else ""."""
    warning, critical = effective.get("warning"), effective.get("critical")
    if warning is None or critical is None or warning >= critical:
        return ""
    return (
        f"warning ({text(warning)}) is below critical ({text(critical)}) and would fire too late; "
        "raise warning or lower critical"
    )


def _severity(written: str) -> str:
    if written in _SEVERITIES:
        return written
    raise ValueError(unknown_key(written, _SEVERITIES))


def _by_severity(value: object) -> object:
    if is_off(value):
        return dict.fromkeys(_SEVERITIES, "off")
    if isinstance(value, dict):
        return value
    raise ValueError(f"expected a mapping with warning and critical, or off; got {shape(value)}")


def _none_if_off(value: object) -> object:
    return None if is_off(value) else value


def _duration_or_off(value: object) -> float | None:
    try:
        return None if is_off(value) else parse_duration(single(value))
    except ValueError as error:
        raise ValueError(f"{error}; off disables the alert") from None


def _ordered(written: Mapping[str, float | None]) -> Mapping[str, float | None]:
    if problem := order_problem(merged(written)):
        raise ValueError(problem)
    return written


def _ratio(value: float) -> float:
    if not 0 <= value <= 1:
        raise ValueError(f"expected a number from 0 to 1, got {shown(f'{value:g}')}")
    return value


_Severity = Annotated[str, AfterValidator(_severity)]
_Duration = Annotated[float | None, PlainValidator(_duration_or_off)]
_Amount = Annotated[Number | None, BeforeValidator(_none_if_off)]
_Ratio = Annotated[Annotated[Number, AfterValidator(_ratio)] | None, BeforeValidator(_none_if_off)]

# As written: None is ``off``, unlike a severity that is absent.
_Durations = Annotated[Mapping[_Severity, _Duration], BeforeValidator(_by_severity)]
_Amounts = Annotated[Mapping[_Severity, _Amount], BeforeValidator(_by_severity)]
_Ratios = Annotated[Mapping[_Severity, _Ratio], BeforeValidator(_by_severity)]


def _over(
    defaults: Mapping[str, float],
    written: TypeAdapter[Mapping[str, float | None]],
    text: _NumberText = _number_text,
) -> PlainValidator:
    """Return a validator that merges the written thresholds over the defaults."""

    def effective(value: object) -> Mapping[str, float]:
        thresholds = merged(defaults, written.validate_python(value))
        if problem := order_problem(thresholds, text):
            raise ValueError(problem)
        return thresholds

    return PlainValidator(effective)


_BY_SEVERITY = "mapping of `warning` and `critical` to"
_AMOUNTS = Form(f"{_BY_SEVERITY} number or `off`")
_RATIOS = Form(f"{_BY_SEVERITY} number from 0 to 1 or `off`")
_OFF = "`off` disables one severity or both."
_BALANCE_MEANING = f"Alert on credit below this amount, in the switch's currency. {_OFF}"
_RATIO_MEANING = f"Alert if less than this share of the extensions with a known state is registered. {_OFF}"


class Thresholds(Section):
    """The effective thresholds of a switch by severity, without those that are off. Licenses in seconds."""

    license: Annotated[
        Mapping[str, float],
        _over(_LICENSE, TypeAdapter(_Durations), duration_text),
        Form(f"{_BY_SEVERITY} duration or `off`"),
    ] = Field(
        default_factory=_LICENSE.copy,
        description=f"Alert when the license expires within this time. {_OFF}",
        examples=[{"warning": "30d", "critical": "7d"}],
    )
    balance: Annotated[Mapping[str, float], _over(_BALANCE, TypeAdapter(_Amounts)), _AMOUNTS] = Field(
        default_factory=_BALANCE.copy,
        description=_BALANCE_MEANING,
        examples=[{"warning": 50, "critical": 10}],
    )
    registered_ratio: Annotated[
        Mapping[str, float], _over(_REGISTERED_RATIO, TypeAdapter(_Ratios)), _RATIOS
    ] = Field(
        default_factory=_REGISTERED_RATIO.copy,
        description=_RATIO_MEANING,
        examples=[{"warning": 0.9, "critical": 0.5}],
    )


class TenantThresholds(Section):
    """The written thresholds of a tenant or of ``tenant_defaults``. None is ``off``."""

    balance: Annotated[_Amounts, AfterValidator(_ordered), _AMOUNTS] = Field(
        default_factory=dict, description=_BALANCE_MEANING, examples=[{"critical": 20}]
    )
    registered_ratio: Annotated[_Ratios, AfterValidator(_ordered), _RATIOS] = Field(
        default_factory=dict, description=_RATIO_MEANING, examples=["off"]
    )
