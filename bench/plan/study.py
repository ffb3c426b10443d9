"""A study: a list of grids and a table of learning rates, and the trials they make."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from longlag.plan.grid import (
    KEYS,
    SPECS,
    Grid,
    check_interval,
    check_match,
    check_wiring,
    checked,
    checked_name,
    known_keys,
    option_label,
)
from longlag.plan.rates import Rate, shortest_rates
from longlag.plan.specs import SPELLED, shortest_axis, shortest_spec
from longlag.plan.trials import Planned, of_grid
from longlag.tasks.support.errors import UsageError
from longlag.values.trial import Trial

_MOST_TRIALS = 1_000_000


@dataclass(frozen=True)
class Study:
    """A named plan.

    Attributes:
        name: Its folder in the results.
        title: Its subject in one line.
        grids: Products of axes; trials that they have in common are trained once.
        rates: Learning rates of grids that have none of their own.
        origin: The file it was read from, for messages.
        tuning: The study whose trials choose the rates.
        lenses: Lenses that look at its networks while they train; they change no result.
    """

    name: str
    title: str
    grids: tuple[Grid, ...]
    rates: tuple[Rate, ...] = ()
    origin: str = ""
    tuning: str | None = None
    lenses: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        checked_name(self.name)

    def replaced(self, **options: object) -> "Study":
        """Return the study with a grid's keys replaced; None means not given.

        Where some grids hold one of the given tasks, the other grids are left out: a grid with another optimizer and
        its own budget was not meant for them. The grids that remain are then reduced in the same way by the given
        cells, clips and optimizers.

        Args:
            **options: Keys of `Grid`. ``lr`` replaces the rates as well.

        Raises:
            UsageError: An option is unknown or its value is refused.
        """
        given = _options(options)
        kept = [self._shortest(grid, position) for position, grid in enumerate(self.grids, 1)]
        for axis in [axis for axis in SPECS if axis in given]:
            kept = [grid for grid in kept if set(given[axis]) & set(getattr(grid, axis))] or kept
        plain = {"match": None, "match_target": None} if "hidden_size" in given else {}
        grids = tuple(grid.changed(**(plain | given)) for grid in kept)
        for grid in grids:
            check_interval(grid, option_label)
            check_match(grid, given, option_label)
            check_wiring(grid, option_label, given)
        return replace(self, grids=grids, rates=() if "lr" in given else self.rates)

    def trials(self) -> list[Trial]:
        """Return the trials in the order of the grids, each once.

        Raises:
            UsageError: A spec is refused, a learning rate is missing, a match is out of reach, or there are far too
                many trials.
        """
        return [planned.trial for planned in self.planned]

    @cached_property
    def planned(self) -> tuple[Planned, ...]:
        """The trials in the order of the grids, each once, with the reasons for their hidden sizes and rates.

        Raises:
            UsageError: As `trials`.
        """
        size = sum(grid.size() for grid in self.grids)
        if size > _MOST_TRIALS:
            raise UsageError(f"study {self.name} has {size} trials; at most {_MOST_TRIALS} are allowed")
        rates = shortest_rates(self.rates, self.origin)

        def rate(*setting: str) -> Rate:
            return self._rate(rates, *setting)

        by_key: dict[str, Planned] = {}
        for position, grid in enumerate(self.grids, 1):
            for planned in of_grid(self._shortest(grid, position), rate):
                by_key.setdefault(planned.trial.key, planned)
        return tuple(by_key.values())

    def _rate(self, rates: tuple[Rate, ...], task: str, cell: str, clip: str, optimizer: str) -> Rate:
        fitting = [rate for rate in rates if rate.fits(task, cell, clip, optimizer)]
        if not fitting:
            setting = f"task {task}, cell {cell}, clip {clip}, optimizer {optimizer}"
            raise UsageError(f"study {self.name} has no learning rate for {setting}: give --lr or add it to its rates")
        return max(fitting, key=lambda rate: rate.rank)

    def _shortest(self, grid: Grid, position: int) -> Grid:
        where = f"{self.origin}: grids {position}: " if self.origin else ""
        kinds = (*SPECS, "decoder_cell")
        axes: dict[str, Any] = {kind: shortest_axis(kind, getattr(grid, kind), where) for kind in kinds}
        return grid.changed(**axes, schedule=shortest_spec("schedule", grid.schedule, where))


def adhoc(name: str | None = None, **options: object) -> Study:
    """Make a study of one grid from command-line options; None means not given.

    Args:
        name: The study's name, ``adhoc`` if not given.
        **options: Keys of `Grid`; task and cell are needed.

    Raises:
        UsageError: An option is missing or unknown, or its value is refused.
    """
    given = {"lr": (0.003,)} | _options(options)
    for key in ("task", "cell"):
        if key not in given:
            raise UsageError(f"an ad-hoc study needs at least one {option_label(key)}")
    grid = Grid(**given)
    check_interval(grid, option_label)
    check_match(grid, given, option_label)
    check_wiring(grid, option_label)
    return Study("adhoc" if name is None else name, "Ad-hoc study", (grid,))


def _options(options: Mapping[str, object]) -> dict[str, Any]:
    given = {key: value for key, value in options.items() if value is not None}
    known_keys(given, KEYS, "options")
    values = checked(given, option_label)
    for kind in [kind for kind in SPELLED if kind in values]:
        single = kind == "schedule"
        values[kind] = shortest_spec(kind, values[kind]) if single else shortest_axis(kind, values[kind])
    return values
