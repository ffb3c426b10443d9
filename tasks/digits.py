"""Digits: handwritten digits read a pixel at a time, row by row or in one fixed shuffled order; which digit is it?

An image of 3 by 3 pixels and 2 blanks, read row by row::

    inputs    0 .4 0  0 .9 0  0 .5 0  0 0
    target                              1     (scored: the last step)

The images of 8 by 8 pixels come with scikit-learn (``pip install 'longlag[digits]'``). Those of 28 by 28 pixels are
read from the four files of MNIST, gzipped or not, in the folder that the environment variable LONGLAG_MNIST names, or
in ``MNIST/raw`` there, where torchvision puts them. Other files of the same format, such as Fashion-MNIST's, work too.
"""

import gzip
import hashlib
import os
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from longlag.tasks.base import Batch, ClassTask
from longlag.tasks.support.data import data_label
from longlag.tasks.support.drawing import ask_once
from longlag.tasks.support.errors import UsageError
from longlag.tasks.support.options import option

PUBLISHED = {
    "train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    "t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
}
"""SHA-256 of each file of MNIST, decompressed."""
FOLDERS = ("", "raw", "MNIST/raw")
"""Subfolders of LONGLAG_MNIST that are searched for the files."""
SIDES = {"digits": 8, "mnist": 28}


@dataclass(frozen=True)
class Images:
    """Images of one purpose: pixels (n, T) from 0 to 1, labels (n,)."""

    pixels: np.ndarray
    labels: np.ndarray

    def draw(self, generator: np.random.Generator, batch_size: int) -> np.ndarray:
        """Draw indices of images, (B,): digits are equally likely, and so are the images of a digit."""
        order = np.argsort(self.labels, kind="stable")
        counts = np.bincount(self.labels, minlength=10)
        label = generator.integers(10, size=batch_size)
        drawn: np.ndarray = order[(counts.cumsum() - counts)[label] + generator.integers(counts[label])]
        return drawn


@dataclass(frozen=True)
class ImageSet:
    """Images for training, images kept out of it, and the label of the data for trials."""

    training: Images
    held_out: Images
    label: str


@dataclass(frozen=True)
class Digits(ClassTask):
    """All digits are equally likely; every fifth of the 8 by 8 images, or MNIST's test set, is kept out of training.

    The images are real, so that the best error is unknown. The floor is a lower bound: images that agree in all pixels
    of a window must get the same answer, which costs an error of at least ``floor(window)`` among those kept out. It
    falls fast, and `min_lag` with it: a network provably has to span little more than `blanks`. The partial floor is
    the error of the nearest class mean on the last half of the pixels.
    """

    version: ClassVar[int] = 1
    reference: ClassVar[str] = "Le, Jaitly & Hinton 2015, section 4.2; Alpaydin & Kaynak 1998; LeCun et al. 1998"
    causal: ClassVar[bool] = False
    tokens: ClassVar[bool] = False
    dial: ClassVar[str] = "blanks"
    reduction: ClassVar[str] = "cross-entropy, mean over sequences"
    error_name: ClassVar[str] = "wrong digits (share)"
    input_size: ClassVar[int] = 1
    output_size: ClassVar[int] = 10

    images: str = option("digits", "scikit-learn's 8 by 8 or MNIST's 28 by 28", choices=tuple(SIDES))
    order: str = option("rows", "of the pixels", choices=("rows", "permuted"))
    blanks: int = option(0, "black pixels after the image", low=0, high=100_000)

    def __post_init__(self) -> None:
        super().__post_init__()
        load(self.images)  # refuses missing files early

    @property
    def data(self) -> str:
        return load(self.images).label

    @property
    def length(self) -> int:
        return int(SIDES[self.images] ** 2) + self.blanks

    @property
    def lag(self) -> int:
        return self.length - 1

    @property
    def solved_below(self) -> float:
        return 0.1 if self.images == "digits" else 0.05

    def floor(self, window: int) -> float:
        return _bound(self.images, self.order, max(window - self.blanks, 0))

    @property
    def partial_floors(self) -> Mapping[str, float]:
        return {"the last half of the pixels": _half(self.images, self.order)}

    def draw(self, generator: np.random.Generator, batch_size: int, held_out: bool = False) -> Batch:
        part = load(self.images).held_out if held_out else load(self.images).training
        drawn = part.draw(generator, batch_size)
        pixels = part.pixels[drawn][:, order_of(self.order, part.pixels.shape[1])]
        inputs = np.zeros((self.length, batch_size, 1), dtype=np.float32)
        inputs[: pixels.shape[1], :, 0] = pixels.T
        labels = part.labels[drawn]
        last = np.full(batch_size, self.length - 1)
        return ask_once(torch.from_numpy(inputs), labels, last, {"digit": labels}, lengths=False)

    def carried(self, batch: Batch) -> Tensor:
        return batch.inputs[..., 0] > 0


