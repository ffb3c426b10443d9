"""Residual, dense and highway connections help deep networks: not decided yet."""

from typing import ClassVar

from longlag.claims.base import Claim


class Skips(Claim):
    """Listed, so that the list is whole; it has no rule, and so no verdict in any tier."""

    sentence: ClassVar[str] = (
        "Residual, dense and highway connections help deep networks; dense even more; highway is like residual, with "
        "gates"
    )
    paper: ClassVar[str] = "He et al. 2016; Huang et al. 2017; Srivastava, Greff & Schmidhuber 2015"
