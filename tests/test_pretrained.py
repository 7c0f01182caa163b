"""Saved models come back bit for bit, broken ones are refused in words, and a crash loses nothing."""

import inspect
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import huggingface_hub
import pytest
import safetensors.torch
import torch
from huggingface_hub import ModelCard, PyTorchModelHubMixin
from huggingface_hub.utils import filter_repo_objects
from torch import Tensor, nn

import leed.pretrained
import leed.uploading
from leed import LEED, ExpressionClassifier, Neutralizer, RemainsEstimator
from leed.config import TINY, ModelConfig
from leed.files import PARTIAL
from leed.pretrained import CARD, CONFIG, WEIGHTS, HubModel, ModelFileError

FILES = {CARD, CONFIG, WEIGHTS}


class Net(HubModel, tags=["stand-in"]):
    """Small, with parameters, float, integer and boolean buffers, and a buffer that is not saved."""

    def __init__(self, config: ModelConfig = TINY) -> None:
        super().__init__()
        self.config = config
        self.linear = nn.Linear(config.delta_size, 3)
        self.norm = nn.BatchNorm1d(3)
        self.dropout = nn.Dropout(0.5)
        self.register_buffer("mask", torch.tensor([True, False, True]))
        self.register_buffer("constant", torch.tensor(1 / 3), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.dropout(self.norm(self.linear(x))) * self.mask * self.constant


class Other(Net):
    """Another class with the same tensors."""


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)


def make(seed: int = 0, config: ModelConfig = TINY) -> Net:
    torch.manual_seed(seed)
    return Net(config).eval()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    make().save_pretrained(tmp_path / "net")
    return tmp_path / "net"


def same(a: nn.Module, b: nn.Module) -> bool:
    """Equal names, types and values of all tensors."""
    a, b = a.state_dict(), b.state_dict()
    return a.keys() == b.keys() and all(a[name].dtype == b[name].dtype and a[name].equal(b[name]) for name in a)


def write_weights(path: Path, tensors: dict[str, Tensor]) -> None:
    """A file with a correct digest, whatever is in it."""
    metadata = {"sha256": leed.pretrained.tensors_digest(tensors, json.loads((path / CONFIG).read_text()))}
    safetensors.torch.save_file(tensors, path / WEIGHTS, metadata=metadata)


# Round trips


def test_folder_holds_three_files_and_the_whole_configuration(folder: Path) -> None:
    assert {file.name for file in folder.iterdir()} == FILES
    values = json.loads((folder / CONFIG).read_text())
    assert values == {"model_type": "Net"} | TINY.to_dict()
    assert os.stat(folder / WEIGHTS).st_mode == os.stat(folder / CONFIG).st_mode  # as readable as other files


def test_loading_gives_the_same_output_in_eval_mode_and_says_nothing(
    folder: Path, capfd: pytest.CaptureFixture
) -> None:
    x = torch.randn(4, TINY.delta_size)
    loaded = Net.from_pretrained(folder)
    assert capfd.readouterr().out == ""
    assert not loaded.training and loaded.config == TINY
    assert same(loaded, make()) and loaded(x).equal(make()(x))


def test_configuration_is_restored(tmp_path: Path) -> None:
    config = replace(TINY, delta_size=5, classifier_layers=(2, 1, 1, 3))
    make(config=config).save_pretrained(tmp_path)
    loaded = Net.from_pretrained(str(tmp_path))
    assert loaded.config == config and loaded.linear.in_features == 5


def test_saving_twice_gives_the_same_bytes(folder: Path, tmp_path: Path) -> None:
    make().save_pretrained(tmp_path / "again")
    for name in FILES:
        assert (folder / name).read_bytes() == (tmp_path / "again" / name).read_bytes()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_half_precision_loads_as_float32_and_is_then_stable(tmp_path: Path, dtype: torch.dtype) -> None:
    model = make()
    model.norm.num_batches_tracked += 70000  # above the largest float16
    model.save_pretrained(tmp_path / "first", dtype=dtype)
    stored = safetensors.torch.load_file(tmp_path / "first" / WEIGHTS)
    assert stored["linear.weight"].dtype == dtype
    assert stored["mask"].dtype == torch.bool and stored["norm.num_batches_tracked"].item() == 70000

    first = Net.from_pretrained(tmp_path / "first")
    assert {parameter.dtype for parameter in first.parameters()} == {torch.float32}
    assert same(first, model) == (dtype == torch.float32)
    first.save_pretrained(tmp_path / "second", dtype=dtype)
    assert same(Net.from_pretrained(tmp_path / "second"), first)
    assert (tmp_path / "first" / WEIGHTS).read_bytes() == (tmp_path / "second" / WEIGHTS).read_bytes()


