"""Reports the scores of minimal pairs: accuracies with intervals beside published ones, coverage, and a figure."""

import tomllib
from collections.abc import Hashable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from longlag.report.figures import panels, style
from longlag.report.figures.support.looks import kept_apart
from longlag.report.outcomes import WAYS
from longlag.stats.intervals import mean_interval, score_interval
from longlag.store.results import write_csv

_WORDS_SHOWN = 12
_INCHES = 0.16
_CAVEAT = (
    "A probe of networks trained on longlag's own grammar, which makes sentences much like some that are probed:\n"
    "no reproduction of the published experiments, whose models were trained on other text."
)


@cache
def published() -> tuple[Mapping[str, Any], ...]:
    """Return published accuracies: ``who``, ``source``, and ``accuracy`` by construction."""
    text = Path(__file__).with_name("published.toml").read_text(encoding="utf-8")
    return tuple(tomllib.loads(text)["scores"])


def known_scores(construction: str) -> dict[str, float]:
    """Return published accuracies on a construction, by the name of their source.

    >>> known_scores("simple_agrmt"), known_scores("mine")
    ({'LSTM': 1.0}, {})
    """
    return {one["who"]: one["accuracy"][construction] for one in published() if construction in one["accuracy"]}


def settings_of(trials: pd.DataFrame) -> list[str]:
    """Return the columns that distinguish settings."""
    kinds = ["task", "cell", "clip", *(name for name in WAYS if name in trials and trials[name].nunique() > 1)]
    return [*kinds, *["lr"] * bool((trials.groupby(kinds)["lr"].nunique() > 1).any())]


def accuracies(trials: pd.DataFrame, scores: pd.DataFrame) -> pd.DataFrame:
    """Return one row for each setting, construction and attractor count, and one for all counts together.

    Args:
        trials: The trials of `longlag.experiments.scoring.Probed`.
        scores: The scores of `longlag.experiments.scoring.Probed`.

    Returns:
        The columns of `settings_of`; ``construction``; ``attractors`` (missing if not known, or for all counts);
        ``pairs, networks``; ``accuracy`` (mean over networks, that is, over seeds); ``pairs_low, pairs_high`` (Wilson
        interval over pairs); ``seeds_low, seeds_high`` (Student interval over seeds); ``published_lstm,
        published_people``.
    """
    setting = settings_of(trials)
    joined = scores.merge(trials[["key", *setting]], on="key")
    rows = []
    for values, some in joined.groupby([*setting, "construction"], sort=True):
        names = dict(zip([*setting, "construction"], values, strict=True))
        counts = sorted(some["attractors"].dropna().unique())
        rows.append(_accuracy(names, None, some))
        rows += [_accuracy(names, int(count), some[some["attractors"] == count]) for count in counts]
    return pd.DataFrame(rows).astype({"attractors": "Int64"})


def _accuracy(names: Mapping[str, Any], attractors: int | None, rows: pd.DataFrame) -> dict[str, Any]:
    by_network = rows.groupby("key")[["right", "pairs"]].sum()
    shares = (by_network["right"] / by_network["pairs"]).tolist()
    mean, pairs = sum(shares) / len(shares), int(by_network["pairs"].iloc[0])
    over_pairs, over_seeds = score_interval(mean, pairs), mean_interval(shares)
    known = known_scores(names["construction"]) if attractors is None else {}
    return {
        **names,
        "attractors": attractors,
        "pairs": pairs,
        "networks": len(shares),
        "accuracy": mean,
        "pairs_low": over_pairs.low,
        "pairs_high": over_pairs.high,
        "seeds_low": over_seeds.low if over_seeds else None,
        "seeds_high": over_seeds.high if over_seeds else None,
        "published_lstm": known.get("LSTM"),
        "published_people": known.get("people"),
    }


