"""Imports point one way: a module knows the layers below its own, and what each package may load is bounded."""

import ast
import graphlib
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

# A name that ends in ``.*`` stands for everything inside a package, one that ends in ``*`` for a common beginning.
# The first pattern that fits decides.
LAYERS = (
    (
        "longlag.tasks",
        "longlag",
        "longlag.cells",
        "longlag.clips",
        "longlag.run.engines",
        "longlag.scans.kernels",
        "longlag.perf",
        "longlag.checks",
        "longlag.regression",
        "longlag.architectures",
        "longlag.report",
        "longlag.registry.skeletons",
        "longlag.plan.studies",
    ),
    (
        *(
            "longlag.tasks.base",
            "longlag.tasks.support.compiler",
            "longlag.tasks.support.drawing",
            "longlag.tasks.support.options",
            "longlag.tasks.support.sentences",
        ),
        *(
            "longlag.cells.base",
            "longlag.clips.base",
            "longlag.values.seeding",
            "longlag.values.layout",
            "longlag.process.state",
            "longlag.process.guards",
            "longlag.values.wiring",
            "longlag.values.backward",
        ),
    ),
    (
        *("longlag.tasks.*", "longlag.cells.*", "longlag.clips.*", "longlag.scans.kernels.*"),
        *(
            "longlag.optimisers.base",
            "longlag.values.trial",
            "longlag.process.provenance",
            "longlag.registry.plugins",
            "longlag.cells.support.module_cell",
            "longlag.scans.run",
        ),
        "longlag.registry.skeletons.*",
    ),
    (
        *(
            "longlag.registry.names",
            "longlag.plan.study*",
            "longlag.plan.grid",
            "longlag.networks.layers",
            "longlag.networks.recurrent",
            "longlag.training.gradients",
        ),
        *(
            "longlag.store.schema",
            "longlag.networks.build",
            "longlag.plan.sizes",
            "longlag.experiments.clip_window",
            "longlag.plan.test_lags",
        ),
        *("longlag.training.omega", "longlag.training.backward_audit", "longlag.training.clip_audit"),
        *(
            "longlag.networks.protocol",
            "longlag.networks.whole_network",
            "longlag.networks.encoder_decoder",
            "longlag.networks.readout",
            "longlag.architectures.*",
        ),
        *(
            "longlag.store.store*",
            "longlag.experiments.minimal_pairs",
            "longlag.store.results",
            "longlag.stats.intervals",
            "longlag.experiments.tuning",
            "longlag.networks.stacked",
            "longlag.report.*",
        ),
    ),
    (
        *(
            "longlag.training.evaluation",
            "longlag.training.checkpoints",
            "longlag.experiments.scoring",
            "longlag.training.stopping",
            "longlag.training.cohort",
            "longlag.run.costs",
            "longlag.experiments.horizon",
        ),
        *("longlag.regression.judge.entries", "longlag.stats.exact", "longlag.regression.judge.measures"),
        *(
            "longlag.regression.judge.comparison",
            "longlag.regression.judge.matching",
            "longlag.regression.judge.verdict",
        ),
        *("longlag.regression.judge.baseline", "longlag.regression.show.report", "longlag.regression.show.render"),
        *("longlag.regression.show.formats", "longlag.regression.show.figure", "longlag.regression.show.history"),
    ),
    ("longlag.run.engines.*", "longlag.run.run", "longlag.checks.*", "longlag.regression.*"),
    ("longlag.perf.*", "longlag.cli", "longlag.cli.*", "longlag.__main__"),
)
"""From the bottom: the packages themselves, which import nothing, then layers 0 to 5."""

HEAVY = ("torch", "numpy", "numba", "pandas", "matplotlib", "scipy", "seaborn")


FOLDERS = {"longlag": ROOT / "bench", "longlag.tasks": ROOT / "tasks"}


def module_name(package: str, path: Path) -> str:
    return ".".join((package, *path.relative_to(FOLDERS[package]).with_suffix("").parts)).removesuffix(".__init__")


FILES = {
    module_name(package, path): path for package, folder in FOLDERS.items() for path in sorted(folder.rglob("*.py"))
}


