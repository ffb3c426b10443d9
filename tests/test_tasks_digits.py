"""Digits: tiny made-up images everywhere; the real ones where the library or the files are there."""

import gzip
import struct
from importlib.util import find_spec

import numpy as np
import pytest
import torch
from hunting import SIGMAS, drawn

from longlag import registry
from longlag.tasks import digits
from longlag.tasks.digits import MNIST_COUNTS, Digits, Images, collision_error, order_of, read_idx, read_table
from longlag.tasks.support.errors import UsageError

needs_library = pytest.mark.skipif(
    find_spec("sklearn") is None, reason="needs the extra: pip install 'longlag[digits]'"
)


def made_up(count, seed):
    """Make images of 4 by 4 pixels in which the first pixel is the digit, the last is noise, the rest black."""
    generator = np.random.default_rng(seed)
    labels = np.concatenate([np.arange(10), generator.integers(10, size=count - 10)])
    pixels = np.zeros((count, 16), dtype=np.float32)
    pixels[:, 0] = (labels + 1) / 10
    pixels[:, -1] = generator.integers(2, size=count)
    return Images(pixels, labels)


@pytest.fixture
def tiny(monkeypatch):
    """Put made-up images in the place of the real ones."""
    parts = made_up(200, 0), made_up(60, 1)
    monkeypatch.setattr(digits, "load", lambda images: parts)
    monkeypatch.setattr(digits, "SIDES", {"digits": 4})
    for remembered in (digits._bound, digits._half):
        remembered.cache_clear()
    yield parts
    for remembered in (digits._bound, digits._half):
        remembered.cache_clear()


def test_a_digit_is_read_a_pixel_at_a_time_and_asked_for_after_the_blanks(tiny):
    task = Digits(blanks=3)
    batch = drawn(task, 50)
    assert batch.inputs.shape == (19, 50, 1)
    assert batch.inputs.dtype == torch.float32
    assert (batch.inputs[1:15] == 0).all()
    assert (batch.inputs[16:] == 0).all()
    assert batch.mask.nonzero()[:, 0].tolist() == [18] * 50
    assert torch.equal((batch.inputs[0, :, 0] * 10).round().long() - 1, batch.targets)
    assert torch.equal(batch.slices["digit"], batch.targets)


def test_the_shuffled_order_moves_the_same_pixels_in_every_image(tiny):
    plain, shuffled = drawn(Digits(), 40), drawn(Digits(order="permuted"), 40)
    order = order_of("permuted", 16)
    assert sorted(order.tolist()) == list(range(16))
    assert order.tolist() != list(range(16))
    assert torch.equal(shuffled.inputs, plain.inputs[order])


def test_all_digits_are_drawn_alike_however_many_images_they_have(tiny):
    met = drawn(Digits(), 20_000, held_out=False).targets.bincount().double() / 20_000
    kept = drawn(Digits(), 20_000).targets.bincount().double() / 20_000
    assert (met - 0.1).abs().max() < SIGMAS * 0.3 / 20_000**0.5
    assert (kept - 0.1).abs().max() < SIGMAS * 0.3 / 20_000**0.5


def test_all_images_of_a_digit_are_drawn_alike():
    part = Images(np.zeros((5, 4), dtype=np.float32), np.array([1, 0, 1, 1, 0]))
    part = Images(np.zeros((14, 4), dtype=np.float32), np.concatenate([part.labels, np.arange(1, 10)]))
    shares = np.bincount(part.draw(np.random.default_rng(0), 20_000), minlength=14) / 20_000
    by_hand = [0.1 / (part.labels == label).sum() for label in part.labels]
    assert np.abs(shares - by_hand).max() < SIGMAS * 0.3 / 20_000**0.5


def test_the_bound_falls_where_the_window_reaches_what_tells_digits_apart(tiny):
    task = Digits(blanks=5)
    assert task.floor(0) == task.floor(5) == pytest.approx(0.9)
    assert 0.7 < task.floor(6) < 0.9, "noise shared by few images tells a little"
    assert task.floor(6) == task.floor(20)
    assert task.floor(21) == 0
    assert task.min_lag == task.length == 21


def test_no_rule_on_what_is_seen_beats_the_bound():
    pixels = np.array([[0, 1], [0, 1], [0, 1], [1, 1], [1, 0]])
    labels = np.array([2, 3, 3, 2, 3])
    assert collision_error(pixels[:, :0], labels) == 0.5
    assert collision_error(pixels[:, 1:], labels) == pytest.approx(1 - (1 / 2 + 1 / 6))
    assert collision_error(pixels, labels) == pytest.approx(1 / 4)


@needs_library
def test_the_real_images_hold_all_digits_and_are_split_by_five():
    met, kept = digits.load("digits")
    assert (len(met.labels), len(kept.labels)) == (1438, 359)
    assert met.pixels.shape[1] == 64
    assert 0 == met.pixels.min() < met.pixels.max() == 1
    assert set(kept.labels.tolist()) == set(range(10))


