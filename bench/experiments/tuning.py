"""Chooses learning rates: from the trials of a tuning study, the best rate of each setting, tried equally often.

Pure functions on frames, and the one place that writes a study file.
"""

import re
from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from longlag.plan.rates import Rate
from longlag.tasks.support.errors import UsageError
from longlag.tasks.support.options import spell

SETTING = ["task", "cell", "clip", "optimizer"]
_BEGIN = "# rates: written by `longlag tune`, best of the rates tried on the tuning seeds"
_END = "# rates: end"


def choose(trials: pd.DataFrame) -> pd.DataFrame:
    """Return the best rate of each setting, one row a setting.

    A rate is better if it solves in more seeds; then if it solves sooner, unsolved seeds counting their whole
    budget; then if its errors are lower, the floor standing in for those that are missing; then if it is smaller.

    Args:
        trials: Rows of `longlag.store.results.load`.

    Returns:
        `SETTING`, ``lr``, ``solved`` and ``tries`` (at that rate), ``edge`` (``lowest`` or ``highest`` of the
        rates tried, else empty), ``rates_tried``, ``all_solved`` and ``all_tries`` (over all rates).

    Raises:
        UsageError: Some setting was tried at fewer rates or seeds than another.
    """
    return pd.DataFrame([_choice(setting, rows) for setting, rows in _settings(trials)])


def _settings(trials: pd.DataFrame) -> list[tuple[tuple[str, ...], pd.DataFrame]]:
    groups = [(tuple(map(str, setting)), rows) for setting, rows in trials.groupby(SETTING, sort=True)]
    for _, of_task in trials.groupby("task"):
        tries = of_task.groupby(SETTING)["key"].count()
        if tries.nunique() > 1:
            raise UsageError(
                f"settings were tried unequally often, {tries.min()} to {tries.max()} times: finish the study"
            )
    return groups


def _choice(setting: tuple[str, ...], rows: pd.DataFrame) -> dict[str, object]:
    by_rate = {float(str(lr)): of_rate for lr, of_rate in rows.groupby("lr", sort=True)}
    best = min(by_rate, key=lambda lr: (*_merit(by_rate[lr]), lr))
    rates = list(by_rate)
    edge = "" if len(rates) == 1 else {rates[0]: "lowest", rates[-1]: "highest"}.get(best, "")
    return dict(zip(SETTING, setting, strict=True)) | {
        "lr": best,
        "solved": _solved(by_rate[best]),
        "tries": len(by_rate[best]),
        "edge": edge,
        "rates_tried": len(rates),
        "all_solved": _solved(rows),
        "all_tries": len(rows),
    }


def _merit(rows: pd.DataFrame) -> tuple[float, float, float]:
    """Return what is compared, smaller being better."""
    updates = rows["updates_to_solve"].astype("float64").fillna(rows["budget_updates"])
    errors = rows["error"].fillna(rows["baseline_error"]).clip(upper=rows["baseline_error"])
    return -_solved(rows), float(updates.mean()), float(errors.mean())


def _solved(rows: pd.DataFrame) -> int:
    return int((rows["status"] == "solved").sum())


def as_rates(choices: pd.DataFrame) -> list[Rate]:
    """Return the choices as a study holds them."""
    return [
        Rate(task=row["task"], cell=row["cell"], lr=row["lr"], clip=row["clip"], optimizer=row["optimizer"])
        for row in choices.to_dict("records")
    ]


def write(choices: pd.DataFrame, path: Path) -> None:
    """Put the choices into a study file, between the two comments that mark them, and leave the rest as it is.

    Raises:
        UsageError: The file has no such marks.
    """
    before, after = marked(path)
    entries = "".join(_entry(row) for row in choices.to_dict("records"))
    path.write_text(f"{before}{_BEGIN}\nrates = [\n{entries}]\n{_END}\n{after}", encoding="utf-8")


def marked(path: Path) -> tuple[str, str]:
    """Return what stands before and after the rates of a study file.

    Raises:
        UsageError: No comments mark where the rates are.
    """
    text = path.read_text(encoding="utf-8")
    found = re.search(rf"{re.escape(_BEGIN)}\n.*{re.escape(_END)}\n", text, re.DOTALL)
    if not found:
        raise UsageError(f"{path}: rates go between the lines {_BEGIN!r} and {_END!r}; it has none")
    return text[: found.start()], text[found.end() :]


def _entry(row: Mapping[Hashable, Any]) -> str:
    keys = ", ".join(f'{name} = "{row[name]}"' for name in SETTING)
    edge = f"; the {row['edge']} rate tried" if row["edge"] else ""
    note = f"{row['solved']}/{row['tries']} solved here, {row['all_solved']}/{row['all_tries']} over all rates{edge}"
    return f"    {{ {keys}, lr = {spell(float(str(row['lr'])))} }}, # {note}\n"
