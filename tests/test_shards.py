"""Shards: a line is whole or does not count, and whatever happens to a file is seen."""

import errno
import json
import math
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import sample_results
from shard_samples import ended, small, write_shard

from longlag.plan import files
from longlag.plan.trials import facts
from longlag.plan.written import content_of, study_from
from longlag.run.plan import Retrain
from longlag.run.shard import plan_shard, shard_path
from longlag.run.shares import shares
from longlag.shards import lines
from longlag.shards.file import NotBegunError, read_header, read_line, read_lines
from longlag.shards.header import Header, Share
from longlag.shards.spool import Spool
from longlag.shards.writing import ShardWriter
from longlag.store.file import StoreError
from longlag.tasks.support.errors import UsageError
from longlag.values.frames import Found, Frame
from longlag.values.plain import from_plain, to_plain
from longlag.values.trial import Status, TrialResult

HEADER = Header.of(small(), ["longlag", "run", "small"], Share(1, 2))
TRIALS = small().trials()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Write a shard of three trials."""
    return write_shard(tmp_path / "shards" / "1-of-2.jsonl", [ended(trial) for trial in TRIALS[:3]], share="1/2")


def test_a_result_comes_back_to_the_last_digit_whatever_its_numbers() -> None:
    found = Found(
        {"lag": 3, "slope": -0.5, "flat": True, "refused": "no gates", "none": None}, {"input": {"lag": [0, 1]}}
    )
    seen = replace(sample_results.result(3), frames=(Frame("reach", 1, "start", 0, found),))
    for result in (sample_results.result(3), sample_results.diverged(4), ended(TRIALS[0], error=0.1 + 0.2), seen):
        held = from_plain(TrialResult, json.loads(json.dumps(to_plain(result), allow_nan=False)))
        assert repr(held) == repr(result)  # NaN equals nothing, not even itself
    assert math.isinf(from_plain(TrialResult, to_plain(sample_results.diverged(4))).grad_norm_max)


def test_every_study_comes_back_from_what_a_shard_says_of_it() -> None:
    made = [small(truncate=("none", 2)), small(test_lags="5,9", lr=(0.1, 0.2)), small(seeds=[5, 3])]
    for study in [*map(files.find, files.names()), files.find("depth").replaced(layers=(1,)), *made]:
        again = study_from(study.name, json.loads(json.dumps(content_of(study))), "here")
        assert (again.title, again.grids, again.rates) == (study.title, study.grids, study.rates)


def test_every_changed_bit_of_a_line_is_seen() -> None:
    line = lines.written({"key": "a", "result": {"error": 0.25}})
    for place, bit in ((place, bit) for place in range(len(line)) for bit in range(8)):
        changed = bytearray(line)
        changed[place] ^= 1 << bit
        with pytest.raises(lines.DamagedLineError):
            lines.read(bytes(changed))
    assert lines.read(line) == {"key": "a", "result": {"error": 0.25}}


def test_the_plan_of_a_share_says_what_its_shard_lacks(tmp_path: Path) -> None:
    first = tuple(shares(TRIALS, 2)[0])
    assert plan_shard(small(), tmp_path, Share(1, 2), Retrain()).missing == first
    write_shard(
        shard_path("small", tmp_path, Share(1, 2)),
        [ended(first[0]), replace(ended(first[1]), status=Status.FAILED)],
        share="1/2",
    )
    plan = plan_shard(small(), tmp_path, Share(1, 2), Retrain())
    assert (plan.trials, plan.missing) == (first, first[1:])


def test_a_damaged_line_is_named_and_costs_no_other_trial(path: Path) -> None:
    content = path.read_bytes()
    place = content.index(b'"error"')
    path.write_bytes(content[:place] + b"f" + content[place + 1 :])
    found = list(read_lines(path))
    assert [(line.number, line.fault) for line in found if line.fault] == [(2, "its checksum does not match")]
    assert [line.result.trial for line in found if line.result] == TRIALS[1:3]


def test_wherever_the_last_line_is_cut_off_it_is_written_again_as_if_nothing_had_been(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "fsync", lambda file: None)  # a thousand times; what a disk does is not asked here
    result = ended(TRIALS[2], measurements=())
    write_shard(path, [result], share="1/2")
    content, (*_, last) = path.read_bytes(), read_lines(path)
    assert read_line(path, last.offset) == result
    for cut in range(last.offset, len(content)):
        path.write_bytes(content[:cut])
        assert [line.result.trial for line in read_lines(path)] == TRIALS[:3]
        with ShardWriter.open(path, HEADER, locked=False) as shard:
            assert [one.error for one in shard.held.values()] == [one.result.error for one in read_lines(path)]
            shard.add(result, facts(result.trial))
        assert path.read_bytes() == content


def test_wherever_the_first_line_is_cut_off_the_shard_begins_again(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", lambda file: None)
    path.write_bytes(lines.written(HEADER.line))
    for cut in range(0, len(path.read_bytes()), 5):
        path.write_bytes(lines.written(HEADER.line)[:cut])
        with pytest.raises(NotBegunError, match="holds nothing yet"):
            read_header(path)
        with ShardWriter.open(path, HEADER, locked=False) as shard:
            assert shard.held == {}
        assert read_header(path) == HEADER


def test_a_writer_holds_no_curves_however_many_trials_it_writes(path: Path) -> None:
    frame = Frame("reach", 1, "start", 0, Found({"reach_1pct": 1.0}, {}))
    result = replace(ended(TRIALS[0]), frames=(frame,))
    with ShardWriter.open(path, HEADER) as shard:
        shard.add(result, facts(result.trial))
        shard.flush()
        assert shard.held[result.trial.key] == replace(result, measurements=(), frames=())


def test_a_later_line_counts_unless_it_has_no_result_and_the_earlier_has(tmp_path: Path) -> None:
    failed = replace(ended(TRIALS[0]), status=Status.FAILED)
    one, other = ended(TRIALS[0], error=0.5), ended(TRIALS[0], error=0.75)
    for order, kept in (((failed, one), one), ((one, failed), one), ((one, other), other), ((failed,), failed)):
        path = write_shard(tmp_path / f"{len(list(tmp_path.iterdir()))}.jsonl", order, share="1/2")
        with ShardWriter.open(path, HEADER) as shard:
            assert shard.held[TRIALS[0].key] == replace(kept, measurements=())


@pytest.mark.parametrize(
    ("header", "message"),
    [
        (Header.of(small(seeds=4), (), Share(1, 2)), "holds another plan of the study"),
        (Header.of(small(), (), Share(2, 2)), "holds share 1/2"),
        (Header.of(replace(small(), name="other"), (), Share(1, 2)), "holds study small"),
    ],
)
def test_a_shard_of_something_else_is_not_written(path: Path, header: Header, message: str) -> None:
    before = path.read_bytes()
    with pytest.raises(UsageError, match=message):
        ShardWriter.open(path, header)
    assert path.read_bytes() == before


def test_what_is_no_shard_is_left_as_it_is(path: Path) -> None:
    for content in (b"key,study\n", b"not", b'{"a": 1}\n', b"\n"):
        path.write_bytes(content)
        with pytest.raises(StoreError, match=r"is not a shard of longlag"):
            ShardWriter.open(path, HEADER)
        assert path.read_bytes() == content


def test_a_newer_shard_and_a_first_line_of_other_things_are_refused(path: Path) -> None:
    said: dict[str, Any] = HEADER.line
    for change, message in (
        ({"shard": 2}, "written by a newer longlag"),
        ({"study": "../evil"}, "cannot name a study"),
        ({"study": 3}, "does not describe a shard"),
        ({"share": "9/2"}, "share must be"),
        ({"command": ["a\nb"]}, "more than one line"),
        ({"more": 1}, "unknown fields: more"),
        ({"definition": []}, "does not describe a shard"),
    ):
        path.write_bytes(lines.written(said | change))
        with pytest.raises(StoreError, match=message):
            read_header(path)


def test_a_study_that_this_program_plans_otherwise_is_refused() -> None:
    for change, message in (
        ({"plan": "0" * 16}, "its trials are not those that this longlag plans"),
        ({"definition": {"title": "t", "grids": [{"task": "no"}], "rates": []}}, "here"),
        (
            {"definition": {"title": "t", "grids": [{"task": ["copy"], "cell": ["rnn"], "clip": 3}], "rates": []}},
            "clip",
        ),
        ({"definition": {"title": "t", "grids": [], "rates": [], "path": "/"}}, "no key 'path'"),
        ({"definition": {"title": "a\nb", "grids": [], "rates": []}}, "title must be one line"),
        ({"definition": {}}, "does not describe a study"),
    ):
        with pytest.raises(UsageError, match=message):
            replace(HEADER, **change).make_study("here")


@pytest.mark.parametrize("text", ["0/4", "5/4", "x", "1", "1/0", "-1/4", "1/4/2", "1.5/4", "", "1/1000000", "٣/4"])
def test_what_is_no_share_is_refused_with_the_rule(text: str) -> None:
    with pytest.raises(UsageError, match=r"--shard must be NUMBER/COUNT, such as 3/64.*not '"):
        Share.read(text)


def test_two_runs_do_not_write_one_shard(path: Path) -> None:
    with ShardWriter.open(path, HEADER), pytest.raises(StoreError, match="is being written by a run of this process"):
        ShardWriter.open(path, HEADER)


def test_a_full_disk_is_one_line_and_the_file_ends_with_a_whole_one(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, written = path.read_bytes(), os.write

    def full(file: int, content: memoryview) -> int:
        if path.stat().st_size > len(before):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return written(file, content[:100])

    with ShardWriter.open(path, HEADER) as shard:
        shard.add(ended(TRIALS[4]), facts(TRIALS[4]))
        with monkeypatch.context() as patch:
            patch.setattr(os, "write", full)
            with pytest.raises(StoreError, match=r"cannot grow: No space left on device; earlier results are kept"):
                shard.flush()
        assert path.read_bytes() == before
    assert [line.result.trial for line in read_lines(path)] == [*TRIALS[:3], TRIALS[4]]  # there was room again


def test_a_shard_is_never_written_through_a_link(path: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere.jsonl"
    elsewhere.write_bytes(path.read_bytes())
    path.unlink()
    path.symlink_to(elsewhere)
    with pytest.raises(StoreError, match="cannot be written"):
        ShardWriter.open(path, HEADER)


def test_what_a_killed_writer_had_said_is_there(tmp_path: Path) -> None:
    path = tmp_path / "1-of-1.jsonl"
    with subprocess.Popen(
        [sys.executable, str(Path(__file__).with_name("endless_shard.py")), str(path)],
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        said = [process.stdout.readline().strip() for _ in range(8)]
        process.send_signal(signal.SIGKILL)
        said += process.stdout.read().split("\n")[:-1]
    found = [line.result.trial.key for line in read_lines(path)]
    assert found[: len(said)] == said
    assert len(said) >= 8


def test_workers_put_what_they_finish_into_shards_of_their_own(tmp_path: Path) -> None:
    spool, reported = Spool(tmp_path / "spool", replace(HEADER, share=None)), []

    def train(trials, report, environment):
        for trial in trials:
            report(ended(trial))
            (path,) = spool.folder.iterdir()  # on the disk before anybody is told
            assert [*read_lines(path)][-1].result.trial == trial

    spool.check()
    spool.around(train)(TRIALS[:2], reported.append, {})
    spool.around(train)(TRIALS[2:3], reported.append, {})
    (path,) = spool.folder.iterdir()
    assert [line.result for line in read_lines(path)] == reported == [spool.arrived(one) for one in reported]
    assert spool.faults == []


def test_what_a_full_spool_cannot_take_reaches_the_coordinator(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spool, reported = Spool(tmp_path, replace(HEADER, share=None)), []

    def full(file: int, content: bytes) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("longlag.shards.writing.os.write", full)
    wanted = [ended(trial) for trial in TRIALS[:2]]
    spool.around(lambda trials, report, environment: [report(one) for one in wanted])(TRIALS[:2], reported.append, {})
    assert [spool.arrived(one) for one in reported] == wanted
    assert len(spool.faults) == 2
    assert "No space left on device" in spool.faults[0]


def test_a_spool_that_is_no_folder_is_refused_before_anything_is_trained(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match=r"spool .* cannot be written: Not a directory"):
        Spool(tmp_path / "file" / "spool", HEADER).check()
