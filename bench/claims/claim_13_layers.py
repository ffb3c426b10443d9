"""Several layers help: 2 to 4 are common, and beyond that skip connections are needed: not decided yet."""

from typing import ClassVar

from longlag.claims.base import Claim


class SeveralLayers(Claim):
    """Listed, so that the list is whole; it has no rule, and so no verdict in any tier."""

    sentence: ClassVar[str] = "Several layers help: 2 to 4 are common, and beyond that skip connections are needed"
    paper: ClassVar[str] = "Britz et al. 2017"
