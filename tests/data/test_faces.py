import io
import json
import math
import re

import numpy as np
import pytest
import torch
from datasets import ClassLabel, Dataset, Features, Image, List, Value
from PIL import Image as PILImage
from torch.utils.data import DataLoader

from leed.config import ACTION_UNITS, EXPRESSIONS
from leed.data.action_units import BLENDSHAPES
from leed.data.faces import FaceDataset, check_images, collate, encoded, load_faces, split_by_person
from leed.data.readers.drawn import drawn_faces
from leed.data.table import PICTURES, expression_index, standard_table

RED = torch.tensor([255, 0, 0], dtype=torch.uint8)[:, None, None]


def picture(colour=(200, 100, 50), size=(32, 32)):
    return PILImage.new("RGB", size, colour)


def embedded(image):
    buffer = io.BytesIO()
    image.save(buffer, "png")
    return {"bytes": buffer.getvalue(), "path": None}


def png(colour=(200, 100, 50)):
    return embedded(picture(colour))


def save(path, colour=(200, 100, 50), size=(32, 32)):
    path.parent.mkdir(parents=True, exist_ok=True)
    picture(colour, size).save(path)
    return path


def write_parquet(folder, split, columns, features):
    folder.mkdir(parents=True, exist_ok=True)
    dataset = Dataset.from_dict(columns, features=Features(features))
    dataset.to_parquet(folder / f"{split}-00000-of-00001.parquet")


@pytest.fixture
def openfaces(tmp_path):
    """Two people, three pictures, red within the inner crop; one has no twin, and twins lie in another order."""
    image = picture((0, 0, 255), (256, 256))
    image.paste((255, 0, 0), (28, 40, 228, 240))
    text, numbers = Value("string"), List(Value("float32"))
    features = {
        "image": Image(),
        "file": text,
        "person": text,
        "camera": text,
        "expression": ClassLabel(names=list(EXPRESSIONS)),
        "yaw": Value("float32"),
        "landmarks": numbers,
        "blendshapes": numbers,
    }
    columns = {
        "image": [embedded(image)] * 3,
        "file": ["a.webp", "b.webp", "real.webp"],
        "person": ["p2", "p1", "p1"],
        "camera": ["045", "090", "090"],
        "expression": [3, 0, 1],
        "yaw": [-45.0, 0.0, 0.0],
        "landmarks": [[0.0]] * 3,
        "blendshapes": [[0.0]] * 3,
    }
    for split in ("train", "test"):
        write_parquet(tmp_path / "openfaces", split, columns, features)
        rows = {"file": ["b.webp", "a.webp"], "neutral": [png((0, 0, 2)), png((0, 0, 1))]}
        write_parquet(tmp_path / "openfaces-twins", split, rows, {"file": text, "neutral": Image()})
    rows = {"file": ["a.webp"], "view": [png((0, 0, 3))], "neutral": [png((0, 0, 4))]}
    write_parquet(tmp_path / "openfaces-views", "train", rows, {"file": text, "view": Image(), "neutral": Image()})
    return tmp_path / "openfaces"


def test_openfaces_joins_twins_and_views_and_is_cropped(openfaces):
    faces = FaceDataset(load_faces(openfaces), image_size=16)
    assert faces.persons == ["p1", "p2"] and faces.expressions.tolist() == [3, 0, 1]
    assert faces.has_neutral.tolist() == [True, True, False]
    assert faces.has_view.tolist() == [True, False, False]
    assert (faces.images == RED).all()  # nothing but the crop
    assert faces.neutrals[:, 2, 0, 0].tolist() == [1, 2, 0]
    assert faces.views[0, 2, 0, 0] == 3 and faces.view_neutrals[0, 2, 0, 0] == 4


def test_openfaces_splits(openfaces):
    test = load_faces(openfaces, split="test")
    assert FaceDataset(test, 16).views is None  # views exist for the training people only
    with pytest.raises(ValueError, match="validation"):
        load_faces(openfaces, split="validation")


def test_openfaces_without_siblings(openfaces, tmp_path):
    alone = openfaces.rename(tmp_path / "alone")
    batch = FaceDataset(load_faces(alone), 16).__getitems__([0, 1])
    assert not batch["has_neutral"].any() and not batch["neutral"].any()


