"""Digits: tiny made-up images everywhere; the real ones where the library or the files are there."""

import gzip
import hashlib
import struct
from importlib.util import find_spec

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from hunting import SIGMAS, drawn

from longlag import registry
from longlag.checks.tasks import check_task
from longlag.cli import main
from longlag.plan.study import adhoc
from longlag.report.outcomes import notes
from longlag.run.engines.cohort import need_data, train_cohort
from longlag.store.results import load_study
from longlag.store.store import Store, store_path
from longlag.tasks import digits
from longlag.tasks.digits import Digits, Images, ImageSet, collision_error, order_of, read_file, read_table
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
    monkeypatch.setattr(digits, "load", lambda images: ImageSet(*parts, label="digits:0123456789abcdef"))
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
    found = digits.load("digits")
    met, kept = found.training, found.held_out
    assert (len(met.labels), len(kept.labels)) == (1438, 359)
    assert found.label.startswith("digits:")
    assert met.pixels.shape[1] == 64
    assert 0 == met.pixels.min() < met.pixels.max() == 1
    assert set(kept.labels.tolist()) == set(range(10))


@needs_library
@pytest.mark.parametrize("order", ["rows", "permuted"])
def test_the_nearest_image_seen_through_a_window_does_not_beat_the_bound(order):
    task = Digits(order=order)
    met, kept = digits.load("digits").training, digits.load("digits").held_out
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


def test_a_table_keeps_every_fifth_row():
    rows = np.arange(30).reshape(10, 3) % 17
    found = read_table("\n".join(",".join(map(str, row)) for row in rows.tolist()).encode())
    assert found.held_out.labels.tolist() == rows[[4, 9], 2].tolist()
    assert found.training.pixels.tolist() == (rows[[0, 1, 2, 3, 5, 6, 7, 8], :2] / 16).tolist()


def idx(array):
    """Write an array of bytes in the IDX format."""
    return bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


@pytest.mark.parametrize(
    ("name", "pack"),
    [
        *(("a-idx3-ubyte", bytes), ("a-idx3-ubyte.gz", gzip.compress)),
        *(("a.idx3-ubyte", bytes), ("a.idx3-ubyte.gz", gzip.compress)),
    ],
)
def test_idx_files_are_read_packed_or_not(tmp_path, name, pack):
    array = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)
    (tmp_path / name).write_bytes(pack(idx(array)))
    content, found = read_file(tmp_path, "a-idx3-ubyte")
    assert (content, found.tolist()) == (idx(array), array.tolist())


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
        read_file(tmp_path, "a-idx3-ubyte")


def lay_out(folder, bright=20, pack=bytes, end=""):
    """Write files of MNIST's names and shape, few images, of one pixel's brightness a digit."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, each in (("train", 3), ("t10k", 2)):
        labels = np.repeat(np.arange(10, dtype=np.uint8), each)
        images = np.zeros((10 * each, 28, 28), dtype=np.uint8)
        images[:, 0, 0] = labels * bright
        (folder / f"{name}-images-idx3-ubyte{end}").write_bytes(pack(idx(images)))
        (folder / f"{name}-labels-idx1-ubyte{end}").write_bytes(pack(idx(labels)))
    forget()


def forget():
    """Forget what was read, as another process would have to read it."""
    for remembered in (digits.load, digits._bound, digits._half):
        remembered.cache_clear()
    registry.use(())


@pytest.fixture
def mnist(tmp_path, monkeypatch):
    """Lay out files of MNIST's shape."""
    lay_out(tmp_path)
    monkeypatch.setenv("LONGLAG_MNIST", str(tmp_path))
    yield tmp_path
    forget()


def test_mnist_is_read_from_the_folder_that_is_named(mnist):
    found = digits.load("mnist")
    assert found.training.pixels.shape == (30, 784)
    assert found.held_out.pixels.shape == (20, 784)
    assert found.training.pixels[-1, 0] == pytest.approx(180 / 255)
    assert found.training.labels.tolist() == [digit for digit in range(10) for _ in range(3)]


