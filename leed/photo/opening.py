"""Photographs opened as visitors give them: any format, upright, in sRGB."""

from io import BytesIO
from pathlib import Path

from PIL import Image, ImageCms, ImageOps, UnidentifiedImageError

from leed.images import to_rgb

MAX_MEGAPIXELS = 16
FORMATS = ("JPEG", "PNG", "WEBP", "AVIF", "GIF", "BMP", "TIFF")


class PhotoError(ValueError):
    """A file is no photo that can be edited; the message is one sentence for the person who gave it."""


def open_photo(path: Path | str | BytesIO) -> Image.Image:
    """The photo in a file: upright, RGB, in sRGB colours, without metadata. Raises `PhotoError`."""
    try:
        with Image.open(path, formats=FORMATS) as image:
            megapixels = image.width * image.height / 1e6  # known from the header, before anything is decoded
            if megapixels <= MAX_MEGAPIXELS:
                return upright(image)
    except Image.DecompressionBombError:
        megapixels = 2 * Image.MAX_IMAGE_PIXELS / 1e6
    except FileNotFoundError:
        raise PhotoError(f"There is no file {path}.") from None
    except UnidentifiedImageError:
        raise PhotoError("This file is not a picture that can be read; JPEG, PNG and WebP work.") from None
    except Exception as error:  # for broken files Pillow's decoders raise anything, RuntimeError and IndexError too
        raise PhotoError("This picture is damaged and cannot be read.") from error
    raise PhotoError(
        f"This picture has more than {MAX_MEGAPIXELS} megapixels ({megapixels:.0f}); please give a smaller one."
    )


def upright(image: Image.Image) -> Image.Image:
    """The picture as it is meant to be seen: EXIF orientation applied, RGB, sRGB, nothing else kept."""
    image = to_rgb(to_srgb(oriented(image)))
    image.info = {}
    return image


def oriented(image: Image.Image) -> Image.Image:
    """The picture turned as its EXIF data say, if these can be read."""
    image.load()  # so that what is wrong below is wrong with the EXIF data
    try:
        return ImageOps.exif_transpose(image)
    except Exception:  # Pillow raises TypeError, SyntaxError, struct.error, ...
        return image


def to_srgb(image: Image.Image) -> Image.Image:
    """The picture in sRGB if it came with another colour profile that can be read (phones use Display P3)."""
    profile = image.info.get("icc_profile")
    if not profile or image.mode not in ("RGB", "CMYK"):
        return image
    try:
        source = ImageCms.ImageCmsProfile(BytesIO(profile))
        return ImageCms.profileToProfile(image, source, ImageCms.createProfile("sRGB"), outputMode="RGB")
    except (ImageCms.PyCMSError, OSError):  # a profile that is broken or of another mode says nothing
        return image