def test_openfaces_action_units_need_the_names_of_the_weights(tmp_path):
    names = sorted({shape for shapes in BLENDSHAPES.values() for shape in shapes})
    smile = [1.6 if name == "mouthSmile" else 0.0 for name in names]
    features = {"image": Image(), "file": Value("string"), "person": Value("string"), "expression": Value("int64")}
    features |= {"yaw": Value("float32"), "camera": Value("string")}
    features |= {"landmarks": List(Value("float32")), "blendshapes": List(Value("float32"))}
    columns = {
        "image": [png()] * 3,
        "file": ["a", "b", "real"],
        "person": ["p", "q", "q"],
        "expression": [1, 0, 1],
        "yaw": [0.0, 45.0, 0.0],
        "camera": ["090"] * 3,
        "landmarks": [[0.0]] * 3,
        "blendshapes": [smile, [0.0] * len(names), [math.nan] * len(names)],
    }
    write_parquet(tmp_path, "train", columns, features)
    bare = FaceDataset(load_faces(tmp_path), 8)
    assert not bare.has_action_units.any() and bare.action_units.isnan().all()
    (tmp_path / "blendshapes.txt").write_text("\n".join(names))
    faces = FaceDataset(load_faces(tmp_path), 8)
    assert faces.has_action_units.tolist() == [True, True, False]  # a real smile has no weights
    assert faces.action_units[0].nonzero().flatten().tolist() == [ACTION_UNITS.index("AU12")]
    assert faces.action_units[0].max() == 1 and not faces.action_units[1].any()
    assert faces.action_units[2].isnan().all()
    batch = faces.__getitems__([2, 0])
    assert batch["has_action_units"].tolist() == [False, True]
    assert torch.equal(batch["action_units"][1], faces.action_units[0])
    (tmp_path / "blendshapes.txt").write_text("mouthSmile")
    with pytest.raises(ValueError, match=r"weights must be \(N, 1\)"):
        load_faces(tmp_path)


@pytest.mark.parametrize(
    ("reader", "names"),
    [
        ("rafd", [f"Rafd{camera}_01_Caucasian_female_angry_frontal" for camera in ("045", "090", "135")]),
        ("cfeed", ["01_126_3963", "05_126_3970", "26_222"]),
    ],
)
def test_action_units_from_openface_beside_the_folder(tmp_path, reader, names):
    for name in names:
        save(tmp_path / "set" / f"{name}.jpg", size=(40, 40))
    header = "face,confidence," + ",".join(f"{unit}_r" for unit in ACTION_UNITS)
    (tmp_path / "set-openface").mkdir()
    for name, confidence in zip(names, (0.98, 0.95, 0.4), strict=True):  # the last is a failure
        row = f"0,{confidence}," + ",".join(["2.5"] + ["0"] * 16)
        (tmp_path / "set-openface" / f"{name}.csv").write_text(f"{header}\n{row}\n")
    faces = FaceDataset(load_faces(tmp_path / "set", reader=reader), 8)
    assert faces.has_action_units.tolist() == [True, True, False]
    assert faces.action_units[:2].tolist() == [[0.5] + [0.0] * 16] * 2
    (tmp_path / "set-openface").rename(tmp_path / "elsewhere")
    assert not FaceDataset(load_faces(tmp_path / "set", reader=reader), 8).has_action_units.any()
    (tmp_path / "set-openface.csv").write_text(f"file,{header}\nother.jpg,0,0.9," + ",".join(["0"] * 17))
    with pytest.raises(ValueError, match="set-openface.csv has no row for any picture"):
        load_faces(tmp_path / "set", reader=reader)


def test_action_units_have_seventeen_numbers():
    table = standard_table(2, image=[png(), png()], action_units=[None, [0.5] * 17])
    assert FaceDataset(table, 8).has_action_units.tolist() == [False, True]
    with pytest.raises(ValueError, match=r"action_units must be 17 numbers or None, got rows of \[3\]"):
        FaceDataset(standard_table(1, image=[png()], action_units=[[0.5] * 3]), 8)


