"""Learning rates are chosen fairly and written where they belong."""

import shutil
from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner

from longlag.cli import main, training
from longlag.cli.tuning import need_writable
from longlag.experiments import tuning
from longlag.plan import files
from longlag.run.plan import fitted
from longlag.tasks.support.errors import UsageError


def tries(clip: str, lr: float, solved_at: list[int | None], error: float = 0.1) -> list[dict[str, object]]:
    return [
        {
            "key": f"{clip}{lr}{seed}",
            "task": "adding",
            "cell": "gru",
            "clip": clip,
            "optimizer": "adam",
            "lr": lr,
            "status": "unsolved" if updates is None else "solved",
            "updates_to_solve": updates,
            "budget_updates": 1000,
            "error": error,
            "baseline_error": 1 / 6,
        }
        for seed, updates in enumerate(solved_at)
    ]


def chosen(*rows: list[dict[str, object]]) -> dict[str, object]:
    return tuning.choose(pd.DataFrame([row for part in rows for row in part])).to_dict("records")[0]


def test_the_rate_that_solves_more_seeds_wins_over_the_faster_one() -> None:
    assert chosen(tries("none", 0.1, [100, None]), tries("none", 0.01, [900, 900]))["lr"] == 0.01


def test_of_equal_shares_the_faster_rate_wins_and_unsolved_seeds_count_their_budget() -> None:
    found = chosen(
        tries("none", 0.1, [100, None]), tries("none", 0.01, [300, None]), tries("none", 0.001, [None, None])
    )
    assert (found["lr"], found["solved"], found["tries"]) == (0.1, 1, 2)
    assert (found["edge"], found["all_solved"], found["all_tries"], found["rates_tried"]) == ("highest", 2, 6, 3)


def test_where_nothing_solves_the_lower_error_wins() -> None:
    found = chosen(
        tries("none", 0.1, [None], 0.16), tries("none", 0.01, [None], 0.12), tries("none", 0.001, [None], 0.15)
    )
    assert (found["lr"], found["edge"]) == (0.01, "")


def test_a_diverged_try_counts_as_the_floor() -> None:
    found = chosen(tries("none", 0.1, [None], float("nan")), tries("none", 0.01, [None], 0.16))
    assert found["lr"] == 0.01


def test_settings_tried_unequally_often_are_refused() -> None:
    with pytest.raises(UsageError, match="tried unequally often, 1 to 2 times"):
        chosen(tries("none", 0.1, [100, None]), tries("norm:1", 0.1, [100]))


def test_written_rates_are_read_back_and_nothing_else_changes(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    head, foot = 'title = "Mine"\n', '\n[[grids]]\ntask = "adding"\ncell = "gru"\nclip = ["none", "norm:1"]\n'
    path.write_text(f"{head}{tuning._BEGIN}\nrates = []\n{tuning._END}\n{foot}")
    choices = tuning.choose(pd.DataFrame(tries("none", 0.1, [100]) + tries("norm:1", 0.03, [100])))
    tuning.write(choices, path)
    assert path.read_text().startswith(head)
    assert path.read_text().endswith(foot)
    assert {(trial.clip, trial.lr) for trial in files.read(path).trials()} == {("none", 0.1), ("norm:1", 0.03)}
    tuning.write(choices, path)
    assert path.read_text().count("rates = [") == 1


def test_a_file_without_marks_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text("title = 'Mine'\n")
    with pytest.raises(UsageError, match="rates go between the lines"):
        tuning.write(tuning.choose(pd.DataFrame(tries("none", 0.1, [100]))), path)
    assert path.read_text() == "title = 'Mine'\n"


def test_what_cannot_be_written_is_refused_before_anything_is_trained(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(training, "train_study", lambda *_, **__: pytest.fail("it trains"))
    mine = tmp_path / "mine.toml"
    mine.write_text((files.STUDIES / "quick.toml").read_text().replace(tuning._BEGIN, "# rates"))
    found = CliRunner().invoke(main, ["tune", str(mine), "--write"])
    assert found.exit_code == 2
    assert f"{mine}: rates go between the lines" in found.stderr


def test_the_shipped_studies_of_an_installed_package_are_not_written(tmp_path: Path, monkeypatch) -> None:
    shipped = tmp_path / "bench" / "plan" / "studies"
    shipped.mkdir(parents=True)
    shutil.copy(files.STUDIES / "quick.toml", shipped)
    monkeypatch.setattr(files, "STUDIES", shipped)
    with pytest.raises(UsageError, match="it needs a checkout, this is an installed package"):
        need_writable(shipped / "quick.toml")
    (tmp_path / "pyproject.toml").touch()
    need_writable(shipped / "quick.toml")


@pytest.mark.parametrize("name", [name for name in files.names() if files.find(name).tuning])
def test_a_study_is_tuned_on_other_seeds_at_equally_many_rates_for_every_clip(name: str) -> None:
    study = files.find(name)
    tune = files.find(str(study.tuning))
    assert not {seed for grid in study.grids for seed in grid.seeds} & {s for grid in tune.grids for s in grid.seeds}
    tried = pd.DataFrame([vars(trial) for trial in tune.trials()])
    assert tried.groupby(["task", "cell", "clip"])["lr"].nunique().nunique() == 1
    tuned = {(trial.task, trial.cell, trial.clip) for trial in tune.trials()}
    needed = {(t.task, t.cell, t.clip) for t in study.trials() if t.optimizer == "adam"}
    assert needed <= tuned


def test_a_budget_picks_seeds_from_the_ladder_and_says_so() -> None:
    study = files.find("quick").replaced(seeds=10)
    all_of_it = fitted(study, 1, 10_000)
    assert "10 of 10 seeds, to fit 10000 minutes" in all_of_it.title
    few = fitted(study, 2, 3.5)
    count = len(few.grids[0].seeds)
    assert count in (3, 5, 8)
    assert f"{count} of 10 seeds" in few.title
    assert {trial.key for trial in few.trials()} < {trial.key for trial in study.trials()}


def test_a_budget_that_fits_nothing_is_refused() -> None:
    with pytest.raises(UsageError, match=r"study quick with 3 seeds takes about .* minutes"):
        fitted(files.find("quick"), 1, 0.1)
