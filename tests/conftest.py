"""What tests share: no network, no GPU, one thread, tiny networks and a small set of drawn faces."""

import gc
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import wraps
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import TYPE_CHECKING

CACHE = tempfile.TemporaryDirectory(prefix="leed-tests-")
os.environ["HF_HOME"] = CACHE.name  # leaves the user's own alone
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["ACCELERATE_USE_CPU"] = "true"
ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))  # for train_accelerate.py

import httpx  # noqa: E402
import numpy as np  # noqa: E402
import pytest  # noqa: E402
import torch  # noqa: E402
from accelerate.state import AcceleratorState, GradientState  # noqa: E402
from PIL import Image  # noqa: E402
from samples import write_triples  # noqa: E402
from torch import nn  # noqa: E402

from leed import LEED  # noqa: E402
from leed.config import TINY, ModelConfig  # noqa: E402
from leed.evaluation.pairs import Triples, load_triples  # noqa: E402
from leed.networks.classifier import ExpressionClassifier  # noqa: E402

if TYPE_CHECKING:
    from playwright import sync_api

pytest_plugins = ["training_fixtures"]  # its fixtures
torch.set_num_threads(1)

VARIANTS = {
    "tiny": TINY,
    "no flow": replace(TINY, flow=False),
    "no skip": replace(TINY, patch_skip=False, flow=False),
    "patches of 8": replace(TINY, image_size=64, patch_size=8, encoder_depth=2, decoder_depth=2),
    "as in the paper": replace(
        TINY, patch_skip=False, delta_size=0, flow=False, neutralizer="stargan", neutralizer_depth=2
    ),
    "bottleneck, face alone": replace(TINY, classifier_block="bottleneck", classifier_sees_neutral=False),
}
"""The configurations that build other networks than each other."""


