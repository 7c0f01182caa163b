"""The kinds of arrays that the builder passes around.

The names tell readers what to expect. A type checker sees arrays of anything: OpenCV's annotations say no more.
"""

from typing import Any

from numpy.typing import NDArray

Floats = NDArray[Any]
"""Geometry in float64, pictures and what is drawn in float32."""

Integers = NDArray[Any]
"""Indices and triangles."""

Bytes = NDArray[Any]
"""Pictures (H, W, 3) in BGR, masks (H, W) of 0 and 1, textures (layers, H, W, 4) with alpha; uint8."""

Flags = NDArray[Any]
"""Booleans."""
