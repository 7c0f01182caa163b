"""Writing the templates that portraits of one's own lack, for the build to read and for people to correct."""

from pathlib import Path

import cv2
import numpy as np
from PIL import Image
from tqdm.auto import tqdm

from leed.openfaces import templates as t
from leed.openfaces.arrays import Bytes, Floats
from leed.openfaces.fitness import template_faults
from leed.openfaces.landmarks import find_points
from leed.openfaces.parts import read_picture
from leed.openfaces.people import own_portraits, template_of
from leed.openfaces.preparation import moved
from leed.openfaces.saving import save
from leed.photo.detection import Face, find_faces

NEXT_FACE = 0.25  # of the largest face's area: from here on another face is one too many
GREEN = (80, 255, 80)


def find_templates(folder: Path) -> list[Path]:
    """Writes a template beside each portrait of a folder that has none; returns the templates.

    `looked_at(folder)` gets a picture of each, with its points, to look at. Raises `ValueError` with a line for each
    portrait that is unfit, once the others' are written.
    """
    written, faults = [], []
    for path in tqdm([path for path in own_portraits(folder) if not template_of(path).exists()], desc="portraits"):
        try:
            portrait = read_picture(path)
            points = points_of(portrait)
        except ValueError as fault:
            faults += [f"{path.name}: {line}" for line in str(fault).splitlines()]
        else:
            written.append(_write(path, portrait, points))
    if faults:
        raise ValueError("\n".join([f"{len(written)} templates written; these portraits are unfit:", *faults]))
    return written


def looked_at(folder: Path) -> Path:
    """Where the portraits of a folder lie with their points drawn on them: beside it."""
    return folder.resolve().with_name(f"{folder.resolve().name}-landmarks")


def _write(path: Path, portrait: Bytes, points: Floats) -> Path:
    shown = looked_at(path.parent) / f"{path.stem}.webp"
    shown.parent.mkdir(exist_ok=True)
    save(shown.parent / ".gitignore", lambda partial: partial.write_text("*\n"))
    picture = cv2.imencode(".webp", marked(portrait, points), [cv2.IMWRITE_WEBP_QUALITY, 85])[1].tobytes()
    save(shown, lambda partial: partial.write_bytes(picture))
    template = template_of(path)
    save(template, lambda partial: partial.write_text(t.template_text(points)))
    return template


def points_of(portrait: Bytes) -> Floats:
    """The points (189, 2) of a portrait (H, W, 3) that shows one face. Raises `ValueError` for one that is unfit."""
    faces = find_faces(Image.fromarray(np.ascontiguousarray(portrait[..., ::-1])))
    points = find_points(portrait, the_face(faces).points - 0.5)  # OpenCV counts from the pixel's middle
    if faults := list(template_faults(portrait, points)):
        raise ValueError("\n".join(faults))
    return points


def the_face(faces: list[Face]) -> Face:
    """The only face. Raises `ValueError` if there is none, or another of some size."""
    if not faces:
        raise ValueError("no face found; expected a frontal portrait")
    large = sum(face.area > NEXT_FACE * faces[0].area for face in faces)
    if large > 1:
        raise ValueError(f"{large} faces found; expected a portrait of one person")
    return faces[0]


def marked(portrait: Bytes, points: Floats) -> Bytes:
    """A portrait in the working frame, with its points on it."""
    transform = t.to_working_frame(points)
    picture = moved(portrait, transform)
    for x, y in t.transformed(transform, points):
        cv2.circle(picture, (round(x * 16), round(y * 16)), 32, GREEN, -1, cv2.LINE_AA, 4)
    return picture
