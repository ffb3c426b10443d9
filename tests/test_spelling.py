"""Values given by place: required ones first, in their order; the same setting as with their names."""

from dataclasses import dataclass
from typing import ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from longlag import registry
from longlag.clips.base import Clip, option, threshold
from longlag.plan.study import adhoc
from longlag.tasks.support.errors import UsageError
from longlag.tasks.support.options import options_of, required, spell
from longlag.tasks.support.spelling import split_spec


@dataclass(frozen=True)
class Both(Clip):
    """Two thresholds, one declared by its type alone, and an option."""

    summary: ClassVar[str] = "a test"
    reference: ClassVar[str] = "a test"
    largest: ClassVar[float] = 100.0

    low: float
    high: float = threshold("the upper one")
    norm: str = option("two", "which norm", choices=("two", "inf"))

    @classmethod
    def name(cls):
        return "both"

    def apply(self, gradients, norms, context):
        pass

    def holds(self, raw, taken, raw_norms, taken_norms, context):
        return raw_norms == taken_norms


MADE = [
    ("both:1:2", Both(1.0, 2.0), "both:1:2"),
    ("both:1,2", Both(1, 2), "both:1:2"),
    (" both: 1 , 2.0 ", Both(1.0, 2.0), "both:1:2"),
    ("both:1,high=2", Both(1.0, 2.0), "both:1:2"),
    ("both:high=2,low=1", Both(1.0, 2.0), "both:1:2"),
    ("both:1:2,norm=two", Both(1.0, 2.0), "both:1:2"),
    ("both:1,2,norm=inf", Both(1.0, 2.0, "inf"), "both:1:2,norm=inf"),
    ("both:norm=inf,low=1,high=2", Both(1.0, 2.0, "inf"), "both:1:2,norm=inf"),
]
FORM = "is not of the form both:low:high,option=value"
REFUSED = [
    ("both", f"clip 'both' {FORM}"),
    ("both:1", f"clip 'both:1' {FORM}"),
    ("both:high=2", f"clip 'both:high=2' {FORM}"),
    ("both:1:2:3", f"clip 'both:1:2:3' {FORM}"),
    ("both:1,2,inf", f"clip 'both:1,2,inf' {FORM}"),
    ("both:low=1,2", f"clip 'both:low=1,2' {FORM}"),
    ("both:1,norm=inf,2", f"clip 'both:1,norm=inf,2' {FORM}"),
    ("both:1,low=2", "clip 'both:1,low=2' gives low twice"),
    ("both:1:2,nrm=inf", "clip both has no option 'nrm'; did you mean norm?"),
    ("both:1:2,zzz=1", "clip both has no option 'zzz'; it has low, high, norm"),
    ("both:1:x", "clip 'both:1:x': high must be a number above 0"),
    ("both:1:101", "clip 'both:1:101': high must be a number above 0, from 1e-30 to 100"),
    ("both:1:2,norm=inff", "clip 'both:1:2,norm=inff': norm must be one of two, inf; did you mean inf?"),
]


@pytest.mark.parametrize(("text", "value", "spec"), MADE)
def test_values_by_place_and_by_name_make_the_same(text, value, spec):
    assert Both.from_spec(text) == value
    assert (value.spec, Both.from_spec(spec)) == (spec, value)


@pytest.mark.parametrize(("text", "message"), REFUSED)
def test_a_mistake_is_refused_with_the_rule_and_the_value(text, message):
    with pytest.raises(UsageError) as refusal:
        Both.from_spec(text)
    assert str(refusal.value) == message


def test_texts_without_a_required_one_are_refused():
    with pytest.raises(UsageError, match=f"^clip 'both:high=2' {FORM}$"):
        Both.from_texts({"high": "2"})


@pytest.mark.parametrize("value", ["1", None, True])
def test_a_threshold_made_in_python_is_a_number(value):
    with pytest.raises(UsageError, match="high must be a number above 0"):
        Both(1.0, value)


def test_nothing_is_given_by_place_where_nothing_is_required():
    with pytest.raises(UsageError, match="'3' is not of the form option=value"):
        split_spec("copy:3", "task")
    assert split_spec("copy:3", "task", ("items",)) == ("copy", {"items": "3"})


def test_what_a_field_is_can_be_asked_of_the_class():
    assert required(Both) == ["low", "high"]
    told = {name: (one.type, one.default, one.summary, one.high) for name, one in options_of(Both).items()}
    assert told == {
        "low": (float, None, "a threshold", 100.0),
        "high": (float, None, "the upper one", 100.0),
        "norm": (str, "two", "which norm", None),
    }


CLIPS = [registry.find("clip", name) for name in registry.names("clip")]


def of(made):
    """Draw two spellings of one setting: thresholds by place, and by name."""
    names = required(made)
    numbers = st.lists(st.floats(1e-30, made.largest), min_size=len(names), max_size=len(names))

    def spellings(values):
        texts = [spell(value) for value in values]
        named = ",".join(f"{name}={text}" for name, text in zip(names, texts, strict=True))
        return ":".join([made.name(), *texts]), f"{made.name()}:{named}".rstrip(":")

    return numbers.map(spellings)


def key(spec):
    (trial,) = adhoc(task="copy", cell="rnn", clip=spec, seeds=1).trials()
    return trial.key


@given(st.one_of([of(made) for made in CLIPS]))
def test_a_clip_has_one_key_however_it_is_spelled(spellings):
    placed, named = spellings
    assert registry.clip(placed).spec == registry.clip(named).spec == placed
    assert key(placed) == key(named)


@given(*(of(made) for made in CLIPS if made.name() in ("norm", "omega", "state")))
def test_clips_side_by_side_have_one_key_however_they_are_spelled(norm, omega, state):
    assert registry.clip("+".join([state[1], norm[1], omega[1]])).spec == "+".join([norm[0], omega[0], state[0]])
    assert key(f"{omega[1]} + {norm[0]}") == key(f"{norm[1]}+{omega[0]}") == key(f"{norm[0]}+{omega[0]}")