BROWSER_OPTIONS = (
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--use-fake-ui-for-media-stream",
    "--use-fake-device-for-media-stream",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Starts what takes long first, so that two processes end together."""
    items.sort(key=lambda item: "slow" not in item.keywords)


def pytest_collection_finish() -> None:
    """Spares the garbage collector what the imported packages hold: a training run asks for a full collection."""
    gc.collect()
    gc.freeze()


def reset_accelerator() -> None:
    """Forgets what Accelerate keeps in the process."""
    AcceleratorState._reset_state(reset_partial_state=True)
    GradientState._reset_state()


@pytest.fixture
def fresh_accelerator() -> Iterator[None]:
    """Accelerate keeps its state in the process: each test that uses this starts without."""
    yield
    reset_accelerator()


@pytest.fixture(params=list(VARIANTS), ids=list(VARIANTS))
def variant(request: pytest.FixtureRequest) -> ModelConfig:
    """Each of VARIANTS in turn."""
    return VARIANTS[request.param]


@pytest.fixture(autouse=True)
def seeded() -> None:
    """The same random numbers in each test."""
    torch.manual_seed(0)


@pytest.fixture(scope="session")
def perturb() -> Callable[[nn.Module], nn.Module]:
    """Gives layers that start at zero some weight, so that what lies behind them has a gradient."""

    def apply(module: nn.Module) -> nn.Module:
        with torch.no_grad():
            for parameter in module.parameters():
                if not parameter.any():
                    parameter.normal_(std=0.05)
        return module

    return apply


@pytest.fixture(scope="session")
def drawn_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a parquet file of 6 drawn people, 8 faces each, 32 pixels, with twins and views."""
    from leed.data.readers.drawn import drawn_faces

    folder = tmp_path_factory.mktemp("faces")
    drawn_faces(num_people=6, per_person=8, size=32).to_parquet(folder / "train-00000.parquet")
    return folder


@pytest.fixture(scope="session")
def lively_leed() -> LEED:
    """A tiny model with random weights that changes faces visibly; a fresh one starts as the identity."""
    torch.manual_seed(0)
    leed = LEED(TINY).eval()
    with torch.no_grad():
        for parameter in leed.parameters():
            parameter.add_(0.03 * torch.randn_like(parameter))
        leed.extractor.features[-1].weight.mul_(5)
    return leed


@pytest.fixture(scope="session")
def evaluation_folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Folders: `pairs` with ten drawn triples, their `twins`, and `leed` and `evaluator`, tiny models to measure."""
    root = tmp_path_factory.mktemp("evaluation")
    torch.manual_seed(0)
    LEED(TINY).save_pretrained(root / "leed")
    ExpressionClassifier(TINY).save_pretrained(root / "evaluator")
    pairs = write_triples(root, 10)
    return {"pairs": pairs, "twins": root / "faces-twins", "leed": root / "leed", "evaluator": root / "evaluator"}


@pytest.fixture(scope="session")
def triples(evaluation_folders: dict[str, Path]) -> Triples:
    """These triples, which no test changes, at 32 pixels."""
    return load_triples(evaluation_folders["pairs"], image_size=32)


@pytest.fixture(scope="session")
def two_people(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A photo, 1400x760, of two people: the larger on the right, the smaller in the left half."""
    large, small = (Image.open(ROOT / f"leed/gallery/portraits/comp{name}.jpg") for name in ("02", "05"))
    photo = Image.new("RGB", (1400, 760), (210, 212, 210))
    photo.paste(small.resize((560, 608)), (70, 100))
    photo.paste(large, (700, 0))
    photo.save(path := tmp_path_factory.mktemp("photos") / "two.png")
    return path


@pytest.fixture(scope="session")
def small_portrait(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A photo of one person, 280x304: a sequence of it is made six times as fast as one of the whole portrait."""
    path = tmp_path_factory.mktemp("photos") / "small.jpg"
    Image.open(ROOT / "leed/gallery/portraits/comp02.jpg").resize((280, 304)).save(path)
    return path


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture
def tiny_actions(lively_leed: LEED, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """The module `leed.demo.actions` with a tiny model; its caches are emptied afterwards."""
    from leed.demo import actions, engine, faces, photos, recipes

    of_model = (engine.editor, engine.signer, recipes.gallery_expression, recipes.own_expression)
    of_model += (recipes.saved_expression, recipes.from_text)
    of_model += (actions.prepare, actions.prepare_preview, photos.remaining_parts)
    of_model += (faces.others_in_preview,)

    def forget() -> None:
        for cached in of_model:
            cached.cache_clear()

    lively_leed.save_pretrained(tmp_path / "model")
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr(engine, "MODEL", str(tmp_path / "model"))
    forget()
    yield actions
    monkeypatch.undo()
    forget()


@pytest.fixture
def no_worker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The demo's backend does in this process what its worker would do in another."""
    from leed.demo import backend

    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr(backend, "worker", SimpleNamespace(call=lambda work, *arguments: work(*arguments)))


@pytest.fixture
def tiny_app(no_worker: None, tiny_actions: ModuleType) -> ModuleType:
    """The module `app`, with a tiny model in this process."""
    import app

    return app


@pytest.fixture
def slow_app(tiny_app: ModuleType, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, threading.Event]]:
    """The demo, served from this process: its address, and the event that its edits wait for."""
    from leed.demo import backend

    edit, go_on = backend.edit, threading.Event()

    @wraps(edit)
    def slow_edit(*arguments) -> tuple[Path, Path]:
        go_on.wait(10 * 60)
        return edit(*arguments)

    monkeypatch.setattr(backend, "edit", slow_edit)
    port = free_port()
    page = tiny_app.launch(server_port=port, prevent_thread_lock=True, quiet=True)
    try:
        yield f"http://127.0.0.1:{port}", go_on
    finally:
        go_on.set()
        page.close(verbose=False)


@pytest.fixture(scope="session")
def app_server(lively_leed: LEED, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimpleNamespace]:
    """`python app.py` with a tiny model: its `url`, its `process` and its `log`."""
    folder = tmp_path_factory.mktemp("app")
    lively_leed.save_pretrained(folder / "model")

    environment = {"LEED_MODEL": str(folder / "model"), "GRADIO_TEMP_DIR": str(folder / "cache")}
    with served([str(ROOT / "app.py")], environment, folder / "log.txt") as server:
        yield server


@pytest.fixture(scope="session")
def app_url(app_server: SimpleNamespace) -> str:
    return app_server.url


@contextmanager
def served(arguments: list[str], environment: dict[str, str], log: Path) -> Iterator[SimpleNamespace]:
    """A Gradio page that Python serves when called with the arguments: its `url`, its `process` and its `log`.

    It is called in another folder than the project's, as the installed package is.
    """
    url = f"http://127.0.0.1:{(port := free_port())}"
    environment = os.environ | environment | {"GRADIO_SERVER_PORT": str(port), "OMP_NUM_THREADS": "1"}
    environment["PYTHONPATH"] = str(ROOT)
    with log.open("w") as output:
        process = subprocess.Popen(
            [sys.executable, *arguments], cwd=log.parent, env=environment, stdout=output, stderr=subprocess.STDOUT
        )
    try:
        for _ in range(600):
            assert process.poll() is None, log.read_text()
            try:
                httpx.get(url)
                break
            except httpx.TransportError:
                time.sleep(0.2)
        yield SimpleNamespace(url=url, process=process, log=log)
    finally:
        process.terminate()
        process.wait(30)


@pytest.fixture(scope="session")
def chromium() -> str:
    """The path of a Chromium or Chrome."""
    paths = map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))
    return next(filter(None, paths), None) or pytest.skip("no Chromium is installed: apt-get install chromium")


