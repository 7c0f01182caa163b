"""Loading, splitting, checking and decoding of face sets."""

import re

import pytest
import torch
from PIL import Image as PILImage
from samples import plain, png, save
from torch.utils.data import DataLoader

from leed.data.faces import (
    FaceDataset,
    at_most,
    check_images,
    collate,
    load_faces,
    split_by_person,
    split_sets_by_person,
)
from leed.data.readers.drawn import drawn_faces
from leed.data.table import PICTURES, standard_table


def test_action_units_have_seventeen_numbers():
    table = standard_table(2, image=[png(), png()], action_units=[None, [0.5] * 17])
    assert FaceDataset(table, 8).has_action_units.tolist() == [False, True]
    with pytest.raises(ValueError, match=r"action_units must be 17 numbers or None, got rows of \[3\]"):
        FaceDataset(standard_table(1, image=[png()], action_units=[[0.5] * 3]), 8)


def test_max_samples_is_seeded(openfaces):
    first, second = (load_faces(openfaces, max_samples=2, seed=3) for _ in range(2))
    assert first["yaw"][:] == second["yaw"][:] and len(first) == 2
    assert len(load_faces(openfaces, max_samples=10)) == 3
    table = load_faces(openfaces)
    assert at_most(table, 2, seed=3)["yaw"][:] == first["yaw"][:] and at_most(table, None) is table
    with pytest.raises(ValueError, match="max_samples must be at least 1, got 0"):
        at_most(table, 0)


@pytest.mark.parametrize("seed", range(5))
def test_split_by_person(seed):
    table = standard_table(50, image=[png()] * 50, person=[f"p{i % 7}" for i in range(50)])
    train, held_out = split_by_person(table, fraction=0.3, seed=seed)
    assert not set(train["person"]) & set(held_out["person"])
    assert len(set(held_out["person"])) == 2 and len(train) + len(held_out) == 50
    assert split_by_person(table, 0.3, seed)[1]["person"][:] == held_out["person"][:]
    with pytest.raises(ValueError, match="two people"):
        split_by_person(table.select([0]))


def test_a_person_of_several_sets_is_on_one_side():
    def people(*names):
        return standard_table(len(names), image=[png()] * len(names), person=names)

    names = [f"p{i:02}" for i in range(20)]
    first, second, third = people(*names * 2), people(*names[::3], "q1", "q2", "q3"), people(names[0])
    (train, held_out), *others = split_sets_by_person([first, second, third], 0.2)
    alone = split_by_person(first, 0.2)
    assert [part["person"][:] for part in (train, held_out)] == [part["person"][:] for part in alone]
    for other_train, other_held_out in others:
        assert not set(other_train["person"]) & set(held_out["person"])
        assert not set(other_held_out["person"]) & set(train["person"])
    assert len(others[0][0]) + len(others[0][1]) == 10 and len(others[1][0]) + len(others[1][1]) == 1
    assert len({"q1", "q2", "q3"} & set(others[0][1]["person"])) == 1  # some of the new people, too, are held out


def test_sets_of_a_table():
    table = standard_table(5, image=[png()] * 5)
    faces = FaceDataset(table, 8, sets={"left": 3, "none": 0, "right": 2})
    assert faces.set_names == ("left", "none", "right") and faces.set_ids.tolist() == [0, 0, 0, 2, 2]
    assert FaceDataset(table, 8).set_ids.tolist() == [0] * 5
    with pytest.raises(ValueError, match="has 5 rows, and its sets have 4"):
        FaceDataset(table, 8, sets={"left": 3, "right": 1})


