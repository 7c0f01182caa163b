"""Opening photos as people give them: any format, made upright RGB pictures in sRGB."""

from io import BytesIO
from pathlib import Path

from PIL import Image, ImageCms, ImageOps, UnidentifiedImageError

from leed.images import to_rgb

Image.init()  # registers all formats; until then `Image.open` knows only the commonest

MAX_MEGAPIXELS = 16
FORMATS = ("JPEG", "PNG", "WEBP", "AVIF", "GIF", "BMP", "TIFF")


class PhotoError(ValueError):
    """A file is no photo that can be edited; the message is one sentence for the person that gave it."""


def open_photo(path: Path | str | BytesIO) -> Image.Image:
    """The photo in a file: upright, RGB, in sRGB colours, without metadata. Raises `PhotoError`."""
    try:
        with Image.open(path, formats=FORMATS) as image:
            megapixels = image.width * image.height / 1e6  # known from the header, before anything is decoded
            if megapixels <= MAX_MEGAPIXELS:
                return upright(image)
    except Image.DecompressionBombError:
        assert Image.MAX_IMAGE_PIXELS is not None  # without a limit there is no such error
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
    image.load()  # so that an error below is one of the EXIF data
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
        converted = ImageCms.profileToProfile(image, source, ImageCms.createProfile("sRGB"), outputMode="RGB")
    except (ImageCms.PyCMSError, OSError):  # the profile is broken, or of another mode
        return image
    assert converted is not None  # as it is only for a conversion in place
    return converted
