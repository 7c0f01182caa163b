"""Saving and loading of models: the Hub's mixin, made strict, verified and crash-safe.

A saved model is a folder with `config.json` (the fields of `ModelConfig` and `model_type`, the name of the class),
`model.safetensors` (the weights and, in its metadata, a SHA-256 digest of weights and configuration) and the model
card `README.md`. Pickle is neither written nor read.
"""

import hashlib
import json
import re
import warnings
from collections.abc import Iterable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, ClassVar, TypeVar

import safetensors.torch
import torch
from huggingface_hub import PyTorchModelHubMixin, snapshot_download
from huggingface_hub.errors import HTTPError
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from leed.config import ModelConfig
from leed.files import atomic_write_all
from leed.uploading import upload

CONFIG, WEIGHTS, CARD = "config.json", "model.safetensors", "README.md"

REPO_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*", re.ASCII)

PRECISIONS = (torch.float32, torch.float16, torch.bfloat16)

SAVE_AGAIN = "Save the model again with save_pretrained or, if it came from the Hub, load it with force_download=True."

CARD_TEMPLATE = """---
{{ card_data }}
---

# {{ model_type }}

Part of LEED, label-free facial expression editing ([paper]({{ paper_url }})).

```python
from leed import {{ model_type }}

model = {{ model_type }}.from_pretrained("organisation/name")  # or a folder
```

Use it on photographs of people only with their consent.
"""

Model = TypeVar("Model", bound="HubModel")


class ModelFileError(ValueError):
    """A saved model, or saved expressions, cannot be loaded; the message names the file and the remedy."""


