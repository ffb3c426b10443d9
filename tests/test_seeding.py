"""Named streams: which generator stands behind a name and a number."""

import hashlib

import numpy as np

from longlag.values.seeding import stream


def test_a_stream_is_philox_keyed_by_its_names_and_counted_by_the_draw():
    key = np.frombuffer(hashlib.sha256(b'["batches", "copy:items=3", 0]').digest()[:16], dtype="<u8")
    expected = np.random.Generator(np.random.Philox(key=key, counter=[0, 0, 0, 7])).integers(2**32, size=9)

    drawn = stream("batches", "copy:items=3", 0).generator(7).integers(2**32, size=9)

    assert drawn.tolist() == expected.tolist()


def test_a_stream_does_not_ask_the_system_for_a_seed(monkeypatch):
    def asked(*_: object) -> int:
        raise AssertionError("a generator of a named stream asked the system for randomness")

    monkeypatch.setattr(np.random.bit_generator, "randbits", asked)

    assert stream("a").generator().random() == stream("a").generator().random()
