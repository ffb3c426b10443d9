"""The palette: the label, colour and marker of each shipped cell, and colours and markers for other cells.

Colours differ in hue for colour-blind readers and in lightness for grey prints; markers distinguish the rest. No two
cells have both the same colour and the same marker.
"""

from itertools import product
from typing import NamedTuple


class CellLook(NamedTuple):
    """The label, colour and marker of a cell."""

    label: str
    color: str
    marker: str


SHIPPED = {
    "lstm": CellLook("LSTM", "#0B3C7D", "s"),
    "lstm:init=chrono": CellLook("LSTM chrono", "#5AA0E0", "p"),
    "lstm:diagonal=true": CellLook("LSTM diagonal", "#0B3C7D", "*"),
    "gru": CellLook("GRU", "#2AA198", "D"),
    "gru:init=chrono": CellLook("GRU chrono", "#2CA02C", "h"),
    "gru:diagonal=true": CellLook("GRU diagonal", "#2AA198", "*"),
    "rnn": CellLook("RNN tanh", "#D55E00", "o"),
    "rnn:init=orthogonal": CellLook("RNN orthogonal", "#E8A200", "^"),
    "rnn:nonlinearity=relu,init=identity": CellLook("IRNN", "#A8327F", "v"),
    "rnn:nonlinearity=sigmoid": CellLook("RNN sigmoid", "#ABABAB", "X"),
    "mgu": CellLook("MGU", "#117733", "P"),
    "ugrnn": CellLook("UGRNN", "#5D8A00", "*"),
    "janet": CellLook("JANET", "#3F6FB5", "<"),
    "slstm": CellLook("sLSTM", "#56B4E9", "p"),
    "mingru": CellLook("minGRU", "#7FCDBB", "P"),
    "minlstm": CellLook("minLSTM", "#56B4E9", "*"),
    "rhn": CellLook("RHN", "#6A51A3", "h"),
    "antisymmetric": CellLook("AntisymmetricRNN", "#A00000", "<"),
    "cornn": CellLook("coRNN", "#8C6D1F", ">"),
    "lem": CellLook("LEM", "#D98880", "d"),
    "exprnn": CellLook("expRNN", "#E58FB5", "p"),
    "scornn": CellLook("scoRNN", "#A00000", "P"),
    "indrnn": CellLook("IndRNN", "#9BD770", "d"),
    "lru": CellLook("LRU", "#4D4D4D", "<"),
    "selective": CellLook("selective SSM", "#8C6D1F", "d"),
    "deltanet": CellLook("DeltaNet", "#6A51A3", ">"),
    "mlstm": CellLook("mLSTM", "#0B3C7D", "d"),
    "rwkv7": CellLook("RWKV-7", "#A8327F", "h"),
    "mamba2": CellLook("Mamba-2 SSD", "#E8A200", "d"),
    "tcn": CellLook("TCN", "#8C6D1F", "*"),
    "transformer": CellLook("Transformer", "#6A51A3", "P"),
}
"""The looks of cells, by spec. A cell of another name or with other options gets one of `OTHERS`."""

SKIPS = {
    "none": CellLook("plain", "#222222", "o"),
    "residual": CellLook("residual", "#1F6FB4", "s"),
    "dense": CellLook("dense", "#D9730D", "D"),
    "highway": CellLook("highway", "#D99BC9", "^"),
}
"""The looks of skip connections, for figures with a line for each kind."""

_COLORS = (
    *("#56B4E9", "#117733", "#E58FB5", "#6A51A3", "#4D4D4D", "#9BD770"),
    *("#A00000", "#8C6D1F", "#3F6FB5", "#D98880", "#7FCDBB", "#5D8A00"),
)
_MARKERS = ("P", "*", "p", "h", "<", ">", "d")
_TAKEN = {(look.color, look.marker) for look in SHIPPED.values()}

OTHERS = tuple((color, marker) for marker, color in product(_MARKERS, _COLORS) if (color, marker) not in _TAKEN)
"""Colours and markers of cells that are not shipped, and of shipped ones with options."""
