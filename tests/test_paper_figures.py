"""Figures of a paper have the width of their venue, letters that can be read, and no number that their CSV has not."""

import re
import shutil
import zlib
from dataclasses import replace
from io import StringIO
from itertools import combinations, pairwise

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from made_lenses import seen
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure as Canvas
from page_samples import HOSTILE
from synthetic import ADDING, AGREEMENT, CELLS, COPY, LADDER, Shape, make_study

from longlag.report.figures.cost import front
from longlag.report.figures.profiles import interquartile_means
from longlag.report.figures.support import frames
from longlag.report.paper.catalogue import FIGURES, checked_figures
from longlag.report.paper.figures import Wanted, write_figures
from longlag.report.paper.origin import origin_of
from longlag.report.paper.selection import Selection
from longlag.report.paper.sheet import escape_texts, pages
from longlag.report.paper.styles import names, style_of
from longlag.report.text.tables import to_csv

USUAL = Shape(tasks=(COPY, AGREEMENT), cells=CELLS[2:], clips=("none", "norm:1"), seeds=2, test_lags=(13, 52))
OF = {
    "horizons": Shape(tasks=LADDER, cells=CELLS[2:], clips=("none", "norm:1"), seeds=2),
    "solved_by_lag": Shape(tasks=LADDER, cells=CELLS[2:], clips=("none",), seeds=2),
    "clip_windows": Shape(tasks=(COPY,), cells=CELLS[2:], clips=("none", "norm:0.1", "norm:1", "norm:10"), seeds=2),
    "depth": Shape(
        tasks=(ADDING,), cells=("gru",), clips=("none",), layers=(1, 2, 8), skips=("none", "dense"), seeds=2
    ),
}
NOT_ACROSS, NOT_UP = {"agreement", "solved", "statuses"}, {"horizons", "solved", "statuses"}
"""Figures whose places across, or up, are those of names and not numbers."""


def study_for(name):
    if name == "reach":
        return seen(replace(USUAL, tasks=(COPY,)))
    made = make_study(OF.get(name, USUAL))
    if name in ("cost", "cost_time"):  # the made-up trials all have one size and pace
        sizes = made.trials["cell"].map({cell: 100.0 * (2 + place) for place, cell in enumerate(CELLS)})
        made = replace(made, trials=made.trials.assign(num_parameters=sizes, updates_per_second=1e5 / sizes))
    return made


@pytest.fixture(scope="module", params=FIGURES)
def drawn(request):
    """A figure's name, its numbers as read from their CSV, and its pages in ICML's column."""
    data = FIGURES[request.param].numbers(study_for(request.param))
    told = pd.read_csv(StringIO(to_csv(data)), dtype={"seed": str})
    told["ways"] = told["ways"].astype(object).fillna("")
    return request.param, told, pages(request.param, data, style_of("icml"))


def numbers_in(frame):
    columns = frame.select_dtypes("number")
    return np.concatenate([[0.0, 1.0], *(columns[name].dropna().to_numpy(float) for name in columns)])


def are_in(values, known):
    """Whether every finite value is among the known ones, to the digits of a CSV."""
    values = np.asarray(values, dtype=float)
    values = values[np.isfinite(values)]
    return bool(np.isclose(values[:, None], known[None, :], rtol=2e-5, atol=1e-12).any(axis=1).all())


def test_nothing_drawn_differs_from_its_csv(drawn):
    name, told, _ = drawn
    for _, frame in told.groupby(list(FIGURES[name].PANELS), sort=False):
        ax = FIGURES[name].draw(frame)
        known = numbers_in(frame)
        points = [line.get_xydata() for line in ax.lines if line.get_transform().contains_branch(ax.transData)]
        points += [path.vertices for lines in ax.collections for path in lines.get_paths() if name != "solved"]
        checked = 0
        for xy in points:
            if name not in NOT_ACROSS and not is_reference(xy, 0):
                assert are_in(xy[:, 0], known), name
                checked += len(xy)
            if name not in NOT_UP and not is_reference(xy, 1):
                assert are_in(xy[:, 1], known), name
                checked += len(xy)
        assert checked or name in NOT_ACROSS & NOT_UP


