"""Writes trials to a shard for ever and says so, for the test that kills it."""

import sys
from pathlib import Path

from sample_results import FACTS, result

from longlag.shards.header import FORMAT, Header
from longlag.shards.writing import ShardWriter

if __name__ == "__main__":
    with ShardWriter.open(Path(sys.argv[1]), Header(FORMAT, "small", "0" * 16, {}, "0.1")) as shard:
        for number in range(1_000_000):
            shard.add(result(number), FACTS)
            shard.flush()
            print(result(number).trial.key, flush=True)
