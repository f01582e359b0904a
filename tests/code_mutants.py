"""Mutation tests of the core modules.

    .venv/bin/python -m tests.code_mutants [module …]

Each mutant runs in a fork of this process, with the libraries loaded: it replaces the module with the changed
one and runs the module's tests until the first one fails. A mutant for which no test fails survives;
docs/reliability.md justifies each survivor.
"""

import ast
import importlib.util
import io
import os
import resource
import sys
from collections.abc import Iterator, Sequence
from contextlib import redirect_stderr, redirect_stdout, suppress
from dataclasses import dataclass
from pathlib import Path

import aiohttp  # noqa: F401 -- loaded once for all forks
import prometheus_client  # noqa: F401 -- likewise
import pydantic  # noqa: F401 -- likewise
import pytest
from hypothesis import HealthCheck, Phase, settings

ROOT = Path(__file__).parents[1]
SECONDS = 20
"""CPU time limit of a mutant, which detects endless loops."""

# Any failing example will do: do not shrink or store it.
settings.register_profile(
    "mutants",
    phases=[Phase.explicit, Phase.generate],
    database=None,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)


def _decoding(*names: str) -> tuple[str, ...]:
    """Return the tests of all decoders, starting with these."""
    first = [f"unit/{name}.py" for name in names]
    folders = [ROOT / "tests/unit/decode", ROOT / "tests/unit/queries"]
    every = sorted(
        f"unit/{path.parent.name}/{path.name}" for folder in folders for path in folder.glob("test_*.py")
    )
    return tuple(dict.fromkeys([*first, *every]))


# Module -> its tests, the most specific ones first.
TESTS: dict[str, tuple[str, ...]] = {
    "poll/backoff": (
        "unit/poll/test_backoff.py",
        "unit/poll/test_request_policy.py",
    ),
    "poll/discovery": ("unit/poll/test_discovery.py", "unit/poll/test_memory.py"),
    "poll/scope_check": ("unit/poll/test_scope_check.py",),
    "poll/request_policy": ("unit/poll/test_request_policy.py",),
    "poll/requests": ("unit/poll/test_requests.py",),
    "poll/planner": (
        "unit/poll/test_planner.py",
        "unit/poll/test_states.py",
        "unit/poll/test_trunks.py",
        "unit/poll/test_ingest.py",
        "unit/poll/test_poller.py",
    ),
    "poll/states": ("unit/poll/test_states.py", "unit/poll/test_registration_ingest.py"),
    "poll/memory": ("unit/poll/test_memory.py",),
    "alerting/inputs": (
        "unit/alerting/test_inputs.py",
        "unit/alerting/test_state.py",
        "unit/alerting/test_engine.py",
        "unit/alerting/test_rules.py",
    ),
    "store/series": (
        "unit/store/test_series.py",
        "unit/store/test_store.py",
    ),
    "schedule": ("unit/test_schedule.py",),
    "config_file": ("unit/test_config_file.py",),
    "storage/files": ("unit/storage/test_files.py", "unit/storage/test_service.py"),
    "storage/inventory": ("unit/storage/test_inventory.py", "unit/storage/test_service.py"),
    "storage/keeper": (
        "unit/storage/test_files.py",
        "unit/storage/test_service.py",
    ),
    "storage/kept_file": ("unit/storage/test_kept_file.py", "unit/storage/test_service.py"),
    "storage/service": ("unit/storage/test_service.py",),
    "storage/timeline": ("unit/storage/test_timeline.py", "unit/storage/test_service.py"),
    "storage/values": ("unit/storage/test_values.py", "unit/storage/test_timeline.py"),
    "store/store": ("unit/store/test_store.py",),
    "decode/classify": _decoding("decode/test_classify"),
    "decode/text": _decoding("decode/test_text", "decode/test_records"),
    "decode/records": _decoding("decode/test_records"),
    "decode/redact": _decoding("decode/test_redact"),
    "decode/values": _decoding("decode/test_values"),
    "queries/device_states": ("unit/queries/test_device_states.py", "unit/queries/test_fixtures.py"),
    "queries/extensions": _decoding("queries/test_extensions", "queries/test_fixtures"),
    "queries/words": _decoding("queries/test_words"),
    "queries/limits": _decoding("queries/test_limits", "queries/test_fixtures"),
    "queries/registrations": _decoding("queries/test_registrations"),
    "queries/tenants": _decoding("queries/test_tenants"),
    "queries/spec": _decoding("queries/test_spec", "queries/test_families"),
}

_COMPARISONS: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}
_OPERATORS: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.Pow: ast.Mult,
    ast.FloorDiv: ast.Div,
    ast.BitOr: ast.BitAnd,
    ast.BitAnd: ast.BitOr,
}


@dataclass(frozen=True)
class Mutant:
    """A changed module."""

    module: str
    line: int
    change: str
    source: str


def mutants(module: str) -> Iterator[Mutant]:
    """Return every mutant of a module."""
    tree = ast.parse((ROOT / "exporter" / f"{module}.py").read_text())
    parts = [part for node in ast.walk(tree) for part in _irrelevant(node)]
    left_alone = {id(inner) for part in parts for inner in ast.walk(part)}
    for node in ast.walk(tree):
        if id(node) in left_alone:
            continue
        for kind in range(2):
            true = dict(vars(node))
            if not _change(node, kind):
                break
            after, source = ast.unparse(node), ast.unparse(tree)
            vars(node).update(true)
            change = f"`{_short(ast.unparse(node))}` → `{_short(after)}`"
            yield Mutant(module, getattr(node, "lineno", 0), change, source)


