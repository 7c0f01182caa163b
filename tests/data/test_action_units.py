"""Action units: the table row by row, and OpenFace's files as it writes them."""

from pathlib import Path

import pytest
import torch

from leed.config import ACTION_UNITS, EXPRESSIONS
from leed.data.action_units import (
    BLENDSHAPES,
    from_blendshapes,
    from_drawn_actions,
    read_openface_csv,
    within_openface_range,
)
from leed.data.drawn import ACTIONS, expression_actions

NAMES = [
    *(f"{shape}_{side}" for shape in ("browDown", "browInnerUp", "browOuterUp", "cheekSquint") for side in "LR"),
    *(f"{shape}_{side}" for shape in ("eyeBlink", "eyeLookUp", "eyeSquint", "eyeWide") for side in "LR"),
    *("jawLeft", "jawOpen", "mouthClose", "mouthRollLower", "mouthRollUpper", "mouthShrugLower", "mouthShrugUpper"),
    *(f"{shape}_{side}" for shape in ("mouthDimple", "mouthFrown", "mouthLowerDown", "mouthPress") for side in "LR"),
    *(f"{shape}_{side}" for shape in ("mouthSmile", "mouthStretch", "mouthUpperUp", "noseSneer") for side in "LR"),
]


def weights(**values: float) -> torch.Tensor:
    """One row of weights; a name without its side is both sides."""
    return torch.tensor([[next((v for k, v in values.items() if n in (k, f"{k}_L", f"{k}_R")), 0.0) for n in NAMES]])


def units(row: torch.Tensor) -> dict[str, float]:
    """The action units of a row that are not zero."""
    return {name: round(value, 4) for name, value in zip(ACTION_UNITS, row.tolist(), strict=True) if value}


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        *(("browInnerUp", "AU01"), ("browOuterUp", "AU02"), ("browDown", "AU04"), ("eyeWide", "AU05")),
        *(("cheekSquint", "AU06"), ("eyeSquint", "AU07"), ("noseSneer", "AU09"), ("mouthUpperUp", "AU10 AU25")),
        *(("mouthSmile", "AU12"), ("mouthDimple", "AU14"), ("mouthFrown", "AU15"), ("mouthShrugLower", "AU17")),
        *(("mouthStretch", "AU20"), ("mouthPress", "AU23"), ("mouthRollLower", "AU23"), ("mouthRollUpper", "AU23")),
        *(("mouthLowerDown", "AU25"), ("jawOpen", "AU25 AU26"), ("eyeBlink", "AU45")),
        *(("eyeLookUp", ""), ("jawLeft", ""), ("mouthClose", ""), ("mouthShrugUpper", "")),
    ],
)
def test_each_blendshape_performs_its_action_units(shape: str, expected: str) -> None:
    found = from_blendshapes(NAMES, weights(**{shape: 0.8}))  # half of the weight that counts as intensity 5
    assert found.shape == (1, 17) and units(found[0]) == dict.fromkeys(expected.split(), 0.5)


def test_sides_are_averaged_and_the_strongest_shape_counts() -> None:
    assert units(from_blendshapes(NAMES, weights(mouthSmile_L=0.8))[0]) == {"AU12": 0.25}
    mouth = weights(jawOpen=0.4, mouthLowerDown=0.8, mouthPress_R=0.8, mouthRollUpper=0.16)
    assert units(from_blendshapes(NAMES, mouth)[0]) == {"AU23": 0.25, "AU25": 0.5, "AU26": 0.25}


def test_values_stay_in_range_and_unknown_stays_unknown() -> None:
    rows = torch.cat([weights(browDown=1.6), weights(browDown=9), weights(browDown=-1), weights(jawOpen=float("nan"))])
    found = from_blendshapes(NAMES, rows)
    assert found[:3, ACTION_UNITS.index("AU04")].tolist() == pytest.approx([1, 1, 0])
    assert found[3].isnan().any() and not found[:3].isnan().any()


def test_the_table_has_every_action_unit() -> None:
    assert tuple(BLENDSHAPES) == ACTION_UNITS and len(ACTION_UNITS) == 17


def test_what_blendshapes_must_be() -> None:
    with pytest.raises(ValueError, match=r"weights must be \(N, 39\), one for each name, got \(1, 53\)"):
        from_blendshapes(NAMES, torch.zeros(1, 53))
    with pytest.raises(ValueError, match="no weight is named eyeBlink, eyeBlink_L or eyeBlink_R"):
        from_blendshapes(["a" if "Blink" in name else name for name in NAMES], torch.zeros(1, len(NAMES)))