class HubModel(
    nn.Module,
    PyTorchModelHubMixin,
    library_name="leed",
    pipeline_tag="image-to-image",
    tags=["facial-expression-editing"],
    paper_url="https://arxiv.org/abs/2007.08971",
    model_card_template=CARD_TEMPLATE,
):
    """A network that is built from a `ModelConfig` and lives in a folder or on the Hub.

    A subclass's constructor has one argument, `config: ModelConfig` with an instance as its default, and keeps it as
    `self.config`. Facts of its card that differ go into its class statement, e.g. `pipeline_tag=...`.
    """

    config: ModelConfig

    FILES: ClassVar[tuple[str, ...]] = (CONFIG, WEIGHTS)
    """The files of a saved model, its card aside, as patterns."""

    @property
    def device(self) -> torch.device:
        """The device of the weights."""
        return next(self.parameters()).device

    @property
    def dtype(self) -> torch.dtype:
        """The precision of the weights."""
        return next(self.parameters()).dtype

    @classmethod
    def from_pretrained(  # type: ignore[override]  # without the mixin's options that have no effect here
        cls: type[Model],
        pretrained_model_name_or_path: str | Path,
        *,
        force_download: bool = False,
        token: str | bool | None = None,
        cache_dir: str | Path | None = None,
        local_files_only: bool = False,
        revision: str | None = None,
        map_location: str | torch.device = "cpu",
        dtype: torch.dtype | str | None = None,
        strict: bool = True,
        proxies: dict | None = None,
    ) -> Model:
        """The model from a folder or from "organisation/name" on the Hub, verified and in evaluation mode.

        `dtype` (a torch.dtype, "float16", "bfloat16", "float32", or "auto": that of the file) is the precision of the
        weights, float32 by default. With `strict=False` tensors that the model lacks or the file has not are warned of
        instead of refused. Raises `ModelFileError` for anything but an intact model of this class, and `ValueError`
        for `proxies`, which huggingface_hub no longer has.
        """
        if proxies is not None:
            raise ValueError("proxies have no effect since huggingface_hub 1.0: set HTTPS_PROXY in the environment")
        precision = as_dtype(dtype)
        folder = find_folder(
            str(pretrained_model_name_or_path),
            cls.FILES,
            force_download=force_download,
            token=token,
            cache_dir=cache_dir,
            local_files_only=local_files_only,
            revision=revision,
        )
        config = read_config(folder / CONFIG, cls.__name__)
        return super().from_pretrained(
            folder, config=config, map_location=map_location, dtype=precision, strict=strict
        )

    @classmethod
    def _from_pretrained(  # type: ignore[override]  # takes the configuration that `from_pretrained` has read
        cls: type[Model],
        *,
        model_id: str,
        config: ModelConfig,
        map_location: str | torch.device = "cpu",
        dtype: torch.dtype | None = torch.float32,
        strict: bool = True,
        **download: Any,  # what the mixin passes for the Hub; the files are here already
    ) -> Model:
        """The model of a local folder `model_id`, with `dtype` None in the file's precision; called by the mixin."""
        path = Path(model_id) / WEIGHTS
        tensors = _read_weights(path, _describe(cls.__name__, config))
        model = cls(config)
        _check_fit(path, tensors, model.state_dict(), strict)
        bad = _not_finite(tensors)
        if bad:
            raise ModelFileError(f"{path} has NaN or infinite values in {_some(bad)}. Save a model from before that.")
        model.load_state_dict(tensors, strict=strict)
        stored = next((tensor.dtype for tensor in tensors.values() if tensor.is_floating_point()), torch.float32)
        return model.to(map_location, dtype or stored).eval()

    def save_pretrained(  # type: ignore[override]  # `dtype` is ours
        self,
        save_directory: str | Path,
        *,
        config: ModelConfig | dict | None = None,
        repo_id: str | None = None,
        push_to_hub: bool = False,
        model_card_kwargs: dict | None = None,
        dtype: torch.dtype | None = None,
        **push_to_hub_kwargs: Any,  # options of `push_to_hub`
    ) -> str | None:
        """Writes the model into a folder, so that a crash leaves its old files or its new ones, each whole.

        A `README.md` that is there is kept. `dtype` (float16, bfloat16 or float32) is that of the floating-point
        tensors in the file; without it they stay as they are. With `push_to_hub`, these files are uploaded to
        `repo_id` (default: the folder's name) and the commit's address is returned.
        """
        self._check_config(config)
        folder = Path(save_directory)
        self._save_pretrained(folder, dtype)
        if not (folder / CARD).exists():
            card = self.generate_model_card(**(model_card_kwargs or {}))
            atomic_write_all(folder, {CARD: str(card).encode()})
        if push_to_hub:
            return upload(folder, repo_id or folder.name, (*self.FILES, CARD), **push_to_hub_kwargs)
        return None

    def _save_pretrained(self, save_directory: Path, dtype: torch.dtype | None = None) -> None:
        """Writes weights and configuration."""
        tensors = _for_file(self.state_dict(), dtype)
        bad = _not_finite(tensors)
        if bad:
            raise ValueError(f"not saved: NaN or infinite values (dtype={dtype}) in {_some(bad)}")
        description = _describe(type(self).__name__, self.config)
        metadata = {"sha256": tensors_digest(tensors, description)}
        files = {
            WEIGHTS: safetensors.torch.save(tensors, metadata=metadata),
            CONFIG: (json.dumps(description, indent=2) + "\n").encode(),
        }
        atomic_write_all(save_directory, files)

    def push_to_hub(  # type: ignore[override]  # `dtype` is ours, the other options go to `_upload`
        self,
        repo_id: str,
        *,
        config: ModelConfig | dict | None = None,
        model_card_kwargs: dict | None = None,
        dtype: torch.dtype | None = None,
        **options: Any,  # the mixin's and more: see `upload`
    ) -> str:
        """Uploads the model in one commit and returns its address. A card that the repository has is kept.

        Options are those of the mixin, and `commit_description` and `revision` (the same as `branch`, which is made if
        there is none).
        """
        with TemporaryDirectory() as folder:
            self.save_pretrained(folder, config=config, model_card_kwargs=model_card_kwargs, dtype=dtype)
            return upload(Path(folder), repo_id, (*self.FILES, CARD), keep=CARD, **options)

    def generate_model_card(self, *args: Any, **kwargs: Any) -> Any:  # the mixin's signature
        """Card with the facts of the class statement."""
        return super().generate_model_card(*args, **{"model_type": type(self).__name__} | kwargs)

    def _check_config(self, config: ModelConfig | dict | None) -> None:
        given = ModelConfig.from_dict(config) if isinstance(config, dict) else config
        if given not in (None, self.config):
            raise ValueError("config must be the one that the model was built with; leave it out")


