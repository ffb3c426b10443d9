"""An LSTM keeps information over more steps than a plain RNN: not decided yet."""

from typing import ClassVar

from longlag.claims.base import Claim


class LstmLonger(Claim):
    """Listed, so that the list is whole; it has no rule, and so no verdict in any tier."""

    sentence: ClassVar[str] = "An LSTM keeps information over more steps than a plain RNN"
    paper: ClassVar[str] = "Hochreiter & Schmidhuber 1997"
