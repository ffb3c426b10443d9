"""Caches what several tables and figures need of a study."""

from collections.abc import Callable
from functools import wraps
from typing import TypeVar
from weakref import WeakKeyDictionary

from longlag.store.results import StudyData

Found = TypeVar("Found")


def once(find: Callable[[StudyData], Found]) -> Callable[[StudyData], Found]:
    """Keep what was found of a study for as long as the study is in use; it is shared, so leave it as it is."""
    known: WeakKeyDictionary[StudyData, Found] = WeakKeyDictionary()

    @wraps(find)
    def found(study: StudyData) -> Found:
        if study not in known:
            known[study] = find(study)
        return known[study]

    return found
