"""Figures are complete, legible and the same when drawn twice."""

import weakref
from dataclasses import replace
from itertools import combinations

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from synthetic import ADDING, AGREEMENT, CELLS, COPY, LADDER, MORE_CELLS, Shape, make_study

from longlag import registry
from longlag.report.figures import style
from longlag.report.figures.agreement import has_agreement, last_noun_error
from longlag.report.figures.all import FIGURES, WHERE, draw_figures
from longlag.report.figures.curves import MOST_FAINT, curves, median_error
from longlag.report.figures.support.looks import kept_apart
from longlag.report.figures.support.palette import OTHERS, SHIPPED
from longlag.report.memo import once
from longlag.report.outcomes import outcomes, seeds, study_panels
from longlag.tasks.support.options import Range

FULL = Shape(tasks=(COPY, AGREEMENT), clips=("none", "norm:1"), seeds=2, test_lags=(13, 52))
SHOWN = [name for name in FIGURES if name not in WHERE or WHERE[name](make_study(FULL))]
HALF = replace(FULL, cells=MORE_CELLS, stored=0.7, failed=True, sources=2)


@pytest.fixture(scope="module")
def drawn():
    """Every figure of a half-finished study of twelve cells, laid out."""
    study = make_study(HALF)
    ladder = make_study(replace(HALF, tasks=LADDER))
    drawings = {name: FIGURES[name](study) for name in SHOWN} | {"horizons": FIGURES["horizons"](ladder)}
    for drawing in drawings.values():
        drawing.settle()
    return drawings


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """The files of one study, written twice."""
    study = make_study(replace(FULL, tasks=(AGREEMENT,), cells=CELLS[2:]))
    ladder = make_study(replace(FULL, tasks=LADDER))
    folders = [tmp_path_factory.mktemp(name) for name in "ab"]
    return [draw_figures(study, folder) + FIGURES["horizons"](ladder).save(folder, "horizons") for folder in folders]


def texts(figure):
    return [text.get_text() for text in figure.findobj(mpl.text.Text) if text.get_text() and text.get_visible()]


def test_figures_drawn_twice_are_the_same_bytes(written):
    assert len(written[0]) == 3 * len(SHOWN) + 3
    for first, second in zip(*written, strict=True):
        assert first.read_bytes() == second.read_bytes(), first.name


def test_each_figure_has_its_numbers_beside_it(written):
    for name in (*SHOWN, "horizons"):
        paths = {path.suffix: path for path in written[0] if path.stem == name}
        assert set(paths) == {".png", ".pdf", ".csv"}
        assert len(pd.read_csv(paths[".csv"])) > 0


def test_fonts_are_embedded_as_truetype_and_no_date_is_kept(written):
    for path in (path for path in written[0] if path.suffix == ".pdf"):
        content = path.read_bytes()
        assert b"/Subtype /Type3" not in content
        assert b"/FontFile2" in content  # an embedded TrueType program
        assert b"CreationDate" not in content


def test_a_half_finished_study_says_so_in_every_figure(drawn):
    for name, drawing in drawn.items():
        study = make_study(replace(HALF, tasks=LADDER) if name == "horizons" else HALF)
        results = study.trials["status"].isin(["solved", "unsolved", "exploded", "diverged"]).sum()
        title = drawing.figure.get_suptitle()
        assert f"{results} of {len(study.plan)} trials" in title
        assert "mixed source" in title


def test_twelve_cells_do_not_make_a_legend_cover_anything(drawn):
    for name, drawing in drawn.items():
        renderer = FigureCanvasAgg(drawing.figure).get_renderer()
        whole = drawing.figure.get_window_extent(renderer).padded(1)
        frames = [ax.get_tightbbox(renderer) for ax in drawing.figure.axes]
        for legend in drawing.figure.legends:
            box = legend.get_window_extent(renderer)
            assert whole.containsx(box.x0) and whole.containsx(box.x1) and whole.containsy(box.y0), name  # noqa: PT018
            assert not any(box.overlaps(frame) for frame in frames), name


