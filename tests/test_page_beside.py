"""What a page shows beside its studies: verdicts on claims where they were judged, baselines and checks."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from made_study import USUAL, accepted_study, call, check, put, refused, study_of
from page_samples import HOSTILE, Elements

from longlag.claims.support import named, stored
from longlag.claims.support.fixed import rule_hash
from longlag.claims.support.on_page import on_page
from longlag.cli import training
from longlag.cli.reports.beside import kept
from longlag.regression.judge import baseline as accepted
from longlag.regression.judge.entries import entries_of
from longlag.regression.judge.matching import matched
from longlag.regression.judge.together import compare
from longlag.regression.show import history
from longlag.regression.show.render import change_text, side_text
from longlag.store.results import load_study

CLAIMS = Path(__file__).resolve().parent.parent / "results" / "reference" / "claims"
FIRST = stored.read(CLAIMS)[0]


@pytest.fixture(autouse=True)
def without_pictures(monkeypatch):
    monkeypatch.setattr("longlag.report.page.content.headline", lambda study: None)
    monkeypatch.setattr("longlag.report.page.content.smaller", lambda study, figures: [])


@pytest.fixture
def results(tmp_path):
    put(study_of(2), tmp_path, USUAL)
    return tmp_path


def judged(results, entries):
    """Store verdicts as `longlag claims` would."""
    return stored.write(entries, results / "claims")


def page_of(results, *words):
    done = call("report", "made", *words, "--results", str(results))
    assert done.exit_code == 0, done.output
    return Path(done.output.strip()).read_text(encoding="utf-8")


def words_of(page):
    return " ".join(" ".join(Elements(page).text).split())


def test_a_page_shows_every_verdict_with_effect_and_rule(results):
    held = stored.read(CLAIMS)
    judged(results, held)
    page = page_of(results, "--static")
    words, shown = words_of(page), on_page(held, named.claims())
    questions = [question for claim in shown.claims for question in claim.questions]
    assert [question.name for question in questions] == [f"{one['claim']}{one['rule']}" for one in held]
    assert all(text in words for question in questions for text in (question.verdict, question.effect, question.n))
    assert "+0.73 [+0.46, +0.88], minimum 0.3" in words
    assert len(Elements(page).found["details"]) == len(held)
    rules = {f"{claim.number()}{rule.name}": rule for claim in named.claims() for rule in claim.rules}
    for question in questions:
        assert dict(question.rule)["decided by"] == rules[question.name].decides
        assert dict(question.rule)["falsified by"] == rules[question.name].falsified
        assert all(" ".join(text.split()) in words for _, text in question.rule)
    assert shown.remarks == []


def test_where_no_claim_was_judged_the_page_has_none(results):
    assert "put to the test" not in words_of(page_of(results, "--static"))


def test_the_studies_of_claims_have_them_too(results):
    stored.write([FIRST], results)  # as if the study lay in the folder of claims
    assert FIRST["asks"] in words_of(page_of(results, "--static"))


def test_the_highest_tier_is_shown(results):
    judged(results, [FIRST, {**FIRST, "tier": 60, "n": 4321}])
    shown = on_page(stored.read(results / "claims"), named.claims())
    assert [question.n for claim in shown.claims for question in claim.questions] == ["4321"]


def test_a_verdict_of_another_rule_is_told_apart_without_the_words_of_todays(results):
    judged(results, [{**FIRST, "rule_hash": "0" * 16}])
    words = words_of(page_of(results, "--static"))
    (claim,) = [one for one in named.claims() if one.number() == FIRST["claim"]]
    assert "holds, by another rule" in words
    assert f"by another rule, {'0' * 16}; today's is {rule_hash(claim)}: longlag claims 0 --new-rules" in words
    assert claim.rules[0].decides not in words
    assert FIRST["boundary"] in words


def test_superseded_verdicts_and_claims_of_other_versions_are_said(results):
    judged(results, [FIRST, {**FIRST, "rule": "b", "superseded": True}, {**FIRST, "claim": 99}])
    words = words_of(page_of(results, "--static"))
    assert "Verdicts by earlier rules, kept in the file: 1." in words
    assert "This version has no claim 99" in words


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"format": "longlag claims", "schema": 2, "verdicts": []}', "claims.json has schema 2, this version reads 1"),
        ("{", "claims.json holds no verdicts"),
        ("[" * 100_000, "claims.json holds no verdicts"),
    ],
)
def test_verdicts_that_cannot_be_used_are_a_line(results, text, said):
    (results / "claims").mkdir()
    (results / "claims" / "claims.json").write_text(text)
    page = page_of(results, "--static")
    assert said in words_of(page)
    assert str(results) not in page


@pytest.mark.parametrize(
    "change",
    [{"effect": "much"}, {"effect": [1]}, {"effect": [{}, 1, 2]}, {"n": None}, {"minimum": "some"}, {"claim": []}],
)
def test_an_entry_that_cannot_be_read_leaves_the_others(results, change):
    broken = {**FIRST, "rule": "z", "asks": "broken", **change}
    judged(results, [broken, FIRST])
    words = words_of(page_of(results, "--static"))
    assert "Verdicts in a form that this version cannot read: 1." in words
    assert "broken" not in words
    assert FIRST["asks"] in words


def test_hostile_verdicts_are_text(results):
    texts = ("rule", "sentence", "asks", "verdict", "unit", "said", "boundary", "rule_hash")
    judged(results, [{**FIRST, **dict.fromkeys(texts, HOSTILE)}])
    for words in ([], ["--static"]):
        page = page_of(results, *words)
        elements = Elements(page)
        assert HOSTILE in "".join(elements.text)
        assert not elements.found["img"]
        assert not any(name.startswith("on") for of in elements.every for name in of)


def test_a_page_follows_the_verdicts_and_stands_otherwise(results):
    first = page_of(results)
    path = results / "made" / "report.html"
    assert training.page_of(load_study("made", results), results) == path
    before = path.stat().st_mtime_ns
    judged(results, [FIRST])
    assert training.page_of(load_study("made", results), results) == path
    assert path.stat().st_mtime_ns > before
    assert FIRST["asks"] in path.read_text(encoding="utf-8")
    before = path.stat().st_mtime_ns
    assert page_of(results) != first
    assert path.stat().st_mtime_ns == before


def test_other_verdicts_are_another_digest(results):
    judged(results, [FIRST])
    once = kept([], results).digest
    judged(results, [{**FIRST, "n": 31}])
    assert kept([], results).digest != once


@pytest.fixture
def checked(tmp_path, monkeypatch):
    """Accept a study, store worse results in its place and check them."""
    accepted_study(tmp_path, monkeypatch)
    put(study_of(10), tmp_path, USUAL | {"gru": 0.2}, code="b")
    assert check(tmp_path, "--no-confirm").exit_code == 0
    return tmp_path


def test_a_page_shows_the_baseline_the_checks_and_differences_with_intervals(checked):
    words, place = words_of(page_of(checked, "--static")), checked / "reference" / "made.json"
    held, told = accepted.read(place), history.read(checked / "made")
    assert f"Baseline {held.hash} of" in words
    assert "60 seeds: first" in words
    assert f"Checked last {told[-1].when}, source {told[-1].source}: {told[-1].headline}" in words
    rows = compare(matched(held.entries, entries_of(load_study("made", checked).trials)))
    assert len(rows) == 3
    for one in rows:
        assert change_text(one.held.share) in words
        assert side_text(one.pair.new) in words
    assert "Acceptances and checks over time" in words


def test_a_page_follows_a_check_and_needs_no_baseline(checked):
    page_of(checked)
    path = checked / "made" / "report.html"
    before = path.stat().st_mtime_ns
    page_of(checked)
    assert path.stat().st_mtime_ns == before
    check(checked, "--no-confirm")
    page_of(checked)
    assert path.stat().st_mtime_ns > before
    (checked / "reference" / "made.json").unlink()
    assert "Against the baseline" not in words_of(page_of(checked, "--static"))


def test_a_given_baseline_is_shown_or_refused(checked):
    place, other = checked / "reference" / "made.json", checked / "other.json"
    place.rename(other)
    assert "Against the baseline" in words_of(page_of(checked, "--baseline", str(other)))
    other.write_text(other.read_text().replace("first", "second"))
    refused(call("report", "made", "--baseline", str(other), "--results", str(checked)), 2, "was edited")
    missing = str(checked / "none.json")
    refused(call("report", "made", "--baseline", missing, "--results", str(checked)), 2, "there is no baseline")
    both = call("report", "made", "b", "--baseline", str(other), "--results", str(checked))
    refused(both, 2, "belongs to one study, and this page shows two")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda text: text.replace("first", "second"), "made.json was edited"),
        (lambda text: text.replace('"schema": 1', '"schema": 2'), "made.json was written by a newer longlag"),
        (lambda text: text[:100], "made.json cannot be read"),
    ],
)
def test_a_baseline_that_cannot_be_used_is_a_line(checked, change, said):
    place = checked / "reference" / "made.json"
    place.write_text(change(place.read_text()))
    page = page_of(checked, "--static")
    assert said in words_of(page)
    assert str(checked) not in page


def test_hostile_baselines_and_checks_are_text(checked):
    place = checked / "reference" / "made.json"
    held = accepted.read(place)
    bad = replace(held.accepted[0], reason=HOSTILE, version=HOSTILE, source=HOSTILE)
    accepted.write(replace(held, accepted=(bad,)), place)
    line = {"when": HOSTILE, "source": HOSTILE, "headline": HOSTILE, "summary": {HOSTILE: [1, 2, None]}}
    broken = [{**line, "summary": {"a": ["x", "y", None]}}, {**line, "summary": 1}, [], {**line, "headline": None}]
    text = "\n".join(map(json.dumps, [*broken, line])) + "\n\xff"
    (checked / "made" / "checks.jsonl").write_bytes(text.encode("latin-1"))
    for words in ([], ["--static"]):
        page = page_of(checked, *words)
        elements = Elements(page)
        assert "".join(elements.text).count(HOSTILE) >= 5
        assert not elements.found["img"]
        assert not any(name.startswith("on") for of in elements.every for name in of)
