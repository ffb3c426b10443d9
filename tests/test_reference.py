"""What READMEs say of the reference results is what the report makes of them."""

import re
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from longlag.plan import files
from longlag.plan.study import Study
from longlag.report.paper import methods, table
from longlag.report.paper.origin import origin_of
from longlag.report.paper.selection import Selection
from longlag.report.text.files import write_tables
from longlag.store.results import StudyData, load_study
from longlag.store.store import Store, store_path

ROOT = Path(__file__).resolve().parent.parent
REFERENCE = ROOT / "results" / "reference"
README = (ROOT / "README.md").read_text(encoding="utf-8")
HORIZONS = (ROOT / "bench" / "experiments" / "README.md").read_text(encoding="utf-8")
RATES = pd.read_csv(REFERENCE / "tune" / "rates.csv")


@pytest.fixture(scope="module")
def quick(tmp_path_factory) -> StudyData:
    """The study as its file plans it, with the trials that are kept as its reference."""
    return referred("quick", tmp_path_factory.mktemp("results"))


def referred(name: str, results: Path) -> StudyData:
    study: Study = files.find(name)
    with Store.open_for_writing(store_path(name, results)) as store:
        store.write_plan(study.title, [(one.trial, one.facts) for one in study.planned])
    data = load_study(name, results)
    trials = pd.read_csv(REFERENCE / name / "trials.csv.gz", dtype={"status": str, "diverged_in": str})
    told = [column for column in trials if column not in data.plan or column == "key"]
    return replace(data, trials=data.plan.merge(trials[told], on="key", how="inner"))


def test_every_trial_of_quick_has_its_reference(quick: StudyData) -> None:
    assert len(quick.trials) == len(quick.plan)


def test_the_reference_table_of_quick_is_what_the_report_makes_of_its_trials(quick: StudyData, tmp_path: Path) -> None:
    write_tables(quick, tmp_path)
    assert (tmp_path / "tables" / "summary.md").read_text() == (REFERENCE / "quick" / "summary.md").read_text()


def test_the_story_in_the_readme_is_told_by_the_report() -> None:
    lines = (REFERENCE / "quick" / "summary.md").read_text(encoding="utf-8").splitlines()
    section = README.partition("## What it shows\n")[2].partition("\n## ")[0]
    bullets = re.findall(r"^- \*\*.*(?:\n  .*)*", section, re.MULTILINE)
    told = [re.sub(r"\n\s*", " ", bullet) for bullet in bullets]
    assert told == [line for line in lines if line.startswith("- **")]


def test_the_horizons_in_the_readme_are_those_of_the_report() -> None:
    tables = re.findall(r"\*\*.*\(n = \d+ a rung\)\n\n(?:\|.*\n)+", (REFERENCE / "horizon" / "horizons.md").read_text())
    assert len(tables) == 2
    assert all(table in HORIZONS for table in tables)


def test_the_rates_of_quick_are_those_that_were_chosen() -> None:
    names = ["task", "cell", "clip", "optimizer", "lr", "basis"]
    in_file = [tuple(getattr(rate, name) for name in names) for rate in files.find("quick").rates]
    assert in_file == list(RATES[names].itertuples(index=False, name=None))


def test_best_rates_have_neighbours_on_both_sides() -> None:
    """Whoever is told "the best rate of each clip" may rely on a fine grid around it."""
    tuned = RATES[RATES["basis"] == "tuned"]
    assert ((tuned["lowest"] < tuned["lr"]) & (tuned["lr"] < tuned["highest"])).all()
    assert (tuned["solved"] > 0).all()
    assert (RATES["solved"].gt(0) == RATES["basis"].isin(["tuned", "edge"])).all()
    assert (RATES.groupby(["task", "cell"])["rates_tried"].nunique() == 1).all()


def test_the_table_and_the_methods_of_an_authors_page_are_those_of_quick(quick: StudyData) -> None:
    page = (ROOT / "bench" / "report" / "README.md").read_text(encoding="utf-8")
    cells = ("lstm", "gru", "rnn:nonlinearity=relu,init=identity", "rnn")
    choice = Selection({"task": ("adding:length=50",), "cell": cells, "clip": ("none", "norm:1")})
    chosen = choice.of(quick)
    with choice.worn(quick):
        made = table.table_of(chosen, ["cell", "clip", "solved", "interval", "updates"])
        rows = table.to_markdown(made, origin_of(quick, "tables")).partition("\n\n")[2]
        written = methods.to_markdown(methods.methods_of(chosen), origin_of(quick, "methods")).partition("\n")[2]
    told = written.partition("; this was written by")[0]
    assert rows.partition("\n\n")[0] in page
    assert f"{told}." in re.sub(r"\n> ", " ", page)
