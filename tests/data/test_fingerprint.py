"""Digests of a table's pictures: equal for equal pictures alone."""

import os
from pathlib import Path

import torch
from samples import png, save

from leed.data.fingerprint import fingerprint, tensors_digest
from leed.data.table import standard_table


def test_embedded_pictures_count_by_their_bytes() -> None:
    red, blue = png((255, 0, 0)), png((0, 0, 255))
    same = [fingerprint(standard_table(2, image=[red, blue], expression=labels)) for labels in ([0, 1], [2, 3])]
    others = [
        standard_table(2, image=[blue, red]),
        standard_table(2, image=[red, red]),
        standard_table(2, image=[red, blue], neutral=[None, red]),
        standard_table(2, image=[red, blue], image_crop=[None, [0, 0, 0.5, 0.5]]),
        standard_table(1, image=[red]),
    ]
    assert same[0] == same[1]
    assert len({same[0], *map(fingerprint, others)}) == 1 + len(others)


def test_files_count_by_name_size_and_time(tmp_path: Path) -> None:
    file = save(tmp_path / "face.png")
    table = standard_table(2, image=[file, tmp_path / "missing.png"])
    before = fingerprint(table)
    assert fingerprint(table) == before
    os.utime(file, ns=(0, 1))
    touched = fingerprint(table)
    file.unlink()
    assert len({before, touched, fingerprint(table)}) == 3


def test_selected_rows_have_a_digest_of_their_own() -> None:
    table = standard_table(3, image=[png((value, 0, 0)) for value in (0, 100, 200)])
    assert fingerprint(table.select([2, 0])) == fingerprint(table.select([2, 1, 0]).select([0, 2]))
    assert fingerprint(table.select([2, 0])) != fingerprint(table.select([0, 2]))


def test_tensors_count_by_name_shape_and_value() -> None:
    values = torch.arange(6, dtype=torch.float32)
    digests = {
        tensors_digest(tensors)
        for tensors in (
            {"a": values},
            {"b": values},
            {"a": values.view(2, 3)},
            {"a": values.half()},
            {"a": values + 1},
        )
    }
    assert len(digests) == 5
    assert tensors_digest({"a": values, "b": values}) == tensors_digest({"b": values, "a": values})
    assert tensors_digest({"a": torch.zeros(2, 3).t()}) == tensors_digest({"a": torch.zeros(3, 2)})
