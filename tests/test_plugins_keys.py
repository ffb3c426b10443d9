"""A trial's key covers every place where a plugin can stand, and every byte of its file."""

from importlib.resources import files
from pathlib import Path

import pytest

from longlag import registry
from longlag.plan.study import adhoc

SMALL = {"updates": 4, "eval_every": 2, "hidden_size": 5, "batch_size": 3, "seeds": 1, "lr": 0.01}
USUAL = {"task": "copy:items=1,symbols=2,blanks=1", "cell": "rnn"}
INSIDE = """from longlag.clips.none import NoClip

class Mine(NoClip):
    in_backward = True
    omega = 2.0
"""
GUARD = """from longlag.clips.guard import Guard as Shipped

class Mine(Shipped):
    pass
"""


def skeleton(kind):
    return (files("longlag.registry.skeletons") / f"{kind}.py").read_text()


PLACES = {
    "task": (skeleton("task"), {"task": "mine", "cell": "rnn"}),
    "cell": (skeleton("cell"), {"cell": "mine"}),
    "decoder": (skeleton("cell"), {"task": "reverse:items=3,symbols=4", "decoder_cell": "mine"}),
    "clip": (skeleton("clip"), {"clip": "mine:1"}),
    "clip, first of two": (skeleton("clip"), {"clip": "mine:1+omega:1"}),
    "clip, first of three": (skeleton("clip"), {"clip": "mine:1+guard+state:1"}),
    "clip, last of two": (INSIDE, {"clip": "norm:1+mine"}),
    "clip, last of three": (INSIDE, {"clip": "norm:1+guard+mine"}),
    "clip, between": (GUARD, {"clip": "norm:1+mine+state:1"}),
    "optimizer": (skeleton("optimizer"), {"optimizer": "mine"}),
    "schedule": (skeleton("schedule"), {"schedule": "mine"}),
}


@pytest.fixture
def trial_of(tmp_path: Path):
    """Plan a trial with a plugin of this content."""

    def plan(content: bytes, given: dict[str, str]):
        (tmp_path / "mine.py").write_bytes(content)
        registry.use([tmp_path / "mine.py"])
        return adhoc(**(SMALL | USUAL | given)).trials()[0]

    yield plan
    registry.use(())


@pytest.mark.parametrize("place", PLACES)
def test_the_key_covers_the_first_byte_and_the_last(place, trial_of):
    text, given = PLACES[place]
    content = b"# a\n" + text.encode() + b"\n#" + 70_000 * b"." + b"z"
    trial = trial_of(content, given)
    assert trial.plugins.startswith("mine:")
    keys = {trial.key, *(trial_of(content[:at] + b"b" + content[at + 1 :], given).key for at in (2, -1, -40_000))}
    assert len(keys) == 4
    assert trial_of(content, given) == trial


def test_two_plugins_of_a_trial_are_both_in_its_key(tmp_path):
    found = []
    (tmp_path / "mine.py").write_text(skeleton("schedule"))
    for end in ("", "# edited"):
        (tmp_path / "other.py").write_text(skeleton("optimizer") + end)
        registry.use([tmp_path / "mine.py", tmp_path / "other.py"])
        found += adhoc(**SMALL, **USUAL, optimizer="other", schedule="mine").trials()
    registry.use(())
    assert [label.partition(":")[0] for label in found[0].plugins.split(",")] == ["mine", "other"]
    assert found[0].key != found[1].key


def test_a_plugin_that_a_trial_does_not_name_is_not_in_its_key(tmp_path):
    plain = adhoc(**SMALL, **USUAL).trials()[0]
    (tmp_path / "mine.py").write_text(skeleton("clip"))
    registry.use([tmp_path / "mine.py"])
    assert adhoc(**SMALL, **USUAL).trials()[0] == plain
    registry.use(())
