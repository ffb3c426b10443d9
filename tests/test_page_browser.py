"""The page in a browser without a network: chosen, sorted, filtered, hovered, clicked and taken away."""

import csv
import re
import shutil
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from made_lenses import frame
from page_samples import HOSTILE, gates_of, hostile_study
from synthetic import COPY, MORE_CELLS, Shape, make_study

from longlag.report.page.page import render
from longlag.values.frames import PHASES

pytestmark = pytest.mark.browser

FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update"),
)


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    folder = tmp_path_factory.mktemp("page")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("longlag.report.page.content.smaller", lambda study, figures: [])
        page = render([seen(hostile_study())], folder, static=False)
    (folder / "page.html").write_text(page, encoding="utf-8")
    return (folder / "page.html").as_uri()


def seen(study):
    """Return a study whose every trial has reach and gates."""
    rows = [made(trial, phase) for trial in study.plan.itertuples() for phase in PHASES for made in (frame, gates_of)]
    return replace(study, lenses=pd.DataFrame(rows))


@pytest.fixture(scope="module")
def browser():
    playwright = pytest.importorskip("playwright.sync_api", reason="the extra `browser` is not installed")
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    assert chromium, "the tests of pages need Debian's chromium"
    with playwright.sync_playwright() as driver:
        opened = driver.chromium.launch(executable_path=chromium, args=list(FLAGS))
        yield opened
        opened.close()


@pytest.fixture
def page(browser, address):
    """Open the page; whatever it asks a network for, and whatever its console says, fails the test at its end."""
    context = browser.new_context(viewport={"width": 1280, "height": 900}, accept_downloads=True)
    opened, faults = context.new_page(), []
    own = ("data:", "blob:", address.partition("#")[0])
    opened.on("request", lambda asked: None if asked.url.startswith(own) else faults.append(asked.url))
    opened.on("console", lambda said: faults.append(said.text) if said.type in ("error", "warning") else None)
    opened.on("pageerror", lambda error: faults.append(str(error)))
    opened.on("dialog", lambda dialog: (faults.append("a dialog"), dialog.dismiss()))
    opened.goto(address)
    wait_for_curves(opened)
    yield opened
    context.close()
    assert faults == []


def wait_for_curves(page):
    """Scroll to the curves, which are drawn when they come near the view."""
    page.locator("#curves").scroll_into_view_if_needed()
    page.wait_for_selector("#curves .point")


def column(page, of, name):
    """Return the texts of a column of a table."""
    heads = page.locator(f"{of} thead th").all_inner_texts()
    return page.locator(f"{of} tbody tr > :nth-child({heads.index(name) + 1})").all_inner_texts()


def rows(page, of="#trials"):
    return int(re.match(r"\d+", page.locator(f"{of} .tools [role=status]").inner_text()).group())


def test_what_is_sorted_is_in_order_both_ways(page):
    for _ in range(2):
        page.locator("#settings-table-1 thead button", has_text="error").click()
        numbers = [float(text.split()[0]) for text in column(page, "#settings-table-1", "error") if text != "-"]
        down = page.locator("#settings-table-1 th[aria-sort]").get_attribute("aria-sort") == "descending"
        assert len(set(numbers)) > 2
        assert numbers == sorted(numbers, reverse=down)


def test_a_filter_leaves_the_rows_that_hold_its_text(page):
    every = rows(page)
    page.locator("#trials input[type=search]").fill("diverged")
    assert 0 < rows(page) < every
    assert set(column(page, "#trials", "status")) == {"diverged"}


def test_choices_link_charts_and_trials_and_lie_in_the_address(page):
    every = rows(page)
    curves = page.locator("#curves .scatterlayer .trace")
    lines = curves.count()
    page.get_by_label("no clip", exact=True).uncheck()
    # `wait_for_function` would evaluate a string while it waits, which the page's policy forbids.
    page.wait_for_url(re.compile("#.*clip="))
    curves.nth(lines - 1).wait_for(state="detached")
    assert rows(page) < every
    assert "no clip" not in column(page, "#trials", "clip")
    linked = page.url
    page.go_back()
    page.wait_for_url(re.compile("^((?!clip=).)*$"))
    assert rows(page) == every
    page.go_forward()
    page.wait_for_url(re.compile("#.*clip="))
    assert rows(page) < every
    page.goto("about:blank")
    page.goto(linked)
    wait_for_curves(page)
    assert "no clip" not in column(page, "#trials", "clip")


def test_another_task_shows_its_own_trials(page):
    task = page.get_by_label("Task", exact=True)
    task.select_option(index=1)
    page.wait_for_url(re.compile("#.*task="))
    assert len(set(column(page, "#trials", "task"))) == 1
    assert column(page, "#trials", "task")[0] == task.locator("option:checked").inner_text()


def test_hovering_over_a_curve_says_its_values(page):
    page.locator("#curves").scroll_into_view_if_needed()
    page.locator("#curves .point").nth(3).hover(force=True)
    told = page.locator("#curves .hoverlayer .hovertext").first
    told.wait_for()
    assert re.search(r"seed \d.*update \d+.*error", told.text_content())


