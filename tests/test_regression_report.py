"""What a check found, as text, Markdown, JUnit XML and JSON."""

import json
import re
import subprocess
import sys
from dataclasses import replace
from xml.etree import ElementTree

import pytest
from made_study import CELLS, USUAL
from regressions import drawn

from longlag.regression.judge import baseline as accepted
from longlag.regression.judge.commands import Commands
from longlag.regression.judge.comparison import points
from longlag.regression.judge.entries import Entry
from longlag.regression.judge.matching import EntryPair
from longlag.regression.judge.procedure import decide
from longlag.regression.judge.verdict import Ruling, Verdict
from longlag.regression.show.figure import draw_report
from longlag.regression.show.formats import as_json, as_junit
from longlag.regression.show.render import render_markdown, render_text
from longlag.regression.show.report import Invariant, Report


def report(shares: dict[str, float], **options: object) -> Report:
    before = [drawn(USUAL[cell], range(60), "base", cell, cell=cell, marked="a") for cell in CELLS]
    after = [drawn(share, range(60, 70), "new", cell, cell=cell) for cell, share in shares.items()]
    when = accepted.Acceptance("2026-01-01T00:00:00Z", "first | <b>", "1", "a", {})
    verdicts = decide(before, [*after, Entry(before[0].setting, before[0].outcomes[:10])], None, [])
    return Report("made", accepted.Baseline("made", tuple(before), (when,)), tuple(verdicts), **options)


def test_markdown_escapes_what_others_wrote_and_folds_what_is_unchanged() -> None:
    text = render_markdown(report({"lstm": 0.0, "rnn": 0.85}))
    assert "first \\| \\<b\\>" in text
    assert "<details><summary>1 unchanged</summary>" in text
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert {len(re.findall(r"(?<!\\)\|", row)) for row in rows} == {9}
    assert "inconclusive" in rows[2]


@pytest.mark.parametrize("ruling", Ruling)
def test_markdown_stays_small_whatever_it_holds(ruling: Ruling) -> None:
    made = report({"lstm": 0.0, "rnn": 0.85})
    entry = made.verdicts[0].pair.new
    assert entry is not None
    pairs = [EntryPair(entry, Entry(replace(entry.setting, cell=f"lstm:forget_bias={n}"), ())) for n in range(2000)]
    many = replace(made, verdicts=tuple(Verdict(pair, ruling, "reason " * 20) for pair in pairs))
    text = render_markdown(many)
    assert len(text.encode()) < 60_000
    assert "more" in text


def test_junit_is_what_ci_viewers_read() -> None:
    broken = (Invariant("clip", False, "bad \x00 <&"), Invariant("floor", True, "fine"))
    root = ElementTree.fromstring(as_junit(report({"lstm": 0.0, "rnn": 0.85}, invariants=broken)).encode())
    assert root.tag == "testsuites"
    (suite,) = root
    cases = suite.findall("testcase")
    assert len(cases) == int(suite.attrib["tests"]) == int(root.attrib["tests"]) == 5
    for kind, tag in {"failures": "failure", "errors": "error", "skipped": "skipped"}.items():
        assert int(suite.attrib[kind]) == len(suite.findall(f"testcase/{tag}"))
    assert all(case.attrib["name"] and case.attrib["classname"] for case in cases)
    assert suite.attrib["failures"] == "1"
    assert suite.attrib["skipped"] == "1"
    strict = ElementTree.fromstring(as_junit(report({"lstm": 0.0}, strict=True)).encode())
    assert strict.attrib["failures"] == "1"


def test_json_has_a_schema_and_every_number() -> None:
    held = json.loads(as_json(report({"lstm": 0.0, "rnn": 0.85})))
    assert held["schema"] == 1
    worst = held["entries"][0]
    assert worst["verdict"] == "inconclusive"
    assert worst["screened"]["p_worse"]["solved"] < 0.05
    assert worst["screened"]["solved_change"]["high"] < 0
    assert held["counts"]["unchanged"] == 1


def test_the_text_says_each_drop_it_could_detect() -> None:
    text = render_text(report({"lstm": 0.0, "rnn": 0.85}))
    row = next(line for line in text.splitlines() if line.lstrip().startswith("RNN tanh"))
    assert re.search(r"≤ \d+ %, -\d+ points", row)


def test_same_is_told_with_what_it_leaves_open_wherever_it_is_written() -> None:
    made = report({"lstm": 0.9, "rnn": 0.85})
    assert made.counts[Ruling.SAME] == 2
    left = [points(v.deciding.excluded_drop) for v in made.verdicts if v.deciding is not None]
    assert made.headline == f"made: no regression found (2 same but for drops up to {max(left)} points, 1 unchanged)"
    junit, drawn_rows = as_junit(made), draw_report(made).data["verdict"].tolist()
    for drop in left:
        told = f"same: no drop over {drop} points"
        assert all(told in text for text in (render_text(made), render_markdown(made), junit))
        assert told in drawn_rows
    held = json.loads(as_json(made))["entries"]
    assert [entry["meaning"] for entry in held] == [*(f"no drop over {drop} points" for drop in left), None]
    assert [points(entry["screened"]["excluded_drop"]) for entry in held[:2]] == left


