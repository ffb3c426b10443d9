"""What is shown of lenses: sentences and numbers that come from frames, the figures' own numbers, the summary."""

import json
from dataclasses import replace

import numpy as np
import pytest
from click.testing import CliRunner
from made_lenses import FADING, seen
from synthetic import COPY, Shape, make_study

from longlag.cli import main
from longlag.lens.support.kept import frames_at_start
from longlag.plan.study import adhoc
from longlag.report.figures.all import FIGURES
from longlag.report.lens.dose import dose_correlations, dose_of, dose_panels
from longlag.report.lens.figures import LENSES, WHERE, draw_lenses
from longlag.report.lens.lines import outcome_sentences, reach_sentences, reach_table, refusals, render
from longlag.report.lens.numbers import against_outcome, correlation_text, reach_numbers
from longlag.report.summary import summarise
from longlag.report.text.tables import readable
from longlag.stats.within import within_correlation
from longlag.store.results import unstored
from longlag.values.frames import PHASES

DOSES = ("lstm:forget_bias=0", "lstm", "lstm:forget_bias=3", "lstm:init=chrono")


@pytest.fixture(scope="module")
def study():
    return seen(Shape(tasks=(COPY,), cells=("rnn", "lstm", "gru"), clips=("none", "norm:1"), seeds=3))


@pytest.fixture(scope="module")
def doses():
    return seen(Shape(tasks=(COPY,), cells=DOSES, clips=("none",), seeds=4))


def test_sentences_are_computed_from_the_frames(study):
    said = {line.split(", ")[2].split(":")[0]: line for line in reach_sentences(study)}
    middle = 1.01 * FADING["rnn"]
    later = 1.01 * FADING["rnn"] ** (1 / 3)
    assert (
        f"RNN tanh: the signal from 13 steps back is {middle**13:.1e} of the strongest before training"
        in said["RNN tanh"]
    )
    assert f"{later**13:.1e} of the strongest where training ended" in said["RNN tanh"]
    assert len(said) == 3


def test_the_table_has_a_row_a_cell_and_phase_and_clips_share_their_start(study):
    table = reach_table(study)
    counts = table.groupby(["cell", "phase"])["n"].agg(["size", "sum"])
    assert counts.loc[("lstm", "start")].tolist() == [1, 3]
    assert counts.loc[("lstm", "end")].tolist() == [2, 6]
    row = table[(table["cell"] == "rnn") & (table["phase"] == "start")].iloc[0]
    assert row["reach_1pct"] == 9
    assert row["needed_signal"] == pytest.approx((1.01 * FADING["rnn"]) ** 13, rel=1e-4)


def test_summary_and_tables_have_reach_where_it_is_stored(study):
    summary = summarise(study)
    found = summary.set_index(["cell", "clip"])
    assert found.loc[("rnn", "none"), "reach_1pct"] == 13
    assert "reach (1 %)" in readable(study, summary)
    assert set(readable(study, summary)["reach (1 %)"]) == {"> 13"}
    bare = make_study(Shape(tasks=(COPY,), cells=("rnn",), clips=("none",), seeds=2))
    assert "reach_1pct" not in summarise(bare)
    assert "reach (1 %)" not in readable(bare, summarise(bare))


def test_figures_have_the_numbers_of_the_frames(study, doses, tmp_path):
    drawn = {
        name: FIGURES[name](doses if name == "dose" else study) for lens in ("reach", "share") for name in LENSES[lens]
    }
    numbers = drawn["reach"].data
    row = numbers[(numbers["cell"] == "rnn") & (numbers["phase"] == "start") & (numbers["lag"] == 5)].iloc[0]
    assert row["median"] == pytest.approx((1.01 * 0.6) ** 5, rel=1e-4)
    assert row["bound"] == pytest.approx(0.7**5)
    assert set(numbers["clip"]) == {"", "none", "norm:1"}
    share = drawn["share"].data
    assert (share["after"] * 2).tolist() == pytest.approx(share["before"].tolist())
    trained = drawn["reach_training"].data
    assert set(trained["phase"]) == set(PHASES)
    assert set(trained["clip"]) == {"none"}
    outcome = drawn["reach_outcome"].data
    assert len(outcome) == 3 * 18
    response = drawn["dose"].data
    assert response["dose"].tolist() == ["0", "1", "3", "chrono"]
    assert response["n"].tolist() == [4] * 4
    written = draw_lenses(study, tmp_path, ["share"])
    assert [path.name for path in written] == ["share.png", "share.pdf", "share.csv"]
    before = [path.read_bytes() for path in written]
    assert [path.read_bytes() for path in draw_lenses(study, tmp_path, ["share"])] == before


