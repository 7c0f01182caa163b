"""Taking people out of all files of a set, and keeping them out."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from made_up_people import made_up_people

from leed.openfaces.clips import plan_clips
from leed.openfaces.free_plan import free_triples
from leed.openfaces.plan import make_plan
from leed.openfaces.removal import people_on, remove
from leed.openfaces.settings import WORK, left_out
from leed.openfaces.tables import Shelf


@pytest.fixture(scope="module")
def plan():
    return make_plan(made_up_people(london=24, studio=0), triples_of_a_person=2)


def seen_in_a_clip(plan):
    return plan_clips(plan.test_people)[0].driver


@pytest.fixture(scope="module")
def files(plan):
    """Rows of each file of a set, without their pictures, and who is on each."""
    train = next(name for name in plan.shots if name not in plan.test_people)
    test, shot = seen_in_a_clip(plan), {name: shots[0].file for name, shots in plan.shots.items()}
    triples, free = plan.triples, free_triples(plan.test_people)
    pairs = [
        {"triple": t.number, "input_person": t.input_person, "reference_person": t.reference_person} for t in triples
    ]
    both = [{each.input_person, each.reference_person} for each in triples]
    roles = [role for each in triples for role in each.shots() if role[0] != "target"]
    return {
        "/train-0": ([{"person": train, "file": shot[train]}], [{train}]),
        "-pairs/test-0": (pairs, both),
        "-twins/test-0": ([{"file": shot[test]}], [{test}]),
        "-twins/pairs-0": ([{"file": shown.file} for _, _, shown in roles], [{name} for _, name, _ in roles]),
        "-views/train-0": ([{"file": shot[train]}], [{train}]),
        "-free/test-0": (
            [
                {"triple": t.number, "input_person": t.input_person, "reference_person": t.reference_person}
                for t in free
            ],
            [{t.input_person, t.reference_person} for t in free],
        ),
        "-large/pairs-0": ([{"triple": t.number} for t in triples], [{t.input_person} for t in triples]),
        "-large/more-0": ([{"file": f"{train}_00", "person": train}], [{train}]),
        "-large/smiles-0": ([{"file": f"090_{test}_female_happy_real.webp"}], [{test}]),
    }


def test_each_file_tells_who_is_on_its_pictures(plan, files):
    for rows, people in files.values():
        assert people_on(pa.Table.from_pylist(rows), plan) == people


def test_nothing_shows_a_person_who_was_taken_out(plan, files, tmp_path):
    main, gone = tmp_path / "set", seen_in_a_clip(plan)
    other = next(name for name in plan.test_people if name != gone)
    for name, (rows, _) in files.items():
        path = tmp_path / f"set{name}.parquet"
        path.parent.mkdir(exist_ok=True)
        pq.write_table(pa.Table.from_pylist(rows), path)
    shelf = Shelf(main / WORK)
    for name in (gone, other):
        shelf.put("main", name, {"faces": [{"file": "x"}]})
    films = tmp_path / "set-clips"
    films.mkdir()
    for clip in plan_clips(plan.test_people):
        (films / f"{clip.number}_input.png").touch()
    lost = remove(main, plan, [gone])
    shown = {name: [gone in people for people in files[name][1]] for name in files}
    assert lost == {f"set{name}.parquet": sum(rows) for name, rows in shown.items() if any(rows)}
    assert not (tmp_path / "set-twins" / "test-0.parquet").exists()  # nobody was left on it
    rest = pq.read_table(tmp_path / "set-pairs" / "test-0.parquet")
    assert 0 < rest.num_rows < len(plan.triples) and gone not in set.union(*people_on(rest, plan))
    assert not shelf.has("main", gone) and shelf.has("main", other)
    kept = {str(clip.number) for clip in plan_clips(plan.test_people) if gone not in (clip.person, clip.driver)}
    assert {path.name[0] for path in films.iterdir()} == kept and len(kept) < 8
    assert set(rest["triple"].to_pylist()) == {
        t.number for t in plan.triples if gone not in (t.input_person, t.reference_person)
    }
    remove(main, plan, [other])
    assert left_out(main) == sorted([gone, other])


def test_triples_without_numbers_lose_nobody(plan, tmp_path):
    path = tmp_path / "set-pairs" / "test-0.parquet"
    path.parent.mkdir()
    pq.write_table(pa.table({"input_person": ["a"], "reference_person": ["b"]}), path)
    (tmp_path / "set").mkdir()
    with pytest.raises(ValueError, match="has no column triple: .* run the build again first"):
        remove(tmp_path / "set", plan, ["a"])
    assert path.exists() and not left_out(tmp_path / "set")
