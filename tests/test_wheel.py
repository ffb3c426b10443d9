"""The built package, installed into a bare folder, beside a project whose names clash with those of its folders."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parent.parent
CLASHING = ("tasks/__init__.py", "bench/__init__.py", "longlag_plugins.py", "copy.py", "results.py", "cohort.py")


def pip(*args):
    subprocess.run([sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", *args], check=True)


@pytest.fixture(scope="module")
def longlag(tmp_path_factory):
    """Return a function that runs the installed command in the other project, and what it wrote."""
    folder = tmp_path_factory.mktemp("wheel")
    installed, project = folder / "installed", folder / "project"
    pip("wheel", "--no-deps", "--wheel-dir", str(folder), str(ROOT))
    (wheel,) = folder.glob("*.whl")
    pip("install", "--no-deps", "--target", str(installed), str(wheel))
    for file in CLASHING:
        (project / file).parent.mkdir(parents=True, exist_ok=True)
        (project / file).write_text("raise ImportError('this is the other project')\n")

    def run(*args, expected=0):
        command = [sys.executable, str(installed / "bin" / "longlag"), *args]
        environment = os.environ | {"PYTHONPATH": str(installed)}
        ran = subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True, check=False)
        assert ran.returncode == expected, ran.stdout + ran.stderr
        return ran.stdout

    run.installed, run.project = installed, project
    return run


def test_it_is_the_installed_package_that_runs(longlag):
    program = "import longlag, longlag.tasks; print(longlag.__file__, longlag.tasks.__file__)"
    environment = os.environ | {"PYTHONPATH": str(longlag.installed)}
    found = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
    assert all(Path(file).is_relative_to(longlag.installed) for file in found.stdout.split())


@pytest.mark.parametrize("what", ["tasks", "cells", "clips", "optimizers", "schedules", "studies"])
def test_what_there_is_is_listed_as_in_a_checkout(longlag, what):
    here = subprocess.run([sys.executable, "-m", "longlag", "list", what], capture_output=True, text=True, check=True)
    assert longlag("list", what) == here.stdout


def test_a_study_is_planned_run_and_exported_with_the_bytes_of_a_checkout(longlag, tmp_path):
    assert "to train" in longlag("plan", "quick")
    longlag("run", "smoke", "--workers", "2")
    assert "Plotly" in (longlag.project / "results" / "smoke" / "report.html").read_text(encoding="utf-8")
    assert "to train  0 in 0 cohorts" in longlag("plan", "smoke")
    command = [sys.executable, "-m", "longlag"]
    subprocess.run([*command, "run", "smoke", "--results", str(tmp_path)], capture_output=True, check=True)
    here = subprocess.run([*command, "export", "smoke", "--results", str(tmp_path)], capture_output=True, check=True)
    assert longlag("export", "smoke").encode() == here.stdout


def test_the_baseline_and_the_simulated_outcomes_come_with_it(longlag):
    assert "the procedure does what it promises" in longlag("check", "--self-test")


def test_a_new_cell_passes_its_check(longlag):
    longlag("new", "cell", "mine")
    assert "all" in longlag("check-cell", "--plugin", "mine.py")


def test_a_folder_of_the_checkout_cannot_be_imported_under_its_own_name():
    for name in ("bench", "tasks"):
        ran = subprocess.run([sys.executable, "-c", f"import {name}"], cwd=ROOT, capture_output=True, text=True)
        assert ran.returncode == 1
        assert f"is called longlag{'.tasks' * (name == 'tasks')}, not {name}" in ran.stderr
