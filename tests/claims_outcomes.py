"""A stand-in for the training of claims: what every trial ends in follows from its setting."""

import math
from pathlib import Path

from longlag import registry
from longlag.claims.support.answering import Bench
from longlag.plan.study import Study
from longlag.plan.trials import facts
from longlag.store.store import Store, store_path
from longlag.values.frames import PHASES, Found, Frame
from longlag.values.trial import Measurement, Status, Transfer, Trial, TrialResult


def hears_little(trial: Trial) -> bool:
    """Of the starts of one cell, those with the least memory."""
    return trial.cell.endswith(("=-1", "=0", "=0.5", "=0.6")) and trial.seed > 0


def ended(trial: Trial) -> Status:
    """Solved at middling rates, lost above them without a clip."""
    if trial.lr >= 0.3 and trial.clip == "none":
        return Status.DIVERGED if trial.seed % 2 else Status.EXPLODED
    backwards = trial.task.startswith("sentiment") and "before" not in trial.task
    if (backwards and trial.wiring.direction == "forward") or trial.seed % 10 == 9 or hears_little(trial):
        return Status.UNSOLVED
    return Status.SOLVED


def sooner(trial: Trial) -> int:
    """Soonest at a rate of .02."""
    return round(trial.updates * (0.1 + 0.1 * abs(math.log(trial.lr / 0.02))))


def transfer(trial: Trial) -> tuple[Transfer, ...]:
    """Tests at other distances, which transformers fail."""
    error = 0.5 if trial.cell.startswith("transformer") else 0.1 + 0.001 * (trial.seed % 3)
    return tuple(Transfer(int(lag), int(lag) + 1, 0.5, 0.05, error, 3) for lag in trial.test_lags.split(",") if lag)


def result(trial: Trial) -> TrialResult:
    status, clipped = ended(trial), trial.clip != "none"
    solved = status is Status.SOLVED
    low, high = 0.01, 0.6 if trial.cell == "rnn" else 0.02
    slices = {"attractors": {"3": high}, "congruent": {"3": low}}
    curve = Measurement(trial.updates, 0.1, 0.1, None, None, None, None, 1.0, slices)
    numbers = {"reach_1pct": 3, "reach_open": False, "reach_slope": -0.4 - 0.01 * (trial.seed % 3)}
    numbers |= {
        "needed_lag": registry.task(trial.task).min_lag - 1,
        "needed_signal": 10.0 ** -(6 if hears_little(trial) else 2),
    }
    part = {"lag": [0, 1, 2], "median": [1.0, 0.5, 0.25]}
    frames = tuple(Frame("reach", 1, phase, 100, Found(numbers, {"input": part})) for phase in PHASES)
    return TrialResult(
        trial, status, 0.001 if solved else 0.1, updates=trial.updates,
        updates_to_solve=sooner(trial) if solved else None,
        grad_norm_max=5.0, grad_norm_after_max=float(trial.clip.partition(":")[2]) if clipped else 5.0,
        clipped_fraction=0.5 * clipped, clip_cosine=1.0, wall_seconds=0.5, measurements=(curve,),
        frames=frames if trial.cell.startswith(("rnn", "lstm", "gru")) else (), transfer=transfer(trial),
    )  # fmt: skip


def bench(folder: Path, tier: int = 10, fails: bool = False) -> tuple[Bench, list[Study]]:
    """Return where claims are answered without training, and a list that takes the studies asked for."""
    asked: list[Study] = []

    def train(study: Study) -> bool:
        asked.append(study)
        with Store.open_for_writing(store_path(study.name, folder)) as store:
            store.write_plan(study.title, [(trial, facts(trial)) for trial in study.trials()])
            held = store.stored()
            for trial in study.trials():
                if trial.key not in held:
                    store.add(result(trial), facts(trial))
        return not fails

    return Bench(folder, tier, train), asked
