"""Taking people out of a set that is built: at their wish, or because their portraits may not be used any longer."""

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from leed.openfaces.clips import plan_clips, remove_clip
from leed.openfaces.datasheet import parquet_files
from leed.openfaces.plan import Plan
from leed.openfaces.saving import save
from leed.openfaces.settings import WITHOUT, WORK, folder_of, left_out
from leed.openfaces.tables import Shelf


def remove(main: Path, plan: Plan, names: Sequence[str]) -> dict[str, int]:
    """Deletes all that shows some people: what is drawn of them, rows of all parts, clips.

    Returns by how many rows each file became shorter; a file of which none is left is deleted. Raises `ValueError` if
    the triples have no numbers: without some of them, nobody could tell which twins are theirs.
    """
    pairs = [path for path in parquet_files(main) if path.parent == folder_of(main, "pairs")]
    if any("triple" not in pq.read_schema(path).names for path in pairs):
        raise ValueError(f"{pairs[0]} has no column triple: an older build wrote it; run the build again first")
    everybody = sorted({*left_out(main), *names})
    save(main / WITHOUT, lambda path: path.write_text("\n".join(everybody) + "\n"))
    for name in names:
        Shelf(main / WORK).remove(name)
    for clip in plan_clips(plan.test_people):
        if {clip.person, clip.driver} & set(names):
            remove_clip(clip, folder_of(main, "clips"))
    lost = {path.relative_to(main.parent).as_posix(): _shorten(path, plan, set(names)) for path in parquet_files(main)}
    return {file: count for file, count in lost.items() if count}


def _shorten(path: Path, plan: Plan, names: set[str]) -> int:
    """Deletes the rows of a file that show some of these people; returns their number."""
    table = pq.read_table(path)
    kept = [not (shown & names) for shown in people_on(table, plan)]
    if all(kept):
        return 0
    if any(kept):
        rest = table.filter(pa.array(kept))
        save(path, lambda partial: pq.write_table(rest, partial))
    else:
        path.unlink()
    return kept.count(False)


def people_on(table: pa.Table, plan: Plan) -> list[set[str]]:
    """Who is on the pictures of each row of a table, of whichever part."""
    columns = set(table.column_names)
    if "person" in columns:
        return [{name} for name in table["person"].to_pylist()]
    if "input_person" in columns:
        inputs, references = (table[f"{role}_person"].to_pylist() for role in ("input", "reference"))
        return [{*pair} for pair in zip(inputs, references, strict=True)]
    if "triple" in columns:  # of large pairs: the input and its true edit
        return [{plan.triples[number].input_person} for number in table["triple"].to_pylist()]
    return [{_person_of(file, plan)} for file in table["file"].to_pylist()]


def _person_of(file: str, plan: Plan) -> str:
    """Who is on a picture, by its name: `090_anna_female_happy_v1.webp`, or `0007_input.webp` of a triple."""
    first, second, *others = file.split("_")
    if others:
        return second
    triple = plan.triples[int(first)]
    return {"input.webp": triple.input_person, "ref.webp": triple.reference_person}[second]
