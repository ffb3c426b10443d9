"""Minimal pairs: every sound line is read, networks score them as by hand, and what cannot be used says why."""

import json
import math
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pandas as pd
import pytest
import torch
from click.testing import CliRunner, Result
from test_checkpoints import go

from longlag import registry
from longlag.cli import main
from longlag.experiments.minimal_pairs import HEADER, MinimalPair, attractors_in, read_pairs, words_of
from longlag.experiments.scoring import log_probabilities, probe
from longlag.plan.files import read
from longlag.plan.study import adhoc
from longlag.report import probing
from longlag.store.results import load
from longlag.tasks.agreement_constructions import CONSTRUCTIONS
from longlag.tasks.support.errors import UsageError
from longlag.training import checkpoints
from longlag.values.layout import Layout

TASK, PARITY = "agreement_constructions", "parity:steps=3"
ROWS = [
    "sing_MS_MV\tthe author laughs\tthe author laugh",
    "plur_MS_MV_sing_ES\tthe authors near the chef laugh\tthe authors near the chef laughs",
    "plur_MS_MV_plur_ES\tthe authors near the chefs laugh\tthe authors near the chefs laughs",
    "sing_MS_MV\tthe zebra laughs\tthe zebra laugh",
]


def call(*args: object) -> Result:
    return CliRunner().invoke(main, [str(arg) for arg in args])


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study of four tiny networks, kept, and two that cannot be probed."""
    folder = tmp_path_factory.mktemp("results")
    for name, task, cells in [
        ("mine", TASK, ("gru", "rnn")),
        ("bare", TASK, ("gru", "rnn")),
        ("numbers", PARITY, "rnn"),
    ]:
        study = adhoc(name, task=task, cell=cells, updates=4, eval_every=2, hidden_size=4, seeds=2)
        go(study, folder, keep=name == "mine")
    return folder


@pytest.fixture
def pairs(tmp_path: Path) -> Path:
    path = tmp_path / "mine.tsv"
    path.write_text("\n".join(["\t".join(HEADER), *ROWS]) + "\n")
    return path


def test_a_condition_names_the_subject_first() -> None:
    known = {
        "sing_MS_LMV_LMV": 0,
        "plur_MS_MV_sing_ES_EV": 1,
        "sing_ES_EV_sing_IS_IV": 0,
        "plur_A_sing_B_sing_C": 2,
        "": None,
        "singular": None,
    }
    assert {condition: attractors_in(condition) for condition in known} == known


def test_a_header_is_no_pair_and_may_be_missing(tmp_path: Path) -> None:
    bare, headed = tmp_path / "bare.tsv", tmp_path / "headed.tsv"
    bare.write_text("\n".join(ROWS))
    headed.write_bytes(("\ufeff" + "\r\n".join(["Condition\tGrammatical\tUngrammatical", *ROWS, ""])).encode())
    found = read_pairs(bare)[0]
    assert [pair.attractors for pair in found] == [0, 1, 0, 0]
    assert found[0] == MinimalPair("bare", 0, ("the", "author", "laughs"), ("the", "author", "laugh"))
    assert [(pair.good, pair.bad) for pair in read_pairs(headed)[0]] == [(pair.good, pair.bad) for pair in found]
    assert read_pairs(headed)[1] == []


@pytest.mark.parametrize(
    "text",
    [
        "condition\tungrammatical\tgrammatical\nsing\tthe author laugh\tthe author laughs",
        "ungrammatical\tgrammatical\nthe author laugh\tthe author laughs\n",
        "grammatical, ungrammatical, note\nthe author laughs, the author laugh, easy\n",
        '\ufeffcondition,ungrammatical,grammatical\r\nsing,"the author laugh","the author laughs"\r\n',
        "sing,the author laughs,the author laugh\n",
        "sentence_bad,sentence_good\nthe author laugh,the author laughs\n",
        '\ufeff[{"sentence_bad": "the author laugh",\n "sentence_good": "the author laughs"}]',
        '{"sentence_bad": "the author laugh", "sentence_good": "the author laughs"}',
    ],
)
def test_columns_are_those_of_the_header_in_every_form(text: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.txt"
    path.write_text(text, encoding="utf-8", newline="")
    (pair,), problems = read_pairs(path)
    assert (pair.construction, pair.good, pair.bad, problems) == (
        "mine", ("the", "author", "laughs"), ("the", "author", "laugh"), [],
    )  # fmt: skip


def test_a_header_whose_names_are_unknown_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "mine.tsv"
    path.write_text("type\tbad\tgood\nx\tthe author laugh\tthe author laughs")
    with pytest.raises(UsageError, match="its header line must name grammatical and ungrammatical once each, not type"):
        read_pairs(path)


def test_an_entry_of_a_list_that_is_no_pair_is_named(tmp_path: Path) -> None:
    path = tmp_path / "mine.json"
    path.write_text(json.dumps([{"sentence_good": "a b", "sentence_bad": "a c", "UID": "x"}, 3]))
    (pair,), (problem,) = read_pairs(path)
    assert (pair.construction, problem.line) == ("x", 2)


def test_blimp_lines_name_their_own_construction(tmp_path: Path) -> None:
    path = tmp_path / "some.jsonl"
    rows = [{"sentence_good": "The author laughs.", "sentence_bad": "The author laugh.", "UID": uid} for uid in "ab"]
    path.write_text("\n".join(map(json.dumps, rows)))
    found, problems = read_pairs(path)
    assert [(pair.construction, pair.attractors) for pair in found] == [("a", None), ("b", None)]
    assert found[0].good == words_of("the author laughs .") == ("the", "author", "laughs", ".")
    assert problems == []


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("a line without tabs", "1 fields instead of condition, grammatical, ungrammatical"),
        ("x\tone two\tone three\tfour", "4 fields instead of"),
        ("x\tthe author laughs\tthe author laughs", "both sentences are the same"),
        ("x\tthe author\t", "fewer than two words"),
    ],
)
def test_a_malformed_line_is_named_and_the_others_are_kept(line: str, reason: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.tsv"
    path.write_text("\n".join([ROWS[0], "", line, ROWS[1]]))
    found, problems = read_pairs(path)
    assert len(found) == 2
    assert [(problem.file, problem.line) for problem in problems] == [(str(path), 3)]
    assert reason in problems[0].reason


@pytest.mark.parametrize("line", ["{", "[1]", '{"sentence_good": 1, "sentence_bad": "a b"}', "[" * 100_000])
def test_malformed_json_is_named_and_the_others_are_kept(line: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.jsonl"
    good = json.dumps({"sentence_good": "the author laughs", "sentence_bad": "the author laugh"})
    path.write_text(f"{good}\n{line}\n{good}\n")
    found, problems = read_pairs(path)
    assert [pair.construction for pair in found] == ["mine", "mine"]
    assert [problem.line for problem in problems] == [2]


def test_a_sentence_has_the_probability_of_its_words_one_after_the_other(results: Path) -> None:
    key = load("mine", results)["key"].iloc[0]
    network = checkpoints.load_network(checkpoints.path_of(checkpoints.folder_of("mine", results), key))
    tokens = network.task.word_tokens
    assert tokens is not None
    texts = ["the author laughs", "the authors near the chef laugh", "the author laugh", "the chef laughs and is old ."]
    sentences = [tuple(tokens[word] for word in text.split()) for text in texts]
    found = log_probabilities(network, sentences)
    views = network.network.layout.views(network.row)
    for sentence in sentences:
        total = 0.0
        for place in range(1, len(sentence)):  # each word from its own run over those before it
            states = network.network.states(views, torch.tensor(sentence[:place])[:, None])  # type: ignore[attr-defined]
            outputs = views["readout.bias"] + states[-1, 0] @ views["readout.weight"]
            total += float(outputs.double().log_softmax(0)[sentence[place]])
        assert math.isclose(found[sentence], total, rel_tol=1e-5)


class Fixed:
    """Stands for a network that gives every word of a sentence the output at its token's place."""

    def __init__(self, by_token: torch.Tensor) -> None:
        self.by_token = by_token
        self.layout = Layout.of({"a": (1,)})

    def outputs(self, views, batch):
        return self.by_token.expand(len(batch.targets), -1)