def test_a_folder_may_be_told_from_home_or_from_within(openfaces, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    save(tmp_path / "mine" / "happy" / "a.png")
    drawn_faces(num_people=2, per_person=2, size=32).to_parquet(tmp_path / "table" / "train-0.parquet")
    assert len(load_faces("~/table")) == len(load_faces("~/table", "table")) == 4
    assert load_faces("~/mine")["expression"] == [1]
    monkeypatch.chdir(openfaces)
    assert [picture is not None for picture in load_faces(".")["neutral"]] == [True, True, False]
    with pytest.raises(ValueError, match="cannot load split 'train' of ~/nothing"):
        load_faces("~/nothing", "table")


@pytest.fixture
def broken(tmp_path):
    """Row 0 is whole; rows 1 to 3 are cut off, not a picture, and missing; the neutral of row 2 is missing."""
    whole, cut = save(tmp_path / "whole.jpg", size=(64, 64)), tmp_path / "cut.jpg"
    cut.write_bytes(whole.read_bytes()[:-60])
    (tmp_path / "text.jpg").write_text("no picture")
    paths = [whole, cut, tmp_path / "text.jpg", tmp_path / "missing.jpg"]
    return standard_table(4, image=paths, neutral=[None, whole, tmp_path / "gone.jpg", None])


def test_check_images_lists_every_broken_one(broken):
    with pytest.raises(ValueError) as error:
        check_images(broken)
    message = str(error.value)
    assert message.startswith("4 pictures cannot be read")
    lines = ("row 1, image, .*cut.jpg", "row 2, image, .*text.jpg", "row 3, image, .*missing.jpg", "row 2, neutral")
    assert all(re.search(line, message) for line in lines)
    assert "whole.jpg" not in message
    check_images(broken.select([0]))


def test_check_images_shows_at_most_twenty(tmp_path):
    with pytest.raises(ValueError, match="and 5 more"):
        check_images(standard_table(25, image=[tmp_path / "missing.jpg"] * 25))


@pytest.mark.parametrize("in_memory", [True, False])
def test_decoding_names_the_broken_row(broken, in_memory):
    with pytest.raises(ValueError, match="row 1, image, .*cut.jpg.*check_images"):
        FaceDataset(broken, 16, in_memory=in_memory).__getitems__([0, 1])


BATCH = {name: torch.uint8 for name in PICTURES} | {
    "has_neutral": torch.bool,
    "has_view": torch.bool,
    "has_view_neutral": torch.bool,
    "expression": torch.int64,
    "person": torch.int64,
    "yaw": torch.float32,
    "action_units": torch.float32,
    "has_action_units": torch.bool,
    "index": torch.int64,
}


@pytest.mark.parametrize("in_memory", [None, False])
def test_batches_have_all_keys(openfaces, in_memory):
    faces = FaceDataset(load_faces(openfaces), 16, in_memory=in_memory)
    assert (faces.images is None) == (in_memory is False)
    for workers in (0, 1):
        batches = list(DataLoader(faces, batch_size=2, shuffle=True, collate_fn=collate, num_workers=workers))
        assert [len(batch["index"]) for batch in batches] == [2, 1]
        for batch in batches:
            assert {name: values.dtype for name, values in batch.items()} == BATCH
            assert all(batch[name].shape[1:] == (3, 16, 16) for name in PICTURES)
            for name in ("neutral", "view", "view_neutral"):
                assert torch.equal(batch[name].flatten(1).any(1), batch[f"has_{name}"])


def test_memory_and_disk_agree(openfaces):
    table = load_faces(openfaces)
    first, second = (FaceDataset(table, 16, in_memory=flag).__getitems__([2, 0]) for flag in (True, False))
    single = collate([FaceDataset(table, 16)[i] for i in (2, 0)])
    for name in BATCH:
        for other in (second, single):  # unknown action units are NaN
            torch.testing.assert_close(other[name], first[name], rtol=0, atol=0, equal_nan=True)


def test_grey_transparent_rotated_and_oblong_pictures(tmp_path):
    PILImage.new("L", (30, 20), 77).save(tmp_path / "grey.png")
    PILImage.new("RGBA", (20, 20), (0, 0, 0, 0)).save(tmp_path / "clear.png")
    image = plain((0, 0, 0), (20, 20))
    image.paste((255, 255, 255), (0, 0, 20, 10))
    exif = PILImage.Exif()
    exif[0x0112] = 3  # upside down
    image.save(tmp_path / "turned.png", exif=exif)
    table = standard_table(3, image=[tmp_path / f"{name}.png" for name in ("grey", "clear", "turned")])
    images = FaceDataset(table, 20).images
    assert (images[0] == 77).all() and (images[1] == 255).all()
    assert (images[2, :, 0] == 0).all() and (images[2, :, -1] == 255).all()
