"""The graphs of a model compute what PyTorch computes, at any batch size; broken ones are refused or replaced."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from conftest import ROOT, VARIANTS
from PIL import Image

from leed import LEED
from leed.config import TINY, replace
from leed.data.drawn import draw_face
from leed.export import compare_graphs, export_graphs, step_graph
from leed.images import normalize
from leed.pretrained import WEIGHTS, ModelFileError, read_digest
from leed.runtime import FOLDER, INPUTS, MANIFEST, WITHOUT_REGIONS, GraphError, OnnxLEED, load, manifest_of

pytest.importorskip("onnxscript", reason='exporting needs onnxscript: pip install -e ".[test]"')
SIDE = TINY.image_size


@pytest.fixture(scope="module")
def folder(lively_leed: LEED, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model in half precision, as published ones are, with its graphs."""
    folder = tmp_path_factory.mktemp("model")
    lively_leed.save_pretrained(folder, dtype=torch.float16)
    export_graphs(folder)
    return folder


@pytest.fixture
def copy(folder: Path, tmp_path: Path) -> Path:
    """The same, to be broken."""
    return shutil.copytree(folder, tmp_path, dirs_exist_ok=True)


@pytest.fixture(scope="module")
def upper_folder(perturb: Callable, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model with both windows of the upper level, with its graphs."""
    folder = tmp_path_factory.mktemp("upper")
    perturb(LEED(replace(TINY, upper_width=8, upper_eyes_width=8, upper_depth=1))).save_pretrained(folder)
    export_graphs(folder)
    return folder


def faces(count: int, first: int = 0) -> torch.Tensor:
    """Drawn people from number `first` on, each with another expression."""
    return normalize(torch.stack([draw_face(first + i, 1 + i % 7, size=SIDE) for i in range(count)]))


@pytest.mark.parametrize("count", range(1, 9))
def test_graphs_compute_what_pytorch_computes(folder: Path, count: int) -> None:
    leed, graphs = LEED.from_pretrained(folder), OnnxLEED.from_pretrained(folder)
    image, reference, alpha = faces(count), faces(count, first=9), torch.linspace(0, 2, count)
    for call in (
        lambda model: model.neutralize(image),
        lambda model: model.expression(reference).delta_exp,
        lambda model: model.edit(image, reference, alpha),
        lambda model: model.edit(image, reference[:1], 0.7),
    ):
        torch.testing.assert_close(call(graphs), call(leed), rtol=0, atol=1e-4)


@pytest.mark.parametrize("count", [1, 3])
def test_graphs_know_regions(folder: Path, count: int) -> None:
    leed, graphs = LEED.from_pretrained(folder), OnnxLEED.from_pretrained(folder)
    image, reference, alpha = faces(count), leed.expression(faces(count, first=9)), torch.linspace(0.5, 2, count)
    happy = leed.expression(faces(1, first=20))
    for mix in (happy.at("mouth"), happy.at("mouth") + reference.at("eyes"), reference.at("left") + happy.at("mouth")):
        torch.testing.assert_close(graphs.edit(image, mix, alpha), leed.edit(image, mix, alpha), rtol=0, atol=1e-4)
    assert "in_pytorch" not in vars(graphs) and graphs.digest == leed.digest == happy.model


def test_older_graphs_leave_regions_to_pytorch(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Graphs that were exported before there were regions go on as they were."""
    leed = LEED.from_pretrained(copy)
    graphs = {name: (copy / FOLDER / f"{name}.onnx").read_bytes() for name in INPUTS}
    with monkeypatch.context() as patch:
        patch.setitem(INPUTS, "render", WITHOUT_REGIONS)
        render = LEED.render_parts
        patch.setattr(LEED, "render_parts", lambda leed, *given: render(leed, *given[:3], None, given[3]))
        graphs["render"] = step_graph(leed, "render")
    (copy / FOLDER / "render.onnx").write_bytes(graphs["render"])
    (copy / FOLDER / MANIFEST).write_text(json.dumps(manifest_of(graphs, read_digest(copy / WEIGHTS))))
    older = OnnxLEED.from_pretrained(copy)
    image, happy = faces(2), leed.expression(faces(1, first=9))
    torch.testing.assert_close(older.edit(image, happy, 0.7), leed.edit(image, happy, 0.7), rtol=0, atol=1e-4)
    assert "in_pytorch" not in vars(older)
    mix = happy.at("mouth")
    torch.testing.assert_close(older.edit(image, mix, 0.7), leed.edit(image, mix, 0.7), rtol=0, atol=1e-4)
    with pytest.raises(GraphError, match="know no regions of a face. Export them again"):
        OnnxLEED(leed.config, graphs).edit(image, mix)


@pytest.mark.slow
def test_the_paper_s_reading_can_be_exported(perturb: Callable, tmp_path: Path) -> None:
    """Convolutions alone, delta_exp as a map, no flow, StarGAN's generator."""
    perturb(LEED(VARIANTS["as in the paper"])).save_pretrained(tmp_path)
    export_graphs(tmp_path)
    differences = compare_graphs(tmp_path, batches=(1, 3))
    assert max(differences.values()) <= 1e-4, differences


def test_pictures_and_errors_are_the_model_s_own(folder: Path) -> None:
    leed, graphs = LEED.from_pretrained(folder), OnnxLEED.from_pretrained(folder)
    pixels = np.random.default_rng(0).integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)
    picture = Image.fromarray(pixels)
    prepared = graphs.prepare(picture, graphs.expression(picture))
    difference = np.asarray(prepared(0.5), int) - np.asarray(leed.edit(picture, picture, 0.5), int)
    assert np.abs(difference).max() <= 1  # of 255
    with pytest.raises(ValueError, match=r"alpha must be in \[0, 2\]"):
        prepared(3)
    with pytest.raises(ValueError, match="got 3 images and 2 references"):
        graphs.edit(faces(3), faces(2))