def test_studies_without_frames_have_no_figures_of_lenses():
    bare = make_study(Shape(tasks=(COPY,), cells=("rnn",), clips=("none",), seeds=2))
    assert not any(where(bare) for where in WHERE.values())


def test_doses_are_read_from_cells(doses):
    assert dose_of("transformer") is None
    assert dose_of("rnn:init=orthogonal,scale=0.9").text == "0.9"
    assert dose_of("rnn:init=orthogonal").family == dose_of("rnn:init=orthogonal,scale=0.9").family
    assert dose_of("gru:init=chrono,span=20").text == "chrono 20"
    ((_, family, cells),) = dose_panels(doses)
    assert (family, cells) == ("lstm", list(DOSES))
    assert set(dose_correlations(doses)) == {"lstm", "all"}


def test_a_correlation_within_groups_does_not_measure_the_groups():
    generator = np.random.default_rng(0)
    groups = np.repeat(np.arange(8), 20)
    clusters = np.repeat(np.arange(32), 5)
    base = np.where(groups < 4, -5.0, 5.0)
    values = base + generator.standard_normal(160)
    shares = np.where(groups < 4, 0.1, 0.9)
    outcomes = (generator.random(160) < shares).astype(float)
    assert np.corrcoef(values, outcomes)[0, 1] > 0.5, "pooled, it looks like a strong relation"
    found = within_correlation(values, outcomes, groups, clusters)
    assert abs(found.value) < 0.2
    assert found.low < 0 < found.high
    assert (found.n, found.groups) == (140, 7), "one group has one outcome only"
    real = within_correlation(values + 2 * outcomes, outcomes, groups, clusters)
    assert real.low > 0.2
    assert real.value == pytest.approx(
        np.corrcoef(
            *[
                np.concatenate(
                    [part[groups == g] - part[groups == g].mean() for g in range(8) if np.ptp(outcomes[groups == g])]
                )
                for part in (values + 2 * outcomes, outcomes)
            ]
        )[0, 1]
    )


def test_clusters_of_one_name_in_different_groups_are_different_clusters():
    values, outcomes = [0, 1, 0, 2, 0, 3, 1, 2, 3, 5, 2, 4], [0, 1, 1, 0, 0, 1, 0, 1, 1, 0, 0, 1]
    groups, settings = np.repeat([0, 1, 2], 4), np.tile([0, 0, 1, 1], 3)
    named_alike = within_correlation(values, outcomes, groups, settings)
    named_apart = within_correlation(values, outcomes, groups, 10 * groups + settings)
    assert named_alike == named_apart
    assert named_alike.low is not None, "six clusters, not two"


def test_clusters_and_not_seeds_are_drawn():
    """Twenty copies of each of six settings know no more than the six do."""
    values, outcomes = np.repeat([0, 1, 2, 3, 4, 5.0], 20), np.repeat([0, 1, 0, 1, 0, 1.0], 20)
    groups, clusters = np.zeros(120), np.repeat(np.arange(6), 20)
    wide = within_correlation(values, outcomes, groups, clusters)
    narrow = within_correlation(values, outcomes, groups, np.arange(120))
    assert wide.high - wide.low > 2 * (narrow.high - narrow.low)
    few = within_correlation(values[:80], outcomes[:80], groups[:80], clusters[:80])
    assert few.low is None
    assert within_correlation([1, 2], [1, 1], [0, 0], [0, 1]) is None