def test_more_probable_is_right_and_a_tie_is_half(results: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    task = registry.task(TASK)
    tokens = task.word_tokens
    assert tokens is not None
    by_token = torch.zeros(1, task.output_size)
    by_token[0, tokens["laughs"]] = 1.0  # more than "laugh", whatever the subject; "likes" and "like" tie
    load_network = checkpoints.load_network
    monkeypatch.setattr(
        checkpoints,
        "load_network",
        lambda path: checkpoints.KeptNetwork(**(vars(load_network(path)) | {"network": Fixed(by_token)})),
    )
    of = {
        "file": [
            MinimalPair("one", 0, words_of("the author laughs"), words_of("the author laugh")),
            MinimalPair("one", 1, words_of("the authors laugh"), words_of("the authors laughs")),
            MinimalPair("two", None, words_of("the author likes"), words_of("the author like")),
        ]
    }
    found = probe("mine", results, of)
    shown = {(row["construction"], row["right"]) for row in found.scores.to_dict("records")}
    assert shown == {("one", 1.0), ("one", 0.0), ("two", 0.5)}
    table = probing.accuracies(found.trials, found.scores)
    whole = table[table["attractors"].isna()].set_index(["cell", "construction"])["accuracy"]
    assert whole.to_dict() == {("gru", "one"): 0.5, ("gru", "two"): 0.5, ("rnn", "one"): 0.5, ("rnn", "two"): 0.5}
    assert table[table["construction"] == "one"]["attractors"].tolist() == [pd.NA, 0, 1] * 2


def test_a_count_of_attractors_that_is_the_only_one_has_a_row_of_its_own() -> None:
    trials = pd.DataFrame([{"key": "k", "task": TASK, "cell": "gru", "clip": "none", "lr": 0.01}])
    scores = pd.DataFrame([{"key": "k", "construction": "simple", "attractors": 0, "pairs": 4, "right": 3.0}])
    assert probing.accuracies(trials, scores)["attractors"].tolist() == [pd.NA, 0]


def test_coverage_counts_every_pair_and_every_unknown_word(results: Path, pairs: Path) -> None:
    found = probe("mine", results, {str(pairs): read_pairs(pairs)[0]})
    assert found.coverage.to_dict("records") == [
        {"task": TASK, "file": "mine.tsv", "pairs": 4, "scored": 3, "unknown_words": 1, "too_long": 0}
    ]
    assert found.words.to_dict("records") == [{"task": TASK, "word": "zebra", "pairs": 1}]
    assert (found.scores.groupby("key")["pairs"].sum() == 3).all()
    assert found.without == 0


def test_a_sentence_longer_than_the_task_has_is_skipped_and_counted(results: Path) -> None:
    long = "the author laughs" + " and laughs" * 20
    of = {"a": [MinimalPair("a", None, words_of(long), words_of(long + " .")), *read_one(ROWS[0])]}
    assert probe("mine", results, of).coverage[["scored", "too_long"]].to_numpy().tolist() == [[1, 1]]


def read_one(row: str) -> list[MinimalPair]:
    _, good, bad = row.split("\t")
    return [MinimalPair("a", None, words_of(good), words_of(bad))]


def test_a_probe_prints_and_writes_what_it_found(results: Path, pairs: Path) -> None:
    pairs.write_text(pairs.read_text() + "broken\n")
    said = call("probe", "mine", pairs, "--results", results)
    assert said.exit_code == 0
    assert "no reproduction of the published experiments" in said.output
    assert f"{pairs}, line 6: 1 fields" in said.stderr
    assert "3 of 4 pairs scored (75.0%)" in said.stdout
    assert "zebra 1" in said.stdout
    folder = results / "mine" / "probe"
    expected = {f"{name}.csv" for name in ("accuracy", "networks", "coverage", "words", "malformed")}
    assert {path.name for path in folder.iterdir()} == expected | {"accuracy.png", "accuracy.pdf"}
    accuracy = pd.read_csv(folder / "accuracy.csv")
    assert sorted(accuracy["cell"].unique()) == ["gru", "rnn"]
    assert (accuracy["pairs_low"] <= accuracy["accuracy"]).all()
    assert (accuracy["accuracy"] <= accuracy["pairs_high"]).all()
    assert len(pd.read_csv(folder / "malformed.csv")) == 1
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    call("probe", "mine", pairs, "--results", results)
    assert before == {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_study_named_by_its_file_is_probed_as_the_file_says(results: Path, pairs: Path, tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    grid = f'task = "{TASK}"\ncell = "gru"\nupdates = 4\neval_every = 2\nhidden_size = 4\nseeds = [1]\nlr = 0.003\n'
    file.write_text(f'title = "Mine"\n[[grids]]\n{grid}')
    said = call("probe", file, pairs, "--results", results)
    assert said.exit_code == 0, said.output
    scored = pd.read_csv(results / "mine" / "probe" / "networks.csv")
    assert set(scored["key"]) == {read(file).trials()[0].key}


def test_published_numbers_stand_at_their_constructions_with_their_source() -> None:
    assert probing.known_scores("subj_rel") == {"LSTM": 0.60}
    assert probing.known_scores("distractor_agreement_relative_clause") == {"LSTM": 0.627, "people": 0.857}
    assert all(one["source"] and one["who"] in ("LSTM", "people") for one in probing.published())
    names = {name for one in probing.published() for name in one["accuracy"]}
    assert {one.name for one in CONSTRUCTIONS} <= names


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "the file is empty"),
        (b"\n \n", "the file is empty"),
        (b"\xff\xfe\x00", "is not text in UTF-8 (byte 0)"),
        (b"condition\tgrammatical\tungrammatical\n", "contains no pair of sentences"),
        (b"[]", "contains no pair of sentences"),
        (b"[{", "begins like a JSON list, but is not valid JSON"),
        (b"condition\tgrammatical\tgood\n", "must name grammatical and ungrammatical once each, not condition, gramm"),
        (b"grammatical\tgrammatical\tungrammatical\n", "must name grammatical and ungrammatical once each"),
        (b"no tabs\n", "line 1: 1 fields instead of"),
        (b"x\tthe zebra barks\tthe zebra bark\n", "none of the pairs can be scored: they hold unknown words (bark"),
    ],
)
def test_a_file_that_cannot_be_used_gets_one_line(content: bytes, message: str, results: Path, tmp_path: Path) -> None:
    path = tmp_path / "odd.tsv"
    path.write_bytes(content)
    assert_refused(call("probe", "mine", path, "--results", results), message)


