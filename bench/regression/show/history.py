"""The history of a baseline, its acceptances and checks: as lines, and as a figure."""

import json
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from longlag.regression.judge.baseline import Acceptance, Baseline, counts, summary_of
from longlag.regression.judge.entries import Entry, source_of
from longlag.regression.show.report import Report
from longlag.report.figures import style
from longlag.report.figures.panels import GREY, Drawing, cell_handles, grid, legend_below
from longlag.report.figures.support.looks import kept_apart
from longlag.report.text.terminal import aligned
from longlag.tasks.support.errors import UsageError
from longlag.values.trial import Trial

_FILE = "checks.jsonl"


@dataclass(frozen=True)
class Check:
    """The record of a check.

    Attributes:
        when: Its time in UTC, to the second.
        source: Hash of the source that was checked, and the plugins with their hashes.
        headline: Its result, in half a line.
        summary: The summary of its entries, as in `baseline.Acceptance`.
    """

    when: str
    source: str
    headline: str
    summary: Mapping[str, tuple[int, int, int | None]]


Event = TypeVar("Event", Acceptance, Check)


def note(report: Report, folder: Path) -> None:
    """Append a check's record to the file beside the study's results."""
    entries = [verdict.pair.new for verdict in report.verdicts if verdict.pair.new is not None]
    when = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    content = {
        "when": when,
        "source": source_of(entries),
        "headline": report.headline,
        "summary": summary_of(entries),
    }
    with (folder / _FILE).open("a", encoding="utf-8") as opened:
        opened.write(json.dumps(content, sort_keys=True, ensure_ascii=False) + "\n")


def read(folder: Path) -> list[Check]:
    """Return the records of checks, oldest first; an incomplete line is left out."""
    checks = []
    path = folder / _FILE
    for line in path.read_text(encoding="utf-8-sig", errors="replace").splitlines() if path.is_file() else []:
        try:
            held = json.loads(line)
            summary = {label: counts(*numbers) for label, numbers in held["summary"].items()}
            checks.append(Check(str(held["when"]), str(held["source"]), str(held["headline"]), summary))
        except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError):
            continue
    return checks


def of_trials(events: Sequence[Event], trials: Iterable[Trial]) -> tuple[Event, ...]:
    """Return acceptances or checks with their summaries limited to the entries of some trials.

    Raises:
        UsageError: There are events, but none of these entries.
    """
    labels = {Entry(trial, ()).label for trial in trials}
    kept = tuple(
        replace(of, summary={label: numbers for label, numbers in of.summary.items() if label in labels})
        for of in events
    )
    if events and not any(of.summary for of in kept):
        raise UsageError(f"the baseline has no entry for the trials of this file, such as {min(labels)}")
    return kept


def render(baseline: Baseline, told: Sequence[Acceptance], checks: Sequence[Check]) -> str:
    """Return acceptances and checks as lines, oldest first.

    Args:
        baseline: The baseline.
        told: Its acceptances, limited to the entries to show.
        checks: The checks, limited likewise.
    """
    accepted = [
        {
            "accepted": of.when,
            "version": of.version,
            "source": of.source,
            "entries": str(len(of.summary)),
            "solved": share(of.summary),
            "reason": of.reason,
        }
        for of in told
    ]
    lines = [
        f"{baseline.study}: baseline {baseline.hash}, {len(baseline.seeds)} seeds",
        "",
        *_table(accepted, "reason"),
    ]
    rows = [
        {"checked": of.when, "source": of.source, "solved": share(of.summary), "found": of.headline} for of in checks
    ]
    return "\n".join([*lines, *(["", *_table(rows, "found")] if rows else [])]) + "\n"


def _table(rows: Sequence[Mapping[str, str]], last: str) -> list[str]:
    return aligned({name: [row[name] for row in rows] for name in rows[0]}, {last}) if rows else []


def share(summary: Mapping[str, tuple[int, int, int | None]]) -> str:
    """Write the share of all seeds that solved; a dash without seeds."""
    seeds = sum(n for _, n, _ in summary.values())
    return f"{sum(solved for solved, _, _ in summary.values()) / seeds:.0%}" if seeds else "-"


def draw(study: str, told: Sequence[Acceptance], checks: Sequence[Check]) -> Drawing:
    """Draw the solved share and the median updates of every entry over acceptances and checks, one column per task."""
    events = [(of.when, "accepted", of.summary) for of in told]
    events += [(of.when, "checked", of.summary) for of in checks]
    points = pd.DataFrame(
        [
            {"place": place, "event": f"{kind} {when}", "entry": label, "solved": solved / n, "updates": median}
            for place, (when, kind, summary) in enumerate(sorted(events, key=lambda event: event[0]), 1)
            for label, (solved, n, median) in sorted(summary.items())
            if n
        ],
        columns=["place", "event", "entry", "solved", "updates"],
    )
    return Drawing(_trend(points, f"{study}: {len(told)} accepted, {len(checks)} checked"), points)


def _trend(points: pd.DataFrame, title: str) -> Figure:
    parts = points["entry"].str.split(" · ")
    tasks, cells = sorted(parts.str[0].unique()), sorted(parts.str[1].unique(), key=style.cell_rank)
    with style.report_style(), kept_apart(pd.DataFrame({"cell": parts.str[1], "clip": parts.str[2]})):
        figure, axes = grid(2, max(len(tasks), 1), [1.7], sharex=True, sharey="row")
        events = points.drop_duplicates("place")
        for task, column in zip(tasks, axes.T, strict=True):
            column[0].set_title(textwrap.fill(style.task_label(task), 26), loc="left")
            column[1].set_xticks(events["place"], [text[:-10] for text in events["event"]], rotation=90)
            for label, rows in points[parts.str[0] == task].groupby("entry", sort=True):
                _, cell, clip, *_ = str(label).split(" · ")
                look = style.cell_look(cell)
                for ax, name in zip(column, ("solved", "updates"), strict=True):
                    numbers = rows[name].astype(float)
                    ax.plot(rows["place"], numbers, look.marker, ls=style.clip_line(clip), color=look.color, lw=1)
        axes[0, 0].set(ylabel="solved share", ylim=(-0.04, 1.04))
        axes[1, 0].set_ylabel("median updates to solve")
        axes[1, 0].set_ylim(0, 1.06 * max([1.0, *points["updates"].dropna()]))
        clips = sorted(parts.str[2].unique(), key=style.clip_rank)
        lines = [Line2D([], [], color=GREY, linestyle=style.clip_line(c), label=style.clip_label(c)) for c in clips]
        legend_below(figure, [*cell_handles(cells), *lines])
        figure.suptitle(title, x=0.008, ha="left")
    return figure
