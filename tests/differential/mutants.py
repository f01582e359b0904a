"""Daemons in which one thing is not as it was: a comparison that does not notice would prove nothing."""

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import exporter.alerting

_PACKAGE = "exporter.alerting"
_MUTANT = "mutant_alerting"
# Each imports only those before it.
_MODULES = [
    "figures",
    "rules",
    "windows",
    "reading",
    "attempts",
    "inputs",
    "conditions",
    "engine",
    "state",
]

DAEMONS = (
    # module, what stands there, what stands there in the mutant
    ("rules", "pending_for=3 * _MINUTE", "pending_for=2 * _MINUTE"),
    ("rules", "keep_firing_for=5 * _MINUTE", "keep_firing_for=6 * _MINUTE"),
    ("windows", "now - seen <= self.window", "now - seen < self.window"),
    ("windows", "> self._window", ">= self._window"),
    ("windows", "if mean > limit", "if mean >= limit"),
    ("attempts", "_WINDOW = 300.0", "_WINDOW = 240.0"),
    ("attempts", "if not self._is_well(target)", ""),
    ("attempts", "if len(self.present) > len(found)", "if False"),
    ("attempts", "self.failed[target, before] = self.looked_at", "pass"),
    ("reading", "if before.get(tenant) is not block", "if tenant not in before"),
    (
        "inputs",
        "balances: LastOverTime[str, float] = LastOverTime(15",
        "balances: LastOverTime[str, float] = LastOverTime(5",
    ),
    ("inputs", "_SETTLED_AFTER = 20", "_SETTLED_AFTER = 18"),
    ("inputs", "for _, tenant, team in gone}", "for _, tenant, team in ()}"),
    ("inputs", "> states[is_unknown]", ">= states[is_unknown]"),
    ("conditions", "0.8, 0.95", "0.8, 0.85"),
    ("conditions", "balance < threshold", "balance <= threshold"),
    ("conditions", "left <= threshold", "left < threshold"),
    ("conditions", "if refused:", "if False:"),
    ("conditions", "_FEW_PHONES = 3", "_FEW_PHONES = 4"),
    ("engine", "now - alert.since >=", "now - alert.since >"),
    ("engine", "found.threshold, None", "found.threshold, alert.ending_since"),
    ("engine", "or alert.state is State.RESOLVED", ""),
    ("engine", "for missed in self._missed(now)", "for missed in ()"),
    ("state", '"tenant_used": memory.tenant_used', '"tenant_used": AvgOverTime(300.0)'),
)


@contextlib.contextmanager
def mutant(module: str, before: str, after: str) -> Iterator[str]:
    """Give the name of a package that is the engine with this one change."""
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
            exec(code, copy.__dict__)  # noqa: S102 -- the text is ours
            setattr(sys.modules[_MUTANT], name, copy)
        yield _MUTANT
    finally:
        for name in made:
            sys.modules.pop(name, None)
