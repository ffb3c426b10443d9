"""What trials rest on that is no part of longlag: data from files, and code that nobody checked or no hash covers."""

import pandas as pd

from longlag.report.memo import once
from longlag.store.results import StudyData


@once
def origins(study: StudyData) -> list[str]:
    """Say which data tasks read from files, and of how many trials the plugins were unchecked or are not covered."""
    columns = {"unchecked": False, "unhashed": ""}  # which a frame that was not read from a store may lack
    trials = pd.DataFrame({name: study.trials.get(name, none) for name, none in columns.items()}, study.trials.index)
    data = study.plan.reindex(columns=["task", "data"]).fillna("").drop_duplicates()
    said = [f"Task {task} reads the data {label} from files." for task, label in data.itertuples(index=False) if label]
    if unchecked := int(trials["unchecked"].sum()):
        said.append(f"Unchecked: {_of(unchecked, study)} with plugins whose contract was not checked (--unchecked).")
    for reasons, count in trials["unhashed"].value_counts().sort_index().items():
        if reasons:
            said.append(f"Unhashed: {_of(int(count), study)} with code of which a hash cannot tell all: {reasons}.")
    return said


def _of(count: int, study: StudyData) -> str:
    return f"{count} of {len(study.trials)} trials were made"
