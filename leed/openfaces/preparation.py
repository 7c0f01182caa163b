"""From a photograph and its template to a head that can be drawn."""

import cv2
import numpy as np
from scipy.spatial import cKDTree

from leed.openfaces import heads
from leed.openfaces import templates as t
from leed.openfaces.arrays import Bytes, Flags, Floats, Integers
from leed.openfaces.eyes import complete_eyes
from leed.openfaces.fitting import Fit, fit_template
from leed.openfaces.heads import Head
from leed.openfaces.posing import Pivot, flattened, with_neck_of
from leed.openfaces.rasteriser import Mesh
from leed.openfaces.regions import Portrait, Regions, find_regions
from leed.openfaces.rig import DRAWN, EYE_PARTS, Lids, Rig, opening
from leed.openfaces.shading import normals_and_cavity
from leed.openfaces.sheets import followers_of, grid_points, hull_depth, sheet_depth, sheet_of
from leed.openfaces.templates import scale_of, to_working_frame, transformed
from leed.openfaces.textures import median_colour, textures
from leed.openfaces.wrinkles import wrinkle_maps


def in_working_frame(image: Bytes, points: Floats) -> Portrait:
    """A photograph (H, W, 3) with its template (189, 2), both brought to the working frame."""
    transform = to_working_frame(points)
    valid = cv2.warpAffine(np.full(image.shape[:2], 255, np.uint8), transform, (t.WIDTH, t.HEIGHT))
    return Portrait(moved(image, transform), valid, transformed(transform, points))


def moved(image: Bytes, transform: Floats) -> Bytes:
    """A photograph (H, W, 3) in the working frame, by a similarity transform (2, 3); smoothed first if it shrinks."""
    scale = scale_of(transform)
    if scale < 0.7:
        image = cv2.GaussianBlur(image, (0, 0), 0.35 / scale)
    size = (t.WIDTH, t.HEIGHT)
    return cv2.warpAffine(image, transform, size, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)


def prepare_head(rig: Rig, correspondence: Integers, portrait: Portrait, person: str, age: float | None) -> Head:
    """The head of a portrait; `person` and `age` decide its wrinkles."""
    points = portrait.points
    fit = fit_template(rig.model, correspondence, points)
    shape = fit.vertices.copy()
    shape[:, 2] -= shape[rig.landmarks[36:48], 2].mean()  # depth 0 at the eyes
    vertices = shape.copy()
    on_head = slice(0, rig.model.layout.vertices_of("head").stop)
    vertices[on_head] = flattened(shape[on_head], fit.camera.scale)
    vertices = with_neck_of(points, vertices, rig.neck)
    regions = find_regions(rig, portrait, vertices)
    openings = [vertices[opening(lids), :2] for lids in rig.eyes]
    eyes = complete_eyes(portrait.image.astype(np.float32), points, (openings[0], openings[1]))
    layers = textures(portrait, regions, eyes.picture)
    ear_points = correspondence[[t.LEFT_EAR_FRONT[-1], t.RIGHT_EAR_FRONT[-1], t.LEFT_EAR_LOBE, t.RIGHT_EAR_LOBE]]
    ear_depth = vertices[ear_points, 2].mean()
    depth = sheet_depth(regions, ear_depth)
    grid, _ = grid_points()
    frontal, turned = _meshes(rig, vertices, regions)
    normals, cavity = normals_and_cavity(shape, rig.face, rig.averaging)
    return Head(
        vertices=vertices.astype(np.float32),
        shape=shape.astype(np.float32),
        scale=fit.camera.scale,
        expressions=_expressions(rig, fit),
        pivot=Pivot(
            np.array([points[[t.LEFT_EAR_LOBE, t.RIGHT_EAR_LOBE], 0].mean(), regions.ears, ear_depth]), regions.chin
        ),
        textures=layers,
        places=_places(rig, vertices),
        frontal=frontal,
        turned=turned,
        background=regions.background.astype(np.float32),
        grid=grid.astype(np.float32),
        sheet=sheet_of(depth, layers[heads.SHEET, ..., 3]),
        hull=sheet_of(hull_depth(regions, depth), layers[heads.HULL, ..., 3]),
        followers=followers_of(grid, vertices, _visible(rig, vertices, regions)),
        normals=normals,
        cavity=cavity,
        white=_white(portrait, eyes.whites),
        lid_travel=_lid_travel(rig, openings, fit.camera.scale),
        wrinkles=wrinkle_maps(person, age, points),
        portrait=portrait.image,
        errors=fit.errors,
    )


def _expressions(rig: Rig, fit: Fit) -> Floats:
    """The expressions in the working frame (53, N, 3) float32 [px]."""
    moves = rig.expressions.reshape(-1, 3) @ fit.camera.rotation.T * fit.camera.scale
    moves = moves.reshape(rig.expressions.shape).astype(np.float32)
    moves[..., 1] *= -1
    return moves


