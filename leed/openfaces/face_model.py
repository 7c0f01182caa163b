"""The ICT face model: neutral head, expressions and identities, read from the OBJ files of its repository."""

import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any  # of what numpy stores

import numpy as np

from leed.openfaces.arrays import Flags, Floats, Integers
from leed.openfaces.saving import save

VERTICES = 26719  # of the whole model
IDENTITIES = 100


@dataclass(frozen=True)
class Layout:
    """Which vertices and polygons of a head's mesh are which part: those of a part follow one another."""

    ends: Mapping[str, tuple[int, int]]
    """For each part, where its vertices and its polygons end; those of the first, the face, begin at 0."""
    narrow_face: int  # so many polygons, the first ones, are the face without ears, neck and the forehead's back

    @property
    def face_vertices(self) -> int:
        """The number of the face's vertices."""
        return self.ends["face"][0]

    def vertices_of(self, part: str) -> slice:
        """The vertices of a part."""
        return self._slice(part, 0)

    def polygons_of(self, part: str) -> slice:
        """The polygons of a part."""
        return self._slice(part, 1)

    def _slice(self, part: str, column: int) -> slice:
        ends = [0, *(end[column] for end in self.ends.values())]
        place = list(self.ends).index(part)
        return slice(ends[place], ends[place + 1])


ICT = Layout(
    {
        "face": (9409, 9230),
        "head": (11248, 11144),
        "mouth socket": (13294, 13226),
        "left eye socket": (13678, 13630),
        "right eye socket": (14062, 14034),
        "gums": (17039, 17006),
        "teeth": (21451, 21496),
        "left eyeball": (23021, 23094),
        "right eyeball": (24591, 24692),
    },
    narrow_face=6560,
)
"""Of the ICT face model. "Left" is the person's. What follows (lacrimal fluid, lashes, ...) is not used."""


@dataclass(frozen=True)
class FaceModel:
    """A head whose shape is a neutral mesh, plus identities and expressions times weights. Lengths are in cm."""

    vertices: Floats  # (N, 3) float64; x to the image's right, y up, z to the viewer
    triangles: Integers  # (T, 3), in the order of the polygons that they are cut from
    polygon: Integers  # (T,) the polygon of each triangle
    expressions: Floats  # (53, N, 3) float32, differences from the neutral mesh
    identities: Floats  # (100, N, 3) float32, likewise
    landmarks: Integers  # (68,) vertices, in Multi-PIE's order
    names: tuple[str, ...]  # of the expressions: blendshapes like jawOpen or browDown_L
    layout: Layout = ICT

    def of_part(self, *parts: str) -> Flags:
        """Which triangles (T,) belong to these parts."""
        ranges = [self.layout.polygons_of(part) for part in parts]
        return np.logical_or.reduce([(self.polygon >= own.start) & (self.polygon < own.stop) for own in ranges])


ARRAYS = tuple(field.name for field in fields(FaceModel) if field.name != "layout")
"""What of a model is kept in its cache: the layout follows from where it was read."""


def load_face_model(folder: Path, cache: Path) -> FaceModel:
    """The model of a clone's folder `FaceXModel`; its text is parsed once, and `cache` (npz, 50 MB) read after that.

    Raises `ValueError` if a file is missing or has another number of vertices.
    """
    try:
        with np.load(cache) as arrays:
            found = {name: arrays[name] for name in ARRAYS}
    except (FileNotFoundError, zipfile.BadZipFile, KeyError):
        model = read_face_model(folder)
        cache.parent.mkdir(parents=True, exist_ok=True)
        save(cache, lambda partial: _save(model, partial))
        return model
    found["names"] = tuple(str(name) for name in found["names"])
    return FaceModel(**found)


def read_face_model(folder: Path) -> FaceModel:
    """The model from the OBJ files of `FaceXModel`."""
    index = json.loads(_existing(folder / "vertex_indices.json").read_text())
    names = tuple(index["expressions"])
    neutral = folder / "generic_neutral_mesh.obj"
    vertices = read_vertices(neutral)
    triangles, polygon = read_triangles(neutral)
    return FaceModel(
        vertices=vertices.astype(np.float64),
        triangles=triangles,
        polygon=polygon,
        expressions=np.stack([read_vertices(folder / f"{name}.obj") for name in names]) - vertices,
        identities=np.stack([read_vertices(folder / f"identity{k:03d}.obj") for k in range(IDENTITIES)]) - vertices,
        landmarks=np.array(index["idx_to_landmark_verts"], np.int32),
        names=names,
    )


def read_vertices(path: Path) -> Floats:
    """The vertices of an OBJ file of the model (26719, 3), float32."""
    with _existing(path).open() as lines:
        numbers = "".join(line[2:] for line in lines if line.startswith("v "))
    vertices = np.fromstring(numbers, sep=" ").reshape(-1, 3)
    if vertices.shape != (VERTICES, 3):
        raise ValueError(f"{path}: expected {VERTICES} vertices, found an array of shape {vertices.shape}")
    return vertices.astype(np.float32)


def read_triangles(path: Path) -> tuple[Integers, Integers]:
    """The polygons of an OBJ file cut into triangles (T, 3), and the polygon of each (T,)."""
    triangles, polygon = [], []
    with _existing(path).open() as lines:
        faces = (line for line in lines if line.startswith("f "))
        for number, line in enumerate(faces):
            corners = [int(corner.partition("/")[0]) - 1 for corner in line.split()[1:]]
            for k in range(1, len(corners) - 1):
                triangles.append((corners[0], corners[k], corners[k + 1]))
                polygon.append(number)
    return np.array(triangles, np.int32), np.array(polygon, np.int32)


def face_normals(vertices: Floats, triangles: Integers) -> Floats:
    """Unit normals (N, 3) at vertices (N, 3), y up; each the mean over its triangles, weighted by their areas."""
    first = vertices[triangles[:, 1]] - vertices[triangles[:, 0]]
    second = vertices[triangles[:, 2]] - vertices[triangles[:, 0]]
    across = np.cross(first, second)
    normals = np.empty((len(vertices), 3))
    for axis in range(3):
        sums = [np.bincount(triangles[:, corner], across[:, axis], len(vertices)) for corner in range(3)]
        normals[:, axis] = sum(sums)
    return normals / (np.linalg.norm(normals, axis=1, keepdims=True) + 1e-12)


def _existing(path: Path) -> Path:
    if not path.is_file():
        raise ValueError(f"{path} is missing: expected the folder FaceXModel of a clone of ICT-FaceKit")
    return path


def _save(model: FaceModel, path: Path) -> None:
    with path.open("wb") as file:
        arrays: dict[str, Any] = {name: np.asarray(getattr(model, name)) for name in ARRAYS}
        np.savez(file, **arrays)
