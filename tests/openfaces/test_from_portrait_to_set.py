"""The whole way from a portrait to a packed set, on a made-up head: fit, textures, drawing, files, data sheet."""

import dataclasses
import io
import itertools
import shutil

import cv2
import imageio_ffmpeg
import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

pytest.importorskip("numba", reason="the rasteriser needs numba")

from made_up_head import PORTRAITS, made_up_head

from leed.config import EXPRESSIONS
from leed.data.faces import load_faces
from leed.openfaces import build as b
from leed.openfaces import clips
from leed.openfaces.comparison import psnr
from leed.openfaces.drawing import LARGE_SIZE, draw_head
from leed.openfaces.free_plan import free_triples
from leed.openfaces.parts import AT_REST, Work, free, large, large_more, seat, views
from leed.openfaces.people import own_people
from leed.openfaces.performances import CAMERAS
from leed.openfaces.plan import make_plan
from leed.openfaces.posing import CROP, Pose, crop_corner
from leed.openfaces.presets import weights_of
from leed.openfaces.rig import build_rig
from leed.openfaces.settings import Settings
from leed.openfaces.sources import FACE_MODEL

SHOWN = "comp03"  # a training person of the four


@pytest.fixture(scope="module")
def made_up():
    return made_up_head()


@pytest.fixture(scope="module")
def portraits(tmp_path_factory):
    """Four people of the gallery, with the templates that people put right."""
    folder = tmp_path_factory.mktemp("people") / "portraits"
    folder.mkdir()
    for name in ("comp01", "comp02", "comp03", "comp04"):
        for ending in (".jpg", ".tem"):
            shutil.copy(PORTRAITS / f"{name}{ending}", folder)
    return folder


def short_plan(people):
    """The plan, but of each person only the eight pictures that a contact sheet of one person shows."""
    plan, cameras = make_plan(people), list(CAMERAS.values())
    wanted = {(name, cameras[(2 + k) % len(cameras)]) for k, name in enumerate(EXPRESSIONS)}
    shots = {name: [s for s in shots if (s.expression, s.camera) in wanted] for name, shots in plan.shots.items()}
    return dataclasses.replace(plan, shots=shots)


@pytest.fixture(scope="module")
def sitter(made_up, portraits):
    people = own_people(portraits)
    plan = short_plan(people)
    work = Work(build_rig(made_up.model), made_up.correspondence, plan, free_triples(plan.test_people))
    return seat(work, next(person for person in people if person.name == SHOWN))


def changed(sitter, preset):
    """Where a preset changes the frontal picture by much: its pixels, and their mean row."""
    before, after = (sitter.picture(weights, Pose()).astype(int) for weights in (AT_REST, weights_of(preset)))
    rows, columns = np.where(np.abs(after - before).max(-1) > 40)
    return after[rows, columns], rows, columns


def test_at_rest_the_face_is_the_photograph(sitter):
    assert sitter.head.errors.mean() < 0.1
    drawing = sitter.draw(AT_REST, Pose())
    corner = crop_corner(sitter.head.pivot, sitter.head.vertices[sitter.work.rig.landmarks], Pose())
    crop = cv2.warpAffine(sitter.head.portrait, np.float32([[1, 0, -corner[0]], [0, 1, -corner[1]]]), (CROP, CROP))
    crop = cv2.resize(crop, (256, 256), interpolation=cv2.INTER_AREA)
    face = slice(110, 190), slice(85, 171)  # below the eyes, which are completed
    assert psnr(drawing.picture[face], crop[face]) > 38
    assert np.isclose(drawing.landmarks[36:48, 1].mean(), 100, atol=0.1)


def test_an_open_jaw_shows_teeth_between_the_lips(sitter):
    weights = weights_of({"jawOpen": 0.8})
    upper, lower = sitter.draw(weights, Pose()).landmarks[[62, 66]]
    assert np.isclose(lower[1] - upper[1], 0.8 * 2 * sitter.head.scale / 2, rtol=0.1)  # the made-up jaw's 2 cm
    picture = sitter.picture(weights, Pose())
    x, y = (upper + 0.3 * (lower - upper)).astype(int)
    blue, _, red = picture[y, x].astype(int)
    assert red - blue < 30  # as skin and lips are not: there it is more
    _, rows, _ = changed(sitter, {"jawOpen": 0.8})
    assert rows.min() > 120  # nothing above the jaw's joints moves


def test_a_blink_covers_the_eyes_with_skin_and_changes_nothing_else(sitter):
    after, rows, columns = changed(sitter, {"eyeBlink": 1})
    assert len(rows) > 100 and (abs(rows - 100) < 20).all() and (abs(columns - 128) > 10).all()
    assert (after[:, 2] > after[:, 0]).mean() > 0.9  # more red than blue


