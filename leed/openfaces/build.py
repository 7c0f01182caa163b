"""Building the set: people over processes, resumable, then packed, with a data sheet and a contact sheet beside it."""

import multiprocessing
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NamedTuple

import cv2
from tqdm.auto import tqdm

from leed.files import WriteError
from leed.openfaces import clips, correspondence
from leed.openfaces.datasheet import write_sheets
from leed.openfaces.encoding import Row
from leed.openfaces.face_model import FaceModel, load_face_model
from leed.openfaces.fitness import check_portraits
from leed.openfaces.free_plan import free_triples
from leed.openfaces.parts import DRAWN_BY_PERSON, Sitter, Work, seat
from leed.openfaces.people import Person, is_published_source, own_people, pictures_in, published_people
from leed.openfaces.plan import PUBLISHED_DIGEST, Plan, make_plan
from leed.openfaces.presets import BLENDSHAPES
from leed.openfaces.removal import remove
from leed.openfaces.rig import build_rig
from leed.openfaces.saving import save
from leed.openfaces.settings import MARK, Settings, left_out
from leed.openfaces.sources import FACE_MODEL, PORTRAITS, attribution, check_source
from leed.openfaces.tables import Shelf, pack
from leed.openfaces.workers import end_with_parent


class DrawingError(ValueError):
    """Somebody could not be drawn; the message says who and why, and that what is drawn is kept."""


Drawn = dict[str, dict[str, list[Row]]]
"""Rows by part and table."""


class Task(NamedTuple):
    """A person or a clip to draw."""

    name: str
    work: Callable[[], Drawn]


@dataclass(frozen=True)
class Cast:
    """Who is in the set, and the plan of what they show."""

    people: dict[str, Person]
    plan: Plan
    is_published: bool

    def drawn(self, only: Sequence[str] | None) -> list[str]:
        """The people to draw. Raises `ValueError` for a name that is not in the set."""
        unknown = sorted(set(only or ()) - set(self.people))
        if unknown:
            raise ValueError(f"nobody is called {', '.join(unknown)}; people are {', '.join(sorted(self.people))}")
        return sorted(self.people) if only is None else sorted(set(only))


def find_cast(portraits: Path) -> Cast:
    """The people at a place and their plan. Raises `ValueError` if these are not what they should be."""
    published = is_published_source(portraits)
    if not published and not (portraits.is_dir() and pictures_in(portraits)):
        raise ValueError(
            f"{portraits} holds neither the public portraits nor any of your own. Get the former by\n"
            f"{PORTRAITS.commands()}"
        )
    if published:
        check_source(PORTRAITS, portraits)
        people = published_people(portraits)
        plan = make_plan(people)
        if plan.digest() != PUBLISHED_DIGEST:
            raise ValueError(
                f"the plan of {portraits} is not that of the published set: are all 202 people there? "
                f"Found {len(people)}. If they are, this version of numpy draws other random numbers"
            )
    else:
        people = own_people(portraits)
        plan = make_plan(people)
    return Cast({person.name: person for person in people}, plan, published)


def build(settings: Settings) -> dict[str, int]:
    """Builds a set, or what is missing of it. Returns the number of rows of each file.

    Raises `ValueError` for sources that are missing or wrong, for unfit portraits, and for an output folder that holds
    another set.
    """
    cast = find_cast(settings.portraits)
    check_source(FACE_MODEL, settings.face_model)
    people = _wanted(settings, cast)
    text = attribution(cast.is_published)
    print(text)
    _claim(settings, cast.plan)
    model = load_face_model(settings.face_model / "FaceXModel", settings.model_cache)
    _check_names(model)
    if not cast.is_published:
        check_portraits(build_rig(model), correspondence.load(), [cast.people[name] for name in people])
    _label(settings.output_dir, text)
    _draw_all(settings, cast, people)
    parts = [part for part in DRAWN_BY_PERSON if part in settings.parts]
    counts = pack(Shelf(settings.work_dir), cast.plan, parts, settings.output_dir)
    for folder in {settings.folder(part) for part in settings.parts}:
        if folder.is_dir():  # each may be passed on without the others
            _label(folder, text)
    write_sheets(settings.output_dir, cast.people, cast.is_published)
    return counts


def take_out(portraits: Path, main: Path, people: Sequence[str]) -> dict[str, int]:
    """Takes people out of all parts of a set, by the folder of its main one.

    Returns by how many rows each file became shorter. Raises `ValueError` for unknown names, and for a folder that
    holds no set of these portraits.
    """
    cast = find_cast(portraits)
    names, mark = cast.drawn(people), main / MARK
    if not mark.is_file() or mark.read_text() != cast.plan.digest():
        raise ValueError(f"{main} holds no set that was built of {portraits}")
    lost = remove(main, cast.plan, names)
    write_sheets(main, cast.people, cast.is_published)
    return lost


def _wanted(settings: Settings, cast: Cast) -> list[str]:
    """The people to draw. Raises `ValueError` for names of people who are unknown or were taken out."""
    people, gone = cast.drawn(settings.people), left_out(settings.output_dir)
    if settings.people is not None and (both := sorted(set(people) & set(gone))):
        raise ValueError(f"{', '.join(both)} were taken out of {settings.output_dir}, and are not drawn there again")
    return [name for name in people if name not in gone]


