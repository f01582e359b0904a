"""Daemons with one change: the comparison has to notice each of them."""

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import exporter.alerting

_PACKAGE = "exporter.alerting"
_MUTANT = "mutant_alerting"
# Each imports only those before it.
_MODULES = ["inputs", "rule", "monitoring_rules", "queue_rules", "rules", "engine", "state"]

DAEMONS = (
    # module, its code, the code of the mutant
    ("rules", "pending_for=3 * _MINUTE", "pending_for=2 * _MINUTE"),
    ("monitoring_rules", "keep_firing_for=5 * _MINUTE", "keep_firing_for=6 * _MINUTE"),
    ("inputs", "now - seen <= self._window", "now - seen < self._window"),
    ("inputs", "> self._window:", ">= self._window:"),
    ("inputs", "if mean > limit", "if mean >= limit"),
    ("inputs", "if which not in self._pending", "if which in self._last and self._last[which].known"),
    ("inputs", "store.labels.items()}", "()}"),
    ("monitoring_rules", '"succeeded_at", 5 *', '"succeeded_at", 4 *'),
    ("monitoring_rules", '"failures", 5 *', '"failures", 4 *'),
    ("monitoring_rules", "if not succeeded.get(failed[0])", ""),
    ("monitoring_rules", "if of not in succeeded_at", ""),
    ("monitoring_rules", "and not is_idle(of.query, failure.reason)", ""),
    ("monitoring_rules", "20 * _MINUTE", "18 * _MINUTE"),
    ("monitoring_rules", "and not _refusals(inputs)", ""),
    ("monitoring_rules", "_ENOUGH_REFUSALS = 3", "_ENOUGH_REFUSALS = 4"),
    ("rules", '"balances", 15 *', '"balances", 5 *'),
    ("rules", "> states[is_unknown]", ">= states[is_unknown]"),
    ("rules", "_node_channels_above, 0.95", "_node_channels_above, 0.85"),
    ("rules", "value < threshold", "value <= threshold"),
    ("rules", "left <= threshold", "left < threshold"),
    ("rules", "_FEW_PHONES = 3", "_FEW_PHONES = 4"),
    ("queue_rules", "wait > threshold", "wait >= threshold"),
    ("queue_rules", "and hours.get(tenant) != 0", ""),
    ("queue_rules", "pending_for=2 * _MINUTE", "pending_for=3 * _MINUTE"),
    ("engine", "now - alert.since >=", "now - alert.since >"),
    ("engine", "value, threshold, None\n", "value, threshold, alert.ending_since\n"),
    ("engine", "or alert.state is State.RESOLVED", ""),
    ("engine", "for missed in self._missed(now)", "for missed in ()"),
    ("state", "window.restore(which.key(key), which.value(value), _seen(age, now))", "pass"),
)


@contextlib.contextmanager
def mutant(module: str, before: str, after: str) -> Iterator[str]:
    """Provide the name of a package that is the engine with this change."""
    directory = Path(exporter.alerting.__path__[0])
    made = [_MUTANT, *(f"{_MUTANT}.{name}" for name in _MODULES)]
    try:
        sys.modules[_MUTANT] = ModuleType(_MUTANT)
        for name in _MODULES:
            text = (directory / f"{name}.py").read_text()
            if name == module:
                assert before in text, f"{module} has no {before!r} any more"
                text = text.replace(before, after)
            copy = ModuleType(f"{_MUTANT}.{name}")
            sys.modules[copy.__name__] = copy
            code = compile(text.replace(_PACKAGE, _MUTANT), f"{_MUTANT}/{name}.py", "exec")
            exec(code, copy.__dict__)  # noqa: S102 -- our own code
            setattr(sys.modules[_MUTANT], name, copy)
        yield _MUTANT
    finally:
        for name in made:
            sys.modules.pop(name, None)