def layer_of(module: str) -> int:
    """Return the place of the first pattern that fits."""
    for place, patterns in enumerate(LAYERS):
        for pattern in patterns:
            if module == pattern or (pattern.endswith("*") and module.startswith(pattern[:-1])):
                return place
    raise LookupError(f"{module} has no layer: give it one in {Path(__file__).name}")


def imported_by(source: str) -> set[str]:
    """List what a source imports, inside functions and type-checking blocks too, as full names.

    ``from a import b`` counts as ``a.b`` where that is a module of ours, else as ``a``.
    """
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            whole = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= {name if name in FILES else str(node.module) for name in whole}
    return found


IMPORTS = {module: imported_by(path.read_text(encoding="utf-8")) for module, path in FILES.items()}


def run_python(program: str) -> str:
    return subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True, cwd=ROOT, timeout=60
    ).stdout.strip()


def loaded_by(*modules: str) -> set[str]:
    """Return which heavy libraries a fresh interpreter holds after importing modules."""
    program = f"import sys, {', '.join(modules)}; print(*(name for name in {HEAVY!r} if name in sys.modules))"
    return set(run_python(program).split())


def test_imports_inside_functions_are_seen():
    source = "def later():\n    from longlag import registry\n    import numpy.linalg\n"
    assert imported_by(source) == {"longlag.registry.names", "numpy.linalg"}


@pytest.mark.parametrize("module", FILES)
def test_every_module_has_a_layer(module):
    assert layer_of(module) >= 0


@pytest.mark.parametrize("module", FILES)
def test_no_module_imports_a_higher_layer(module):
    ours = {name for name in IMPORTS[module] if name in FILES}
    too_high = {name for name in ours if layer_of(name) > layer_of(module)}
    assert not too_high, f"{module} imports {sorted(too_high)} from a higher layer"


def test_imports_within_a_layer_are_acyclic():
    graph = {module: {name for name in names if name in FILES and name != module} for module, names in IMPORTS.items()}
    order = list(graphlib.TopologicalSorter(graph).static_order())  # raises CycleError
    assert set(order) == set(FILES)


@pytest.mark.parametrize("module", [name for name in FILES if name.startswith("longlag.tasks")])
def test_tasks_import_torch_numpy_and_the_standard_library_only(module):
    roots = {name if name in FILES else name.partition(".")[0] for name in IMPORTS[module]}
    allowed = {
        "torch",
        "numpy",
        *(name for name in FILES if name.startswith("longlag.tasks")),
        *sys.stdlib_module_names,
    }
    assert roots <= allowed | ({"numba", "llvmlite"} if module == "longlag.tasks.support.compiler" else set())


def test_tasks_are_listed_and_described_without_a_compiler():
    assert "numba" not in loaded_by(*(name for name in FILES if name.startswith("longlag.tasks.")))


@pytest.mark.parametrize("package", ["longlag.tasks", "longlag.cells", "longlag.clips"])
def test_neither_tasks_nor_cells_nor_clips_import_each_other(package):
    members = {name for name in FILES if name.startswith(f"{package}.")}
    shared = {
        f"{package}.base",
        "longlag.tasks.support.compiler",
        "longlag.tasks.support.drawing",
        "longlag.tasks.support.options",
        "longlag.tasks.support.sentences",
    }
    for module in members - shared:
        assert IMPORTS[module] & members <= shared, f"{module} imports a neighbour"


def test_layers_are_listed_once():
    patterns = [pattern for layer in LAYERS for pattern in layer]
    assert len(patterns) == len(set(patterns))
    assert all(layer_of(low[0]) < layer_of(high[0]) for low, high in pairwise(LAYERS))


def test_what_reports_need_never_loads_torch():
    reports = [name for name in FILES if name.startswith("longlag.report.")]
    assert "torch" not in loaded_by("longlag.store.results", "longlag.stats.intervals", "longlag.store.store", *reports)


def test_the_command_line_loads_no_heavy_library():
    assert loaded_by("longlag.cli") == set()


def test_names_are_listed_without_a_heavy_library():
    program = (
        "import sys; from longlag import registry;"
        "names = [registry.names(kind) for kind in ('task', 'cell', 'clip')];"
        f"print(all(names), *(name for name in {HEAVY!r} if name in sys.modules))"
    )
    assert run_python(program) == "True"
