"""The pictures of the user studies, Table 3: edits by each method and the same people's own pictures, as `leed.study`
reads them: a folder for each source, and the same names in all of them."""

import re
from pathlib import Path

import numpy as np

from leed.config import EXPRESSIONS
from leed.evaluation.paper.cache import progress
from leed.evaluation.paper.figures import choose
from leed.evaluation.paper.methods import Method
from leed.evaluation.paper.plan import Edits
from leed.evaluation.paper.report import save_picture
from leed.images import to_pil

REAL = "real"


def study_edits(edits: Edits, count: int) -> Edits:
    """`count` of the edits, each with an own picture that is no other's: the expressions in turn, and people in turn.

    Raises `ValueError` if there are fewer.
    """
    own, first = np.unique(edits.own, return_index=True)
    first = first[own >= 0]
    if len(first) < count:
        raise ValueError(
            f"a study of {count} edits takes as many own pictures of the people for comparison, but the {len(edits)} "
            f"planned edits have {len(first)}: lower --num_study or raise --num_edits"
        )
    allowed = np.isin(np.arange(len(edits)), first)
    return edits.select(choose(edits, count, allowed, allowed, range(len(EXPRESSIONS))))


def sources(methods: list[Method]) -> list[str]:
    """The names of the folders."""
    return [REAL, *(method.name.lower() for method in methods)]


def picture_names(edits: Edits) -> list[str]:
    """A file's name for each edit, without suffix: its number, person and expression."""
    people = [re.sub(r"[^A-Za-z0-9]+", "-", person) for person in edits.persons.tolist()]
    wanted = [EXPRESSIONS[expression] for expression in edits.expressions.tolist()]
    return [f"{i:04}_{person}_{name}" for i, (person, name) in enumerate(zip(people, wanted, strict=True))]


def check_folder(folder: Path, methods: list[Method], edits: Edits) -> None:
    """Raises `ValueError` if there are other pictures where those of a study are to be written."""
    own = {folder / source / f"{name}.png" for source in sources(methods) for name in picture_names(edits)}
    if strangers := sorted(path for path in folder.glob("[!.]*/[!.]*") if path not in own):
        raise ValueError(
            f"{strangers[0]} is not of this study, whose pictures would lie next to it: give --study_dir a new folder"
        )


def write_pictures(folder: Path, methods: list[Method], edits: Edits, batch_size: int) -> None:
    """Writes the edits and the people's own pictures, all in the same way.

    Edits do not get the mark that a model altered them: it would tell them apart.
    """
    names = picture_names(edits)
    for source in sources(methods):
        (folder / source).mkdir(parents=True, exist_ok=True)
    for start in progress(list(range(0, len(edits), batch_size)), "pictures of the studies"):
        rows = np.arange(len(edits))[start : start + batch_size]
        request = edits.request(rows)
        found = [edits.truths(rows)[0], *(method(request) for method in methods)]
        for source, pictures in zip(sources(methods), found, strict=True):
            for row, picture in zip(rows, pictures, strict=True):
                save_picture(folder / source, names[row], to_pil(picture))
