"""Parameters and state of each cell, in closed form."""

import pytest
import torch
from cell_equations import OTHERS

from longlag import registry

CLOSED_FORMS = {  # parameters of a layer of I inputs and H units, and state numbers of a unit, or of the layer
    "rnn": (lambda i, h: h * (i + h + 1), 1),
    "lstm": (lambda i, h: 4 * h * (i + h + 1), 2),
    "lstm:forget_gate=false": (lambda i, h: 3 * h * (i + h + 1), 2),
    "lstm:coupled=true": (lambda i, h: 3 * h * (i + h + 1), 2),
    "lstm:peepholes=true": (lambda i, h: 4 * h * (i + h + 1) + 3 * h, 2),
    "lstm:forget_gate=false,peepholes=true": (lambda i, h: 3 * h * (i + h + 1) + 2 * h, 2),
    "gru": (lambda i, h: 3 * h * (i + h + 1) + h, 1),
    "gru:reset=before": (lambda i, h: 3 * h * (i + h + 1), 1),
    "lstm:diagonal=true": (lambda i, h: 4 * h * (i + 2), 2),
    "lstm:diagonal=true,coupled=true,peepholes=true": (lambda i, h: 3 * h * (i + 2) + 2 * h, 2),
    "gru:diagonal=true": (lambda i, h: 3 * h * (i + 2) + h, 1),
    "gru:diagonal=true,reset=before": (lambda i, h: 3 * h * (i + 2), 1),
    "mgu": (lambda i, h: 2 * h * (i + h + 1), 1),
    "ugrnn": (lambda i, h: 2 * h * (i + h + 1), 1),
    "janet": (lambda i, h: 2 * h * (i + h + 1), 1),
    "rhn": (lambda i, h: 2 * h * (i + 2 * (h + 1)), 1),
    "rhn:depth=5": (lambda i, h: 2 * h * (i + 5 * (h + 1)), 1),
    "antisymmetric": (lambda i, h: h * (i + 1) + h * (h - 1) // 2, 1),
    "antisymmetric:gated=true": (lambda i, h: 2 * h * (i + 1) + h * (h - 1) // 2, 1),
    "cornn": (lambda i, h: h * (i + 2 * h + 1), 2),
    "lem": (lambda i, h: 4 * h * (i + h + 1), 2),
    "exprnn": (lambda i, h: h * (i + 1) + h * (h - 1) // 2, 1),
    "scornn": (lambda i, h: h * (i + 1) + h * (h - 1) // 2, 1),
    "indrnn": (lambda i, h: h * (i + 2), 1),
    "mingru": (lambda i, h: 2 * h * (i + 1), 1),
    "minlstm": (lambda i, h: 3 * h * (i + 1), 1),
    "lru": (lambda i, h: 3 * h * (i + 1) + 2 * h * h, 2),
    "selective": (lambda i, h: 2 * i * (h + 16) + 16 * h + 2 * h, 16),
    "deltanet": (lambda i, h: i * (2 * 16 + h + 2) + 2, 16),
    "deltanet:householders=3": (lambda i, h: i * (16 + 3 * (16 + h + 1) + 1) + 2, 16),
    "slstm": (lambda i, h: 4 * h * (i + h + 1), 4),
    "mlstm": (lambda i, h: (i + 1) * (2 * 16 + 2 * h + 2), lambda h: 16 * h + 16 + 1),
    "rwkv7": (lambda i, h: i * (4 * 16 + h) + 4 * 16, 16),
    "mamba2": (lambda i, h: i * (h + 1 + 2 * 16) + 3, 16),
    "mamba2:heads=4": (lambda i, h: i * (h + 4 + 2 * 16) + 3 * 4, 16),
}


@pytest.mark.parametrize(("inputs", "hidden"), [(2, 64), (10, 7), (64, 64)])
@pytest.mark.parametrize("spec", CLOSED_FORMS)
def test_parameters_and_state_are_as_many_as_the_closed_form_says(spec, inputs, hidden):
    cell, (count, state) = registry.cell(spec), CLOSED_FORMS[spec]
    assert cell.count(inputs, hidden) == count(inputs, hidden)
    assert cell.count(inputs, hidden) == sum(value.size for value in cell.initial_weights(inputs, hidden, 0).values())
    assert cell.state_count(hidden) == (state(hidden) if callable(state) else state * hidden)
    assert cell.state_count(hidden) == sum(part.numel() for part in cell.start(1, hidden, torch.zeros(1)))


def test_every_cell_has_a_closed_form():
    assert set(registry.names("cell")) - OTHERS <= CLOSED_FORMS.keys()
