"""Pictures in, tensors out, and back; the only file that knows of 255 and of [-1, 1].

A face tensor is float, (B, 3, H, W), RGB, in [-1, 1]. Stored pictures are uint8, (B, 3, H, W).
"""

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from leed.files import is_hidden

# The models' crop in the pictures of the open face set and of the gallery: left, top, right, bottom as fractions of
# the side. The set's true neutral faces and second views, and the everyday photographs, are stored in this crop.
INNER_CROP = (28 / 256, 40 / 256, 228 / 256, 240 / 256)

# The part of a crop in which expressions happen, as fractions of its side: rows 32 to 115, columns 24 to 103 of 128.
INNER_FACE = (32 / 128, 116 / 128, 24 / 128, 104 / 128)

# About the eyes, lids and brows left in by a head that nods: rows 28 to 51, columns 20 to 107 of 128.
EYES = (28 / 128, 52 / 128, 20 / 128, 108 / 128)

# From under the nose to the chin: rows 68 to 115, columns 24 to 103 of 128.
MOUTH = (68 / 128, 116 / 128, 24 / 128, 104 / 128)


def smoothstep(x: Tensor) -> Tensor:
    """An S-curve from 0, for x of 0 and less, to 1, for x of 1 and more."""
    x = x.clamp(0, 1)
    return x * x * (3 - 2 * x)


def to_rgb(image: Image.Image) -> Image.Image:
    """The picture in RGB: transparency over white, 16 bits and floats in [0, 1] scaled to 8 bits.

    Floats may overshoot: a resampled edge reaches a little beyond 1.
    """
    if image.mode.startswith("I") or image.mode == "F":
        values = np.nan_to_num(np.asarray(image, dtype=np.float64))
        largest = values.max(initial=0)
        scale = 255.0 if image.mode == "F" and largest < 2 else 255 / 65535 if largest > 255 else 1.0
        image = Image.fromarray((values * scale).round().clip(0, 255).astype(np.uint8))
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, "white")
        return Image.alpha_composite(white, image).convert("RGB")
    return image.convert("RGB")


def to_uint8(image: Image.Image, size: int) -> Tensor:
    """A picture as uint8 (3, size, size), resized with antialiasing."""
    image = to_rgb(image)
    if image.size != (size, size):
        image = image.resize((size, size), Image.Resampling.LANCZOS)
    return torch.from_numpy(np.array(image)).permute(2, 0, 1).contiguous()


def normalize(images: Tensor) -> Tensor:
    """uint8 to float in [-1, 1]."""
    return images.to(torch.float32) / 127.5 - 1


def denormalize(images: Tensor) -> Tensor:
    """Float in [-1, 1] (clamped) to uint8."""
    return ((images.detach().float().clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8)


def to_tensor(image: Image.Image, size: int) -> Tensor:
    """A picture as a face tensor (1, 3, size, size) in [-1, 1]."""
    return normalize(to_uint8(image, size))[None]


def to_pil(image: Tensor) -> Image.Image:
    """A face tensor (3, H, W) or (1, 3, H, W) in [-1, 1] as a picture."""
    if image.ndim == 4:
        image = image.squeeze(0)
    return Image.fromarray(denormalize(image).permute(1, 2, 0).cpu().numpy())


def inner_face(images: Tensor) -> Tensor:
    """The inner face of crops (B, C, H, W): for 128 pixels (B, C, 84, 80)."""
    return part(images, INNER_FACE)


def part(images: Tensor, box: tuple[float, float, float, float]) -> Tensor:
    """A part of pictures (B, C, H, W): top, bottom, left and right as fractions of their sides."""
    height, width = images.shape[-2:]
    top, bottom, left, right = box
    rows = slice(round(top * height), round(bottom * height))
    columns = slice(round(left * width), round(right * width))
    return images[..., rows, columns]


def resize(images: Tensor, size: int) -> Tensor:
    """Tensors (B, C, H, W) resized to (B, C, size, size) with antialiasing."""
    if images.shape[-2:] == (size, size):
        return images
    return F.interpolate(images, (size, size), mode="bilinear", antialias=True, align_corners=False)


def grey_levels(images: Tensor) -> Tensor:
    """Float in [-1, 1] to grey levels from 0 to 255, not rounded."""
    return (images.detach().float() + 1) * 127.5


def contact_sheet(rows: Sequence[Sequence[Tensor | None]], scale: int = 1) -> Image.Image:
    """A sheet of face tensors (3, S, S) in [-1, 1]; `None` leaves a white field."""
    side = next(face.shape[-1] for row in rows for face in row if face is not None)
    sheet = torch.full((3, len(rows) * side, max(len(row) for row in rows) * side), 1.0)
    for i, row in enumerate(rows):
        for j, face in enumerate(row):
            if face is not None:
                sheet[:, i * side : (i + 1) * side, j * side : (j + 1) * side] = face.detach().cpu().float()
    picture = to_pil(sheet)
    return picture.resize((picture.width * scale, picture.height * scale), Image.Resampling.LANCZOS)


def png(face: Tensor) -> bytes:
    """A face, uint8 (3, H, W), as a PNG file."""
    buffer = io.BytesIO()
    Image.fromarray(face.permute(1, 2, 0).numpy()).save(buffer, "png", compress_level=1)
    return buffer.getvalue()


IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff")


def image_files(folder: Path, suffixes: tuple[str, ...] = IMAGE_SUFFIXES) -> list[Path]:
    """All pictures below a folder but for hidden ones, sorted. Raises `ValueError` if it is not a folder."""
    if not folder.is_dir():
        raise ValueError(f"{folder} is not a folder")
    pictures = (path for path in folder.rglob("*") if path.suffix.lower() in suffixes and path.is_file())
    return sorted(path for path in pictures if not is_hidden(path, folder))
