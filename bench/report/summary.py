"""Summarises a study: one row for each setting over its seeds, best first within a task."""

import pandas as pd

from longlag.report.figures.support.looks import worn
from longlag.report.lens.numbers import reach_by_setting
from longlag.report.matched_sizes import COLUMNS
from longlag.report.memo import once
from longlag.report.outcomes import SETTING, outcomes, several
from longlag.stats.intervals import share_interval
from longlag.stats.survival import median_updates
from longlag.store.results import StudyData
from longlag.values.trial import Status


@once
def summarise(study: StudyData) -> pd.DataFrame:
    """Summarise a study, one row for each setting; numbers that do not exist are missing values.

    Columns: every axis except the seed; ``lag, min_lag, floor, n`` (trials with a result), ``N`` (planned),
    ``solved_count, solved_fraction, solved_low, solved_high`` (exact 95 % interval), ``updates_to_solve`` (median,
    unsolved censored; missing where fewer than half are solved), ``error, error_min, error_max`` (median and
    range), ``score, diverged_fraction, exploded_fraction, diverged_count, exploded_count, failed_count, timeout_count,
    missing_count, grad_norm_median, clipped_fraction, num_parameters, rate_basis`` (the evidence for the learning rate,
    if the study gives it), ``mixed_source``, ``mixed_processors`` (several types of processor made the setting's
    results); if a hidden size was chosen to match a target, ``matched, match_target, match_reached, match_note``; if
    the lens reach was used, ``reach_1pct, reach_open`` (`reach_by_setting`).
    """
    made_by = study.trials.reindex(columns=["key", "processor"]).set_index("key")["processor"]
    frame = outcomes(study)
    frame = frame.assign(processor=frame["key"].map(made_by))
    rows = [_row(part) for _, part in frame.groupby(list(SETTING), sort=False, dropna=False)]
    table = pd.DataFrame(rows)
    table["mixed_source"] = len(study.sources) > 1
    heard = reach_by_setting(study)
    return _best_first(table.merge(heard.reset_index(), on=list(SETTING), how="left") if len(heard) else table)


def _row(part: pd.DataFrame) -> dict[str, object]:
    first = part.iloc[0]
    counted = part[part["counted"]]
    n, solved = len(counted), int(counted["solved"].sum())
    counts = {status: int((part["status"] == status).sum()) for status in Status}
    share = share_interval(solved, n)
    errors = counted["charged_error"]
    return {
        **{name: first[name] for name in SETTING},
        "rate_basis": first["rate_basis"],
        "lag": first["lag"],
        "min_lag": first["min_lag"],
        "floor": first["baseline_error"],
        "n": n,
        "N": len(part),
        "solved_count": solved,
        "solved_fraction": solved / n if n else None,
        "solved_low": share.low if share else None,
        "solved_high": share.high if share else None,
        "updates_to_solve": median_updates(counted["watched_updates"].tolist(), counted["solved"].tolist()),
        "error": errors.median(),
        "error_min": errors.min(),
        "error_max": errors.max(),
        "score": 1 - errors.median() / first["baseline_error"],
        "diverged_fraction": counts[Status.DIVERGED] / n if n else None,
        "exploded_fraction": counts[Status.EXPLODED] / n if n else None,
        "diverged_count": counts[Status.DIVERGED],
        "exploded_count": counts[Status.EXPLODED],
        "failed_count": counts[Status.FAILED],
        "timeout_count": counts[Status.TIMEOUT],
        "missing_count": int(part["status"].isna().sum()),
        "grad_norm_median": counted["grad_norm_median"].median(),
        "clipped_fraction": counted["clipped_fraction"].mean(),
        "num_parameters": counted["num_parameters"].max(),
        "mixed_processors": counted["processor"].nunique() > 1,
        **_match(part),
    }


def _match(part: pd.DataFrame) -> dict[str, object]:
    matched = "matched" in part and part["matched"].notna().iloc[0]
    return {name: part[name].iloc[0] for name in COLUMNS} if matched else {}


def _best_first(table: pd.DataFrame) -> pd.DataFrame:
    """Rank within a task by solved share, then updates to solve, then error; settings without results last.

    If an author gave an order of values, it comes before these results. Rows that are not ranked (`looks.in_order`)
    stay in the order of cells and clips.
    """
    words = ("rate_basis", "mixed_source", "mixed_processors", "reach_open")
    for name in table.columns.difference([*SETTING, *COLUMNS, *words]):
        table[name] = pd.to_numeric(table[name])
    if not worn().ranked:
        return table
    tasks = list(table["task"].unique())
    keys = list(
        zip(
            [tasks.index(task) for task in table["task"]],
            *(map(values.index, table[column]) for column, values in worn().given.items()),
            -table["solved_fraction"].fillna(-1.0),
            table["updates_to_solve"].fillna(float("inf")),
            table["error"].fillna(float("inf")),
            strict=True,
        )
    )
    return table.iloc[sorted(range(len(table)), key=keys.__getitem__)].reset_index(drop=True)


@once
def shared_values(study: StudyData) -> dict[str, object]:
    """Return the axes with one value in the whole plan, which tables name once instead of in a column."""
    varying = several(study.plan)
    return {name: study.plan[name].iloc[0] for name in SETTING if name not in varying}
