"""Transformers came after, with many layers and skip-like connections: not decided yet."""

from typing import ClassVar

from longlag.claims.base import Claim


class AfterTransformers(Claim):
    """Listed, so that the list is whole; it has no rule, and so no verdict in any tier."""

    sentence: ClassVar[str] = "Transformers came after, with many layers and skip-like connections"
    paper: ClassVar[str] = "Vaswani et al. 2017"
