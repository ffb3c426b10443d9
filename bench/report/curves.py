"""Figures along the updates: the error while learning, and the gradient's norm before clipping."""

import pandas as pd
from matplotlib.axes import Axes

from bench.report import canvas, style
from bench.report.outcomes import Panel, outcomes, panels, seeds
from bench.results import StudyData
from bench.trial import Status

_COLUMNS = ["task", "ways", "cell", "clip", "seed", "update"]


def all_clips(parts: list[Panel]) -> list[str]:
    """Return every clip of several panels, in the order of legends."""
    return sorted({clip for part in parts for clip in part.clips}, key=style.clip_rank)


def all_cells(parts: list[Panel]) -> list[str]:
    """Return every cell of several panels, in the order of legends."""
    return sorted({cell for part in parts for cell in part.cells}, key=style.cell_rank)


def seed_curves(rows: pd.DataFrame, curves: pd.DataFrame, column: str) -> pd.DataFrame:
    """Return a curve a seed: updates down, seeds across; empty after a trial has ended."""
    found = curves.merge(rows.loc[rows["counted"], ["key", "seed"]], on="key")
    return found.pivot(index="update", columns="seed", values=column).astype(float).sort_index()


def median_error(rows: pd.DataFrame, wide: pd.DataFrame) -> pd.Series:
    """Return the median over seeds; trials that have ended keep their last error, lost ones count as the floor."""
    lost = rows[rows["status"].isin([Status.DIVERGED, Status.EXPLODED])]
    ends = [int(rows["budget_updates"].max())] if len(lost) else []
    held = wide.reindex(wide.index.union(ends)).ffill()
    for _, row in lost.iterrows():
        if row["seed"] in held:
            last = wide[row["seed"]].last_valid_index()
            after = held.index > (-1 if last is None else last)
            held.loc[after, row["seed"]] = row["baseline_error"]
    return held.median(axis=1)


@style.report_style()
def learning_curves(study: StudyData) -> canvas.Drawing:
    """Draw error against updates: a row a panel, a column a clip, every seed faint, the median bold."""
    parts = panels(outcomes(study))
    clips = all_clips(parts)
    figure, axes = canvas.grid(len(parts), len(clips), [1.65], sharex="row", sharey="row")
    shown = []
    for part, row in zip(parts, axes, strict=True):
        for place, (clip, ax) in enumerate(zip(clips, row, strict=True)):
            header = f"{part.label} · lag {part.lag} · {seeds(part.frame)}" if place == 0 else ""
            canvas.titles(ax, header, style.clip_label(clip) if clip in part.clips else "")
            if clip not in part.clips:
                _mark_unplanned(ax)
                continue
            shown.append(draw_errors(ax, part, clip, study.curves))
        row[0].set_ylabel(_error_label(part), fontsize=6.5)
    for ax in axes[-1]:
        ax.set_xlabel("updates")
    title = "every seed faint, median bold (finished trials keep their last error; diverged ones count as the floor)"
    canvas.caption(figure, study, "Learning curves", title)
    canvas.legend_below(figure, canvas.cell_handles(all_cells(parts)))
    return canvas.Drawing(figure, pd.concat(shown, ignore_index=True))


def _on_log(part: Panel) -> bool:
    return part.solved_below <= part.floor / 10


def _error_label(part: Panel) -> str:
    name = part.error_name.replace(" (", "\n(") if len(part.error_name) > 24 else part.error_name
    return f"{name}, log axis" if _on_log(part) else name


def _mark_unplanned(ax: Axes) -> None:
    ax.text(0.5, 0.5, "not in the plan", transform=ax.transAxes, ha="center", va="center", color="0.6", fontsize=6)
    ax.tick_params(length=0)


def draw_errors(ax: Axes, part: Panel, clip: str, curves: pd.DataFrame) -> pd.DataFrame:
    """Draw one frame and return its numbers."""
    lowest = part.solved_below / 3
    if _on_log(part):
        ax.set_yscale("log")
        ax.set_ylim(lowest / 1.25, part.floor * 2.6)
    else:
        ax.set_ylim(0, part.floor * 1.3)
    ax.set_xlim(0, part.budget * 1.03)
    canvas.reference_line(ax, part.floor, f"floor {part.floor:.3g}")
    canvas.reference_line(ax, part.solved_below, f"solved below {part.solved_below:.2g}", ":", above=False)
    shown = []
    for cell in part.cells:
        rows = part.of(cell, clip)
        wide = seed_curves(rows, curves, "error")
        if wide.empty:
            continue
        middle = median_error(rows, wide)
        look, line = style.cell_look(cell), style.clip_line(clip)
        ax.plot(wide.index, wide.clip(lower=lowest), color=look.color, alpha=style.FAINT, linewidth=0.6)
        ax.plot(middle.index, middle.clip(lower=lowest), color=look.color, linestyle=line)
        ax.plot(middle.index[-1:], middle.clip(lower=lowest)[-1:], color=look.color, marker=look.marker, clip_on=False)
        shown.append(_long(part, cell, clip, wide.reindex(middle.index).assign(median=middle), "error"))
    return _together(shown, "error")


