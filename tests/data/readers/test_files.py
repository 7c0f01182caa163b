"""OpenFace's action units beside a folder of pictures."""

import pytest
from samples import save

from leed.config import ACTION_UNITS
from leed.data.faces import FaceDataset, load_faces


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