def test_titles_do_not_touch_each_other(drawn):
    for name, drawing in drawn.items():
        renderer = FigureCanvasAgg(drawing.figure).get_renderer()
        shown = [
            title for ax in drawing.figure.axes for title in (ax.title, ax._left_title) if title.get_text().strip()
        ]
        lines = [title for title in shown if "\n" not in title.get_text().rstrip()]
        for first, second in combinations([title for title in lines if "\n" not in title.get_text()], 2):
            assert not first.get_window_extent(renderer).overlaps(second.get_window_extent(renderer)), name


def test_frames_are_labelled_with_n_lag_floor_and_units(drawn):
    said = " ".join("\n".join(texts(drawn["learning_curves"].figure)).split())
    for part in (
        "copy (items 3, blanks 10)",
        "lag 13",
        "n = ",
        "floor 0.875",
        "solved below 0.01",
        "log axis",
        "updates",
    ):
        assert part in said
    assert "probability of the next\nword, log axis" in texts(drawn["agreement"].figure)
    assert "clipped above 1" in texts(drawn["gradient_norms"].figure)


def test_the_heat_map_holds_the_counts():
    study = make_study(FULL)
    drawing = FIGURES["solved"](study)
    found = drawing.data.set_index(["task", "cell", "clip"]).loc[(COPY, CELLS[2], "norm:1")]
    assert (found["solved_count"], found["n"], found["N"]) == (2, 2, 2)
    assert texts(drawing.figure).count("2/2") == (drawing.data["solved_count"] == 2).sum()


def test_status_counts_add_up_to_the_plan(drawn):
    study = make_study(HALF)
    data = drawn["statuses"].data
    assert data["trials"].sum() == len(study.plan)
    counts = data.groupby("status")["trials"].sum()
    assert counts["failed"] == (study.trials["status"] == "failed").sum()
    assert counts["not trained yet"] == len(study.plan) - len(study.trials)


def test_survival_ends_at_the_budget_also_for_diverged_trials():
    data = FIGURES["updates_to_solve"](make_study(FULL)).data
    lost = data[(data["cell"] == CELLS[2]) & (data["clip"] == "none") & (data["task"] == COPY)]
    assert lost[["update", "unsolved_fraction"]].to_numpy().tolist() == [[0, 1], [1000, 1]]


def test_a_lost_trial_counts_as_the_floor_in_the_median():
    data = FIGURES["learning_curves"](make_study(replace(FULL, tasks=(COPY,)))).data
    bold = data[(data["cell"] == CELLS[2]) & (data["clip"] == "none") & (data["seed"] == "median")]
    assert bold["error"].iloc[-1] == 0.875


def test_a_trial_that_has_ended_keeps_its_last_error_in_the_median():
    rows = pd.DataFrame({"seed": range(3), "status": "solved", "budget_updates": 300, "baseline_error": 1.0})
    wide = pd.DataFrame({0: [0.9, 0.1, None], 1: [0.8, 0.6, 0.5], 2: [0.7, 0.4, 0.2]}, index=[100, 200, 300])
    assert median_error(rows, wide).tolist() == [0.8, 0.4, 0.2], "of .1, .5 and .2, not of .5 and .2"


def test_n_counts_the_trials_that_have_a_result():
    study = make_study(Shape(tasks=(COPY,), cells=("gru",), clips=("none", "norm:1"), seeds=4, stored=5 / 8))
    assert seeds(outcomes(study)) == "n = 1 to 4"


def test_curves_are_those_of_the_trials_wherever_their_rows_stand():
    study = make_study(HALF)
    shuffled = replace(study, curves=study.curves.sample(frac=1, random_state=0))
    for part in study_panels(shuffled):
        rows = part.of("gru", "none")
        points = study.curves.merge(rows.loc[rows["counted"], ["key", "seed"]], on="key")
        expected = points.pivot(index="update", columns="seed", values="error")
        pd.testing.assert_frame_equal(curves(shuffled).of(rows, "error"), expected, check_column_type=False)


