"""Writes sentences and a table on reach, computed from the frames of lenses."""

from collections.abc import Callable, Sequence

import pandas as pd

from longlag.report.figures import style
from longlag.report.lens.dose import dose_sentence, has_dose
from longlag.report.lens.numbers import (
    against_outcome,
    at_start,
    correlation_text,
    middle_line,
    phases_of,
    reach_by_lag,
    reach_numbers,
)
from longlag.report.outcomes import Panel, study_panels
from longlag.store.flat import lens_numbers
from longlag.store.results import StudyData
from longlag.values.frames import END, QUARTER, REFUSED, START

REACH_EXPLANATION = (
    "Reach: the steps back up to which the answer's gradient by the input is at least 1 % of the strongest, where "
    "training ended, median of the seeds; > where the sequences end first."
)
WHEN = {START: "before training", QUARTER: "at a quarter of the budget", END: "where training ended"}


def reach_sentences(study: StudyData) -> list[str]:
    """Return a sentence for each task and cell on how much signal arrives from the furthest step needed, by phase."""
    return [line for part in study_panels(study) for line in _of_panel(study, part)]


def _of_panel(study: StudyData, part: Panel) -> list[str]:
    numbers = reach_numbers(study)
    numbers = numbers[numbers["key"].isin(part.frame["key"])]
    lines = []
    for cell in part.cells:
        rows = numbers[numbers["cell"] == cell]
        signals = [_signal(study, rows, phase) for phase in phases_of(rows) if phase != QUARTER]
        if any(signals):
            back = int(rows["needed_lag"].iloc[0])
            where = f"{back} steps back" if back >= 0 else f"{-back} steps behind the answer"
            listed = ", ".join(filter(None, signals))
            lines.append(f"{part.label}, {style.cell_label(cell)}: the signal from {where} is {listed}")
    return lines


def _signal(study: StudyData, rows: pd.DataFrame, phase: str) -> str:
    rows = at_start(rows) if phase == START else rows[rows["phase"] == phase]
    lags = reach_by_lag(study)
    lags = lags[(lags["phase"] == phase) & lags["key"].isin(rows["key"])]
    middle = middle_line(lags)
    back = int(rows["needed_lag"].iloc[0])
    if back not in middle.index:
        return ""
    strength = middle[back]
    share = f"{strength:.1e} of the strongest" if strength else "exactly 0"
    return f"{share} {WHEN[phase]}"


def outcome_sentences(study: StudyData) -> list[str]:
    """Return sentences on the correlation of the needed signal with solving, within task and cell, by phase."""
    counted = reach_numbers(study)["counted"]
    return [
        f"Signal {WHEN[phase]} and solving, within task and cell: {correlation_text(against_outcome(study, phase))}"
        for phase in phases_of(reach_numbers(study))
        if counted.any()
    ]


def reach_table(study: StudyData) -> pd.DataFrame:
    """Return one row for each task, cell, clip (after training) and phase.

    Columns: ``task, ways, cell, clip, phase, n, reach_1pct, reach_open, reach_slope, needed_lag, needed_signal``
    (medians over seeds) and ``silent`` (the total number of sequences without any signal).
    """
    table_rows = []
    for part in study_panels(study):
        rows = reach_numbers(study)
        rows = rows[rows["key"].isin(part.frame["key"])]
        for phase in phases_of(rows):
            of_phase = at_start(rows) if phase == START else rows[rows["phase"] == phase]
            groups = [of_phase[of_phase["cell"] == cell] for cell in part.cells]
            if phase != START:
                groups = [some[some["clip"] == clip] for some in groups for clip in part.clips]
            table_rows += [_table_row(part, group, phase) for group in groups if len(group)]
    return pd.DataFrame(table_rows)


def _table_row(part: Panel, rows: pd.DataFrame, phase: str) -> dict[str, object]:
    first = rows.iloc[0]
    medians = {
        name: pd.to_numeric(rows[name]).median()
        for name in ("reach_1pct", "reach_slope", "needed_lag", "needed_signal")
    }
    return {
        "task": part.task,
        "ways": part.ways_label,
        "cell": first["cell"],
        "clip": "" if phase == START else first["clip"],
        "phase": phase,
        "n": len(rows),
        **medians,
        "reach_open": bool(rows["reach_open"].astype(float).mean() >= 0.5),
        "silent": int(pd.to_numeric(rows["silent"]).sum()),
    }


def render(study: StudyData, lenses: Sequence[str]) -> str:
    """Return the report of some lenses for a terminal: tables, sentences, and why networks could not be measured."""
    lines = []
    if "reach" in lenses and (study.lenses["lens"] == "reach").any():
        lines += [readable_reach(study).to_string(index=False), "", *reach_sentences(study), *outcome_sentences(study)]
        lines += [dose_sentence(study)] if has_dose(study) else []
    for lens in lenses:
        lines += [f"{lens}: {count} frames without: {why}" for why, count in refusals(study, lens).items()]
    return "\n".join([*lines, ""])


def refusals(study: StudyData, lens: str) -> dict[str, int]:
    """Return the reasons why a lens could not measure some networks, with the number of frames of each reason."""
    numbers = lens_numbers(study.lenses, lens)
    if REFUSED not in numbers:
        return {}
    return {str(why): int(count) for why, count in numbers[REFUSED].dropna().value_counts(sort=False).items()}


def readable_reach(study: StudyData) -> pd.DataFrame:
    """Return the table of reach as texts."""
    rows = [row for _, row in reach_table(study).iterrows()]
    ways = any(row["ways"] for row in rows)
    columns: dict[str, Callable[[pd.Series], str]] = {
        "task": lambda row: style.task_label(row["task"]) + (f", {row['ways']}" if ways and row["ways"] else ""),
        "cell": lambda row: style.cell_label(row["cell"]),
        "when": lambda row: WHEN[row["phase"]] + (f", {style.clip_label(row['clip'])}" if row["clip"] else ""),
        "n": lambda row: str(row["n"]),
        "reach (1 %)": reach_text,
        "slope a step": lambda row: _number(row["reach_slope"]),
        "needed": lambda row: _number(row["needed_lag"]),
        "signal there": lambda row: _number(row["needed_signal"]),
        "silent": lambda row: str(row["silent"]),
    }
    return pd.DataFrame({name: [write(row) for row in rows] for name, write in columns.items()})


def reach_text(row: pd.Series) -> str:
    """Write the lag up to which at least 1 % of the signal arrives, or ``> lag`` if the sequence ends before."""
    lag = row["reach_1pct"]
    return "-" if pd.isna(lag) else f"{'> ' * bool(row['reach_open'])}{lag:g}"


def _number(value: float | None) -> str:
    return "-" if value is None or pd.isna(value) else f"{value:.2g}"
