"""What others may import: a README lists it, and the names stay where they are."""

import importlib
import re
from importlib.resources import files

import pytest
from readme_tables import READMES

README = "\n\n".join(file.read_text(encoding="utf-8") for file in READMES)
TABLE = README.partition("| module | names |\n|---|---|\n")[2].partition("\n\n")[0]
PUBLIC = {row.split("`")[1]: set(re.findall(r"`(\w+)`", row.partition(" | ")[2])) for row in TABLE.splitlines()}
EXAMPLES = [block for block in re.findall(r"```python\n(.*?)```", README, re.DOTALL) if "longlag" in block]
SKELETONS = [file.read_text() for file in files("longlag.registry.skeletons").iterdir() if file.name.endswith(".py")]


def imports_of(source):
    """List ``(module, name)`` of what a source imports from `longlag`."""
    found = re.findall(r"^from (longlag[\w.]*) import ([\w, ]+)", source, re.MULTILINE)
    return {(module, name.strip()) for module, names in found for name in names.split(",")}


def test_there_is_a_table():
    bases = {f"longlag.{folder}.base" for folder in ("tasks", "cells", "clips", "optimisers", "schedules")}
    assert bases | {"longlag.results"} <= PUBLIC.keys()


@pytest.mark.parametrize("module", PUBLIC)
def test_what_may_be_imported_is_what_the_module_says(module):
    assert set(importlib.import_module(module).__all__) == PUBLIC[module]
    assert all(hasattr(importlib.import_module(module), name) for name in PUBLIC[module])


@pytest.mark.parametrize("source", [*EXAMPLES, *SKELETONS])
def test_examples_and_skeletons_import_nothing_else(source):
    assert imports_of(source) <= {(module, name) for module, names in PUBLIC.items() for name in names}


def test_examples_and_skeletons_import_something():
    assert len(set.union(*map(imports_of, [*EXAMPLES, *SKELETONS]))) >= 10
