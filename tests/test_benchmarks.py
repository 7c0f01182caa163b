"""Budgets of the default configuration, and that the benchmarks measure what they say."""

import importlib.util
import re
import socket
import threading
from dataclasses import replace
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from leed import LEED, PRESETS

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


def load_benchmark(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, BENCHMARKS / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def latency() -> ModuleType:
    return load_benchmark("latency")


@pytest.fixture(scope="module")
def training() -> ModuleType:
    return load_benchmark("training")


@pytest.fixture(scope="module")
def alignment() -> ModuleType:
    return load_benchmark("alignment")


@pytest.fixture(scope="module")
def openfaces() -> ModuleType:
    pytest.importorskip("numba", reason="the rasteriser needs numba")
    return load_benchmark("openfaces")


def test_gmac_budgets(latency) -> None:
    parts = latency.gmac_of_parts(LEED().eval())
    assert min(parts.values()) > 0
    assert parts["decoder"] + parts["interpolator"] <= 2.0
    assert parts["encoder"] + parts["extractor"] <= 1.0
    assert parts["neutralizer"] <= 3.0


def test_stargan_is_the_one_of_the_paper(latency) -> None:
    """64 channels, 6 blocks, 128x128: about 10 GMAC, and statistics taken live."""
    stargan = latency.StarGANGenerator(PRESETS["paper"]).eval()
    face, domain = torch.zeros(1, 3, 128, 128), torch.tensor([0])
    assert latency.count_gmac(lambda: stargan(face, domain)) == pytest.approx(10, rel=0.05)
    assert not any(name.endswith("running_mean") for name in stargan.state_dict())


def test_count_of_a_known_product(latency) -> None:
    a, b = torch.zeros(10, 20), torch.zeros(20, 30)
    assert latency.count_gmac(lambda: a @ b) == pytest.approx(10 * 20 * 30 / 1e9)


def test_latency_prints_the_ratios(latency, capsys, tmp_path: Path) -> None:
    LEED(PRESETS["tiny"]).save_pretrained(tmp_path)
    threads = torch.get_num_threads()
    try:
        latency.main(["--model", str(tmp_path), "--repeats", "1", "--threads", "1"])
    finally:
        torch.set_num_threads(threads)
    output = capsys.readouterr().out
    for name, budget in {
        "slider step, PyTorch": 0.15,
        "slider step": 0.08,
        "final picture": 0.2,
        "new photo": 0.6,
        "live frame": 0.35,
        "live frame, followed": 0.35,
    }.items():
        pattern = rf"^{name}: \d+\.\d{{3}} of StarGAN's time \(budget {budget}: \w+\)"
        assert re.search(pattern, output, re.MULTILINE), name
    assert "the model has no upper level" in output


def test_photos_are_timed_with_the_upper_level_and_steps_without(latency, monkeypatch: pytest.MonkeyPatch) -> None:
    """As the demo shows them: a slider step and a webcam's frame do without it."""
    leed, refined = LEED(replace(PRESETS["tiny"], upper_width=8, upper_eyes_width=8)).eval(), []
    refine = leed.refine
    monkeypatch.setattr(leed, "refine", lambda *inputs: refined.append(1) or refine(*inputs))
    counts = {}
    for name, call in latency.demo_calls(leed, torch.get_num_threads()).items():
        refined.clear()
        call()
        counts[name] = len(refined)
    assert counts == {"slider step": 0, "final picture": 2, "new photo": 2, "live frame": 0, "live frame, followed": 0}


@pytest.mark.usefixtures("fresh_accelerator")
def test_training_times_the_trainer_s_own_step(
    training, classifier_run: list[str], tmp_path: Path, capsys, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Warm-up, counted and timed steps are all `Run.update`; the parts make up a step; nothing is left behind."""
    from leed.training.run import Run

    update, steps = Run.update, []

    def recorded(run: Run, batch: dict, num_steps: int) -> dict | None:
        steps.append(run.step)
        return update(run, batch, num_steps)

    monkeypatch.setattr(Run, "update", recorded)
    loop = training.train_accelerate.train
    training.main([*classifier_run, "--steps", "2", "--threads", "1", "--cpu_time"])
    assert steps == list(range(training.WARM_UP + 1 + 2))
    assert training.train_accelerate.train is loop and not (tmp_path / "run").exists()
    output = capsys.readouterr().out
    assert re.search(r"^classifier: [\d.]+ steps a second, ", output, re.MULTILINE)
    shares = re.findall(r"(\w+) (-?\d+)%", output.split("\n  ")[1])
    assert [name for name, _ in shares] == [*training.PARTS, "rest"]
    assert 95 <= sum(int(share) for _, share in shares) <= 105
    assert min(int(share) for name, share in shares if name in ("forward", "backward", "optimiser")) > 0


def test_operations_of_a_step_count_both_passes(training) -> None:
    a, b = torch.zeros(10, 20, requires_grad=True), torch.zeros(20, 30, requires_grad=True)
    assert training.count(lambda: (a @ b).sum().backward()) == 3 * 2 * 10 * 20 * 30


def test_one_process_and_several_take_turns(training, capsys) -> None:
    """Two processes, each step of which takes a quarter longer, do 1.6 times the work of one."""
    workers, threads = [], []
    for seconds in (1.0, 1.25):
        ours, theirs = socket.socketpair()
        turn = lambda steps, seconds=seconds: steps * seconds  # noqa: E731
        threads.append(threading.Thread(target=training.serve, args=(turn, theirs.makefile("rw"))))
        threads[-1].start()
        workers.append(ours.makefile("rw"))
        ours.close()
        theirs.close()
    assert training.ratio(workers, 2, turns=3, steps=4) == pytest.approx(1.6)
    for worker in workers:
        print(0, file=worker, flush=True)
    for thread in threads:
        thread.join(10)
        assert not thread.is_alive()
    assert "one process 1000 ms, 2 processes 1250 ms" in capsys.readouterr().out


def test_faces_named_as_rafd_s_are_read_as_such(tmp_path: Path) -> None:
    from leed.data.faces import load_faces

    benchmark = load_benchmark("paper_preset")
    benchmark.write_rafd(tmp_path, people=1)
    table = load_faces(tmp_path, rafd_cameras=benchmark.ALL_CAMERAS)
    assert len(table) == 5 * 8 and set(table["person"]) == {"rafd-01"}
    assert sorted(set(table["expression"])) == list(range(8)) and set(table["yaw"]) == {-90, -45, 0, 45, 90}


def test_losses_of_a_run_are_summed_up_and_plotted(tmp_path: Path, capsys) -> None:
    from torch.utils.tensorboard import SummaryWriter

    benchmark = load_benchmark("paper_preset")
    for value in (1.0, float("nan")):
        with SummaryWriter(str(tmp_path / "logs" / "leed-classifier")) as log:
            for number in range(20):
                log.add_scalar("classifier/cross_entropy", value * (2 - number / 10), number)
            log.add_scalar("classifier/validation/accuracy", 0.5, 19)
        if value == 1:
            benchmark.report(tmp_path)
            found = re.search(r"cross_entropy +([\d.]+) +([\d.]+) +([\d.]+)", capsys.readouterr().out)
            first, last, greatest = found.groups()
            assert (float(first), float(last), float(greatest)) == pytest.approx((1.95, 0.15, 2))
            assert Image.open(tmp_path / "losses.png").width == 1200
        else:
            with pytest.raises(SystemExit, match="not finite: classifier/cross_entropy"):
                benchmark.report(tmp_path)


@pytest.mark.parametrize("roll", [0, 10])
def test_true_alignment_is_the_set_s_crop(alignment, roll: float) -> None:
    """Level eyes on row 100, a face from column 50 to 206: the square (28, 40, 228, 240); rolled, it rolls along."""
    landmarks = np.full((68, 2), (128.0, 150.0))
    landmarks[36:42], landmarks[42:48] = (94, 100), (162, 100)
    landmarks[0], landmarks[16] = (50, 100), (206, 100)
    radians = np.radians(roll)
    rotation = np.array([[np.cos(radians), np.sin(radians)], [-np.sin(radians), np.cos(radians)]])
    landmarks = (landmarks - (128, 100)) @ rotation + (128, 100)
    truth, eyes = alignment.true_alignment({"landmarks": landmarks.ravel().tolist()})
    assert truth.side == pytest.approx(200) and np.degrees(truth.angle) == pytest.approx(roll)
    np.testing.assert_allclose(truth.to_crop(eyes), [[0.33, 0.30], [0.67, 0.30]], atol=1e-9)
    if roll == 0:
        np.testing.assert_allclose(truth.corner, (28, 40), atol=1e-9)


@pytest.mark.parametrize("seed", range(3))
def test_hidden_picture_lies_where_it_is_said_to(alignment, seed: int) -> None:
    picture = Image.new("RGB", (256, 256), "black")
    picture.paste("white", (70, 150, 90, 170))
    photo, place = alignment.hide(picture, np.random.default_rng(seed))
    rows, columns = np.nonzero(np.asarray(photo)[..., 0] > 127)
    np.testing.assert_allclose(
        (columns.mean() + 0.5, rows.mean() + 0.5), place.to_photo([80 / 256, 160 / 256]), atol=1
    )


def test_simulated_raters_have_the_true_share_and_differ():
    benchmark = load_benchmark("study_intervals")
    yes, raters = benchmark.simulate(np.random.default_rng(0), 2000, 0.3)
    counts = np.bincount(raters)
    assert len(counts) == 2000 and counts.max() == benchmark.ANSWERS and counts.min() >= 1
    assert abs(yes.mean() - 0.3) < 0.02
    low, high = benchmark.independent(yes, raters)
    assert low < 0.3 < high
    for wider in (benchmark.bootstrap, benchmark.clustered):  # since answers of a rater are alike
        assert np.diff(wider(yes, raters))[0] > 1.1 * (high - low)


def test_pictures_go_through_both_files_of_the_stored_set(openfaces) -> None:
    """The outcome is near the crop that one file would hold, and not it."""
    picture = np.linspace(0, 255, 256 * 256 * 3).reshape(256, 256, 3).astype(np.uint8)
    sitter = SimpleNamespace(picture=lambda weights, pose: picture)
    found = openfaces.compressed(sitter, openfaces.AT_REST, None, "-twins")
    assert 30 < openfaces.psnr(found, openfaces.inner(picture)[..., ::-1]) < 60


def test_people_are_spread_over_all(openfaces) -> None:
    cast = SimpleNamespace(people=dict.fromkeys("ebdac"))
    assert openfaces.chosen(cast, 3) == ["a", "c", "e"]