def is_reference(xy, axis):
    """Whether it is a line across the whole frame, from 0 to 1 of it, whose height or place is said elsewhere."""
    other = xy[:, 1 - axis]
    return len(xy) == 2 and set(xy[:, axis]) == {0.0, 1.0} and other[0] == other[1]


def test_the_test_of_drawn_numbers_sees_a_shifted_line():
    frame = FIGURES["updates_to_solve"].numbers(study_for("updates_to_solve"))
    frame = frame[(frame["task"] == COPY) & (frame["clip"] == "none")]
    ax = FIGURES["updates_to_solve"].draw(frame)
    line = ax.lines[0]
    line.set_ydata(np.asarray(line.get_ydata()) - 0.045)
    assert not are_in(line.get_ydata(), numbers_in(frame))


def test_counts_of_heat_maps_and_bars_are_those_of_the_csv():
    solved = FIGURES["solved"].numbers(study_for("solved"))
    for _, frame in solved.groupby(["task", "ways"]):
        texts = [text.get_text() for text in FIGURES["solved"].draw(frame).texts]
        assert texts == [f"{row.solved_count}/{row.n}" for row in frame.itertuples()]
    ended = FIGURES["statuses"].numbers(study_for("statuses"))
    for _, frame in ended.groupby(["task", "ways", "clip"]):
        bars = [bar.get_width() for bar in FIGURES["statuses"].draw(frame).patches]
        assert sum(bars) == frame["trials"].sum()
        assert sorted(bars) == sorted(frame.loc[frame["trials"] > 0, "trials"])


def test_figures_are_as_wide_as_their_column_and_no_higher_than_a_page(drawn):
    style = style_of("icml")
    for page in drawn[2]:
        width, height = page.figure.get_size_inches()
        assert width == 3.25
        assert height <= style.tallest + 0.01


def written_on(figure):
    """Return the boxes of all that is written, by what it says."""
    renderer = FigureCanvasAgg(figure).get_renderer()
    figure.draw(renderer)
    texts = [text for legend in figure.legends for text in legend.get_texts()]
    for ax in (ax for ax in figure.axes if ax.axison):
        texts += [ax._left_title, ax.xaxis.label, ax.yaxis.label, *ax.texts]
        texts += [tick.label1 for axis in (ax.xaxis, ax.yaxis) for tick in axis._update_ticks()]
    boxes = [(text.get_text(), text.get_window_extent(renderer)) for text in texts if text.get_text().strip()]
    return boxes, figure.bbox.padded(1)


def test_nothing_written_overlaps_and_all_of_it_is_inside(drawn):
    name, _, found = drawn
    for page in found:
        boxes, inside = written_on(page.figure)
        for (first, one), (second, other) in combinations(boxes, 2):
            assert not one.padded(-0.5).overlaps(other.padded(-0.5)), (name, first, second)
        for said, box in boxes:
            assert inside.x0 <= box.x0 and box.x1 <= inside.x1, (name, said)  # noqa: PT018
            assert inside.y0 <= box.y0 and box.y1 <= inside.y1, (name, said)  # noqa: PT018


def test_legends_cover_no_frame(drawn):
    for page in drawn[2]:
        renderer = FigureCanvasAgg(page.figure).get_renderer()
        page.figure.draw(renderer)
        frames_of = [ax.get_tightbbox(renderer) for ax in page.figure.axes if ax.axison]
        for legend in page.figure.legends:
            box = legend.get_window_extent(renderer)
            assert not any(box.padded(-1).overlaps(frame) for frame in frames_of), drawn[0]