def test_what_is_suggested_repeats_what_was_given() -> None:
    given = Commands("my studies/made.toml", ("a.py", "b.py"), "out", "old.json")
    options = "--plugin a.py --plugin b.py --results out"
    trains = f"longlag run 'my studies/made.toml' --fresh --seeds 100 {options}"
    accepts = f"longlag baseline accept 'my studies/made.toml' --reason TEXT {options} --baseline old.json"
    checks = f"longlag check 'my studies/made.toml' --margin 15 {options} --baseline old.json"
    made = report({"lstm": 0.0, "rnn": 0.85}, commands=given, margin=15)
    one = replace(made.verdicts[0], ruling=Ruling.REGRESSED)
    assert replace(made, verdicts=(one,)).advice == [f"If the regression is intended: {trains} && {accepts}"]
    assert replace(made, confirms=False).advice == [
        f"Without --no-confirm, fresh seeds decide on entries that look worse: {checks}"
    ]
    unsure = replace(made.verdicts[0], more_seeds=31)
    more = trains.replace("100", "41")
    assert replace(made, verdicts=(unsure,)).advice == [f"To decide what is undecided: {more} && {checks}"]


def test_other_versions_are_told() -> None:
    made = report({"lstm": 0.9, "rnn": 0.85})
    pair = next(verdict.pair for verdict in made.verdicts if verdict.ruling is not Ruling.UNCHANGED)
    assert pair.baseline is not None
    assert pair.new is not None
    context = [replace(entry, contexts=((("torch", version),),)) for entry, version in zip(
        (pair.baseline, pair.new), ("2.12", "2.13"), strict=True)]  # fmt: skip
    told = replace(made, verdicts=(Verdict(EntryPair(*context), Ruling.SAME, ""),))
    assert "torch 2.13, was 2.12" in render_text(told)
    unknown = replace(context[1], contexts=((("processor", "znver4"),),))
    told = replace(made, verdicts=(Verdict(EntryPair(context[0], unknown), Ruling.SAME, ""),))
    assert "(processor znver4, was unknown)" in render_text(told)


def test_several_types_of_processor_are_told() -> None:
    made = report({"lstm": 0.9, "rnn": 0.85})
    entry = made.verdicts[0].pair.new
    assert entry is not None
    types = ("skylake-avx512", "znver3")
    mixed = replace(entry, contexts=tuple((("cpu_capability", "AVX2"), ("processor", name)) for name in types))
    for new, told in ((mixed, True), (replace(mixed, contexts=mixed.contexts[:1]), False)):
        text = render_text(replace(made, verdicts=(Verdict(EntryPair(mixed, new), Ruling.SAME, ""),)))
        said = "Mixed processors made the new trials (skylake-avx512 AVX2, znver3 AVX2): curves need not be equal."
        assert (said in text) is told


@pytest.mark.parametrize(
    ("cost", "told"),
    [
        ({"seconds_per_update": 0.005}, "Slower: RNN tanh · norm ≤ 1 · copy takes 2.5 times as long as in"),
        ({"memory_bytes": 5000}, "Larger: RNN tanh · norm ≤ 1 · copy takes 2.5 times as much memory as in"),
    ],
)
def test_an_entry_that_costs_more_beside_the_others_is_told_but_passes(cost, told) -> None:
    entries = [drawn(0.9, range(60), "base", cell, cell=cell, marked="a") for cell in CELLS]
    before = [replace(entry, seconds_per_update=0.001, memory_bytes=1000) for entry in entries]
    doubled = {"seconds_per_update": 0.002, "memory_bytes": 2000}  # all alike: another machine
    now = [replace(entry, outcomes=entry.outcomes[:10], **doubled) for entry in before]
    when = accepted.Acceptance("2026-01-01T00:00:00Z", "first", "1", "a", {})
    held = accepted.Baseline("made", tuple(before), (when,))
    for after, is_told in ((now, False), ([*now[:2], replace(now[2], **cost)], True)):
        made = Report("made", held, tuple(decide(before, after, None, [])))
        assert (told in render_text(made)) == is_told
        assert made.exit_code == 0


def test_judging_needs_no_torch() -> None:
    code = (
        "import sys, longlag.regression.judge.verdict, longlag.regression.show.render, "
        "longlag.regression.show.formats, longlag.regression.show.figure, "
        "longlag.regression.show.history; print('torch' in sys.modules)"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout == "False\n"
