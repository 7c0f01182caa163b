"""Who is in a set: a clone of the published portraits, or a folder of one's own."""

import pytest

from leed.openfaces.people import is_published_source, own_people, published_people


def touch(path, text=""):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, newline="")


@pytest.fixture
def clone(tmp_path):
    touch(
        tmp_path / "data-raw" / "london_info.csv",
        "face_id,face_age,face_gender,face_eth\n002,NA,male,black\n001,24,female,white\n",
    )
    touch(
        tmp_path / "data-raw" / "3dsk" / "age_data.csv",
        "face,image,tem,sex,age\ranna_b,anna_b.jpg,anna_b.tem,female,29\r",
    )
    for name in ("neutral_front/002_03", "neutral_front/001_03", "3dsk/female/anna_b", "3dsk/male/bob"):
        touch(tmp_path / "inst" / f"{name}.jpg")
    return tmp_path


def test_the_published_people_come_in_their_order_with_what_they_told(clone):
    assert is_published_source(clone)
    people = published_people(clone)
    assert [p.name for p in people] == ["lon001", "lon002", "skannab", "skbob"]
    assert [p.age for p in people] == [24, None, 29, None]
    assert [p.wrinkle_age for p in people] == [24, None, None, None]  # wrinkles of 3DSK were drawn without ages
    assert [p.ethnicity for p in people] == ["white", "black", "white", "white"]
    assert people[0].smile == clone / "inst" / "smiling_front" / "001_08.jpg" and people[2].smile is None
    assert people[0].template == clone / "inst" / "neutral_front" / "001_03.tem"


def test_own_people_have_names_that_file_names_can_hold(tmp_path):
    touch(tmp_path / "Anna_B. 1.jpg")
    touch(tmp_path / "Anna_B. 1.tem")
    touch(tmp_path / "people.csv", "file,gender,age\nAnna_B. 1.jpg,female,31\n")
    assert not is_published_source(tmp_path)
    (person,) = own_people(tmp_path)
    assert (person.name, person.gender, person.age, person.ethnicity) == ("Anna-B-1", "female", 31, "unknown")


def test_each_unusable_file_has_a_line(tmp_path):
    for name in ("a b.jpg", "a_b.png", "a b.tem", "c.jpg"):
        touch(tmp_path / name)
    touch(tmp_path / "people.csv", "file,gender\nd.jpg,male\n")
    with pytest.raises(ValueError) as refused:
        own_people(tmp_path)
    lines = str(refused.value).splitlines()
    hint = (
        f"c.jpg: no template c.tem beside it; `python -m leed.openfaces landmarks --portraits {tmp_path}` writes one"
    )
    assert hint in lines and "d.jpg: in people.csv, but no such portrait" in lines
    assert sum("another portrait has the same name" in line for line in lines) == 2


@pytest.mark.parametrize(("row", "fault"), [("a.jpg,man,", "gender of a.jpg"), ("a.jpg,male,old", "age of a.jpg")])
def test_what_is_told_is_checked(tmp_path, row, fault):
    touch(tmp_path / "a.jpg")
    touch(tmp_path / "a.tem")
    touch(tmp_path / "people.csv", f"file,gender,age\n{row}\n")
    with pytest.raises(ValueError, match=fault):
        own_people(tmp_path)


def test_a_folder_without_portraits_is_refused(tmp_path):
    with pytest.raises(ValueError, match="no portraits"):
        own_people(tmp_path)
