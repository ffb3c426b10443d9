"""Looks lenses up by their names, which are file names."""

import importlib
import inspect
from collections.abc import Iterable
from functools import cache

from longlag.lens.base import Lens


@cache
def lens(name: str) -> Lens:
    """Return the lens of a file; `longlag.plan.lenses` has refused unknown names."""
    module = importlib.import_module(f"longlag.lens.{name}")
    classes = [
        made
        for _, made in inspect.getmembers(module, inspect.isclass)
        if made.__module__ == module.__name__ and issubclass(made, Lens)
    ]
    assert len(classes) == 1, f"{module.__name__} must define exactly one lens, not {len(classes)}"
    return classes[0]()


def versions(lenses: Iterable[str]) -> dict[str, int]:
    """Return the versions of lenses, by name."""
    return {name: lens(name).version for name in lenses}
