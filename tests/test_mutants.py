"""The list of faults fits the package as it is, so that `make mutants` can plant each; none is planted here."""

from pathlib import Path

import pytest
from mutants import TESTS, Mutant, mutants

import longlag
import longlag.tasks


@pytest.mark.parametrize("mutant", mutants(), ids=lambda mutant: mutant.name)
def test_a_fault_can_be_planted_and_is_looked_for(mutant):
    root = Path(longlag.tasks.__path__[0]).parent if mutant.file.startswith("tasks/") else Path(longlag.__path__[0])
    text = (root / mutant.file).read_text()
    planted = mutant.planted(text)
    assert planted != text
    compile(planted, mutant.file, "exec")
    assert mutant.tests
    assert all((TESTS / f"{name}.py").is_file() for name in mutant.tests)


def test_a_text_that_does_not_occur_once_is_refused():
    mutant = Mutant("a fault", "a.py", "x", "y", ("test_a",))
    for text in ("a", "x x"):
        with pytest.raises(ValueError, match=rf"a fault: 'x' occurs {text.count('x')} times in a\.py, not once"):
            mutant.planted(text)


def test_names_of_faults_are_their_own():
    names = [mutant.name for mutant in mutants()]
    assert len(set(names)) == len(names) >= 30
