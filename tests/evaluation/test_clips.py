"""Photos driven by clips: what the figures say of known motions, and the command on real video files."""

import json
from pathlib import Path

import imageio_ffmpeg
import numpy as np
import pytest
import torch
from PIL import Image

from leed import LEED, gallery
from leed.config import TINY
from leed.evaluation import clips
from leed.evaluation.clips import Clip, blinks, drive, lag, load_clips, measure
from leed.images import EYES, MOUTH, normalize, part
from leed.similarity import inner_ssim

FRAMES = 60
BLINKS = (18, 41)


def moving(delay: int = 0, eyes: float = 1.0) -> torch.Tensor:
    """A face whose mouth goes dark and light, smoothly and never twice alike, and whose eyes blink twice."""
    generator = torch.Generator().manual_seed(0)
    frames = (torch.rand(1, 3, 128, 128, generator=generator) - 0.5).repeat(FRAMES, 1, 1, 1)
    time = torch.arange(FRAMES) - delay
    part(frames, MOUTH).mul_((0.5 + 0.3 * torch.sin(time / 7) + 0.2 * torch.sin(time / 3.1)).view(-1, 1, 1, 1))
    for middle in BLINKS:
        closed = eyes * (1 - (time - middle).abs() / 3).clamp(min=0).view(-1, 1, 1, 1)
        part(frames, EYES).lerp_(torch.full((1,), -0.8), closed)
    return frames


def found(edit: torch.Tensor) -> dict[str, float]:
    truth = moving()
    return measure(edit, Clip("a", truth[:1], truth, truth))


def test_a_true_clip_reaches_every_figure() -> None:
    values = found(moving())
    for name in ("ssim", "strength", "strength_course", "mouth", "flicker"):
        assert values.pop(name) == pytest.approx(1, abs=1e-6)
    assert values.pop("ssim_still") < 0.95
    assert values == {"lag": 0, "blinks": 2, "came_over": 2, "blink_way": pytest.approx(2)}


@pytest.mark.parametrize("delay", [-2, 3])
def test_a_late_mouth(delay: int) -> None:
    assert found(moving(delay))["lag"] == delay


@pytest.mark.parametrize(("eyes", "came_over"), [(0.3, 0), (0.7, 2)])
def test_a_weak_blink(eyes: float, came_over: int) -> None:
    values = found(moving(eyes=eyes))
    assert values["came_over"] == came_over
    assert values["blink_way"] / 2 == pytest.approx(eyes, abs=0.02)


def test_a_still_photo_neither_blinks_nor_moves() -> None:
    values = found(moving()[:1].repeat(FRAMES, 1, 1, 1))
    assert values["ssim"] == values["ssim_still"]
    assert values["mouth"] == values["flicker"] == values["came_over"] == values["lag"] == values["strength"] == 0
    assert blinks(moving()) == list(BLINKS)


@pytest.mark.parametrize("share", [0.5, 1.2])
def test_the_strength_of_an_edit_that_goes_a_part_of_the_way(share: float) -> None:
    """From a rest that differs, and with changes beside the true ones, which are no part of it."""
    truth = moving()
    edit = truth[:1] + share * (truth - truth[:1]) + 0.2
    values = found(edit)
    assert values["strength"] == pytest.approx(share) and values["strength_course"] == pytest.approx(1)
    np.testing.assert_allclose(clips.strengths(edit, truth), share * clips.strengths(truth, truth), rtol=1e-5)
    change = (truth[30] - truth[0])[..., 32:116, 24:104]
    assert clips.strengths(truth, truth)[30] == pytest.approx(50 * float(change.square().mean().sqrt()), rel=1e-5)


def test_what_is_plotted_over_time() -> None:
    """Eyes close in blinks alone; the driver's strength is the distance from its neutral faces."""
    truth = moving()
    lines = clips.time_lines(Clip("a", truth[:1], truth, truth), truth - 0.2, {"edit": moving(eyes=0.5)})
    eyes = lines["eyes (1: closed)"]
    for middle in BLINKS:
        assert eyes["truth"][middle] == pytest.approx(1, abs=0.1)
        assert eyes["edit"][middle] == pytest.approx(0.5, abs=0.1)
    assert abs(eyes["truth"][30]) < 0.05
    np.testing.assert_allclose(lines["strength [%]"][clips.DRIVER], 10, rtol=1e-5)
    assert not clips.closing(truth[:1].repeat(FRAMES, 1, 1, 1), truth[:1].repeat(FRAMES, 1, 1, 1)).any()


