"""The shipped study of cells: none is left out without a reason, all are matched, and it fits the time it states."""

from collections import Counter

from longlag import registry
from longlag.plan import files
from longlag.run.plan import make_plan

STUDY = files.find("cells")
LEFT_OUT = {
    "torchrecurrent": "its library is an extra",
    "mamba2": "no kernel: the three would take twice as long as all of the others",
    "mlstm": "no kernel",
    "rwkv7": "no kernel",
}
SHIPPED = set(registry.shipped("cell")) - LEFT_OUT.keys()


def test_every_shipped_cell_is_trained_equally_often_on_every_task() -> None:
    counts = Counter((trial.task.partition(":")[0], trial.cell) for trial in STUDY.trials())
    assert set(counts) == {(task, cell) for task in ("copy", "adding", "agreement") for cell in SHIPPED}
    assert set(counts.values()) == {3 * 4}


def test_every_network_has_about_as_many_parameters_as_the_others_on_its_task() -> None:
    assert all(planned.match is not None for planned in STUDY.planned)
    assert max(abs(planned.match.distance) for planned in STUDY.planned) < 0.05


def test_it_is_planned_for_less_than_an_hour_on_two_cores(tmp_path) -> None:
    assert make_plan(STUDY, tmp_path).seconds(workers=2) < 3600