def label_of(row: Mapping[Hashable, Any], setting: Sequence[str]) -> str:
    """Name a setting without its task."""
    ways = [style.way_label(name, row[name]) for name in setting[3:]]
    return ", ".join([style.cell_label(row["cell"]), style.clip_label(row["clip"]), *ways])


def render(measured: pd.DataFrame, trials: pd.DataFrame, coverage: pd.DataFrame, words: pd.DataFrame) -> str:
    """Return accuracies, one block for each setting, and coverage as text.

    Args:
        measured: The accuracies, as `accuracies` returns them.
        trials: The trials whose networks scored the sentences.
        coverage: How many pairs each file has, and how many could be scored.
        words: The unknown words that excluded pairs.
    """
    setting = settings_of(trials)
    lines = [_CAVEAT, "Right: the grammatical sentence is the more probable one; chance is 0.5.", ""]
    for _, rows in measured.groupby(setting, sort=False):
        first = rows.to_dict("records")[0]
        networks = f"{first['networks']} network{'s' * (first['networks'] != 1)}"
        lines += [f"{style.task_label(first['task'])} · {label_of(first, setting)} · {networks}"]
        lines += [*_block(rows), ""]
    sources = [
        f"{one['who']}: {one['source']}" for one in published() if set(one["accuracy"]) & set(measured["construction"])
    ]
    lines += ["published: " + "; ".join(sources), ""] if sources else []
    return "\n".join(lines + _coverage(coverage, words)) + "\n"


def _block(rows: pd.DataFrame) -> list[str]:
    width = max(12, *(len(name) for name in rows["construction"])) + 1
    head = f"  {'construction':{width}} {'attractors':>10} {'pairs':>7} {'right':>6}"
    lines = [f"{head}  {'95 % over pairs':15}  {'over seeds':15} published"]
    for row in rows.to_dict("records"):
        count = "" if pd.isna(row["attractors"]) else str(row["attractors"])
        name = "" if count else row["construction"]
        over_pairs, over_seeds = (_span(row[f"{over}_low"], row[f"{over}_high"]) for over in ("pairs", "seeds"))
        line = (
            f"  {name:{width}} {count:>10} {row['pairs']:>7} {row['accuracy']:>6.3f}  {over_pairs:15}  {over_seeds:15}"
        )
        lines.append(f"{line} {_others(row)}".rstrip())
    return lines


def _others(row: Mapping[Hashable, Any]) -> str:
    names = {"published_lstm": "LSTM", "published_people": "people"}
    return ", ".join(f"{row[name]:.2f} {who}" for name, who in names.items() if pd.notna(row[name]))


def _span(low: float | None, high: float | None) -> str:
    return "" if low is None or pd.isna(low) else f"[{low:.3f}, {high:.3f}]"


def _coverage(coverage: pd.DataFrame, words: pd.DataFrame) -> list[str]:
    lines = []
    for task, rows in coverage.groupby("task", sort=False):
        total, scored = int(rows["pairs"].sum()), int(rows["scored"].sum())
        lines.append(
            f"coverage of {style.task_label(str(task))}: {scored} of {total} pairs scored ({scored / total:.1%})"
        )
        for row in rows[rows["scored"] < rows["pairs"]].to_dict("records"):
            long = f", {row['too_long']} too long" if row["too_long"] else ""
            lines.append(
                f"  {row['file']}: {row['scored']} of {row['pairs']}; unknown words in {row['unknown_words']}{long}"
            )
        unknown = words[words["task"] == task]
        if not unknown.empty:
            listed = ", ".join(f"{row['word']} {row['pairs']}" for row in unknown.head(_WORDS_SHOWN).to_dict("records"))
            lines.append(f"  {len(unknown)} unknown words, by pairs that hold them: {listed}")
    return lines


