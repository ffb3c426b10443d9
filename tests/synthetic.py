"""Makes up studies for the tests of reports: plausible numbers, no training, the same every time."""

from dataclasses import asdict, dataclass
from itertools import product
from typing import Any

import numpy as np
import pandas as pd

from longlag.store.results import StudyData
from longlag.values.seeding import stream
from longlag.values.trial import Status, Trial
from longlag.values.wiring import Wiring

CELLS = ("rnn", "rnn:init=orthogonal", "rnn:nonlinearity=relu,init=identity", "lstm", "gru")
MORE_CELLS = (
    *CELLS,
    "rnn:nonlinearity=sigmoid",
    "lstm:forget_bias=0",
    "minimal_gru",
    "peephole_lstm",
    "ugrnn",
    "scrn:context=16",
    "clockwork:periods=4",
)
CLIPS = ("none", "norm:1", "value:0.1")
COPY, ADDING, AGREEMENT = "copy:items=3,blanks=10", "adding:length=30", "agreement:nouns=0-4"
SENTIMENT = "sentiment"
LONG_NAMES = tuple(
    f"{name}:length=44,variant={paper}"
    for name in ("adding", "multiplication", "temporal_order")
    for paper in ("hochreiter1997", "pascanu2013")
)
LADDER = tuple(f"parity:steps={steps}" for steps in (8, 16, 32, 64))

_FACTS: dict[str, dict[str, Any]] = {
    COPY: {
        "lag": 13, "min_lag": 14, "baseline_error": 0.875, "solved_below": 0.01,
        "error_name": "wrong recalled symbols (share)", "task.items": 3, "task.symbols": 8, "task.blanks": 10,
    },
    ADDING: {
        "lag": 30, "min_lag": 29, "baseline_error": 1 / 6, "solved_below": 0.01,
        "error_name": "squared error of the sum", "task.length": 30,
    },
    AGREEMENT: {
        "lag": 13, "min_lag": 14, "baseline_error": 0.5, "solved_below": 0.01,
        "error_name": "wrong verb forms (share)", "task.nouns": "0-4", "task.objective": "lm",
    },
    SENTIMENT: {
        "lag": 10, "min_lag": 11, "baseline_error": 0.5, "solved_below": 0.01,
        "error_name": "wrong tags (share)", "task.distance": "10",
    },
} | {
    task: {
        "lag": 8 * 2**rung - 1, "min_lag": 8 * 2**rung, "baseline_error": 0.5, "solved_below": 0.01,
        "error_name": "wrong parities (share)", "task.steps": str(8 * 2**rung),
    }
    for rung, task in enumerate(LADDER)
} | {
    task: {
        "lag": 44, "min_lag": 43, "baseline_error": 0.75, "solved_below": 0.01, "error_name": "wrong answers (share)",
        "task.length": 44, "task.variant": task.split("=")[-1],
    }
    for task in LONG_NAMES
}  # fmt: skip
_SKILL = {"gru": 0.95, "lstm": 0.85, "rnn:init=orthogonal": 0.6, "rnn": 0.15}


@dataclass(frozen=True)
class Shape:
    """What a made-up study holds.

    Attributes:
        stored: Share of the planned trials that have a row.
        diverged: Let IRNN without a clip diverge or explode.
        failed: Let one trial in sixteen fail.
        sources: How many versions of the code made it.
        test_lags: Lags that every network is tested at as well.
        layers: Depths; plain stacks of eight layers and more learn nothing.
        skips: Skip connections between layers.
        directions: Sentiment is at its floor from left to right.
        decoders: Layers of a GRU that decodes; 0 for none.
        rate_basis: What every learning rate rests on, if the study says it.
    """

    tasks: tuple[str, ...] = (COPY, ADDING, AGREEMENT)
    cells: tuple[str, ...] = CELLS
    clips: tuple[str, ...] = CLIPS
    optimizers: tuple[str, ...] = ("adam",)
    lrs: tuple[float, ...] = ()
    seeds: int = 3
    stored: float = 1.0
    diverged: bool = True
    failed: bool = False
    sources: int = 1
    outside: int = 0
    timed: bool = False
    test_lags: tuple[int, ...] = ()
    layers: tuple[int, ...] = (1,)
    skips: tuple[str, ...] = ("none",)
    directions: tuple[str, ...] = ("forward",)
    decoders: tuple[int, ...] = (0,)
    rate_basis: str | None = None

    @property
    def wirings(self) -> list[Wiring]:
        """How layers are joined, each way once."""
        every = product(self.layers, self.skips, self.directions, self.decoders)
        made = (Wiring(*way, decoder_cell="gru" if deep else "none", decoder_layers=deep) for *way, deep in every)
        return list(dict.fromkeys(wiring.reduced for wiring in made))