def test_fer2013_labels_are_mapped_and_people_unknown(tmp_path):
    names = ["angry", "disgust", "fear", "happy", "neutral", "sad", "surprise"]
    features = {"image": Image(), "label": ClassLabel(names=names)}
    write_parquet(tmp_path, "train", {"image": [png()] * 7, "label": list(range(7))}, features)
    faces = load_faces(tmp_path)
    expected = ["angry", "disgusted", "fearful", "happy", "neutral", "sad", "surprised"]
    assert [EXPRESSIONS[i] for i in faces["expression"]] == expected
    assert len(set(faces["person"])) == 7
    assert all(math.isnan(yaw) for yaw in faces["yaw"])


def test_wild(tmp_path):
    number = Value("float32")
    features = {"image": Image(), "person": Value("string"), "expression": Value("int64"), "grey": Value("bool")}
    features |= {"coverage": number, "points5": List(number)}
    rows = {
        "image": [png()],
        "person": ["x"],
        "expression": [5],
        "grey": [True],
        "coverage": [0.5],
        "points5": [[1.0]],
    }
    write_parquet(tmp_path, "train", rows, features)
    faces = load_faces(tmp_path)
    assert (faces["expression"][0], faces["person"][0]) == (5, "x")


def file_name(row, column="image"):
    return row[column]["path"].rsplit("/", 1)[1]


def test_rafd_names_cameras_and_views(tmp_path):
    for camera in ("000", "045", "090", "135", "180"):
        for model in ("01_Caucasian_female", "68_Moroccan_male", "40_Kid_male"):
            for expression in ("angry", "neutral"):
                for gaze in ("frontal", "left"):
                    save(tmp_path / f"Rafd{camera}_{model}_{expression}_{gaze}.jpg", size=(68, 102))
    faces = load_faces(tmp_path)
    assert len(faces) == 3 * 3 * 2 * 2 and set(faces["yaw"]) == {-45.0, 0.0, 45.0}
    assert set(faces["person"]) == {"rafd-01", "rafd-40", "rafd-68"}
    assert set(faces["expression"]) == {0, EXPRESSIONS.index("angry")}
    rows = list(encoded(faces))
    for row in rows:
        own, other = file_name(row), file_name(row, "view")
        assert own[:7] != other[:7] and own[7:] == other[7:]  # same person, expression and gaze, another camera
        assert row["neutral"] is None
    assert [row["view"] for row in encoded(load_faces(tmp_path))] == [row["view"] for row in rows]
    assert FaceDataset(faces, 16).images.shape == (36, 3, 16, 16)
    with pytest.raises(ValueError, match="split_by_person"):
        load_faces(tmp_path, split="test")


def test_cfeed_basic_and_compound(tmp_path):
    for name in (
        "01-04/Images1/01_126_3963.jpg",
        "01-04/Images1/04_126_3970.jpg",
        "05-08/Images2/08_111_2638.jpg",
        "21-26/Images6/26_222.jpg",
    ):
        save(tmp_path / name, size=(40, 30))
    rows = {file_name(row)[:2]: row for row in encoded(load_faces(tmp_path))}
    expected = {"01": "neutral", "04": "sad", "08": "fearful"}
    assert {key: EXPRESSIONS[rows[key]["expression"]] for key in expected} == expected
    assert rows["26"]["expression"] == -1 and rows["26"]["person"] == "cfeed-222"
    save(tmp_path / "01-04/Images1/portrait.jpg")
    with pytest.warns(UserWarning, match="portrait"):
        assert len(load_faces(tmp_path, reader="cfeed")) == 4


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_affectnet_list(tmp_path, encoding):
    image = picture((0, 0, 255), (100, 80))
    image.paste((255, 0, 0), (14, 4, 66, 56))  # the face box with its margin
    path = tmp_path / "Manually_Annotated_Images" / "689" / "x.png"
    path.parent.mkdir(parents=True)
    image.save(path)
    header = "subDirectory_filePath,face_x,face_y,face_width,face_height,facial_landmarks,expression,valence,arousal"
    rows = [f"689/x.png,20,10,40,40,1;2,{label},0.1,0.2" for label in (3, 7, 8, 10)]
    lists = tmp_path / "Manually_Annotated_file_lists"
    lists.mkdir()
    (lists / "training.csv").write_text("\n".join([header, *rows]), encoding=encoding)
    faces = load_faces(tmp_path)
    assert faces["expression"][:] == [EXPRESSIONS.index("surprised"), EXPRESSIONS.index("contemptuous"), -1]
    assert (FaceDataset(faces, 8).images[0] == RED).all()