def test_captions_say_n_and_frames_have_no_titles(drawn):
    name, _, found = drawn
    for page in found:
        assert re.search(r"\bn = \d+|trials a setting", page.caption), name
        titles = [ax._left_title.get_text() for ax in page.figure.axes]
        assert all(re.fullmatch(r"(\([a-z]{1,2}\))?", title) for title in titles)


def test_names_of_ticks_and_legends_are_escaped_for_tex():
    figure = Canvas()
    ax = figure.subplots()
    ax.set_xticks([0, 1], ["norm\n≤ 0.1", "a_b"])
    ax.set_title("50 %")
    escape_texts(figure)
    assert [label.get_text() for label in ax.get_xticklabels()] == ["norm\n$\\le$ 0.1", "a\\_b"]
    assert ax.get_title() == "50 \\%"


@pytest.mark.skipif(shutil.which("latex") is None, reason="there is no TeX here")
@pytest.mark.parametrize("name", ["solved", "learning_curves"])
def test_tex_sets_figures_with_any_names(name, tmp_path):
    made = study_for(name)
    choice = Selection(labels=tuple((spec, HOSTILE[-22:]) for spec in ("lstm", "norm:1", COPY)))
    with choice.worn(made):
        page = pages(name, FIGURES[name].numbers(made), style_of("icml", usetex=True))[0]
        page.figure.savefig(tmp_path / "x.pdf")
    assert (tmp_path / "x.pdf").stat().st_size > 1000


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """The files of one study, written twice."""
    study = study_for("cost")
    wanted = Wanted(style_of("icml"), ("solved", "learning_curves", "cost"))
    folders = [tmp_path_factory.mktemp(name) for name in "ab"]
    return [write_figures(study, wanted, folder, origin_of(study, "longlag figures x")) for folder in folders]


def test_figures_written_twice_are_the_same_bytes(files):
    assert {path.name.partition(".")[2] for path in files[0]} == {"pdf", "png", "svg", "csv", "caption.tex"}
    for first, second in zip(*files, strict=True):
        assert first.read_bytes() == second.read_bytes(), first.name


def test_letters_in_a_pdf_have_seven_points_or_more_and_are_truetype(files):
    for path in (path for path in files[0] if path.suffix == ".pdf"):
        content = path.read_bytes()
        assert b"/Subtype /Type3" not in content
        streams = re.findall(rb"stream\r?\n(.*?)\r?\nendstream", content, re.DOTALL)
        sizes = [float(size) for stream in streams for size in re.findall(rb"/F\d+\S* ([\d.]+) Tf", unpacked(stream))]
        assert sizes, path.name
        assert min(sizes) >= 7
        assert max(sizes) <= 9


def unpacked(stream):
    try:
        return zlib.decompress(stream)
    except zlib.error:
        return b""


@pytest.mark.parametrize("venue", names())
def test_every_style_draws_at_every_width(venue):
    data = FIGURES["updates_to_solve"].numbers(study_for("updates_to_solve"))
    for width in ("column", "text", "half"):
        style = style_of(venue, width)
        (page, *_) = pages("updates_to_solve", data, style)
        assert page.figure.get_size_inches()[0] == pytest.approx(style.width)
        assert 2.5 < style.width <= 7


def test_an_author_may_draw_on_axes_of_their_own():
    frame = FIGURES["learning_curves"].numbers(study_for("learning_curves"))
    with mpl.rc_context({"font.size": 11}):
        ax = mpl.figure.Figure().subplots()
        assert FIGURES["learning_curves"].draw(frame[frame["task"] == COPY], ax) is ax
        assert mpl.rcParams["font.size"] == 11
    assert {"LSTM, no clip", "GRU, norm ≤ 1"} <= {line.get_label() for line in ax.lines}


def test_zero_error_is_drawn_at_zero():
    frame = FIGURES["learning_curves"].numbers(study_for("learning_curves"))
    frame = frame[frame["task"] == COPY].assign(error=lambda rows: rows["error"].where(rows["error"] > 0.1, 0.0))
    ax = FIGURES["learning_curves"].draw(frame)
    assert ax.get_ylim()[0] < 0
    assert min(np.nanmin(line.get_ydata()) for line in ax.lines[2:]) == 0