def test_of_many_seeds_only_the_first_are_drawn_faint_and_the_caption_says_so():
    study = make_study(Shape(tasks=(COPY,), cells=("gru",), clips=("none",), seeds=MOST_FAINT + 5))
    for name in ("learning_curves", "gradient_norms"):
        drawing = FIGURES[name](study)
        assert {len(lines.get_segments()) for ax in drawing.figure.axes for lines in ax.collections} == {MOST_FAINT}
        assert f"the first {MOST_FAINT} seeds faint" in drawing.figure.get_suptitle()
        assert drawing.data["seed"].nunique() == MOST_FAINT + 5 + 1  # all of them, and the median


def test_what_was_found_of_a_study_is_found_again_and_goes_with_it():
    found = []
    find = once(lambda study: found.append(study.name) or study.name)
    study = make_study(Shape(tasks=(COPY,), cells=("gru",), clips=("none",)))
    assert find(study) == find(study) == "made-up"
    assert found == ["made-up"]
    assert find(replace(study, name="other")) == "other"
    gone = weakref.ref(study)
    del study
    assert gone() is None


def test_a_subset_keeps_its_colours():
    looks = {cell: style.cell_look(cell) for cell in MORE_CELLS}
    figure = FIGURES["updates_to_solve"](make_study(replace(FULL, tasks=(ADDING,), cells=("gru", "ugrnn")))).figure
    colors = [handle.get_color() for handle in figure.legends[0].legend_handles]
    assert colors == [looks["gru"].color, looks["ugrnn"].color]
    assert len({(look.color, look.marker) for look in looks.values()}) == len(looks)


def many(count):
    """Return cells that have no fixed look: more than a few of them have the same look by their hash."""
    return tuple(f"lstm:forget_bias={bias}" for bias in range(2, 2 + count))


def looks_of(cells):
    return [style.cell_look(cell)[1:] for cell in cells]


def test_as_many_cells_as_there_are_looks_are_told_apart():
    cells = many(len(OTHERS))
    assert len(set(looks_of(cells))) < len(OTHERS), "by their hashes alone some would look alike"
    with kept_apart(pd.DataFrame({"cell": cells, "clip": "none"})):
        assert len(set(looks_of(cells))) == len(OTHERS)
        assert not set(looks_of(cells)) & {look[1:] for look in SHIPPED.values()}
    with kept_apart(pd.DataFrame({"cell": [*cells, "elsewhere"], "clip": "none"})):
        assert len(set(looks_of([*cells, "elsewhere"]))) == len(OTHERS), "one more has to share a look"


def test_a_cells_look_depends_neither_on_order_nor_on_what_else_is_drawn():
    cells = many(40)
    plan = pd.DataFrame({"cell": cells, "clip": "none"})
    with kept_apart(plan):
        told = dict(zip(cells, looks_of(cells), strict=True))
        with kept_apart(plan.tail(3)):
            assert looks_of(cells) == list(told.values()), "a part of a study looks as in the whole"
    with kept_apart(plan.iloc[::-1]):
        assert looks_of(cells) == list(told.values())
    alone = dict(zip(cells, looks_of(cells), strict=True))
    assert len({look for cell, look in alone.items() if told[cell] == look}) == len(set(alone.values())), (
        "of those that share a look by their hash, one keeps it"
    )


def test_as_many_clips_as_there_are_dashes_are_told_apart():
    clips = ("none", "norm:1", "value:0.1", *(f"norm:0.{digit}" for digit in range(1, 9)))
    assert len({str(style.clip_line(clip)) for clip in clips}) < len(clips)
    with kept_apart(pd.DataFrame({"cell": "lstm", "clip": clips})):
        assert len({str(style.clip_line(clip)) for clip in clips}) == len(clips)


def test_cells_of_one_figure_are_told_apart_in_its_legend(tmp_path):
    first = many(1)[0]
    alike = next(cell for cell in many(200)[1:] if style.cell_look(cell)[1:] == style.cell_look(first)[1:])
    study = make_study(replace(FULL, tasks=(COPY,), cells=(first, alike)))
    drawn_in = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("longlag.report.figures.panels.Drawing.save", lambda self, *_: drawn_in.append(self.figure) or [])
        draw_figures(study, tmp_path)
    (figure,) = [of for of in drawn_in if of.get_suptitle().startswith("Learning curves")]
    handles = figure.legends[0].legend_handles[:2]
    assert len({(handle.get_color(), handle.get_marker()) for handle in handles}) == 2


