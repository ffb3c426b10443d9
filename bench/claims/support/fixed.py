"""The hash of a rule: of the source that decides, without comments and docstrings.

It is stored with a verdict, so that one of another rule is never taken for one of this. It goes by text and not by what
Python makes of it, so that it is the same in every version of Python.
"""

import ast
import hashlib
import inspect
import io
import sys
import tokenize
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
    """Return a source without comments, without strings that stand by themselves, and without empty lines.

    >>> print(_bare('MINIMUM = 0.3  # why' + chr(10) * 2 + '"Of what."' + chr(10) + 'LEVEL = 0.1'))
    MINIMUM = 0.3
    LEVEL = 0.1
    """
    lines = source.splitlines()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            line, column = token.start
            lines[line - 1] = lines[line - 1][:column]
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            assert node.end_lineno is not None, "nodes of a parsed source have ends"
            lines[node.lineno - 1 : node.end_lineno] = [""] * (node.end_lineno - node.lineno + 1)
    return "\n".join(line.rstrip() for line in lines if line.strip())
