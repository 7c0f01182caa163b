"""Learned neutral faces: whose they are, that they are computed once, and that the set need not fit into memory."""

import pickle
import shutil
import textwrap
from pathlib import Path

import pytest
import torch
from processes import on_two_processes
from training_runs import greatest_difference

import leed.data.faces
import train_accelerate
from leed import Neutralizer
from leed.config import TINY
from leed.data.faces import FaceDataset, fold_of, load_faces
from leed.training import neutral_faces
from leed.training.neutral_faces import LearnedNeutrals, predict_neutrals

pytestmark = pytest.mark.usefixtures("fresh_accelerator")


def painting(value: float = 1.0) -> Neutralizer:
    """A neutraliser that changes every picture, and others than one of another value."""
    neutralizer = Neutralizer(TINY)
    torch.nn.init.constant_(neutralizer.generator.paint.bias, value)
    return neutralizer


@pytest.fixture
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Chunks of 16 rows; the list tells how many pictures each call of the neutraliser was given."""
    counts: list[int] = []

    def counted(neutralizer: Neutralizer, images: torch.Tensor) -> torch.Tensor:
        counts.append(len(images))
        return predict_neutrals(neutralizer, images)

    monkeypatch.setattr(neutral_faces, "CHUNK", 16)
    monkeypatch.setattr(neutral_faces, "predict_neutrals", counted)
    return counts


@pytest.mark.parametrize("in_memory", [True, False])
def test_learned_neutrals_out_of_fold(drawn_folder: Path, in_memory: bool, tmp_path: Path) -> None:
    """Each person's neutral faces come from the neutraliser that has not seen that person."""
    faces = FaceDataset(load_faces(drawn_folder), TINY.image_size, in_memory=in_memory)
    neutralizers = [Neutralizer(TINY), painting()]
    learned = LearnedNeutrals(faces, *neutralizers, cache=tmp_path)
    rows = list(range(len(faces)))
    batch = learned.__getitems__(rows)
    for name, shown in (("learned_neutral", "image"), ("learned_view_neutral", "view")):
        for row in rows:
            neutralizer = neutralizers[fold_of(faces.persons[faces.person_ids[row]], 2)]
            expected = predict_neutrals(neutralizer, batch[shown][row : row + 1])[0]
            assert (batch[name][row].int() - expected.int()).abs().max() <= 1  # batches of other sizes round otherwise
    assert {fold_of(person, 2) for person in faces.persons} == {0, 1}  # the test sees both
    assert torch.equal(learned.__getitems__([5, 2])["learned_neutral"], batch["learned_neutral"][[5, 2]])


def test_neutral_faces_are_computed_once(faces: FaceDataset, small_chunks: list[int], tmp_path: Path) -> None:
    """Again for another neutraliser and for other faces, but not for the same."""
    first, other = painting(), painting(0.5)
    before = LearnedNeutrals(faces, first, cache=tmp_path).__getitems__([3])["learned_neutral"]
    assert sum(small_chunks) == 2 * len(faces)  # with the second views
    small_chunks.clear()
    assert torch.equal(LearnedNeutrals(faces, first, cache=tmp_path).__getitems__([3])["learned_neutral"], before)
    assert not small_chunks
    assert not torch.equal(LearnedNeutrals(faces, other, cache=tmp_path).__getitems__([3])["learned_neutral"], before)
    assert sum(small_chunks) == 2 * len(faces)