def order_of(order: str, count: int) -> np.ndarray:
    """Return the index of the pixel that each step shows, (count,); the shuffled order is always the same.

    >>> order_of("rows", 4), order_of("permuted", 4)
    (array([0, 1, 2, 3]), array([3, 1, 0, 2]))
    """
    if order == "rows":
        return np.arange(count)
    return np.random.Generator(np.random.Philox(key=count)).permutation(count)


def collision_error(pixels: np.ndarray, labels: np.ndarray) -> float:
    """Return the smallest error of any classifier of images, averaged over digits: equal rows of (n, k) get one answer.

    >>> collision_error(np.array([[0], [0], [1]]), np.array([4, 7, 7]))  # a 0 is a 4, or half of the 7s
    0.25
    """
    kinds, counts = np.unique(labels, return_counts=True)
    look = np.zeros(len(labels), dtype=np.int64)
    if pixels.shape[1]:
        look = np.unique(np.ascontiguousarray(pixels).view(f"V{pixels[0].nbytes}"), return_inverse=True)[1].ravel()
    weights = np.zeros((look.max() + 1, len(kinds)))
    np.add.at(
        weights, (look, np.searchsorted(kinds, labels)), (1 / counts / len(kinds))[np.searchsorted(kinds, labels)]
    )
    return round(1 - float(weights.max(1).sum()), 12)


@cache
def _bound(images: str, order: str, seen: int) -> float:
    kept = load(images).held_out
    shown = kept.pixels[:, order_of(order, kept.pixels.shape[1])]
    return collision_error(shown[:, max(shown.shape[1] - seen, 0) :], kept.labels)


