"""An RNN cannot carry tickets across the story: not decided yet."""

from typing import ClassVar

from longlag.claims.base import Claim


class Tickets(Claim):
    """Listed, so that the list is whole; it has no rule, and so no verdict in any tier."""

    sentence: ClassVar[str] = "An RNN cannot carry tickets across the story"
    paper: ClassVar[str] = "Bengio, Simard & Frasconi 1994"