def _label(folder: Path, text: str) -> None:
    """Puts the attribution into a folder, and keeps the folder out of git: nobody is to commit people by accident."""
    save(folder / "ATTRIBUTION.md", lambda path: path.write_text(text))
    save(folder / ".gitignore", lambda path: path.write_text("*\n"))


def _claim(settings: Settings, plan: Plan) -> None:
    """Marks the output folder as that of a plan. Raises `ValueError` if it is another plan's, or of something else."""
    if settings.mark.is_file():
        if settings.mark.read_text() != plan.digest():
            raise ValueError(
                f"{settings.output_dir} holds a set of other people; choose another --output_dir, or delete it"
            )
        return
    for part in settings.parts:
        if any(settings.folder(part).glob("*.parquet")):
            raise ValueError(
                f"{settings.folder(part)} holds parquet files of another origin; choose another --output_dir"
            )
    settings.output_dir.mkdir(parents=True, exist_ok=True)
    save(settings.mark, lambda path: path.write_text(plan.digest()))


def _check_names(model: FaceModel) -> None:
    if model.names != BLENDSHAPES:
        raise ValueError(
            f"the face model has other expressions than expected: {sorted(set(model.names) ^ set(BLENDSHAPES))}"
        )


def _draw_all(settings: Settings, cast: Cast, people: Sequence[str]) -> None:
    """Draws what is missing, a person or a clip at a time in each process."""
    shelf = Shelf(settings.work_dir)
    parts = [part for part in settings.parts if part in DRAWN_BY_PERSON]
    missing = {name: [part for part in parts if not shelf.has(part, name)] for name in people}
    todo = {name: wanted for name, wanted in missing.items() if wanted}
    filmed = settings.folder("clips")
    films = [clip for clip in _clips(settings, cast, people) if not clips.is_written(clip, filmed)]
    if not todo and not films:
        return
    if films:
        filmed.mkdir(parents=True, exist_ok=True)
    tasks = [Task(name, partial(_draw_person, name, wanted)) for name, wanted in todo.items()]
    tasks += [Task(f"clip {clip.number}", partial(_draw_clip, clip, filmed)) for clip in films]
    start = partial(_start, settings.face_model, settings.model_cache, cast.plan, cast.people)
    results = _run(tasks, start, min(settings.processes, len(tasks)))
    for name, drawn in tqdm(results, total=len(tasks), desc="people and clips"):
        for part, tables in drawn.items():
            shelf.put(part, name, tables)


def _run(tasks: Sequence[Task], start: Callable[[], None], processes: int) -> Iterator[tuple[str, Drawn]]:
    """Name and result of each task as it ends, in processes of their own or, for one, in this.

    Raises `DrawingError` for a task that fails; those that have not begun are then called off.
    """
    if processes == 1:
        start()
        for task in tasks:
            with _named(task):
                drawn = task.work()
            yield task.name, drawn
        return
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ.setdefault(name, "1")  # the processes, which start anew, draw on one core each
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, mp_context=context, initializer=start) as pool:
        jobs = {pool.submit(task.work): task for task in tasks}
        try:
            for job in as_completed(jobs):
                task = jobs.pop(job)
                with _named(task):
                    drawn = job.result()
                yield task.name, drawn
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


@contextmanager
def _named(task: Task) -> Iterator[None]:
    """Says whose drawing failed."""
    try:
        yield
    except BrokenProcessPool as error:
        raise DrawingError(
            f"a process was killed while {task.name} or others were drawn, maybe for want of memory: each takes "
            "1.5 GB. What is drawn is kept; run the command again, with fewer --processes"
        ) from error
    except WriteError:  # says what, and the cure
        raise
    except (ValueError, OSError, cv2.error) as error:
        message = f"{task.name} could not be drawn: {error}. What is drawn is kept; run the command again"
        raise DrawingError(message) from error


def _clips(settings: Settings, cast: Cast, people: Sequence[str]) -> Iterator[clips.Clip]:
    """The clips to write: both people are drawn."""
    if "clips" in settings.parts:
        for clip in clips.plan_clips(cast.plan.test_people):
            if clip.person in people and clip.driver in people:
                yield clip


_work: Work | None = None  # of a worker process
_people: dict[str, Person] = {}


def _start(face_model: Path, cache: Path, plan: Plan, people: dict[str, Person]) -> None:
    """Prepares a worker process."""
    global _work
    end_with_parent()
    cv2.setNumThreads(1)
    rig = build_rig(load_face_model(face_model / "FaceXModel", cache))
    _work = Work(rig, correspondence.load(), plan, free_triples(plan.test_people))
    _people.update(people)


def _seat(name: str) -> Sitter:
    assert _work is not None
    return seat(_work, _people[name])


def _draw_person(name: str, parts: Sequence[str]) -> Drawn:
    """The rows of a person's parts."""
    sitter, drawn = _seat(name), {}
    for part in parts:
        tables: dict[str, list[Row]] = {}
        for table, row in DRAWN_BY_PERSON[part](sitter):
            tables.setdefault(table, []).append(row)
        drawn[part] = tables
    return drawn


def _draw_clip(clip: clips.Clip, folder: Path) -> Drawn:
    """Writes a clip; no rows come of it."""
    clips.write_clip(clip, _seat(clip.person), _seat(clip.driver), folder)
    return {}