def make_study(shape: Shape = Shape()) -> StudyData:
    """Make up a study."""
    trials = [
        Trial(
            task, cell, clip, lr, seed,
            optimizer=optimizer, test_lags=",".join(map(str, shape.test_lags)), **asdict(wiring),
        )
        for task in shape.tasks
        for cell in shape.cells
        for clip in shape.clips
        for optimizer in shape.optimizers
        for lr in shape.lrs or ((0.003,) if "gru" in cell else (0.01,))
        for wiring in shape.wirings
        for seed in range(shape.seeds)
    ]  # fmt: skip
    made = [_made_up(trial, place, shape) for place, trial in enumerate(trials) if place < shape.stored * len(trials)]
    plan = pd.DataFrame([_planned(trial) for trial in trials]).assign(rate_basis=shape.rate_basis)
    rows = pd.DataFrame([row for row, _, _, _ in made], columns=None if made else ["key"])
    return StudyData(
        name="made-up",
        title="numbers from nowhere",
        plan=plan,
        trials=rows.sort_values("key").reset_index(drop=True),
        curves=_frame([entry for _, curve, _, _ in made for entry in curve], _CURVE),
        slices=_frame([entry for _, _, slices, _ in made for entry in slices], _SLICES),
        examples=_frame([entry for _, _, _, named in made for entry in named], ("key", "name", "value")),
        transfer=_frame([entry for row, *_ in made for entry in _tested(row, shape.test_lags)], _TRANSFER),
        outside=shape.outside,
        sources=tuple(f"{number:016x}" for number in range(shape.sources)),
    )


_CURVE = (
    "key", "update", "loss", "error", "train_loss", "grad_norm_median", "grad_norm_max", "clipped_fraction",
    "clip_cosine", "parameter_norm", "orthogonality_error",
)  # fmt: skip

_SLICES = ("key", "update", "slice", "value", "error")
_TRANSFER = ("key", "lag", "min_lag", "baseline_error", "solved_below", "error", "trained_from")


def _frame(rows: list[dict[str, Any]], columns: tuple[str, ...]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=list(columns))


def _planned(trial: Trial) -> dict[str, Any]:
    axes = {name: getattr(trial, name) for name in Trial.__dataclass_fields__ if name != "updates"}
    return {"key": trial.key, **axes, "budget_updates": trial.updates, **_FACTS[trial.task]}


def _made_up(trial: Trial, place: int, shape: Shape) -> tuple[dict[str, Any], list[Any], list[Any], list[Any]]:
    generator = stream("made-up", trial.task, trial.cell, trial.seed).generator()
    floor = _FACTS[trial.task]["baseline_error"]
    identity = "identity" in trial.cell
    skill = (0.8 if trial.clip == "norm:1" else 0.2) if identity else _SKILL.get(trial.cell, 0.4)
    skill = min(max(skill - (trial.task == ADDING) * 0.3 * (skill < 0.8) + 0.1 * generator.normal(), 0.0), 1.0)
    hopeless = (trial.layers >= 8 and trial.skip == "none") or (trial.task, trial.direction) == (SENTIMENT, "forward")
    skill = 0.0 if hopeless else skill
    solved = skill > 0.55
    until = int(max(1, round(10 * (1.35 - skill)))) * 100 if solved else trial.updates
    status = Status.SOLVED if solved else Status.UNSOLVED
    lost = identity and shape.diverged and trial.clip == "none" and trial.seed < 2
    if lost:
        status, until = (Status.DIVERGED, 400) if trial.seed == 0 else (Status.EXPLODED, 700)
    if shape.failed and place % 16 == 5:
        return _row(trial, Status.FAILED, None, 0, shape), [], [], []
    curve = _curve(trial, generator, floor, until, solved)
    curve[-1]["error"] = floor if hopeless else curve[-1]["error"]
    error = None if lost else curve[-1]["error"]
    slices, named = _agreement(trial, error if error is not None else floor, until)
    return _row(trial, status, error, until, shape), curve, slices, named


