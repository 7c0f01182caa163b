"""One person's face is followed: through motion, gaps and cuts, past another person."""

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from PIL import Image

from leed import LEED
from leed.photo.geometry import Alignment
from leed.video.frames import of_picture
from leed.video.identity import SAME_MOMENT, SAME_PERSON, Person
from leed.video.reading import VideoError
from leed.video.tracking import REACH, CutFinder, Sighting, Tracker, fade, place_between, steadied, track
from video.clips import frame_of

ANNA, BEN = "comp02", "comp05"


def seen(pictures: Sequence[Image.Image], leed: LEED, face: int = 0) -> list[Sighting]:
    frames = [of_picture(picture).at(i, Fraction(1, 25)) for i, picture in enumerate(pictures)]
    return list(track(frames, Person(leed), face))


def sightings(places: Sequence[float | None], scenes: Sequence[int] | None = None) -> list[Sighting]:
    """Sightings of a face of side 100 at these columns."""
    still = of_picture(Image.new("RGB", (16, 16)))
    return [
        Sighting(
            still.at(i, Fraction(1, 25)),
            None if place is None else Alignment((place, 0.0), (100.0, 0.0)),
            0 if scenes is None else scenes[i],
        )
        for i, place in enumerate(places)
    ]


def columns(found: Sequence[Sighting]) -> list[float | None]:
    return [None if one.alignment is None else one.alignment.corner[0] for one in found]


def test_a_face_in_motion_leaves_and_returns(lively_leed: LEED) -> None:
    places = [*range(40, 80, 8), None, None, *range(72, 40, -8)]
    pictures = [frame_of(*([] if x is None else [(ANNA, x, 0, 240)])) for x in places]
    found = seen(pictures, lively_leed)
    assert [one.alignment is None for one in found] == [x is None for x in places]
    offsets = [one.alignment.corner[0] - x for one, x in zip(found, places, strict=True) if x is not None]
    assert np.std(offsets) < 3


def test_another_person_does_not_take_the_place(lively_leed: LEED) -> None:
    """Not even where the one was last seen, nor after a cut."""
    alone, other = frame_of((ANNA, 60, 0, 240)), frame_of((BEN, 60, 0, 240))
    found = seen([alone, alone, other, other, alone], lively_leed)
    assert [one.alignment is None for one in found] == [False, False, True, True, False]


def test_two_people_cross(lively_leed: LEED) -> None:
    """The followed one passes behind the other, is lost, and found again on the far side."""
    ways = [(4 + 12 * i, 196 - 12 * i) for i in range(17)]
    pictures = [frame_of((ANNA, a, 60, 150), (BEN, b, 60, 150)) for a, b in ways]
    found = seen(pictures, lively_leed, face=0)
    start = found[0].alignment.corner[0]
    followed = 0 if abs(start - ways[0][0]) < abs(start - ways[0][1]) else 1
    for one, way in zip(found, ways, strict=True):
        if one.alignment is not None and abs(way[0] - way[1]) > 60:
            middle = one.alignment.to_photo([0.5, 0.5])[0] - 75 * 0.92
            assert abs(middle - way[followed]) < abs(middle - way[1 - followed])
    assert found[-1].alignment is not None


def test_faces_are_counted_in_the_first_frame_with_any(lively_leed: LEED) -> None:
    both = frame_of((ANNA, 0, 0, 220), (BEN, 190, 60, 120))
    frames = [frame_of(), both]
    large, small = (seen(frames, lively_leed, face)[1].alignment for face in (0, 1))
    assert large.side > small.side
    with pytest.raises(VideoError, match=r"face must be in \[0, 1\] for the first frame that shows faces, got 2"):
        seen(frames, lively_leed, 2)


def test_looks(lively_leed: LEED) -> None:
    tracker = Tracker(Person(lively_leed))
    alone, other = frame_of((ANNA, 60, 0, 240)), frame_of((BEN, 60, 0, 240))
    place = tracker.see(alone, False)
    assert tracker.person.likeness(alone, place) == pytest.approx(1, abs=1e-5) and SAME_PERSON < SAME_MOMENT < 1
    assert tracker.person.likeness(other, place) < SAME_PERSON
    assert not tracker.person.stays(other, place) and tracker.person.stays(alone, place)


def test_cuts() -> None:
    day, night = (
        of_picture(Image.effect_noise((64, 48), 20).convert("RGB").point(lambda v, k=k: v * k)) for k in (1, 0.3)
    )
    finder = CutFinder()
    assert [finder.is_cut(frame) for frame in (day, day, night, night, day)] == [False, False, True, False, True]


def test_fast_motion_is_no_cut() -> None:
    rng = np.random.default_rng(0)
    wall = Image.fromarray(rng.integers(0, 255, (12, 200, 3), dtype=np.uint8)).resize((3200, 192))
    finder = CutFinder()
    pans = [finder.is_cut(of_picture(wall.crop((x, 0, x + 256, 192)))) for x in range(0, 1200, 60)]
    assert sum(pans) <= 1  # where it begins


def test_short_gaps_are_bridged_and_long_ones_are_not() -> None:
    gap = sightings([0.0, 2.0, None, None, 8.0])
    assert place_between(gap, 2).corner[0] == pytest.approx(4)
    assert columns(list(steadied(gap)))[2:4] == pytest.approx([4, 6], abs=0.5)
    far = sightings([0.0, None, 90.0])
    assert place_between(far, 1) is None
    cut = sightings([0.0, None, 2.0], [0, 1, 1])
    assert place_between(cut, 1) is None
    for length in range(1, 9):  # as a whole or not at all
        found = list(steadied(sightings([0.0] * 6 + [None] * length + [0.0] * 6)))
        assert sum(one.alignment is None for one in found) == (0 if length <= REACH else length)
    long = list(steadied(sightings([0.0] * 3 + [None] * 12 + [0.0] * 3)))
    assert sum(one.alignment is None for one in long) == 12


def test_places_are_steadied() -> None:
    rng, still = np.random.default_rng(0), sightings([0.0] * 60)
    shaky = [
        replace(one, alignment=Alignment(tuple(x), (100 + across[0], across[1])))
        for one, x, across in zip(still, rng.normal(0, 0.5, (60, 2)), rng.normal(0, 0.5, (60, 2)), strict=True)
    ]
    before, after = (np.std(columns(found)[8:-8]) for found in (shaky, list(steadied(shaky))))
    assert after < 0.75 * before
    line = [2.0 * i for i in range(30)]
    assert columns(list(steadied(sightings(line)))) == pytest.approx(line, abs=1e-6)


def test_nothing_is_smoothed_across_a_cut() -> None:
    places, scenes = [0.0] * 10 + [20.0] * 10, [0] * 10 + [1] * 10
    found = list(steadied(sightings(places, scenes)))
    assert columns(found) == places and all(one.weight == 1 for one in found)


def test_an_edit_fades_where_the_face_is_lost_and_found() -> None:
    found = list(steadied(sightings([0.0] * 10 + [None] * 12 + [0.0] * 10)))
    weights = [one.weight for one in found]
    assert weights[0] == weights[-1] == 1 and not any(weights[10:22])
    assert weights[10 - REACH : 10] == sorted(weights[10 - REACH : 10], reverse=True) and 0 < weights[9] < 0.2
    assert weights[22 : 22 + REACH] == sorted(weights[22 : 22 + REACH])
    assert fade(found, 0) == 1
