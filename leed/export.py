"""LEED's steps exported as graphs for ONNX Runtime, and compared with PyTorch."""

import json
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import onnx
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from leed.config import EXPRESSIONS
from leed.data.drawn import draw_face
from leed.files import atomic_write_all
from leed.images import normalize
from leed.model import LEED, FaceModel, scaled
from leed.networks.upper import UPPER_SCALE, window_of
from leed.pretrained import WEIGHTS, read_digest
from leed.runtime import FOLDER, MANIFEST, REFINE, OnnxLEED, inputs_of, manifest_of, outputs_of

OPSET = 20
WINDOW_OF = {step: window for window, step in REFINE.items()}  # of each step of the upper level
SMALL = 1024  # constants with fewer numbers stay in float32


def export_graphs(folder: Path) -> Path:
    """Writes the graphs of the model that is saved in a folder into its folder `onnx`, which is returned."""
    leed = LEED.from_pretrained(folder)
    graphs = {name: step_graph(leed, name) for name in inputs_of(leed.config)}
    manifest = json.dumps(manifest_of(graphs, read_digest(folder / WEIGHTS)), indent=2) + "\n"
    files = {f"{name}.onnx": graph for name, graph in graphs.items()} | {MANIFEST: manifest.encode()}
    atomic_write_all(folder / FOLDER, files)
    return folder / FOLDER


def step_graph(leed: LEED, name: str) -> bytes:
    """One step of a model on the CPU as a serialised graph."""
    batch, regions = 2, 3  # the exporter takes a size of 1 for a constant
    image = torch.zeros(batch, 3, leed.config.image_size, leed.config.image_size)
    with torch.no_grad():
        code = leed.encode(image)
        examples = {"image": image, "code": code, "code_neutral": code.clone(), "delta_exp": leed.extract(code, code)}
        examples |= {"context": leed.context(code).clone(), "alpha": torch.ones(batch)}
    examples["features"] = torch.zeros(batch, leed.config.interpolator_width, *code.shape[2:])
    examples["parts"] = torch.stack([examples["delta_exp"]] * regions, 1)
    examples["masks"] = torch.rand(regions, *code.shape[2:])
    if name in WINDOW_OF:
        side = UPPER_SCALE * leed.config.image_size
        examples["moved"] = window_of(WINDOW_OF[name], side).of(torch.zeros(batch, 3, side, side)).clone()
        examples["edit"] = examples["moved"].clone()
    names = inputs_of(leed.config)[name]
    inputs = tuple(examples[argument] for argument in names)
    any_size = torch.export.Dim.DYNAMIC
    sizes = {argument: {0: any_size} for argument in examples} | {"parts": {0: any_size, 1: any_size}}
    with TemporaryDirectory() as folder:
        path = Path(folder) / "graph.onnx"
        torch.onnx.export(
            Step(leed, name).eval(),
            inputs,
            path,
            input_names=names,
            output_names=outputs_of(leed.config)[name],
            dynamic_shapes=(tuple(sizes[argument] for argument in names),),
            opset_version=OPSET,
            dynamo=True,
            external_data=False,
            verbose=False,
        )
        return halved(without_notes(onnx.load(path))).SerializeToString()


class Step(nn.Module):
    """A step of a model as a module of its own."""

    def __init__(self, leed: LEED, name: str) -> None:
        super().__init__()
        self.leed, self.name = leed, name

    def forward(self, *inputs: Tensor) -> Tensor | tuple[Tensor, ...]:
        if self.name in WINDOW_OF:
            *seen, delta_exp, masks, alpha = inputs
            return self.leed.upper_levels[WINDOW_OF[self.name]](*seen, scaled(alpha, delta_exp), masks)
        if self.name == "render":
            return tuple(output for output in self.leed.render_parts(*inputs) if output is not None)
        return getattr(self.leed, self.name)(*inputs)


def without_notes(model: onnx.ModelProto) -> onnx.ModelProto:
    """The graph without the exporter's notes, which contain paths of the machine that it ran on."""
    graph = model.graph
    for noted in (model, graph, *graph.node, *graph.initializer, *graph.value_info, *graph.input, *graph.output):
        noted.ClearField("metadata_props")
        noted.ClearField("doc_string")
    return model


def halved(model: onnx.ModelProto) -> onnx.ModelProto:
    """The graph with all weights that half precision holds exactly in half precision; a session casts them back.

    Published weights are of that kind: the graphs are as small as the weights and compute the same.
    """
    casts = []
    for initializer in model.graph.initializer:
        values = onnx.numpy_helper.to_array(initializer)
        with np.errstate(over="ignore"):
            half = values.astype(np.float16) if values.dtype == np.float32 and values.size >= SMALL else None
        if half is None or not np.array_equal(half.astype(np.float32), values):
            continue
        name = initializer.name
        initializer.CopyFrom(onnx.numpy_helper.from_array(half, f"{name}.half"))
        casts.append(onnx.helper.make_node("Cast", [f"{name}.half"], [name], to=onnx.TensorProto.FLOAT))
    nodes = casts + list(model.graph.node)
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    return model


def compare_graphs(folder: Path, batches: tuple[int, ...] = (1, 2, 8)) -> dict[str, float]:
    """Largest differences between a model's graphs and PyTorch on synthetic faces, by what is compared.

    Faces lie in [-1, 1]; each takes the expression of the next, alpha between 0 and 2.
    """
    leed, graphs = LEED.from_pretrained(folder), OnnxLEED.from_pretrained(folder)
    size = leed.config.image_size
    differences: dict[str, float] = {}
    for count in batches:
        drawn = [draw_face(i, 1 + i % (len(EXPRESSIONS) - 1), size=size) for i in range(count + 1)]
        faces = normalize(torch.stack(drawn))
        expected, found = (_results(model, faces) for model in (leed, graphs))
        for name, values in expected.items():
            difference = float((found[name] - values).abs().max())
            differences[name] = max(differences.get(name, 0.0), difference)
    return differences


def _results(model: FaceModel, faces: Tensor) -> dict[str, Tensor]:
    """Neutral faces, delta_exp and edits of faces (B + 1, 3, H, W) with the expressions of the next."""
    image, reference = faces[:-1], faces[1:]
    expression, alpha = model.expression(reference), torch.linspace(0, 2, len(image))
    regions = expression.at("mouth") + expression[0].at("eyes")
    upper = {}
    if model.config.upper_widths:
        picture = F.interpolate(image, scale_factor=UPPER_SCALE, mode="bicubic")
        for name, wanted in (("upper level", expression), ("upper level of regions", regions)):
            prepared = model.prepare(image, wanted)
            for window, found in prepared.refine(picture, prepared.trace(alpha), alpha).items():
                upper[f"{name}, {window}"] = found.drawn
    return upper | {
        "neutral face": model.neutralize(image),
        "delta_exp": expression.delta_exp,
        "edit": model.edit(image, expression, alpha),
        "edit of regions": model.edit(image, regions, alpha),
    }
