"""Checks the lens names that studies and commands give, without importing a lens."""

from collections.abc import Sequence

from longlag import registry
from longlag.tasks.support.errors import UsageError, near


def checked_lenses(names: Sequence[object], label: str) -> tuple[str, ...]:
    """Return names of lenses, each once, in the order of the directory.

    Args:
        names: The names that were given.
        label: Where they were read, for messages.

    Raises:
        UsageError: No lens has one of the names.
    """
    known = registry.shipped("lens")
    for name in names:
        if name not in known:
            offer = (near(name, known) if isinstance(name, str) else "") or f"; there are {', '.join(known)}"
            raise UsageError(f"{label}: no lens is called {name!r}{offer}")
    return tuple(name for name in known if name in names)
