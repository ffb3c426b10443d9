"""The page of a study: one file, whole or not at all, that says what is stored and nothing else."""

import shlex
from collections import Counter
from pathlib import Path

import pytest
from made_study import USUAL, call, put, study_of
from page_samples import HOSTILE, Elements, hostile_study
from synthetic import Shape, make_study

from longlag.cli import training
from longlag.report.page import page as pages
from longlag.report.page import stamp
from longlag.report.page.commands import run_command
from longlag.report.page.content import sentences, settings_table
from longlag.report.page.page import render, write
from longlag.report.summary import summarise
from longlag.report.text.summary_lines import stories
from longlag.store.results import load_study


@pytest.fixture(scope="module")
def study():
    return hostile_study()


@pytest.fixture(scope="module")
def page(study, tmp_path_factory):
    return render([study], tmp_path_factory.mktemp("results"))


@pytest.fixture(scope="module")
def elements(page):
    return Elements(page)


@pytest.fixture
def without_pictures(monkeypatch):
    monkeypatch.setattr("longlag.report.page.content.headline", lambda study: None)
    monkeypatch.setattr("longlag.report.page.content.smaller", lambda study, figures: [])


def test_a_page_needs_nothing_beside_itself(page, elements):
    addresses = [of[name] for of in elements.every for name in ("src", "href", "xlink:href", "action") if name in of]
    assert addresses
    assert all(address.startswith(("data:", "#")) for address in addresses)
    assert "@import" not in page
    assert "url(" not in page.replace("url(#", "")
    (policy,) = [of["content"] for of in elements.found["meta"] if of.get("http-equiv")]
    assert policy.startswith("default-src 'none';")
    assert "http" not in policy


def test_hostile_words_are_text_everywhere(page, elements):
    assert HOSTILE in "".join(elements.text)
    assert not any(name.startswith("on") for of in elements.every for name in of)
    assert all(of["src"].startswith("data:") for of in elements.found["img"])
    assert "<b>" not in page
    assert "49" not in [text.strip() for text in elements.text]


def test_a_page_can_be_read_without_seeing_it(elements):
    assert len(elements.found["h1"]) == 1
    assert all(of["alt"] for of in elements.found["img"])
    assert all(of.get("aria-label") for of in elements.found["svg"])
    assert all(of["scope"] in ("col", "row", "rowgroup") for of in elements.found["th"])
    ids = Counter(of["id"] for of in elements.every if "id" in of)
    named = {label for of in elements.every for label in of.get("aria-labelledby", "").split()}
    assert named <= set(ids)


def test_ids_within_the_page_are_its_own(page):
    """Matplotlib repeats none within a figure; two figures of one page could."""
    used = [of["id"] for of in Elements(page).every if "id" in of]
    assert len(used) == len(set(used))


def test_a_page_is_small_and_the_same_bytes_twice(study, page, tmp_path):
    assert len(page.encode()) < 1_500_000
    assert render([hostile_study()], tmp_path) == page


def test_a_page_says_the_numbers_of_the_study(study, elements):
    told, summary = settings_table(study), summarise(study)
    place = told.columns.index("solved")
    assert [row[place] for row in told.rows] == [
        f"{hits}/{n}" for hits, n in zip(summary["solved_count"], summary["n"], strict=True)
    ]
    text = "".join(elements.text)
    assert all(value in text for row in told.rows for value in row)
    assert all(story in text for story in stories(study).values())
    solved = int((study.trials["status"] == "solved").sum())
    assert sentences(study)[0].text.startswith(f"{solved} of {int(summary['n'].sum())} trials solve")


def test_what_is_missing_or_failed_is_said(elements):
    text = "".join(elements.text)
    assert "not trained yet" in text
    assert "failed" in text
    assert "2 stored trials lie outside the plan" in text


def test_an_empty_study_has_a_page_too(tmp_path):
    assert "No results yet" in render([make_study(Shape(stored=0.0))], tmp_path)


def test_the_command_of_a_page_plans_these_very_trials(tmp_path):
    study = study_of(4, clip=("none", "norm:1"), layers=(1, 2), weight_noise=0.1)
    put(study, tmp_path, USUAL)
    words = shlex.split(run_command(load_study("made", tmp_path)).replace("\\\n", " "))  # as a shell joins lines
    assert words[:2] == ["longlag", "run"]
    told = call("plan", *words[2:], "--results", str(tmp_path)).output
    assert "to train  0" in told
    assert f"{len(study.trials())}" in told


def test_a_plan_that_no_options_make_has_no_command(tmp_path):
    study = make_study()  # rates of their own for cells
    assert run_command(study) is None
    assert "Options alone cannot describe this plan" in render([make_study(Shape(stored=0.0))], tmp_path)


@pytest.mark.usefixtures("without_pictures")
def test_a_page_that_stands_is_not_made_again(tmp_path):
    put(study_of(2), tmp_path, USUAL)
    path = training.page_of(load_study("made", tmp_path), tmp_path)
    before = path.stat().st_mtime_ns
    assert not write([load_study("made", tmp_path)], tmp_path, path)
    assert path.stat().st_mtime_ns == before
    put(study_of(3), tmp_path, USUAL)
    assert training.page_of(load_study("made", tmp_path), tmp_path) == path
    assert "9 trials" in path.read_text()
    path.write_text("mine")
    assert write([load_study("made", tmp_path)], tmp_path, path)


def test_other_templates_and_code_make_another_page(monkeypatch, tmp_path):
    study = make_study(Shape(seeds=1))
    usual, files, changed = stamp.digest_of([study], static=True), stamp.modules(), tmp_path / "tables.py"
    changed.write_text("")
    monkeypatch.setattr(stamp, "modules", lambda: files | {"longlag.report.text.tables": changed})
    assert stamp.digest_of([study], static=True) != usual
    monkeypatch.undo()
    assert stamp.digest_of([study], static=False) != usual


@pytest.mark.usefixtures("without_pictures")
def test_a_page_that_cannot_be_written_leaves_what_was_there(tmp_path, monkeypatch):
    study, out = make_study(Shape(seeds=1)), tmp_path / "page.html"
    out.write_text("before")

    def full(self, target):
        raise OSError(28, "No space left on device", str(self))

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(OSError, match="No space left") as raised:
        write([study], tmp_path, out)
    assert raised.value.filename == str(out)
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("page.html", "before")]


@pytest.mark.usefixtures("without_pictures")
def test_the_command_writes_where_it_is_told(tmp_path):
    put(study_of(2), tmp_path, USUAL)
    usual = call("report", "made", "--results", str(tmp_path))
    assert (usual.exit_code, usual.output) == (0, f"{tmp_path / 'made' / 'report.html'}\n")
    assert call("report", "made", "--results", str(tmp_path), "--out", str(tmp_path / "p.html")).exit_code == 0
    assert (tmp_path / "p.html").read_bytes() == (tmp_path / "made" / "report.html").read_bytes()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["maed"], "no study called 'maed' has results"),
        (["made", "--out", "nowhere/page.html"], "there is no folder nowhere"),
    ],
)
def test_a_wrong_word_gets_one_line(words, said, tmp_path, capsys):
    put(study_of(1), tmp_path, USUAL)
    ended = call("report", *words, "--results", str(tmp_path))
    assert ended.exit_code == 2
    assert said in ended.output
    assert len(ended.output.splitlines()) == 1


def test_styles_and_templates_are_files_of_the_package():
    assert "default-src" not in pages.asset("page.css")
    assert {path.suffix for path in (Path(pages.__file__).parent / "templates").iterdir()} == {".html"}
