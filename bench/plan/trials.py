"""The trials of one grid, and the facts that follow from a trial's task and cell.

Torch is loaded here, since options and versions live in the tasks and cells.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, replace
from functools import cache
from itertools import product
from typing import TYPE_CHECKING, Any, NamedTuple

from longlag import registry
from longlag.plan.grid import GIVEN, OTHERS, SPANNED, SPECS, Grid, option_label
from longlag.plan.lags import at_lags
from longlag.plan.rates import Basis, Rate
from longlag.tasks.support.errors import UsageError
from longlag.tasks.support.options import Configurable, Range
from longlag.values.trial import Trial
from longlag.values.wiring import Wiring

if TYPE_CHECKING:
    from longlag.plan.sizes import Match


class Planned(NamedTuple):
    """A trial of a plan, with the reasons for its hidden size and learning rate.

    Attributes:
        trial: The trial.
        match: The target that its hidden size was picked for; None where the size was given.
        rate_basis: The evidence for its learning rate.
    """

    trial: Trial
    match: "Match | None" = None
    rate_basis: Basis = Basis.GIVEN

    @property
    def facts(self) -> Mapping[str, Any]:
        """Facts that follow from its task and cell, and the reasons for its hidden size and rate; see `facts`."""
        return facts(self.trial, self.match, self.rate_basis)


def of_grid(grid: Grid, rate: Callable[[str, str, str, str], Rate]) -> Iterator[Planned]:
    """Yield the trials of a grid in its order.

    Args:
        grid: The grid, its specs in their shortest spelling.
        rate: Returns the learning rate of a task, cell, clip and optimizer; called where the grid has none.

    Raises:
        UsageError: A spec is refused, settings do not go together, or a task cannot be solved.
    """
    for task in map(registry.task, grid.task):
        _check_solvable(task.spec)
        at_test_lags = at_lags(task, grid.test_lags, option_label("test_lags"))
        for cell in grid.cell:
            registry.cell(cell).admit_inputs(task.tokens)
            registry.cell(cell).admit_steps(
                task.length, max((tested.length for tested in at_test_lags), default=task.length)
            )
    for specs in product(grid.task, grid.cell, grid.clip, grid.optimizer):
        for wiring in grid.wirings():
            for lr, basis in [(lr, Basis.GIVEN) for lr in grid.lr or ()] or [_of_rate(rate(*specs))]:
                for others in product(*(getattr(grid, key) for key in OTHERS)):
                    given = dict(zip((*SPECS, "lr", *OTHERS), (*specs, lr, *others), strict=True)) | asdict(wiring)
                    yield from _of_setting(grid, given, wiring, basis)


def _of_rate(rate: Rate) -> tuple[float, Basis]:
    return rate.lr, rate.basis


def facts(trial: Trial, match: "Match | None" = None, rate_basis: Basis = Basis.GIVEN) -> Mapping[str, Any]:
    """Return facts that follow from a trial's task and cell, and the reasons for its hidden size and rate.

    Plans and stores hold these facts. Reasons that do not exist are left out.
    """
    of_specs = _facts(trial.task, trial.cell, rate_basis)
    if match is None:
        return of_specs
    return {
        **of_specs,
        "matched": match.quantity,
        "match_target": match.target,
        "match_reached": match.reached,
        "match_note": match.note,
    }


@registry.forgetful
@cache
def _facts(task_spec: str, cell_spec: str, rate_basis: Basis) -> Mapping[str, Any]:
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
            **({"rate_basis": rate_basis.value} if rate_basis else {}),
        }


@registry.forgetful
@cache
def _check_solvable(task_spec: str) -> None:
    task = registry.task(task_spec)
    with registry.blamed("task", task.name()):
        if (best := task.floor(task.length)) >= task.solved_below:
            rule = f"its best error given the whole sequence, {best:g}, is not below {task.solved_below:g}"
            raise UsageError(f"task {task_spec} can never be solved: {rule}")


@registry.forgetful
@cache
def _is_causal(task_spec: str) -> bool:
    task = registry.task(task_spec)
    with registry.blamed("task", task.name()):
        return task.causal


def _plain_options(of: Configurable) -> dict[str, Any]:
    return {name: str(value) if isinstance(value, Range) else value for name, value in of.values().items()}


def _of_setting(grid: Grid, given: dict[str, Any], wiring: Wiring, basis: Basis) -> Iterator[Planned]:
    """Yield a trial for each seed; the setting is checked once."""
    first = _matched(_trial(grid, given, wiring), grid)
    for seed in grid.seeds:
        yield Planned(replace(first.trial, seed=seed), first.match, basis)


def _trial(grid: Grid, given: dict[str, Any], wiring: Wiring) -> Trial:
    """Make the trial of a setting; chunks that are no shorter than the task are dropped, since they have no effect.

    Args:
        grid: The grid, for all fields that are not in ``given``.
        given: The values of the axes that the grid spans.
        wiring: How its layers are joined.

    Raises:
        UsageError: A bidirectional network would see the answers, a decoder has nothing to write or to start from, or
            the cell does not support the clip or the truncation.
    """
    from longlag.networks.build import check_backward, check_decoder

    task, cell, clip = given["task"], given["cell"], given["clip"]
    if wiring.direction == "bidirectional" and _is_causal(task):
        raise UsageError(
            f"task {task} shows its answers at later inputs: a bidirectional network would see them; "
            "direction must be forward"
        )
    truncate = given["truncate"] if given["truncate"] < registry.task(task).length else 0
    check_decoder(task, cell, clip, truncate, wiring)
    check_backward(cell, clip, truncate)
    registry.cell(cell).admit(wiring)
    follows = {
        "truncate": truncate,
        "eval_every": grid.evaluation_interval,
        "test_lags": ",".join(map(str, grid.test_lags)),
        "task_version": registry.task(task).version,
        "data": registry.data_of(task),
        "cell_version": registry.cell(cell).version,
        "decoder_cell_version": registry.cell(wiring.decoder_cell).version if wiring.decodes else 0,
    }
    plain = {key: getattr(grid, key) for key in GIVEN if key not in SPANNED and key != "seeds"}
    trial = Trial(**(plain | given | follows), seed=grid.seeds[0])
    return replace(trial, plugins=registry.labels_of(trial.specs))


def _check_width(trial: Trial) -> None:
    from longlag.networks.build import width_step

    step = width_step(trial)
    if trial.hidden_size % step:
        below = trial.hidden_size // step * step
        cells = f"cell {trial.cell}" + (f" with decoder_cell {trial.decoder_cell}" if trial.wiring.decodes else "")
        rule = f"{cells}: the hidden size must be a multiple of {step}, not {trial.hidden_size}"
        raise UsageError(f"{rule}; did you mean {f'{below} or {below + step}' if below else step}?")


def _matched(trial: Trial, grid: Grid) -> Planned:
    """Give a trial the hidden size that its grid's match picks, if it has one.

    Raises:
        UsageError: No size comes near the target, or the cell does not allow the size that is given.
    """
    if grid.match is None or grid.match_target is None:
        _check_width(trial)
        return Planned(trial)
    from longlag.plan.sizes import matched

    hidden_size, match = matched(trial, grid.match, grid.match_target)
    return Planned(replace(trial, hidden_size=hidden_size), match)
