"""What a build is asked for."""

from dataclasses import dataclass
from pathlib import Path

FOLDERS = {
    "main": "",
    "pairs": "-pairs",
    "twins": "-twins",
    "views": "-views",
    "free": "-free",
    "large": "-large",
    "large_more": "-large",
    "smiles": "-large",
    "clips": "-clips",
}
"""The parts of the set, each of which can be built by itself, and what their folders' names add to the main one's."""

PARTS = tuple(FOLDERS)
PUBLISHED_PARTS = tuple(part for part in PARTS if part != "large_more")
"""Those of the published set, which are built by default."""

WORK, MARK, WITHOUT = ".work", ".plan", ".without"
"""In the folder of the main part: what is drawn, of which plan the set is, and who was taken out of it."""


@dataclass(frozen=True)
class Settings:
    """What is built of what. Raises `ValueError` for impossible ones."""

    portraits: Path  # a clone of webmorphR.stim, or a folder of one's own portraits
    face_model: Path  # a clone of ICT-FaceKit
    output_dir: Path  # the main part; other parts lie beside it, `<output_dir>-pairs` and so on
    processes: int = 1
    parts: tuple[str, ...] = PUBLISHED_PARTS
    people: tuple[str, ...] | None = None  # draws only these, of the same plan

    def __post_init__(self) -> None:
        unknown = sorted(set(self.parts) - set(PARTS))
        if unknown or not self.parts:
            raise ValueError(f"parts must be among {', '.join(PARTS)}, got {', '.join(unknown) or 'none'}")
        if self.processes < 1:
            raise ValueError(f"processes must be at least 1, got {self.processes}")

    @property
    def work_dir(self) -> Path:
        """Where what is drawn is kept until it is packed; hidden from the readers. It may be deleted after that."""
        return self.output_dir / WORK

    @property
    def model_cache(self) -> Path:
        """Where the parsed face model is kept."""
        return self.work_dir / "face-model.npz"

    @property
    def mark(self) -> Path:
        """A file that says of which plan the set is."""
        return self.output_dir / MARK

    def folder(self, part: str) -> Path:
        """Where a part is written."""
        return folder_of(self.output_dir, part)


def folder_of(main: Path, part: str) -> Path:
    """Where a part lies, beside the folder of the main one."""
    return main.with_name(main.name + FOLDERS[part])


def left_out(main: Path) -> list[str]:
    """The people who were taken out of a set, by the folder of its main part; nobody draws them there again."""
    path = main / WITHOUT
    return path.read_text().split() if path.is_file() else []
