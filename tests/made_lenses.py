"""Studies made up with what lenses would have found in their networks: nothing is trained, nothing looked at."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
from synthetic import make_study

from longlag.values.frames import PHASES

FADING = {"rnn": 0.6, "lstm": 0.9, "gru": 0.8}
STEPS = 14


def frame(trial, phase, lens="reach"):
    """Make up what a lens found: a signal that fades by a factor a step, less of it the later the phase."""
    factor = FADING.get(trial.cell.partition(":")[0], 0.7) ** (1 / (1 + PHASES.index(phase)))
    factor *= 1 + 0.01 * trial.seed
    signal = [float(f"{factor**lag:.6g}") for lag in range(STEPS)]
    about = {"key": trial.key, "lens": lens, "version": 1, "phase": phase, "update": 100 * PHASES.index(phase)}
    if lens == "share":
        parts = {"recurrent": {"lag": list(range(STEPS)), "before": signal, "after": [value / 2 for value in signal]}}
        return about | {"numbers": json.dumps({"needed_lag": 13}), "parts": json.dumps(parts)}
    heard = [lag for lag, value in enumerate(signal) if value >= 0.01]
    numbers = {
        "reach_1pct": heard[-1], "reach_open": heard[-1] == STEPS - 1, "reach_slope": float(np.log(factor)),
        "silent": 0, "unbounded": 0, "needed_lag": 13, "needed_signal": signal[13],
        "fading": 0.7 if trial.cell == "rnn" else None,
    }  # fmt: skip
    table = {"lag": list(range(STEPS)), "n": [64] * STEPS, "zeros": [0] * STEPS}
    table |= {"median": signal, "low": [value / 2 for value in signal], "high": [min(2 * v, 1) for v in signal]}
    return about | {"numbers": json.dumps(numbers), "parts": json.dumps({"input": table, "state": table})}


def seen(shape, phases=PHASES, lenses=("reach", "share")):
    study = make_study(shape)
    rows = [frame(row, phase, lens) for row in study.plan.itertuples() for lens in lenses for phase in phases]
    return replace(study, lenses=pd.DataFrame(rows))
