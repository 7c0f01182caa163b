"""Following one person's face through a clip: through motion, gaps and cuts, past other people's faces."""

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np
from PIL import Image

from leed.photo.alignment import NEAR, follow, lies_at, rough_alignment, search
from leed.photo.detection import Face, find_faces
from leed.photo.geometry import Alignment
from leed.video.frames import Frame, planes
from leed.video.identity import SAME_PERSON, Person
from leed.video.reading import VideoError
from leed.video.smoothing import Smoother, run_around, windows

CUT_LEVELS = 18.0  # mean change of brightness from frame to frame from which on there may be a cut [of 255]
CUT_RATIO = 4.0  # by which the change at a cut exceeds the usual one of the frames before
LOOK_ROUND = 5  # frames after which other faces are looked for
FINE_EVERY = 10  # frames, of those searched without success, after which small faces are looked for
CANDIDATES = 3  # faces of a frame that are compared with the person
LOOK_LEVELS = 12.0  # mean change of a face from frame to frame above which it may be another's [of 255]
CROWD = 1.5  # sides within which another face may be taken for the followed one
REACH = 4  # frames before and after that smooth a place, bridge a gap and fade an edit
SPREAD = 0.07  # of their weights [s]


@dataclass(frozen=True)
class Sighting:
    """A frame, where the face's crop lies in it, if it is there, and in which scene.

    `weight` in [0, 1] is how much of an edit is shown: less where the face is about to be lost, or was just found.
    """

    frame: Frame
    alignment: Alignment | None
    scene: int
    weight: float = 1.0


class Tracker:
    """Follows one person's face from frame to frame; `face` counts those of the first frame that shows any.

    The largest is 0.
    """

    def __init__(self, person: Person, face: int = 0) -> None:
        self.person, self.face = person, face
        self.last: Alignment | None = None
        self.look: np.ndarray | None = None  # of the face in the frame before, where it was followed
        self.crowded = False
        self.num_followed = self.num_searched = 0

    def see(self, picture: Image.Image, is_cut: bool) -> Alignment | None:
        """Where the face is in the next frame; None if it is not there."""
        place = None
        if self.last is not None and not is_cut:
            place = self._followed(picture, self.last)
        if place is None:
            place = self._searched(picture)
        self.last = place
        return place

    def _followed(self, picture: Image.Image, last: Alignment) -> Alignment | None:
        """The place of the face near its last one; None if it is lost or another's."""
        place = follow(picture, last)
        if place is None:
            return None
        self.num_followed += 1
        looks_round = self.num_followed % LOOK_ROUND == 0
        if looks_round:
            others = [rough_alignment(face.points).distance(place) for face in find_faces(picture, fine=False)]
            self.crowded = any(NEAR < distance < CROWD for distance in others)
        before, self.look = self.look, brightness(picture, place)
        is_other = before is None or np.abs(self.look - before).mean() > LOOK_LEVELS
        if (looks_round or self.crowded or is_other) and not self.person.stays(picture, place):
            return None
        return place

    def _searched(self, picture: Image.Image) -> Alignment | None:
        """The place of the person's face anywhere in the frame; the first time, whose face it is gets settled."""
        faces = faces_in(picture, self.num_searched)
        self.num_searched = 0 if faces else self.num_searched + 1
        if not faces:
            return None
        if not self.person.is_known:
            if not 0 <= self.face < len(faces):
                raise VideoError(
                    f"face must be in [0, {len(faces) - 1}] for the first frame that shows faces, got {self.face}"
                )
            place = search(picture, faces[self.face])
        else:
            likely = sorted(faces, key=lambda face: self.last is None or not lies_at(face, self.last))
            places = [search(picture, face) for face in likely[:CANDIDATES]]
            likeness = [self.person.likeness(picture, place) for place in places]
            best = int(np.argmax(likeness))
            if likeness[best] < SAME_PERSON:
                return None
            place = places[best]
        self.person.meet(picture, place)
        self.look = brightness(picture, place)
        return place


def faces_in(picture: Image.Image, num_searched: int) -> list[Face]:
    """The faces of a frame, the largest first, after so many without any."""
    return find_faces(picture, fine=num_searched % FINE_EVERY == 0)


def first_faces(frames: Iterable[Frame]) -> tuple[Image.Image, list[Face]] | None:
    """The first of the frames that shows faces, and these, as `track` counts them; None if none does."""
    for number, frame in enumerate(frames):
        if faces := faces_in(frame.picture, number):
            return frame.picture, faces
        frame.forget_picture()
    return None


