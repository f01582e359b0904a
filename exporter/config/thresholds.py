"""The section ``thresholds``: below which values an alert fires, by severity."""

from collections.abc import Callable, Mapping
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field, PlainValidator, TypeAdapter

from exporter.config.fields import Number
from exporter.errors import shape, single, unknown_key
from exporter.fields import Form, Section, duration_text, is_off, parse_duration

_SEVERITIES = ("warning", "critical")


def merged(*layers: Mapping[str, float] | Mapping[str, float | None]) -> dict[str, float]:
    """Return the thresholds that are on, severity by severity; later layers override earlier ones."""
    effective: dict[str, float | None] = {}
    for layer in layers:
        effective.update(layer)
    return {severity: value for severity, value in effective.items() if value is not None}


def order_problem(effective: Mapping[str, float], text: Callable[[float], str] = "{:g}".format) -> str:
    """Return the problem where the warning would fire after the critical alert, else ""."""
    if "warning" not in effective or "critical" not in effective:
        return ""
    warning, critical = effective["warning"], effective["critical"]
    if warning >= critical:
        return ""
    return (
        f"warning ({text(warning)}) is below critical ({text(critical)}), so it would come too late; "
        "raise warning or lower critical"
    )


def _severity(written: str) -> str:
    if written in _SEVERITIES:
        return written
    raise ValueError(unknown_key(written, _SEVERITIES))


def _both_off(value: object) -> object:
    if is_off(value):
        return dict.fromkeys(_SEVERITIES, "off")
    if isinstance(value, dict):
        return value
    raise ValueError(f"is {shape(value)}; write warning and critical below it, or off for none")


def _off(value: object) -> object:
    return None if is_off(value) else value


def _duration_or_off(value: object) -> float | None:
    try:
        return None if is_off(value) else parse_duration(single(value))
    except ValueError as error:
        raise ValueError(f"{error}, or off for none") from None


def _ordered(written: Mapping[str, float | None]) -> Mapping[str, float | None]:
    if wrong := order_problem(merged(written)):
        raise ValueError(wrong)
    return written


_Severity = Annotated[str, AfterValidator(_severity)]
_Duration = Annotated[float | None, PlainValidator(_duration_or_off)]
_Amount = Annotated[Number | None, BeforeValidator(_off)]
_Ratio = Annotated[Annotated[Number, Field(ge=0, le=1)] | None, BeforeValidator(_off)]

# As written: None is ``off``, which is not the same as not written.
_Durations = Annotated[Mapping[_Severity, _Duration], BeforeValidator(_both_off)]
_Amounts = Annotated[Mapping[_Severity, _Amount], BeforeValidator(_both_off)]
_Ratios = Annotated[Mapping[_Severity, _Ratio], BeforeValidator(_both_off)]


def _over(
    defaults: Mapping[str, float],
    written: TypeAdapter[Mapping[str, float | None]],
    text: Callable[[float], str] = "{:g}".format,
) -> PlainValidator:
    def effective(value: object) -> Mapping[str, float]:
        thresholds = merged(defaults, written.validate_python(value))
        if wrong := order_problem(thresholds, text):
            raise ValueError(wrong)
        return thresholds

    return PlainValidator(effective)


_LICENSE = {"warning": parse_duration("30d"), "critical": parse_duration("7d")}
_BALANCE = {"warning": 50.0, "critical": 10.0}
_REGISTERED_RATIO = {"warning": 0.9, "critical": 0.5}


_OFF = "`off` for none, for one severity or for both."
_LICENSE_MEANING = f"A license that ends within so much time. {_OFF}"
_BALANCE_MEANING = f"Credit below so much, in the switch's currency. {_OFF}"
_RATIO_MEANING = f"A share of registered extensions, of those whose state is known, below this. {_OFF}"
_BY_SEVERITY = "mapping of `warning` and `critical` to"


class Thresholds(Section):
    """Of a switch: severity to value, only those that are on. ``license`` is in seconds."""

    license: Annotated[
        Mapping[str, float],
        _over(_LICENSE, TypeAdapter(_Durations), duration_text),
        Form(f"{_BY_SEVERITY} duration or `off`"),
    ] = Field(
        default_factory=lambda: dict(_LICENSE),
        description=_LICENSE_MEANING,
        examples=[{"warning": "30d", "critical": "7d"}],
    )
    balance: Annotated[
        Mapping[str, float],
        _over(_BALANCE, TypeAdapter(_Amounts)),
        Form(f"{_BY_SEVERITY} number or `off`"),
    ] = Field(
        default_factory=lambda: dict(_BALANCE),
        description=_BALANCE_MEANING,
        examples=[{"warning": 50, "critical": 10}],
    )
    registered_ratio: Annotated[
        Mapping[str, float],
        _over(_REGISTERED_RATIO, TypeAdapter(_Ratios)),
        Form(f"{_BY_SEVERITY} number from 0 to 1 or `off`"),
    ] = Field(
        default_factory=lambda: dict(_REGISTERED_RATIO),
        description=_RATIO_MEANING,
        examples=[{"warning": 0.9, "critical": 0.5}],
    )


class TenantThresholds(Section):
    """Of a tenant or of ``tenant_defaults``: the given values only, with None for ``off``."""

    balance: Annotated[_Amounts, AfterValidator(_ordered), Form(f"{_BY_SEVERITY} number or `off`")] = Field(
        default_factory=dict, description=_BALANCE_MEANING, examples=[{"critical": 20}]
    )
    registered_ratio: Annotated[
        _Ratios, AfterValidator(_ordered), Form(f"{_BY_SEVERITY} number from 0 to 1 or `off`")
    ] = Field(default_factory=dict, description=_RATIO_MEANING, examples=["off"])