def test_greys_of_cells_in_one_frame_differ_by_line_or_mark():
    frame = FIGURES["updates_to_solve"].numbers(make_study(replace(USUAL, cells=CELLS)))
    frame = frame[(frame["task"] == COPY) & (frame["clip"] == "none")]
    looks = [(line.dashes, line.marker) for line in frames.lines_of(frame)]
    assert len(set(looks)) == len(looks)


def test_a_front_has_no_point_that_another_beats():
    assert front([1, 1, 2, 3], [0.2, 0.4, 0.4, 0.9]) == [False, True, False, True]


def test_cost_is_set_against_horizons_where_distances_make_a_ladder():
    made = make_study(OF["horizons"])
    sizes = made.trials["cell"].map({cell: 100.0 * (2 + place) for place, cell in enumerate(CELLS)})
    data = FIGURES["cost"].numbers(replace(made, trials=made.trials.assign(num_parameters=sizes)))
    told = FIGURES["horizons"].numbers(made).set_index(["task", "cell", "clip"])
    assert set(data["quality_name"]) == {"horizon"}
    assert len(data) == len(told)
    for row in data.itertuples():
        of = told.loc[(row.task, row.cell, row.clip)]
        assert (row.quality, row.low, row.high) == (of["drawn_at"], of["drawn_low"], of["drawn_high"])
        assert row.cost == 100.0 * (2 + CELLS.index(row.cell))
    ax = FIGURES["cost"].draw(data[data["clip"] == "none"])
    assert ax.get_yscale() == "log"


def test_time_is_a_cost_only_where_it_is_asked_for():
    assert "cost_time" not in checked_figures([])
    made = study_for("cost_time")
    data = FIGURES["cost_time"].numbers(made)
    for row in data.itertuples():
        of = made.trials[(made.trials["task"] == row.task) & (made.trials["cell"] == row.cell)]
        of = of[of["clip"] == row.clip]
        assert row.cost == pytest.approx((1000 / of["updates_per_second"]).median())


def test_marks_on_top_of_each_other_are_all_seen():
    data = FIGURES["cost"].numbers(study_for("cost"))
    frame = data[(data["task"] == COPY) & (data["clip"] == "none")].assign(cost=100.0, quality=1.0)
    ax = FIGURES["cost"].draw(frame)
    marks = [line for line in ax.lines if line.get_marker() not in ("None", "", None)]
    sizes = [line.get_markersize() for line in marks]
    assert len(sizes) == frame["cell"].nunique() > 2
    assert all(below > above + 1 for below, above in pairwise(sizes))
    assert {line.get_markerfacecolor() for line in marks} == {"none"}


def test_an_axis_of_costs_has_two_numbers_or_more():
    data = FIGURES["cost"].numbers(study_for("cost"))
    frame = data[(data["task"] == COPY) & (data["clip"] == "none")]
    for costs in ([16.0, 32.0], [433.0, 1553.0], [0.9, 6.2], [1.0, 1.1]):
        ax = FIGURES["cost"].draw(frame.head(2).assign(cost=costs))
        low, high = ax.get_xlim()
        assert sum(low <= tick <= high for tick in ax.get_xticks()) > 1, costs


def test_interquartile_means_leave_out_a_quarter_at_each_end():
    assert interquartile_means([np.array([[0.0, 0.2]]), np.array([[0.4, 9.0]])]) == pytest.approx([0.3])


def test_selection_keeps_the_order_that_was_given():
    study = make_study(USUAL)
    choice = Selection({"task": ("agreement", COPY), "cell": ("gru", "lstm"), "hidden_size": ("32.0",)})
    chosen = choice.of(study)
    assert list(dict.fromkeys(chosen.plan["task"])) == [AGREEMENT, COPY]
    with choice.worn(study):
        assert list(dict.fromkeys(FIGURES["solved"].numbers(chosen)["cell"])) == ["gru", "lstm"]


