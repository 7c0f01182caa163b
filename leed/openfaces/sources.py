"""The public sources of the open face set: where they are, at which commit, and their licences."""

import subprocess
from dataclasses import dataclass
from importlib import resources
from pathlib import Path


@dataclass(frozen=True)
class Source:
    """A public repository at the commit that the published set was made from."""

    name: str
    address: str
    commit: str
    landmarks: tuple[str, ...]  # files and folders by which a clone is known

    def commands(self) -> str:
        """How to get it."""
        folder = self.address.rpartition("/")[2]
        return f"git clone {self.address}\ngit -C {folder} checkout {self.commit}"


PORTRAITS = Source(
    "portraits and templates (webmorphR.stim)",
    "https://github.com/debruine/webmorphR.stim",
    "fa8b78fda2d659bb74ce62fcd99c4407551d2a77",
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
    ("FaceXModel/generic_neutral_mesh.obj", "FaceXModel/vertex_indices.json", "FaceXModel/identity099.obj", "LICENSE"),
)


def check_source(source: Source, clone: Path) -> None:
    """Raises `ValueError` with the commands that bring a source if a folder does not hold it, or another commit."""
    missing = [name for name in source.landmarks if not (clone / name).exists()]
    if missing:
        raise ValueError(
            f"{clone} is no clone of the {source.name}: {', '.join(missing)} missing. Get it by\n{source.commands()}"
        )
    commit = commit_of(clone)
    if commit is not None and commit != source.commit:
        raise ValueError(
            f"{clone} is at commit {commit}, expected {source.commit}, that of the published set. Get it by\n"
            f"git -C {clone} checkout {source.commit}"
        )


def commit_of(clone: Path) -> str | None:
    """The commit of a clone; None for a folder that is no clone of its own, or without git."""
    if not (clone / ".git").exists():
        return None
    try:
        done = subprocess.run(["git", "-C", clone, "rev-parse", "HEAD"], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip()


def attribution(is_published: bool) -> str:
    """Licences and attribution of the sources, for the published portraits or for one's own."""
    file = "attribution.md" if is_published else "own-attribution.md"
    return resources.files("leed.openfaces").joinpath(file).read_text()