def test_a_click_on_a_point_shows_its_trial_and_the_command_for_it(page):
    page.locator("#curves").scroll_into_view_if_needed()
    page.locator("#curves .point").nth(3).hover(force=True)
    page.locator("#curves .hoverlayer .hovertext").first.wait_for()
    page.mouse.down()
    page.mouse.up()
    page.locator("#trial h2").wait_for()
    key = page.locator("#trial h2 code").inner_text()
    assert re.fullmatch("[0-9a-f]{16}", key)
    assert f"longlag rerun {key}" in page.locator("#trial").inner_text()
    assert "status" in page.locator("#trial dl").inner_text()
    page.locator("#trial-curve .point").first.wait_for()
    for chart in ("#trial-reach", "#trial-along", "#trial-spread"):
        page.locator(chart).scroll_into_view_if_needed()
        page.locator(f"{chart} .trace").first.wait_for(state="attached")
    assert page.locator("#trial-along .legend").get_by_text("forget").count() == 1
    page.get_by_role("button", name="Close").click()
    page.locator("#trial").wait_for(state="hidden")


def test_a_trial_is_chosen_by_keyboard_alone(page):
    page.locator("#trials tbody button").first.focus()
    page.keyboard.press("Enter")
    page.locator("#trial h2").wait_for()
    assert page.evaluate("document.activeElement.id") == "trial"


def test_the_download_has_every_row_and_no_formula(page, tmp_path):
    with page.expect_download() as caught:
        page.locator("#trials .tools button").click()
    caught.value.save_as(tmp_path / "trials.csv")
    with Path(tmp_path / "trials.csv").open(encoding="utf-8-sig", newline="") as file:
        read = list(csv.reader(file))
    assert len(read) == rows(page) + 1
    assert not any(cell[:1] in "=+@" for row in read for cell in row if cell)
    assert page.evaluate("['=1+1', '-2', '-x', '+a', 'a,\"b\"'].map(csvCell)") == [
        "'=1+1", "-2", "'-x", "'+a", '"a,""b"""',
    ]  # fmt: skip


def test_hostile_words_are_text(page):
    assert page.locator("h1").inner_text().strip() == HOSTILE
    assert page.locator("img[src='x']").count() == 0
    assert any("onerror" in text for text in page.locator("#choose label.box").all_inner_texts())
    assert page.locator("#key").get_by_text("onerror").count() > 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_serious_keeps_anybody_out(page, scheme):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright")
    page.emulate_media(color_scheme=scheme)
    page.locator("#trials tbody button").first.click()
    page.locator("#trial-curve .point").first.wait_for()
    found = axe.Axe().run(page).response["violations"]
    serious = [(one["id"], one["nodes"][0]["html"][:200]) for one in found if one["impact"] in ("serious", "critical")]
    assert serious == []


def test_without_scripts_it_can_be_read(browser, address):
    context = browser.new_context(java_script_enabled=False, viewport={"width": 390, "height": 800})
    page = context.new_page()
    page.goto(address)
    assert page.locator(".settings-section table").is_visible()
    assert page.locator("#explorer").is_hidden()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    context.close()


def test_printed_it_has_heads_that_are_text_and_no_explorer(page):
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    page.emulate_media(media="print")
    heads = page.locator("#settings-table-1 thead")
    assert heads.locator(".printed").first.is_visible()
    assert heads.locator("button").first.is_hidden()
    assert page.locator("#explorer").is_hidden()
    assert page.locator("#settings-table-1 tbody tr").count() == rows(page, "#settings-table-1")


def test_of_two_studies_the_lines_of_the_second_are_told_apart(browser, tmp_path, monkeypatch):
    monkeypatch.setattr("longlag.report.page.content.headline", lambda study: None)
    studies = [replace(make_study(Shape((COPY,), ("gru",), ("none",), seeds=2)), name=name) for name in ("a", "b")]
    monkeypatch.setattr("longlag.report.page.content.smaller", lambda study, figures: [])
    (tmp_path / "page.html").write_text(render(studies, tmp_path, static=False), encoding="utf-8")
    page = browser.new_context(viewport={"width": 1280, "height": 900}).new_page()
    page.goto((tmp_path / "page.html").as_uri())
    wait_for_curves(page)
    assert page.locator("#key bdi").all_inner_texts() == ["GRU · no clip · a", "GRU · no clip · b"]
    widths = page.locator("#key line").evaluate_all("lines => lines.map((one) => one.getAttribute('stroke-width'))")
    assert widths == ["1.5", "4"]
    page.context.close()


def test_ten_thousand_trials_have_all_rows_and_charts_of_some(browser, tmp_path, monkeypatch):
    monkeypatch.setattr("longlag.report.page.content.headline", lambda study: None)
    monkeypatch.setattr("longlag.report.page.content.smaller", lambda study, figures: [])
    study = make_study(Shape(cells=MORE_CELLS, seeds=93))
    assert len(study.plan) >= 10_000
    (tmp_path / "page.html").write_text(render([study], tmp_path, static=False), encoding="utf-8")
    page = browser.new_context(viewport={"width": 1280, "height": 900}).new_page()
    page.goto((tmp_path / "page.html").as_uri())
    page.locator("#trials tbody tr").first.wait_for()
    wait_for_curves(page)
    assert "evenly picked" in page.locator("#shown").inner_text()
    page.context.close()
