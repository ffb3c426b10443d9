"""A study: a list of grids and a table of learning rates, and the trials they make.

Torch is loaded where trials are made, since options and versions live in the tasks and cells.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from functools import cache
from itertools import product
from typing import TYPE_CHECKING, Any

from bench import registry, transfer
from bench.grid import KEYS, SPECS, Grid, check_interval, check_match, check_wiring, checked, checked_name, known_keys
from bench.trial import Trial
from bench.wiring import Wiring
from tasks.options import Configurable, Range, UsageError

if TYPE_CHECKING:
    from bench.matching import Match

_MOST_TRIALS = 1_000_000
_SPECS: dict[str, Callable[[str], Any]] = {
    "task": registry.task,
    "cell": registry.cell,
    "clip": registry.clip,
    "optimizer": registry.optimizer,
    "schedule": registry.schedule,
}


@dataclass(frozen=True)
class Rate:
    """The learning rate of a task and cell, under one clip or optimizer only where they are said."""

    task: str
    cell: str
    lr: float
    clip: str | None = None
    optimizer: str | None = None

    @property
    def condition(self) -> tuple[str, str, str | None, str | None]:
        """What it holds for."""
        return self.task, self.cell, self.clip, self.optimizer

    def fits(self, task: str, cell: str, clip: str, optimizer: str) -> bool:
        """Whether it holds for these."""
        return (
            (self.task, self.cell) == (task, cell) and self.clip in (None, clip) and self.optimizer in (None, optimizer)
        )

    @property
    def rank(self) -> tuple[bool, bool]:
        """The most specific rate wins: clip and optimizer, then clip, then optimizer, then neither."""
        return self.clip is not None, self.optimizer is not None


@dataclass(frozen=True)
class Study:
    """A named plan.

    Attributes:
        name: Its folder in the results.
        title: One line on what it is about.
        grids: Products of axes; what they have in common is trained once.
        rates: Learning rates of grids that have none of their own.
        origin: The file it was read from, for messages.
        tuning: The study whose trials choose the rates.
    """

    name: str
    title: str
    grids: tuple[Grid, ...]
    rates: tuple[Rate, ...] = ()
    origin: str = ""
    tuning: str | None = None

    def __post_init__(self) -> None:
        checked_name(self.name)

    def replaced(self, **options: object) -> "Study":
        """Return the study with a grid's keys replaced; None means not given.

        Where some grids hold one of the tasks (cells, clips, optimizers) that are given, the others are left out:
        a corner with another optimizer and its own budget has nothing to say about them.

        Args:
            **options: Keys of `Grid`. ``lr`` replaces the rates as well.

        Raises:
            UsageError: An option is unknown or its value is refused.
        """
        given = _options(options)
        kept = [self._shortest(grid, position) for position, grid in enumerate(self.grids, 1)]
        for axis in given.keys() & {"task", "cell", "clip", "optimizer"}:
            kept = [grid for grid in kept if set(given[axis]) & set(getattr(grid, axis))] or kept
        plain = {"match": None, "match_target": None} if "hidden_size" in given else {}
        grids = tuple(replace(grid, **(plain | given)) for grid in kept)
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
        return [trial for trial, _ in self._planned()]

    def matches(self) -> "dict[str, Match]":
        """Return what the hidden sizes of trials were picked for, by key; nothing of those that had them given.

        Raises:
            UsageError: As `trials`.
        """
        return {trial.key: match for trial, match in self._planned() if match is not None}

    def _planned(self) -> "list[tuple[Trial, Match | None]]":
        size = sum(grid.size() for grid in self.grids)
        if size > _MOST_TRIALS:
            raise UsageError(f"study {self.name} has {size} trials; at most {_MOST_TRIALS} are allowed")
        rates = self._shortest_rates()
        found: dict[str, tuple[Trial, Match | None]] = {}
        for position, grid in enumerate(self.grids, 1):
            for trial, match in self._of_grid(self._shortest(grid, position), rates):
                found.setdefault(trial.key, (trial, match))
        return list(found.values())

    def _of_grid(self, grid: Grid, rates: tuple[Rate, ...]) -> "list[tuple[Trial, Match | None]]":
        for task in grid.task:
            transfer.at_lags(registry.task(task), grid.test_lags, option_label("test_lags"))
        return [
            _matched(_trial(grid, *setting, wiring, lr, truncate, seed), grid)
            for setting in product(grid.task, grid.cell, grid.clip, grid.optimizer)
            for wiring in grid.wirings()
            for lr in (grid.lr or (self._rate(rates, *setting),))
            for truncate in grid.truncate
            for seed in grid.seeds
        ]

    def _rate(self, rates: tuple[Rate, ...], task: str, cell: str, clip: str, optimizer: str) -> float:
        fitting = [rate for rate in rates if rate.fits(task, cell, clip, optimizer)]
        if not fitting:
            setting = f"task {task}, cell {cell}, clip {clip}, optimizer {optimizer}"
            raise UsageError(f"study {self.name} has no learning rate for {setting}: give --lr or add it to its rates")
        return max(fitting, key=lambda rate: rate.rank).lr

    def _shortest(self, grid: Grid, position: int) -> Grid:
        where = f"{self.origin}: grids {position}: " if self.origin else ""
        axes: dict[str, Any] = {kind: _shortest_axis(kind, getattr(grid, kind), where) for kind in SPECS}
        return replace(grid, **axes, schedule=_shortest_spec("schedule", grid.schedule, where))

    def _shortest_rates(self) -> tuple[Rate, ...]:
        found: dict[Any, Rate] = {}
        for position, rate in enumerate(self.rates, 1):
            where = f"{self.origin}: rates {position}: " if self.origin else ""
            given = {kind: spec for kind in _SPECS if (spec := getattr(rate, kind, None)) is not None}
            shortest: dict[str, Any] = {kind: _shortest_spec(kind, spec, where) for kind, spec in given.items()}
            short = replace(rate, **shortest)
            if short.condition in found:
                raise UsageError(f"{where}a second learning rate for {', '.join(filter(None, short.condition))}")
            found[short.condition] = short
        return tuple(found.values())


def adhoc(name: str | None = None, **options: object) -> Study:
    """Make a study of one grid from command-line options; None means not given.

    Args:
        name: The study's name, ``adhoc`` if not given.
        **options: Keys of `Grid`; task and cell are needed.

    Raises:
        UsageError: An option is missing, unknown or its value is refused.
    """
    given = {"lr": (0.003,)} | _options(options)
    for key in ("task", "cell"):
        if key not in given:
            raise UsageError(f"an ad-hoc study needs at least one {option_label(key)}")
    grid = Grid(**given)
    check_interval(grid, option_label)
    check_match(grid, given, option_label)
    check_wiring(grid, option_label)
    return Study(name or "adhoc", "Ad-hoc study", (grid,))


def option_label(key: str) -> str:
    """Return how the command line calls a key: ``--hidden-size``."""
    return f"--{key.replace('_', '-')}"


def facts(trial: Trial, match: "Match | None" = None) -> dict[str, Any]:
    """Return what follows from a trial's task and cell, and why it has its hidden size, as plans and stores hold it."""
    found = dict(_facts(trial.task, trial.cell))
    if match is not None:
        found |= {"matched": match.quantity, "match_target": match.target}
        found |= {"match_reached": match.reached, "match_note": match.note}
    return found