@needs_library
@pytest.mark.parametrize("order", ["rows", "permuted"])
def test_the_nearest_image_seen_through_a_window_does_not_beat_the_bound(order):
    task = Digits(order=order)
    met, kept = digits.load("digits")
    steps = order_of(order, 64)
    for window in (1, 2, 4, 8, 16):
        seen = steps[64 - window :]
        distances = np.square(kept.pixels[:, None, seen] - met.pixels[None][:, :, seen]).sum(2)
        wrong = met.labels[distances.argmin(1)] != kept.labels
        error = np.mean([wrong[kept.labels == digit].mean() for digit in range(10)])
        assert error >= task.floor(window)


@needs_library
def test_solving_needs_more_than_half_of_the_pixels_by_the_plain_rule():
    assert Digits().solved_below < 0.15 < Digits().partial_floors["the last half of the pixels"] < 0.3
    assert Digits(blanks=50).min_lag - Digits().min_lag == 50


def test_a_table_keeps_every_fifth_row(tmp_path):
    rows = np.arange(30).reshape(10, 3) % 17
    path = tmp_path / "digits.csv.gz"
    path.write_bytes(gzip.compress("\n".join(",".join(map(str, row)) for row in rows.tolist()).encode()))
    met, kept = read_table(path)
    assert kept.labels.tolist() == rows[[4, 9], 2].tolist()
    assert met.pixels.tolist() == (rows[[0, 1, 2, 3, 5, 6, 7, 8], :2] / 16).tolist()


def idx(array):
    """Write an array of bytes in the IDX format."""
    return bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


@pytest.mark.parametrize(
    ("name", "pack"), [("a-idx3-ubyte", bytes), ("a-idx3-ubyte.gz", gzip.compress), ("a.idx3-ubyte", bytes)]
)
def test_idx_files_are_read_packed_or_not(tmp_path, name, pack):
    array = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)
    (tmp_path / name).write_bytes(pack(idx(array)))
    assert read_idx(tmp_path, "a-idx3-ubyte").tolist() == array.tolist()


WHOLE = idx(np.arange(6, dtype=np.uint8).reshape(2, 3))
PACKED = gzip.compress(WHOLE)


@pytest.mark.parametrize(
    "content",
    [
        *(b"", b"hello", b"\x00\x00\x08", b"\x00\x00\x0d" + WHOLE[3:], WHOLE[:10], WHOLE[:-1], WHOLE + b"0"),
        *(PACKED[:-9], PACKED[:3] + b"junk", PACKED[:12] + b"\xff\xff" + PACKED[14:]),
    ],
    ids=["empty", "text", "three-bytes", "floats", "no-sizes", "short", "long", "cut", "no-gzip", "damaged"],
)
def test_what_is_not_an_idx_file_is_refused(tmp_path, content):
    (tmp_path / "a-idx3-ubyte").write_bytes(content)
    with pytest.raises(UsageError, match="not a complete IDX file"):
        read_idx(tmp_path, "a-idx3-ubyte")


@pytest.fixture
def mnist(tmp_path, monkeypatch):
    """Lay out files of MNIST's size and counts, of one pixel's brightness a digit."""
    digits.load.cache_clear()
    monkeypatch.setattr(digits, "MNIST_COUNTS", ((3,) * 10, (2,) * 10))
    for name, each in (("train", 3), ("t10k", 2)):
        labels = np.repeat(np.arange(10, dtype=np.uint8), each)
        images = np.zeros((10 * each, 28, 28), dtype=np.uint8)
        images[:, 0, 0] = labels * 20
        (tmp_path / f"{name}-images-idx3-ubyte").write_bytes(idx(images))
        (tmp_path / f"{name}-labels-idx1-ubyte").write_bytes(idx(labels))
    monkeypatch.setenv("LONGLAG_MNIST", str(tmp_path))
    yield tmp_path
    digits.load.cache_clear()


def test_mnist_is_read_from_the_folder_that_is_named(mnist):
    met, kept = digits.load("mnist")
    assert met.pixels.shape == (30, 784)
    assert kept.pixels.shape == (20, 784)
    assert met.pixels[-1, 0] == pytest.approx(180 / 255)
    assert met.labels.tolist() == [digit for digit in range(10) for _ in range(3)]


def test_files_that_are_not_those_of_mnist_are_refused(mnist, monkeypatch):
    monkeypatch.setattr(digits, "MNIST_COUNTS", MNIST_COUNTS)
    with pytest.raises(UsageError, match=r"the train files in .* are not those of MNIST"):
        registry.find("task", "digits")(images="mnist")


def test_a_missing_file_is_named(mnist):
    (mnist / "t10k-labels-idx1-ubyte").unlink()
    with pytest.raises(UsageError, match="no file t10k-labels-idx1-ubyte or"):
        Digits(images="mnist")


def test_mnist_without_a_folder_says_what_to_set(monkeypatch):
    digits.load.cache_clear()
    monkeypatch.delenv("LONGLAG_MNIST", raising=False)
    with pytest.raises(UsageError, match="needs LONGLAG_MNIST=FOLDER"):
        Digits(images="mnist")


def test_without_the_library_one_line_says_how_to_install_it(monkeypatch):
    digits.load.cache_clear()
    monkeypatch.setattr(digits, "find_spec", lambda name: None)
    with pytest.raises(UsageError, match=r"^task digits needs scikit-learn: pip install 'longlag\[digits\]'$"):
        Digits()
    digits.load.cache_clear()


def test_the_counts_of_mnist_add_up():
    assert [sum(counts) for counts in MNIST_COUNTS] == [60_000, 10_000]