def test_drawn_expressions_have_the_action_units_of_their_kind() -> None:
    actions = torch.stack([expression_actions(i) for i in range(len(EXPRESSIONS))])
    rows = [set(units(row)) for row in from_drawn_actions(ACTIONS, actions)]
    by_name = dict(zip(EXPRESSIONS, rows, strict=True))
    assert by_name["neutral"] == set()
    assert {"AU06", "AU12"} <= by_name["happy"] and {"AU01", "AU15"} <= by_name["sad"]
    assert {"AU01", "AU02", "AU05", "AU26"} <= by_name["surprised"] and "AU20" not in by_name["surprised"]
    assert {"AU04", "AU05", "AU23"} <= by_name["angry"] and {"AU09", "AU10"} <= by_name["disgusted"]
    assert {"AU01", "AU02", "AU04", "AU05", "AU20"} <= by_name["fearful"]


def test_profiles_are_not_within_openface_range() -> None:
    yaw = torch.tensor([0.0, -22, 30, 31, -45, float("nan")])
    assert within_openface_range(yaw).tolist() == [True, True, True, False, False, True]
    assert within_openface_range(yaw, 90).all()


# ----------------------------------------------------------------------------------------------------------- OpenFace


def openface(path: Path, *rows: dict[str, object], separator: str = ",") -> Path:
    """A CSV file as OpenFace writes it; a row gives what differs from a confident face without action units."""
    usual = {"confidence": 0.98, "gaze_0_x": 0.1, "pose_Rx": 0.0, "x_0": 12.5}
    usual |= {f"{unit}_r": 0.0 for unit in ACTION_UNITS} | {f"{unit}_c": 0 for unit in (*ACTION_UNITS, "AU28")}
    names = [*(name for name in rows[0] if name not in usual), *usual]
    lines = [separator.join(names)] + [separator.join(str((usual | row)[name]) for name in names) for row in rows]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n")
    return path


def test_a_file_for_each_picture(tmp_path: Path) -> None:
    openface(tmp_path / "csv" / "Rafd090_01_a.csv", {"face": 0, "AU12_r": 2.5, "AU45_r": 5})
    openface(tmp_path / "csv" / "low.csv", {"face": 0, "confidence": 0.5, "AU12_r": 2.5})
    openface(tmp_path / "csv" / "two.csv", {"face": 0, "AU12_r": 1}, {"face": 1, "confidence": 0.99, "AU12_r": 2})
    found = read_openface_csv(tmp_path / "csv")
    assert {name: units(row) for name, row in found.items()} == {
        "Rafd090_01_a": {"AU12": 0.5, "AU45": 1.0},
        "two": {"AU12": 0.4},
    }
    assert all(row.shape == (17,) and row.dtype == torch.float32 for row in found.values())
    assert set(read_openface_csv(tmp_path / "csv" / "two.csv")) == {"two"}


def test_one_file_that_names_its_pictures(tmp_path: Path) -> None:
    rows = [
        {"file": "a.jpg", "frame": 1, "success": 1, "AU01_r": 1.5},
        {"file": "deep/b.png", "frame": 2, "success": 1, "AU01_r": 3},
        {"file": "failed.jpg", "frame": 3, "success": 0, "AU01_r": 3},
        {"file": "nan.jpg", "frame": 4, "success": 1, "AU01_r": "-nan"},
    ]
    found = read_openface_csv(openface(tmp_path / "all.csv", *rows, separator=", "))  # as older versions write
    assert {name: units(row) for name, row in found.items()} == {"a": {"AU01": 0.3}, "b": {"AU01": 0.6}}


def test_files_that_cannot_be_meant(tmp_path: Path) -> None:
    film = openface(tmp_path / "film.csv", {"frame": 1, "success": 1}, {"frame": 2, "success": 1})
    with pytest.raises(ValueError, match="film or a sequence, whose rows do not name their pictures: add a column"):
        read_openface_csv(film)
    with pytest.raises(ValueError, match=r"intensities outside 0 to 5: \[7.0"):
        read_openface_csv(openface(tmp_path / "high.csv", {"face": 0, "AU01_r": 7}))
    (tmp_path / "short.csv").write_text("face,confidence,AU01_r\n0,0.9,1\n")
    with pytest.raises(ValueError, match=r"short.csv has no \['AU02_r', .* run OpenFace with -aus"):
        read_openface_csv(tmp_path / "short.csv")
    for folder in ("a", "b"):
        openface(tmp_path / "both" / folder / "1.csv", {"face": 0})
    with pytest.raises(ValueError, match="are of pictures of one name: 1"):
        read_openface_csv(tmp_path / "both")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="no CSV files in"):
        read_openface_csv(tmp_path / "empty")