def test_affectnet_arrays(tmp_path):
    for folder, labels in (("train_set", (0, 6, 9, 10)), ("val_set", (1,))):
        (tmp_path / folder / "annotations").mkdir(parents=True)
        for number, label in enumerate(labels):
            save(tmp_path / folder / "images" / f"{number}.jpg")
            np.save(tmp_path / folder / "annotations" / f"{number}_exp.npy", np.array(str(label)))
    assert load_faces(tmp_path)["expression"][:] == [0, EXPRESSIONS.index("angry"), -1]
    assert load_faces(tmp_path, split="test")["expression"][:] == [EXPRESSIONS.index("happy")]


def test_folder_of_classes(tmp_path):
    save(tmp_path / "Happiness" / "a.jpg")
    save(tmp_path / "neutral" / "b.png")
    assert load_faces(tmp_path)["expression"][:] == [1, 0]
    save(tmp_path / "bored" / "c.png")
    with pytest.raises(ValueError, match="bored.*taken for 'folder'"):
        load_faces(tmp_path)


def test_folder_of_splits_and_of_pictures_alone(tmp_path):
    save(tmp_path / "train" / "happy" / "a.jpg")
    save(tmp_path / "test" / "sad" / "a.jpg")
    save(tmp_path / "flat" / "x.png")
    assert load_faces(tmp_path)["expression"][:] == [1]
    assert load_faces(tmp_path, split="test")["expression"][:] == [2]
    assert load_faces(tmp_path / "flat")["expression"][:] == [-1]


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_folder_with_metadata(tmp_path, kind):
    for name in ("a.png", "a_neutral.png", "b.png", "b_view.png"):
        save(tmp_path / name, size=(20, 30))
    rows = [
        {"file_name": "a.png", "label": "anger", "person": "x", "yaw": 10, "neutral_file_name": "a_neutral.png"},
        {"file_name": "b.png", "label": 6, "person": "", "yaw": "", "view_file_name": "b_view.png"},
    ]
    lines = [json.dumps(row) for row in rows]
    if kind == "csv":
        columns = ["file_name", "label", "person", "yaw", "neutral_file_name", "view_file_name"]
        lines = [",".join(columns)] + [",".join(str(row.get(name, "")) for name in columns) for row in rows]
    (tmp_path / f"metadata.{kind}").write_text("\n".join(lines))
    faces = FaceDataset(load_faces(tmp_path), 8)
    assert faces.expressions.tolist() == [EXPRESSIONS.index("angry"), EXPRESSIONS.index("surprised")]
    assert faces.has_neutral.tolist() == [True, False] and faces.has_view.tolist() == [False, True]
    assert faces.yaws[0] == 10 and faces.yaws[1].isnan() and len(faces.persons) == 2


def test_misspelt_metadata_is_refused(tmp_path):
    (tmp_path / "metadata.csv").write_text("file_name,neutrals_file_name\na.png,b.png")
    with pytest.raises(ValueError, match="neutrals_file_name"):
        load_faces(tmp_path)


def test_table_with_class_labels(tmp_path, monkeypatch):
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")
    labels = ClassLabel(names=["surprise", "Fear"])
    rows = {"image": [png(), png()], "expression": [0, 1], "person": ["a", None], "yaw": [3.0, None]}
    features = {"image": Image(), "expression": labels, "person": Value("string"), "yaw": Value("float64")}
    write_parquet(tmp_path / "mine", "train", rows, features)
    faces = load_faces(tmp_path / "mine")
    assert faces["expression"][:] == [EXPRESSIONS.index("surprised"), EXPRESSIONS.index("fearful")]
    assert faces["person"][0] == "a" and faces["person"][1]
    assert faces["yaw"][0] == 3 and math.isnan(faces["yaw"][1])
    with pytest.raises(ValueError, match="'test'"):
        load_faces(tmp_path / "mine", split="test")


def test_a_saved_standard_table_comes_back(openfaces, tmp_path, monkeypatch):
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")
    table = load_faces(openfaces)
    (tmp_path / "saved").mkdir()
    table.to_parquet(tmp_path / "saved" / "train.parquet")
    first, second = FaceDataset(table, 16), FaceDataset(load_faces(tmp_path / "saved"), 16)
    assert torch.equal(first.images, second.images) and torch.equal(first.neutrals, second.neutrals)
    assert first.persons == second.persons and torch.equal(first.has_view, second.has_view)


