"""Lists why trials have no result, most frequent reasons first."""

from collections import defaultdict

from longlag.report.memo import once
from longlag.store.results import StudyData
from longlag.values.trial import Status

MOST = 5
"""The most reasons listed; the column ``reason`` of an export has them all."""


@once
def reasons(study: StudyData) -> list[str]:
    """Return a line for each reason why trials failed or timed out, and one on where each trial's own reason is.

    A line is ``failed 3: RuntimeError: too long (line 12 of mycell.py), such as`` and the key of one of them.
    """
    trials = study.trials.reindex(columns=["key", "status", "reason"])
    lost = trials[trials["status"].isin([Status.FAILED, Status.TIMEOUT])].sort_values("key")
    keys: dict[tuple[str, str], list[str]] = defaultdict(list)
    for key, status, reason in lost.itertuples(index=False):
        text = " ".join(reason.split()) if isinstance(reason, str) else "no reason is stored"
        keys[str(status), text].append(str(key))
    ranked = sorted(keys.items(), key=lambda entry: (-len(entry[1]), entry[0]))
    lines = [f"{status} {len(alike)}: {reason}, such as {alike[0]}" for (status, reason), alike in ranked[:MOST]]
    more = f"{len(ranked) - MOST} more reasons; " if len(ranked) > MOST else ""
    return [*lines, f"{more}each trial's own: column reason of `longlag export {study.name}`"] if lines else []
