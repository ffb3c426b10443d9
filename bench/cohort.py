"""Recurrent layers with a leading trial axis, usable without the rest of this package."""

from longlag.networks.stacked import GRU, LSTM, RNN

__all__ = ["GRU", "LSTM", "RNN"]