@registry.forgetful
@cache
def _facts(task_spec: str, cell_spec: str) -> Mapping[str, Any]:
    task, cell = registry.task(task_spec), registry.cell(cell_spec)
    with registry.blamed("task", task.name()):
        assert min(task.length, task.input_size, task.output_size) > 0, "length, input_size and output_size are above 0"
        return {
            "lag": task.lag,
            "min_lag": task.min_lag,
            "baseline_error": task.baseline_error,
            "solved_below": task.solved_below,
            "error_name": task.error_name,
            "task_options": _plain_options(task),
            "cell_options": _plain_options(cell),
        }


@registry.forgetful
@cache
def _is_causal(task_spec: str) -> bool:
    task = registry.task(task_spec)
    with registry.blamed("task", task.name()):
        return task.causal


def _plain_options(of: Configurable) -> dict[str, Any]:
    return {name: str(value) if isinstance(value, Range) else value for name, value in of.values().items()}


def _options(options: Mapping[str, object]) -> dict[str, Any]:
    given = {key: value for key, value in options.items() if value is not None}
    known_keys(given, KEYS, "options")
    values = checked(given, option_label)
    for kind in [kind for kind in _SPECS if kind in values]:
        single = kind == "schedule"
        values[kind] = _shortest_spec(kind, values[kind]) if single else _shortest_axis(kind, values[kind])
    return values


