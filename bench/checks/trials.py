"""Rules that are checked in training: a few updates of a tiny trial."""

from longlag import registry
from longlag.checks.finding import expect
from longlag.plan.study import adhoc
from longlag.training.cohort import train
from longlag.values.trial import TrialResult

HIDDEN, BATCH = 6, 4


def company(**given: str) -> str:
    """Check that a trial gives the same numbers alone and in a cohort.

    Args:
        **given: The setting that is checked, as a key of a grid: ``cell``, ``optimizer`` or ``schedule``.
    """
    chosen = {"cell": "rnn"} | given
    step = registry.cell(chosen["cell"]).width_step
    study = adhoc(
        "check", task="copy:items=1,blanks=2", clip=("none", "norm:0.1", "skip:0.5"), lr=(0.01, 0.1), seeds=2,
        updates=4, eval_every=2, hidden_size=-(-HIDDEN // step) * step, batch_size=BATCH, **chosen,
    )  # fmt: skip
    trials = study.trials()
    together: list[TrialResult] = []
    train(trials, together.append)
    by_key = {result.trial.key: result for result in together}
    for trial in (trials[0], trials[-1]):
        alone: list[TrialResult] = []
        train([trial], alone.append)
        one, other = alone[0], by_key[trial.key]
        expect(one.status == other.status, f"a trial ends {one.status} alone, {other.status} in a cohort")
        same = one.measurements == other.measurements
        expect(same, "a trial alone gives other numbers than in a cohort")
    return f"a trial gives the same bytes alone and beside {len(trials) - 1} others"


def two_updates(cell: str) -> str:
    """Train a cell for two updates, since a module may behave differently in training than in evaluation."""
    step = registry.cell(cell).width_step
    study = adhoc(
        "check", task="copy:items=1,blanks=2", cell=cell, lr=0.01, seeds=1, updates=2, eval_every=1,
        hidden_size=-(-HIDDEN // step) * step, batch_size=BATCH,
    )  # fmt: skip
    results: list[TrialResult] = []
    train(study.trials(), results.append)
    return f"two updates end {results[0].status}"


def short_run(spec: str) -> str:
    """Train a few updates, which are audited against the clip's promise."""
    study = adhoc(
        "check", task="copy:items=1,blanks=2", cell="rnn", clip=tuple(dict.fromkeys((spec, "none"))), lr=0.1, seeds=2,
        updates=6, eval_every=3, hidden_size=6, batch_size=4,
    )  # fmt: skip
    results: list[TrialResult] = []
    for trial in study.trials():  # alone, since a cohort is of one set of plugins
        train([trial], results.append)
    ours = [result for result in results if result.trial.clip == registry.clip(spec).spec]
    expect(
        all(result.updates == 6 for result in ours), f"the run ended {ours[0].status} after {ours[0].updates} updates"
    )
    shares = [result.clipped_fraction or 0 for result in ours]
    clipped = sum(shares) / len(shares)
    return f"the clip kept its promise in a run of 6 updates; {clipped:.0%} of the updates were clipped"
