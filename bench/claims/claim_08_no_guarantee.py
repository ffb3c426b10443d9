"""An LSTM does not guarantee that gradients neither vanish nor explode: one that does each."""

from collections.abc import Mapping
from typing import ClassVar

import numpy as np
import pandas as pd
import torch

from longlag.claims.base import Claim, Evidence, Picture, Rule
from longlag.claims.support.decisions import Bar, Verdict, exhibited
from longlag.lens.reach import reach
from longlag.values.seeding import stream

UNITS, STEPS, NETWORKS = 16, 50, 20
SETTINGS = {"forget bias -2": (-2.0, 1.0), "forget bias 1": (1.0, 1.0), "recurrent weights times 20": (1.0, 20.0)}
"""Forget bias, and what the initial recurrent weights are multiplied by."""
VANISHED, EXPLODED = 1e-6, 1e3


def judge_vanishing(frame: pd.DataFrame, bar: Bar) -> Verdict:
    """Judge ``signal``: the gradient by the first input as a multiple of that by the last, a row a network."""
    least = frame.iloc[int(frame["signal"].to_numpy().argmin())]
    return exhibited((frame["signal"] <= VANISHED).tolist()).told(
        least=float(least["signal"]), setting=least["setting"], steps=STEPS
    )


def judge_exploding(frame: pd.DataFrame, bar: Bar) -> Verdict:
    """Judge ``signal`` as in `judge_vanishing`, the other way round."""
    most = frame.iloc[int(frame["signal"].to_numpy().argmax())]
    return exhibited((frame["signal"] >= EXPLODED).tolist()).told(most=float(most["signal"]), setting=most["setting"])


class NoGuarantee(Claim):
    """Gates can be shut, and the way through them is a plain network's: with large weights it explodes."""

    sentence: ClassVar[str] = "An LSTM does not guarantee that gradients neither vanish nor explode"
    paper: ClassVar[str] = "Hochreiter & Schmidhuber 1997; Gers, Schmidhuber & Cummins 2000 (forget gate)"
    boundary: ClassVar[str] = f"LSTM of {UNITS} units over {STEPS} steps of noise, before training, float64"
    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "a",
            "the gradient of an LSTM can vanish",
            f"one of {NETWORKS} networks a setting, over {STEPS} steps, whose gradient by the first input is at most "
            f"{VANISHED:g} of that by the last",
            "no network among those drawn",
            "Over {steps} steps {shown} of {n} LSTMs lose the signal to a millionth or less; the least is "
            "{least:.1e} ({setting}).",
            judge_vanishing,
        ),
        Rule(
            "b",
            "the gradient of an LSTM can explode",
            f"the same networks: a gradient by the first input of at least {EXPLODED:g} times that by the last",
            "no network among those drawn",
            "In {shown} of {n} the gradient by the first input is a thousand times that by the last, or more; at "
            "most {most:.1e} times ({setting}).",
            judge_exploding,
        ),
    )

    def frames(self, evidence: Evidence) -> Mapping[str, pd.DataFrame]:
        """Look at networks of each setting."""
        rows, lags = [], []
        for setting, (forget_bias, scale) in SETTINGS.items():
            for place in range(NETWORKS):
                held = _signal(place, forget_bias, scale)
                rows.append({"setting": setting, "network": place, "signal": float(held[-1])})
                lags += [{"panel": "LSTM", "series": setting, "x": lag, "y": float(held[lag])} for lag in range(STEPS)]
        found = pd.DataFrame(rows)
        return {"a": found, "b": found, "lags": pd.DataFrame(lags)}

    def picture(self, frames: Mapping[str, pd.DataFrame]) -> Picture:
        """Show the signal by lag, of each setting."""
        return Picture(frames["lags"], "steps back", "gradient, of that by the last input", "y")


def _signal(place: int, forget_bias: float, scale: float) -> np.ndarray:
    """Return the median gradient by the input k steps back over that by the last, (T,)."""
    generator = stream("claims", "lstm").generator(place)
    lstm = torch.nn.LSTM(UNITS, UNITS, dtype=torch.float64)
    with torch.no_grad():
        for parameter in lstm.parameters():
            parameter.copy_(torch.from_numpy(generator.uniform(-(UNITS**-0.5), UNITS**-0.5, tuple(parameter.shape))))
        weights = dict(lstm.named_parameters())
        weights["weight_hh_l0"].mul_(scale)
        weights["bias_ih_l0"][UNITS : 2 * UNITS] = forget_bias
        weights["bias_hh_l0"][UNITS : 2 * UNITS] = 0.0
    inputs = torch.from_numpy(generator.standard_normal((STEPS, 8, UNITS)))
    found = reach(lstm, inputs, lambda outputs: outputs[-1].sum(1)).parts["input"]["median"]
    held: np.ndarray = np.array(found, dtype=float)
    relative: np.ndarray = held / held[0]
    return relative
