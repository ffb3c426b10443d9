"""Compiled writers of batches: they are what their source says, stay within their arrays, and are compiled anew."""

import importlib
import shutil
from pathlib import Path

import numpy as np
import pytest

from longlag import registry
from longlag.checks.batches import same
from longlag.scans.engine import scan
from longlag.tasks import agreement, agreement_constructions
from longlag.tasks.support import sentences
from longlag.tasks.support.compiler import cache_folder, compiled
from longlag.values.seeding import stream

SPECS = [
    *("agreement", "agreement:objective=number", "agreement:nouns=0", "agreement:nouns=1", "agreement:nouns=3-7"),
    *("agreement:nouns=20,objective=number", "agreement_constructions", "agreement_constructions:objective=number"),
]


@pytest.mark.parametrize("held_out", [False, True])
@pytest.mark.parametrize("spec", SPECS)
def test_compiled_code_does_what_python_does_which_checks_every_index(spec, held_out, monkeypatch):
    task = registry.task(spec)
    fast = task.draw(stream("test", spec).generator(), 300, held_out)
    for module in (agreement, agreement_constructions):
        monkeypatch.setattr(module, "write", module.write.__wrapped__)
    monkeypatch.setattr(sentences, "lay_out", sentences.lay_out.__wrapped__)
    assert same(fast, task.draw(stream("test", spec).generator(), 300, held_out))


def test_a_function_of_a_task_is_compiled_at_its_first_call():
    sums = np.zeros(1, dtype=np.int64)

    def add(numbers):
        for number in numbers:
            sums[0] += number  # what is compiled cannot write to what it takes for a constant

    with pytest.raises(Exception, match="readonly"):
        compiled(add)(np.arange(3))


@pytest.mark.parametrize(
    ("package", "changed"),
    [
        ("longlag.tasks", "agreement.py"),
        ("longlag.tasks", "support/sentences.py"),
        ("longlag.tasks", "support/lexicon.toml"),
        ("longlag.scans", "engine/scan.py"),
        ("longlag.scans", "kernels/rnn.py"),
    ],
)
def test_code_is_compiled_anew_when_a_file_of_its_package_changes(package, changed, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    copy = tmp_path / "copy"
    shutil.copytree(importlib.import_module(package).__path__[0], copy, copy_function=shutil.copyfile)
    text, folders = (copy / changed).read_text(), []
    for ending in ("", "\n", ""):
        (copy / changed).write_text(text + ending)
        cache_folder.cache_clear()
        folders.append(cache_folder(copy))
    cache_folder.cache_clear()
    assert folders[0] == folders[2] != folders[1]
    assert all(folder.is_dir() and folder.is_relative_to(tmp_path / "cache" / "longlag") for folder in folders)


def test_a_sentence_without_nouns_between_is_no_example_for_the_number():
    assert registry.task("agreement:nouns=0,objective=number").example() is None
    task = registry.task("agreement:nouns=0")
    batch = task.example()
    assert batch.lengths.tolist() == [len(batch.inputs)] == [task.length]


def test_compiled_loops_lie_in_the_folder_of_all_scans():
    folder = cache_folder(Path(importlib.import_module("longlag.scans").__path__[0]).resolve())
    assert Path(scan.scan_forward._cache.cache_path).is_relative_to(folder)
