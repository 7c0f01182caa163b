"""A photo in motion: from the neutral face to the full expression, beyond it, and back."""

from math import cos, pi

from PIL import Image

from leed.model import MAX_SHOWN_ALPHA
from leed.photo.editor import PreparedPhoto

STEPS = 16  # pictures from neutral to the strongest
FPS = 15
MAX_SIDE = 720  # longest side of the frames [px]


def swing(max_alpha: float = MAX_SHOWN_ALPHA, steps: int = STEPS) -> list[float]:
    """Strengths from 0 to `max_alpha` and back, slow at both ends; 2 steps - 2 of them, which repeat seamlessly."""
    rising = [max_alpha * (1 - cos(pi * step / (steps - 1))) / 2 for step in range(steps)]
    return rising + rising[-2:0:-1]


def sequence_frames(
    prepared: PreparedPhoto, max_alpha: float = MAX_SHOWN_ALPHA, steps: int = STEPS
) -> list[Image.Image]:
    """The frames of a seamless loop; `leed.photo.saving.save_marked_sequence` writes them.

    >>> frames = sequence_frames(FaceEditor(leed).prepare(photo, reference))
    >>> save_marked_sequence(frames, "smile.mp4", FPS)
    """
    prepared = prepared.at_most(MAX_SIDE)
    frames: dict[float, Image.Image] = {}
    for alpha in swing(max_alpha, steps):
        if alpha not in frames:  # the way back has the same frames
            frames[alpha] = prepared(alpha).photo
    return [frames[alpha] for alpha in swing(max_alpha, steps)]
