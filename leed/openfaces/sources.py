"""The public sources of the open face set: where they are, at which commit, and their licences."""

import shutil
import subprocess
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

NAMED = 5  # files, at most


@dataclass(frozen=True)
class Source:
    """A public repository at the commit that the published set was made from."""

    name: str
    address: str
    commit: str
    used: tuple[str, ...]  # folders that are read
    landmarks: tuple[str, ...]  # files and folders by which a clone is known

    def commands(self) -> str:
        """How to get it."""
        folder = self.address.rpartition("/")[2]
        return f"git clone {self.address}\ngit -C {folder} checkout {self.commit}"


PORTRAITS = Source(
    "portraits and templates (webmorphR.stim)",
    "https://github.com/debruine/webmorphR.stim",
    "fa8b78fda2d659bb74ce62fcd99c4407551d2a77",
    ("inst", "data-raw"),
    (
        "inst/neutral_front",
        "inst/smiling_front",
        "inst/3dsk",
        "data-raw/london_info.csv",
        "data-raw/3dsk/age_data.csv",
    ),
)
FACE_MODEL = Source(
    "face model (ICT-FaceKit)",
    "https://github.com/ICT-VGL/ICT-FaceKit",
    "da5f95a607f5e6b37755b38d3385d7f2853732e5",
    ("FaceXModel",),
    ("FaceXModel/generic_neutral_mesh.obj", "FaceXModel/vertex_indices.json", "FaceXModel/identity099.obj", "LICENSE"),
)


def check_source(source: Source, clone: Path) -> None:
    """Checks that a folder holds a source as the published set was made from it.

    A folder that is no git clone, such as an unpacked archive, is only checked for its files. Raises `ValueError` with
    the commands that bring the source for another folder, another commit, or files that were changed.
    """
    missing = [name for name in source.landmarks if not (clone / name).exists()]
    if missing:
        raise ValueError(
            f"{clone} is no clone of the {source.name}: {', '.join(missing)} missing. Get it by\n{source.commands()}"
        )
    commit = commit_of(clone)
    if commit is None:
        return
    if commit != source.commit:
        raise ValueError(
            f"{clone} holds the {source.name} at commit {commit}, expected {source.commit}, that of the published "
            f"set. Get it by\ngit -C {clone} fetch origin {source.commit}\ngit -C {clone} checkout {source.commit}"
        )
    changed = _git(clone, "diff", "--name-only", "HEAD", "--", *source.used).splitlines()
    if changed:
        named = ", ".join(changed[:NAMED]) + (f" and {len(changed) - NAMED} more" if len(changed) > NAMED else "")
        raise ValueError(
            f"{clone}: {named} differ from commit {source.commit}. Bring the published files back by\n"
            f"git -C {clone} checkout {source.commit} -- {' '.join(source.used)}"
        )


def commit_of(clone: Path) -> str | None:
    """The commit of a clone; None for a folder that is no clone of its own, or without the program git.

    Raises `ValueError` if git refuses, for example because the clone is another user's.
    """
    if not (clone / ".git").exists() or shutil.which("git") is None:
        return None
    return _git(clone, "rev-parse", "HEAD").strip()


def _git(clone: Path, *words: str) -> str:
    """What git says of a clone."""
    done = subprocess.run(["git", "-C", clone, *words], capture_output=True, text=True)
    if done.returncode:
        raise ValueError(f"git cannot tell the commit of {clone}: {done.stderr.strip()}")
    return done.stdout


def attribution(is_published: bool) -> str:
    """Licences and attribution of the sources, for the published portraits or for one's own."""
    file = "attribution.md" if is_published else "own-attribution.md"
    return resources.files("leed.openfaces").joinpath(file).read_text()
