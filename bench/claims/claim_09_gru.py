"""GRU has fewer parameters than LSTM and is faster to compute, and neither is clearly better: not decided yet."""

from typing import ClassVar

from longlag.claims.base import Claim


class GruOrLstm(Claim):
    """Listed, so that the list is whole; it has no rule, and so no verdict in any tier."""

    sentence: ClassVar[str] = (
        "GRU has fewer parameters than LSTM and is faster to compute, and neither is clearly better"
    )
    paper: ClassVar[str] = "Cho et al. 2014; Chung et al. 2014; Jozefowicz, Zaremba & Sutskever 2015"
