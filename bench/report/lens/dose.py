"""Draws dose and response: the memory that initialisation gives a network, against its signal and its success.

Doses are the initial bias of the gate that keeps the state (`forget_bias` of an LSTM, `update_bias` of a GRU, or chrono
initialisation) and the scale of a plain network's orthogonal or identity matrix. Nothing else differs between doses.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import PercentFormatter

from longlag.report.figures import panels, style
from longlag.report.lens.numbers import SMALLEST, correlation_text, has_lens, reach_numbers
from longlag.report.memo import once
from longlag.report.outcomes import SETTING, Panel, outcomes, study_panels
from longlag.stats.intervals import share_interval
from longlag.stats.within import Within, within_correlation
from longlag.store.results import StudyData
from longlag.tasks.support.spelling import split_spec
from longlag.values.frames import START

_DOSES = {"lstm": ("forget_bias", "1", "chrono"), "gru": ("update_bias", "0", "chrono"), "rnn": ("scale", "1", "")}
"""For each cell the option that is the dose, its default, and the initialisation that is a dose of its own."""
_FEWEST = 3
_NAMED = {"forget_bias": "forget bias", "update_bias": "update bias", "scale": "scale of the recurrent matrix"}


@dataclass(frozen=True)
class Dose:
    """The dose of a cell.

    Attributes:
        family: The cell's spec without its dose.
        option: The option that is the dose.
        text: The dose in words.
        rank: The place of the dose among others.
    """

    family: str
    option: str
    text: str
    rank: float


def dose_of(cell: str) -> Dose | None:
    """Return the dose of a cell; None if it has no option that is a dose.

    >>> dose_of("lstm:forget_bias=3"), dose_of("rnn:init=orthogonal").text, dose_of("gru:init=chrono").text
    (Dose(family='lstm', option='forget_bias', text='3', rank=3.0), '1', 'chrono')
    """
    name, given = split_spec(cell, "cell")
    if name not in _DOSES:
        return None
    option, default, chrono = _DOSES[name]
    rest = dict(given)
    if chrono and rest.get("init") == chrono:
        rest.pop("init")
        text, rank = " ".join([chrono, *filter(None, [rest.pop("span", "")])]), np.inf
    else:
        text = rest.pop(option, default)
        rank = float(text)
    family = ":".join(filter(None, [name, ",".join(f"{key}={value}" for key, value in sorted(rest.items()))]))
    return Dose(family, option, text, rank)


@once
def dose_panels(study: StudyData) -> list[tuple[Panel, str, list[str]]]:
    """Return panel, family and cells in the order of doses, for families with three doses or more."""
    families = []
    for part in study_panels(study):
        by_family: dict[str, list[tuple[Dose, str]]] = {}
        for cell in part.cells:
            if (dose := dose_of(cell)) is not None:
                by_family.setdefault(dose.family, []).append((dose, cell))
        for family, doses in by_family.items():
            if len(doses) >= _FEWEST:
                families.append((part, family, [cell for _, cell in sorted(doses, key=lambda pair: pair[0].rank)]))
    return families


def has_dose(study: StudyData) -> bool:
    """Return whether a cell was trained with several doses, and the lens reach was used."""
    return has_lens(study, "reach") and bool(dose_panels(study)) and bool(outcomes(study)["counted"].any())


def dose_correlations(study: StudyData) -> dict[str, Within | None]:
    """Return, for each family, the correlation of the initial signal with solving, across doses within task and rate.

    The key ``all`` is the correlation over all families. Clusters are settings, as seeds of a setting share their dose.
    """
    rows = reach_numbers(study)
    rows = rows[(rows["phase"] == START) & rows["counted"] & rows["signal"].notna()]
    kept = [
        rows[rows["cell"].isin(cells) & rows["key"].isin(part.frame["key"])] for part, _, cells in dose_panels(study)
    ]
    families = [family for _, family, _ in dose_panels(study)]
    named = pd.concat([some.assign(family=family) for some, family in zip(kept, families, strict=True)])
    split = {family: named[named["family"] == family] for family in dict.fromkeys(families)} | {"all": named}
    return {name: _correlation(some) for name, some in split.items()}


def dose_sentence(study: StudyData) -> str:
    """Say how the signal at the start goes with solving across doses, within each task and rate, by family."""
    by_family = [
        f"{style.cell_label(name)} {correlation_text(one)}"
        for name, one in dose_correlations(study).items()
        if name != "all"
    ]
    return "Signal before training and solving, across doses within task and rate: " + "; ".join(by_family)


def _correlation(rows: pd.DataFrame) -> Within | None:
    return within_correlation(
        np.log10(rows["signal"]).tolist(),
        rows["solved"].astype(float).tolist(),
        list(zip(rows["task"], rows["family"], rows["lr"], strict=True)),
        list(rows[list(SETTING)].astype(str).agg(" ".join, axis=1)),
    )


@style.report_style()
def dose(study: StudyData) -> panels.Drawing:
    """Draw the solved share and, below it, the signal before and after training, against the dose."""
    parts = dose_panels(study)
    labels = list(dict.fromkeys(part.label for part, _, _ in parts))
    families = list(dict.fromkeys(family for _, family, _ in parts))
    figure, axes = panels.grid(2 * len(labels), len(families), [1.1, 1.1], width=max(4.2, 2.35 * len(families)))
    for ax in axes.flat:
        panels.blank(ax)
    drawn_rows = []
    for part, family, cells in parts:
        row, column = labels.index(part.label), families.index(family)
        upper, lower = axes[2 * row, column], axes[2 * row + 1, column]
        upper.axis("on")
        lower.axis("on")
        panels.titles(upper, f"{part.label} · {part.seeds}" if column == 0 else "", style.cell_label(family))
        drawn_rows.append(_draw(upper, lower, study, part, family, cells))
        if column == 0:
            upper.set_ylabel("solved share", fontsize=6.5)
            lower.set_ylabel("signal", fontsize=6.5)
    explanation = (
        "above: solved share, with its exact 95 % interval; below: the signal from the furthest step that is needed, "
        "median before training (open) and where training ended (filled), every trial faint, log axis; clips taken "
        f"together. {dose_sentence(study)}"
    )
    panels.caption(figure, study, "Dose and response", explanation)
    return panels.Drawing(figure, pd.concat(drawn_rows, ignore_index=True))


def _draw(upper: Axes, lower: Axes, study: StudyData, part: Panel, family: str, cells: list[str]) -> pd.DataFrame:
    """Draw one family's two frames and return their numbers."""
    rows, look = reach_numbers(study), style.cell_look(family)
    rows_drawn = list(_numbers(rows, part, family, cells))
    places = np.arange(len(cells))
    shares = pd.DataFrame(rows_drawn)
    upper.vlines(places, shares["solved_low"], shares["solved_high"], color=look.color, linewidth=0.9, alpha=0.5)
    upper.plot(places, shares["solved_fraction"], color=look.color, marker=look.marker, clip_on=False)
    upper.set_ylim(-0.04, 1.04)
    upper.yaxis.set_major_formatter(PercentFormatter(1))
    lower.set_yscale("log")
    for phase, fill, line in (("start", "none", ":"), ("end", "full", "-")):
        for place, cell in enumerate(cells):
            some = rows[(rows["phase"] == phase) & (rows["cell"] == cell) & rows["key"].isin(part.frame["key"])]
            lower.plot(
                np.full(len(some), place), some["signal"], ".", color=look.color, alpha=style.FAINT, markersize=3,
                markeredgewidth=0,
            )  # fmt: skip
        middle = shares[f"signal_{phase}"].clip(lower=SMALLEST)
        lower.plot(places, middle, color=look.color, marker=look.marker, fillstyle=fill, linestyle=line, linewidth=1)
    for ax in (upper, lower):
        ax.set_xticks(places, [shares["dose"].iloc[place] for place in places])
        ax.set_xlim(-0.4, len(cells) - 0.6)
    upper.tick_params(labelbottom=False)
    dose = dose_of(cells[0])
    assert dose is not None, "only cells with doses are drawn"
    lower.set_xlabel(_NAMED[dose.option])
    return shares


def _numbers(rows: pd.DataFrame, part: Panel, family: str, cells: list[str]) -> Iterator[dict[str, Any]]:
    for cell in cells:
        of_cell = part.of(cell)
        counted = of_cell[of_cell["counted"]]
        solved, n = int(counted["solved"].sum()), len(counted)
        share, dose = share_interval(solved, n), dose_of(cell)
        assert dose is not None, "only cells with doses are drawn"
        signals = {
            phase: rows.loc[rows["key"].isin(of_cell["key"]) & (rows["phase"] == phase), "signal"].median()
            for phase in ("start", "end")
        }
        yield {
            "task": part.task,
            "ways": part.ways_label,
            "family": family,
            "cell": cell,
            "dose": dose.text,
            "n": n,
            "solved_count": solved,
            "solved_fraction": solved / n if n else np.nan,
            "solved_low": share.low if share else np.nan,
            "solved_high": share.high if share else np.nan,
            **{f"signal_{phase}": value for phase, value in signals.items()},
        }
