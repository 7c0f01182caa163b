"""Several face sets together: the share of each in the faces that a stage learns from."""

import math
from collections.abc import Iterator, Sequence
from itertools import accumulate, pairwise

import torch
from torch import Tensor
from torch.utils.data import Sampler

from leed.training.faces import Faces
from leed.training.run import mix_seed


def by_set(faces: Faces) -> dict[str, Tensor]:
    """Rows (n,) of each face set that has some among `faces`, by the set's name."""
    rows = {name: (faces.set_ids == i).nonzero().flatten() for i, name in enumerate(faces.set_names)}
    return {name: found for name, found in rows.items() if len(found)}


class SharedDraws(Sampler[int]):
    """Draws from several groups of rows by shares, in an order that seed and epoch alone decide.

    An epoch is as long as all groups together. The rows of a group are drawn equally often, but for one time: which
    rows are drawn once more, or at all where not all have room, changes from epoch to epoch.
    """

    def __init__(self, groups: Sequence[Tensor], shares: Sequence[float], seed: int = 0) -> None:
        self.groups, self.seed, self.epoch = groups, seed, 0
        total = sum(map(len, groups))
        ends = [round(total * end / sum(shares)) for end in accumulate(shares)]
        self.counts = [end - start for start, end in pairwise([0, *ends])]

    def set_epoch(self, epoch: int) -> None:
        """Chooses the draws of an epoch. Accelerate calls it, at one process and at several."""
        self.epoch = epoch

    def __len__(self) -> int:
        return sum(self.counts)

    def __iter__(self) -> Iterator[int]:
        generator = torch.Generator().manual_seed(mix_seed(self.seed, self.epoch))
        drawn = [draw(group, count, generator) for group, count in zip(self.groups, self.counts, strict=True)]
        rows = torch.cat(drawn)
        yield from rows[torch.randperm(len(rows), generator=generator)].tolist()


def draw(rows: Tensor, count: int, generator: torch.Generator) -> Tensor:
    """`count` of some rows (n,): all of them in random order, again and again until there are enough."""
    rounds = [rows[torch.randperm(len(rows), generator=generator)] for _ in range(math.ceil(count / len(rows)))]
    return torch.cat(rounds)[:count] if rounds else rows[:0]


def shared_draws(faces: Faces, shares: Sequence[float], seed: int) -> SharedDraws:
    """Draws from `faces` by the share of each set. Raises `ValueError` if a set with a share has none of them."""
    groups, named = by_set(faces), dict(zip(faces.set_names, shares, strict=True))
    if lacking := [name for name, share in named.items() if share and name not in groups]:
        raise ValueError(
            f"no face of {', '.join(lacking)} serves this stage: give such a set a share of 0, or leave it out"
        )
    return SharedDraws(list(groups.values()), [named[name] for name in groups], seed)
