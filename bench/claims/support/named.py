"""Claims by their numbers, which are in the names of their files."""

import importlib
import inspect
import pkgutil
from collections.abc import Sequence
from functools import cache

from longlag.claims.base import TIERS, Claim
from longlag.tasks.support.errors import UsageError

_PACKAGE = "longlag.claims"


@cache
def claims() -> tuple[Claim, ...]:
    """Return every claim, by number."""
    package = importlib.import_module(_PACKAGE)
    files = [found.name for found in pkgutil.iter_modules(package.__path__) if found.name.startswith("claim_")]
    return tuple(sorted(map(_claim, files), key=lambda claim: claim.number()))


def _claim(file: str) -> Claim:
    module = importlib.import_module(f"{_PACKAGE}.{file}")
    found = [
        made
        for _, made in inspect.getmembers(module, inspect.isclass)
        if made.__module__ == module.__name__ and issubclass(made, Claim)
    ]
    assert len(found) == 1, f"{module.__name__} must define exactly one claim, not {len(found)}"
    return found[0]()


def asked(numbers: Sequence[int]) -> tuple[Claim, ...]:
    """Return the claims of some numbers, in order and each once; all where none is given.

    Raises:
        UsageError: There is no claim of a number.
    """
    known = {claim.number(): claim for claim in claims()}
    for number in numbers:
        if number not in known:
            raise UsageError(f"there is no claim {number}; they go from {min(known)} to {max(known)}")
    return tuple(claim for number, claim in known.items() if not numbers or number in numbers)


def checked_tier(tier: int) -> int:
    """Return a tier.

    Raises:
        UsageError: There is none such.
    """
    if tier not in TIERS:
        raise UsageError(f"--tier must be one of {', '.join(map(str, TIERS))}, not {tier}")
    return tier
