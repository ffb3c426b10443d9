"""What can be spelled, what is refused, and in which words."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from longlag import registry
from longlag.cells.lstm import Lstm
from longlag.cells.rnn import Rnn
from longlag.clips.none import NoClip
from longlag.clips.norm import ClipNorm
from longlag.clips.value import ClipValue
from longlag.optimisers.adam import Adam
from longlag.optimisers.rmsprop import Rmsprop
from longlag.optimisers.sgd import Sgd
from longlag.schedules.cosine import Cosine
from longlag.schedules.warmup import Warmup
from longlag.tasks.adding import Adding
from longlag.tasks.copy import Copy
from longlag.tasks.support.errors import UsageError, near
from longlag.tasks.support.options import Range, options_of, required, spell
from longlag.tasks.support.spelling import split_spec

READERS = {
    "task": registry.task,
    "cell": registry.cell,
    "clip": registry.clip,
    "optimizer": registry.optimizer,
    "schedule": registry.schedule,
}

MADE = [
    ("task", "copy", Copy()),
    ("task", "copy:blanks=50,items=3", Copy(items=3, blanks=50)),
    ("task", "adding:length = 20", Adding(length=20)),
    ("cell", "lstm:forget_bias=1", Lstm()),
    ("cell", "lstm:forget_bias=-2.5e0", Lstm(forget_bias=-2.5)),
    ("cell", "rnn:nonlinearity=relu,init=identity", Rnn(nonlinearity="relu", init="identity")),
    ("clip", "none", NoClip()),
    ("clip", "norm:1", ClipNorm(1.0)),
    ("clip", "value:.1", ClipValue(0.1)),
    ("clip", " norm: max_norm = 1 ", ClipNorm(1.0)),
    ("optimizer", "adam", Adam()),
    ("optimizer", "sgd:momentum=.9", Sgd(momentum=0.9)),
    ("optimizer", "rmsprop:alpha=0.9,eps=1e-6", Rmsprop(alpha=0.9, eps=1e-6)),
    ("schedule", "cosine:final=.1", Cosine(final=0.1)),
    ("schedule", "warmup:updates=7", Warmup(updates=7)),
]

SHORTEST = [
    ("task", "copy:blanks=50,items=3", "copy:items=3,blanks=50"),
    ("task", "copy:items=10", "copy"),
    ("cell", "lstm:forget_bias=1.0", "lstm"),
    ("cell", "rnn:init=orthogonal,nonlinearity=tanh", "rnn:init=orthogonal"),
    ("clip", "norm:1.0", "norm:1"),
    ("clip", "value:1e-1", "value:0.1"),
    ("clip", "norm:max_norm=1.0", "norm:1"),
    ("clip", "norm:max_norm=1+omega:factor=4", "norm:1+omega:4"),
    ("clip", "omega:factor=4.0 + norm:1e0", "norm:1+omega:4"),
    ("optimizer", "sgd:momentum=.90", "sgd:momentum=0.9"),
    ("schedule", "warmup:updates=100", "warmup"),
]

REFUSED = [
    ("task", "cpy", "no task is called 'cpy'; did you mean copy?"),
    ("cell", "lsmt", "no cell is called 'lsmt'; did you mean lstm?"),
    ("cell", "", "no cell is called ''; there are gru, lstm, rnn"),
    ("cell", "base", "no cell is called 'base'; there are gru, lstm, rnn"),
    ("clip", "nrom:1", "no clip is called 'nrom'; did you mean norm?"),
    ("optimizer", "zzz", "no optimizer is called 'zzz'; there are adam, rmsprop, sgd"),
    ("schedule", "cosin", "no schedule is called 'cosin'; did you mean cosine?"),
    ("task", "copy:blank=3", "task copy has no option 'blank'; did you mean blanks?"),
    ("task", "copy:zzz=3", "task copy has no option 'zzz'; it has items, symbols, blanks, variant"),
    ("cell", "mgu:zzz=3", "cell mgu has no option 'zzz'; it has none"),
    ("cell", "gru:reset=never", "cell gru: reset must be one of after, before, not 'never'"),
    ("cell", "lstm:coupled=yes", "cell lstm: coupled must be true or false, not 'yes'"),
    (
        "cell",
        "lstm:coupled=true,forget_gate=false",
        "cell lstm: coupled, init=chrono and forget_bias need the forget gate",
    ),
    ("cell", "lstm:span=50", "cell lstm: span is an option of init=chrono"),
    ("cell", "gru:span=50", "cell gru: span is an option of init=chrono"),
    (
        "cell",
        "gru:init=chrono,update_bias=1",
        "cell gru: init=chrono draws the update gate's bias; leave out update_bias",
    ),
    ("cell", "rnn:std=0.5", "cell rnn: std is an option of init=gaussian"),
    ("cell", "lru:r_min=0.9,r_max=0.5", "cell lru: r_min must be below r_max"),
    ("cell", "rhn:depth=0", "cell rhn: depth must be from 1 to 100, not 0"),
    ("task", "copy:blanks", "task 'copy:blanks': 'blanks' is not of the form option=value"),
    ("task", "copy:", "task 'copy:': '' is not of the form option=value"),
    ("task", "copy:items=,blanks=2", "task 'copy:items=,blanks=2': 'items=' is not of the form option=value"),
    ("task", "copy:items=2,items=3", "task 'copy:items=2,items=3' gives items twice"),
    ("task", "copy:items=2.5", "task copy: items must be a whole number, not '2.5'"),
    ("task", "copy:items=0", "task copy: items must be from 1 to 1000, not 0"),
    ("task", "adding:length=1", "task adding: length must be from 2 to 100000, not 1"),
    ("cell", "lstm:forget_bias=big", "cell lstm: forget_bias must be a number, not 'big'"),
    ("cell", "lstm:forget_bias=nan", "cell lstm: forget_bias must be from -100 to 100, not nan"),
    ("cell", "lstm:forget_bias=inf", "cell lstm: forget_bias must be from -100 to 100, not inf"),
    (
        "cell",
        "rnn:nonlinearity=tanhh",
        "cell rnn: nonlinearity must be one of tanh, relu, sigmoid, linear, not 'tanhh'; did you mean tanh?",
    ),
    ("optimizer", "sgd:momentum=1", "optimizer sgd: momentum must be from 0 to 0.999999, not 1"),
    ("optimizer", "adam:eps=0", "optimizer adam: eps must be from 1e-30 to 1, not 0"),
    ("clip", "norm", "clip 'norm' is not of the form norm:max_norm,option=value"),
    ("clip", "none:1", "clip 'none:1' is not of the form none"),
    ("clip", "norm:1:2", "clip 'norm:1:2' is not of the form norm:max_norm,option=value"),
    ("clip", "norm:1,2", "clip 'norm:1,2' is not of the form norm:max_norm,option=value"),
    ("clip", "norm:", "clip 'norm:' is not of the form norm:max_norm,option=value"),
    ("clip", "norm:=1", "clip 'norm:=1' is not of the form norm:max_norm,option=value"),
    ("clip", "norm:max_norm=", "clip 'norm:max_norm=' is not of the form norm:max_norm,option=value"),
    ("clip", "norm:max_norm=1,2", "clip 'norm:max_norm=1,2' is not of the form norm:max_norm,option=value"),
    ("clip", "norm:max_nrm=1", "clip norm has no option 'max_nrm'; did you mean max_norm?"),
    ("clip", "norm:1,zzz=2", "clip norm has no option 'zzz'; it has max_norm, type"),
    ("clip", "none:zzz=1", "clip none has no option 'zzz'; it has none"),
    ("clip", "norm:max_norm=1,max_norm=2", "clip 'norm:max_norm=1,max_norm=2' gives max_norm twice"),
    ("clip", "norm:1,max_norm=2", "clip 'norm:1,max_norm=2' gives max_norm twice"),
    ("clip", "norm:1+norm:2", "clip 'norm:1+norm:2' names a setting twice"),
    (
        "clip",
        "norm:1+value:2",
        "clip 'norm:1+value:2': only one setting may clip the gradient; guard, omega and state may be added",
    ),
    ("clip", "norm:max_norm=0+omega:4", "clip 'norm:0': max_norm must be a number above 0, from 1e-30 to 1e30"),
    ("cell", "mgu:3", "cell 'mgu:3' is not of the form mgu"),
    ("task", "copy:3", "task 'copy:3': '3' is not of the form option=value"),
    ("optimizer", "adam:0.9", "optimizer 'adam:0.9': '0.9' is not of the form option=value"),
    ("schedule", "cosine:finel=1", "schedule cosine has no option 'finel'; did you mean final?"),
    ("clip", "norm:one", "clip 'norm:one': max_norm must be a number above 0"),
    ("clip", "norm:0", "clip 'norm:0': max_norm must be a number above 0, from 1e-30 to 1e30"),
    ("clip", "value:-1", "clip 'value:-1': clip_value must be a number above 0, from 1e-30 to 1e30"),
    ("clip", "quantile:1.5", "clip 'quantile:1.5': share must be a number above 0, from 1e-30 to 1"),
    ("clip", "agc:0", "clip 'agc:0': ratio must be a number above 0, from 1e-30 to 1e30"),
    ("clip", "layer", "clip 'layer' is not of the form layer:max_norm"),
    ("clip", "norm:inf", "clip 'norm:inf': max_norm must be a number above 0, from 1e-30 to 1e30"),
    ("clip", "norm:nan", "clip 'norm:nan': max_norm must be a number above 0, from 1e-30 to 1e30"),
    ("clip", "value:1e39", "clip 'value:1e+39': clip_value must be a number above 0, from 1e-30 to 1e30"),
]


@pytest.mark.parametrize(("kind", "text", "value"), MADE)
def test_a_spec_makes_the_value_it_spells(kind, text, value):
    assert READERS[kind](text) == value


@pytest.mark.parametrize(("kind", "text", "spec"), SHORTEST)
def test_the_spec_of_a_value_is_its_shortest_spelling(kind, text, spec):
    assert READERS[kind](text).spec == spec
    assert READERS[kind](spec) == READERS[kind](text)


@pytest.mark.parametrize(("kind", "text", "message"), REFUSED)
def test_a_mistake_is_refused_with_the_rule_and_the_value(kind, text, message):
    with pytest.raises(UsageError) as refusal:
        READERS[kind](text)
    assert str(refusal.value).partition("; there are")[0] == message.partition("; there are")[0]


def test_an_unknown_name_without_a_near_one_lists_all():
    with pytest.raises(UsageError) as refusal:
        registry.cell("zzz")
    known = registry.names("cell") + registry.names("architecture")
    told = f"no cell is called 'zzz'; there are {', '.join(known)}; if it is yours, name its file with --plugin zzz.py"
    assert str(refusal.value) == told


def test_values_made_in_python_are_checked_too():
    with pytest.raises(UsageError, match="task copy: items must be from 1 to 1000, not 0"):
        Copy(items=0)
    with pytest.raises(UsageError, match=r"clip 'norm:-1'"):
        ClipNorm(-1.0)


def test_a_whole_number_too_large_for_a_float_is_out_of_range():
    with pytest.raises(UsageError, match=r"items must be from 1 to 1000, not 1111"):
        registry.task("copy:items=" + "1" * 400)
    with pytest.raises(UsageError, match="items must be a whole number"):
        registry.task("copy:items=" + "1" * 5000)


@pytest.mark.parametrize("text", ["", "-", "-3", "3-", "4-0", "a-b", "1-2-3", "0.5"])
def test_what_is_no_range_is_refused(text):
    with pytest.raises(ValueError, match=r"invalid literal|^4-0$"):
        Range.parse(text)


def test_near_words_are_offered_and_far_ones_are_not():
    assert near("coppy", ["adding", "copy"]) == "; did you mean copy?"
    assert near("zzzzzz", ["adding", "copy"]) == ""


@given(st.floats(allow_nan=False))
def test_a_spelled_number_reads_back_as_itself(value):
    assert float(spell(value)) == value


@given(st.integers(), st.integers(0, 50))
def test_a_spelled_range_reads_back_as_itself(low, width):
    low = abs(low)
    assert Range.parse(spell(Range(low, low + width))) == Range(low, low + width)


def some(kind, classes):
    """Draw valid settings: every option with a default left alone, or set to something its rules allow."""

    def value_of(option):
        if option.choices:
            return st.sampled_from(option.choices)
        if option.type is bool:
            return st.booleans()
        if option.type is float:
            return st.floats(option.low, option.high)
        numbers = st.integers(int(option.low), int(option.high))
        if option.type is Range:
            return st.tuples(numbers, numbers).map(lambda ends: Range(min(ends), max(ends)))
        return numbers

    def of(cls):
        values = {name: value_of(option) for name, option in options_of(cls).items()}
        needed = {name: values.pop(name) for name in required(cls)}
        return st.fixed_dictionaries(needed, optional=values).map(lambda given: made(cls, given)).filter(bool)

    def made(cls, given):
        try:
            return kind, cls(**given)
        except UsageError:  # each option may be fine where two contradict each other
            return None

    return st.one_of([of(cls) for cls in classes])


SETTINGS = st.one_of([some(kind, [registry.find(kind, name) for name in registry.names(kind)]) for kind in READERS])


@given(SETTINGS)
def test_a_setting_reads_back_from_its_spelling(setting):
    kind, value = setting
    assert READERS[kind](value.spec) == value


@given(SETTINGS)
def test_options_given_by_name_in_any_order_are_the_same_setting(setting):
    kind, value = setting
    named = [f"{name}={spell(one)}" for name, one in reversed(value.values().items())]
    assert READERS[kind](":".join([value.name(), ",".join(named)]).rstrip(":")) == value


WORDS = st.sampled_from(
    [
        *(registry.names("task") + registry.names("cell") + registry.names("clip")),
        *("adam", "sgd", "rmsprop", "cosine", "warmup", "items", "length", "nouns", "objective", "forget_bias"),
        *("max_norm", "norm:1", "+", "omega:4"),
        *(":", ",", "=", "-", ".", " ", "0", "1", "-1", "1e400", "nan", "inf", "0-4", "9" * 400, "true", "\n", "é"),
    ]
)


@pytest.mark.parametrize("kind", READERS)
@given(text=st.text() | st.lists(WORDS, max_size=8).map("".join))
def test_any_text_is_either_a_setting_or_a_usage_error(kind, text):
    try:
        found = READERS[kind](text)
    except UsageError:
        return
    assert READERS[kind](found.spec) == found


@given(st.text())
def test_splitting_any_text_raises_nothing_but_usage_errors(text):
    try:
        name, given_options = split_spec(text, "task")
    except UsageError:
        return
    assert ":" not in name
    assert all(key and value for key, value in given_options.items())
