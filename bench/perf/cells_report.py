"""Writes the costs of cells as lines for a terminal, a table, JSON, and a figure of time, memory and parameters."""

import json
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

from longlag.perf.cells import REFERENCE, Cost, Workload, rows
from longlag.report.figures.panels import Drawing
from longlag.report.figures.style import cell_label, report_style
from longlag.store.results import write_csv

_COLORS = {"fused": "#0B3C7D", "readable": "#D55E00"}
_MEBIBYTE = 2**20


def render(costs: Sequence[Cost], workload: Workload) -> str:
    """Return a heading and a line for each cell, fastest first."""
    width = max(len(cost.cell) for cost in costs) + 2
    lines = [
        f"{workload}; a forward and backward pass, median of {len(costs[0].seconds)} rounds (lowest to highest)",
        "",
        f"{'cell':{width}}{'path':9}{'parameters':>11}{'state':>7}{'µs a step':>11}"
        f"   {f'time / {REFERENCE}':24}{'MiB':>6}",
    ]
    for row in rows(costs, workload):
        times = f"{row['ratio']:.2f} ({row['ratio_low']:.2f} to {row['ratio_high']:.2f})"
        memory = "-" if row["memory_bytes"] is None else f"{int(str(row['memory_bytes'])) / _MEBIBYTE:.1f}"
        lines.append(
            f"{row['cell']:{width}}{row['path']:9}{row['parameters']:>11,}{row['state_size']:>7,}"
            f"{row['step_us']:>11.1f}   {times:24}{memory:>6}"
        )
    if any(cost.memory_bytes is None for cost in costs):
        lines += ["", "memory: not measured, as only Linux reports it"]
    return "\n".join(lines) + "\n"


def write(costs: Sequence[Cost], workload: Workload, environment: dict[str, str], folder: Path) -> list[Path]:
    """Write the costs as table, JSON and figure into a folder; return the files.

    Args:
        costs: The cost of each cell.
        workload: The sizes at which they were measured.
        environment: Versions and processor.
        folder: The folder.
    """
    folder.mkdir(parents=True, exist_ok=True)
    table = pd.DataFrame(list(rows(costs, workload)))
    write_csv(table, folder / "cells.csv")
    (folder / "cells.json").write_text(as_json(costs, workload, environment), encoding="utf-8")
    drawn = Drawing(draw(table, workload), table).save(folder, "cells")
    return [folder / "cells.json", *drawn]


def as_json(costs: Sequence[Cost], workload: Workload, environment: dict[str, str]) -> str:
    """Return the costs, every round's seconds, the sizes and the environment as JSON."""
    content = {
        "schema": 1,
        "environment": environment,
        "setting": {"length": workload.length, "batch_size": workload.batch_size, "hidden_size": workload.hidden_size},
        "reference": REFERENCE,
        "rows": [
            row | {"seconds": cost.seconds, "reference_seconds": cost.reference_seconds}
            for row, cost in zip(rows(costs, workload), costs, strict=True)
        ],
    }
    return json.dumps(content, ensure_ascii=False, indent=2, allow_nan=False) + "\n"


@report_style()
def draw(table: pd.DataFrame, workload: Workload) -> Figure:
    """Draw time relative to the reference, memory and parameters in three frames, with a line for each cell."""
    figure = Figure(figsize=(7, 1.1 + 0.17 * len(table)), layout="constrained")
    time, memory, size = figure.subplots(1, 3, sharey=True, gridspec_kw={"width_ratios": (2, 1, 1)})
    for path, of_path in table.groupby("path", sort=True):
        color, places = _COLORS[str(path)], of_path.index
        time.hlines(places, of_path["ratio_low"], of_path["ratio_high"], color=color, linewidth=1, alpha=0.5)
        time.plot(of_path["ratio"], places, "o", color=color, label=path)
        memory.plot(of_path["memory_bytes"].astype(float) / _MEBIBYTE, places, "o", color=color)
        size.plot(of_path["parameters"], places, "o", color=color)
    time.axvline(1, color="0.35", linewidth=0.6)
    time.set_yticks(range(len(table)), [cell_label(cell) for cell in table["cell"]])
    time.invert_yaxis()
    time.set_xscale("log")
    time.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    time.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    time.xaxis.set_minor_formatter(NullFormatter())
    time.set_xlabel(f"time ÷ {cell_label(REFERENCE)}'s (log axis; lines: all rounds)")
    memory.set_xlabel("memory of the pass (MiB)")
    size.set_xlabel("parameters")
    for ax in (time, memory, size):
        ax.grid(axis="y", color="0.92", linewidth=0.5)
        ax.set_axisbelow(True)
    for ax in (memory, size):
        ax.set_xlim(left=0)
    figure.legend(*time.get_legend_handles_labels(), loc="outside lower left", ncols=2)
    figure.suptitle(f"A forward and backward pass · {workload}", x=0.008, ha="left", fontsize=7.5)
    return figure
