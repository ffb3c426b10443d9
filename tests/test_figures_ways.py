"""Figures of a study with many ways are small enough to print, and say of each way what is its own."""

from dataclasses import replace
from itertools import combinations

import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from synthetic import ADDING, COPY, LONG_NAMES, Shape, make_study

from longlag.report.figures.all import FIGURES
from longlag.report.figures.support.rows import MOST_FRAMES, frames_of, side_by_side
from longlag.report.figures.support.small_multiples import MOST_ROWS, lay_out
from longlag.report.outcomes import study_panels
from longlag.values.wiring import SKIPS

GENERIC = ("learning_curves", "solved", "statuses", "updates_to_solve", "gradient_norms")
DEEP = {"cells": ("gru",), "clips": ("norm:1",), "layers": (1, 8), "skips": tuple(SKIPS), "seeds": 2}
MANY = Shape(tasks=(COPY,), lrs=(0.003, 0.01), **DEEP)
TWO_TASKS = Shape(tasks=(COPY, ADDING), **DEEP)


@pytest.fixture(
    scope="module", params=[(MANY, GENERIC), (TWO_TASKS, ("learning_curves", "solved"))], ids=["one-task", "two-tasks"]
)
def drawn(request):
    shape, names = request.param
    study = make_study(shape)
    drawings = {name: FIGURES[name](study) for name in names}
    for drawing in drawings.values():
        drawing.settle()
    return study, drawings


def test_they_are_no_larger_than_a_page(drawn):
    for name, drawing in drawn[1].items():
        width, height = drawing.figure.get_size_inches()
        assert width <= 7.01, name
        assert height <= 9, name


def test_nothing_that_is_written_overlaps(drawn):
    for name, drawing in drawn[1].items():
        renderer = FigureCanvasAgg(drawing.figure).get_renderer()
        written = [text for ax in drawing.figure.axes for text in (ax._left_title, ax.xaxis.label, ax.yaxis.label)]
        boxes = [text.get_window_extent(renderer) for text in written if text.get_text().strip()]
        for first, second in combinations(boxes, 2):
            assert not first.overlaps(second), name
        frames = [ax.get_window_extent(renderer) for ax in drawing.figure.axes if ax.axison]
        titles = [ax._left_title.get_window_extent(renderer) for ax in drawing.figure.axes if ax._left_title.get_text()]
        assert not any(title.overlaps(frame) for title in titles for frame in frames), name


def test_every_way_has_its_numbers(drawn):
    study, drawings = drawn
    panels = {(part.task, part.ways_label) for part in study_panels(study)}
    assert len(panels) == 10
    for name, drawing in drawings.items():
        assert set(map(tuple, drawing.data[["task", "ways"]].drop_duplicates().to_numpy())) == panels, name


def test_small_frames_tell_ways_apart_and_the_caption_what_they_share(drawn):
    study, drawings = drawn
    figure = drawings["learning_curves"].figure
    titles = {ax._left_title.get_text().replace("\n", " ") for ax in figure.axes} - {""}
    tasks = {part.task for part in study_panels(study)}
    assert len(titles) == 10
    assert any(title.startswith("8 layers, skip highway") for title in titles) == (len(tasks) == 1)
    assert ("copy (items 3, blanks 10), lag 13, norm" in figure.get_suptitle()) == (len(tasks) == 1)
    named = [ax for ax in figure.axes if ax.get_xlabel()]
    assert len(named) == (6 if len(tasks) == 1 else 5), "the lowest of each column, and what has nothing below it"


def test_a_line_is_a_way_and_a_frame_what_the_last_differ_in():
    frames = frames_of(study_panels(make_study(MANY)))
    assert [frame.title.splitlines()[1] for frame in frames] == ["lr 0.003", "lr 0.01"]
    assert [line.label for line in frames[0].lines] == [
        "1 layer", *(f"8 layers, skip {skip}" for skip in sorted(SKIPS)),
    ]  # fmt: skip


def test_a_line_that_a_frame_lacks_stays_in_its_place():
    parts = study_panels(make_study(replace(MANY, lrs=(0.003, 0.01, 0.03))))
    parts.pop(3)  # dense at the first rate
    first, second, _ = side_by_side(frames_of(parts))
    assert [line.label for line in first.lines] == [line.label for line in second.lines]
    absent = [[line.part is None for line in frame.lines] for frame in (first, second)]
    assert absent == [[False, True, False, False, False], [False] * 5]


def test_many_tasks_trained_in_one_way_each_have_a_frame_each():
    (part,) = study_panels(make_study(Shape(tasks=(COPY,), clips=("none",), seeds=2)))
    frames = frames_of([replace(part, task=f"copy:blanks={blanks}") for blanks in range(1, MOST_FRAMES + 2)])
    assert len(frames) == MOST_FRAMES + 1
    assert {len(frame.lines) for frame in frames} == {len(part.cells)}


@pytest.mark.parametrize("name", ["solved", "statuses"])
def test_long_names_are_broken_so_that_frames_stay_side_by_side(name):
    drawing = FIGURES[name](make_study(Shape(tasks=LONG_NAMES, clips=("none", "norm:1"), seeds=2)))
    drawing.settle()
    renderer = FigureCanvasAgg(drawing.figure).get_renderer()
    titles = [ax._left_title for ax in drawing.figure.axes if ax._left_title.get_text()]
    boxes = [title.get_window_extent(renderer) for title in titles]
    assert len({round(box.x0) for box in boxes}) == 3
    frames = [ax.get_window_extent(renderer) for ax in drawing.figure.axes if ax.axison]
    assert not any(first.overlaps(second) for first, second in combinations(boxes, 2))
    assert not any(title.overlaps(frame) for title in boxes for frame in frames)
    assert all(title.get_text().splitlines()[-2].endswith(")") for title in titles), "between options, not within"


def test_frames_are_small_where_that_saves_rows():
    (part,) = study_panels(make_study(Shape(tasks=(COPY,), cells=("gru",), clips=("none",), seeds=2)))
    ways = [replace(part, ways={"lr": rate}) for rate in range(MOST_ROWS + 1)]
    tasks = [replace(part, task=f"copy:blanks={blanks}") for blanks in range(1, MOST_ROWS + 2)]
    assert lay_out(ways, ["none"], [1.0], sharey=True).small
    assert not lay_out(ways[:-1], ["none"], [1.0], sharey=True).small
    assert not lay_out(ways, ["none", "norm:1"], [1.0], sharey=True).small
    assert not lay_out(tasks, ["none"], [1.0], sharey=True).small
