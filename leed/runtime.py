"""LEED in ONNX Runtime: exports the steps of a model as graphs, verifies the graphs of a folder and runs them.

The graphs lie beside the weights in the folder `onnx`, one for each step of `FaceModel`, with any batch size.
`graphs.json` there holds the SHA-256 digests of the graphs and of the weights that they were made from.
"""

import hashlib
import json
import logging
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import onnx
import onnxruntime
import torch
from onnxruntime.capi.onnxruntime_pybind11_state import Fail, InvalidArgument, InvalidGraph, InvalidProtobuf
from torch import Tensor, nn

from leed.config import EXPRESSIONS, ModelConfig
from leed.data.drawn import draw_face
from leed.files import replace_files
from leed.images import normalize
from leed.model import LEED, FaceModel, Moved
from leed.pretrained import CONFIG, WEIGHTS, ModelFileError, find_folder, read_config, read_digest

FOLDER, MANIFEST = "onnx", "graphs.json"
OPSET = 20
INPUTS = {
    "neutral": ("image",),
    "encode": ("image",),
    "extract": ("code", "code_neutral"),
    "context": ("code_neutral",),
    "render": ("code_neutral", "context", "delta_exp", "alpha"),
}
"""The steps of `FaceModel`, each a graph, and what they take."""
OUTPUTS = {
    "neutral": ("neutral", "flow"),
    "encode": ("code",),
    "extract": ("delta_exp",),
    "context": ("context",),
    "render": ("edited", "flow"),
}

SMALL = 1024  # constants of fewer numbers stay in float32

logger = logging.getLogger(__name__)


def load(name: str | Path) -> FaceModel:
    """The model of a folder or of "organisation/name" on the Hub in the engine that is fastest here.

    That is PyTorch on a GPU, else ONNX Runtime; PyTorch too where the model has no graphs, or none that fit its
    weights, which is logged. Raises `ModelFileError`.
    """
    if torch.cuda.is_available():
        return LEED.from_pretrained(name, map_location="cuda")
    try:
        return OnnxLEED.from_pretrained(name)
    except GraphError as error:
        logger.warning("%s PyTorch is used instead, which is slower.", error)
        return LEED.from_pretrained(name)


class GraphError(ModelFileError):
    """A model has no graphs, or some that are damaged or not its own; its weights may be fine."""


class OnnxLEED(FaceModel):
    """A published LEED whose steps run in ONNX Runtime on the CPU; the calls are those of `LEED`.

    >>> leed = OnnxLEED.from_pretrained("hub/leed-open")
    >>> edited = leed.edit(face, reference, alpha=1.0)
    """

    device, dtype = torch.device("cpu"), torch.float32

    def __init__(self, config: ModelConfig, graphs: dict[str, bytes]) -> None:
        """`graphs` has a serialised graph for each step. Raises `GraphError` if one cannot be read."""
        self.config = config
        self.sessions = {name: _session(name, graphs[name]) for name in INPUTS}

    @classmethod
    def from_pretrained(cls, name: str | Path) -> "OnnxLEED":
        """From a folder or "organisation/name", verified. Raises `GraphError`, and `ModelFileError` as LEED does."""
        folder = find_folder(str(name), (CONFIG, WEIGHTS, f"{FOLDER}/*"))
        config = read_config(folder / CONFIG, LEED.__name__)
        return cls(config, _read_graphs(folder / FOLDER, read_digest(folder / WEIGHTS)))

    def neutral(self, image: Tensor) -> Moved:
        return Moved(*self._run("neutral", image))

    def encode(self, image: Tensor) -> Tensor:
        return self._run("encode", image)[0]

    def extract(self, code: Tensor, code_neutral: Tensor) -> Tensor:
        return self._run("extract", code, code_neutral)[0]

    def context(self, code_neutral: Tensor) -> Tensor:
        return self._run("context", code_neutral)[0]

    def render(self, code_neutral: Tensor, context: Tensor, delta_exp: Tensor, alpha: Tensor) -> Moved:
        count = len(code_neutral)
        delta_exp = delta_exp.expand(count, *delta_exp.shape[1:])
        return Moved(*self._run("render", code_neutral, context, delta_exp, alpha.expand(count)))

    def _run(self, step: str, *inputs: Tensor) -> list[Tensor]:
        feed = {name: np.ascontiguousarray(value.numpy()) for name, value in zip(INPUTS[step], inputs, strict=True)}
        return [torch.from_numpy(output) for output in self.sessions[step].run(None, feed)]


def _session(name: str, graph: bytes) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()  # one setting for both engines
    options.add_session_config_entry("session.force_spinning_stop", "1")  # leave the cores to others
    try:
        return onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    except (Fail, InvalidArgument, InvalidGraph, InvalidProtobuf) as error:
        raise GraphError(f"the graph {name} cannot be read: {str(error).splitlines()[0]}.") from error


def _read_graphs(folder: Path, weights_digest: str) -> dict[str, bytes]:
    """The graphs of a folder, if they are as they were written and made from these weights."""
    again = "Export them again with python hub/graphs.py."
    try:
        manifest = json.loads((folder / MANIFEST).read_bytes())
        graphs = {name: (folder / f"{name}.onnx").read_bytes() for name in INPUTS}
    except FileNotFoundError as error:
        raise GraphError(f"{error.filename} is missing. {again}") from error
    except ValueError as error:
        raise GraphError(f"{folder / MANIFEST} is not valid JSON: {error}. {again}") from error
    if manifest != _manifest(graphs, weights_digest):
        raise GraphError(
            f"the graphs in {folder} are damaged, or made from other weights than those beside them. {again}"
        )
    return graphs


def _manifest(graphs: dict[str, bytes], weights_digest: str) -> dict[str, str]:
    digests = {f"{name}.onnx": hashlib.sha256(graph).hexdigest() for name, graph in graphs.items()}
    return {WEIGHTS: weights_digest} | digests


# Exporting.


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

    def forward(self, *inputs: Tensor) -> Tensor | Moved:
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
