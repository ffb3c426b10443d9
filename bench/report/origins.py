"""Names what trials rest on outside longlag: data from files, and plugins that are unchecked or not fully hashed."""

import pandas as pd

from longlag.report.memo import once
from longlag.store.results import StudyData


@once
def origins(study: StudyData) -> list[str]:
    """Return sentences on tasks' data files, and on trials whose plugins are unchecked or not fully hashed."""
    columns = {"unchecked": False, "unhashed": ""}  # a frame that was not read from a store may lack them
    trials = pd.DataFrame({name: study.trials.get(name, none) for name, none in columns.items()}, study.trials.index)
    data = study.plan.reindex(columns=["task", "data"]).fillna("").drop_duplicates()
    lines = [f"Task {task} reads the data {label} from files." for task, label in data.itertuples(index=False) if label]
    if unchecked := int(trials["unchecked"].sum()):
        lines.append(f"Unchecked: {_of(unchecked, study)} with plugins whose contract was not checked (--unchecked).")
    for reasons, count in trials["unhashed"].value_counts().sort_index().items():
        if reasons:
            lines.append(f"Unhashed: {_of(int(count), study)} with code that no hash covers in full: {reasons}.")
    return lines


def _of(count: int, study: StudyData) -> str:
    return f"{count} of {len(study.trials)} trials were made"
