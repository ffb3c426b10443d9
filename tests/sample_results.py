"""Results as a run would make them, without training anything."""

import math
import sys
from pathlib import Path

from longlag.store.store import Store, Stored
from longlag.values.trial import Measurement, Status, Trial, TrialResult

FACTS = {
    "lag": 13,
    "min_lag": 14,
    "baseline_error": 0.875,
    "solved_below": 0.01,
    "error_name": "wrong recalled symbols (share)",
    "task_options": {"items": 3, "symbols": 8, "blanks": 10},
    "cell_options": {"forget_bias": 1.0},
}


def trial(seed: int = 0, clip: str = "norm:1") -> Trial:
    """Return one of the trials used here."""
    return Trial("copy:items=3,blanks=10", "lstm", clip, 0.03, seed, updates=200)


def measurement(update: int, error: float = 0.25) -> Measurement:
    """Return an evaluation; the first one has no training behind it."""
    trained = {"train_loss": 0.5, "grad_norm_median": 0.1, "grad_norm_max": 0.7, "clipped_fraction": 0.0}
    trained["clip_cosine"] = 0.5
    trained["orthogonality_error"] = 1e-7
    seen = trained if update else dict.fromkeys(trained)
    return Measurement(update, 1.5, error, **seen, parameter_norm=7.25, slices={"position": {"0": 0.125, "1": 0.5}})


def result(seed: int = 0, status: Status = Status.UNSOLVED, **changes: object) -> TrialResult:
    """Return a result of `trial` with a curve of three points."""
    usual = {
        "error": 0.1 + seed / 7,
        "updates": 200,
        "path": "readable",
        "grad_norm_max": 0.7,
        "grad_norm_max_at": 3,
        "clipped_fraction": 0.5,
        "clip_cosine": 0.75,
        "num_parameters": 1000,
        "state_size": 64,
        "example": {"is": 0.75, "are": 0.25},
        "measurements": tuple(measurement(update) for update in (0, 100, 200)),
        "wall_seconds": 1.5,
        "environment": {"source": "aaaa", "python": "3.11.7"},
    }
    return TrialResult(trial(seed), status, **(usual | changes))


def diverged(seed: int) -> TrialResult:
    """Return a result whose numbers have left the finite."""
    last = Measurement(100, math.inf, math.nan, math.nan, 1.0, math.inf, 0.0, math.nan, {"position": {"0": math.nan}})
    curve = (measurement(0), last)
    return result(seed, Status.DIVERGED, error=math.nan, grad_norm_max=math.inf, diverged_at=17, measurements=curve)


def write(path: Path, results: list[TrialResult]) -> None:
    """Store results."""
    with Store.open_for_writing(path) as store:
        for item in results:
            store.add(item, FACTS)


def stored(path: Path) -> dict[str, Stored]:
    """Say what a file holds, by key; nothing where there is no file yet."""
    if not path.exists():
        return {}
    with Store.open_for_reading(path) as store:
        return store.stored()


if __name__ == "__main__":  # writes results for ever and says so, for tests that kill it
    with Store.open_for_writing(Path(sys.argv[1])) as store:
        for number in range(1_000_000):
            store.add(result(number), FACTS)
            store.flush()
            print(result(number).trial.key, flush=True)
