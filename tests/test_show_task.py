"""The command that shows what a task asks: aligned columns, what is carried, what is scored."""

import re

import pytest
from click.testing import CliRunner

from longlag import registry
from longlag.cli import main
from longlag.cli.show_task import WIDTH, counted_steps
from longlag.values.seeding import stream


def shown(*args):
    result = CliRunner().invoke(main, ["show-task", *args])
    assert result.exit_code == 0, result.output
    return result.stdout


def example(text, number=1):
    """Return the rows of an example by name."""
    lines = text.split(f"example {number}\n")[1].partition("\n\nexample")[0].splitlines()
    return {line.split("  ")[0]: line for line in lines if line}


def test_copy_is_shown_with_its_items_under_their_questions():
    rows = example(shown("copy:items=3,symbols=3,blanks=4", "--seed", "3"))
    inputs = rows["inputs"].split()[1:]
    assert inputs[3:] == [".", ".", ".", ">", ".", ".", "."]
    assert rows["carried"].split()[1:] == ["^"] * 3
    assert rows["targets"].split()[1:] == inputs[:3]
    assert [place for place, sign in enumerate(rows["scored"]) if sign == "*"] == [
        place for place, sign in enumerate(rows["inputs"]) if sign == "."
    ][-3:]


def test_the_facts_come_first():
    text = shown("adding:length=8", "--examples", "1")
    assert text.splitlines()[1] == "lag 8, min_lag 8, floor 0.167, solved below 0.01"
    assert "floor 0.0833 with one of the two values" in text
    assert "read from left to right only: no" in text


def test_vectors_take_a_row_a_channel():
    rows = example(shown("adding:length=8"))
    values, markers = rows["input 1"].split()[2:], rows["input 2"].split()[2:]
    marked = [float(value) for value, marker in zip(values, markers, strict=True) if marker == "1"]
    assert float(rows["targets"].split()[1]) == pytest.approx(sum(marked), abs=0.02)
    assert rows["carried"].count("^") == 2


def test_the_same_seed_shows_the_same_and_another_another():
    assert shown("parity", "--seed", "1") == shown("parity", "--seed", "1") != shown("parity", "--seed", "2")


def test_long_sequences_go_on_below():
    text = shown("recall:clauses=3", "--examples", "1")
    assert max(map(len, text.split("example 1")[1].splitlines())) <= WIDTH
    assert text.count("\ninputs") > 1


def test_a_sequence_ends_where_it_ends():
    text = shown("copy:items=1,blanks=30,variant=variable", "--examples", "2", "--seed", "2")
    ends = [re.search(r"inputs .*> \.$", text.split(f"example {number}\n")[1], re.MULTILINE) for number in (1, 2)]
    assert all(ends)


def test_steps_that_enter_only_the_loss_have_another_sign():
    task = registry.task("agreement:nouns=1")
    batch = task.draw(stream("batches", task.spec, 0).generator(), 4)
    counted = counted_steps(task, batch)
    assert (counted & ~batch.mask).sum() == 0
    judged = batch.scored[batch.notes["judged"]][batch.headline]
    assert counted.flatten().nonzero().squeeze(1).tolist() == sorted(judged.tolist())
    rows = example(shown("memorisation:distractors=2"))
    assert rows["scored"].split()[1:] == ["+"] * 7 + ["*"] * 5


@pytest.mark.parametrize("name", [name for name in registry.names("task") if name != "digits"])
def test_every_task_can_be_shown(name):
    text = shown(name, "--examples", "1", "--held-out")
    assert re.search(r"^carried .*\^", text, re.MULTILINE)
    assert re.search(r"^scored .*\*", text, re.MULTILINE)


def test_an_unknown_task_is_a_line():
    result = CliRunner().invoke(main, ["show-task", "copi"])
    assert result.exit_code == 2
    assert "did you mean copy?" in result.stderr
