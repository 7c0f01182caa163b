"""Many pictures in, many out: which files a command reads, where it writes, and what it says of those that failed."""

import argparse
import glob
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image
from tqdm.auto import tqdm

from leed.cli import clips
from leed.cli.errors import UsageError
from leed.cli.outputs import Outputs
from leed.files import atomic_write, first_line
from leed.images import IMAGE_SUFFIXES, image_files
from leed.photo.saving import save_marked, save_plain

PHOTO_SUFFIXES = (*IMAGE_SUFFIXES, ".avif", ".gif", ".heic", ".heif")
"""Of the files that are taken from a folder; a file that is named itself is opened whatever it is called."""

WRITTEN_AS = {".jpg": ".jpg", ".jpeg": ".jpg", ".webp": ".webp"}
"""The format that keeps a picture's own; all others become PNG."""


@dataclass
class Jobs:
    """Pictures to read, each with the file to write, and what failed so far, with the reason, by what was named."""

    outputs: Outputs
    targets: dict[Path, Path] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments that all commands for pictures have."""
    parser.add_argument(
        "pictures",
        metavar="PICTURE",
        nargs="+",
        help="files, folders (searched to their depths) or globs; a name that begins with a dash as ./-name",
    )
    parser.add_argument(
        "--out",
        required=True,
        type=Path,
        help="folder to write to, under the pictures' own names; for one picture also a file: .png, .webp or .jpg; "
        "for one clip, where the command takes clips, .mp4, .mov, .mkv or .webm",
    )
    parser.add_argument("--overwrite", action="store_true", help="replace files that are there already")


def find_jobs(options: argparse.Namespace, with_clips: bool = False, others: Sequence[Path] = ()) -> Jobs:
    """Which pictures to read, or clips, and where to write each. Raises `UsageError` if `--out` cannot serve.

    A picture has failed whose result must not be written, as `Outputs` tells; `others` are further files that the
    command reads.
    """
    out, failed = options.out, dict[str, str]()
    suffixes = PHOTO_SUFFIXES + clips.SUFFIXES * with_clips
    sources = dict(found(options.pictures, out.resolve(), failed, suffixes))
    if out.suffix.lower() in PHOTO_SUFFIXES + clips.SUFFIXES and not out.is_dir():
        if len(sources) > 1:
            raise UsageError(f"--out {out} is one file for {len(sources)} pictures: give a folder")
        for source in sources:
            check_kind(source, out)
        places = dict.fromkeys(sources, out)
    elif out.exists() and not out.is_dir():
        raise UsageError(f"--out {out} is a file, but no picture: give a folder, or a file .png, .webp or .jpg")
    else:
        places = {source: out / written_as(name) for source, name in sources.items()}
    jobs = Jobs(Outputs([*sources, *others], options.overwrite), failed=failed)
    for source, target in places.items():
        try:
            jobs.outputs.plan(target, source)
        except ValueError as error:
            jobs.failed[str(source)] = str(error)
        else:
            jobs.targets[source] = target
    return jobs


def found(
    named: Iterable[str], out: Path, failed: dict[str, str], suffixes: tuple[str, ...]
) -> Iterator[tuple[Path, Path]]:
    """The files that arguments name, and the name of each below the folder that it came from.

    Results of an earlier run, in a folder `out` among what is named by a folder or a glob, are left out. Raises
    `UsageError` if `out` is such a folder itself.
    """
    for name in named:
        matches = [Path(name)] if os.path.lexists(name) else matching(name, out)
        if not matches:
            failed[name] = "there is no such file"
        for path in matches:
            if not path.is_dir():
                yield path, Path(path.name)
                continue
            if out.is_dir() and out.samefile(path):
                raise UsageError(f"--out is the folder {path}, whose pictures are read: give another folder")
            inside = image_files(path, suffixes)
            if out.is_relative_to(path.resolve()):
                inside = without(out, inside)
            if not inside and len(matches) == 1:
                failed[name] = "no pictures are in this folder"
            yield from ((picture, picture.relative_to(path)) for picture in inside)


def matching(pattern: str, out: Path) -> list[Path]:
    """The paths that a glob matches, but for those in a folder `out`, unless all are."""
    matches = [Path(match) for match in sorted(glob.glob(pattern, recursive=True))]
    return without(out, matches) or matches


def without(out: Path, paths: Iterable[Path]) -> list[Path]:
    """The paths that do not lie in a folder."""
    return [path for path in paths if not path.resolve().is_relative_to(out)]


def check_kind(source: Path, out: Path) -> None:
    """Raises `UsageError` if a picture, or a clip, is not written to files that are called as `out` is."""
    kind, kinds = "photos", (".png", ".webp", ".jpg", ".jpeg")
    if clips.is_clip(source):
        kind, kinds = "clips", clips.WRITTEN_SUFFIXES
    if out.suffix.lower() not in kinds:
        raise UsageError(f"{kind} are written as {', '.join(kinds)}, got --out {out}")


def written_as(path: Path) -> Path:
    """The path with the suffix of the format that a result has."""
    if clips.is_clip(path):
        return clips.written_as(path)
    return path.with_suffix(WRITTEN_AS.get(path.suffix.lower(), ".png"))


def run_jobs(
    jobs: Jobs,
    work: Callable[[Path], Image.Image],
    altered: bool = True,
    write_clip: Callable[[Path, Path], object] | None = None,
) -> bool:
    """Does the work for each picture, writes its result, with the mark if it is `altered`, and reports.

    Clips are for `write_clip`, which takes the file to read and the one to write.

    What fails is reported at the end, or when the work is interrupted, and stops nothing. Returns whether nothing
    failed.
    """
    done = 0
    for source, target in tqdm(jobs.targets.items(), desc="pictures", unit="", disable=None):
        try:
            jobs.outputs.check(target, source)  # again: much time may have passed
            if write_clip is not None and clips.is_clip(source):
                target.parent.mkdir(parents=True, exist_ok=True)
                write_clip(source, target)
            else:
                save(work(source), target, altered)
                note_frames(source)
            jobs.outputs.written(target)
        except KeyboardInterrupt:
            report(done, jobs.failed)
            raise
        except Exception as error:  # of any file: the others are waiting
            message = str(error) if isinstance(error, (ValueError, OSError)) else first_line(error)
            jobs.failed[str(source)] = message
        else:
            done += 1
    return report(done, jobs.failed)


def note_frames(source: Path) -> None:
    """Says so if a picture is animated: photos are still, and only its first frame was used."""
    with Image.open(source) as image:
        number = 1 if image.format in ("JPEG", "MPO") else getattr(image, "n_frames", 1)  # phones add depth and gains
    if number > 1:
        print(f"  {source}: only the first of its {number} frames was used", file=sys.stderr)


def save(picture: Image.Image, target: Path, altered: bool) -> None:
    """Writes a picture whole or not at all."""
    write, suffix = save_marked if altered else save_plain, written_as(target).suffix

    def write_and_name(partial: Path) -> None:
        named = partial.with_name(partial.name + suffix)  # which tells the format
        try:
            os.replace(write(picture, named), partial)
        finally:
            named.unlink(missing_ok=True)  # after an error, such as a full disk

    target.parent.mkdir(parents=True, exist_ok=True)
    atomic_write(target, write_and_name)


def report(done: int, failed: dict[str, str]) -> bool:
    """Prints how many pictures were written and why others were not. Returns whether nothing failed."""
    print(f"{done} written, {len(failed)} failed", file=sys.stderr)
    for name, reason in failed.items():
        print(f"  {name}: {reason}", file=sys.stderr)
    return not failed
