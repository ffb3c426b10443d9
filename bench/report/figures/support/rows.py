"""The lines of heat maps and bars: one for each cell, or, if a study has many ways of training, one for each way.

Dozens of ways, as with depths and skip connections, would otherwise be as many frames of one line.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd

from longlag.report.figures import style
from longlag.report.outcomes import Panel, seeds

MOST_FRAMES = 9
"""The most panels that get a frame each; with more, panels that differ in their last way only share a frame."""


@dataclass(frozen=True)
class Line:
    """A cell of a panel.

    Attributes:
        label: The line's label.
        place: Its place among all lines: the place of its way, then of its cell.
        cell: The cell.
        part: The panel; None if only other frames of the row have this line.
    """

    label: str
    place: tuple[Any, ...]
    cell: str
    part: Panel | None

    def of(self, clip: str) -> pd.DataFrame:
        """Return the rows of `outcomes` of a clip."""
        return pd.DataFrame() if self.part is None else self.part.of(self.cell, clip)

    def names(self, clip: str) -> tuple[str, str, str, str]:
        """Return task, ways, cell and clip, the first columns of the numbers beside a figure."""
        assert self.part is not None, "only what is planned has numbers"
        return self.part.task, self.part.ways_label, self.cell, clip


@dataclass(frozen=True)
class Frame:
    """The contents of one frame.

    Attributes:
        title: What its lines have in common, in words.
        lines: Its lines.
    """

    title: str
    lines: list[Line]


def frames_of(parts: Sequence[Panel]) -> list[Frame]:
    """Return a frame for each panel, with a line for each cell.

    If there are more than `MOST_FRAMES`, return a frame for each value of the last way, with a line for each way and
    cell.
    """
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
        last_way = tuple(part.ways.items())[-1:]  # empty if the task was trained in one way
        together.setdefault((part.task, last_way), []).append(part)
    order = list(dict.fromkeys(_other_ways(part) for part in parts))
    several = any(part.cells != parts[0].cells or len(part.cells) > 1 for part in parts)
    frames = []
    for (task, last_way), some in together.items():
        lines = [
            Line(_name(part, cell, several), (order.index(_other_ways(part)), style.cell_rank(cell)), cell, part)
            for part in some
            for cell in part.cells
        ]
        last = "".join(style.way_label(*way) for way in last_way)
        frames.append(Frame(_title(task, last, pd.concat([part.frame for part in some])), lines))
    return frames


def side_by_side(frames: Sequence[Frame]) -> list[Frame]:
    """Return the frames of one row, all with the same lines in the same order."""
    lines = {line.place: line for frame in frames for line in frame.lines}
    aligned = []
    for frame in frames:
        own = {line.place: line for line in frame.lines}
        whole = [own.get(place, replace(lines[place], part=None)) for place in sorted(lines)]
        aligned.append(replace(frame, lines=whole))
    return aligned


def _title(task: str, ways: str, frame: pd.DataFrame) -> str:
    suffix = f"\n{ways}" if ways else ""
    return f"{style.task_label(task)}{suffix}\nlag {int(frame['lag'].iloc[0])} · {seeds(frame)}"


def _other_ways(part: Panel) -> tuple[tuple[str, Any], ...]:
    return tuple(part.ways.items())[:-1]


def _name(part: Panel, cell: str, several: bool) -> str:
    ways = [style.way_label(*way) for way in _other_ways(part)]
    return ", ".join(filter(None, [*([style.cell_label(cell)] if several or not ways else []), *ways]))
