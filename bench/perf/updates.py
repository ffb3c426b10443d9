"""Parts `updates` and `scaling`: time whole updates (data, forward, backward, clipping, Adam)."""

from collections.abc import Callable, Iterator

from longlag import registry
from longlag.perf.measure import Timing, compare
from longlag.perf.ordinary import OrdinaryTrial
from longlag.training.cohort import Cohort
from longlag.values.trial import Trial

TASKS = ("copy:blanks=80", "adding", "agreement:nouns=0-6")
"""The tasks; the first two have 100 time steps."""
CELLS = ("rnn", "gru", "lstm")
_COHORT = 8


def trials(task: str, cell: str, count: int, hidden_size: int = 64) -> list[Trial]:
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


def measure(tasks: tuple[str, ...], cells: tuple[str, ...], repeats: int) -> Iterator[Timing]:
    """Yield the time of one trial's update in a cohort of eight against the ordinary loop.

    Args:
        tasks: Specs of tasks.
        cells: Specs of cells.
        repeats: Rounds.
    """
    for task in tasks:
        for cell in cells:
            yield compare_update(task, cell, _COHORT, 64, repeats)


def compare_update(task: str, cell: str, count: int, hidden_size: int, repeats: int) -> Timing:
    """Time an update of ``count`` trials: ours as one cohort, those of the ordinary loop one after the other.

    Args:
        task: The task's spec.
        cell: The cell's spec.
        count: The number of trials.
        hidden_size: Units.
        repeats: Rounds.
    """
    ours = update_of(Cohort(trials(task, cell, count, hidden_size), {}))
    ordinary = [OrdinaryTrial(trial) for trial in trials(task, cell, count, hidden_size)]

    def loop() -> None:
        for trial in ordinary:
            trial.step()

    setting = f"{task}, batch 32, hidden {hidden_size}, cohort of {count}"
    return compare("updates", cell, setting, ours, ("ordinary loop", loop), repeats)


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
        yield compare_update(f"adding:length={length}", "gru", 2, 64, repeats)
    for count in counts:
        yield compare_update("adding", "gru", count, 64, repeats)
    for width in widths:
        yield compare_update("adding", "gru", 4, width, repeats)