def brightness(picture: Image.Image, place: Alignment) -> np.ndarray:
    """What a face looks like from afar, in grey levels, (16, 16)."""
    return np.asarray(place.view(picture, 16).convert("L"), dtype=np.float32)


def track(frames: Iterable[Frame], person: Person, face: int = 0) -> Iterator[Sighting]:
    """Where one person's face is in each frame of a clip. Raises `VideoError` if there is no face `face`."""
    tracker, cuts, scene = Tracker(person, face), CutFinder(), 0
    for frame in frames:
        is_cut = cuts.is_cut(frame)
        scene += is_cut
        place = tracker.see(frame.picture, is_cut)
        frame.forget_picture()
        yield Sighting(frame, place, scene)


class CutFinder:
    """Tells the first frames of new scenes, by the change of brightness."""

    def __init__(self) -> None:
        self.last: np.ndarray | None = None
        self.changes: deque[float] = deque(maxlen=8)

    def is_cut(self, frame: Frame) -> bool:
        """Whether a new scene begins with this frame."""
        plane = planes(frame.video)[0]
        rows, columns = (max(1, length // 48) for length in plane.shape)
        small = plane[::rows, ::columns].astype(np.float32) / (1 if plane.dtype == np.uint8 else 4)
        last, self.last = self.last, small
        if last is None:
            return False
        change = float(np.abs(small - last).mean())
        usual = float(np.median(self.changes)) if self.changes else 0.0
        self.changes.append(change)
        return change > CUT_LEVELS and change > CUT_RATIO * usual


def steadied(sightings: Iterable[Sighting]) -> Iterator[Sighting]:
    """The same with short gaps bridged, places smoothed in time, and weights where the face comes or goes."""
    smoother = Smoother(SPREAD, freedom=4)
    for near, index in windows(bridged(sightings), REACH):
        here = near[index]
        if here.alignment is None:
            yield replace(here, weight=0.0)
            continue
        run = run_around(near, index, belong_together)
        places = [as_vector(place) for i in run if (place := near[i].alignment) is not None]
        times = [near[i].frame.time for i in run]
        side = here.alignment.side
        vector = side * smoother.smoothed(times, [place / side for place in places], index - run.start)
        yield replace(here, alignment=as_alignment(vector), weight=fade(near, index))


def bridged(sightings: Iterable[Sighting]) -> Iterator[Sighting]:
    """The same with the face's place in short gaps, between the frames around them in which it is nearly the same."""
    for near, index in windows(sightings, REACH):
        here = near[index]
        yield here if here.alignment is not None else replace(here, alignment=place_between(near, index))


def place_between(near: list[Sighting], index: int) -> Alignment | None:
    """The face's place in a frame in which it is not seen, if it is shortly before and after, and nearly the same."""
    scene, time = near[index].scene, near[index].frame.time
    seen = [i for i, one in enumerate(near) if one.alignment is not None and one.scene == scene]
    start, end = max((i for i in seen if i < index), default=None), min((i for i in seen if i > index), default=None)
    if start is None or end is None or end - start - 1 > REACH:
        return None
    (first, before), (last, after) = ((near[i].frame.time, near[i].alignment) for i in (start, end))
    if before is None or after is None or before.distance(after) > NEAR:
        return None
    share = (time - first) / (last - first)
    return as_alignment((1 - share) * as_vector(before) + share * as_vector(after))


def belong_together(one: Sighting, other: Sighting) -> bool:
    """Whether the face is seen in both of two neighbours in time, in one scene and without a leap."""
    if one.alignment is None or other.alignment is None or one.scene != other.scene:
        return False
    return one.alignment.distance(other.alignment) < NEAR


def fade(near: list[Sighting], index: int) -> float:
    """How much of an edit is shown: less, the nearer a frame of the scene without the face; none is at cuts."""
    scene = near[index].scene
    gaps = [abs(i - index) for i, one in enumerate(near) if one.alignment is None and one.scene == scene]
    part = min([*gaps, REACH + 1]) / (REACH + 1)
    return part * part * (3 - 2 * part)


def as_vector(alignment: Alignment) -> np.ndarray:
    """Corner and upper side of a crop, (4,)."""
    return np.array([*alignment.corner, *alignment.across])


def as_alignment(vector: np.ndarray) -> Alignment:
    """Inverse of `as_vector`."""
    x, y, right, down = vector.tolist()
    return Alignment((x, y), (right, down))
