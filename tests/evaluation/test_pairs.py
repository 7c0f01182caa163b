"""The triples of an evaluation set."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from samples import CAMERAS

from leed.evaluation.pairs import Triples, camera_yaws, lip_opening, load_triples


def test_camera_yaws_and_lip_opening() -> None:
    assert camera_yaws(np.array(CAMERAS)).tolist() == [-45, -22, 0, 22, 45]
    landmarks = np.zeros((1, 68, 2))
    landmarks[0, [67, 66, 65], 1] = (3, 6, 9)
    assert lip_opening(landmarks).tolist() == [6]


def test_load_triples(evaluation_folders: dict[str, Path], triples: Triples) -> None:
    assert len(triples) == 10
    assert triples.inputs.shape == triples.reference_neutrals.shape == (10, 3, 32, 32)
    assert triples.reference_expressions.tolist() == [0, 1, 2, 3, 4, 5, 6, 7, 0, 1]
    assert triples.input_yaws.tolist()[:5] == [-45, -22, 0, 22, 45]
    few = load_triples(evaluation_folders["pairs"], image_size=32, max_triples=3)
    assert few.reference_expressions.tolist() == [0, 4, 1]  # rows 0, 4, 9
    assert (few.input_neutrals[2] == triples.input_neutrals[9]).all()


def test_missing_twins_are_an_error(evaluation_folders: dict[str, Path], tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no true neutrals: .* give --twins_dir"):
        load_triples(evaluation_folders["pairs"], tmp_path, image_size=32)
    twins = pq.read_table(evaluation_folders["twins"] / "pairs-0.parquet")
    pq.write_table(twins.slice(0, 4), tmp_path / "pairs-0.parquet")
    with pytest.raises(ValueError, match="no true neutral of 0002_input.webp"):
        load_triples(evaluation_folders["pairs"], tmp_path, image_size=32)


def test_triples_are_found_by_their_numbers_where_some_are_left_out(
    evaluation_folders: dict[str, Path], triples: Triples, tmp_path: Path
) -> None:
    table = pq.read_table(evaluation_folders["pairs"]).append_column("triple", pa.array(range(10)))
    pq.write_table(table.take([7, 2]), tmp_path / "test-0.parquet")
    few = load_triples(tmp_path, evaluation_folders["twins"], image_size=32)
    assert (few.inputs == triples.inputs[[7, 2]]).all()
    assert (few.input_neutrals == triples.input_neutrals[[7, 2]]).all()
    pq.write_table(table.take([7, 7]), tmp_path / "test-0.parquet")
    with pytest.raises(ValueError, match="column triple has 1 numbers in 2 rows"):
        load_triples(tmp_path, evaluation_folders["twins"], image_size=32)