def test_no_two_shipped_cells_look_alike():
    shipped = [style.cell_look(name) for name in registry.names("cell")]
    assert len({(look.color, look.marker) for look in shipped}) == len(shipped)
    assert not {(look.color, look.marker) for look in SHIPPED.values()} & set(OTHERS)


def test_what_has_no_result_is_not_drawn_as_unsolved():
    figure = FIGURES["solved"](make_study(replace(FULL, tasks=(COPY,), stored=0.5))).figure
    said = texts(figure)
    assert said.count("-") > 0
    assert not {"0/0", "-1/0"} & set(said)
    heights = figure.axes[0].collections[0].get_array()
    assert np.ma.count_masked(heights) == said.count("-")


def test_names_of_many_clips_and_long_cells_do_not_touch():
    clips = ("none", "norm:0.1", "norm:1", "norm:1+omega:4", "value:0.1", "quantile:0.1", "agc:0.01", "skip:10")
    cells = ("rnn", "lstm:chrono=100,coupled=true,peepholes=true", "rhn:depth=10,transform_bias=-4.5")
    for name in ("solved", "statuses"):
        drawing = FIGURES[name](make_study(replace(FULL, clips=clips, cells=cells)))
        drawing.settle()
        renderer = FigureCanvasAgg(drawing.figure).get_renderer()
        inside = [text for ax in drawing.figure.axes for text in ax.texts if text.get_text()]
        boxes = [text.get_window_extent(renderer) for text in inside]
        assert not any(first.overlaps(second) for first, second in combinations(boxes, 2)), name
        whole = drawing.figure.get_window_extent(renderer)
        assert all(whole.x0 <= box.x0 and box.x1 <= whole.x1 for box in boxes), name


def test_the_order_of_options_does_not_change_a_look():
    assert style.cell_look("rnn:init=identity,nonlinearity=relu").label == "IRNN"
    assert style.cell_look("scrn:a=1,b=2")[1:] == style.cell_look("scrn:b=2,a=1")[1:]


def test_known_clips_have_lines_of_their_own():
    lines = [style.clip_line(clip) for clip in ("none", "norm:1", "value:0.1", "norm:5")]
    assert len(set(map(str, lines))) == 4


def test_drawing_leaves_the_callers_settings_alone():
    before = dict(mpl.rcParams)
    with mpl.rc_context({"font.size": 30.0}):
        FIGURES["solved"](make_study(FULL))
        assert mpl.rcParams["font.size"] == 30.0
    assert dict(mpl.rcParams) == before


def test_a_study_without_results_is_drawn():
    study = make_study(Shape(tasks=(COPY,), cells=("lstm",), clips=("none",), stored=0))
    for draw in [draw for name, draw in FIGURES.items() if name not in WHERE]:
        assert "0 of 3 trials" in draw(study).figure.get_suptitle()


def test_agreement_is_drawn_only_where_there_is_some():
    assert not has_agreement(make_study(replace(FULL, tasks=(COPY,))))
    assert not has_agreement(make_study(replace(FULL, stored=0)))
    assert has_agreement(make_study(FULL))


@pytest.mark.parametrize(
    ("nouns", "name", "count", "error"),
    [
        (Range(2, 2), "attractors", 1, 1 / 2),
        (Range(4, 4), "congruent", 1, 3 / 4),
        (Range(0, 4), "congruent", 4, 0.0),
        (Range(0, 4), "attractors", 4, 1.0),
        # one or two nouns: P(1 noun | 1 attractor) is (1/2) / (1/2 + 2/4)
        (Range(1, 2), "attractors", 1, 0.5 * 1 + 0.5 * 0.5),
        (Range(1, 2), "attractors", 3, None),
    ],
)
def test_the_last_noun_rule_errs_as_often_as_counted_by_hand(nouns, name, count, error):
    assert last_noun_error(nouns, name, count) == error
