"""The section ``thresholds``: the values at which alerts fire, by severity."""

import contextlib
import math
from collections.abc import Callable, Mapping
from typing import Annotated, NamedTuple

from pydantic import AfterValidator, BeforeValidator, Field, PlainValidator, TypeAdapter

from exporter.errors import shape, shown, single, unknown_key
from exporter.fields import (
    DURATION_OR_ZERO,
    Form,
    SchemaOf,
    Section,
    by_severity,
    duration_text,
    is_off,
    number,
    parse_duration,
)

_SEVERITIES = ("warning", "critical")
_LICENSE = {"warning": parse_duration("30d"), "critical": parse_duration("7d")}
_BALANCE = {"warning": 50.0, "critical": 10.0}
_REGISTERED_RATIO = {"warning": 0.9, "critical": 0.5}
_QUEUE_WAIT = {"warning": parse_duration("2m"), "critical": parse_duration("5m")}


class _Order(NamedTuple):
    """How a threshold is written, and whether its alert fires above it instead of below."""

    text: Callable[[float], str]
    fires_above: bool


_ORDERS = {
    "license": _Order(duration_text, fires_above=False),
    "balance": _Order("{:g}".format, fires_above=False),
    "registered_ratio": _Order("{:g}".format, fires_above=False),
    "queue_wait": _Order(duration_text, fires_above=True),
}


def merged(*layers: Mapping[str, float] | Mapping[str, float | None]) -> dict[str, float]:
    """Return the thresholds that are on, by severity; later layers override earlier ones."""
    effective: dict[str, float | None] = {}
    for layer in layers:
        effective.update(layer)
    return {severity: value for severity, value in effective.items() if value is not None}


def order_problem(name: str, effective: Mapping[str, float]) -> str:
    """Return an error message if the warning would fire after the critical alert, else "".

    ``name``: the key of the threshold.
    """
    warning, critical = effective.get("warning"), effective.get("critical")
    if warning is None or critical is None or warning == critical:
        return ""
    text, fires_above = _ORDERS[name]
    if (warning < critical) is fires_above:
        return ""
    side, fix = ("above", "lower warning or raise critical")
    if not fires_above:
        side, fix = ("below", "raise warning or lower critical")
    values = f"warning ({text(warning)}) is {side} critical ({text(critical)})"
    return f"{values} and would fire too late; {fix}"


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


def _number_or_off(value: object) -> float | None:
    if is_off(value):
        return None
    text = single(value)
    form = "a number"
    with contextlib.suppress(ValueError):
        number = float(text)
        if math.isfinite(number):
            return number
        form = "a finite number"
    raise ValueError(f"expected {form} such as 0.5, got {shown(text)}; off disables the alert")


def _duration_or_off(value: object) -> float | None:
    try:
        return None if is_off(value) else parse_duration(single(value))
    except ValueError as error:
        raise ValueError(f"{error}; off disables the alert") from None


def _ordered(name: str) -> AfterValidator:
    def check(written: Mapping[str, float | None]) -> Mapping[str, float | None]:
        if problem := order_problem(name, merged(written)):
            raise ValueError(problem)
        return written

    return AfterValidator(check)


def _ratio_or_off(value: object) -> float | None:
    number = _number_or_off(value)
    if number is not None and not 0 <= number <= 1:
        raise ValueError(f"expected a number from 0 to 1, got {shown(f'{number:g}')}; off disables the alert")
    return number


_Severity = Annotated[str, AfterValidator(_severity)]
_Duration = Annotated[float | None, PlainValidator(_duration_or_off)]
_Amount = Annotated[float | None, PlainValidator(_number_or_off)]
_Ratio = Annotated[float | None, PlainValidator(_ratio_or_off)]

# As written: None is ``off``, unlike a severity that is absent.
_Durations = Annotated[Mapping[_Severity, _Duration], BeforeValidator(_by_severity)]
_Amounts = Annotated[Mapping[_Severity, _Amount], BeforeValidator(_by_severity)]
_Ratios = Annotated[Mapping[_Severity, _Ratio], BeforeValidator(_by_severity)]


