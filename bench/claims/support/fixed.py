"""The hash of a rule: of the source that decides, without comments and docstrings.

It is stored with a verdict, so that one of another rule is never taken for one of this. It goes by text and not by what
Python makes of it, so that it is the same in every version of Python.
"""

import ast
import hashlib
import importlib
import inspect
import io
import tokenize
from functools import cache

from longlag.claims.base import Claim

DECIDES = ("longlag.claims", "longlag.stats", "longlag.regression")
"""Packages whose modules are in the hash of a claim that reaches them; what trains and stores is in none."""


def rule_hash(claim: Claim) -> str:
    """Return sixteen hexadecimal digits of what decides: a claim's file and what it `reached`."""
    return _digest(type(claim).__module__)


@cache
def _digest(module: str) -> str:
    sources = "\n".join(_bare(_source(name)) for name in (module, *sorted(reached(module) - {module})))
    return hashlib.sha256(sources.encode()).hexdigest()[:16]


def reached(module: str) -> set[str]:
    """Return a module and those of `DECIDES` that it imports, and that these import in turn: all that a rule calls.

    >>> "longlag.stats.exact" in reached("longlag.claims.claim_03_exploding")
    True
    """
    found, waiting = set[str](), {module}
    while waiting:
        found |= waiting
        waiting = {name for one in waiting for name in _imported(_source(one))} - found
    return found


def _imported(source: str) -> set[str]:
    """Return the modules of `DECIDES` that a source imports anywhere, also where ``from`` names them as members.

    >>> sorted(_imported("from longlag.claims.support import decisions" + chr(10) + "import numpy as np"))
    ['longlag.claims.support.decisions']
    """
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names if _decides(alias.name)}
        if isinstance(node, ast.ImportFrom) and node.module and _decides(node.module):
            members = vars(importlib.import_module(node.module))
            named = [members.get(alias.name) for alias in node.names]
            found |= {one.__name__ if inspect.ismodule(one) else node.module for one in named}
    return found


def _decides(module: str) -> bool:
    return module.startswith(DECIDES)


def _source(module: str) -> str:
    return inspect.getsource(importlib.import_module(module))


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
