"""Pairs entries with those of the baseline, with the reason if they cannot be compared."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from typing import Any

from longlag.regression.judge.entries import Entry, place
from longlag.tasks.support.options import spell
from longlag.values.trial import Trial


@dataclass(frozen=True)
class EntryPair:
    """An entry on both sides, or on one.

    Attributes:
        baseline: The entry before; None if there is none.
        new: The entry after; None if there is none.
        obstacle: Why they cannot be compared; empty if they can.
    """

    baseline: Entry | None
    new: Entry | None
    obstacle: str = ""

    @property
    def label(self) -> str:
        """The entry's name."""
        entry = self.new or self.baseline
        assert entry is not None
        return entry.label


def matched(baseline: Sequence[Entry], new: Sequence[Entry]) -> list[EntryPair]:
    """Pair entries by their setting; none is dropped. The order of either side does not matter.

    Two entries of the same task, cell, clip and optimizer that differ in another axis are a pair with an obstacle.
    """
    before, after = _by(baseline, lambda entry: entry.key), _by(new, lambda entry: entry.key)
    pairs = [EntryPair(before[key], after[key], _obstacle(before[key], after[key])) for key in before if key in after]
    left = [entry for key, entry in before.items() if key not in after]
    right = [entry for key, entry in after.items() if key not in before]
    of_name = defaultdict[tuple[str, ...], tuple[list[Entry], list[Entry]]](lambda: ([], []))
    for side, entries in enumerate((left, right)):
        for entry in entries:
            of_name[_name(entry)][side].append(entry)
    for gone, come in of_name.values():
        if len(gone) == len(come) == 1:
            pairs.append(EntryPair(gone[0], come[0], _obstacle(gone[0], come[0])))
        else:
            pairs += [EntryPair(entry, None, "only in the baseline") for entry in gone]
            pairs += [EntryPair(None, entry, "not in the baseline") for entry in come]
    return sorted(pairs, key=lambda pair: place(pair.new or pair.baseline))  # type: ignore[arg-type]


def _by(entries: Sequence[Entry], name: Callable[[Entry], str]) -> dict[str, Entry]:
    return {name(entry): entry for entry in entries}


def _name(entry: Entry) -> tuple[str, ...]:
    return entry.setting.task, entry.setting.cell, entry.setting.clip, entry.setting.optimizer


def _obstacle(baseline: Entry, new: Entry) -> str:
    """Return the differences, such as versions, budget, precision or the threshold for solved; empty without any."""
    before, after = _meaning(baseline), _meaning(new)
    differing = [name for name in after if before[name] != after[name]]
    return ", ".join(f"{name} {_told(after[name])}, was {_told(before[name])}" for name in differing)


def _meaning(entry: Entry) -> dict[str, Any]:
    held = {item.name: getattr(entry.setting, item.name) for item in fields(Trial)}
    held["plugins"] = ",".join(label.partition(":")[0] for label in entry.setting.plugins.split(","))
    return held | {"solved_below": entry.solved_below, "floor": entry.floor}


def _told(value: Any) -> str:
    return spell(value) if value != "" else "none"