def test_the_published_files_are_known_by_their_checksums(mnist, monkeypatch):
    assert digits.load("mnist").label.startswith("not-mnist:")
    own = {name: hashlib.sha256((mnist / name).read_bytes()).hexdigest() for name in digits.PUBLISHED}
    monkeypatch.setattr(digits, "PUBLISHED", own)
    forget()
    assert digits.load("mnist").label.startswith("mnist:")


@pytest.mark.parametrize("place", ["raw", "MNIST/raw"])
def test_files_lie_where_torchvision_puts_them_and_packing_changes_nothing(place, tmp_path, mnist, monkeypatch):
    plain = digits.load("mnist").label
    lay_out(tmp_path / "data" / place, pack=gzip.compress, end=".gz")
    monkeypatch.setenv("LONGLAG_MNIST", str(tmp_path / "data"))
    assert digits.load("mnist").label == plain


def trial():
    (found,) = adhoc(task="digits:images=mnist", cell="rnn", seeds=1).trials()
    return found


def test_other_data_is_another_trial_and_is_not_trained_as_the_one_planned(mnist):
    before = trial()
    assert before.data == digits.load("mnist").label
    lay_out(mnist, bright=21)
    assert trial().key != before.key
    with pytest.raises(UsageError, match=rf"on the data {before.data}; the data here is {trial().data}$"):
        train_cohort([before], pytest.fail, {})
    lay_out(mnist)
    assert trial() == before
    need_data(before)


def test_reports_say_which_data_it_was(mnist, tmp_path):
    planned = adhoc("seen", task=("digits:images=mnist", "copy"), cell="rnn", seeds=1).planned
    with Store.open_for_writing(store_path("seen", tmp_path)) as store:
        store.write_plan("", [(one.trial, one.facts) for one in planned])
    data = load_study("seen", tmp_path)
    assert notes(data)[1:] == [f"Task digits:images=mnist reads the data {trial().data} from files."]
    assert data.plan["data"].tolist() == [trial().data, ""]


def test_images_that_tell_nothing_are_refused_wherever_trials_are_planned(mnist, tmp_path):
    lay_out(mnist, bright=0)
    grid = ["--task", "digits:images=mnist", "--cell", "rnn"]
    for command in ("run", "plan", "window", "horizon"):
        done = CliRunner().invoke(main, [command, *grid, "--name", "x", "--results", str(tmp_path / "results")])
        assert (done.exit_code, done.stderr.count("\n")) == (2, 1), done.output
        assert "task digits:images=mnist can never be solved: its best error given the whole sequence" in done.stderr
    assert not (tmp_path / "results").exists()
    (floors,) = (found for found in check_task("digits:images=mnist", timed=False) if found.rule == "floors")
    assert floors.ok is False


@pytest.mark.parametrize(
    ("name", "array"),
    [
        ("train-images-idx3-ubyte", np.zeros((30, 28, 27), dtype=np.uint8)),
        ("train-images-idx3-ubyte", np.zeros((29, 28, 28), dtype=np.uint8)),
        ("train-images-idx3-ubyte", np.zeros(30, dtype=np.uint8)),
        ("train-labels-idx1-ubyte", np.zeros(30, dtype=np.uint8)),
        ("train-labels-idx1-ubyte", np.arange(30, dtype=np.uint8)),
    ],
)
def test_files_of_another_shape_are_refused(mnist, name, array):
    (mnist / name).write_bytes(idx(array))
    with pytest.raises(UsageError, match=r"the train files in .* are not images of 28 by 28 pixels"):
        registry.find("task", "digits")(images="mnist")


def test_a_missing_file_is_named(mnist):
    (mnist / "t10k-labels-idx1-ubyte").unlink()
    with pytest.raises(UsageError, match="no file t10k-labels-idx1-ubyte or"):
        Digits(images="mnist")
    (mnist / "train-images-idx3-ubyte").unlink()
    with pytest.raises(UsageError, match=r"no file train-images-idx3-ubyte or .*, nor in MNIST/raw there"):
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
