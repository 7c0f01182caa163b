"""The edits that the experiments make: rows of inputs, of references, and of pictures to compare with."""

import numpy as np
import torch

from leed.config import ACTION_UNITS, EXPRESSIONS
from leed.evaluation.pairs import Triples
from leed.evaluation.paper.corpus import Faces
from leed.evaluation.paper.methods import Request
from leed.images import normalize


class Edits:
    """Edits of a face set: rows of inputs, references and, for comparison, of the same person's own picture.

    `own` is -1 where the person has no picture of the reference's expression. `content` (N, 3) holds all three.
    """

    def __init__(self, faces: Faces, inputs: np.ndarray, references: np.ndarray) -> None:
        self.faces, self.inputs, self.references = faces, inputs, references
        self.own = own_pictures(faces, inputs, references)
        self.content = np.stack([self.inputs, self.references, self.own], axis=1)
        self.expressions = torch.from_numpy(faces.expressions[references])
        self.action_units = faces.action_units[references]
        self.persons = faces.persons[inputs]
        self.input_yaws, self.reference_yaws = faces.yaws[inputs], faces.yaws[references]

    def __len__(self) -> int:
        return len(self.inputs)

    def request(self, rows: np.ndarray) -> Request:
        """The edits of these rows, to be made."""
        return Request(
            image=normalize(self.faces.take(self.inputs[rows])),
            reference=normalize(self.faces.take(self.references[rows])),
            expression=self.expressions[rows],
            action_units=self.action_units[rows],
        )

    def truths(self, rows: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
        """The same people's own pictures (B, 3, S, S) in [-1, 1], and a mask (B,) of those that exist."""
        own = self.own[rows]
        return normalize(self.faces.take(np.maximum(own, 0))), torch.from_numpy(own >= 0)

    def select(self, rows: np.ndarray) -> "Edits":
        """The edits of these rows."""
        return Edits(self.faces, self.inputs[rows], self.references[rows])


class TrueEdits:
    """Edits whose truth is known: triples. Attributes are named as in `Edits`."""

    def __init__(
        self, triples: Triples, action_units: torch.Tensor | None = None, content: np.ndarray | None = None
    ) -> None:
        self.triples = triples
        self.content = np.arange(len(triples)) if content is None else content
        self.expressions, self.persons = triples.reference_expressions, triples.input_persons
        self.input_yaws, self.reference_yaws = triples.input_yaws, triples.reference_yaws
        unknown = torch.full((len(triples), len(ACTION_UNITS)), torch.nan)
        self.action_units = unknown if action_units is None else action_units

    def __len__(self) -> int:
        return len(self.triples)

    def request(self, rows: np.ndarray) -> Request:
        """The edits of these rows, to be made."""
        part = self.triples.select(rows)
        return Request(
            normalize(part.inputs), normalize(part.references), part.reference_expressions, self.action_units[rows]
        )

    def truths(self, rows: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
        """The true edits (B, 3, S, S) in [-1, 1], and a mask (B,), which is True for all."""
        return normalize(self.triples.targets[rows]), torch.ones(len(rows), dtype=torch.bool)

    def select(self, rows: np.ndarray) -> "TrueEdits":
        """The edits of these rows."""
        return TrueEdits(self.triples.select(rows), self.action_units[rows], self.content[rows])


def plan_edits(faces: Faces, count: int, allowed: np.ndarray | None = None, seed: int = 0) -> Edits:
    """Up to `count` different edits: every labelled picture, paired with each other expression in turn.

    This is repeated, with other references, until there are `count`. The reference is another person's picture of the
    expression, drawn by `seed`. Both are among the pictures that `allowed` (N,) marks. The first edits do not depend
    on `count`. Raises `ValueError` if no edit can be made.
    """
    random = np.random.default_rng(seed)
    labelled = np.flatnonzero((faces.expressions >= 0) & (True if allowed is None else allowed))
    by_expression = {
        e: random.permutation(labelled[faces.expressions[labelled] == e]) for e in range(len(EXPRESSIONS))
    }
    tasks = [(row, e) for row in labelled for e in by_expression if e != faces.expressions[row]]
    tasks = [tasks[i] for i in random.permutation(len(tasks))]
    inputs: list[int] = []
    chosen: list[int] = []
    for turn in range(len(faces)):
        made = len(inputs)
        for place, (row, expression) in enumerate(tasks):
            if len(inputs) == count:
                return Edits(faces, np.array(inputs), np.array(chosen))
            pool = by_expression[expression]
            strangers = pool[faces.persons[pool] != faces.persons[row]]
            if turn < len(strangers):
                inputs.append(int(row))
                chosen.append(int(strangers[(place + turn) % len(strangers)]))
        if len(inputs) == made:
            break
    if not inputs:
        people = len(np.unique(faces.persons[labelled]))
        raise ValueError(
            f"no edit can be made of {len(labelled)} labelled pictures of {people} people: it takes two people and "
            "two expressions; of a set that is not divided, --held_out says how many people are test people"
        )
    return Edits(faces, np.array(inputs), np.array(chosen))


def own_pictures(faces: Faces, inputs: np.ndarray, references: np.ndarray) -> np.ndarray:
    """For each edit the row of the input person's own picture of the reference's expression, -1 if there is none.

    If there are several, it is the one whose yaw is nearest to the input's, then the first.
    """
    rows: dict[tuple[str, int], list[int]] = {}
    for row, key in enumerate(zip(faces.persons.tolist(), faces.expressions.tolist(), strict=True)):
        rows.setdefault(key, []).append(row)
    own = []
    for image, reference in zip(inputs, references, strict=True):
        found = np.array(rows.get((str(faces.persons[image]), int(faces.expressions[reference])), [-1]))
        turned = np.nan_to_num(np.abs(faces.yaws[found] - faces.yaws[image]))
        own.append(found[turned.argmin()])
    return np.array(own)
