"""Files with any bytes in them: never a traceback, one line where they are refused, and nothing is half-written."""

import hashlib
import json
import math
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from regressions import drawn
from shard_samples import call, ended, small, write_shard

from longlag.experiments.minimal_pairs import read_pairs
from longlag.regression.judge import baseline as accepted
from longlag.store.file import StoreError
from longlag.tasks.support.errors import UsageError

few = settings(max_examples=40)
PAIRS = (
    b"condition\tgrammatical\tungrammatical\n0\tthe zebra barks\tthe zebra bark\n1\tthe cats near the dog sleep\tx\n"
)
BLIMP = b'{"sentence_good": "a b", "sentence_bad": "a c", "UID": "x"}\n{"sentence_good": 3, "sentence_bad": null}\n'
odd = st.sampled_from(
    [b"", b"\x00", b"\xff\xfe", b"\n", b"\t", b'"', b"[", b"{", b"nan", b"1e999", b"null", b"\r\n" * 3]
)


@st.composite
def spoiled(draw: st.DrawFn, content: bytes) -> bytes:
    """Cut, overwrite, repeat or put something into a file at a few places."""
    for _ in range(draw(st.integers(1, 3))):
        start = draw(st.integers(0, len(content)))
        end = draw(st.integers(start, min(len(content), start + 40)))
        content = content[:start] + draw(odd | st.binary(max_size=6) | st.just(content[:80])) + content[end:]
    return content


def refusal_of(read, *given_: object) -> str:
    """Return what a refusal says, nothing where there is none; anything else gets through."""
    try:
        read(*given_)
    except (UsageError, StoreError) as error:
        return str(error)
    return ""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fuzzed")


@few
@given(st.one_of(spoiled(PAIRS), spoiled(BLIMP)))
def test_whatever_a_file_of_sentences_holds(folder: Path, content: bytes) -> None:
    path = folder / "pairs.tsv"
    path.write_bytes(content)
    assert "\n" not in refusal_of(read_pairs, path)


@pytest.fixture(scope="module")
def baseline() -> str:
    entries = tuple(drawn(0.9, range(3), "size", n, cell=f"lstm:forget_bias={n}", marked="a" * 12) for n in range(2))
    when = accepted.Acceptance("2026-01-01T00:00:00Z", "first", "1", "a", accepted.summary_of(entries))
    return accepted.as_text(accepted.Baseline("made", entries, (when,)))


@few
@given(data=st.data())
def test_whatever_a_baseline_holds(folder: Path, baseline: str, data: st.DataObject) -> None:
    path = folder / "made.json"
    path.write_bytes(data.draw(spoiled(baseline.encode())))
    assert "\n" not in refusal_of(accepted.read, path, "made")


plain = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4) | st.just([]) | st.just({})


def with_its_hash(content: dict[str, object]) -> dict[str, object]:
    line = json.dumps(content, sort_keys=True, ensure_ascii=False)
    return content | {"hash": hashlib.sha256(line.encode(errors="surrogatepass")).hexdigest()[:16]}


@pytest.mark.parametrize(
    "change",
    [
        {"more": math.nan},
        {"more": "\ud800"},
        {"study": None},
        {"study": ["\n"]},
        {"accepted": [{"when": 1, "reason": 1, "version": 1, "source": 1, "summary": []}]},
        {"accepted": 3},
        {"entries": [None]},
        {"entries": [{"setting": {"task\n": 3}}]},
    ],
    ids=repr,
)
def test_a_baseline_of_odd_content_is_one_line(folder: Path, baseline: str, change: dict[str, object]) -> None:
    content = json.loads(baseline)
    del content["hash"]
    path = folder / "odd.json"
    path.write_text(json.dumps(with_its_hash(content | change)))
    assert refusal_of(accepted.read, path, "made").count("\n") == 0
    assert refusal_of(accepted.read, path, "made") != ""


def places_in(value: object) -> list[tuple[dict | list, object]]:
    """Return every place in nested values, as what holds it and its key there."""
    keys = list(value) if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else []
    return [place for key in keys for place in [(value, key), *places_in(value[key])]]


@few
@given(data=st.data())
def test_whatever_a_baseline_says_with_a_hash_that_fits(folder: Path, baseline: str, data: st.DataObject) -> None:
    content = json.loads(baseline)
    holder, key = data.draw(st.sampled_from(places_in(content)))
    holder[key] = data.draw(plain)
    content.pop("hash", None)
    path = folder / "made.json"
    path.write_text(json.dumps(with_its_hash(content)))
    assert "\n" not in refusal_of(accepted.read, path, "made")


@pytest.fixture(scope="module")
def shard(folder: Path) -> bytes:
    return write_shard(folder / "whole.jsonl", [ended(trial) for trial in small().trials()[:2]]).read_bytes()


@few
@given(data=st.data())
def test_whatever_a_shard_holds(folder: Path, shard: bytes, data: st.DataObject) -> None:
    path, results = folder / "spoiled.jsonl", folder / "results"
    path.write_bytes(data.draw(spoiled(shard)))
    for command in ("status", "merge"):
        done = call(command, "small", path, "--results", results)
        assert done.exit_code in (0, 1, 2, 3, 4), done.output
        assert "Traceback" not in done.output
        if done.exit_code in (2, 4):
            assert done.stdout == ""
            assert not list(results.rglob("*.part"))
