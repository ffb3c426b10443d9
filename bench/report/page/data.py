"""Writes the data of the explorer as one block of JSON, in columns with one entry for each trial.

Curves of long studies are thinned, as the page says; the page of a very long study has its settings only.
"""

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from longlag.report.figures import style
from longlag.report.figures.support.looks import kept_apart
from longlag.report.outcomes import outcomes, several
from longlag.report.page import lenses
from longlag.report.page.content import settings_table
from longlag.report.page.pictures import MOST_TRIALS
from longlag.report.page.plain import plain, plain_column, rounded
from longlag.report.text.tables import axis_text, number, percent
from longlag.store.results import StudyData

MOST_POINTS = 150_000
"""The most evaluations, over all trials, that a page holds."""
_MEASURED = {"error": "error", "grad_norm_median": "norm", "clipped_fraction": "clipped"}
_ESCAPED = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}


def block(studies: Sequence[StudyData]) -> str:
    """Return the data of a page as JSON, escaped so that it cannot close the HTML element around it."""
    frames = [outcomes(study).assign(of=study.name, place=number) for number, study in enumerate(studies)]
    frame = pd.concat(frames, ignore_index=True)
    whole = len(frame) <= MOST_TRIALS
    keys = list(zip(frame["place"], frame["key"], strict=True)) if whole else []
    places = {key: place for place, key in enumerate(keys)}
    curves, step = _curves(studies, places)
    content = {
        "studies": [study.name for study in studies],
        "tasks": _tasks(frame) if whole else [],
        "cells": _cells(frame) if whole else [],
        "clips": _clips(frame) if whole else [],
        "trials": _trials(frame, studies) if whole else None,
        "curves": curves,
        "thinned": step,
        "reach": lenses.reach(studies, places),
        "gates": lenses.gates(studies, places),
        "frames": lenses.texts(studies, places),
        "more_frames": lenses.has_more_frames(studies),
        "slices": _slices(studies, places),
        "settings": [_settings(study) for study in studies],
    }
    text = json.dumps(content, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    for letter, written in _ESCAPED.items():
        text = text.replace(letter, written)
    return text


def _tasks(frame: pd.DataFrame) -> list[dict[str, Any]]:
    first = frame.drop_duplicates("task")
    return [
        {
            "spec": row["task"],
            "label": style.task_label(row["task"]),
            "lag": plain(row["lag"]),
            "floor": plain(row["baseline_error"]),
            "below": plain(row["solved_below"]),
            "error": row["error_name"],
        }
        for row in first.to_dict("records")
    ]


def _cells(frame: pd.DataFrame) -> list[dict[str, Any]]:
    specs = sorted(frame["cell"].unique(), key=style.cell_rank)
    with kept_apart(frame):
        return [{"spec": spec, "label": style.cell_label(spec), "color": style.cell_look(spec).color} for spec in specs]


def _clips(frame: pd.DataFrame) -> list[dict[str, Any]]:
    specs = sorted(frame["clip"].unique(), key=style.clip_rank)
    return [
        {"spec": spec, "label": style.clip_label(spec), "dash": dash, "threshold": style.clip_threshold(spec)}
        for spec, dash in zip(specs, _dashes(len(specs)), strict=True)
    ]


def _dashes(count: int) -> list[str]:
    known = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot")
    return [known[place % len(known)] for place in range(count)]


def _trials(frame: pd.DataFrame, studies: Sequence[StudyData]) -> dict[str, Any]:
    """Return columns of trials for charts, and the texts of their table."""
    numbers = ("place", "lr", "updates_to_solve", "watched_updates", "budget_updates")
    varying = [name for name in several(frame) if name not in ("task", "cell", "clip", "lr")]
    results = pd.concat([study.trials for study in studies], ignore_index=True)
    about = results.reindex(columns=["key", "diverged_at", "reason"]).drop_duplicates("key").set_index("key")
    texts = {
        "key": frame["key"].tolist(),
        **({"study": frame["of"].tolist()} if len(studies) > 1 else {}),
        **{
            name: [axis_text(name, value) for value in frame[name]] for name in ("task", "cell", "clip", "lr", *varying)
        },
        "seed": [str(seed) for seed in frame["seed"]],
        "status": frame["status"].fillna("not trained yet").astype(str).tolist(),
        "error": [number(value) for value in frame["error"]],
        "updates": [number(value, 9) for value in frame["updates"]],
        "updates to solve": [number(value, 9) for value in frame["updates_to_solve"]],
        "norm before clipping": [number(value) for value in frame["grad_norm_median"]],
        "clipped": [percent(value) for value in frame["clipped_fraction"]],
        "diverged at": [number(value, 9) for value in frame["key"].map(about["diverged_at"])],
        "reason": [value if isinstance(value, str) else "" for value in frame["key"].map(about["reason"])],
    }
    texts["rate"] = texts.pop("lr")
    named = {name: values for name, values in texts.items() if name != "reason" or any(values)}
    words = [name for name in named if name in ("key", "study", "task", "cell", "clip", "status", "reason", *varying)]
    return {
        "specs": {name: frame[name].tolist() for name in ("task", "cell", "clip")},
        **{name: plain_column(frame[name]) for name in numbers},
        "solved": frame["solved"].tolist(),
        "counted": frame["counted"].tolist(),
        "columns": list(named),
        "words": words,
        "texts": list(named.values()),
    }


def _curves(studies: Sequence[StudyData], places: dict[Any, int]) -> tuple[dict[str, Any], int]:
    """Return the curve of each trial by its place, and the step n if only every n-th evaluation is kept."""
    total = sum(len(study.curves) for study in studies) if places else 0
    step, curves = max(1, -(-total // MOST_POINTS)), {}
    for study_number, study in enumerate(studies if places else ()):
        columns = [*(study.curves[name] for name in _MEASURED)]
        values = [pd.to_numeric(column).to_numpy(dtype=float) for column in columns]
        updates = study.curves["update"].tolist()
        for key, indices in study.curves.groupby("key", sort=True).indices.items():
            rows = np.asarray(indices)
            kept = sorted({*rows[::step].tolist(), int(rows[-1])})
            if (place := places.get((study_number, key))) is not None:
                measured = zip(_MEASURED.values(), values, strict=True)
                curves[str(place)] = {"update": [updates[row] for row in kept]} | {
                    name: [rounded(column[row]) for row in kept] for name, column in measured
                }
    return curves, step


def _slices(studies: Sequence[StudyData], places: dict[Any, int]) -> dict[str, Any]:
    """Return the errors by slice at each trial's last evaluation, by its place."""
    by_place: dict[str, Any] = {}
    for study_number, study in enumerate(studies if places else ()):
        if study.slices.empty:
            continue
        last = study.slices.groupby("key")["update"].transform("max") == study.slices["update"]
        rows = study.slices[last]
        for key, name, value, error in zip(rows["key"], rows["slice"], rows["value"], rows["error"], strict=True):
            if (place := places.get((study_number, key))) is not None:
                columns = by_place.setdefault(str(place), {}).setdefault(name, {"value": [], "error": []})
                columns["value"].append(value)
                columns["error"].append(rounded(error))
    return by_place


def _settings(study: StudyData) -> dict[str, Any]:
    table = settings_table(study, most=None)
    columns = [list(column) for column in zip(*table.rows, strict=True)]
    return {"columns": table.columns, "words": sorted(table.words), "texts": columns, "name": study.name}
