"""The lines of heat maps and bars: a cell each, or, where a study has many ways, a way each.

Dozens of ways, as of depths and skip connections, would otherwise be as many frames of one line.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd

from longlag.report.figures import style
from longlag.report.outcomes import Panel, seeds

MOST_FRAMES = 9
"""Panels that have a frame each; of more, those that differ in their last way only share their lines."""


@dataclass(frozen=True)
class Line:
    """A cell of a panel.

    Attributes:
        label: What it is called.
        place: Where it stands among all lines: its way, its cell.
        cell: The cell.
        part: The panel; None where another frame of the row has the line and this one has not.
    """

    label: str
    place: tuple[Any, ...]
    cell: str
    part: Panel | None

    def of(self, clip: str) -> pd.DataFrame:
        """Return the rows of `outcomes` of a clip."""
        return pd.DataFrame() if self.part is None else self.part.of(self.cell, clip)

    def names(self, clip: str) -> tuple[str, str, str, str]:
        """Return task, ways, cell and clip, as the numbers beside a figure have them."""
        assert self.part is not None, "only what is planned has numbers"
        return self.part.task, self.part.ways_label, self.cell, clip


@dataclass(frozen=True)
class Frame:
    """What one frame shows.

    Attributes:
        title: What its lines have in common.
        lines: Its lines.
    """

    title: str
    lines: list[Line]


def frames_of(parts: Sequence[Panel]) -> list[Frame]:
    """Return a frame for each panel, a line a cell; where these are many, for each last way, a line a way and cell."""
    if len(parts) <= MOST_FRAMES:
        return [
            Frame(
                _title(part.task, part.ways_label, part.frame),
                [Line(style.cell_label(cell), style.cell_rank(cell), cell, part) for cell in part.cells],
            )
            for part in parts
        ]
    together: dict[tuple[str, tuple[tuple[str, Any], ...]], list[Panel]] = {}
    for part in parts:
        last_way = tuple(part.ways.items())[-1:]  # none where the task was trained in one way
        together.setdefault((part.task, last_way), []).append(part)
    order = list(dict.fromkeys(_other_ways(part) for part in parts))
    several = any(part.cells != parts[0].cells or len(part.cells) > 1 for part in parts)
    found = []
    for (task, last_way), some in together.items():
        lines = [
            Line(_name(part, cell, several), (order.index(_other_ways(part)), style.cell_rank(cell)), cell, part)
            for part in some
            for cell in part.cells
        ]
        told = "".join(style.way_label(*way) for way in last_way)
        found.append(Frame(_title(task, told, pd.concat([part.frame for part in some])), lines))
    return found


def side_by_side(frames: Sequence[Frame]) -> list[Frame]:
    """Return frames of one row with the same lines each, in the order of all."""
    lines = {line.place: line for frame in frames for line in frame.lines}
    found = []
    for frame in frames:
        own = {line.place: line for line in frame.lines}
        whole = [own.get(place, replace(lines[place], part=None)) for place in sorted(lines)]
        found.append(replace(frame, lines=whole))
    return found


def _title(task: str, ways: str, frame: pd.DataFrame) -> str:
    told = f"\n{ways}" if ways else ""
    return f"{style.task_label(task)}{told}\nlag {int(frame['lag'].iloc[0])} · {seeds(frame)}"


def _other_ways(part: Panel) -> tuple[tuple[str, Any], ...]:
    return tuple(part.ways.items())[:-1]


def _name(part: Panel, cell: str, several: bool) -> str:
    ways = [style.way_label(*way) for way in _other_ways(part)]
    return ", ".join(filter(None, [*([style.cell_label(cell)] if several or not ways else []), *ways]))