def test_sources_that_are_nothing(tmp_path):
    with pytest.raises(ValueError, match="does not exist"):
        load_faces(tmp_path / "missing")
    with pytest.raises(ValueError, match="neither parquet files nor pictures"):
        load_faces(tmp_path)
    with pytest.raises(ValueError, match="reader must be one of"):
        load_faces(tmp_path, reader="radboud")


def test_max_samples_is_seeded(openfaces):
    first, second = (load_faces(openfaces, max_samples=2, seed=3) for _ in range(2))
    assert first["yaw"][:] == second["yaw"][:] and len(first) == 2
    assert len(load_faces(openfaces, max_samples=10)) == 3


def test_expression_index():
    assert expression_index("Fear") == expression_index(4) == expression_index("4") == EXPRESSIONS.index("fearful")
    assert expression_index(None) == expression_index("unknown") == expression_index("") == -1
    for wrong in ("bored", 8, "-3"):
        with pytest.raises(ValueError, match="unknown expression"):
            expression_index(wrong)


def test_standard_table_refuses_nonsense():
    with pytest.raises(ValueError, match="unknown columns"):
        standard_table(1, image=[png()], mood=[1])
    with pytest.raises(ValueError, match="rows"):
        standard_table(2, image=[png()])
    with pytest.raises(ValueError, match="-1..7"):
        standard_table(1, image=[png()], expression=[8])
    with pytest.raises(ValueError, match="not a standard table"):
        FaceDataset(Dataset.from_dict({"image": [1]}), 16)


@pytest.mark.parametrize("seed", range(5))
def test_split_by_person(seed):
    table = standard_table(50, image=[png()] * 50, person=[f"p{i % 7}" for i in range(50)])
    train, held_out = split_by_person(table, fraction=0.3, seed=seed)
    assert not set(train["person"]) & set(held_out["person"])
    assert len(set(held_out["person"])) == 2 and len(train) + len(held_out) == 50
    assert split_by_person(table, 0.3, seed)[1]["person"][:] == held_out["person"][:]
    with pytest.raises(ValueError, match="two people"):
        split_by_person(table.select([0]))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_metadata_as_excel_writes_it(tmp_path, encoding):
    save(tmp_path / "jörg.png")
    (tmp_path / "metadata.csv").write_text("file_name,expression,person\njörg.png,happy,Jörg\n", encoding)
    table = load_faces(tmp_path)
    assert table["expression"] == [1] and table["person"] == ["Jörg"]
    assert table["image"][0].size == (32, 32)


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
    image = picture((0, 0, 0), (20, 20))
    image.paste((255, 255, 255), (0, 0, 20, 10))
    exif = PILImage.Exif()
    exif[0x0112] = 3  # upside down
    image.save(tmp_path / "turned.png", exif=exif)
    table = standard_table(3, image=[tmp_path / f"{name}.png" for name in ("grey", "clear", "turned")])
    images = FaceDataset(table, 20).images
    assert (images[0] == 77).all() and (images[1] == 255).all()
    assert (images[2, :, 0] == 0).all() and (images[2, :, -1] == 255).all()


def test_drawn_faces_are_a_standard_table():
    faces = FaceDataset(drawn_faces(num_people=2, per_person=8, size=32), 32)
    assert len(faces) == 16 and faces.has_neutral.all() and faces.has_view.all() and len(faces.persons) == 2
    assert torch.equal(faces.expressions[:8], torch.arange(8))
    neutral = faces.expressions == 0
    assert torch.equal(faces.images[neutral], faces.neutrals[neutral])
    assert faces.has_action_units.all() and not faces.action_units[neutral].any()
    change = (faces.images[~neutral].float() - faces.neutrals[~neutral].float()).abs().flatten(1).mean(1)
    assert (change > 0.5).all()


def test_drawn_source_draws_no_more_than_asked():
    train, test = (load_faces("drawn", split=split, max_samples=7) for split in ("train", "test"))
    assert len(train) == len(test) == 7 and len(set(train["person"])) == 2
    assert not set(train["person"]) & set(test["person"])
