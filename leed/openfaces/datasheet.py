"""The data sheet of what was built, and a contact sheet to look at."""

from collections import Counter
from collections.abc import Iterator, Mapping
from importlib import resources
from pathlib import Path

import cv2
import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq

from leed.config import EXPRESSIONS
from leed.openfaces.arrays import Bytes
from leed.openfaces.clips import count_written
from leed.openfaces.encoding import Row
from leed.openfaces.people import Person
from leed.openfaces.performances import CAMERAS
from leed.openfaces.saving import save
from leed.openfaces.settings import PARTS, folder_of, left_out

ROWS = 8  # people on the contact sheet
PUBLISHED_FLAWS = """\
- 33 of the 102 London people are not white; the 3DSK people are all young white adults. No children, no elderly
  people, no glasses.
- 3DSK portraits are warm and overexposed, and the neck fades into the white background.
- Real smiles of lon143, lon025 and lon013 are less well registered (`registration` below 0.94), and some are faint.
- The true neutral face of a real smile is a portrait set into the smile's picture: where face and hair are wider
  in the smile, a doubled or bright edge is left.
"""


PUBLISHED_CONSENT = (
    'London: signed, for "lab-based and web-based studies in their original or altered forms and to illustrate\n'
    '  research". 3DSK: no text is stated; for educational use only.'
)
OWN_CONSENT = "not recorded by this program. Keep it for each person, with the day and what it is for."


def write_sheets(folder: Path, people: Mapping[str, Person], is_published: bool) -> None:
    """Writes `DATASHEET.md` and, of the main part, `contact-sheet.webp`."""
    faces = [folder / f"{split}-00000-of-00001.parquet" for split in ("train", "test")]
    faces = [path for path in faces if path.is_file()]
    text = datasheet(folder, faces, people, is_published)
    save(folder / "DATASHEET.md", lambda partial: partial.write_text(text))
    if faces:
        sheet = cv2.imencode(".webp", contact_sheet(faces), [cv2.IMWRITE_WEBP_QUALITY, 85])[1].tobytes()
        save(folder / "contact-sheet.webp", lambda partial: partial.write_bytes(sheet))


def built_files(folder: Path) -> dict[str, int]:
    """The number of rows of each parquet file of a set, whichever run wrote it, by its path beside `folder`."""
    files = parquet_files(folder)
    return {path.relative_to(folder.parent).as_posix(): pq.read_metadata(path).num_rows for path in files}


def parquet_files(folder: Path) -> list[Path]:
    """The parquet files of all parts of a set, by the folder of its main one."""
    folders = sorted({folder_of(folder, part) for part in PARTS})
    return [path for place in folders for path in sorted(place.glob("*.parquet"))]


def datasheet(folder: Path, faces: list[Path], people: Mapping[str, Person], is_published: bool) -> str:
    """The data sheet's text, by the folder of the main part and the files in it."""
    template = resources.files("leed.openfaces").joinpath("datasheet.md").read_text()
    shown = sorted({name for path in faces for name in pq.read_table(path, columns=["person"])["person"].to_pylist()})
    published = "Built from the public portraits of the published set, by its plan."
    gone = len(left_out(folder))
    return template.format(
        title="The open face set" if is_published else "A face set made of portraits",
        what=published if is_published else "Built from portraits of one's own.",
        counts="\n".join(_counts(folder)),
        people=_told([people[name] for name in shown]),
        consent=PUBLISHED_CONSENT if is_published else OWN_CONSENT,
        folder=folder.name,
        taken_out=f" People taken out so far: {gone}." if gone else "",
        flaws=PUBLISHED_FLAWS if is_published else "",
    )


def contact_sheet(faces: list[Path]) -> Bytes:
    """A picture in BGR: a row for each of some people, a column for each expression; cameras change along a row."""
    names = sorted({name for path in faces for name in pq.read_table(path, columns=["person"])["person"].to_pylist()})
    chosen = [names[k] for k in np.linspace(0, len(names) - 1, min(ROWS, len(names))).round().astype(int)]
    rows = []
    for k, name in enumerate(chosen):
        shown: dict[tuple[int, str], Row] = {}
        for path in faces:
            table = pq.read_table(
                path, columns=["image", "person", "expression", "camera"], filters=pc.field("person") == name
            )
            shown |= {(row["expression"], row["camera"]): row["image"] for row in table.to_pylist()}
        cameras = list(CAMERAS.values())
        wanted = [(e, cameras[(2 + k + e) % len(cameras)]) for e in range(len(EXPRESSIONS))]
        rows.append(np.hstack([_decoded(shown[cell]["bytes"]) for cell in wanted]))
    return np.vstack(rows)


def _decoded(file: bytes) -> Bytes:
    picture = cv2.imdecode(np.frombuffer(file, np.uint8), cv2.IMREAD_COLOR)
    assert picture is not None  # written by this program
    return cv2.resize(picture, (192, 192), interpolation=cv2.INTER_AREA)


def _counts(folder: Path) -> Iterator[str]:
    """A line of the table for each file, and for the clips, which are films."""
    for file, rows in built_files(folder).items():
        yield f"| `{file}` | {rows:,} |"
    filmed = folder_of(folder, "clips")
    if count := count_written(filmed):
        yield f"| `{filmed.name}`, clips | {count} |"


def _told(people: list[Person]) -> str:
    """How many people are on the pictures, by source, gender and ethnicity."""
    if not people:
        return "The main part was not built."
    ages = [person.age for person in people if person.age is not None]
    lines = [f"{len(people)} people."]
    for name in ("source", "gender", "ethnicity"):
        found = Counter(getattr(person, name) for person in people)
        lines.append(f"By {name}: " + ", ".join(f"{value} {count}" for value, count in found.most_common()) + ".")
    if ages:
        lines.append(
            f"Ages {min(ages):.0f} to {max(ages):.0f}, as the sources give them; {len(people) - len(ages)} unknown."
        )
    return "\n".join(lines)