def test_a_turned_head_looks_to_its_side(sitter):
    turned = [sitter.draw(AT_REST, Pose(yaw)).landmarks for yaw in (-45, 45)]
    noses = [landmarks[30, 0] - landmarks[[0, 16], 0].mean() for landmarks in turned]
    assert noses[0] < -15 and noses[1] > 15


def test_a_set_of_one_person_is_built_read_and_described(made_up, portraits, tmp_path, monkeypatch):
    model = tmp_path / "ICT-FaceKit"
    for name in FACE_MODEL.landmarks:
        (model / name).parent.mkdir(parents=True, exist_ok=True)
        (model / name).touch()
    monkeypatch.setattr(b, "load_face_model", lambda folder, cache: made_up.model)
    monkeypatch.setattr(b.correspondence, "load", lambda: made_up.correspondence)
    monkeypatch.setattr(b, "make_plan", short_plan)
    counts = b.build(Settings(portraits, model, tmp_path / "mine", parts=("main", "twins"), people=(SHOWN,)))
    assert list(counts.values()) == [8, 8]
    faces = load_faces(tmp_path / "mine")
    assert sorted(faces["expression"]) == list(range(8)) and all(face is not None for face in faces["neutral"])
    rows = pq.read_table(tmp_path / next(iter(counts))).to_pylist()
    neutral = next(row for row in rows if row["expression"] == 0)
    assert neutral["camera"] == "090" and not any(neutral["blendshapes"])
    opened = Image.open(io.BytesIO(neutral["image"]["bytes"]))
    assert opened.size == (256, 256) and np.asarray(opened).std() > 30
    assert (tmp_path / "mine-twins" / "ATTRIBUTION.md").is_file()
    assert "| `mine-twins/" in (tmp_path / "mine" / "DATASHEET.md").read_text()
    assert Image.open(tmp_path / "mine" / "contact-sheet.webp").size == (8 * 192, 192)


@pytest.mark.parametrize(
    ("part", "table", "pictures", "side"),
    [
        (views, "views", ("view", "neutral"), 128),
        (free, "free", ("image", "neutral", "view", "view_neutral"), 128),
        (large, "large", ("image", "neutral"), 400),
        (large_more, "large more", ("image", "neutral"), 400),
    ],
)
def test_other_parts_draw_the_expression_and_its_true_neutral_face(sitter, part, table, pictures, side):
    assert not sitter.is_tested
    name, row = next(itertools.islice(part(sitter), 1, None))  # the first shot of all is at rest
    opened = [np.asarray(Image.open(io.BytesIO(row[column]["bytes"]))) for column in pictures]
    assert name == table and all(picture.shape == (side, side, 3) for picture in opened)
    assert all(psnr(shown, at_rest) < 45 for shown, at_rest in zip(opened[::2], opened[1::2], strict=True))


def test_more_large_pictures_are_those_of_other_parts(sitter):
    """The twelve free moments and the six that `large` has."""
    more = [row for _, row in large_more(sitter)]
    assert [row["expression"] for row in more[:12]] == [-1] * 12
    plain = {row["file"]: row for _, row in large(sitter)}
    assert [row["file"] for row in more[12:]] == list(plain)
    assert all(row["neutral"]["bytes"] == plain[row["file"]]["neutral"]["bytes"] for row in more[12:])


def test_teeth_are_shaded_where_that_is_asked_for(sitter):
    """And nothing else is."""
    rig = dataclasses.replace(sitter.work.rig, teeth=np.full_like(sitter.work.rig.teeth, 0.7))
    laugh = weights_of({"jawOpen": 0.5, "mouthSmile_L": 0.7, "mouthSmile_R": 0.7})
    flat, shaded = (
        draw_head(rig, sitter.head, laugh, Pose(), LARGE_SIZE, shaded_teeth=shade).picture.astype(int)
        for shade in (False, True)
    )
    changed = (shaded != flat).any(2)
    assert 20 < changed.sum() < 0.02 * changed.size and (shaded <= flat).all()


def test_a_clip_has_an_input_a_driver_and_the_true_frames(sitter, tmp_path):
    clip = clips.plan_clips(sitter.work.plan.test_people)[0]
    clip = dataclasses.replace(clip, weights=clip.weights[20:22], driver_poses=clip.driver_poses[20:22])
    clips.write_clip(clip, sitter, sitter, tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["0_driver.mp4", "0_input.png", "0_truth.mp4"]
    assert clips.is_written(clip, tmp_path)
    assert imageio_ffmpeg.count_frames_and_secs(str(tmp_path / "0_truth.mp4"))[0] == 2