@cache
def _half(images: str, order: str) -> float:
    """Return the error of the nearest class mean on the last half of the pixels."""
    met, kept = load(images).training, load(images).held_out
    half = order_of(order, met.pixels.shape[1])[met.pixels.shape[1] // 2 :]
    means = np.stack([met.pixels[met.labels == digit][:, half].mean(0) for digit in range(10)])
    nearest = np.square(kept.pixels[:, None, half] - means).sum(2).argmin(1)
    return float(np.mean([(nearest[kept.labels == digit] != digit).mean() for digit in range(10)]))


@cache
def load(images: str) -> ImageSet:
    """Return the images of the option `images`.

    Raises:
        UsageError: They are not installed, missing, or have other contents than expected.
    """
    if images == "digits":
        spec = find_spec("sklearn")
        path = Path(spec.origin or "").parent / "datasets" / "data" / "digits.csv.gz" if spec else None
        if path is None or not path.exists():
            raise UsageError("task digits needs scikit-learn: pip install 'longlag[digits]'")
        return read_table(gzip.decompress(path.read_bytes()))
    if not (folder := os.environ.get("LONGLAG_MNIST")):
        raise UsageError("task digits:images=mnist needs LONGLAG_MNIST=FOLDER, the folder of MNIST's four files")
    return read_mnist(Path(folder))


def read_table(content: bytes) -> ImageSet:
    """Read scikit-learn's table, rows of pixels from 0 to 16 and a label; every fifth row is kept out of training."""
    rows = np.loadtxt(content.decode("ascii").splitlines(), delimiter=",")
    kept = np.arange(len(rows)) % 5 == 4
    parts = [
        Images((part[:, :-1] / 16).astype(np.float32), part[:, -1].astype(np.int64))
        for part in (rows[~kept], rows[kept])
    ]
    return ImageSet(parts[0], parts[1], data_label("digits", content))


def read_mnist(folder: Path) -> ImageSet:
    """Read the four files of MNIST, or others of the same format, whose data label begins with ``not-mnist``.

    Raises:
        UsageError: A file is missing, cannot be read, or has other contents.
    """
    first = next(iter(PUBLISHED))
    place = next((folder / one for one in FOLDERS if _path(folder / one, first)), None)
    if place is None:
        raise UsageError(f"no file {first} or {first}.gz in {folder}, nor in MNIST/raw there")
    contents = {name: read_file(place, name) for name in PUBLISHED}
    parts = []
    for part in ("train", "t10k"):
        pixels, labels = (contents[f"{part}-{what}-ubyte"][1] for what in ("images-idx3", "labels-idx1"))
        if pixels.shape[1:] != (28, 28) or labels.shape != pixels.shape[:1] or set(labels.tolist()) != set(range(10)):
            rule = "images of 28 by 28 pixels with as many labels, among which each of 0 to 9 occurs"
            raise UsageError(f"task digits: the {part} files in {place} are not {rule}")
        parts.append(Images(pixels.reshape(len(pixels), -1).astype(np.float32) / 255, labels.astype(np.int64)))
    files = {name: content for name, (content, _) in contents.items()}
    published = all(hashlib.sha256(content).hexdigest() == PUBLISHED[name] for name, content in files.items())
    return ImageSet(parts[0], parts[1], data_label("mnist" if published else "not-mnist", *files.values()))


def _path(folder: Path, name: str) -> Path | None:
    spellings = [name, f"{name}.gz", name.replace("-idx", ".idx"), name.replace("-idx", ".idx") + ".gz"]
    return next((folder / spelling for spelling in spellings if (folder / spelling).is_file()), None)


def read_file(folder: Path, name: str) -> tuple[bytes, np.ndarray]:
    """Read a file of bytes in the IDX format, gzipped or not; return its decompressed content and the array.

    Raises:
        UsageError: There is no such file, it cannot be read, or it is not such a file.
    """
    if (path := _path(folder, name)) is None:
        raise UsageError(f"no file {name} or {name}.gz in {folder}")
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from None
    try:
        content = gzip.decompress(raw) if raw[:2] == b"\x1f\x8b" else raw
        return content, parse_idx(content)
    except (ValueError, EOFError, zlib.error, gzip.BadGzipFile):  # not IDX, cut short, damaged
        raise UsageError(f"{path} is not a complete IDX file of bytes") from None


def parse_idx(data: bytes) -> np.ndarray:
    """Parse an array of bytes in the IDX format: two zeros, type 8, the number of axes, their sizes, and the bytes.

    >>> parse_idx(bytes([0, 0, 8, 1, 0, 0, 0, 3, 7, 8, 9]))
    array([7, 8, 9], dtype=uint8)

    Raises:
        ValueError: It begins otherwise, or has more or fewer bytes than its header says.
    """
    if len(data) < 4 or data[:3] != b"\x00\x00\x08":
        raise ValueError("not an IDX file of bytes")
    sizes = np.frombuffer(data, dtype=">u4", count=data[3], offset=4).astype(np.int64)
    return np.frombuffer(data, dtype=np.uint8, offset=4 + 4 * len(sizes)).reshape(sizes)
