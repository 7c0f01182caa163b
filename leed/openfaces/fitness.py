"""What makes a portrait unfit: found before anything is drawn, and said by file."""

from collections.abc import Iterator, Sequence

import numpy as np
from scipy.spatial.transform import Rotation

from leed.openfaces import templates as t
from leed.openfaces.arrays import Bytes, Floats, Integers
from leed.openfaces.fitting import fit_template
from leed.openfaces.parts import read_picture
from leed.openfaces.people import Person
from leed.openfaces.preparation import in_working_frame
from leed.openfaces.regions import find_regions
from leed.openfaces.rig import Rig

LEAST_PUPIL_DISTANCE = 60  # [px]; of the published portraits the least is 130, and the next limits leave some room too
LARGEST_TILT = 20.0  # [degrees], like the next
LARGEST_TURN, LARGEST_NOD = 12.0, 18.0  # a frontal portrait leaves the nod nearly open
LARGEST_LIP_GAP = 0.08  # of the unit
LARGEST_ERROR = 1.0  # mean distance of the fitted model from the template [px of the working frame]


def check_portraits(rig: Rig, correspondence: Integers, people: Sequence[Person]) -> None:
    """Raises `ValueError` with a line for each fault of each portrait."""
    faults = [
        f"{person.portrait.name}: {fault}" for person in people for fault in faults_of(rig, correspondence, person)
    ]
    if faults:
        raise ValueError("\n".join(faults))


def faults_of(rig: Rig, correspondence: Integers, person: Person) -> list[str]:
    """What makes a portrait unfit, in sentences; empty if nothing does."""
    try:
        image, points = read_picture(person.portrait), t.read_template(person.template)
    except (ValueError, OSError) as error:
        return [str(error)]
    faults = list(template_faults(image, points))
    return faults or list(_fit_faults(rig, correspondence, image, points))


def template_faults(image: Bytes, points: Floats) -> Iterator[str]:
    """What a template (189, 2) says against its portrait (H, W, 3)."""
    height, width = image.shape[:2]
    face = points[: t.JAW.stop]
    if (face < 0).any() or (face >= [width, height]).any():
        yield f"points of the face lie outside the picture of {width} x {height} pixels; is the template another's?"
        return
    across = points[t.RIGHT_PUPIL] - points[t.LEFT_PUPIL]
    distance = float(np.linalg.norm(across))
    if distance < LEAST_PUPIL_DISTANCE:
        yield f"the pupils are {distance:.0f} pixels apart, expected {LEAST_PUPIL_DISTANCE} or more; enlarge it"
        return
    tilt = float(np.degrees(np.arctan2(across[1], across[0])))
    if abs(tilt) > LARGEST_TILT:
        yield f"the eyes are tilted by {tilt:.0f} degrees, expected at most {LARGEST_TILT:.0f}; rotate it"
    gaps = np.linalg.norm(points[list(t.LOWER_LIP_INNER)] - points[list(t.UPPER_LIP_INNER)], axis=1)
    gap = float(gaps.max() * t.scale_of(t.to_working_frame(points)) / t.UNIT)
    if gap > LARGEST_LIP_GAP:
        yield f"the lips are open by {gap:.0%} of the eyes' distance; expected a neutral face with a closed mouth"


def _fit_faults(rig: Rig, correspondence: Integers, image: Bytes, points: Floats) -> Iterator[str]:
    """What the fitted head says against a portrait."""
    portrait = in_working_frame(image, points)
    fit = fit_template(rig.model, correspondence, portrait.points)
    pitch, yaw, _ = Rotation.from_matrix(fit.camera.rotation).as_rotvec(degrees=True)
    if abs(yaw) > LARGEST_TURN or abs(pitch) > LARGEST_NOD:
        yield (
            f"the head is turned by {yaw:.0f} and nods by {pitch:.0f} degrees, expected at most {LARGEST_TURN:.0f} "
            f"and {LARGEST_NOD:.0f}; take a frontal portrait"
        )
    error = float(fit.errors.mean())
    if error > LARGEST_ERROR:
        yield f"the template is {error:.1f} pixels off any face, expected at most {LARGEST_ERROR}; check its points"
    try:
        find_regions(rig, portrait, fit.vertices)
    except ValueError as fault:
        yield str(fault)
