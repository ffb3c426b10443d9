"""Loads the stored results of a study as data frames, and writes frames to files; never imports torch.

All frames are sorted by key, so that no byte depends on the order in which trials ended. Durations and rates are
in ``wall_seconds`` and ``updates_per_second`` only.
"""

import csv
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import pandas as pd

from longlag.plan.grid import checked_name
from longlag.process.provenance import versions
from longlag.store.file import empty
from longlag.store.flat import flat_frames
from longlag.store.frames import (
    LENSES,
    PLAN,
    ROW,
    TIMINGS,
    TRIALS,
    finished,
    plan_frame,
    read_curves,
    read_examples,
    read_lenses,
    read_plan,
    read_transfer,
    read_trials,
)
from longlag.store.store import Store, store_path
from longlag.tasks.support.errors import UsageError, near
from longlag.tasks.support.options import spell
from longlag.values.frames import Frame

if TYPE_CHECKING:
    from longlag.plan.study import Study


@dataclass(frozen=True, eq=False)
class StudyData:
    """The data of a study that reports read, with the plan of the last run.

    In all frames ``budget_updates`` is the field ``updates`` of `Trial`; ``updates`` are those done.

    Attributes:
        name: The study's name.
        title: Its subject in one line.
        plan: One row per planned trial, stored or not, in the study's order: ``key, study``, every field of `Trial`,
            and facts that follow from it (``lag, min_lag, baseline_error, solved_below, error_name``,
            ``task.<option>``, ``cell.<option>``).
        trials: One row per stored trial of the plan, sorted by key: the columns of ``plan`` and of `TrialResult`,
            ``score, sequences_to_solve, source``, ``environment`` as JSON, ``processor`` (its type, as far as it
            decides how numbers round), ``updates_per_second``.
        curves: One row per evaluation: ``key`` and the fields of `Measurement` except ``slices``.
        slices: The error by slice at each evaluation: ``key, update, slice, value, error``.
        examples: Numbers that tasks read from the outputs on their examples: ``key, name, value``.
        transfer: The errors at lags other than that of training: ``key`` and the fields of `Transfer`.
        lenses: Results of lenses, a row per frame: ``key, lens, version, phase, update``, and as JSON ``numbers`` and
            ``parts`` (`longlag.values.frames.Found`).
        outside: Stored trials that the plan does not hold; never mixed in.
        sources: Hashes of the versions of the code that made the stored trials; more than one means mixed source.
    """

    name: str
    title: str
    plan: pd.DataFrame
    trials: pd.DataFrame
    curves: pd.DataFrame
    slices: pd.DataFrame
    examples: pd.DataFrame
    transfer: pd.DataFrame
    outside: int
    sources: tuple[str, ...]
    lenses: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=list(LENSES)))

    def only(self, keys: Sequence[str]) -> "StudyData":
        """Return the data of some of the trials."""
        tables = ("plan", "trials", "curves", "slices", "examples", "transfer", "lenses")
        frames = {name: getattr(self, name) for name in tables}
        return replace(
            self, **{name: rows[rows["key"].isin(keys)].reset_index(drop=True) for name, rows in frames.items()}
        )


def load(
    study: "str | Study", results: str | Path = "results", timings: bool = False, environment: bool = False
) -> pd.DataFrame:
    """Load one row per stored trial of the plan last run, sorted by key.

    Args:
        study: The study's name; or a study, whose trials are looked up among those stored under its name.
        results: The folder of all studies.
        timings: Add ``wall_seconds`` and ``updates_per_second``, the only columns that differ between runs.
        environment: Add a column ``environment.NAME`` for each thing noted about versions and processor.

    Raises:
        UsageError: Nothing is stored under that name.
        StoreError: The store cannot be used.
    """
    with _opened(study, results) as store:
        trials, _ = read_trials(store, _plan(store, study))
    rows = finished(trials, ROW | (TIMINGS if timings else {}))
    if not environment:
        return rows
    environments = [json.loads(text) if isinstance(text, str) else {} for text in trials["environment"]]
    names = sorted({name for one in environments for name in one} - {"source"})
    return rows.assign(**{f"environment.{name}": [one.get(name) for one in environments] for name in names})


def load_curves(study: "str | Study", results: str | Path = "results") -> pd.DataFrame:
    """Load one row per evaluation of the plan last run, sorted by key and update.

    Raises:
        UsageError: Nothing is stored under that name.
        StoreError: The store cannot be used.
    """
    return load_study(study, results).curves


def load_transfer(study: "str | Study", results: str | Path = "results") -> pd.DataFrame:
    """Load one row per trial and test lag: the columns of `load` up to ``lr`` and ``seed``, then those of the test.

    ``lag`` is the distance tested and ``min_lag`` the smallest window with which the task can be solved there;
    ``trained_from`` and ``trained_to`` are the shortest and the longest distance in training.

    Raises:
        UsageError: Nothing is stored under that name.
        StoreError: The store cannot be used.
    """
    data = load_study(study, results)
    setting = ["key", "study", "task", "cell", "hidden_size", "layers", "clip", "optimizer", "lr", "seed", "status"]
    trials = data.trials[[*setting, "lag"]].rename(columns={"lag": "trained_to"})
    return trials.merge(data.transfer, on="key", how="inner")


