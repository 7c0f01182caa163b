"""The open face set, built from public portraits: neutral photographs of people, rendered with expressions and turned.

A 3D face model is fitted to each portrait (`fitting`), the portrait becomes its texture (`textures`, `heads`), and the
model's blendshapes move it (`deformation`, `drawing`). `plan` says which pictures there are, `build` makes them,
`tables` writes them as the readers in `leed.data.readers` expect. The pipeline works in BGR, as OpenCV does, until a
picture is encoded.
"""

from leed.commands import need

need("openfaces", "cv2", "datasets", "imageio_ffmpeg", "numba", "onnxruntime", "pyarrow", "scipy", "tqdm")