def test_graphs_are_as_small_as_the_weights(folder: Path) -> None:
    """Half precision on disk, cast when a session starts, and not a bit lost by it."""
    graphs = sum((folder / FOLDER / f"{name}.onnx").stat().st_size for name in INPUTS)
    assert graphs < 1.6 * (folder / WEIGHTS).stat().st_size  # tiny networks are mostly description
    model = onnx.load(folder / FOLDER / "render.onnx")
    large = [item for item in model.graph.initializer if np.prod(item.dims) >= 4096]
    assert large and all(item.data_type == onnx.TensorProto.FLOAT16 for item in large)


def test_graphs_name_no_folder_of_the_machine(folder: Path) -> None:
    for graph in (folder / FOLDER).glob("*.onnx"):
        content = graph.read_bytes()
        assert str(ROOT).encode() not in content and b"stack_trace" not in content and b"site-packages" not in content


def test_the_fastest_engine_is_chosen(copy: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert isinstance(load(copy), LEED if torch.cuda.is_available() else OnnxLEED)
    assert not caplog.records


BREAK = {
    "missing folder": lambda folder: (folder / FOLDER).rename(folder / "elsewhere"),
    "missing graph": lambda folder: (folder / FOLDER / "render.onnx").unlink(),
    "missing manifest": lambda folder: (folder / FOLDER / MANIFEST).unlink(),
    "no JSON": lambda folder: (folder / FOLDER / MANIFEST).write_text("{"),
    "bit flipped": lambda folder: flip(folder / FOLDER / "encode.onnx"),
    "cut": lambda folder: (folder / FOLDER / "extract.onnx").write_bytes(b""),
    "other weights": lambda folder: LEED(TINY).save_pretrained(folder),
}


def flip(file: Path) -> None:
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)


@pytest.mark.skipif(torch.cuda.is_available(), reason="a GPU runs PyTorch anyway")
@pytest.mark.parametrize("name", BREAK)
def test_pytorch_stands_in_for_broken_graphs(copy: Path, name: str, caplog: pytest.LogCaptureFixture) -> None:
    BREAK[name](copy)
    with pytest.raises(GraphError, match="Export them again") as error:
        OnnxLEED.from_pretrained(copy)
    assert "\n" not in str(error.value)
    assert isinstance(load(copy), LEED)
    assert "PyTorch is used instead" in caplog.text


def test_a_graph_that_is_none_is_refused(copy: Path) -> None:
    """Even where the manifest vouches for it."""
    graphs = {name: b"no graph" for name in INPUTS}
    with pytest.raises(GraphError, match="graph neutral cannot be read"):
        OnnxLEED(TINY, graphs)


def test_broken_weights_are_no_matter_of_engines(copy: Path) -> None:
    (copy / WEIGHTS).write_bytes(b"")
    with pytest.raises(ModelFileError, match="damaged"):
        load(copy)


def test_manifest_names_weights_and_graphs(folder: Path) -> None:
    manifest = json.loads((folder / FOLDER / MANIFEST).read_text())
    assert manifest.keys() == {WEIGHTS} | {f"{name}.onnx" for name in INPUTS}


def test_each_window_of_the_upper_level_is_a_graph_of_its_own(upper_folder: Path) -> None:
    manifest = json.loads((upper_folder / FOLDER / MANIFEST).read_text())
    assert manifest.keys() >= {"refine.onnx", "refine_eyes.onnx", "render.onnx"}
    differences = compare_graphs(upper_folder, batches=(1, 3))
    for window in ("mouth", "eyes"):
        assert {f"upper level, {window}", f"upper level of regions, {window}"} < set(differences)
    assert max(differences.values()) <= 1e-4, differences
    graphs, leed = OnnxLEED.from_pretrained(upper_folder), LEED.from_pretrained(upper_folder)
    assert graphs.digest == leed.digest != read_digest(upper_folder / WEIGHTS)


def test_graphs_that_give_no_features_are_refused(folder: Path, upper_folder: Path, tmp_path: Path) -> None:
    """As those of models with an upper level were before; such a model runs in PyTorch."""
    shutil.copytree(upper_folder, tmp_path, dirs_exist_ok=True)
    shutil.copy(folder / FOLDER / "render.onnx", tmp_path / FOLDER)
    graphs = {path.stem: path.read_bytes() for path in (tmp_path / FOLDER).glob("*.onnx")}
    (tmp_path / FOLDER / MANIFEST).write_text(json.dumps(manifest_of(graphs, read_digest(tmp_path / WEIGHTS))))
    with pytest.raises(GraphError, match=r"are of an older kind\. Export them again with python hub/graphs\.py"):
        OnnxLEED.from_pretrained(tmp_path)
    assert isinstance(load(tmp_path), LEED)