def test_names_of_an_author_stand_in_figures_and_captions(tmp_path):
    study = make_study(USUAL)
    choice = Selection(
        labels=(("lstm", "our_cell & $x$ </script>"),), looks={"gru": {"color": "#123456", "marker": "X"}}
    )
    with choice.worn(study):
        page = pages("updates_to_solve", FIGURES["updates_to_solve"].numbers(study), style_of("icml"))[0]
        page.figure.savefig(tmp_path / "x.png")
    handles = {text.get_text(): handle for legend in page.figure.legends
               for text, handle in zip(legend.get_texts(), legend.legend_handles, strict=True)}  # fmt: skip
    assert "our_cell & $x$ </script>" in handles
    assert (handles["GRU"].get_color(), handles["GRU"].get_marker()) == ("#123456", "X")


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    from made_study import USUAL as SHARES
    from made_study import put, study_of

    results = tmp_path_factory.mktemp("results")
    put(study_of(4, clip=("none", "norm:1")), results, SHARES)
    return results


def call(results, *args):
    from longlag.cli import main

    return CliRunner().invoke(main, [*args, "--results", str(results)])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--style", "neurip"), "no style is called 'neurip'; did you mean neurips?"),
        (("--width", "colum"), "no width is called 'colum'; did you mean column?"),
        (("--only", "solvd"), "no figure is called 'solvd'; did you mean solved?"),
        (("--only", "depth"), "study made has no numbers for depth; it has them for solved,"),
        (("--format", "pfd"), "no format is called 'pfd'; did you mean pdf?"),
        (("--cell", "lsmt"), "study made has no cell 'lsmt'; did you mean lstm?; it has gru, lstm, rnn"),
        (("--task", "cpoy"), "study made has no task 'cpoy'; did you mean copy?; it has copy:items="),
        (("--lr", "0.5"), "study made has no lr '0.5'"),
        (("--label", "lsmt=LSTM"), "--label lsmt=LSTM: study made has no 'lsmt'; did you mean lstm?"),
        (("--label", "lstm"), "--label lstm: a label is written SPEC=TEXT"),
        (("--looks", "nowhere.toml"), "--looks nowhere.toml: No such file"),
    ],
)
def test_what_is_not_there_is_refused_in_one_line_and_nothing_is_written(stored, tmp_path, options, message):
    done = call(stored, "figures", "made", *options, "--out", str(tmp_path / "out"))
    assert done.exit_code == 2
    assert message in done.stderr
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_a_file_of_looks_is_held_to_what_it_may_say(stored, tmp_path):
    looks = tmp_path / "looks.toml"
    for text, message in (
        ('[lstm]\ncolour = "red"\n', "no key 'colour'; did you mean color?"),
        ('[lstm]\ncolor = "reddish"\n', "the color of 'lstm' must be a colour of matplotlib, not 'reddish'"),
        ('lstm = "red"\n', "'lstm' must be a table"),
        ("[lstm\n", "is not TOML"),
    ):
        looks.write_text(text)
        done = call(stored, "figures", "made", "--looks", str(looks), "--out", str(tmp_path / "out"))
        assert (done.exit_code, message in done.stderr) == (2, True), done.stderr


def test_a_figure_says_what_made_it(stored, tmp_path):
    done = call(stored, "figures", "made", "--only", "solved", "--label", "lstm=100 %_cell", "--out", str(tmp_path))
    assert done.exit_code == 0, done.output
    first, caption = (tmp_path / "solved.caption.tex").read_text().splitlines()
    assert re.match(r"% generated by longlag [\d.]+, .* from study made \([0-9a-f]{16}\): longlag figures made", first)
    assert "n = 4 seeds a setting" in caption
