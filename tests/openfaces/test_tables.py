"""The parquet files of the set, and the readers that read them."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from made_up_people import face, made_up_people, picture

from leed.data.faces import load_faces
from leed.openfaces.plan import make_plan
from leed.openfaces.presets import BLENDSHAPES
from leed.openfaces.tables import Shelf, pack


@pytest.fixture(scope="module")
def people():
    return made_up_people(london=24, studio=0)


@pytest.fixture(scope="module")
def plan(people):
    return make_plan(people, triples_of_a_person=2)


@pytest.fixture
def shelf(tmp_path, people, plan):
    """Two faces of a training person and of each test person, with their true neutral faces."""
    shelf = Shelf(tmp_path / "openfaces" / ".work")
    train = next(person.name for person in people if plan.split(person.name) == "train")
    for person in people:
        if person.name == train or person.name in plan.test_people:
            shots = plan.shots[person.name][:2]
            shelf.put("main", person.name, {"faces": [face(person, shot) for shot in reversed(shots)]})
            rows = [{"file": s.file, "neutral": picture(128), "split": plan.split(person.name)} for s in shots]
            shelf.put("twins", person.name, {"twins": rows})
    return shelf


def test_what_is_packed_is_read_with_labels_action_units_and_true_neutral_faces(shelf, plan, tmp_path):
    counts = pack(shelf, plan, ["main", "twins"], tmp_path / "openfaces")
    assert counts == {
        "openfaces/train-00000-of-00001.parquet": 2,
        "openfaces/test-00000-of-00001.parquet": 40,
        "openfaces-twins/train-00000-of-00001.parquet": 2,
        "openfaces-twins/test-00000-of-00001.parquet": 40,
    }
    faces = load_faces(tmp_path / "openfaces")
    assert faces["expression"] == [1, 1] and all(units is not None for units in faces["action_units"])
    assert all(neutral is not None for neutral in faces["neutral"])
    files = pq.read_table(tmp_path / counts.popitem()[0])["file"].to_pylist()
    assert files == sorted(files)
    assert (tmp_path / "openfaces" / "blendshapes.txt").read_text().split() == list(BLENDSHAPES)


def test_triples_without_all_pictures_are_left_out(plan, tmp_path):
    shelf, whole = Shelf(tmp_path / "set" / ".work"), plan.triples[3]
    for person in (whole.input_person, whole.reference_person):
        rows = [
            {"triple": triple.number, "role": role, "image": picture(), "landmarks": [1.0] * 136}
            for triple in plan.triples[:8]
            for role, shown, _ in triple.shots()
            if shown == person
        ]
        shelf.put("pairs", person, {"triple pictures": rows})
    counts = pack(shelf, plan, ["pairs"], tmp_path / "set")
    names = {(t.input_person, t.reference_person) for t in plan.triples[:8]}
    both = {whole.input_person, whole.reference_person}
    expected = sum({t.input_person, t.reference_person} <= both for t in plan.triples[:8])
    assert counts == {"set-pairs/test-00000-of-00001.parquet": expected} and names
    row = pq.read_table(tmp_path / "set-pairs").to_pylist()[0]
    assert (row["input_person"], row["reference_person"]) == (whole.input_person, whole.reference_person)
    assert row["triple"] in [t.number for t in plan.triples if (t.input_person, t.reference_person) in names]
    assert row["input_camera"] == whole.input.camera and len(row["landmarks_target"]) == 136


def test_a_part_of_a_person_is_there_whole_or_not_at_all(tmp_path):
    shelf = Shelf(tmp_path)
    with pytest.raises(pa.ArrowInvalid):
        shelf.put("main", "a", {"faces": [{"file": "x"}], "broken": [{"file": object()}]})
    assert not shelf.has("main", "a") and not list(shelf.rows("main", "faces", ["a"]))
    shelf.put("main", "a", {"faces": [{"file": "x"}]})
    assert shelf.has("main", "a") and list(shelf.rows("main", "faces", ["a", "b"])) == [{"file": "x"}]
