"""The pictures of a study: a folder of real ones and a folder for each method.

    real/012_happy.png   leed/012_happy.png   stargan/012_happy.webp   ganimation/012_happy.jpg

Files of one name, suffix aside, belong together: the same input and expression, in `real` the true picture of it.
"""

import hashlib
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from leed.photo.opening import PhotoError, open_photo

REAL, FAKE = "real", "fake"  # the first is also a folder's name
CARD_WIDTH = 256  # [px]
SUFFIXES = (".png", ".jpg", ".jpeg", ".webp")


class PicturesError(ValueError):
    """A folder is not laid out as a study needs it; the message is one sentence for the study's host."""


@dataclass(frozen=True)
class Pictures:
    """Pictures by source (`real` or a method) and name; all sources have the same names, all pictures one size."""

    files: dict[str, dict[str, Path]]
    size: tuple[int, int]  # width and height [px]
    digest: str  # changes with any file

    @property
    def sources(self) -> list[str]:
        """`real`, then the methods in alphabetical order."""
        return list(self.files)

    @property
    def methods(self) -> list[str]:
        return [source for source in self.files if source != REAL]

    @property
    def names(self) -> list[str]:
        return list(self.files[REAL])

    def open(self, source: str, name: str) -> Image.Image:
        """A picture in RGB, without any mark or other data that its file carries."""
        return open_photo(self.files[source][name])

    def card(self, text: str) -> Image.Image:
        """A card with a text instead of a face, in the shape of the pictures."""
        width, height = CARD_WIDTH, round(CARD_WIDTH * self.size[1] / self.size[0])
        card = Image.new("RGB", (width, height), (236, 236, 236))
        font = ImageFont.load_default(size=width / 9)
        middle = (width / 2, height / 2)
        ImageDraw.Draw(card).multiline_text(middle, text, (20, 20, 20), font, anchor="mm", align="center")
        return card


def png(image: Image.Image) -> bytes:
    """The pixels alone as a PNG file, so that neither format nor size of a file tells where a picture is from."""
    image.save(buffer := BytesIO(), "PNG", compress_level=1)  # 6, the default, takes several times as long
    return buffer.getvalue()


def read_pictures(folder: Path) -> Pictures:
    """The pictures of a study.

    Raises `PicturesError` where the folder is not laid out as above or a picture is broken.
    """
    if not folder.is_dir():
        raise PicturesError(f"There is no folder {folder}.")
    methods = sorted(
        path.name for path in folder.iterdir() if path.is_dir() and path.name != REAL and path.name[0] != "."
    )
    if not (folder / REAL).is_dir():
        raise PicturesError(f"{folder} has no folder {REAL}, which holds the real pictures; it has {methods}.")
    if len(methods) < 2:
        raise PicturesError(
            f"{folder} needs the edits of at least two methods, a folder for each, and {REAL}; it has {methods}."
        )
    files = {source: files_by_name(folder / source) for source in (REAL, *methods)}
    check_names(files)
    size, digest = check_pixels(files)
    return Pictures(files, size, digest)


def files_by_name(folder: Path) -> dict[str, Path]:
    """The pictures of one source by name; hidden files are ignored. Raises `PicturesError` for other files."""
    files: dict[str, Path] = {}
    for file in sorted(path for path in folder.iterdir() if path.name[0] != "."):
        if file.suffix.lower() not in SUFFIXES:
            raise PicturesError(f"{file} is no picture; only {', '.join(SUFFIXES)} may lie there.")
        if file.stem in files:
            raise PicturesError(f"{file} and {files[file.stem].name} have one name; remove one of them.")
        files[file.stem] = file
    return files


def check_names(files: dict[str, dict[str, Path]]) -> None:
    """Raises `PicturesError` unless each source has a picture of each name."""
    names = sorted(set().union(*files.values()))
    if not names:
        raise PicturesError(f"{', '.join(files)} hold no pictures.")
    for source, own in files.items():
        if missing := [name for name in names if name not in own]:
            raise PicturesError(
                f"{source} lacks {len(missing)} of the {len(names)} pictures, {missing[0]} for one; "
                "each folder needs a picture of each name."
            )


def check_pixels(files: dict[str, dict[str, Path]]) -> tuple[tuple[int, int], str]:
    """The size that all pictures share, since sizes would tell sources apart, and a digest of all pixels.

    Raises `PicturesError` for several sizes, for broken pictures, and for two that are the same.
    """
    first = files[REAL][next(iter(files[REAL]))]
    size: tuple[int, int] | None = None
    digest = hashlib.sha256()
    for name in files[REAL]:
        seen: dict[bytes, Path] = {}
        for source in files:
            file = files[source][name]
            try:
                image = open_photo(file)
            except PhotoError as error:
                raise PicturesError(f"{file}: {error}") from error
            size = size or image.size
            if image.size != size:
                raise PicturesError(
                    f"All pictures must have one size, but {first} has {'x'.join(map(str, size))} pixels and {file} "
                    f"{'x'.join(map(str, image.size))}."
                )
            pixels = hashlib.sha256(image.tobytes()).digest()
            if pixels in seen:
                raise PicturesError(f"{seen[pixels]} and {file} are the same picture.")
            seen[pixels] = file
            digest.update(f"{source}/{name}".encode() + b"\0" + pixels)
    assert size is not None  # check_names refuses a study without pictures
    return size, digest.hexdigest()