def _row(trial: Trial, status: Status, error: float | None, until: int, shape: Shape) -> dict[str, Any]:
    plain = {
        **_planned(trial), "study": "made-up", "status": str(status), "error": error, "updates": until,
        "updates_to_solve": until if status is Status.SOLVED else None, "grad_norm_median": 0.8,
        "clipped_fraction": 0.0 if trial.clip == "none" else 0.3, "clip_cosine": 1.0, "num_parameters": 1200,
        "diverged_at": 387 if status is Status.DIVERGED else None,
    }  # fmt: skip
    return plain | ({"wall_seconds": 1.25, "updates_per_second": 800.0} if shape.timed else {})


def _curve(
    trial: Trial, generator: np.random.Generator, floor: float, until: int, solved: bool
) -> list[dict[str, Any]]:
    updates = np.arange(0, until + 1, 100)
    end = 0.006 if solved else floor * (0.7 + 0.3 * generator.random())
    fall = 1 / (1 + np.exp((updates - 0.6 * until) / (0.06 * until)))
    errors = (end + (floor - end) * fall) * np.exp(0.05 * generator.normal(size=len(updates)))
    errors = np.where(errors < 0.007, 0.006, np.minimum(errors, 1.03 * floor))
    norms = np.exp(0.4 * generator.normal(size=len(updates))) * (5 if "identity" in trial.cell else 0.6)
    wild = np.where(np.arange(len(updates)) > 3, 1e4, 1.0) if "identity" in trial.cell and trial.clip == "none" else 1.0
    return [
        {
            "key": trial.key, "update": int(update), "loss": float(error), "error": float(error),
            "train_loss": float(error) if update else None, "grad_norm_median": float(norm) if update else None,
            "grad_norm_max": float(3 * norm) if update else None,
            "clipped_fraction": float(norm > 1) * 0.8 if update and trial.clip != "none" else (0.0 if update else None),
            "clip_cosine": 1.0 if update else None, "parameter_norm": 10.0, "orthogonality_error": None,
        }
        for update, error, norm in zip(updates, errors, norms * wild, strict=True)
    ]  # fmt: skip


def _tested(row: dict[str, Any], lags: tuple[int, ...]) -> list[dict[str, Any]]:
    if row["error"] is None:
        return []
    facts = {"min_lag": 14, "baseline_error": row["baseline_error"], "solved_below": 0.01, "trained_from": row["lag"]}
    errors = [min(row["error"] * lag / row["lag"], row["baseline_error"]) for lag in lags]
    return [{"key": row["key"], "lag": lag, "error": error} | facts for lag, error in zip(lags, errors, strict=True)]


def _agreement(trial: Trial, error: float, until: int) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    if trial.task != AGREEMENT:
        return [], []
    rows = []
    for update in (0, until):
        for count in range(5):
            wrong = {"attractors": error * count / 2, "congruent": error * (1.2 - 0.2 * count)}
            rows += [
                {"key": trial.key, "update": update, "slice": name, "value": str(count), "error": min(value, 1.0)}
                for name, value in wrong.items()
            ]
    named = [("P(is)", 0.9 - error), ("P(are)", 0.05 + error)]
    return rows, [{"key": trial.key, "name": name, "value": value} for name, value in named]