def test_map_location(folder: Path) -> None:
    for device in ("meta", torch.device("meta")):
        assert Net.from_pretrained(folder, map_location=device).linear.weight.device.type == "meta"


def test_shared_and_strided_tensors(tmp_path: Path) -> None:
    model = make()
    model.norm.bias = model.norm.weight
    model.linear.weight = nn.Parameter(torch.randn(TINY.delta_size, 3).T)
    model.save_pretrained(tmp_path)
    assert same(Net.from_pretrained(tmp_path), model)


@pytest.mark.parametrize("model_class", [LEED, Neutralizer, ExpressionClassifier])
def test_the_published_classes(tmp_path: Path, model_class: type[HubModel]) -> None:
    model = model_class(TINY)
    model.save_pretrained(tmp_path)
    assert same(model_class.from_pretrained(tmp_path), model)


def test_fresh_process_gives_the_same_bits(tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = LEED(TINY).eval()
    model.save_pretrained(tmp_path / "leed")
    size = TINY.image_size
    code = (
        "import sys, torch; from leed import LEED\n"
        "leed, images = LEED.from_pretrained(sys.argv[1]), torch.load(sys.argv[2], weights_only=True)\n"
        "torch.save(leed(*images), sys.argv[2])\n"
    )
    images, file = torch.rand(2, 3, 3, size, size) * 2 - 1, tmp_path / "images.pt"
    torch.save(images, file)
    root = Path(leed.__file__).parents[1]
    result = subprocess.run([sys.executable, "-c", code, tmp_path / "leed", file], cwd=root, capture_output=True)
    assert result.returncode == 0, result.stderr.decode()
    assert result.stdout == b""
    assert torch.load(file, weights_only=True).equal(model(*images))


# Broken folders

Breaks = Callable[[Path], object]


def alter_config(**changes: object) -> Breaks:
    """Sets keys; `...` removes one."""

    def alter(folder: Path) -> None:
        values = json.loads((folder / CONFIG).read_text()) | changes
        values = {key: value for key, value in values.items() if value is not ...}
        (folder / CONFIG).write_text(json.dumps(values))

    return alter


def put(name: str, content: bytes) -> Breaks:
    return lambda folder: (folder / name).write_bytes(content)


def alter_weights(change: Callable[[dict[str, Tensor]], object]) -> Breaks:
    """Changes the tensors and signs the result."""

    def alter(folder: Path) -> None:
        tensors = {name: tensor.clone() for name, tensor in make().state_dict().items()}
        change(tensors)
        write_weights(folder, tensors)

    return alter


def alter_bytes(change: Callable[[bytes], bytes]) -> Breaks:
    def alter(folder: Path) -> None:
        content = (folder / WEIGHTS).read_bytes()
        (folder / WEIGHTS).write_bytes(change(content))

    return alter


def only_pickle(folder: Path) -> None:
    torch.save(make().state_dict(), folder / "pytorch_model.bin")
    (folder / WEIGHTS).unlink()


def without_digest(folder: Path) -> None:
    safetensors.torch.save_file(make().state_dict(), folder / WEIGHTS)


def weights_of_another_save(folder: Path) -> None:
    """Same shapes, other meaning."""
    make(config=replace(TINY, classifier_sees_neutral=False)).save_pretrained(folder.parent / "other")
    shutil.copy(folder.parent / "other" / WEIGHTS, folder)


def flip(content: bytes, index: int) -> bytes:
    return content[:index] + bytes([content[index] ^ (1 << index % 8)]) + content[index + 1 :]


BROKEN = {
    # name: (what breaks it, the file that the message names, what else the message says)
    "folder empty": (lambda folder: [file.unlink() for file in folder.iterdir()], CONFIG, "missing"),
    "config missing": (lambda folder: (folder / CONFIG).unlink(), CONFIG, "missing"),
    "config empty": (put(CONFIG, b""), CONFIG, "not valid JSON"),
    "config cut": (put(CONFIG, b'{"image_size": 12'), CONFIG, "not valid JSON"),
    "config not UTF-8": (put(CONFIG, b'{"\xff": 1}'), CONFIG, "not valid JSON"),
    "config nested deeply": (put(CONFIG, b"[" * 100_000), CONFIG, "not valid JSON"),
    "config a list": (put(CONFIG, b"[]"), CONFIG, "model_type"),
    "config of nobody": (alter_config(model_type=...), CONFIG, "model_type"),
    "config of another class": (alter_config(model_type="Other"), CONFIG, "Load it with Other.from_pretrained"),
    "config lacks a key": (alter_config(flow=...), CONFIG, "missing keys ['flow']"),
    "config has another key": (alter_config(flaw=1), CONFIG, "unknown keys ['flaw']"),
    "config out of range": (alter_config(image_size=33), CONFIG, "image_size must be"),
    "config of a wrong type": (alter_config(image_size="32"), CONFIG, "no configuration"),
    "config of a close type": (alter_config(image_size=32.0), CONFIG, "altered"),
    "config altered unseen": (alter_config(classifier_size=48), CONFIG, "altered"),
    "config altered hugely": (alter_config(delta_size=10**15), CONFIG, "altered"),
    "weights missing": (lambda folder: (folder / WEIGHTS).unlink(), WEIGHTS, "missing"),
    "weights a pickle": (only_pickle, WEIGHTS, "pytorch_model.bin beside it is not loaded"),
    "weights empty": (put(WEIGHTS, b""), WEIGHTS, "damaged"),
    "weights random": (put(WEIGHTS, random.Random(0).randbytes(2000)), WEIGHTS, "damaged"),
    "weights cut in the header": (alter_bytes(lambda content: content[:100]), WEIGHTS, "damaged"),
    "weights cut in the data": (alter_bytes(lambda content: content[:-1]), WEIGHTS, "damaged"),
    "weights too long": (alter_bytes(lambda content: content + b"\0"), WEIGHTS, "damaged"),
    "weights a Git LFS pointer": (put(WEIGHTS, b"version https://git-lfs.github.com/spec/v1"), WEIGHTS, "damaged"),
    "bit flipped": (alter_bytes(lambda content: flip(content, len(content) - 9)), WEIGHTS, "altered"),
    "no digest": (without_digest, WEIGHTS, "no sha256 digest"),
    "another save's weights": (weights_of_another_save, WEIGHTS, "not saved together"),
    "tensor missing": (alter_weights(lambda tensors: tensors.pop("linear.bias")), WEIGHTS, "lacks linear.bias"),
    "tensor unexpected": (alter_weights(lambda t: t.update(extra=torch.ones(1))), WEIGHTS, "unexpected extra"),
    "wrong shape": (
        alter_weights(lambda tensors: tensors.update({"linear.bias": torch.ones(1)})),
        WEIGHTS,
        "linear.bias of shape (1,), not (3,)",
    ),
    "wrong type": (
        alter_weights(lambda tensors: tensors.update(mask=torch.ones(3))),
        WEIGHTS,
        "mask of torch.float32, not torch.bool",
    ),
    "NaN": (alter_weights(lambda tensors: tensors["linear.weight"][1, 2].fill_(torch.nan)), WEIGHTS, "NaN"),
    "infinity": (alter_weights(lambda tensors: tensors["norm.running_var"][0].fill_(torch.inf)), WEIGHTS, "NaN"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_broken_folder_is_refused_in_words(folder: Path, case: str) -> None:
    breaks, file, words = BROKEN[case]
    breaks(folder)
    with pytest.raises(ModelFileError) as info:
        Net.from_pretrained(folder)
    message = str(info.value)
    assert str(folder) in message and file in message and words in message
    assert any(remedy in message for remedy in ("ave the model again", "Load it with", "Save a model from before"))


def test_every_flipped_byte_is_found(folder: Path) -> None:
    content = (folder / WEIGHTS).read_bytes()
    for index in range(len(content)):
        (folder / WEIGHTS).write_bytes(flip(content, index))
        with pytest.raises(ModelFileError):
            Net.from_pretrained(folder)


@pytest.mark.parametrize(
    "name", ["{tmp}/no/folder", "./no/folder", "../no", "no_folder", "a/b/c", "~/no/folder", "-/b"]
)
def test_local_path_that_does_not_exist(tmp_path: Path, name: str) -> None:
    name = name.format(tmp=tmp_path)
    with pytest.raises(ModelFileError, match="does not exist. Give a folder") as info:
        Net.from_pretrained(name)
    assert name in str(info.value)


def test_file_instead_of_folder(folder: Path) -> None:
    with pytest.raises(ModelFileError, match="is a file. Give the folder"):
        Net.from_pretrained(folder / WEIGHTS)


def test_offline_and_not_cached_fails_at_once(tmp_path: Path) -> None:
    start = time.monotonic()
    with pytest.raises(ModelFileError, match="organisation/none is no folder here.*HF_HUB_OFFLINE"):
        Net.from_pretrained("organisation/none", cache_dir=tmp_path)
    assert time.monotonic() - start < 1


def test_name_that_the_hub_forbids(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match="could not be fetched"):
        Net.from_pretrained("organisation/a--b", cache_dir=tmp_path)


def test_class_with_the_same_tensors_is_refused(folder: Path) -> None:
    with pytest.raises(ModelFileError, match="is of Net, not Other. Load it with Net.from_pretrained"):
        Other.from_pretrained(folder)


def test_unknown_argument_is_refused(folder: Path) -> None:
    with pytest.raises(TypeError, match="device_map"):
        Net.from_pretrained(folder, device_map="auto")
    with pytest.raises(ValueError, match="proxies have no effect since huggingface_hub 1.0: set HTTPS_PROXY"):
        Net.from_pretrained(folder, proxies={"https": "http://here:1"})


def test_the_precision_of_a_loaded_model(folder: Path, tmp_path: Path) -> None:
    for dtype in (torch.float16, "float16", "torch.float16"):
        assert Net.from_pretrained(folder, dtype=dtype).dtype == torch.float16
    half = Net.from_pretrained(folder, dtype="bfloat16")
    assert half.mask.dtype == torch.bool and not half.training
    half.save_pretrained(tmp_path / "half")
    assert Net.from_pretrained(tmp_path / "half").dtype == torch.float32
    assert Net.from_pretrained(tmp_path / "half", dtype="auto").dtype == torch.bfloat16
    for wrong in ("half precision", torch.int8, torch.float64):
        with pytest.raises(ValueError, match="dtype must be one of .*float32, .*or .auto., got"):
            Net.from_pretrained(folder, dtype=wrong)


def test_other_tensors_are_refused_or_warned_of(folder: Path) -> None:
    assert same(Net.from_pretrained(folder, strict=False), make())
    tensors = safetensors.torch.load_file(folder / WEIGHTS)
    del tensors["linear.bias"]
    write_weights(folder, tensors | {"more": torch.zeros(1)})
    with pytest.raises(ModelFileError, match="it lacks linear.bias; it has unexpected more"):
        Net.from_pretrained(folder)
    with pytest.warns(UserWarning, match="lacks linear.bias and has unexpected more, since .* strict=False"):
        loaded = Net.from_pretrained(folder, strict=False)
    assert loaded.linear.weight.equal(make().linear.weight)


# The Hub


def test_cached_model_loads_offline(folder: Path, tmp_path: Path) -> None:
    cached = tmp_path / "cache" / "models--organisation--net"
    shutil.copytree(folder, cached / "snapshots" / ("0" * 40))
    (cached / "refs").mkdir()
    (cached / "refs" / "main").write_text("0" * 40)
    assert same(Net.from_pretrained("organisation/net", cache_dir=tmp_path / "cache"), make())
    (cached / "snapshots" / ("0" * 40) / WEIGHTS).unlink()
    with pytest.raises(ModelFileError, match="model.safetensors is missing.*force_download=True"):
        Net.from_pretrained("organisation/net", cache_dir=tmp_path / "cache")


@pytest.fixture
def uploads(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """What would have been sent: `files`, by name, and `options`; `existing` are the repository's files."""
    sent = SimpleNamespace(files={}, options={}, existing=set(), branches=[])

    class Api:
        def __init__(self, token: str | None = None) -> None:
            sent.token = token

        def create_repo(self, repo_id: str, **options: object) -> SimpleNamespace:
            return SimpleNamespace(repo_id=f"organisation/{repo_id.split('/')[-1]}")

        def create_branch(self, repo_id: str, *, branch: str, exist_ok: bool) -> None:
            sent.branches.append(branch)

        def file_exists(self, repo_id: str, filename: str, **options: object) -> bool:
            return filename in sent.existing

        def upload_folder(self, *, folder_path: Path, allow_patterns: list[str], **options: object) -> str:
            present = [str(file.relative_to(folder_path)) for file in folder_path.rglob("*") if file.is_file()]
            for name in filter_repo_objects(present, allow_patterns=allow_patterns):
                sent.files[name] = (folder_path / name).read_bytes()
            sent.options = options
            return f"https://huggingface.co/{options['repo_id']}/commit/0"

    monkeypatch.setattr(leed.uploading, "HfApi", Api)
    return sent


def test_push_sends_three_files(folder: Path, uploads: SimpleNamespace) -> None:
    url = make().push_to_hub("organisation/net", commit_message="Train", private=True, token="t", branch="dev")
    assert url == "https://huggingface.co/organisation/net/commit/0"
    assert uploads.files == {name: (folder / name).read_bytes() for name in FILES}
    assert uploads.token == "t"
    assert uploads.options["commit_message"] == "Train" and uploads.options["revision"] == "dev"


def test_what_transformers_users_pass_to_push(uploads: SimpleNamespace) -> None:
    make().push_to_hub("organisation/net", commit_description="why", revision="dev")
    assert uploads.options["commit_description"] == "why" and uploads.options["revision"] == "dev"
    assert uploads.branches == ["dev"]
    with pytest.raises(ValueError, match="branch and revision mean the same, got 'a' and 'b'"):
        make().push_to_hub("organisation/net", branch="a", revision="b")


def test_push_keeps_the_card_of_the_repository(uploads: SimpleNamespace) -> None:
    uploads.existing = FILES
    make().push_to_hub("organisation/net", dtype=torch.float16)
    assert uploads.files.keys() == FILES - {CARD}
    assert safetensors.torch.load(uploads.files[WEIGHTS])["linear.weight"].dtype == torch.float16


def test_save_and_push_sends_the_folder_that_was_written(tmp_path: Path, uploads: SimpleNamespace) -> None:
    (tmp_path / CARD).write_text("by hand")
    (tmp_path / "notes.txt").write_text("private")
    make().save_pretrained(tmp_path, push_to_hub=True, repo_id="organisation/x", dtype=torch.float16)
    assert uploads.files == {name: (tmp_path / name).read_bytes() for name in FILES}
    assert uploads.files[CARD] == b"by hand" and uploads.options["repo_id"] == "organisation/x"


def test_push_sends_the_estimator_of_a_leed(uploads: SimpleNamespace) -> None:
    model = LEED(TINY)
    model._estimators = (RemainsEstimator(TINY),)
    model.push_to_hub("organisation/leed")
    assert uploads.files.keys() == FILES | {f"remains/{name}" for name in (CONFIG, WEIGHTS)}


@pytest.mark.parametrize("method", ["save_pretrained", "push_to_hub", "from_pretrained"])
def test_arguments_of_the_mixin_are_kept(method: str) -> None:
    ours = inspect.signature(getattr(HubModel, method)).parameters
    upload = inspect.signature(leed.uploading.upload).parameters  # behind **options of the two that push
    theirs = inspect.signature(getattr(PyTorchModelHubMixin, method)).parameters
    named = {name for name, parameter in theirs.items() if parameter.kind != parameter.VAR_KEYWORD}
    assert named <= ours.keys() | (upload.keys() if method == "push_to_hub" else set())


# The card


def test_generated_card_has_the_facts(folder: Path) -> None:
    card = ModelCard.load(folder / CARD)
    assert (card.data.library_name, card.data.license) == ("leed", None)
    assert card.data.pipeline_tag == "image-to-image"
    assert {"facial-expression-editing", "stand-in", "pytorch_model_hub_mixin"} <= set(card.data.tags)
    assert "https://arxiv.org/abs/2007.08971" in card.text and "Net.from_pretrained" in card.text
    assert "stand-in" not in HubModel._hub_mixin_info.model_card_data.tags


def test_card_by_hand_is_kept(folder: Path) -> None:
    (folder / CARD).write_text("by hand")
    make(1).save_pretrained(folder)
    assert (folder / CARD).read_text() == "by hand"
    assert same(Net.from_pretrained(folder), make(1))


# What may not be saved


@pytest.mark.parametrize(
    ("value", "dtype", "words"),
    [
        (torch.nan, None, "NaN"),
        (torch.inf, None, "infinite"),
        (1e5, torch.float16, "linear.bias"),
        (0, torch.int8, "int8"),
    ],
)
def test_bad_save_is_refused_and_changes_nothing(
    folder: Path, value: float, dtype: torch.dtype | None, words: str
) -> None:
    model = make(1)
    model.linear.bias.data[0] = value
    with pytest.raises(ValueError, match=words):
        model.save_pretrained(folder, dtype=dtype)
    assert same(Net.from_pretrained(folder), make())


def test_configuration_other_than_the_models_is_refused(tmp_path: Path) -> None:
    model = make()
    model.save_pretrained(tmp_path, config=TINY)
    model.save_pretrained(tmp_path, config=TINY.to_dict())
    with pytest.raises(ValueError, match="built with"):
        model.save_pretrained(tmp_path, config=replace(TINY, flow=False))


# Crashes


def die_at(calls: dict[str, int], kill: bool) -> None:
    """Makes the n-th call of a function of `os` (`replace`, `fsync`) the process's last, or raise."""

    def dying(function: Callable, count: list[int]) -> Callable:
        def call(*args: object) -> object:
            count[0] -= 1
            if count[0] == 0:
                if kill:
                    os.kill(os.getpid(), signal.SIGKILL)
                raise OSError("No space left on device")
            return function(*args)

        return call

    for name, n in calls.items():
        setattr(os, name, dying(getattr(os, name), [n]))


def in_child(work: Callable[[], None]) -> int:
    """Starts `work` in a forked process and returns the process's number."""
    child = os.fork()
    if child == 0:
        try:
            work()
        finally:
            os._exit(0)
    return child


MOMENTS = [("fsync", 1), ("fsync", 2), ("replace", 1), ("replace", 2), ("fsync", 3)]


@pytest.mark.parametrize(("function", "n"), MOMENTS)
def test_killed_while_saving(folder: Path, function: str, n: int) -> None:
    def work() -> None:
        die_at({function: n}, kill=True)
        make(1).save_pretrained(folder)

    _, status = os.waitpid(in_child(work), 0)
    assert os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
    moved = (function, n) in MOMENTS[3:]  # model.safetensors is the first to be moved
    assert same(Net.from_pretrained(folder), make(1 if moved else 0))
    make(2).save_pretrained(folder)
    assert same(Net.from_pretrained(folder), make(2))
    assert not (folder / PARTIAL).exists()


def test_killed_at_any_moment(folder: Path) -> None:
    models = [make(1), make(2)]

    def work() -> None:
        while True:
            for model in models:
                model.save_pretrained(folder)

    moments = random.Random(0)
    for _ in range(20):
        child = in_child(work)
        time.sleep(moments.uniform(0.005, 0.03))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        loaded = Net.from_pretrained(folder)
        assert any(same(loaded, model) for model in [make(0), *models])


@pytest.mark.parametrize(("function", "n"), MOMENTS[:4])
def test_disk_full_while_saving(folder: Path, monkeypatch: pytest.MonkeyPatch, function: str, n: int) -> None:
    monkeypatch.setattr(os, function, getattr(os, function))  # restores it afterwards
    die_at({function: n}, kill=False)
    with pytest.raises(OSError, match="No space left"):
        make(1).save_pretrained(folder)
    assert same(Net.from_pretrained(folder), make(1 if (function, n) == ("replace", 2) else 0))
    assert {file.name for file in folder.iterdir()} == FILES


def test_half_done_change_of_configuration_is_found(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "replace", os.replace)
    die_at({"replace": 2}, kill=False)
    with pytest.raises(OSError, match="No space left"):
        make(config=replace(TINY, classifier_sees_neutral=False)).save_pretrained(folder)
    with pytest.raises(ModelFileError, match="not saved together"):
        Net.from_pretrained(folder)
