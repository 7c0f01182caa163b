"""LEED in ONNX Runtime: verifies the graphs of a folder and runs them. `leed.export` writes them.

The graphs lie beside the weights in the folder `onnx`, one for each step of `FaceModel`, with any batch size.
`graphs.json` there holds the SHA-256 digests of the graphs and of the weights that they were made from.
"""

import hashlib
import json
import logging
import os
from functools import cached_property
from pathlib import Path

import numpy as np
import onnxruntime
import torch
from onnxruntime.capi.onnxruntime_pybind11_state import Fail, InvalidArgument, InvalidGraph, InvalidProtobuf
from torch import Tensor

from leed.config import ModelConfig
from leed.model import LEED, FaceModel, Rendered, Warped, expression_digest
from leed.onnx_session import cpu_session
from leed.pretrained import CONFIG, WEIGHTS, ModelFileError, find_folder, read_config, read_digest
from leed.regions import is_regional, parts

FOLDER, MANIFEST = "onnx", "graphs.json"

INPUTS = {
    "neutral": ("image",),
    "encode": ("image",),
    "extract": ("code", "code_neutral"),
    "context": ("code_neutral",),
    "render": ("code_neutral", "context", "parts", "masks", "alpha"),
}
"""The steps of `FaceModel`, each a graph, and their inputs; `parts` and `masks` are those of `leed.regions.parts`."""

REFINE = {"mouth": "refine", "eyes": "refine_eyes"}
"""The step that draws each window of the upper level; models without an upper level have none."""

REFINE_INPUTS = ("moved", "edit", "features", "parts", "masks", "alpha")
"""The inputs of such a step."""

WITHOUT_REGIONS = ("code_neutral", "context", "delta_exp", "alpha")
"""The inputs of the graph `render` in models that were published before there were regions."""


OUTPUTS = {
    "neutral": ("neutral", "flow"),
    "encode": ("code",),
    "extract": ("delta_exp",),
    "context": ("context",),
    "render": ("edited", "flow"),
}
"""The outputs of the steps; `render` of a model with an upper level has "features" as well."""


def inputs_of(config: ModelConfig) -> dict[str, tuple[str, ...]]:
    """The steps of a model, each a graph, and their inputs."""
    return INPUTS | {REFINE[window]: REFINE_INPUTS for window in config.upper_widths}


def outputs_of(config: ModelConfig) -> dict[str, tuple[str, ...]]:
    """The steps of a model, each a graph, and their outputs."""
    if not config.upper_widths:
        return OUTPUTS
    refined = {REFINE[window]: ("replaced", "added") for window in config.upper_widths}
    return OUTPUTS | {"render": (*OUTPUTS["render"], "features")} | refined


DEFAULT_MODEL = Path(__file__).parents[1] / "hub/leed-open"
"""The model of a clone."""


EXPORT_AGAIN = "Export them again with python hub/graphs.py."


logger = logging.getLogger(__name__)


def load(name: str | Path) -> FaceModel:
    """The model of a folder or of "organisation/name" on the Hub in the engine that is fastest here.

    That is PyTorch on a GPU and ONNX Runtime otherwise. A model without graphs, or with graphs that do not fit its
    weights, runs in PyTorch, with a warning in the log. Raises `ModelFileError`.
    """
    if torch.cuda.is_available():
        return LEED.from_pretrained(name, map_location="cuda")
    try:
        return OnnxLEED.from_pretrained(name)
    except GraphError as error:
        logger.warning("%s PyTorch is used instead, which is slower.", error)
        return LEED.from_pretrained(name)


def default_model() -> str:
    """The model that the variable LEED_MODEL names, else `hub/leed-open` of a clone. Raises `ModelFileError`."""
    named = os.environ.get("LEED_MODEL")
    if not named and not DEFAULT_MODEL.is_dir():
        raise ModelFileError(
            "There is no model here: name one, a model's folder or its name on the Hub, owner/name, also by the "
            "variable LEED_MODEL; a clone of the repository has hub/leed-open."
        )
    return named or str(DEFAULT_MODEL)


class GraphError(ModelFileError):
    """A model has no graphs, or they are damaged or of another model; its weights may be intact."""


