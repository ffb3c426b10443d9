"""Imports point one way: a module knows the layers below its own, and what each package may load is bounded."""

import ast
import graphlib
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
ARCHITECTURE = ROOT / "bench" / "README.md"

PACKAGES = (
    *("tasks", "values", "process", "stats"),
    *("cells", "clips", "architectures", "optimisers", "schedules"),
    *("scans", "passes", "registry", "networks", "plan", "training", "store", "shards", "lens", "run", "experiments"),
    *("report", "checks", "regression", "claims", "perf", "cli"),
)
"""From the ground up: a package imports from itself and from those before it. The table of bench/README.md shows it."""

TOP = ("longlag.results", "longlag.cohort", "longlag.__main__")
"""Modules that lie in no package: what others may import, and the command; nothing of ours imports them."""

OPEN = ("tasks", "cells", "clips", "architectures", "optimisers", "schedules", "scans.kernels", "lens", "claims")
"""Folders in which every file is a member, but for `base`."""

HEAVY = ("torch", "numpy", "numba", "pandas", "matplotlib", "scipy", "seaborn")
FOLDERS = {"longlag": ROOT / "bench", "longlag.tasks": ROOT / "tasks"}


def module_name(package: str, path: Path) -> str:
    return ".".join((package, *path.relative_to(FOLDERS[package]).with_suffix("").parts)).removesuffix(".__init__")


FILES = {
    module_name(package, path): path for package, folder in FOLDERS.items() for path in sorted(folder.rglob("*.py"))
}


def place(module: str) -> int:
    """Return how far up the package of a module stands."""
    if module == "longlag":
        return -1
    return len(PACKAGES) if module in TOP else PACKAGES.index(module.split(".")[1])


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
    assert imported_by(source) == {"longlag.registry", "numpy.linalg"}


@pytest.mark.parametrize("module", FILES)
def test_no_module_imports_from_a_higher_package(module):
    ours = {name for name in IMPORTS[module] if name in FILES}
    too_high = {name for name in ours if place(name) > place(module)}
    assert not too_high, f"{module} imports {sorted(too_high)} from a higher package"
    assert not ours & set(TOP)


def test_imports_are_acyclic():
    graph = {module: {name for name in names if name in FILES and name != module} for module, names in IMPORTS.items()}
    order = list(graphlib.TopologicalSorter(graph).static_order())  # raises CycleError
    assert set(order) == set(FILES)


def test_no_other_file_lies_in_the_top_folder():
    files = {path.name for path in (ROOT / "bench").iterdir() if path.is_file()}
    assert files == {"__init__.py", "__main__.py", "README.md", "py.typed", "results.py", "cohort.py"}


@pytest.mark.parametrize("package", sorted({name.rpartition(".")[0] for name in FILES} - {"", "longlag"}))
def test_a_package_is_small_or_an_open_folder(package):
    assert len([name for name in FILES if name.rpartition(".")[0] == package]) <= 20 or package[8:] in OPEN


def table() -> str:
    """Write the table of packages, each with the first line of its docstring."""
    rows = ["| package | what it is |", "|---|---|"]
    for name in PACKAGES:
        said = ast.get_docstring(ast.parse(FILES[f"longlag.{name}"].read_text(encoding="utf-8")))
        rows.append(f"| `{name}` | {str(said).splitlines()[0]} |")
    return "\n".join(rows) + "\n"


def test_the_architecture_shows_these_packages_in_this_order():
    assert table() in ARCHITECTURE.read_text(encoding="utf-8"), "run: python tests/test_layers.py"


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


@pytest.mark.parametrize("folder", OPEN)
def test_members_of_an_open_folder_do_not_import_each_other(folder):
    members = {name for name in FILES if name.rpartition(".")[0] == f"longlag.{folder}"} - {f"longlag.{folder}.base"}
    assert members
    for module in members:
        assert not IMPORTS[module] & members, f"{module} imports a neighbour"


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


if __name__ == "__main__":
    before, _, rest = ARCHITECTURE.read_text(encoding="utf-8").partition("| package |")
    ARCHITECTURE.write_text(before + table() + "\n" + rest.partition("\n\n")[2], encoding="utf-8")