def _shortest_axis(kind: str, specs: tuple[str, ...], where: str = "") -> tuple[str, ...]:
    found: dict[str, str] = {}
    for spec in specs:
        short = _shortest_spec(kind, spec, where)
        if short in found:
            raise UsageError(f"{where}{kind} {spec!r} is given twice, before as {found[short]!r}")
        found[short] = spec
    return tuple(found)


def _shortest_spec(kind: str, spec: str, where: str = "") -> str:
    try:
        return str(_SPECS[kind](spec).spec)
    except UsageError as error:
        raise UsageError(f"{where}{error}") from None


def _trial(
    grid: Grid, task: str, cell: str, clip: str, optimizer: str, wiring: Wiring, lr: float, truncate: int, seed: int
) -> Trial:
    """Make a trial; chunks that are no shorter than the task are none, so that the trial is the plain one.

    Raises:
        UsageError: The direction shows the answers, or the cell cannot do what the clip or the truncation asks.
    """
    from bench.assemble import check_backward

    if wiring.direction == "bidirectional" and _is_causal(task):
        raise UsageError(
            f"task {task} shows its answers at later inputs: a bidirectional network would see them; "
            "direction must be forward"
        )
    truncate = truncate if truncate < registry.task(task).length else 0
    check_backward(cell, clip, truncate)
    registry.cell(cell).admit(wiring)
    return Trial(
        task=task,
        cell=cell,
        clip=clip,
        lr=lr,
        seed=seed,
        task_version=registry.task(task).version,
        cell_version=registry.cell(cell).version,
        optimizer=optimizer,
        schedule=grid.schedule,
        weight_decay=grid.weight_decay,
        hidden_size=grid.hidden_size,
        **asdict(wiring),
        truncate=truncate,
        batch_size=grid.batch_size,
        updates=grid.updates,
        eval_every=grid.evaluation_interval,
        dtype=grid.dtype,
        device=grid.device,
        plugins=registry.labels_of(task, cell, clip),
        test_lags=",".join(map(str, grid.test_lags)),
    )


def _check_width(trial: Trial) -> None:
    step = registry.cell(trial.cell).width_step
    if trial.hidden_size % step:
        below = trial.hidden_size // step * step
        rule = f"cell {trial.cell}: the hidden size must be a multiple of {step}, not {trial.hidden_size}"
        raise UsageError(f"{rule}; did you mean {f'{below} or {below + step}' if below else step}?")


def _matched(trial: Trial, grid: Grid) -> "tuple[Trial, Match | None]":
    """Give a trial the hidden size that its grid's match picks, if it has one.

    Raises:
        UsageError: No size comes near the target, or the size given is none that the cell allows.
    """
    if grid.match is None or grid.match_target is None:
        _check_width(trial)
        return trial, None
    from bench.matching import matched

    hidden_size, match = matched(trial, grid.match, grid.match_target)
    return replace(trial, hidden_size=hidden_size), match
