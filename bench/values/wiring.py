"""The joins of a network's layers: depth, skip connections, directions, normalisation, initial states, decoder.

This module needs no heavy library, so that plans and the command line can use it.
"""

from dataclasses import dataclass, fields, replace

SKIPS = {
    "none": "each layer sees the outputs of the one below",
    "residual": "a layer's outputs are added to what came up to it (He et al. 2015)",
    "dense": "a layer sees the input and the outputs of all layers below (Huang et al. 2016)",
    "highway": "a learned gate mixes a layer's outputs with what came up to it (Srivastava et al. 2015)",
}
DIRECTIONS = {
    "forward": "from the first time step to the last",
    "bidirectional": "each way with weights of its own, outputs side by side (Schuster & Paliwal 1997)",
}
NORMALISATIONS = {
    "none": "",
    "layer": "layer normalisation of what goes up, with learned gain and bias (Ba et al. 2016)",
}
INITIAL_STATES = {
    "zeros": "",
    "learned": "each scan starts from states of its own, zeros before training (Forcada & Carrasco 1995)",
}
MOST_LAYERS = 32
NO_DECODER = "none"


@dataclass(frozen=True)
class Wiring:
    """Depth, connections between layers, and the decoder beside the layers, if there is one.

    ``skip``, ``normalisation`` and ``dropout`` act between layers, those of a decoder too; with one layer they do
    nothing.

    Attributes:
        layers: Number of layers, one above the other.
        skip: One of `SKIPS`.
        direction: One of `DIRECTIONS`.
        normalisation: One of `NORMALISATIONS`.
        dropout: Share of the numbers passed up that each update sets to zero (Zaremba et al. 2014).
        decoder_cell: The spec of the decoder's cell; these layers are then the encoder. ``none`` without a decoder.
        decoder_layers: Layers of the decoder; 0 without one.
        initial_state: One of `INITIAL_STATES`, for the layers that read the input: a decoder starts from their last
            states.
    """

    layers: int = 1
    skip: str = "none"
    direction: str = "forward"
    normalisation: str = "none"
    dropout: float = 0.0
    decoder_cell: str = NO_DECODER
    decoder_layers: int = 0
    initial_state: str = "zeros"

    @property
    def decodes(self) -> bool:
        """Whether there is a decoder."""
        return self.decoder_cell != NO_DECODER

    @property
    def encoder(self) -> "Wiring":
        """The same without the decoder."""
        return replace(self, decoder_cell=NO_DECODER, decoder_layers=0)

    @property
    def decoder(self) -> "Wiring":
        """The wiring of the decoder's layers: the encoder's, but always forward and from zeros."""
        return replace(self.encoder, layers=self.decoder_layers, direction="forward", initial_state="zeros")

    @property
    def directions(self) -> tuple[str, ...]:
        """The directions in which each layer runs."""
        return ("forward", "backward") if self.direction == "bidirectional" else ("forward",)

    @property
    def reduced(self) -> "Wiring":
        """The wiring without settings that have no effect here, so that equal networks have equal wirings."""
        if max(self.layers, self.decoder_layers) > 1:
            return self
        return replace(self, skip="none", normalisation="none", dropout=0.0)

    @property
    def words(self) -> list[str]:
        """The settings that differ from those of one plain layer, in words.

        >>> Wiring(3, "dense", dropout=0.5).words
        ['3 layers', 'skip dense', 'dropout 0.5']
        """
        given = {
            item.name: getattr(self, item.name) for item in fields(self) if getattr(self, item.name) != item.default
        }
        return [
            f"{value} layers" if name == "layers" else f"{name.replace('_', ' ')} {value}"
            for name, value in given.items()
        ]

    @property
    def plain(self) -> bool:
        """Whether each layer runs forward, from zeros, over the outputs of the layer below alone."""
        return self.reduced == Wiring(self.layers)


ONE_LAYER = Wiring()
