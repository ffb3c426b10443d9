"""Caches values that several tables and figures compute from a study."""

from collections.abc import Callable
from functools import wraps
from typing import TypeVar
from weakref import WeakKeyDictionary

from longlag.store.results import StudyData

Value = TypeVar("Value")


def once(compute: Callable[[StudyData], Value]) -> Callable[[StudyData], Value]:
    """Cache a function's value for as long as the study is in use; callers share the value and must not change it."""
    known: WeakKeyDictionary[StudyData, Value] = WeakKeyDictionary()

    @wraps(compute)
    def cached(study: StudyData) -> Value:
        if study not in known:
            known[study] = compute(study)
        return known[study]

    return cached
