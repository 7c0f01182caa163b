"""What researchers bring of their own: pictures of all kinds, few people, tables that are not quite as expected."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image
from samples import embedded, write_triples

from leed.evaluation import __main__ as command
from leed.evaluation import metrics, neutral
from leed.evaluation.pairs import load_triples
from leed.evaluation.tables import save_results


def change(folder: Path, **columns: Callable[[list], list]) -> None:
    """Writes the triples of a folder again, with these columns changed."""
    table = pq.read_table(folder / "test-0.parquet")
    for name, changed in columns.items():
        place = table.column_names.index(name)
        table = table.set_column(place, name, pa.array(changed(table[name].to_pylist())))
    pq.write_table(table, folder / "test-0.parquet")


@pytest.fixture
def pairs(tmp_path: Path) -> Path:
    """Two triples, to be changed."""
    return write_triples(tmp_path, 2)


def broken(pictures: list) -> list:
    return [pictures[0], {"bytes": b"no picture", "path": None}]


@pytest.mark.parametrize(
    ("column", "changed", "message"),
    [
        ("input", broken, "faces-pairs, row 1, input: no picture in a format that Pillow reads"),
        ("target", lambda _: [None, None], "faces-pairs, row 0, target: expected a picture, .* got none"),
        ("reference", lambda _: ["a.png"] * 2, "faces-pairs, row 0, reference: expected a picture, .* got str"),
        ("input_expression", lambda _: [3, 8], "input_expression must be from 0 to 7, .* 1 of 2 are not, .* is 8"),
        ("input_expression", lambda _: ["happy"] * 2, "input_expression must be from 0 to 7, .* is 'happy'"),
        ("reference_expression", lambda _: [None, 1], "reference_expression must be .* the first is None"),
        ("input_camera", lambda _: ["090", "left"], "cameras must be degrees.* 1 of 2 are not, the first is 'left'"),
        ("input_person", lambda _: ["anna", None], "1 of 2 rows have no input_person: give every person a name"),
        ("landmarks_input", lambda _: [[0.0] * 10] * 2, "landmarks_input must be x and y of 68 landmarks"),
    ],
)
def test_a_mistake_is_named_with_its_place(pairs: Path, column: str, changed: Callable, message: str) -> None:
    change(pairs, **{column: changed})
    with pytest.raises(ValueError, match=message):
        load_triples(pairs, image_size=32)


def test_a_table_without_rows_is_named(pairs: Path) -> None:
    pq.write_table(pq.read_table(pairs / "test-0.parquet").slice(0, 0), pairs / "test-0.parquet")
    with pytest.raises(ValueError, match="faces-pairs has no triples: its parquet files have no rows"):
        load_triples(pairs, image_size=32)


def test_pictures_of_any_size_and_mode_are_read(pairs: Path) -> None:
    """Grey, with transparency, of 16 bits, by a palette, wide and tall: each as three channels of one size."""
    ramp = Image.linear_gradient("L")
    kinds = [ramp, ramp.resize((400, 300)), ramp.resize((64, 90)).convert("RGBA"), ramp.convert("P")]
    kinds.append(Image.fromarray(np.asarray(ramp, dtype=np.uint16) * 257))
    for first, second in zip(kinds, [*kinds[1:], kinds[0]], strict=True):
        change(pairs, input=lambda _, both=(first, second): [embedded(picture) for picture in both])
        inputs = load_triples(pairs, image_size=32).inputs
        assert inputs.shape == (2, 3, 32, 32)
        assert (inputs.amax(dim=1) - inputs.amin(dim=1)).max() == 0  # grey stays grey
        assert all(picture.float().std() > 30 for picture in inputs)  # and no picture is black or white alone


def test_one_triple_and_one_person_are_measured_without_an_interval(
    evaluation_folders: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    pairs = write_triples(tmp_path, 1)
    change(pairs, reference_person=lambda _: ["person0"], reference_expression=lambda _: [0])
    given = ["--model", str(evaluation_folders["leed"]), "--data_dir", str(pairs), "--no-identity", "--device", "cpu"]
    evaluator = ["--evaluator", str(evaluation_folders["evaluator"]), "--contact_sheet"]
    for main, more, file in (
        (command.main, evaluator, "metrics.json"),
        (neutral.main, [], "neutral.json"),
    ):
        main([*given, *more, "--output_dir", str(tmp_path / "out")])
        printed = capsys.readouterr().out
        assert "[-, -]" in printed and "nan" not in printed.lower()
        text = (tmp_path / "out" / file).read_text()
        found = json.loads(text, parse_constant=pytest.fail)["metrics"]["all"]
        assert found["ssim_face" if "ssim_face" in found else "edit_ssim_face"]["low"] is None
    shutil.rmtree(tmp_path / "out")


def test_a_group_of_one_person_has_no_interval() -> None:
    """Its resamplings are all alike, which would look like certainty."""
    persons, values = np.array(["a", "a", "b", "c"]), np.array([1.0, 2.0, 3.0, 5.0])
    groups = {"all": np.ones(4, bool), "a": persons == "a"}
    found = metrics.estimates({"mean": metrics.mean_of(values)}, persons, groups)
    assert found["all"]["mean"].low < found["all"]["mean"].value < found["all"]["mean"].high
    assert found["a"]["mean"].value == 1.5 and np.isnan(found["a"]["mean"][1:]).all()
    alone = metrics.estimates({"mean": metrics.mean_of(values)}, np.array(["a"] * 4), {"all": groups["all"]})
    assert alone["all"]["mean"].value == 2.75 and np.isnan(alone["all"]["mean"][1:]).all()


def test_what_is_not_measured_is_null(tmp_path: Path) -> None:
    """JSON knows neither NaN nor infinity, and few programs read them."""
    save_results(tmp_path, "x", "", {"a": {"b": [1.0, float("nan")], "c": float("inf")}, "d": "nan"})
    found = json.loads((tmp_path / "x.json").read_text(), parse_constant=pytest.fail)
    assert found == {"a": {"b": [1.0, None], "c": None}, "d": "nan"}
