"""Figures that stand as they would be drawn are left alone; whatever they follow from draws them again."""

from dataclasses import replace
from pathlib import Path

import pytest
from made_study import USUAL, put, study_of
from matplotlib.figure import Figure

from longlag.cli.training import figures_of
from longlag.report import drawn
from longlag.report.figures import all as figures
from longlag.report.figures.panels import Drawing
from longlag.store.results import StudyData, load_study


@pytest.fixture
def data(tmp_path: Path) -> StudyData:
    put(study_of(2), tmp_path, USUAL)
    return load_study("made", tmp_path)


@pytest.fixture
def draws(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Stand in for what draws, which takes seconds; lists the studies it was asked for."""
    asked: list[str] = []

    def draw(study: StudyData) -> Drawing:
        asked.append(study.title)
        return Drawing(Figure(), study.plan[["task", "cell"]])

    monkeypatch.setattr(figures, "FIGURES", {"solved": draw})
    return asked


def test_what_stands_is_not_drawn_again(data: StudyData, draws: list[str], tmp_path: Path) -> None:
    first = figures_of(data, tmp_path)
    assert [path.name for path in first] == ["solved.png", "solved.pdf", "solved.csv"]
    before = [path.stat().st_mtime_ns for path in first]
    assert figures_of(data, tmp_path) == first
    assert [path.stat().st_mtime_ns for path in first] == before
    assert len(draws) == 1


def test_a_file_that_was_removed_or_changed_is_drawn_again(data: StudyData, draws: list[str], tmp_path: Path) -> None:
    png, _, csv = figures_of(data, tmp_path)
    as_drawn = png.read_bytes(), csv.read_bytes()
    png.unlink()
    figures_of(data, tmp_path)
    csv.write_text("mine")
    figures_of(data, tmp_path)
    assert (png.read_bytes(), csv.read_bytes()) == as_drawn
    (tmp_path / "figures" / drawn.NOTE).write_text("[]")
    figures_of(data, tmp_path)
    assert len(draws) == 4


def test_other_numbers_words_libraries_or_code_draw_again(
    data: StudyData, draws: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    figures_of(data, tmp_path)
    others = [replace(data, title="Another"), replace(data, outside=3), replace(data, trials=data.trials.iloc[1:])]
    assert len({drawn.digest_of(one) for one in (data, *others)}) == 4
    monkeypatch.setattr(drawn, "version", lambda name: "another")
    figures_of(data, tmp_path)
    monkeypatch.undo()
    usual, files, changed = drawn.digest_of(data), drawn.modules(), tmp_path / "style.py"
    changed.write_text("")
    monkeypatch.setattr(drawn, "modules", lambda: files | {"longlag.report.figures.style": changed})
    assert drawn.digest_of(data) != usual
    assert len(draws) == 2


def test_the_digest_covers_what_the_drawing_code_imports() -> None:
    covered = drawn.closure([drawn.DRAWS], drawn.modules())
    assert {"longlag.report.figures.curves", "longlag.report.figures.style", "longlag.report.outcomes"} <= covered
    assert any(name.startswith("longlag.stats.") for name in covered)