def _places(rig: Rig, vertices: Floats) -> Floats:
    """Where in the textures each vertex lies (N, 2) float32; the lids' rims, thin in a photo, a little outside."""
    places = vertices[:, :2].astype(np.float64).copy()
    for lids in rig.eyes:
        contour = np.union1d(lids.upper, lids.lower)
        around = vertices[contour, :2] - vertices[contour, :2].mean(0)
        lengths = np.linalg.norm(around / [1.0, 0.5], axis=1, keepdims=True) + 1e-6  # of a flat ellipse
        outwards = around / lengths / [1.0, 0.5]
        outwards /= np.linalg.norm(outwards, axis=1, keepdims=True)
        places[contour] += outwards * 1.0
        distance, nearest = cKDTree(vertices[contour]).query(vertices[lids.rim])
        away = np.minimum(1.0 + distance * 0.35, 3.0)[:, None]
        places[lids.rim] = vertices[contour[nearest], :2] + outwards[nearest] * away
    return places.astype(np.float32)


def _pixels(vertices: Floats) -> tuple[Integers, Integers]:
    """Row and column of the pixel at each vertex."""
    columns = np.clip(np.round(vertices[:, 0]).astype(int), 0, t.WIDTH - 1)
    rows = np.clip(np.round(vertices[:, 1]).astype(int), 0, t.HEIGHT - 1)
    return rows, columns


def _visible(rig: Rig, vertices: Floats, regions: Regions) -> Integers:
    """The face's vertices that a viewer sees."""
    face = vertices[: len(rig.neck)]
    normals, _ = normals_and_cavity(face, rig.face, rig.averaging)
    in_front = face[:, 2] > regions.face_depth[_pixels(face)] - 5
    return np.where((normals[:, 2] > 0.05) & in_front)[0]


def _meshes(rig: Rig, vertices: Floats, regions: Regions) -> tuple[Mesh, Mesh]:
    """What paints each triangle while the head is nearly frontal, and when it is turned.

    The neck behind the jaw, which the photo does not show, has a layer of its own.
    """
    skin = rig.drawn_part == DRAWN.index("face")
    eye = np.isin(rig.drawn_part, [DRAWN.index(part) for part in EYE_PARTS])
    layers = np.where(skin, heads.SKIN, np.where(eye, heads.EYE, -1)).astype(np.int32)
    hidden = _hidden_by_jaw(rig, vertices, regions)[rig.drawn].all(1) & skin
    frontal, turned = layers.copy(), layers.copy()
    frontal[hidden] = heads.NECK_IN_JAW
    turned[skin] = heads.SKIN_TURNED
    turned[hidden] = heads.NECK
    pale = _pale_neck(rig, vertices, regions)
    belongs = np.zeros(len(vertices), bool)
    belongs[: len(rig.neck)] = rig.neck > 0.02
    turned[skin & pale[rig.drawn].any(1) & belongs[rig.drawn].all(1)] = heads.NECK
    return Mesh(rig.drawn, frontal, rig.stencils), Mesh(rig.drawn, turned, rig.stencils)


def _hidden_by_jaw(rig: Rig, vertices: Floats, regions: Regions) -> Flags:
    """Vertices (N,) of the face behind its surface, below the mouth: the neck behind the jaw."""
    x, y, z = vertices.T
    behind = z < regions.face_depth[_pixels(vertices)] - 6
    hidden = behind & (y > regions.chin - 90) & (z < vertices[rig.landmarks[8], 2] - 25)
    hidden[len(rig.neck) :] = False
    hidden[rig.hidden_lips] = False
    return hidden


def _pale_neck(rig: Rig, vertices: Floats, regions: Regions) -> Flags:
    """Vertices (N,) of the neck where the photo shows background or little else."""
    alpha, y = regions.alpha[_pixels(vertices)], vertices[:, 1]
    pale = (alpha < 0.85) & (y < regions.chin + 50)
    pale[: len(rig.neck)] &= rig.neck > 0.02
    pale[len(rig.neck) :] = False
    return pale


def _white(portrait: Portrait, whites: list[Floats]) -> Floats:
    """The colour (3,) of what is white in the portrait's light: as bright as eyes and skin, tinted as the eyes are."""
    white = np.mean(whites, 0)
    skin = median_colour(portrait, t.CHEEKS[0], 12)
    brightness = np.clip(np.maximum(white, skin * 0.8).mean() * 1.08, 110, 225)
    return brightness * np.clip((white / white.mean()) ** 0.8, 0.75, 1.3)


def _lid_travel(rig: Rig, openings: list[Floats], scale: float) -> dict[str, float]:
    """How far lids go in a blink: by the eye's opening, relative to the model's."""

    def travel(lids: Lids, contour: Floats) -> float:
        usual = np.ptp(rig.model.vertices[opening(lids), 1]) * scale
        return float(np.clip(np.ptp(contour[:, 1]) / usual, 0.55, 1.25))

    right, left = (travel(lids, contour) for lids, contour in zip(rig.eyes, openings, strict=True))
    return {"eyeBlink_R": right, "eyeBlink_L": left}
