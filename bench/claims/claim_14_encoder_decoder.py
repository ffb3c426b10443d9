"""2 to 4 layers are best for an encoder and 4 for a decoder: not decided yet."""

from typing import ClassVar

from longlag.claims.base import Claim


class EncoderAndDecoder(Claim):
    """Listed, so that the list is whole; it has no rule, and so no verdict in any tier."""

    sentence: ClassVar[str] = "2 to 4 layers are best for an encoder and 4 for a decoder"
    paper: ClassVar[str] = "Britz et al. 2017"
