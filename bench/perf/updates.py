"""Parts `updates` and `scaling`: time whole updates (data, forward, backward, clipping, Adam)."""

from collections.abc import Callable, Iterator
from importlib.util import find_spec

from longlag import registry
from longlag.perf.measure import Timing, compare
from longlag.perf.ordinary import OrdinaryTrial
from longlag.plan import files
from longlag.training.cohort import Cohort
from longlag.values.trial import Trial

TASKS = ("copy:blanks=80", "adding", "agreement:nouns=0-6")
"""The tasks; the first two have 100 time steps."""
UNITS = 64
CELLS = ("rnn", "gru", "lstm")
ONE_SHAPE = ("copy", "adding")
"""Tasks whose batches all have one shape, so that the loop in JAX compiles once."""
_COHORT = 8


def shapes_of_quick() -> tuple[tuple[str, int], ...]:
    """Return the tasks of the study `quick` with its hidden sizes, those of its corner with SGD left out."""
    trials = files.find("quick").trials()
    return tuple(dict.fromkeys((trial.task, trial.hidden_size) for trial in trials if trial.optimizer == "adam"))


def trials(task: str, cell: str, count: int, hidden_size: int = UNITS) -> list[Trial]:
    """Return trials that differ in the seed only; their learning rate is too small for any to solve the task.

    Args:
        task: The task's spec.
        cell: The cell's spec.
        count: The number of trials.
        hidden_size: Units.
    """
    return [
        Trial(registry.task(task).spec, cell, "norm:1", 1e-9, seed, hidden_size=hidden_size) for seed in range(count)
    ]


def update_of(cohort: Cohort) -> Callable[[], object]:
    """Return a call that does one update of a cohort."""

    def call() -> None:
        cohort.step()

    return call


def measure(shapes: tuple[tuple[str, int], ...], cells: tuple[str, ...], repeats: int) -> Iterator[Timing]:
    """Yield the time of an update of a cohort of eight against the ordinary loop, and against JAX where installed.

    Args:
        shapes: Specs of tasks, each with a hidden size.
        cells: Specs of cells.
        repeats: Rounds.
    """
    for task, hidden_size in shapes:
        for cell in cells:
            yield compare_update(task, cell, _COHORT, hidden_size, repeats)
            if find_spec("jax") and registry.task(task).name() in ONE_SHAPE:
                yield compare_with_jax(task, cell, _COHORT, hidden_size, repeats)


def compare_update(task: str, cell: str, count: int, hidden_size: int, repeats: int) -> Timing:
    """Time an update of ``count`` trials: ours as one cohort, those of the ordinary loop one after the other.

    Args:
        task: The task's spec.
        cell: The cell's spec.
        count: The number of trials.
        hidden_size: Units.
        repeats: Rounds.
    """
    ordinary = [OrdinaryTrial(trial) for trial in trials(task, cell, count, hidden_size)]

    def loop() -> None:
        for trial in ordinary:
            trial.step()

    return _compare(task, cell, count, hidden_size, ("ordinary loop", loop), repeats)


def compare_with_jax(task: str, cell: str, count: int, hidden_size: int, repeats: int) -> Timing:
    """Time an update as `compare_update` does, against the loop in JAX.

    Args:
        task: The task's spec, all of whose batches have one shape.
        cell: The cell's spec.
        count: How many trials.
        hidden_size: Units.
        repeats: Rounds.
    """
    from longlag.perf.jax_loop import JaxTrial

    compiled = [JaxTrial(trial) for trial in trials(task, cell, count, hidden_size)]

    def loop() -> None:
        for trial in compiled:
            trial.step()

    return _compare(task, cell, count, hidden_size, ("JAX jit(scan), looped", loop), repeats)


def _compare(
    task: str, cell: str, count: int, hidden_size: int, reference: tuple[str, Callable[[], object]], repeats: int
) -> Timing:
    ours = update_of(Cohort(trials(task, cell, count, hidden_size), {}))
    setting = f"{task}, batch 32, hidden {hidden_size}, cohort of {count}"
    return compare("updates", cell, setting, ours, reference, repeats)


def scaling(
    lengths: tuple[int, ...], counts: tuple[int, ...], widths: tuple[int, ...], repeats: int
) -> Iterator[Timing]:
    """Yield the time of an update of a gru on adding, over sequence length, cohort size and hidden size.

    Args:
        lengths: Sequence lengths, in time steps.
        counts: Sizes of cohorts, in trials.
        widths: Hidden sizes, in units.
        repeats: Rounds.
    """
    for length in lengths:
        yield compare_update(f"adding:length={length}", "gru", 2, UNITS, repeats)
    for count in counts:
        yield compare_update("adding", "gru", count, UNITS, repeats)
    for width in widths:
        yield compare_update("adding", "gru", 4, width, repeats)
