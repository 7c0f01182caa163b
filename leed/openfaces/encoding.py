"""Pictures as WebP files, in the crops in which the set stores them."""

from typing import Any  # of rows: what a parquet file may hold

import cv2
import numpy as np
from PIL import Image

from leed.openfaces.arrays import Bytes

Row = dict[str, Any]

INNER = (28, 40, 228, 240)
"""The models' crop in pictures of 256: left, top, right, bottom; twice that in pictures of 512."""
INNER_SIZE = 128


def webp(picture: Bytes, quality: int) -> Row:
    """A picture (H, W, 3) in BGR as a WebP file, in the form in which `datasets` stores pictures."""
    done, encoded = cv2.imencode(".webp", picture, [cv2.IMWRITE_WEBP_QUALITY, quality])
    if not done:
        raise RuntimeError("OpenCV could not write WebP: it was built without it")
    return {"bytes": encoded.tobytes(), "path": None}


def inner(picture: Bytes) -> Bytes:
    """The models' crop (128, 128, 3) of a picture of 256, by Lanczos."""
    left, top, right, bottom = INNER
    cut = Image.fromarray(np.ascontiguousarray(picture[top:bottom, left:right]))
    return np.asarray(cut.resize((INNER_SIZE, INNER_SIZE), Image.Resampling.LANCZOS))


def inner_by_area(picture: Bytes) -> Bytes:
    """The models' crop of a picture of 256 by means over areas, a little softer: that of free expressions."""
    left, top, right, bottom = INNER
    size = (INNER_SIZE, INNER_SIZE)
    return cv2.resize(picture[top:bottom, left:right], size, interpolation=cv2.INTER_AREA)


def large_inner(picture: Bytes) -> Bytes:
    """The models' crop (400, 400, 3) of a picture of 512."""
    left, top, right, bottom = (2 * edge for edge in INNER)
    return picture[top:bottom, left:right]