def test_an_interrupted_start_goes_on(
    faces: FaceDataset, small_chunks: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    neutralizer, counted = painting(), neutral_faces.predict_neutrals

    def killed(neutralizer: Neutralizer, images: torch.Tensor) -> torch.Tensor:
        if len(small_chunks) == 5:  # in the third chunk, after its pictures and before their second views
            raise KeyboardInterrupt
        return counted(neutralizer, images)

    monkeypatch.setattr(neutral_faces, "predict_neutrals", killed)
    with pytest.raises(KeyboardInterrupt):
        LearnedNeutrals(faces, neutralizer, cache=tmp_path / "a")
    small_chunks.clear()
    monkeypatch.setattr(neutral_faces, "predict_neutrals", counted)
    resumed = LearnedNeutrals(faces, neutralizer, cache=tmp_path / "a")
    assert sum(small_chunks) == 2 * (len(faces) - 32)
    whole = LearnedNeutrals(faces, neutralizer, cache=tmp_path / "b")
    rows = list(range(len(faces)))
    for kind in ("learned_neutral", "learned_view_neutral"):
        assert torch.equal(resumed.__getitems__(rows)[kind], whole.__getitems__(rows)[kind])


def test_a_disk_without_room_is_refused(faces: FaceDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage(tmp_path)._replace(free=1000)
    monkeypatch.setattr(neutral_faces.shutil, "disk_usage", lambda folder: usage)
    with pytest.raises(ValueError, match=r"of \d+ pictures take 0.0 GB, and .* give another --cache_dir"):
        LearnedNeutrals(faces, painting(), cache=tmp_path)


def test_loader_processes_get_no_copy(faces: FaceDataset, tmp_path: Path) -> None:
    stored = LearnedNeutrals(faces, painting(), cache=tmp_path).stored
    before = stored.read("learned_neutral", [7])
    sent = pickle.dumps(stored)
    assert len(sent) < 1000
    assert torch.equal(pickle.loads(sent).read("learned_neutral", [7]), before)


def test_pictures_need_not_fit_into_memory(
    editor_run: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same weights, bit for bit, whether pictures are decoded once or as they are asked for."""
    for name, limit in (("memory", 2**30), ("disk", 1)):
        monkeypatch.setattr(leed.data.faces, "IN_MEMORY_BYTES", limit)
        folders = ["--output_dir", str(tmp_path / name), "--cache_dir", str(tmp_path / f"{name}-cache")]
        train_accelerate.main([*editor_run, *folders, "--max_train_steps", "2"])
    assert greatest_difference(tmp_path / "memory" / "leed", tmp_path / "disk" / "leed") == 0


def test_two_processes_divide_the_work(drawn_folder: Path, tmp_path: Path) -> None:
    """Each checks half of the pictures and computes half of the neutral faces; both refuse a broken picture."""
    script = tmp_path / "work.py"
    script.write_text(
        textwrap.dedent("""
        import json, pathlib, sys
        import torch
        import torch.distributed as dist
        from accelerate import Accelerator
        from leed import Neutralizer
        from leed.config import TINY
        from leed.data import faces as data
        from leed.data.faces import FaceDataset, load_faces
        from leed.data.table import standard_table
        from leed.training import neutral_faces
        from leed.training.config import TrainConfig
        from leed.training.data import known_digest

        folder, drawn = pathlib.Path(sys.argv[1]), sys.argv[2]
        accelerator, config = Accelerator(), TrainConfig(cache_dir=str(folder))
        opened, computed = [], []
        open_picture, predict = data.open_picture, neutral_faces.predict_neutrals
        data.open_picture = lambda picture: opened.append(1) or open_picture(picture)
        neutral_faces.predict_neutrals = lambda net, images: computed.append(len(images)) or predict(net, images)
        neutral_faces.CHUNK = 8
        table = load_faces(drawn)
        known_digest(table, accelerator, config)
        once = len(opened)
        known_digest(table, accelerator, config)
        again = len(opened)
        torch.manual_seed(0)
        faces = FaceDataset(table, TINY.image_size)
        learned = neutral_faces.LearnedNeutrals(faces, Neutralizer(TINY), cache=folder)
        total = int(learned.__getitems__(list(range(len(faces))))["learned_neutral"].long().sum())
        try:
            known_digest(standard_table(3, image=["/none.png"] * 3), accelerator, config)
            refused = ""
        except ValueError as error:
            refused = str(error).splitlines()[0]
        gathered = [None, None]
        dist.all_gather_object(gathered, (once, again, sum(computed), total, refused))
        if accelerator.is_main_process:
            (folder / "found.json").write_text(json.dumps([len(faces), *gathered]))
        dist.destroy_process_group()
        """)
    )
    on_two_processes(script, str(tmp_path), str(drawn_folder))
    import json

    count, *processes = json.loads((tmp_path / "found.json").read_text())
    assert sum(found[0] for found in processes) == 4 * count  # each row's four pictures, by one process
    for once, again, computed, _, refused in processes:
        assert again == once > count
        assert 0.8 * count < computed < 1.2 * count  # of two pictures a row
        assert refused.startswith("3 pictures cannot be read")
    assert processes[0][3] == processes[1][3]