@pytest.fixture(scope="module")  # of the session, it would keep an event loop running under all other tests
def playwright() -> Iterator["sync_api.Playwright"]:
    sync_api = pytest.importorskip("playwright.sync_api", reason="it is not installed: pip install playwright")
    with sync_api.sync_playwright() as playwright:
        yield playwright


@pytest.fixture(scope="module")
def browser(playwright: "sync_api.Playwright", chromium: str) -> Iterator["sync_api.Browser"]:
    browser = playwright.chromium.launch(executable_path=chromium, args=BROWSER_OPTIONS)
    yield browser
    browser.close()


def next_by_keyboard(page: "sync_api.Page") -> str | None:
    """Presses Tab and gives the first line of the reached control's name; `None` at the end of the page."""
    page.keyboard.press("Tab")
    return page.evaluate(
        """() => {
            const control = document.activeElement
            if (control === document.body) return null
            const image = control.querySelector('img')
            const name = control.ariaLabel && !image ? control.ariaLabel
                : control.innerText || control.labels?.[0]?.innerText || image?.alt || ''
            return name.trim().split('\\n')[0]
        }"""
    )


@pytest.fixture(scope="session")
def make_pictures(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Path]:
    """Makes folders with pictures for a user study: real ones and those of three methods, 12 each, 24x24."""

    def make() -> Path:
        rng = np.random.default_rng(0)
        folder = tmp_path_factory.mktemp("pictures")
        for source in ("real", "leed", "stargan", "ganimation"):
            (folder / source).mkdir()
            for number in range(12):
                pixels = rng.integers(256, size=(24, 24, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(folder / source / f"{number:02}_happy.png")
        return folder

    return make


@pytest.fixture(scope="session")
def study_pictures(make_pictures: Callable[[], Path]) -> Path:
    """Such a folder, which no test changes."""
    return make_pictures()


@pytest.fixture(scope="session")
def study_page(study_pictures: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimpleNamespace]:
    """`python -m leed.study` with few questions: `url`, `pictures` and `answers`."""
    folder = tmp_path_factory.mktemp("study")
    arguments = ["-m", "leed.study", "--pictures", str(study_pictures), "--answers", str(folder / "answers.sqlite")]
    arguments += ["--per_source", "2", "--comparisons", "3", "--checks", "1"]
    with served(arguments, {}, folder / "log.txt") as server:
        yield SimpleNamespace(url=server.url, pictures=study_pictures, answers=folder / "answers.sqlite")
