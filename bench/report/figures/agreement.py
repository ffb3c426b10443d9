"""Draws subject-verb agreement: errors beside those of the *last noun* rule, and the answers to one sentence."""

from math import comb
from typing import Any

import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from longlag.report.figures import panels, style
from longlag.report.figures.curves import all_cells, all_clips
from longlag.report.figures.support import frames
from longlag.report.outcomes import Panel, study_panels
from longlag.store.results import StudyData
from longlag.tasks.support.options import Range

__all__ = ["PANELS", "draw", "handles", "how_to_read", "numbers"]
PANELS = ("task", "ways", "clip")
_COLUMNS = ["task", "ways", "cell", "clip", "seed", "shown", "value", "number"]
_DOTS: style.LineStyle = (0, (1, 1))
_SLICES = {
    "attractors": "attractors\n(differ from the subject)",
    "congruent": "congruent nouns\n(agree with the subject)",
}
_SENTENCE = {
    "P(is)": ("o", -0.16),
    "P(are)": ("x", 0.16),
    "P(singular)": ("o", -0.16),
    "P(plural)": ("x", 0.16),
}
"""The numbers of the example: their names, their markers, and how far from a cell's line they are drawn."""


def has_agreement(study: StudyData) -> bool:
    """Return whether the study has numbers for this figure."""
    return bool(study.plan["task"].str.match(r"agreement\b").any()) and not study.slices.empty


def last_noun_error(nouns: Range, slice_name: str, count: int) -> float | None:
    """Return how often the rule *agree with the last noun* errs among sentences with some number of attractors.

    How many nouns there are is uniform over the range, and each is singular or plural with equal probability. If a of n
    nouns are attractors, the last noun is one of them with probability a/n, and then the rule errs.

    Args:
        nouns: How many nouns may stand between subject and verb.
        slice_name: Whether ``attractors`` or ``congruent`` nouns are counted.
        count: How many of these nouns there are.

    Returns:
        The error of the rule; None if no sentence has that many.

    >>> last_noun_error(Range(2, 2), "attractors", 1), last_noun_error(Range(0, 4), "attractors", 0)
    (0.5, 0.0)
    """
    weights = {n: comb(n, count) / 2**n for n in range(max(nouns.low, count), nouns.high + 1)}
    if not weights:
        return None
    attractors = {n: count if slice_name == "attractors" else n - count for n in weights}
    wrong = sum(weight * attractors[n] / n for n, weight in weights.items() if n)
    return float(wrong / sum(weights.values()))


def numbers(study: StudyData) -> pd.DataFrame:
    """Return a row for each setting and number of attractors, which are nouns whose number differs from the subject's.

    Columns: ``task, ways, cell, clip, attractors, n, error, error_min, error_max`` (median and range over seeds at
    their last evaluation), ``rule`` (the error of agreeing with the last noun), ``floor``.
    """
    if not has_agreement(study):
        return pd.DataFrame()
    last = study.slices[study.slices["update"] == study.slices.groupby("key")["update"].transform("max")]
    last = last[last["slice"] == "attractors"]
    table = []
    for part in (part for part in study_panels(study) if part.task.partition(":")[0] == "agreement"):
        rows = part.frame[["key", "cell", "clip"]].merge(last, on="key")
        rows = rows.assign(value=rows["value"].astype(int))
        rule = _rule(part, "attractors", sorted(rows["value"].unique()))
        for (cell, clip, count), subset in rows.groupby(["cell", "clip", "value"], sort=True):
            names = {"task": part.task, "ways": part.ways_label, "cell": cell, "clip": clip, "attractors": count}
            errors = {"n": len(subset), "error": subset["error"].median(), "error_min": subset["error"].min()}
            more = {"error_max": subset["error"].max(), "rule": rule.get(int(str(count))), "floor": part.floor}
            table.append(names | errors | more)
    return pd.DataFrame(table)


