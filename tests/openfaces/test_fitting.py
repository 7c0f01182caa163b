"""Fitting camera and identity to points that a known camera and identity made."""

import numpy as np
from scipy.spatial.transform import Rotation

from leed.openfaces.face_model import FaceModel
from leed.openfaces.fitting import Camera, fit_camera_and_identity, fit_template


def made_up_model(vertices: int = 400, identities: int = 6) -> FaceModel:
    """A cloud of vertices about as large as a head [cm], with smooth identities; nothing but what a fit reads."""
    rng = np.random.default_rng(3)
    places = rng.uniform(-8, 8, (vertices, 3)) * [1, 1, 0.6]
    waves = [np.sin(places @ rng.normal(0, 0.15, (3, 3)) + rng.uniform(0, 6, 3)) for _ in range(identities)]
    triangles = np.zeros((0, 3), np.int32)
    return FaceModel(places, triangles, np.zeros(0), np.zeros((0, vertices, 3)), np.stack(waves), np.arange(68), ())


def test_a_known_camera_and_identity_are_found_again():
    model = made_up_model()
    rotation = Rotation.from_rotvec([0.02, -0.03, 0.01]).as_matrix()
    camera = Camera(18.0, rotation, np.array([450.0, -370.0]))
    identity = np.array([0.5, -1, 0.3, 0, 0.8, -0.2])
    shape = model.vertices + np.tensordot(identity, model.identities, 1)
    points = camera.project(shape)[:, :2]
    found, weights = fit_camera_and_identity(model, np.arange(400), points, np.ones(400), ridge=1e-3)
    placed = found.project(model.vertices + np.tensordot(weights, model.identities, 1))[:, :2]
    unfitted = Camera(18.0, np.eye(3), camera.shift).project(model.vertices)[:, :2]
    assert np.abs(placed - points).mean() < 0.1 * np.abs(unfitted - points).mean()
    assert np.isclose(found.scale, 18, rtol=0.02)
    assert np.degrees(Rotation.from_matrix(found.rotation @ rotation.T).magnitude()) < 3


def test_a_template_is_met_where_it_is_precise_and_unused_points_do_not_count():
    model = made_up_model()
    correspondence = np.arange(189)
    correspondence[[0, 1]] = -1  # pupils have no vertex
    camera = Camera(18.0, np.eye(3), np.array([450.0, -370.0]))
    points = camera.project(model.vertices)[:189, :2]
    points[29] += [2.0, -1.0]  # on a lid
    fit = fit_template(model, correspondence, points)
    assert np.abs(fit.vertices[29, :2] - points[29]).max() < 0.5
    assert np.median(fit.errors) < 0.1 and len(fit.errors) == 185