def as_dtype(dtype: torch.dtype | str | None) -> torch.dtype | None:
    """The precision of a name, or None for "auto". Raises `ValueError` for another than float32, float16, bfloat16."""
    if dtype == "auto":
        return None
    found = getattr(torch, dtype.removeprefix("torch."), None) if isinstance(dtype, str) else dtype or torch.float32
    if found not in PRECISIONS:
        raise ValueError(f'dtype must be one of {PRECISIONS}, one of their names, or "auto", got {dtype!r}')
    return found


def find_folder(name: str, patterns: tuple[str, ...] = (CONFIG, WEIGHTS), **download: Any) -> Path:
    """The folder with the files of a model, fetched from the Hub (all of one commit) unless `name` is a folder.

    `patterns` says which files to fetch, `download` how: arguments of `snapshot_download`.
    """
    folder = Path(name).expanduser()
    if folder.is_dir():
        return folder
    if folder.exists():
        raise ModelFileError(f"{name} is a file. Give the folder that holds {CONFIG} and {WEIGHTS}.")
    if not REPO_ID.fullmatch(name):
        raise ModelFileError(
            f"folder {name} does not exist. Give a folder written by save_pretrained, or organisation/name for a "
            "model on the Hub."
        )
    try:
        return Path(snapshot_download(name, allow_patterns=list(patterns), **download))
    except (HTTPError, OSError, ValueError) as error:
        reason = str(error).strip().split("\n")[0]
        raise ModelFileError(
            f"{name} is no folder here and could not be fetched from the Hub: {type(error).__name__}: {reason} "
            "Check the name and the connection (HF_HUB_OFFLINE=1 allows cached models only); a private model needs "
            "`hf auth login`."
        ) from error


def read_config(path: Path, model_type: str) -> ModelConfig:
    """The configuration in `config.json`, which must name the class `model_type`. Raises `ModelFileError`."""
    if not path.is_file():
        raise ModelFileError(f"{path} is missing. {SAVE_AGAIN}")
    try:
        values = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise ModelFileError(f"{path} is not valid JSON: {error}. {SAVE_AGAIN}") from error
    found = values.pop("model_type", None) if isinstance(values, dict) else None
    if found is None:
        raise ModelFileError(f"{path} does not name its model_type. {SAVE_AGAIN}")
    if found != model_type:
        raise ModelFileError(f"{path} is of {found}, not {model_type}. Load it with {found}.from_pretrained.")
    try:
        return ModelConfig.from_dict(values)
    except (ValueError, TypeError) as error:
        raise ModelFileError(
            f"{path} is no configuration of this version of leed: {error}. Install the version that wrote it, or save "
            "the model again with save_pretrained."
        ) from error


def _read_weights(path: Path, description: dict) -> dict[str, Tensor]:
    """The tensors of a file whose digest agrees with them and with the description of the model."""
    if not path.is_file():
        pickles = sorted(file.name for pattern in ("*.bin", "*.pt", "*.pth") for file in path.parent.glob(pattern))
        beside = f" {', '.join(pickles)} beside it is not loaded: pickle can run any code." if pickles else ""
        raise ModelFileError(f"{path} is missing.{beside} {SAVE_AGAIN}")
    digest, tensors = read_digest(path), _read_tensors(path)
    if digest != tensors_digest(tensors, description):
        raise ModelFileError(
            f"{path} and {CONFIG} beside it do not match their sha256 digest: one was altered or damaged, or they "
            f"were not saved together. {SAVE_AGAIN}"
        )
    return tensors


