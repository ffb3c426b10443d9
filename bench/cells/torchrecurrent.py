"""The cells of the library torchrecurrent, forty more, as ordinary modules: ``torchrecurrent:cell=JANET``.

Each is one layer as the library implements it, with the library's own defaults and initial weights, and runs a trial at
a time. The library's version is the cell's version, so that results of different releases are different trials.

Parameters and state: those of the module.
"""

from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from typing import ClassVar, cast

from torch import nn

from longlag.cells.support.module_cell import ModuleCell
from longlag.tasks.support.errors import UsageError
from longlag.tasks.support.options import option

LIBRARY = "torchrecurrent"
NAMES = (
    *("ATR", "AntisymmetricRNN", "BR", "CFN", "DSGU", "FastGRNN", "FastRNN", "GatedAntisymmetricRNN", "IndRNN"),
    *("JANET", "LEM", "LiGRU", "LightRU", "MCLSTM", "MGU", "MUT1", "MUT2", "MUT3", "MiRU1", "MiRU2", "MinimalRNN"),
    *("MultiplicativeLSTM", "NAS", "NBR", "OriginalLSTM", "PeepholeLSTM", "RAN", "ResLSTM", "SCRN", "SGRN", "SGU"),
    *("STAR", "TGRU", "TLSTM", "TRNN", "UGRNN", "UnICORNN", "WMCLSTM", "coRNN", "tauGRU"),
)
"""The cells of version 0.2.5, so that they can be listed where the library is not installed."""
REFUSED = {
    "IntersectionRNN": "its inputs must be as wide as its hidden state",
}
"""Cells of the library that cannot run here, with the reason."""


@dataclass(frozen=True)
class TorchRecurrent(ModuleCell):
    """A cell of the library torchrecurrent, an optional extra; `cell` is its name there."""

    reference: ClassVar[str] = "Martinuzzi 2025, arXiv:2510.21252; each cell's own: in the library's documentation"

    cell: str = option("LiGRU", "the cell's name in the library", choices=NAMES)

    def __post_init__(self) -> None:
        if self.cell in REFUSED:
            raise UsageError(f"cell torchrecurrent: {self.cell} cannot run here: {REFUSED[self.cell]}")
        alike = {name.lower(): name for name in NAMES}.get(self.cell.lower(), self.cell)
        if alike != self.cell:
            raise UsageError(f"cell torchrecurrent: no cell is called {self.cell!r}; did you mean {alike}?")
        super().__post_init__()
        if find_spec(LIBRARY) is None:
            raise UsageError(f"cell torchrecurrent needs the library {LIBRARY}: pip install 'longlag[cells]'")

    @property
    def spec(self) -> str:
        """The spelling, with the cell even if it is the default, since the library's name alone is unclear."""
        return f"{self.name()}:cell={self.cell}"

    @property
    def version(self) -> int:  # type: ignore[override]
        """The library's version as one number: 0.2.5 is 205."""
        major, minor, patch = (int(part) for part in version(LIBRARY).split(".")[:3])
        return 10_000 * major + 100 * minor + patch

    @property
    def module(self) -> type[nn.Module]:
        """The library's class of the layer with that cell.

        Raises:
            UsageError: The installed version of the library does not have the cell.
        """
        import torchrecurrent

        if not hasattr(torchrecurrent, self.cell):
            raise UsageError(f"cell torchrecurrent: version {version(LIBRARY)} of the library has no {self.cell}")
        return cast("type[nn.Module]", getattr(torchrecurrent, self.cell))
