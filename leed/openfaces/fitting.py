"""Fitting the face model to a template: camera and identity first, then a smooth correction in the picture's plane."""

from dataclasses import dataclass

import numpy as np
from scipy.interpolate import RBFInterpolator
from scipy.spatial.transform import Rotation

from leed.openfaces import templates as t
from leed.openfaces.arrays import Floats, Integers
from leed.openfaces.face_model import FaceModel

ROTATION_SPREADS = (0.06, 0.06, 0.06)
"""How far portraits are turned from frontal, about x, y and z: standard deviations [rad]."""
LANDMARK_SPREAD = 2.0  # of a template's points [px]
ROUNDS, POSE_STEPS = 8, 4


@dataclass(frozen=True)
class Camera:
    """Weak perspective: model to working frame, y up."""

    scale: float  # px per cm
    rotation: Floats  # (3, 3)
    shift: Floats  # (2,) [px]

    def project(self, vertices: Floats) -> Floats:
        """Vertices (N, 3) in the working frame [px]: x to the right, y down, z to the viewer."""
        projected = self.scale * vertices @ self.rotation.T
        projected[:, :2] += self.shift
        projected[:, 1] *= -1
        return projected


@dataclass(frozen=True)
class Fit:
    """A face model fitted to a template."""

    vertices: Floats  # (N, 3) in the working frame [px], y down
    camera: Camera
    errors: Floats  # of the points that were used, after the correction [px]


def fit_template(model: FaceModel, correspondence: Integers, points: Floats) -> Fit:
    """Fits the model to a template (189, 2) in the working frame.

    `correspondence` (189,) is what `correspondence.load` returns.
    """
    used = np.where(correspondence >= 0)[0]
    camera, identity = fit_camera_and_identity(
        model, correspondence[used], points[used], _identity_weights()[used], ridge=60.0
    )
    vertices = camera.project(model.vertices + np.tensordot(identity, model.identities, 1))
    corrected = np.array([k for k in used if k not in (183, 184)])
    source = vertices[correspondence[corrected], :2]
    smoothing = _correction_smoothing()[corrected]
    vertices[:, :2] += _correction(source, points[corrected], smoothing)(vertices[:, :2])
    errors = np.linalg.norm(vertices[correspondence[corrected], :2] - points[corrected], axis=1)
    return Fit(vertices, camera, errors)


def fit_camera_and_identity(
    model: FaceModel,
    indices: Integers,
    points: Floats,
    weights: Floats,
    ridge: float,
) -> tuple[Camera, Floats]:
    """Camera and identity (100,) for which vertices `indices` (n,) come to lie on points (n, 2) [px, y down].

    Pose and identity are solved in turn: Gauss-Newton with a prior towards a frontal head, and ridge regression.
    """
    targets = points * [1, -1]
    neutral = model.vertices[indices]
    basis = model.identities[:, indices].astype(np.float64)  # (100, n, 3)
    identity, rotation_vector = np.zeros(len(basis)), np.zeros(3)
    for _ in range(ROUNDS):
        shape = neutral + np.tensordot(identity, basis, 1)
        for _ in range(POSE_STEPS):
            scale, shift, rotation_vector = _pose_step(shape, targets, weights, rotation_vector)
        rotation = Rotation.from_rotvec(rotation_vector).as_matrix()
        turned = np.einsum("kni,ji->knj", basis, rotation[:2]) * scale
        roots = np.sqrt(weights)[:, None]
        design = (turned * roots).reshape(len(basis), -1).T
        rest = ((targets - shift - scale * (neutral @ rotation[:2].T)) * roots).ravel()
        identity = np.linalg.solve(design.T @ design + ridge * np.eye(len(basis)), design.T @ rest)
    return Camera(scale, rotation, shift), identity


def _pose_step(
    shape: Floats, targets: Floats, weights: Floats, rotation_vector: Floats
) -> tuple[float, Floats, Floats]:
    """Scale and shift for a rotation, and the next rotation, by a step of Gauss-Newton."""
    turned = shape @ Rotation.from_rotvec(rotation_vector).as_matrix().T
    flat, total = turned[:, :2], weights.sum()
    mean, mean_target = (flat * weights[:, None]).sum(0) / total, (targets * weights[:, None]).sum(0) / total
    centred = flat - mean
    scale = (centred * (targets - mean_target) * weights[:, None]).sum() / (centred**2 * weights[:, None]).sum()
    shift = mean_target - scale * mean
    roots = np.sqrt(weights)[:, None]
    residual = (targets - (scale * flat + shift)) * roots
    jacobian = np.zeros((len(shape), 2, 3))
    jacobian[:, 0, 1], jacobian[:, 0, 2] = turned[:, 2], -turned[:, 1]
    jacobian[:, 1, 0], jacobian[:, 1, 2] = -turned[:, 2], turned[:, 0]
    centre = (jacobian * weights[:, None, None]).sum(0) / total
    design = ((jacobian - centre) * scale * roots[:, :, None]).reshape(-1, 3)
    prior = np.diag((LANDMARK_SPREAD / np.array(ROTATION_SPREADS)) ** 2)
    step = np.linalg.solve(design.T @ design + prior, design.T @ residual.ravel() - prior @ rotation_vector)
    turn = Rotation.from_rotvec(step) * Rotation.from_rotvec(rotation_vector)
    return scale, shift, turn.as_rotvec()


def _identity_weights() -> Floats:
    """How far each point of a template counts for camera and identity (189,)."""
    weights = np.full(t.POINTS, 1.0)
    weights[list(t.BROWS)] = 0.25
    weights[[*range(109, 115), *range(185, 189)]] = 0.1
    weights[[*t.LEFT_EAR_OUTER, *t.RIGHT_EAR_OUTER]] = 0.3
    weights[[*range(158, 170), *t.EYE_CREASES, *range(170, 179)]] = 0.1  # drawn by eye, on no feature
    weights[[183, 184, t.LEFT_NECK, t.RIGHT_NECK]] = 0.05
    weights[list(t.JAW)] = 0.5
    return weights


def _correction_smoothing() -> Floats:
    """How loosely the correction follows each point (189,): precise on eyes, lips, nose and jaw, loose elsewhere."""
    smoothing = np.full(t.POINTS, 0.02)
    smoothing[list(t.BROWS)] = 3.0
    smoothing[[*range(158, 170), *t.EYE_CREASES]] = 30.0
    smoothing[list(range(170, 179))] = 10.0
    smoothing[[*range(109, 125), *range(185, 189)]] = 4.0
    smoothing[[t.LEFT_NECK, t.RIGHT_NECK]] = 20.0
    return smoothing


def _correction(source: Floats, targets: Floats, smoothing: Floats) -> RBFInterpolator:
    """The thin-plate spline that moves points (n, 2) towards targets (n, 2), and nothing on a wide ring around."""
    angles = np.linspace(0, 2 * np.pi, 16, endpoint=False)
    ring = np.array([[t.EYES[0] + 420 * np.cos(a), t.EYES[1] + 60 + 470 * np.sin(a)] for a in angles])
    moves = np.r_[targets - source, np.zeros((16, 2))]
    loose = np.r_[smoothing, np.full(16, 2000.0)]
    places, first = np.unique(np.round(np.r_[source, ring], 3), axis=0, return_index=True)
    return RBFInterpolator(places, moves[first], kernel="thin_plate_spline", smoothing=loose[first] * 2)
