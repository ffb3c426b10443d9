"""What a page shows of networks beside their outcomes: answers to a sentence, reach and gates."""

import json
from dataclasses import replace

import pandas as pd
import pytest
from made_lenses import frame
from page_samples import HOSTILE, gates_of
from synthetic import ADDING, AGREEMENT, Shape, make_study

from longlag.report.page import lenses
from longlag.report.page.answers import answers
from longlag.report.page.data import block
from longlag.report.page.lenses import gates_table
from longlag.values.frames import PHASES


@pytest.fixture(scope="module")
def study():
    made = make_study(Shape((ADDING, AGREEMENT), ("lstm", "gru"), ("none", "norm:1"), lrs=(0.01,)))
    rows = [frame(trial, phase) for trial in made.plan.itertuples() for phase in PHASES]
    rows += [gates_of(trial, phase) for trial in made.plan.itertuples() for phase in PHASES]
    return replace(made, lenses=pd.DataFrame(rows))


def test_answers_are_those_stored_by_setting(study):
    table = answers(study)
    shown = pd.DataFrame(table.rows, columns=table.columns)
    assert list(table.columns) == ["task", "cell", "clip", "P(is)", "P(are)", "right"]
    assert len(shown) == 4  # the settings of agreement
    keys = study.plan.query("task == @AGREEMENT and cell == 'gru' and clip == 'none'")["key"]
    values = study.examples[study.examples["key"].isin(keys) & (study.examples["name"] == "P(is)")]["value"]
    (row,) = [row for row in table.rows if row[1:3] == ["GRU", "no clip"]]
    assert row[3].startswith(f"{values.median():.2g} [")
    assert row[5] == "3/3"


def test_of_both_ways_to_ask_each_setting_has_its_own(study):
    other = study.examples.replace({"name": {"P(is)": "P(singular)", "P(are)": "P(plural)"}})
    first = study.plan.query("task == @AGREEMENT and cell == 'gru'")["key"]
    mixed = other.where(other["key"].isin(first), study.examples)
    table = answers(replace(study, examples=mixed))
    shown = pd.DataFrame(table.rows, columns=table.columns)
    assert set(shown.loc[shown["cell"] == "GRU", "P(is)"]) == {"-"}
    assert "-" not in set(shown.loc[shown["cell"] == "GRU", "P(singular)"])
    assert set(shown["right"]) == {"3/3"}


def test_a_study_without_answers_or_gates_has_no_table_of_them():
    made = make_study(Shape(tasks=(ADDING,), seeds=1))
    assert answers(made) is None
    assert gates_table(made) is None


def test_a_trial_has_its_reach_by_phase_and_its_gates(study):
    content = json.loads(block([study]))
    keys = content["trials"]["texts"][0]
    place = str(keys.index(study.plan["key"].iloc[0]))
    reach, gates = content["reach"][place], content["gates"][place]
    stored = frame(next(study.plan.itertuples()), "start")
    assert list(reach["before"]) == ["start", "quarter"]
    assert reach["before"]["start"]["median"] == pytest.approx(json.loads(stored["parts"])["input"]["median"], rel=1e-3)
    assert gates["phase"] == "end"
    assert gates["along"]["forget"] == pytest.approx([0.25, 0.5, 0.75])  # means of two units
    assert gates["read"] == ["a", HOSTILE, "c"]
    assert sum(gates["spread"]["forget"]["share"]) == pytest.approx(1)


def test_of_many_frames_there_are_the_last_reach_and_numbers_only(study, monkeypatch):
    monkeypatch.setattr(lenses, "MOST_FRAMES", 10)
    content = json.loads(block([study]))
    assert content["more_frames"] is True
    assert not content["gates"]
    assert all(not reach["before"] for reach in content["reach"].values())
    assert len(content["frames"]) == len(study.plan)


def test_gates_stand_in_a_table_by_setting(study):
    table = gates_table(study)
    assert table.columns == ["task", "cell", "clip", "n", "forget carried", "forget elsewhere", "memory"]
    assert len(table.rows) == 8
    assert table.rows[0][3:] == ["3", "0.9", "0.5", "12"]
