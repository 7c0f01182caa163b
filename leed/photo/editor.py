"""Photo in, edited photo out: find and align a face, edit it, paste it back."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from PIL import Image, ImageChops
from torch import Tensor

from leed.expression import Expression
from leed.images import to_pil, to_rgb, to_tensor
from leed.model import EditTrace, FaceModel, PreparedEdit
from leed.networks.upper import UPPER_SCALE, Refinement
from leed.photo.alignment import align
from leed.photo.detection import Face, find_faces, has_tiny_faces
from leed.photo.geometry import Alignment, centre_alignment
from leed.photo.opening import upright
from leed.photo.pasting import Motion, paste


class NoFaceError(ValueError):
    """No face was found in a photo."""


@dataclass(frozen=True)
class Edit:
    """An edit: the aligned face before and after, and the whole photo with the edited face in it."""

    crop: Image.Image  # (S, S)
    edited: Image.Image  # (S, S)
    photo: Image.Image  # of the size of the photo that was given; RGBA if that was transparent in parts


@dataclass(frozen=True)
class PreparedPhoto:
    """A photo whose face is found, aligned and neutralised; a call with alpha gives the edit.

    With `upper_level`, the model's upper level draws mouth and eyes of a face larger than the model's, if it has one.
    """

    photo: Image.Image
    crop: Image.Image
    alignment: Alignment
    face: PreparedEdit
    cutout: Image.Image | None = None  # the photo in RGBA, if it is transparent in parts
    upper_level: bool = True

    def __call__(self, alpha: float = 1.0) -> Edit:
        edited, photo = self.pasted(self.photo, alpha)
        return Edit(self.crop, edited, self.cut_out(photo))

    def pasted(self, photo: Image.Image, alpha: float) -> tuple[Image.Image, Image.Image]:
        """The edited crop, and `photo`, this photo in RGB or one with other faces edited, with it."""
        trace = self.face.trace(alpha)
        edited = to_pil(trace.edited)
        motion, refinements = Motion.of(trace), self.refined(trace, alpha)
        return edited, paste(photo, self.crop, edited, self.alignment, motion, refinements)

    def refined(self, trace: EditTrace, alpha: float) -> dict[str, Refinement]:
        """What the upper level draws, by window; nothing without one, and for a face that the model shows as it is."""
        config = self.face.leed.config
        if not (self.upper_level and config.upper_widths and self.alignment.side > config.image_size):
            return {}
        return self.face.refine(self.large_crop, trace, alpha)

    @cached_property
    def large_crop(self) -> Tensor:
        """The crop as the upper level sees it, (1, 3, 3S, 3S) in [-1, 1]."""
        side = UPPER_SCALE * self.face.leed.config.image_size
        return to_tensor(self.alignment.crop(self.photo, side), side)

    def cut_out(self, edited: Image.Image) -> Image.Image:
        """The photo after edits in RGB, as transparent as it was."""
        return edited if self.cutout is None else cut_out(edited, self.photo, self.cutout)

    def with_expression(self, expression: Expression) -> "PreparedPhoto":
        """The same photo with another expression."""
        return replace(self, face=self.face.with_expression(expression))

    def at_most(self, side: int) -> "PreparedPhoto":
        """The same with a photo whose longer side has at most `side` pixels; for previews and films.

        For speed they do without the upper level.
        """
        scale = side / max(self.photo.size)
        if scale >= 1:
            return replace(self, upper_level=False)
        size = max(1, round(self.photo.width * scale)), max(1, round(self.photo.height * scale))
        cutout = self.cutout and self.cutout.resize(size, Image.Resampling.LANCZOS)
        photo = to_rgb(cutout) if cutout else self.photo.resize(size, Image.Resampling.LANCZOS)
        alignment = self.alignment.scaled(scale)
        return replace(self, photo=photo, alignment=alignment, cutout=cutout, upper_level=False)


def cut_out(edited: Image.Image, photo: Image.Image, cutout: Image.Image) -> Image.Image:
    """An edited RGB photo in RGBA, transparent where `cutout` is; `photo` is the cutout over white before the edit.

    What the edit left alone has the cutout's own colours, without white at its soft edges.
    """
    red, green, blue = ImageChops.difference(edited, photo).split()
    change = ImageChops.lighter(ImageChops.lighter(red, green), blue).point(lambda level: 255 if level else 0)
    result = Image.composite(edited, cutout.convert("RGB"), change)
    result.putalpha(cutout.getchannel("A"))
    return result


def combined(edits: Sequence[tuple[PreparedPhoto, float]]) -> Image.Image:
    """One photo with several of its faces edited, each with its alpha; the last lies on top where crops overlap.

    All are prepared from that photo, so that no face sees another's edit. Raises `ValueError` if there are none.
    """
    if not edits:
        raise ValueError("no face was chosen: expected at least one")
    photo = edits[0][0].photo
    for prepared, alpha in edits:
        _, photo = prepared.pasted(photo, alpha)
    return edits[0][0].cut_out(photo)


class FaceEditor:
    """Edits the faces of photos.

    >>> editor = FaceEditor(leed.runtime.load("hub/leed-open"))
    >>> editor.edit(photo, reference, alpha=1.0).photo

    `upper_level` False leaves the model's upper level, if it has one, unused: faster, with softer mouths and eyes.
    """

    def __init__(self, leed: FaceModel, upper_level: bool = True) -> None:
        self.leed, self.upper_level = leed, upper_level

    def edit(
        self,
        photo: Image.Image,
        reference: Image.Image | Expression,
        alpha: float = 1.0,
        face: int = 0,
        center_crop: bool = False,
    ) -> Edit:
        """The photo with the expression of `reference`, a photo too, on one of its faces; face 0 is the largest.

        With `center_crop`, a picture in which no face is found is taken for a face itself: its central square.
        Raises `NoFaceError` if no face is found, `ValueError` if there is no face `face` or alpha is out of range.
        """
        return self.prepare(photo, reference, face, center_crop)(alpha)

    def faces(self, photo: Image.Image) -> list[Face]:
        """The faces of a photo, the largest first, with their boxes in the upright photo."""
        return find_faces(upright(photo))

    def edit_faces(
        self,
        photo: Image.Image,
        choices: Mapping[int, tuple[Image.Image | Expression, float]],
        faces: list[Face] | None = None,
    ) -> Image.Image:
        """The photo with expressions on several of its faces, by number: reference or expression, and alpha, for each.

        Face 0 is the largest; it lies on top where crops overlap. `faces` and errors are those of `prepare`.

        >>> editor.edit_faces(photo, {0: (happy, 1.0), 1: (angry, 0.6)})
        """
        photo = upright(photo, keep_alpha=True)
        faces = find_faces(photo) if faces is None else faces
        ordered = sorted(choices.items(), reverse=True)
        return combined([(self.prepare(photo, of, face, faces=faces), alpha) for face, (of, alpha) in ordered])

    def prepare(
        self,
        photo: Image.Image,
        reference: Image.Image | Expression,
        face: int = 0,
        center_crop: bool = False,
        faces: list[Face] | None = None,
    ) -> PreparedPhoto:
        """Does once what does not depend on alpha; raises as `edit` does.

        `faces` are those that `find_faces` found in the upright photo, if it has been asked already.
        """
        expression = reference if isinstance(reference, Expression) else self.expression(reference, center_crop)
        photo = upright(photo, keep_alpha=True)
        cutout = photo if photo.mode == "RGBA" else None
        if cutout is not None:
            photo = to_rgb(cutout)
        crop, alignment = self.align(photo, face, center_crop, faces=faces)
        prepared = self.leed.prepare(crop, expression)
        return PreparedPhoto(photo, crop, alignment, prepared, cutout, self.upper_level)

    def prepare_at(self, photo: Image.Image, expression: Expression, alignment: Alignment) -> PreparedPhoto:
        """As `prepare`, for a face of an upright RGB frame whose place is known; for speed without the upper level."""
        crop = alignment.crop(photo, self.leed.config.image_size)
        return PreparedPhoto(photo, crop, alignment, self.leed.prepare(crop, expression), upper_level=False)

    def expression(
        self, reference: Image.Image, center_crop: bool = False, faces: list[Face] | None = None
    ) -> Expression:
        """The expression on the largest face of a photo; `faces` as in `prepare`. Raises `NoFaceError`."""
        crop, _ = self.align(upright(reference), 0, center_crop, "reference picture", faces)
        return self.leed.expression(crop)

    def align(
        self,
        photo: Image.Image,
        face: int = 0,
        center_crop: bool = False,
        what: str = "photo",
        faces: list[Face] | None = None,
    ) -> tuple[Image.Image, Alignment]:
        """The aligned crop of a face of an upright photo, in RGB and of the model's size, and where it lies.

        `faces` as in `prepare`; errors call the photo `what`. Raises as `edit` does.
        """
        size = self.leed.config.image_size
        if photo.mode != "RGB":
            photo = to_rgb(photo)
        faces = find_faces(photo) if faces is None else faces
        if faces:
            if not 0 <= face < len(faces):
                raise ValueError(f"face must be in [0, {len(faces) - 1}] for this {what}, got {face}")
            return align(photo, faces[face], size)
        if not center_crop:
            if has_tiny_faces(photo):
                raise NoFaceError(f"No face was found in the {what} that is large enough: please crop it to one face.")
            raise NoFaceError(f"No face was found in the {what}: give one that shows a face from the front.")
        alignment = centre_alignment(photo.size)
        return alignment.crop(photo, size), alignment
