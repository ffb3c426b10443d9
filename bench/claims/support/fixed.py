"""The hash of a rule: of the source that decides, without comments and docstrings.

It is stored with a verdict, so that one of another rule is never taken for one of this.
"""

import ast
import hashlib
import inspect
import sys
from functools import cache

from longlag.claims.base import Claim
from longlag.claims.support import decisions


def rule_hash(claim: Claim) -> str:
    """Return sixteen hexadecimal digits of a claim's file, with trials, statistics and bars, and of `decisions`."""
    source = inspect.getsource(sys.modules[type(claim).__module__])
    return _digest(source, inspect.getsource(decisions))


@cache
def _digest(*sources: str) -> str:
    return hashlib.sha256("\n".join(map(_bare, sources)).encode()).hexdigest()[:16]


def _bare(source: str) -> str:
    """Return what Python reads of a source, its docstrings left out.

    >>> _bare("MINIMUM = 0.3  # why") == _bare("MINIMUM = 0.3")
    True
    >>> _bare("MINIMUM = 0.3") == _bare("MINIMUM = 0.2")
    False
    """
    tree = ast.parse(source)
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list):
            node.body = [  # type: ignore[attr-defined]
                one for one in body if not (isinstance(one, ast.Expr) and isinstance(one.value, ast.Constant))
            ]
    return ast.dump(tree)