def _irrelevant(node: ast.AST) -> list[ast.expr]:
    """Return the parts of a node without behavior: annotations and dataclass options."""
    match node:
        case ast.ClassDef():
            return node.decorator_list
        case ast.AnnAssign() | ast.arg(annotation=ast.expr()):
            return [node.annotation] if node.annotation else []
        case ast.FunctionDef(returns=ast.expr() as returns):
            return [returns]
    return []


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= 70 else line[:67] + "…"


def _change(node: ast.AST, kind: int) -> bool:
    """Apply the first or second change of a node; return whether it exists."""
    match node:
        case ast.Compare(ops=[op]) if kind == 0:
            node.ops = [_COMPARISONS[type(op)]()]
        case ast.BoolOp() if kind == 0:
            node.op = ast.And() if isinstance(node.op, ast.Or) else ast.Or()
        case ast.UnaryOp(op=ast.Not()) if kind == 0:
            node.op = ast.UAdd()  # of a boolean: removes the `not`
        case ast.BinOp(op=op) if kind == 0 and type(op) in _OPERATORS:
            node.op = _OPERATORS[type(op)]()
        case ast.Constant(value=bool(value)) if kind == 0:
            node.value = not value
        case ast.Constant(value=int(value) | float(value)) if not isinstance(value, bool):
            node.value = value + (1 if kind == 0 else -1)
        case ast.IfExp() if kind == 0:
            node.body, node.orelse = node.orelse, node.body
        case ast.Return(value=ast.expr() as value) if kind == 0 and not _is_none(value):
            node.value = ast.Constant(None)
        case _:
            return False
    return True


def _is_none(value: ast.expr) -> bool:
    return isinstance(value, ast.Constant) and value.value is None


def survivors(every: Sequence[Mutant]) -> list[Mutant]:
    """Return the mutants that no test notices; a test that does not end has noticed as well."""
    waiting, running, alive = list(every), dict[int, Mutant](), []
    while waiting or running:
        while waiting and len(running) < (os.cpu_count() or 1):
            mutant = waiting.pop(0)
            child = os.fork()
            if child == 0:
                os._exit(_run(mutant))
            running[child] = mutant
        child, status = os.wait()
        mutant = running.pop(child)
        if status == 0:
            alive.append(mutant)
    return alive


def _run(mutant: Mutant) -> int:
    """Run the tests with a mutant in place of its module; return 0 if all pass."""
    tests = [str(ROOT / "tests" / test) for test in TESTS[mutant.module]]
    flags = ["-x", "-q", "-p", "no:xdist", "-p", "no:cacheprovider"]
    flags += ["--hypothesis-seed=1", "--hypothesis-profile=mutants"]
    flags += ["-W", "ignore:Module already imported"]  # Hypothesis is; harmless here
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
    try:
        with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
            _put_in_place(mutant)
            # Most mutants fail in the first file: do not load the others for them.
            return int(
                pytest.main([*flags, *tests[:1]]) or (tests[1:] and pytest.main([*flags, *tests[1:]])) or 0
            )
    except BaseException:  # noqa: BLE001 -- a module that cannot be imported counts as detected, and the fork must end
        return 1


def _load_what_stays() -> None:
    """Import everything that does not depend on a mutated module, once for all forks."""
    names = {"exporter." + module.replace("/", ".") for module in TESTS}
    for name in names:
        sys.modules[name] = None  # type: ignore[assignment]  # makes its import fail
    for path in sorted((ROOT / "exporter").rglob("*.py")):
        name = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        with suppress(ImportError):
            importlib.import_module(name)
    for name in names:
        del sys.modules[name]


def _put_in_place(mutant: Mutant) -> None:
    name = "exporter." + mutant.module.replace("/", ".")

    class Finder:
        """Finds the mutant in place of its module."""

        @staticmethod
        def find_spec(wanted: str, *_: object) -> object:
            if wanted != name:
                return None
            loader = Loader()  # has the two methods that are called
            return importlib.util.spec_from_loader(name, loader)  # type: ignore[arg-type]  # see above

    class Loader:
        """Loads the mutant."""

        @staticmethod
        def create_module(_: object) -> None:
            return None

        @staticmethod
        def exec_module(module: object) -> None:
            exec(compile(mutant.source, f"{mutant.module}.py", "exec"), vars(module))  # noqa: S102 -- our own code

    sys.meta_path.insert(0, Finder())  # type: ignore[arg-type]  # has the one method that is called
    importlib.import_module(name)


def main(modules: Sequence[str]) -> int:
    """Test every mutant of some or all modules; print the survivors."""
    os.chdir(ROOT)
    _load_what_stays()
    tried = lived = 0
    for module in modules or TESTS:
        true = (ROOT / "exporter" / f"{module}.py").read_text()
        if not survivors([Mutant(module, 0, "none", true)]):
            raise SystemExit(f"{module}: its tests fail without a mutant")
        every = list(mutants(module))
        alive = survivors(every)
        tried += len(every)
        lived += len(alive)
        sys.stdout.write(f"{module}: {len(every)} mutants, {len(alive)} survive\n")
        for mutant in alive:
            sys.stdout.write(f"  line {mutant.line}: {mutant.change}\n")
        sys.stdout.flush()
    sys.stdout.write(f"{tried} mutants, {lived} survive\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