def test_reach_against_outcome_is_told(study):
    found = against_outcome(study, "start")
    rows = reach_numbers(study)
    assert found is None or found.groups <= rows["cell"].nunique()
    assert outcome_sentences(study)[0].endswith(correlation_text(found))


def test_what_a_lens_refuses_is_told(study):
    rows = study.lenses.assign(lens="bound", numbers=json.dumps({"refused": "gates"}), parts="{}")
    told = replace(study, lenses=rows)
    assert refusals(told, "bound") == {"gates": len(rows)}
    assert f"bound: {len(rows)} frames without: gates" in render(told, ["bound"])


def call(*args):
    return CliRunner().invoke(main, list(args))


def test_the_command_looks_at_initialisation_without_training(tmp_path):
    grid = ["--task", "adding:length=20", "--cell", "rnn", "--cell", "lstm", "--seeds", "2", "--hidden-size", "8"]
    done = call("lens", *grid, "--lens", "reach", "--lens", "bound", "--results", str(tmp_path))
    assert done.exit_code == 0, done.output
    assert "adding (length 20), LSTM: the signal from 18 steps back is" in done.stdout
    assert "bound: 2 frames without: the theorem is about" in done.stdout
    assert {path.name for path in (tmp_path / "initial" / "figures").iterdir()} == {
        "reach.png",
        "reach.pdf",
        "reach.csv",
    }
    assert not (tmp_path / "initial" / "store.sqlite").exists()


def test_the_command_refuses_in_one_line(tmp_path):
    for args, said in (
        (
            ["--lens", "raech", "--task", "copy", "--cell", "rnn"],
            "--lens: no lens is called 'raech'; did you mean reach?",
        ),
        (["nothing"], "no study called 'nothing' has results"),
        (["--trial", "abc"], "--trial needs the STUDY that holds the trial"),
        (["mine", "--task", "copy"], "--task describes untrained networks: it cannot go with a STUDY"),
        (["--lens", "bound", "--task", "copy", "--cell", "gru"], "lens bound: the theorem is about"),
    ):
        done = call("lens", *args, "--results", str(tmp_path))
        assert done.exit_code == 2, done.output
        assert said in done.stderr
        assert done.stderr.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_figures_of_the_other_lenses_have_the_numbers_of_real_frames():
    study = adhoc(
        "made", task="copy:items=1,symbols=2,blanks=2", cell=("gru", "rnn"), hidden_size=4, seeds=1, clip="value:0.001"
    )
    lenses = ("spectrum", "gates", "lyapunov", "sensitivity", "erasure", "share")
    frames = {trial.key: frames_at_start(lenses, trial) for trial in study.trials()}
    data = unstored(study, frames)
    by_lens = {frame.lens: frame.found for frame in frames[study.trials()[0].key]}
    drawn = {name: FIGURES[name](data).data for lens in lenses for name in LENSES[lens]}
    plane = drawn["spectra"]
    assert plane[plane["cell"] == "gru"]["real"].tolist() == by_lens["spectrum"].parts["eigenvalues"]["real"]
    gates = drawn["gates"]
    assert set(gates["gate"]) == {"reset_gate", "update_gate"}
    first = gates[gates["gate"] == "update_gate"]["value"].tolist()
    assert first == by_lens["gates"].parts["trace"]["update_gate"]
    exponents = drawn["lyapunov"]
    assert (
        exponents[exponents["cell"] == "gru"]["exponent"].tolist() == by_lens["lyapunov"].parts["exponents"]["exponent"]
    )
    assert len(drawn["sensitivity"]) == 2 * len(by_lens["sensitivity"].parts["recurrent"]["lag"])
    assert len(drawn["erasure"]) == 2 * len(by_lens["erasure"].parts["answer"]["lag"])
    assert set(WHERE) == {name for names in LENSES.values() for name in names}