def _long(part: Panel, cell: str, clip: str, wide: pd.DataFrame, value: str) -> pd.DataFrame:
    long = wide.reset_index().melt(id_vars="update", var_name="seed", value_name=value).dropna(subset=[value])
    return long.assign(task=part.task, ways=part.ways_label, cell=cell, clip=clip)[[*_COLUMNS, value]]


def _together(shown: list[pd.DataFrame], value: str) -> pd.DataFrame:
    return pd.concat(shown, ignore_index=True) if shown else pd.DataFrame(columns=[*_COLUMNS, value])


@style.report_style()
def gradient_norms(study: StudyData) -> canvas.Drawing:
    """Draw the gradient's norm before clipping over training, and under it the share of clipped updates."""
    parts = panels(outcomes(study))
    clips = all_clips(parts)
    figure, axes = canvas.grid(2 * len(parts), len(clips), [1.5, 0.75], sharex="row", sharey="row")
    shown = []
    for number, part in enumerate(parts):
        upper, lower = axes[2 * number], axes[2 * number + 1]
        for place, clip in enumerate(clips):
            header = f"{part.label} · lag {part.lag} · {seeds(part.frame)}" if place == 0 else ""
            canvas.titles(upper[place], header, style.clip_label(clip) if clip in part.clips else "")
            if clip not in part.clips:
                _mark_unplanned(upper[place])
                _mark_unplanned(lower[place])
                continue
            norms = draw_norms(upper[place], part, clip, study.curves)
            clipped = draw_clipped(lower[place], part, clip, study.curves)
            shown.append(norms.merge(clipped, on=_COLUMNS, how="outer"))
        for ax in upper:
            ax.tick_params(labelbottom=False)
        low, high = upper[0].get_ylim()
        upper[0].set_ylim(low, max(high, 100 * low))
        upper[0].set_ylabel("gradient norm\nbefore clipping,\nlog axis", fontsize=6.5)
        lower[0].set_ylabel("clipped\nupdates\n(share)", fontsize=6.5)
    for ax in axes[-1]:
        ax.set_xlabel("updates")
    title = "median between evaluations; every seed faint, median of the seeds still training bold"
    canvas.caption(figure, study, "Gradient norms", title)
    canvas.legend_below(figure, canvas.cell_handles(all_cells(parts)))
    return canvas.Drawing(figure, pd.concat(shown, ignore_index=True))


def draw_norms(ax: Axes, part: Panel, clip: str, curves: pd.DataFrame) -> pd.DataFrame:
    """Draw the norms of one frame and return them."""
    ax.set_yscale("log")
    ax.set_xlim(0, part.budget * 1.03)
    threshold = style.clip_threshold(clip)
    if threshold is not None:
        canvas.reference_line(ax, threshold, f"clipped above {threshold:g}")
    return _draw_medians(ax, part, clip, curves, "grad_norm_median")


def draw_clipped(ax: Axes, part: Panel, clip: str, curves: pd.DataFrame) -> pd.DataFrame:
    """Draw the clipped shares of one frame and return them."""
    ax.set_ylim(-0.06, 1.06)
    ax.set_xlim(0, part.budget * 1.03)
    return _draw_medians(ax, part, clip, curves, "clipped_fraction")


def _draw_medians(ax: Axes, part: Panel, clip: str, curves: pd.DataFrame, column: str) -> pd.DataFrame:
    shown = []
    for cell in part.cells:
        wide = seed_curves(part.of(cell, clip), curves, column).dropna(how="all")
        if wide.empty:
            continue
        middle, look = wide.median(axis=1), style.cell_look(cell)
        ax.plot(wide.index, wide, color=look.color, alpha=style.FAINT, linewidth=0.6)
        ax.plot(middle.index, middle, color=look.color, linestyle=style.clip_line(clip))
        ax.plot(middle.index[-1:], middle[-1:], color=look.color, marker=look.marker, clip_on=False)
        shown.append(_long(part, cell, clip, wide.assign(median=middle), column))
    return _together(shown, column)
