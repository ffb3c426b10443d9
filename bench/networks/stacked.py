"""Recurrent layers with a leading trial axis: S networks of one shape as one torch module.

Each trial is computed as if it were alone: its numbers do not depend on the others, and equal those of a
`torch.nn` module with its weights. Usable without the rest of this package::

    >>> import torch
    >>> from longlag.networks.stacked import LSTM
    >>> layer = LSTM(num_trials=8, input_size=2, hidden_size=64)
    >>> readout = torch.nn.Parameter(torch.zeros(8, 64, 1))
    >>> optimiser = torch.optim.Adam([*layer.parameters(), readout], lr=0.01)
    >>> inputs, targets = torch.rand(8, 50, 20, 2), torch.rand(8, 20, 1)  # 8 trials, 50 time steps, 20 sequences
    >>> outputs, (h, c) = layer(inputs)  # (8, 50, 20, 64), and the last states (8, 1, 20, 64)
    >>> loss_of_each = (outputs[:, -1] @ readout - targets).square().mean((1, 2))
    >>> loss_of_each.sum().backward()  # each trial gets the gradient of its own loss
    >>> optimiser.step()
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, cast

import torch
from torch import Tensor, nn

from longlag import registry
from longlag.scans.find import kernel_for, serves

if TYPE_CHECKING:
    from longlag.scans.engine.base import Kernel

TorchState = Tensor | tuple[Tensor, ...]


class _Stacked(nn.Module, ABC):
    """The base of the three modules. Parameters have the names of `torch.nn`, and a leading trial axis.

    Args:
        num_trials: S, the number of trials.
        input_size: The size of an input at a time step.
        hidden_size: Units of each layer.
        num_layers: The number of layers.
        generator: Draws the initial weights, uniform on ±1/√H as in `torch.nn`; torch's global one by default.
    """

    states: ClassVar[int] = 1

    def __init__(
        self,
        num_trials: int,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        *,
        generator: torch.Generator | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        if min(num_trials, input_size, hidden_size, num_layers) < 1:
            raise ValueError("num_trials, input_size, hidden_size and num_layers must be at least 1")
        self.num_trials, self.input_size, self.hidden_size = num_trials, input_size, hidden_size
        self.num_layers = num_layers
        with torch.device("meta"):  # shapes only
            template = self._reference(input_size, hidden_size, num_layers, dtype=dtype)
        self._template = (template,)  # in a tuple, so that torch does not register its parameters as this module's
        bound = hidden_size**-0.5
        for name, shaped in template.named_parameters():
            drawn = torch.empty(num_trials, *shaped.shape, dtype=shaped.dtype)
            self.register_parameter(name, nn.Parameter(drawn.uniform_(-bound, bound, generator=generator)))

    @abstractmethod
    def _reference(self, *sizes: int, dtype: torch.dtype | None) -> nn.RNNBase:
        """Make the `torch.nn` module that computes the same as one trial."""

    @property
    @abstractmethod
    def _cell(self) -> str:
        """The spec of the cell, which selects the kernel."""

    def load_trial(self, index: int, state_dict: Mapping[str, Tensor]) -> None:
        """Set one trial's weights from a `torch.nn` module's state dict.

        Args:
            index: The index of the trial.
            state_dict: The state dict of a module of the same kind and sizes.

        Raises:
            ValueError: The tensors have other names or shapes than this module's.
        """
        own = dict(self.named_parameters())
        if own.keys() != state_dict.keys():
            raise ValueError(f"expected the tensors {', '.join(own)}, got {', '.join(state_dict)}")
        for name, value in state_dict.items():
            if value.shape != own[name].shape[1:]:
                raise ValueError(f"{name} is {tuple(value.shape)}, not {tuple(own[name].shape[1:])}")
        with torch.no_grad():
            for name, value in state_dict.items():
                own[name][index].copy_(value)

    def trial_state_dict(self, index: int) -> dict[str, Tensor]:
        """Return one trial's weights, copied, as the state dict of a `torch.nn` module."""
        return {name: value[index].detach().clone() for name, value in self.named_parameters()}

    def forward(self, inputs: Tensor, initial: TorchState | None = None) -> tuple[Tensor, TorchState]:
        """Run every trial over its sequences.

        Args:
            inputs: (S, T, B, I), or (T, B, I) shared by all trials.
            initial: The initial state, (S, L, B, H) for L layers; for an LSTM two of them. Zeros by default.

        Returns:
            The outputs of the top layer, (S, T, B, H), and the last state, of the same form as the initial one.

        Raises:
            ValueError: The inputs or the initial state have a wrong shape.
        """
        shared = inputs.dim() == 3
        if inputs.shape[-1] != self.input_size or not (shared or inputs.shape[:1] == (self.num_trials,)):
            expected = f"({self.num_trials}, T, B, {self.input_size}) or (T, B, {self.input_size})"
            raise ValueError(f"inputs are {tuple(inputs.shape)}, not {expected}")
        if inputs.numel() == 0:
            raise ValueError("inputs need at least one time step and one sequence")
        sequences = [inputs] * self.num_trials if shared else inputs.unbind()
        parameters = dict(self.named_parameters())
        by_trial = [dict(zip(parameters, values, strict=True)) for values in self._unbound(parameters)]
        starts = self._starts(inputs, initial)
        rows = [self._run(*of_trial) for of_trial in zip(by_trial, sequences, starts, strict=True)]
        last = tuple(torch.stack([row[1][place] for row in rows]) for place in range(self.states))
        return torch.stack([row[0] for row in rows]), last if self.states > 1 else last[0]

    def _unbound(self, parameters: Mapping[str, Tensor]) -> Sequence[tuple[Tensor, ...]]:
        return list(zip(*(value.unbind() for value in parameters.values()), strict=True))

    def _starts(self, inputs: Tensor, initial: TorchState | None) -> list[tuple[Tensor, ...]]:
        """Return the initial states (L, B, H) of each trial.

        Raises:
            ValueError: The initial state has a wrong shape.
        """
        if initial is None:
            zeros = inputs.new_zeros(self.num_layers, inputs.shape[-2], self.hidden_size)
            return [(zeros,) * self.states] * self.num_trials
        parts = (initial,) if isinstance(initial, Tensor) else tuple(initial)
        expected = (self.num_trials, self.num_layers, inputs.shape[-2], self.hidden_size)
        if len(parts) != self.states or any(part.shape != expected for part in parts):
            raise ValueError(f"the initial state must be {self.states} of {expected}")
        return list(zip(*(part.unbind() for part in parts), strict=True))

    def _run(
        self, weights: Mapping[str, Tensor], inputs: Tensor, initial: tuple[Tensor, ...]
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Run one trial: by a kernel where there is one, else by `torch.nn`."""
        cell = registry.cell(self._cell)
        kernel = cast("Kernel | None", kernel_for(cell) if serves(inputs.device.type, str(inputs.dtype)) else None)
        if kernel is None:
            given = initial if self.states > 1 else initial[0]
            outputs, last = torch.func.functional_call(self._template[0], dict(weights), (inputs, given))
            return outputs, last if self.states > 1 else (last,)
        from longlag.scans.engine.differentiable import run_kernel

        ended = []
        for layer in range(self.num_layers):
            inputs, *others = run_kernel(
                kernel, self._weights(weights, layer, kernel), inputs, [part[layer] for part in initial]
            )
            ended.append((inputs[-1], *others))
        return inputs, tuple(torch.stack(parts) for parts in zip(*ended, strict=True))

    def _weights(self, weights: Mapping[str, Tensor], layer: int, kernel: "Kernel") -> dict[str, Tensor]:
        """Return a layer's weights in the form of kernels: transposed, with one bias for each sum."""
        names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        by_input, by_state, bias, own = (weights[f"{name}_l{layer}"] for name in names)
        together = (kernel.gates - kernel.apart) * self.hidden_size
        bias = bias + torch.cat([own[:together], torch.zeros_like(own[together:])])
        by_name = {"input_weight": by_input.T, "bias": bias, "recurrent_weight": by_state.T}
        return by_name | ({kernel.apart_bias: own[together:]} if kernel.apart else {})


class RNN(_Stacked):
    """S `torch.nn.RNN` modules; ``nonlinearity`` is ``tanh`` or ``relu``."""

    def __init__(self, *sizes: int, nonlinearity: str = "tanh", **named: Any) -> None:
        if nonlinearity not in ("tanh", "relu"):
            raise ValueError(f"nonlinearity must be tanh or relu, not {nonlinearity!r}")
        self.__dict__["nonlinearity"] = nonlinearity  # before torch's own initialisation, which makes the template
        super().__init__(*sizes, **named)

    def _reference(self, *sizes: int, dtype: torch.dtype | None) -> nn.RNNBase:
        return nn.RNN(*sizes, nonlinearity=self.nonlinearity, dtype=dtype)

    @property
    def _cell(self) -> str:
        return f"rnn:nonlinearity={self.nonlinearity}"


class GRU(_Stacked):
    """S `torch.nn.GRU` modules."""

    def _reference(self, *sizes: int, dtype: torch.dtype | None) -> nn.RNNBase:
        return nn.GRU(*sizes, dtype=dtype)

    @property
    def _cell(self) -> str:
        return "gru"


class LSTM(_Stacked):
    """S `torch.nn.LSTM` modules; the state is a pair, h and c."""

    states: ClassVar[int] = 2

    def _reference(self, *sizes: int, dtype: torch.dtype | None) -> nn.RNNBase:
        return nn.LSTM(*sizes, dtype=dtype)

    @property
    def _cell(self) -> str:
        return "lstm"