def load_lens(lens: str, study: "str | Study", results: str | Path = "results") -> pd.DataFrame:
    """Load the results of a lens: one row for each trial, phase and row of its tables, such as a lag.

    Columns: the setting, ``phase, update``, the lens's numbers, ``part`` and the columns of its tables.

    Raises:
        UsageError: Nothing is stored under that name, or there are no results of the lens.
        StoreError: The store cannot be used.
    """
    data = load_study(study, results)
    held = sorted(data.lenses["lens"].unique())
    if lens not in held:
        others = f"only of {', '.join(held)}" if held else "nor of any other lens"
        raise UsageError(f"study {data.name} has no results of lens {lens}, {others}: run it again with --lens {lens}")
    setting = ["key", "study", "task", "cell", "hidden_size", "layers", "clip", "optimizer", "lr", "seed"]
    return (
        data.plan[setting]
        .merge(flat_frames(data.lenses, lens), on="key", how="inner")
        .sort_values(["key"], kind="stable", ignore_index=True)
    )


def load_study(study: "str | Study", results: str | Path = "results", verify: bool = True) -> StudyData:
    """Load all data that reports read.

    Args:
        study: The study's name, or a study, as for `load`.
        results: The folder of all studies.
        verify: Look for damage in the store, as for `Store.open_for_reading`.

    Raises:
        UsageError: Nothing is stored under that name.
        StoreError: The store cannot be used.
    """
    with _opened(study, results, verify) as store:
        return _data(store, study)


def unstored(study: "Study", frames: Mapping[str, Sequence[Frame]]) -> StudyData:
    """Return the data that reports read, for a study that has results of lenses only.

    Args:
        study: The study.
        frames: Frames of lenses by the key of a trial.
    """
    with Store(Path(study.name), empty()) as store:
        store.add_frames(frames)
        return _data(store, study)


def load_store(path: Path) -> StudyData:
    """Load all data from a store's file, in any folder; the study has the name of the folder.

    Raises:
        UsageError: There is no such file.
        StoreError: The store cannot be used.
    """
    if not path.is_file():
        raise UsageError(f"there is no store {path}")
    with Store.open_for_reading(path) as store:
        return _data(store, path.resolve().parent.name)


def _data(store: Store, study: "str | Study") -> StudyData:
    plan = _plan(store, study)
    trials, outside = read_trials(store, plan)
    curves, slices = read_curves(store, pd.Index(trials["key"]))
    return StudyData(
        name=_name(study),
        title=(store.title() if isinstance(study, str) else study.title) or _name(study),
        plan=finished(plan, PLAN),
        trials=finished(trials, TRIALS),
        curves=curves,
        slices=slices,
        examples=read_examples(trials),
        transfer=read_transfer(trials),
        outside=outside,
        sources=_sources(trials),
        lenses=read_lenses(store, pd.Index(plan["key"])),
    )


def _sources(trials: pd.DataFrame) -> tuple[str, ...]:
    rows = trials.loc[trials["source"].fillna("") != "", ["source", "environment"]].drop_duplicates()
    return versions((source, json.loads(text)) for source, text in rows.itertuples(index=False))


def _plan(store: Store, study: "str | Study") -> pd.DataFrame:
    """Return the plan that is reported on: the one last run, or a study's own.

    Raises:
        UsageError: The store was made, but no plan reached it.
    """
    if not isinstance(study, str):
        return plan_frame(study.name, [(planned.trial, planned.facts) for planned in study.planned])
    plan = read_plan(store, study)
    if plan.empty:
        raise UsageError(f"{store.path} holds no plan: the run was stopped before it wrote one; run the command again")
    return plan


def _name(study: "str | Study") -> str:
    return study if isinstance(study, str) else study.name


def write_csv(frame: pd.DataFrame, file: str | Path | TextIO) -> None:
    """Write a frame as CSV, the same bytes for the same values: floats in full, missing values empty."""
    if isinstance(file, str | Path):
        with Path(file).open("w", encoding="utf-8", newline="") as opened:
            write_csv(frame, opened)
        return
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(frame.columns)
    columns = [[_cell_text(value) for value in frame[name]] for name in frame.columns]
    writer.writerows(zip(*columns, strict=True))


def write_parquet(frame: pd.DataFrame, file: str | Path) -> None:
    """Write a frame as Parquet.

    Raises:
        UsageError: The library for it is not installed.
    """
    try:
        frame.to_parquet(file, index=False)
    except ImportError:
        raise UsageError("Parquet needs pyarrow: pip install 'longlag[parquet]'") from None


def _opened(study: "str | Study", results: str | Path, verify: bool = True) -> Store:
    name = _name(study)
    path = store_path(checked_name(name), results)
    if not path.exists():
        known = sorted(file.parent.name for file in Path(results).glob("*/store.sqlite"))
        offer = near(name, known) or (f"; there are {', '.join(known)}" if known else "")
        raise UsageError(f"no study called {name!r} has results in {results}{offer}")
    return Store.open_for_reading(path, verify)


def _cell_text(value: Any) -> str:
    if pd.isna(value):
        return ""
    if pd.api.types.is_bool(value):  # NumPy's as well
        return spell(bool(value))
    return repr(float(value)) if isinstance(value, float) else str(value)
