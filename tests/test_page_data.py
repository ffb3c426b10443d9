"""What a page's explorer draws from is what is stored, and cannot leave the element that it stands in."""

import json
from dataclasses import replace

import pandas as pd
import pytest
from made_study import USUAL, call, put, study_of
from page_samples import HOSTILE, Elements, hostile_study
from synthetic import ADDING, AGREEMENT, COPY, Shape, make_study

from longlag.report.page import data as page_data
from longlag.report.page import page as pages
from longlag.report.page.compare import side_by_side
from longlag.report.page.data import block


@pytest.fixture(scope="module")
def study():
    return make_study(Shape(tasks=(COPY, AGREEMENT), stored=0.9, failed=True))


@pytest.fixture(scope="module")
def content(study):
    return json.loads(block([study]))


def test_every_planned_trial_is_there_with_what_it_came_to(study, content):
    trials = content["trials"]
    keys, statuses = (trials["texts"][trials["columns"].index(name)] for name in ("key", "status"))
    stored = study.trials.set_index("key")["status"]
    assert sorted(keys) == sorted(study.plan["key"])
    assert dict(zip(keys, statuses, strict=True)) == {
        key: stored.get(key, "not trained yet") for key in study.plan["key"]
    }
    assert sum(trials["solved"]) == int((stored == "solved").sum())


def test_curves_are_those_stored(study, content):
    keys = content["trials"]["texts"][0]
    for place, curve in content["curves"].items():
        rows = study.curves[study.curves["key"] == keys[int(place)]]
        assert curve["update"] == rows["update"].tolist()
        assert curve["error"] == pytest.approx(rows["error"].tolist(), rel=1e-3)
    assert len(content["curves"]) == study.curves["key"].nunique()


def test_slices_are_those_of_the_last_evaluation(study, content):
    keys = content["trials"]["texts"][0]
    for place, slices in content["slices"].items():
        rows = study.slices[study.slices["key"] == keys[int(place)]]
        last = rows[(rows["update"] == rows["update"].max()) & (rows["slice"] == "attractors")]
        assert slices["attractors"]["error"] == pytest.approx(last["error"].tolist(), rel=1e-3)
    assert content["slices"]


def test_slices_of_a_trial_that_ended_early_are_there_too(study):
    key = next(iter(study.slices["key"]))
    own, end = study.slices["key"] == key, study.slices["update"].max()
    early = replace(study, slices=study.slices[~own | (study.slices["update"] < end)])
    assert early.slices.groupby("key")["update"].max().nunique() > 1
    assert len(json.loads(block([early]))["slices"]) == early.slices["key"].nunique()


def test_long_curves_are_thinned_keep_their_end_and_say_so(study, monkeypatch):
    monkeypatch.setattr(page_data, "MOST_POINTS", len(study.curves) // 3)
    thinned = json.loads(block([study]))
    assert thinned["thinned"] == 4
    keys = thinned["trials"]["texts"][0]
    ends = study.curves.groupby("key")["update"].max()
    assert all(curve["update"][-1] == ends[keys[int(place)]] for place, curve in thinned["curves"].items())


def test_of_very_many_trials_there_are_the_settings_only(study, monkeypatch):
    monkeypatch.setattr(page_data, "MOST_TRIALS", 10)
    content = json.loads(block([study]))
    assert content["trials"] is None
    assert not content["curves"]
    assert content["settings"][0]["texts"]


def test_no_word_ends_the_element_or_begins_one():
    text = block([hostile_study()])
    assert not set(text) & set("<>&\u2028\u2029")
    content = json.loads(text)
    assert any(HOSTILE in cell["label"] for cell in content["cells"])


def test_numbers_that_are_not_finite_are_missing(study):
    curves = study.curves.assign(error=float("inf"), grad_norm_median=float("nan"))
    assert "Infinity" not in block([replace(study, curves=curves)])
    assert set(json.loads(block([replace(study, curves=curves)]))["curves"]["0"]["error"]) == {None}


def test_only_the_scripts_of_the_page_may_run(study, tmp_path, monkeypatch):
    monkeypatch.setattr("longlag.report.page.content.headline", lambda study: None)
    monkeypatch.setattr("longlag.report.page.content.smaller", lambda study, figures: [])
    elements = Elements(pages.render([study], tmp_path, static=False))
    (policy,) = [of["content"] for of in elements.found["meta"] if of.get("http-equiv")]
    running = [of for of in elements.found["script"] if of.get("type") != "application/json"]
    assert policy.count("'sha256-") == len(running) == 1 + len(pages.SCRIPTS)
    assert "unsafe-inline" not in policy.partition("script-src")[2].partition(";")[0]
    assert not any("src" in of for of in elements.found["script"])


def test_two_studies_stand_side_by_side_with_the_interval_of_their_difference():
    first, second = (
        make_study(Shape(tasks=(ADDING,), cells=("gru", "rnn"), clips=clips))
        for clips in (("none",), ("none", "norm:1"))
    )
    worse = second.trials.assign(status="unsolved", updates_to_solve=None)
    table = side_by_side(replace(first, name="before"), replace(second, name="after", trials=worse))
    frame = pd.DataFrame(table.rows, columns=table.columns)
    assert set(frame["solved, after"]) == {"0/3"}
    assert "3/3" in set(frame["solved, before"])
    assert "-100 [-100, -21]" in set(frame["difference, points"])
    assert table.left_out == 2


def test_the_command_puts_two_studies_side_by_side(tmp_path, monkeypatch):
    monkeypatch.setattr("longlag.report.page.content.headline", lambda study: None)
    monkeypatch.setattr("longlag.report.page.content.smaller", lambda study, figures: [])
    put(study_of(2), tmp_path, USUAL)
    put(replace(study_of(2), name="other"), tmp_path, USUAL)
    done = call("report", "made", "other", "--static", "--results", str(tmp_path))
    assert (done.exit_code, done.output) == (0, f"{tmp_path / 'other' / 'against-made.html'}\n")
    assert "Side by side" in (tmp_path / "other" / "against-made.html").read_text()
    assert (
        "a page compares two different studies, not made with itself"
        in call("report", "made", "made", "--results", str(tmp_path)).output
    )
    assert "not 3" in call("report", "a", "b", "c", "--results", str(tmp_path)).output
