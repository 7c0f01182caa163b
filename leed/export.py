"""LEED's steps exported as graphs for ONNX Runtime, and compared with PyTorch."""

import json
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import onnx
import torch
from torch import Tensor, nn

from leed.config import EXPRESSIONS
from leed.data.drawn import draw_face
from leed.files import replace_files
from leed.images import normalize
from leed.model import LEED, Warped
from leed.pretrained import WEIGHTS, read_digest
from leed.runtime import FOLDER, INPUTS, MANIFEST, OUTPUTS, OnnxLEED, _manifest

OPSET = 20
SMALL = 1024  # constants of fewer numbers stay in float32


def export_graphs(folder: Path) -> Path:
    """Writes the graphs of the model that is saved in a folder into its folder `onnx`, which is returned."""
    leed = LEED.from_pretrained(folder)
    graphs = {name: step_graph(leed, name) for name in INPUTS}
    manifest = json.dumps(_manifest(graphs, read_digest(folder / WEIGHTS)), indent=2) + "\n"
    files = {f"{name}.onnx": graph for name, graph in graphs.items()} | {MANIFEST: manifest.encode()}
    replace_files(folder / FOLDER, files)
    return folder / FOLDER


def step_graph(leed: LEED, name: str) -> bytes:
    """One step of a model on the CPU as a serialised graph."""
    batch = 2  # the exporter takes a size of 1 for a constant
    image = torch.zeros(batch, 3, leed.config.image_size, leed.config.image_size)
    with torch.no_grad():
        code = leed.encode(image)
        examples = {"image": image, "code": code, "code_neutral": code.clone(), "delta_exp": leed.extract(code, code)}
        examples |= {"context": leed.context(code).clone(), "alpha": torch.ones(batch)}
    inputs = tuple(examples[argument] for argument in INPUTS[name])
    with TemporaryDirectory() as folder:
        path = Path(folder) / "graph.onnx"
        torch.onnx.export(
            Step(leed, name).eval(),
            inputs,
            path,
            input_names=INPUTS[name],
            output_names=OUTPUTS[name],
            dynamic_shapes=(tuple({0: torch.export.Dim.DYNAMIC} for _ in inputs),),
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

    def forward(self, *inputs: Tensor) -> Tensor | Warped:
        return getattr(self.leed, self.name)(*inputs)


def without_notes(model: onnx.ModelProto) -> onnx.ModelProto:
    """The graph without the exporter's notes, which name the lines and folders of the machine that it ran on."""
    graph = model.graph
    for noted in (model, graph, *graph.node, *graph.initializer, *graph.value_info, *graph.input, *graph.output):
        noted.ClearField("metadata_props")
        noted.ClearField("doc_string")
    return model


def halved(model: onnx.ModelProto) -> onnx.ModelProto:
    """The graph with weights that half precision holds exactly stored so, and cast back when a session starts.

    Published weights are such weights: the graphs take the room that the weights take, and compute the same.
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
    """Largest differences between the graphs of a model and PyTorch, on drawn faces: of neutral face, delta_exp, edit.

    Faces lie in [-1, 1]; each takes the expression of the next, alpha between 0 and 2.
    """
    leed, graphs = LEED.from_pretrained(folder), OnnxLEED.from_pretrained(folder)
    differences = dict.fromkeys(("neutral face", "delta_exp", "edit"), 0.0)
    for count in batches:
        size = leed.config.image_size
        faces = [draw_face(i, 1 + i % (len(EXPRESSIONS) - 1), size=size) for i in range(count + 1)]
        faces = normalize(torch.stack(faces))
        image, reference, alpha = faces[:-1], faces[1:], torch.linspace(0, 2, count)
        for name, call in {
            "neutral face": lambda model, image=image: model.neutralize(image),
            "delta_exp": lambda model, reference=reference: model.expression(reference).delta_exp,
            "edit": lambda model, image=image, reference=reference, alpha=alpha: model.edit(image, reference, alpha),
        }.items():
            difference = (call(leed) - call(graphs)).abs().max()
            differences[name] = max(differences[name], float(difference))
    return differences
