"""The people of a set, their portraits, and where the published portraits lie in a clone."""

import csv
import re
from dataclasses import dataclass
from pathlib import Path

from leed.files import existing, is_hidden
from leed.images import IMAGE_SUFFIXES

LONDON, STUDIO, OWN = "london", "3dsk", "own"
"""What a person's portrait comes from; in the column `source`."""
UNKNOWN = "unknown"
PEOPLE_FILE = "people.csv"


@dataclass(frozen=True)
class Person:
    """A person with a neutral portrait and its template."""

    name: str  # letters, digits and hyphens: it is a part of file names
    source: str
    gender: str  # female, male or unknown
    age: float | None
    ethnicity: str
    portrait: Path
    template: Path
    smile: Path | None = None  # another photograph, smiling

    @property
    def wrinkle_age(self) -> float | None:
        """The age by which wrinkles are drawn; in the published set unknown for 3DSK."""
        return None if self.source == STUDIO else self.age


def is_published_source(folder: Path) -> bool:
    """Whether a folder is a clone of the published set's portraits, maybe an incomplete one."""
    return (folder / "inst").is_dir() or (folder / "data-raw").is_dir()


def published_people(clone: Path) -> list[Person]:
    """The 202 people of the published set in their order, from a clone of webmorphR.stim."""
    return [*_london(clone), *_studio(clone)]


def own_people(folder: Path) -> list[Person]:
    """People of one's own: a neutral frontal portrait each, with a template beside it (`anna.jpg`, `anna.tem`).

    `people.csv` in the folder may tell gender, age and ethnicity by `file`. Raises `ValueError` with a line for each
    file that is no use.
    """
    known = _told(folder / PEOPLE_FILE)
    portraits = own_portraits(folder)
    faults = [
        f"{path.name}: no template {path.stem}.tem beside it; "
        f"`python -m leed.openfaces landmarks --portraits {folder}` writes one"
        for path in portraits
        if not template_of(path).is_file()
    ]
    faults += [f"{name}: in {PEOPLE_FILE}, but no such portrait" for name in known if not (folder / name).is_file()]
    names = [re.sub(r"[^A-Za-z0-9-]+", "-", path.stem) for path in portraits]
    faults += [
        f"{path.name}: another portrait has the same name"
        for path, n in zip(portraits, names, strict=True)
        if names.count(n) > 1
    ]
    if faults:
        raise ValueError("\n".join(faults))
    return [_own(path, name, known.get(path.name, {})) for path, name in zip(portraits, names, strict=True)]


def own_portraits(folder: Path) -> list[Path]:
    """The pictures in a folder. Raises `ValueError` if there are none, or no such folder."""
    found = pictures_in(existing(folder))
    if not found:
        raise ValueError(f"no portraits in {folder}: expected pictures ending in {', '.join(IMAGE_SUFFIXES)}")
    return found


def pictures_in(folder: Path) -> list[Path]:
    """The pictures in a folder, but for those that are hidden or lie deeper."""
    return sorted(p for p in folder.iterdir() if p.suffix.lower() in IMAGE_SUFFIXES and not is_hidden(p, folder))


def template_of(portrait: Path) -> Path:
    """Where a portrait's template lies: beside it."""
    return portrait.with_suffix(".tem")


def _own(path: Path, name: str, told: dict[str, str]) -> Person:
    gender = told.get("gender") or UNKNOWN
    if gender not in ("female", "male", UNKNOWN):
        raise ValueError(f"{PEOPLE_FILE}: gender of {path.name} must be female, male or {UNKNOWN}, got {gender!r}")
    age = told.get("age") or None
    try:
        years = None if age is None else float(age)
    except ValueError:
        raise ValueError(f"{PEOPLE_FILE}: age of {path.name} must be a number of years, got {age!r}") from None
    return Person(name, OWN, gender, years, told.get("ethnicity") or UNKNOWN, path, template_of(path))


def _told(path: Path) -> dict[str, dict[str, str]]:
    """The rows of `people.csv` by file; empty if there is none."""
    if not path.is_file():
        return {}
    with path.open(newline="", encoding="utf-8-sig") as file:
        rows = list(csv.DictReader(file))
    if rows and "file" not in rows[0]:
        raise ValueError(f"{path} has columns {list(rows[0])}, expected file, and maybe gender, age, ethnicity")
    return {row["file"]: row for row in rows}


def _london(clone: Path) -> list[Person]:
    """The Face Research Lab London Set: gender, age and ethnicity as people described themselves."""
    with (clone / "data-raw" / "london_info.csv").open(newline="") as file:
        told = {row["face_id"]: row for row in csv.DictReader(file)}
    people = []
    for portrait in sorted((clone / "inst" / "neutral_front").glob("[0-9]*.jpg")):
        number = portrait.name[:3]
        row = told[number]
        smile = clone / "inst" / "smiling_front" / portrait.name.replace("_03", "_08")
        age = None if row["face_age"] == "NA" else float(row["face_age"])
        person = (
            f"lon{number}",
            LONDON,
            row["face_gender"],
            age,
            row["face_eth"],
            portrait,
            template_of(portrait),
            smile,
        )
        people.append(Person(*person))
    return people


def _studio(clone: Path) -> list[Person]:
    """The 3DSK set: white young adults, as its authors describe it, with their ages."""
    lines = re.split(r"\r\n?|\n", (clone / "data-raw" / "3dsk" / "age_data.csv").read_bytes().decode())
    ages = {row[0]: float(row[4]) for row in csv.reader(lines[1:]) if len(row) >= 5 and row[4].strip()}
    people = []
    for gender in ("female", "male"):
        for portrait in sorted((clone / "inst" / "3dsk" / gender).glob("[a-z]*.jpg")):
            name, age = "sk" + portrait.stem.replace("_", ""), ages.get(portrait.stem)
            people.append(Person(name, STUDIO, gender, age, "white", portrait, template_of(portrait)))
    return people