@style.report_style()
def draw(measured: pd.DataFrame, trials: pd.DataFrame) -> Figure:
    """Draw accuracies, a line for each construction and a mark for each setting: of all pairs, then by attractors."""
    setting = settings_of(trials)
    constructions = list(dict.fromkeys(measured["construction"]))
    counts = [None, *sorted(int(count) for count in measured["attractors"].dropna().unique())]
    figure = Figure(figsize=(2.2 + 1.9 * len(counts), _INCHES * (len(constructions) + 5) + 0.3), layout="constrained")
    axes = figure.subplots(1, len(counts), squeeze=False, sharey=True)[0]
    labels = {
        values: label_of(of.to_dict("records")[0], setting) for values, of in measured.groupby(setting, sort=False)
    }
    for ax, count in zip(axes, counts, strict=True):
        rows = measured[measured["attractors"].isna() if count is None else measured["attractors"] == count]
        for place, values in enumerate(labels):
            some = rows[(rows[setting] == list(values)).all(axis=1)]
            _marks(ax, some, constructions, 0.6 * ((place + 0.5) / len(labels) - 0.5))
        if count is None:
            _published(ax, constructions)
        ax.axvline(0.5, color=panels.GREY, linewidth=0.6, zorder=0)
        ax.set_xlim(-0.03, 1.03)
        ax.set_xlabel("right pairs (share)")
        ax.set_title("all pairs" if count is None else f"{count} attractor{'s' * (count != 1)}", loc="left")
    axes[0].set_yticks(range(len(constructions)), constructions)
    axes[0].set_ylim(len(constructions) - 0.5, -0.5)
    figure.suptitle(
        "Minimal pairs · mean over networks, 95 % over seeds (over pairs where there is one) · line: chance", fontsize=7
    )
    panels.legend_below(figure, [*_handles(labels), *_published_handles(constructions)])
    return figure


def _marks(ax: Axes, rows: pd.DataFrame, constructions: list[str], apart: float) -> None:
    for row in rows.to_dict("records"):
        look, y = style.cell_look(row["cell"]), constructions.index(row["construction"]) + apart
        over = "pairs" if pd.isna(row["seeds_low"]) else "seeds"
        ax.plot([row[f"{over}_low"], row[f"{over}_high"]], [y, y], color=look.color, linewidth=0.8)
        ax.plot([row["accuracy"]], [y], color=look.color, marker=look.marker, markersize=3, linestyle="none")


_PUBLISHED = {"LSTM": ("LSTM, published", "|"), "people": ("people, published", "x")}


def _published(ax: Axes, constructions: list[str]) -> None:
    for y, construction in enumerate(constructions):
        for who, value in known_scores(construction).items():
            ax.plot([value], [y], color="black", marker=_PUBLISHED[who][1], markersize=6, linestyle="none")


def _published_handles(constructions: list[str]) -> list[Line2D]:
    scorers = {who for construction in constructions for who in known_scores(construction)}
    return [
        Line2D([], [], color="black", marker=mark, linestyle="", label=label)
        for who, (label, mark) in _PUBLISHED.items()
        if who in scorers
    ]


def _handles(labels: Mapping[Any, str]) -> list[Line2D]:
    looks = [style.cell_look(values[1]) for values in labels]
    return [
        Line2D([], [], color=look.color, marker=look.marker, linestyle="", markersize=3, label=label)
        for look, label in zip(looks, labels.values(), strict=True)
    ]


def write(measured: pd.DataFrame, trials: pd.DataFrame, tables: Mapping[str, pd.DataFrame], folder: Path) -> list[Path]:
    """Write the figure as PNG and PDF, its accuracies and the other tables as CSV.

    Args:
        measured: The accuracies, as `accuracies` returns them.
        trials: The trials whose networks scored the sentences.
        tables: Other tables, by the names of their files.
        folder: The folder of the files.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with kept_apart(trials):
        written = panels.Drawing(draw(measured, trials), measured).save(folder, "accuracy")
    for name, table in tables.items():
        written.append(folder / f"{name}.csv")
        write_csv(table, written[-1])
    return written