def _over(
    name: str, defaults: Mapping[str, float], written: TypeAdapter[Mapping[str, float | None]]
) -> PlainValidator:
    """Return a validator that merges the written thresholds over the defaults."""

    def effective(value: object) -> Mapping[str, float]:
        thresholds = merged(defaults, written.validate_python(value))
        if problem := order_problem(name, thresholds):
            raise ValueError(problem)
        return thresholds

    return PlainValidator(effective)


_BY_SEVERITY = "mapping of `warning` and `critical` to"
_AMOUNTS = Form(f"{_BY_SEVERITY} number or `off`")
_RATIOS = Form(f"{_BY_SEVERITY} number from 0 to 1 or `off`")
_DURATIONS = Form(f"{_BY_SEVERITY} duration or `off`")
_AMOUNTS_SCHEMA = SchemaOf(by_severity(number()))
_RATIOS_SCHEMA = SchemaOf(by_severity(number(minimum=0, maximum=1)))
_DURATIONS_SCHEMA = SchemaOf(by_severity(DURATION_OR_ZERO))
_OFF = "`off` disables one severity or both."
_BALANCE_MEANING = f"Alert on credit below this amount, in the switch's currency. {_OFF}"
_WAIT_MEANING = f"Alert if a caller in a queue has waited longer than this. {_OFF}"
_RATIO_MEANING = f"Alert if less than this share of the extensions with a known state is registered. {_OFF}"


class Thresholds(Section):
    """The effective thresholds of a switch by severity, without those that are off. Durations in seconds."""

    license: Annotated[
        Mapping[str, float],
        _over("license", _LICENSE, TypeAdapter(_Durations)),
        _DURATIONS,
        _DURATIONS_SCHEMA,
    ] = Field(
        default_factory=_LICENSE.copy,
        description=f"Alert when the license expires within this time. {_OFF}",
        examples=[{"warning": "30d", "critical": "7d"}],
    )
    balance: Annotated[
        Mapping[str, float], _over("balance", _BALANCE, TypeAdapter(_Amounts)), _AMOUNTS, _AMOUNTS_SCHEMA
    ] = Field(
        default_factory=_BALANCE.copy,
        description=_BALANCE_MEANING,
        examples=[{"warning": 50, "critical": 10}],
    )
    registered_ratio: Annotated[
        Mapping[str, float],
        _over("registered_ratio", _REGISTERED_RATIO, TypeAdapter(_Ratios)),
        _RATIOS,
        _RATIOS_SCHEMA,
    ] = Field(
        default_factory=_REGISTERED_RATIO.copy,
        description=_RATIO_MEANING,
        examples=[{"warning": 0.9, "critical": 0.5}],
    )
    queue_wait: Annotated[
        Mapping[str, float],
        _over("queue_wait", _QUEUE_WAIT, TypeAdapter(_Durations)),
        _DURATIONS,
        _DURATIONS_SCHEMA,
    ] = Field(
        default_factory=_QUEUE_WAIT.copy,
        description=_WAIT_MEANING,
        examples=[{"warning": "2m", "critical": "5m"}],
    )


class TenantThresholds(Section):
    """The written thresholds of a tenant or of ``tenant_defaults``. None is ``off``."""

    balance: Annotated[_Amounts, _ordered("balance"), _AMOUNTS, _AMOUNTS_SCHEMA] = Field(
        default_factory=dict, description=_BALANCE_MEANING, examples=[{"critical": 20}]
    )
    registered_ratio: Annotated[_Ratios, _ordered("registered_ratio"), _RATIOS, _RATIOS_SCHEMA] = Field(
        default_factory=dict, description=_RATIO_MEANING, examples=["off"]
    )
    queue_wait: Annotated[_Durations, _ordered("queue_wait"), _DURATIONS, _DURATIONS_SCHEMA] = Field(
        default_factory=dict, description=_WAIT_MEANING, examples=[{"critical": "3m"}]
    )