def draw(frame: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Draw the error by attractors, with a line for each cell and clip, ranges over seeds, and the last-noun rule.

    Args:
        frame: Rows of `numbers`, of one task.
        ax: Where to draw; by default on a figure of its own.
    """
    ax = frames.axes_of(ax)
    lines = list(frames.lines_of(frame))
    for place, line in enumerate(lines):
        rows = line.rows.sort_values("attractors")
        x = rows["attractors"] + 0.36 * ((place + 0.5) / len(lines) - 0.5)
        ax.vlines(x, rows["error_min"], rows["error_max"], color=line.color, linewidth=0.8, alpha=0.6)
        ax.plot(x, rows["error"], color=line.color, marker=line.marker, linestyle=line.dashes, label=line.label)
    rule = frame.drop_duplicates("attractors").sort_values("attractors").dropna(subset="rule")
    ax.plot(rule["attractors"], rule["rule"], color="black", linestyle=_DOTS, linewidth=1.2, zorder=1)
    ax.axhline(frame["floor"].iloc[0], color=frames.GREY, linewidth=0.8, zorder=1)
    ax.set_ylim(-0.04, 1.04)
    ax.set_yticks([0, 0.5, 1], ["0", "0.5", "1"])
    counts = sorted(map(int, frame["attractors"].unique()))
    ax.set_xticks(counts[:: 1 + len(counts) // 7])
    ax.set_xlabel("attractors")
    ax.set_ylabel("wrong verb forms (share)")
    return ax


def handles(frame: pd.DataFrame) -> list[Artist]:
    """Return the legend of frames of one figure."""
    rule = Line2D([], [], color="black", linestyle=_DOTS, linewidth=1.2, label="agrees with the last noun")
    return [*frames.line_handles(frame), rule, frames.reference("floor")]


def how_to_read(frame: pd.DataFrame) -> str:
    """Say how to read the figure."""
    return (
        f"Wrong verb forms by the number of nouns between subject and verb that differ from the subject, "
        f"{frames.counts(frame)} seeds a setting: median and range at the last evaluation, settings side by side. "
        "Dotted: the error of a network that agrees with the last noun."
    )


@style.report_style()
def agreement(study: StudyData) -> panels.Drawing:
    """Draw errors by attractors and by congruent nouns, and the answers to one sentence, in a column for each clip."""
    parts = [part for part in study_panels(study) if part.task.partition(":")[0] == "agreement"]
    clips, cells = all_clips(parts), all_cells(parts)
    last = study.slices[study.slices["update"] == study.slices.groupby("key")["update"].transform("max")]
    figure, axes = panels.grid(3 * len(parts), len(clips), [1.5, 1.3, 0.55 + 0.14 * len(cells)], sharey="row")
    drawn_rows = []
    for number, part in enumerate(parts):
        for place, clip in enumerate(clips):
            column = [axes[3 * number + row][place] for row in range(3)]
            header = f"{part.label} · {part.seeds}" if place == 0 else ""
            panels.titles(column[0], header, style.clip_label(clip) if clip in part.clips else "")
            if clip not in part.clips:
                for ax in column:
                    panels.blank(ax)
                continue
            drawn_rows += [draw_slice(ax, part, clip, last, name) for ax, name in zip(column, _SLICES, strict=False)]
            drawn_rows.append(draw_sentence(column[2], part, clip, study.examples))
        for row in (0, 1):
            axes[3 * number + row][0].set_ylabel("wrong verb forms\n(share)", fontsize=6.5)
    title = (
        "median and range over seeds, at the last evaluation; bottom: The writer of the books is / are, a mark a seed"
    )
    panels.caption(figure, study, "Agreement", title)
    rule = Line2D([], [], color="black", linestyle=":", linewidth=1, label="rule: agree with the last noun")
    marks = [
        Line2D([], [], color="0.3", marker=marker, linestyle="", markersize=3.5, label=name)
        for name, (marker, _) in _SENTENCE.items()
        if (study.examples["name"] == name).any()
    ]
    panels.legend_below(figure, [*panels.cell_handles(cells), rule, *marks])
    return panels.Drawing(figure, pd.concat(drawn_rows, ignore_index=True))


def draw_slice(ax: Axes, part: Panel, clip: str, last: pd.DataFrame, name: str) -> pd.DataFrame:
    """Draw the error by the number of attractors or congruent nouns, with the last-noun rule; return the numbers.

    Args:
        ax: The frame.
        part: The panel.
        clip: The clipping setting.
        last: Errors at the last evaluations, by slice.
        name: The slice: ``attractors`` or ``congruent``.
    """
    errors = last[last["slice"] == name].merge(
        part.frame.loc[part.frame["clip"] == clip, ["key", "cell", "seed"]], on="key"
    )
    errors = errors.assign(value=errors["value"].astype(int)).sort_values(["value", "seed"])
    counts = sorted(errors["value"].unique())
    for place, cell in enumerate(part.cells):
        values = errors[errors["cell"] == cell].groupby("value")["error"]
        if not len(values):
            continue
        look, apart = style.cell_look(cell), 0.6 * ((place + 0.5) / len(part.cells) - 0.5)
        middle, x = values.median(), values.median().index.to_numpy() + apart
        ax.vlines(x, values.min(), values.max(), color=look.color, linewidth=0.7, alpha=0.6)
        ax.plot(
            x, middle, color=look.color, marker=look.marker, linestyle=style.clip_line(clip), linewidth=1, markersize=4
        )
    rule = _rule(part, name, counts)
    ax.plot(list(rule), list(rule.values()), color="black", linestyle=":", linewidth=1, zorder=3)
    panels.reference_line(ax, part.floor, f"floor {part.floor:.3g}")
    ax.set_ylim(-0.05, 1.08)
    ax.set_xticks(counts)
    ax.set_xlabel(_SLICES[name], fontsize=6)
    ruled = [("last noun rule", None, count, error) for count, error in rule.items()]
    rows = [*errors[["cell", "seed", "value", "error"]].itertuples(index=False, name=None), *ruled]
    return _numbers(part, clip, f"error by {name}", rows)


def _trials(part: Panel, clip: str) -> pd.DataFrame:
    return part.frame.loc[part.frame["clip"] == clip, ["key", "cell", "seed"]]


def _rule(part: Panel, name: str, counts: list[int]) -> dict[int, float]:
    """Return the last-noun rule's error by count; empty if the plan does not fix how many nouns there are."""
    if "task.nouns" not in part.frame or pd.isna(part.frame["task.nouns"].iloc[0]):
        return {}
    nouns = Range.parse(str(part.frame["task.nouns"].iloc[0]))
    errors = {int(count): last_noun_error(nouns, name, int(count)) for count in counts}
    return {count: error for count, error in errors.items() if error is not None}


def draw_sentence(ax: Axes, part: Panel, clip: str, examples: pd.DataFrame) -> pd.DataFrame:
    """Draw the probabilities that each network gives to *is* and *are*, and return the numbers.

    Args:
        ax: The frame.
        part: The panel.
        clip: The clipping setting.
        examples: Probabilities of both words, by trial.
    """
    probabilities = examples.merge(_trials(part, clip), on="key")
    probabilities["value"] = probabilities["value"].clip(lower=1e-6)
    cells = part.cells
    for y, cell in enumerate(cells):
        ax.axhline(y, color="0.9", linewidth=0.5, zorder=0)
        for name, (marker, up) in _SENTENCE.items():
            values = probabilities.loc[(probabilities["cell"] == cell) & (probabilities["name"] == name), "value"]
            if values.empty:
                continue
            color = style.cell_look(cell).color
            ax.plot(
                values, [y + up] * len(values), color=color, marker=marker, linestyle="", markersize=3, clip_on=False
            )
    ax.set_xscale("log")
    ax.set_xlim(_lowest(examples) / 1.5, 1.3)
    ax.set_ylim(len(cells) - 0.4, -0.6)
    ax.set_yticks(range(len(cells)), [style.cell_label(cell) for cell in cells])
    ax.tick_params(axis="y", length=0)
    ax.set_xlabel("probability of the next\nword, log axis", fontsize=6)
    rows = probabilities[["cell", "seed", "name", "value"]].itertuples(index=False, name=None)
    return _numbers(part, clip, "The writer of the books", list(rows))


def _lowest(examples: pd.DataFrame) -> float:
    """Return the lower end of the axis that all frames share: the smallest probability, at most a tenth."""
    above = examples.loc[examples["name"].isin(list(_SENTENCE)) & (examples["value"] > 0), "value"]
    return max(min([0.1, *map(float, above)]), 1e-6)


def _numbers(part: Panel, clip: str, what: str, rows: list[tuple[Any, ...]]) -> pd.DataFrame:
    full = [(part.task, part.ways_label, cell, clip, seed, what, value, number) for cell, seed, value, number in rows]
    return pd.DataFrame(full, columns=_COLUMNS).astype({"seed": "Int64"})