def test_lag_prefers_none_where_nothing_tells() -> None:
    assert lag(np.zeros(FRAMES), np.zeros(FRAMES)) == 0


def write_video(file: Path, frames: torch.Tensor) -> None:
    writer = imageio_ffmpeg.write_frames(str(file), (256, 256), fps=25, macro_block_size=2)
    writer.send(None)
    for frame in ((frames + 1) * 127.5).byte().permute(0, 2, 3, 1).numpy():
        writer.send(np.array(Image.fromarray(frame).resize((256, 256))).tobytes())
    writer.close()


@pytest.mark.parametrize(
    ("size", "length", "message"),
    [
        ((256, 128), 20, "has frames of 256 x 128 pixels, expected square ones"),
        ((64, 64), 4, "has 4 frames, expected at least 10"),
    ],
)
def test_videos_of_another_form_are_named(tmp_path: Path, size: tuple[int, int], length: int, message: str) -> None:
    writer = imageio_ffmpeg.write_frames(str(tmp_path / "x.mp4"), size, fps=25, macro_block_size=2)
    writer.send(None)
    for _ in range(length):
        writer.send(bytes(3 * size[0] * size[1]))
    writer.close()
    with pytest.raises(ValueError, match=message):
        clips.read_clip(tmp_path / "x.mp4", 32)


def test_command(lively_leed: LEED, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    lively_leed.save_pretrained(tmp_path / "model")
    arguments = ["--model", str(tmp_path / "model"), "--data_dir", str(tmp_path)]
    with pytest.raises(SystemExit, match="has no clips: expected files like 0_input.png"):
        clips.main(arguments)
    Image.new("RGB", (256, 256), "grey").save(tmp_path / "0_input.png")
    for kind, length in (("driver", 20), ("truth", 19)):
        write_video(tmp_path / f"0_{kind}.mp4", moving()[10 : 10 + length])
    with pytest.raises(SystemExit, match="clip 0 in .* has 20 frames of the driver, 19 true ones"):
        clips.main(arguments)
    write_video(tmp_path / "0_truth.mp4", moving()[10:30])
    clips.main([*arguments, "--smoothing", "crops", "--output_dir", str(tmp_path / "out")])
    assert "1 clips, 1 blinks" in capsys.readouterr().out
    content = json.loads((tmp_path / "out" / "clips.json").read_text())
    assert content["crops"]["clips"]["0"]["blinks"] == 1 and 0 < content["crops"]["all"]["ssim"]["value"] < 1
    assert (tmp_path / "out" / "clip-0.png").is_file() and (tmp_path / "out" / "clip-0-time.png").is_file()
    with Image.open(tmp_path / "out" / "strengths.png") as picture:
        assert len(np.unique(np.asarray(picture.convert("L")))) > 10  # lines
    (tmp_path / "0_truth.mp4").write_bytes(b"no video")
    with pytest.raises(SystemExit, match="0_truth.mp4 cannot be read as a video"):
        clips.main(arguments)


def test_photos_are_driven_as_users_drive_them(tmp_path: Path) -> None:
    """A fresh model changes nothing, whether faces are found in the whole pictures or the set's crops are taken."""
    leed = LEED(TINY).eval()
    face = next(face for face in gallery.faces(camera=gallery.FRONTAL) if face.expression == "happy")
    photo, size = face.open().convert("RGB").resize((256, 256)), leed.config.image_size
    photo.save(tmp_path / "0_input.png")
    shown = normalize(torch.from_numpy(np.array(photo)).permute(2, 0, 1))[None].repeat(clips.MOST_LAG + 2, 1, 1, 1)
    for kind in ("driver", "truth"):
        write_video(tmp_path / f"0_{kind}.mp4", shown)
    [clip] = load_clips(tmp_path, size)
    edits = {smoothing: drive(leed, clip, smoothing) for smoothing in ("time", "none", "crops")}
    for edit in edits.values():
        assert edit.shape == (clips.MOST_LAG + 2, 3, size, size)
        assert inner_ssim(edit, clip.truth).min() > 0.9