class OnnxLEED(FaceModel):
    """A published LEED whose steps run in ONNX Runtime on the CPU; the calls are those of `LEED`.

    >>> leed = OnnxLEED.from_pretrained("hub/leed-open")
    >>> edited = leed.edit(face, reference, alpha=1.0)
    """

    device = torch.device("cpu")
    dtype = torch.float32

    def __init__(self, config: ModelConfig, graphs: dict[str, bytes], folder: Path | None = None) -> None:
        """`graphs` has a serialised graph for each step, `folder` the weights. Raises `GraphError` for bad graphs."""
        self.config, self.folder = config, folder
        self.sessions = {name: _session(name, graphs[name]) for name in inputs_of(config)}
        if config.upper_widths and not self.gives_features:
            raise GraphError(f"the graphs of {folder or 'this model'} are of an older kind. {EXPORT_AGAIN}")

    @classmethod
    def from_pretrained(cls, name: str | Path) -> "OnnxLEED":
        """From a folder or "organisation/name", verified. Raises `GraphError`, and `ModelFileError` as LEED does."""
        folder = find_folder(str(name), (*LEED.FILES, f"{FOLDER}/*"))
        config = read_config(folder / CONFIG, LEED.__name__)
        digest = read_digest(folder / WEIGHTS)
        leed = cls(config, _read_graphs(folder / FOLDER, digest, tuple(inputs_of(config))), folder)
        leed.digest = expression_digest(folder / WEIGHTS, config)
        leed.find_estimator(folder)  # small enough to run in PyTorch
        return leed

    def neutral(self, image: Tensor) -> Warped:
        return Warped(*self._run("neutral", image))

    def encode(self, image: Tensor) -> Tensor:
        return self._run("encode", image)[0]

    def extract(self, code: Tensor, code_neutral: Tensor) -> Tensor:
        return self._run("extract", code, code_neutral)[0]

    def context(self, code_neutral: Tensor) -> Tensor:
        return self._run("context", code_neutral)[0]

    def render(self, code_neutral: Tensor, context: Tensor, delta_exp: Tensor, alpha: Tensor) -> Rendered:
        count = len(code_neutral)
        alpha, delta_exp = alpha.expand(count), delta_exp.expand(count, *delta_exp.shape[1:])
        if self.has_regions:
            found = parts(delta_exp, self.config.code_size)
            return Rendered(*self._run("render", code_neutral, context, *found, alpha))
        if is_regional(delta_exp):
            return self.in_pytorch.render(code_neutral, context, delta_exp, alpha)
        return Rendered(*self._run("render", code_neutral, context, delta_exp, alpha))

    def refine(
        self, window: str, moved: Tensor, edit: Tensor, features: Tensor, delta_exp: Tensor, alpha: Tensor
    ) -> tuple[Tensor, Tensor]:
        count = len(features)
        found, masks = parts(delta_exp.expand(count, *delta_exp.shape[1:]), self.config.code_size)
        replaced, added = self._run(REFINE[window], moved, edit, features, found, masks, alpha.expand(count))
        return replaced, added

    @property
    def gives_features(self) -> bool:
        """Whether the graph `render` gives what an upper level draws from; those of older models do not."""
        return "features" in {value.name for value in self.sessions["render"].get_outputs()}

    @cached_property
    def has_regions(self) -> bool:
        """Whether the graph `render` knows regions of a face; those of older models do not."""
        return "masks" in {value.name for value in self.sessions["render"].get_inputs()}

    @cached_property
    def in_pytorch(self) -> LEED:
        """The same model in PyTorch, for what older graphs do not know. Raises `GraphError` without its weights."""
        if self.folder is None:
            raise GraphError(f"these graphs know no regions of a face. {EXPORT_AGAIN}")
        logger.info("The graphs in %s know no regions of a face: PyTorch renders those.", self.folder)
        return LEED.from_pretrained(self.folder)

    def _run(self, step: str, *inputs: Tensor) -> list[Tensor]:
        names = WITHOUT_REGIONS if step == "render" and not self.has_regions else inputs_of(self.config)[step]
        feed = {name: np.ascontiguousarray(value.numpy()) for name, value in zip(names, inputs, strict=True)}
        return [torch.from_numpy(output) for output in self.sessions[step].run(None, feed)]


def _session(name: str, graph: bytes) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()  # one setting for both engines
    try:
        return cpu_session(graph, options)
    except (Fail, InvalidArgument, InvalidGraph, InvalidProtobuf) as error:
        raise GraphError(f"the graph {name} cannot be read: {str(error).splitlines()[0]}.") from error


def _read_graphs(folder: Path, weights_digest: str, steps: tuple[str, ...]) -> dict[str, bytes]:
    """The graphs of these steps. Raises `GraphError` unless they are intact and were made from these weights."""
    try:
        manifest = json.loads((folder / MANIFEST).read_bytes())
        graphs = {name: (folder / f"{name}.onnx").read_bytes() for name in steps}
    except FileNotFoundError as error:
        raise GraphError(f"{error.filename} is missing. {EXPORT_AGAIN}") from error
    except ValueError as error:
        raise GraphError(f"{folder / MANIFEST} is not valid JSON: {error}. {EXPORT_AGAIN}") from error
    if manifest != manifest_of(graphs, weights_digest):
        raise GraphError(
            f"the graphs in {folder} are damaged, or made from other weights than those beside them. {EXPORT_AGAIN}"
        )
    return graphs


def manifest_of(graphs: dict[str, bytes], weights_digest: str) -> dict[str, str]:
    """The SHA-256 digests of the graphs and of the weights that they were made from, by file name."""
    digests = {f"{name}.onnx": hashlib.sha256(graph).hexdigest() for name, graph in graphs.items()}
    return {WEIGHTS: weights_digest} | digests
