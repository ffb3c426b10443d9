"""Kills commands at each of their durable writes in turn, and at random times, and sees that nothing is lost by it.

As a program it runs below a library that counts what reaches the disk, SQLite's own calls included, and that kills the
process just before the n-th: ``LD_PRELOAD=counting.so python killing.py WAY... STEP FOLDER``. At random times it kills
with ``python killing.py FIRST-END FOLDER``.
"""

import ctypes
import os
import queue
import random
import shutil
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import shard_samples
import torch
from click.testing import Result
from shard_samples import MADE_HERE, call, ended

from longlag.cli import training
from longlag.networks.build import network_of
from longlag.run import run as running
from longlag.shards import spool
from longlag.store import store as storing
from longlag.store.store import store_path
from longlag.training import checkpoints

LIBRARY = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <signal.h>
#include <sys/types.h>
#include <unistd.h>
static long left = 0;
void arm(long number) { left = number; }
static void *counted(const char *name) {
    if (left > 0 && --left == 0) kill(getpid(), SIGKILL);
    return dlsym(RTLD_NEXT, name);
}
#define COUNTED(kind, name, parameters, given) \
    kind name parameters { return ((kind (*) parameters) counted(#name)) given; }
COUNTED(int, fsync, (int file), (file))
COUNTED(int, fdatasync, (int file), (file))
COUNTED(int, ftruncate, (int file, off_t size), (file, size))
COUNTED(int, ftruncate64, (int file, off64_t size), (file, size))
COUNTED(int, unlink, (const char *path), (path))
COUNTED(int, rename, (const char *from, const char *to), (from, to))
COUNTED(int, link, (const char *from, const char *to), (from, to))
COUNTED(ssize_t, write, (int file, const void *from, size_t size), (file, from, size))
COUNTED(ssize_t, pwrite, (int file, const void *from, size_t size, off_t at), (file, from, size, at))
COUNTED(ssize_t, pwrite64, (int file, const void *from, size_t size, off64_t at), (file, from, size, at))
"""
GRID = [*shard_samples.GRID, "--seeds", "1", "--name", "small", "--workers", "1"]
RUN = ("run", *GRID)
SHARD = (*RUN, "--shard", "1/1")
SPOOL = (*RUN, "--spool", "RESULTS/spool")
KEEP = (*RUN, "--keep-networks")
LOSE = ("lose the store",)
"""No command: what the spool holds must be enough without the store."""


class Engine:
    """Does with each trial, in a thread of this process, what a worker does; it goes on once a result is stored."""

    def __init__(self, workers, timeout_seconds, train):
        self.train = train

    def run(self, cohorts):
        for trial in (trial for cohort in cohorts for trial in cohort):
            found, stored = queue.SimpleQueue(), queue.SimpleQueue()

            def report(result, found=found, stored=stored):
                found.put(result)
                stored.get()

            worker = threading.Thread(target=self.train, args=([trial], report, MADE_HERE), daemon=True)
            worker.start()
            yield found.get(timeout=600)
            stored.put(None)
            worker.join()
        spool._OPEN.clear()  # a worker's shard ends with its process


class Slow(Engine):
    """Takes a moment for each trial."""

    def run(self, cohorts):
        for result in super().run(cohorts):
            time.sleep(0.003)
            yield result


def train(trials, report, environment, networks=None, **options):
    """End each trial at once, with a network of zeros where networks are kept."""
    for result in map(ended, trials):
        if networks:
            network = network_of(result.trial)
            checkpoints.keep(networks, result, network, torch.zeros(network.layout.row_size))
        report(result)


def prepare(engine: type = Engine) -> None:
    """Let commands of this process train nothing, draw nothing, and commit each trial at once."""
    running.LocalEngine, training.write_reports, storing.COMMIT_SECONDS = engine, lambda *_: None, 0.0
    running.train_cohort, shard_samples.GRID = train, GRID


def called(command: tuple[str, ...], results: Path) -> Result:
    return call(*(word.replace("RESULTS", str(results)) for word in command), "--results", results)


def done(command: tuple[str, ...], results: Path) -> None:
    came = called(command, results)
    assert came.exit_code == 0, (command, came.output)


def files(results: Path) -> list[bytes]:
    """Return what is left of the small study: its exports, and the networks that were kept."""
    return [*shard_samples.exports(results), *(path.read_bytes() for path in sorted(results.rglob("*.safetensors")))]


def killed_in(command: tuple[str, ...], results: Path, kill: Callable[[int], None], arm: int = 0) -> bool:
    """Run a command in a forked process, and say whether it was killed.

    Args:
        command: The command.
        results: The folder of its results.
        kill: Called with the process's number.
        arm: The durable write before which it is killed; 0 for none.
    """
    child = os.fork()
    if not child:
        if arm:
            ctypes.CDLL(None).arm(ctypes.c_long(arm))
        called(command, results)
        os._exit(0)
    kill(child)
    return os.WIFSIGNALED(os.waitpid(child, 0)[1])


def writes(way: tuple[tuple[str, ...], ...], step: int, folder: Path) -> Iterator[Path]:
    """Yield a results folder for each durable write of the last of several commands, which was killed just before it.

    Args:
        way: The commands.
        step: The distance from one write to the next that is tried.
        folder: The folder for it all.
    """
    number, results = 1, folder / "killed"
    while True:
        shutil.rmtree(results, ignore_errors=True)
        for command in way[:-1]:
            done(command, results)
        damage(way[-1], results)
        if not killed_in(way[-1], results, lambda child: None, arm=number):
            return
        yield results
        number += step


def damage(command: tuple[str, ...], results: Path) -> None:
    """Cut off a store that is to be recovered."""
    if command[0] == "recover":
        path = store_path("small", results)
        path.write_bytes(path.read_bytes()[:-4096])


WAYS = {
    "run": ((RUN,), (RUN,)),
    "shard": ((SHARD,), (SHARD, ("merge", "small"))),
    "merge": ((SHARD, ("merge", "small")), (("merge", "small"),)),
    "recover": ((RUN, ("recover", "small")), (("recover", "small"), RUN)),
    "spool": ((SPOOL,), (SPOOL, LOSE, ("merge", "small", "RESULTS/spool"))),
    "keep": ((KEEP,), (KEEP,)),
}
"""Commands of which the last is killed, and those that finish what is left of it."""


def all_writes(way: str, step: int, folder: Path) -> int:
    """Kill a way's last command at its writes, finish it each time, and compare; return how often it was killed."""
    prepare()
    done(KEEP if way == "keep" else RUN, folder / "whole")
    wanted, kills = files(folder / "whole"), 0
    for results in writes(WAYS[way][0], step, folder):
        for command in WAYS[way][1]:
            if command is LOSE:
                store_path("small", results).unlink()
                continue
            came = called(command, results)
            assert came.exit_code in ((0, 3) if command[0] == "recover" else (0,)), (kills, came.output)
        assert files(results) == wanted, f"killed before write {1 + kills * step}"
        left = {path.name for path in (results / "small").rglob("*") if ".part" in path.name}
        assert not left, left
        kills += 1
    return kills


def at_random(seeds: range, folder: Path) -> None:
    """Kill a run at three random times, finish it, and compare; once for each seed."""
    prepare(Slow)
    started = time.monotonic()
    done(RUN, folder / "whole")
    seconds, wanted = time.monotonic() - started, files(folder / "whole")
    for seed in seeds:
        drawn, results = random.Random(seed), folder / str(seed)
        for _ in range(3):
            killed_in(RUN, results, lambda child, drawn=drawn: kill_soon(child, drawn.uniform(0, seconds)))
        done(RUN, results)
        assert files(results) == wanted, f"seed {seed}"


def kill_soon(process: int, seconds: float) -> None:
    time.sleep(seconds)
    os.kill(process, signal.SIGKILL)


if __name__ == "__main__":
    *ways, step, folder = sys.argv[1:]
    if ways:
        print(*(all_writes(way, int(step), Path(folder) / way) for way in ways))
    else:
        at_random(range(*map(int, step.split("-"))), Path(folder))