def _read_tensors(path: Path) -> dict[str, Tensor]:
    try:
        with safe_open(path, framework="pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}
    except (SafetensorError, OSError) as error:
        raise ModelFileError(f"{path} is damaged: {error}. {SAVE_AGAIN}") from error


def read_digest_without(modules: Iterable[str], path: Path, model_type: str, config: ModelConfig) -> str:
    """The digest that a file of weights would have without some of the model's modules, which `config` lacks as well.

    Raises `ModelFileError` for a file that cannot be read.
    """
    left_out = tuple(f"{module}." for module in modules)
    tensors = {name: tensor for name, tensor in _read_tensors(path).items() if not name.startswith(left_out)}
    return tensors_digest(tensors, _describe(model_type, config))


def read_digest(path: Path) -> str:
    """The digest in the metadata of a file of weights."""
    if not path.is_file():
        raise ModelFileError(f"{path} is missing. {SAVE_AGAIN}")
    try:
        with safe_open(path, framework="pt") as file:
            digest = (file.metadata() or {}).get("sha256")
    except (SafetensorError, OSError) as error:
        raise ModelFileError(f"{path} is damaged: {error}. {SAVE_AGAIN}") from error
    if digest is None:
        raise ModelFileError(f"{path} has no sha256 digest, so it was not written by save_pretrained. {SAVE_AGAIN}")
    return digest


def _check_fit(path: Path, tensors: dict[str, Tensor], own: dict[str, Tensor], strict: bool = True) -> None:
    """Raises `ModelFileError` unless `tensors` has the names, shapes and kinds of the model's `own`.

    Unless `strict`, it warns of other names.
    """
    problems = []
    if own.keys() - tensors.keys():
        problems.append(f"lacks {_some(own.keys() - tensors.keys())}")
    if tensors.keys() - own.keys():
        problems.append(f"has unexpected {_some(tensors.keys() - own.keys())}")
    if problems and not strict:
        warnings.warn(f"{path} {' and '.join(problems)}, since it is loaded with strict=False", stacklevel=2)
        problems = []
    for name in sorted(own.keys() & tensors.keys()):
        saved, needed = tensors[name], own[name]
        if saved.shape != needed.shape:
            problems.append(f"has {name} of shape {tuple(saved.shape)}, not {tuple(needed.shape)}")
        elif saved.dtype != needed.dtype and not (saved.is_floating_point() and needed.is_floating_point()):
            problems.append(f"has {name} of {saved.dtype}, not {needed.dtype}")
    if problems:
        raise ModelFileError(
            f"{path} does not fit the model: it {'; it '.join(problems[:3])}. Install the version of leed that wrote "
            "it, or save the model again with save_pretrained."
        )


def _some(names: set[str] | list[str]) -> str:
    """The first few names and how many more there are."""
    first, rest = sorted(names)[:4], len(names) - 4
    return ", ".join(first) + (f" and {rest} more" if rest > 0 else "")


def _not_finite(tensors: dict[str, Tensor]) -> list[str]:
    """Names of the tensors with NaN or infinite values."""
    return [name for name, tensor in tensors.items() if not tensor.isfinite().all()]


def _for_file(tensors: dict[str, Tensor], dtype: torch.dtype | None) -> dict[str, Tensor]:
    """Copies on the CPU, floating-point ones as `dtype`; copies, since a file holds no shared memory."""
    if dtype is not None and dtype not in PRECISIONS:
        raise ValueError(f"dtype must be torch.float32, torch.float16 or torch.bfloat16, got {dtype}")
    copies = {}
    for name, tensor in tensors.items():
        target = dtype if tensor.is_floating_point() else None
        copies[name] = tensor.detach().to("cpu", target, copy=True).contiguous()
    return copies


def _describe(model_type: str, config: ModelConfig) -> dict:
    """The content of `config.json`."""
    return {"model_type": model_type} | config.to_dict()


def tensors_digest(tensors: Mapping[str, Tensor], description: dict | None = None) -> str:
    """SHA-256 (64 digits) of a description, if there is one, and of every tensor's name, type, shape and values."""
    digest = hashlib.sha256(json.dumps(description or {}, sort_keys=True).encode())
    for name, tensor in sorted(tensors.items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        digest.update(tensor.detach().cpu().reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()