@pytest.mark.parametrize(
    ("study", "message"),
    [
        ("bare", "study bare kept no networks: run it again with --keep-networks"),
        ("numbers", "study numbers has no task with words, such as agreement; its tasks: parity"),
        ("mime", "no study called 'mime' has results in .*; did you mean mine"),
    ],
)
def test_a_study_that_cannot_be_probed_gets_one_line(study: str, message: str, results: Path, pairs: Path) -> None:
    said = call("probe", study, pairs, "--results", results)
    assert_refused(said, message.partition(".*")[0])
    assert message.rpartition(".*")[2] in said.stderr
    assert not (results / study / "probe").exists()


def test_missing_files_folders_and_files_given_twice_are_refused(results: Path, pairs: Path) -> None:
    given = {
        (): "probe needs at least one FILE",
        (pairs.parent / "nothing.tsv",): "cannot be read: No such file",
        (pairs.parent,): "is a folder: name the files in it",
        (pairs, pairs): "two files are called mine",
    }
    for files, message in given.items():
        assert_refused(call("probe", "mine", *files, "--results", results), message)


def test_a_network_that_is_not_of_the_stored_row_is_refused(results: Path, pairs: Path, tmp_path: Path) -> None:
    copy = tmp_path / "results"
    shutil.copytree(results, copy)
    with closing(sqlite3.connect(copy / "mine" / "store.sqlite")) as store, store:
        store.execute("UPDATE trials SET fingerprint = 'other', checksum = NULL")
    assert_refused(
        call("probe", "mine", pairs, "--results", copy), "is not the network of the stored trial: run the study again"
    )


def assert_refused(said: Result, message: str) -> None:
    assert (said.exit_code, said.stdout) == (2, "")
    assert message in said.stderr
    assert said.stderr.count("\n") == 1
