"""Aligns the faces of a folder of pictures to the crop that the models know, under the names that they had.

    python -m leed.photo.align_folder path/to/rafd path/to/rafd-aligned

If a picture shows several faces, the largest is taken. Run it again to resume after an interruption: pictures that
are there already are left as they are. The pictures left out are listed, with the reason, in left-out.txt.
"""

import argparse
from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image
from tqdm.auto import tqdm

from leed.commands import command_line, exit_on, folder
from leed.files import atomic_write, writable
from leed.images import IMAGE_SUFFIXES, image_files
from leed.photo.alignment import align
from leed.photo.detection import find_faces
from leed.photo.editor import NoFaceError
from leed.photo.opening import PhotoError, open_photo

PROGRAM = "python -m leed.photo.align_folder"
SIZE = 256  # twice the models', which resize; side of the open face set's pictures [px]
QUALITY = 95  # of files in lossy formats
LEFT_OUT = "left-out.txt"


@dataclass
class Outcome:
    """Counts of the aligned pictures of a folder, and the names of those left out."""

    aligned: int = 0
    existing: int = 0  # from an earlier run
    faceless: list[str] = field(default_factory=list)  # names in the folder
    unreadable: dict[str, str] = field(default_factory=dict)  # the reason, by name in the folder

    def __str__(self) -> str:
        return (
            f"{self.aligned} aligned, {len(self.faceless)} without a face, {len(self.unreadable)} unreadable, "
            f"{self.existing} there already"
        )

    def left_out(self) -> str:
        """A line for each picture that was not aligned: its name, a tab, why."""
        reasons = {**dict.fromkeys(self.faceless, "No face was found."), **self.unreadable}
        return "".join(f"{name}\t{reason}\n" for name, reason in sorted(reasons.items()))


def align_folder(source: Path, target: Path, size: int = SIZE) -> Outcome:
    """Writes the aligned face (size, size) of each picture below `source` under its name below `target`.

    Raises `ValueError` if there are no pictures, one of the folders lies in the other, or a picture in `target` has
    another size.
    """
    check_folders(source, target)
    if size < 1:
        raise ValueError(f"size must be at least 1 pixel, got {size}")
    paths = image_files(source)
    if not paths:
        raise ValueError(f"no pictures in {source}: expected files ending in {IMAGE_SUFFIXES}")
    outcome = Outcome()
    for path in tqdm(paths, desc="pictures", disable=None):
        name = path.relative_to(source)
        if is_aligned(target / name, size):
            outcome.existing += 1
            continue
        try:
            face = aligned_face(path, size)
        except NoFaceError:
            outcome.faceless.append(name.as_posix())
        except PhotoError as error:
            outcome.unreadable[name.as_posix()] = str(error)
        else:
            write(face, target / name)
            outcome.aligned += 1
    write_left_out(outcome, target / LEFT_OUT)
    return outcome


def check_folders(source: Path, target: Path) -> None:
    """Raises `ValueError` if the second cannot be written to, or pictures in it would be read from the first."""
    inner, outer = source.resolve(), target.resolve()
    if inner.is_relative_to(outer) or outer.is_relative_to(inner):
        raise ValueError(f"{target} must not lie in {source} or hold it: give a folder beside {source} to write to")
    writable(target)


def is_aligned(path: Path, size: int) -> bool:
    """Whether a file holds a picture (size, size). Raises `ValueError` if it holds one of another size."""
    try:
        with Image.open(path) as image:
            found = image.size
    except OSError:  # no file, or a damaged one
        return False
    if found != (size, size):
        raise ValueError(f"{path} has {found[0]}x{found[1]} pixels, not {size}x{size}: give a new folder to write to")
    return True


def aligned_face(path: Path, size: int) -> Image.Image:
    """The largest face of the picture in a file, aligned, (size, size). Raises `PhotoError` or `NoFaceError`."""
    photo = open_photo(path)
    faces = find_faces(photo)
    if not faces:
        raise NoFaceError(f"No face was found in {path}.")
    crop, _ = align(photo, faces[0], size)
    return crop


def write(picture: Image.Image, path: Path) -> None:
    """Writes a picture in the format of the path's suffix, wholly or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    file_format = Image.registered_extensions()[path.suffix.lower()]
    atomic_write(path, lambda partial: picture.save(partial, file_format, quality=QUALITY))


def write_left_out(outcome: Outcome, path: Path) -> None:
    """Writes the list of the pictures left out; removes it if there are none."""
    if lines := outcome.left_out():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(lines)
    else:
        path.unlink(missing_ok=True)


def parse_args(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = command_line(PROGRAM, __doc__)
    parser.add_argument("source", metavar="IN", type=folder, help="folder of pictures, searched to its depths")
    parser.add_argument("target", metavar="OUT", type=folder, help="folder to write to, beside IN")
    parser.add_argument("--size", type=int, default=SIZE, help=f"side of the aligned faces [px] (default {SIZE})")
    return parser.parse_args(arguments)


@exit_on(PROGRAM)
def main(arguments: list[str] | None = None) -> None:
    options = parse_args(arguments)
    outcome = align_folder(options.source, options.target, options.size)
    if outcome.faceless or outcome.unreadable:
        print(f"{options.target / LEFT_OUT} names the pictures left out")
    print(outcome)


if __name__ == "__main__":
    main()
