"""Why trials have no result: the reasons in a few lines, most frequent first."""

from collections import defaultdict

from longlag.report.memo import once
from longlag.store.results import StudyData
from longlag.values.trial import Status

MOST = 5
"""Reasons that are told; the column ``reason`` of an export has them all."""


@once
def reasons(study: StudyData) -> list[str]:
    """Count the reasons of failed trials and of timeouts, a line each, and say where the rest is.

    A line is ``failed 3: RuntimeError: too long (line 12 of mycell.py), such as`` and the key of one of them.
    """
    trials = study.trials.reindex(columns=["key", "status", "reason"])
    lost = trials[trials["status"].isin([Status.FAILED, Status.TIMEOUT])].sort_values("key")
    keys: dict[tuple[str, str], list[str]] = defaultdict(list)
    for key, status, reason in lost.itertuples(index=False):
        said = " ".join(reason.split()) if isinstance(reason, str) else "no reason is stored"
        keys[str(status), said].append(str(key))
    ranked = sorted(keys.items(), key=lambda entry: (-len(entry[1]), entry[0]))
    told = [f"{status} {len(of)}: {reason}, such as {of[0]}" for (status, reason), of in ranked[:MOST]]
    more = f"{len(ranked) - MOST} more reasons; " if len(ranked) > MOST else ""
    return [*told, f"{more}each trial's own: column reason of `longlag export {study.name}`"] if told else []
