"""Figures and sentences about depth, skip connections and direction."""

from dataclasses import replace
from itertools import combinations

import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from synthetic import ADDING, COPY, SENTIMENT, Shape, make_study

from longlag.report.figures import style
from longlag.report.figures.all import WHERE
from longlag.report.figures.depth import depth, depth_frames, has_depth
from longlag.report.figures.direction import direction, has_direction
from longlag.report.summary import summarise
from longlag.report.text.summary_lines import stories
from longlag.report.text.tables import readable
from longlag.values.wiring import DIRECTIONS, SKIPS

DEEP = Shape(
    tasks=(COPY,), cells=("gru",), clips=("norm:1",), lrs=(0.003, 0.01), seeds=3, layers=(1, 2, 8), skips=tuple(SKIPS)
)
BOTH = Shape(tasks=(SENTIMENT, ADDING), cells=("gru", "lstm"), clips=("norm:1",), directions=tuple(DIRECTIONS))


def texts(figure):
    return [text.get_text() for ax in figure.axes for text in [*ax.texts, ax.title, ax._left_title] if text.get_text()]


def test_each_is_drawn_only_where_its_axes_vary():
    plain = make_study(Shape(tasks=(COPY,), cells=("gru",), clips=("none",)))
    assert not has_depth(plain)
    assert not has_direction(plain)
    assert WHERE["depth"](make_study(DEEP))
    assert not WHERE["direction"](make_study(DEEP))
    assert WHERE["direction"](make_study(BOTH))
    assert not WHERE["depth"](make_study(BOTH))


@pytest.mark.parametrize(("draw", "shape"), [(depth, DEEP), (direction, BOTH)])
def test_drawn_twice_they_are_the_same_bytes(draw, shape, tmp_path):
    written = []
    for place in "ab":
        (tmp_path / place).mkdir()
        written.append(draw(make_study(shape)).save(tmp_path / place, "drawn"))
    for first, second in zip(*written, strict=True):
        assert first.read_bytes() == second.read_bytes(), first.suffix


@pytest.mark.parametrize(("draw", "shape"), [(depth, DEEP), (direction, BOTH)])
def test_a_half_finished_study_says_so_and_nothing_overlaps(draw, shape):
    drawing = draw(make_study(replace(shape, stored=0.6)))
    assert " of " in drawing.figure.get_suptitle().splitlines()[0]
    drawing.settle()
    renderer = FigureCanvasAgg(drawing.figure).get_renderer()
    frames = [ax.get_tightbbox(renderer) for ax in drawing.figure.axes]
    (legend,) = drawing.figure.legends
    assert not any(legend.get_window_extent(renderer).overlaps(frame) for frame in frames)
    titles = [ax._left_title for ax in drawing.figure.axes if ax._left_title.get_text()]
    for first, second in combinations(titles, 2):
        assert not first.get_window_extent(renderer).overlaps(second.get_window_extent(renderer))


@pytest.mark.parametrize(("draw", "shape"), [(depth, DEEP), (direction, BOTH)])
def test_a_study_without_results_is_drawn(draw, shape):
    assert "0 of" in draw(make_study(replace(shape, stored=0))).figure.get_suptitle()


def test_depth_counts_what_solves_a_line_a_skip_from_one_layer_on():
    drawing = depth(make_study(DEEP))
    found = drawing.data.set_index(["ways", "skip", "layers"])["solved_count"]
    assert len(found) == 2 * len(SKIPS) * 3
    assert [found["lr 0.003", "none", layers] for layers in (1, 2, 8)] == [3, 3, 0]
    assert [found["lr 0.01", "dense", layers] for layers in (1, 2, 8)] == [3, 3, 3]
    upper = drawing.figure.axes[0]
    colors = {line.get_color() for line in upper.lines}
    assert colors == {style.skip_look(skip).color for skip in SKIPS}
    assert "floor 0.875" in texts(drawing.figure)
    assert any("n = 3" in text for text in texts(drawing.figure))
    assert "log axis" in drawing.figure.axes[-1].get_xlabel()


def test_one_layer_begins_the_lines_of_every_way_between_layers():
    study = make_study(DEEP)
    plan = study.plan.assign(normalisation=["layer" if layers > 1 else "none" for layers in study.plan["layers"]])
    (first, second) = depth_frames(replace(study, plan=plan))
    for part in (first, second):
        assert set(part.frame["layers"]) == {1, 2, 8}
        assert set(part.frame["normalisation"]) == {"layer"}


def test_direction_shows_every_seed_beside_the_floor():
    drawing = direction(make_study(BOTH))
    assert len(drawing.data) == 2 * 2 * 2 * 3
    found = drawing.data.groupby(["task", "direction"])["error"].agg(["min", "max"])
    assert found.loc[(SENTIMENT, "forward")].tolist() == [0.5, 0.5]
    assert found.loc[(SENTIMENT, "bidirectional"), "max"] < 0.1
    said = texts(drawing.figure)
    assert "floor 0.5" in said
    assert said.count("0/3") == 2


def test_a_sentence_counts_skips_at_the_largest_depth_and_both_directions():
    deep = stories(make_study(DEEP))[COPY]
    assert "at 8 layers plain 0/6, residual 6/6, dense 6/6, highway 6/6 solve (one layer 6/6)" in deep
    assert "forward 0/6, bidirectional 6/6 solve" in stories(make_study(BOTH))[SENTIMENT]


def test_tables_have_a_column_for_each_of_what_differs():
    study = make_study(DEEP)
    table = readable(study, summarise(study))
    assert {"layers", "skip"} <= set(table.columns)
    assert "direction" not in table.columns
    both = make_study(BOTH)
    assert set(readable(both, summarise(both))["direction"]) == set(DIRECTIONS)
