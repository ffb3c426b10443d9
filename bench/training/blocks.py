"""Blocks: the consecutive rows of a cohort that share a clipping setting."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from longlag.clips.base import Clip


@dataclass(frozen=True, eq=False)
class Block:
    """The rows of a cohort that share a clipping setting; a cohort is ordered so that they lie together.

    Attributes:
        clip: The clipping setting.
        rows: The places of the rows in the cohort.
        by_pass: Whether compiled passes clip and update these rows; else code in torch does.
    """

    clip: Clip
    rows: slice
    by_pass: bool = False

    @property
    def places(self) -> range:
        """The places of the rows, one by one."""
        return range(self.rows.start, self.rows.stop)


def blocks_of(clips: Sequence[Clip]) -> list[Block]:
    """Cut the rows of a cohort into blocks of equal clips.

    >>> from longlag.clips.norm import ClipNorm
    >>> [block.rows for block in blocks_of([ClipNorm(1.0), ClipNorm(1.0), ClipNorm(2.0)])]
    [slice(0, 2, None), slice(2, 3, None)]
    """
    starts = [i for i, clip in enumerate(clips) if i == 0 or clip != clips[i - 1]]
    return [Block(clips[start], slice(start, end)) for start, end in pairwise([*starts, len(clips)])]
