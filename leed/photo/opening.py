"""Opening photos as people give them: any format, made upright RGB pictures in sRGB."""

import re
from io import BytesIO
from pathlib import Path

from PIL import Image, ImageCms, ImageOps, UnidentifiedImageError
from PIL.JpegImagePlugin import JpegImageFile

from leed.images import to_rgb

Image.init()  # registers all formats; until then `Image.open` knows only the commonest
try:
    import pillow_heif
except ImportError:  # the extra `heic` is not installed
    HEIF: tuple[str, ...] = ()
else:
    pillow_heif.register_heif_opener()
    HEIF = ("HEIF",)

MAX_MEGAPIXELS = 50  # of a file's picture
WORKING_MEGAPIXELS = 16  # of a photo that is edited; larger ones are reduced on arrival
FORMATS = ("JPEG", "PNG", "WEBP", "AVIF", "GIF", "BMP", "TIFF", *HEIF)
HEIC_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"mif1", b"msf1")
NOT_IN_BROWSERS = ("TIFF", "HEIF")
DAMAGED = "This picture is damaged and cannot be read."
REDUCIBLE = ("L", "RGB", "CMYK", "YCbCr")  # modes that are reduced before anything else is done with them


class PhotoError(ValueError):
    """A file is no photo that can be edited; the message is one sentence for the person that gave it."""


def open_photo(path: Path | str | BytesIO, keep_alpha: bool = False) -> Image.Image:
    """The photo in a file: upright, RGB, in sRGB colours, without metadata. Raises `PhotoError`.

    It has at most `WORKING_MEGAPIXELS`: larger ones are reduced. Transparency lies over white; with `keep_alpha`, a
    photo that is transparent in parts is RGBA instead.
    """
    try:
        with Image.open(path, formats=FORMATS) as image:
            check_size(image)  # known from the header, before anything is decoded
            return upright(reduced(image), keep_alpha)
    except PhotoError:
        raise
    except Image.DecompressionBombError as error:
        raise too_large(pixels_in(str(error))) from None
    except FileNotFoundError:
        raise PhotoError(f"There is no file {path}.") from None
    except UnidentifiedImageError:
        if not HEIF and is_heic(path):
            raise PhotoError("HEIC pictures cannot be read here; please convert the file to JPEG.") from None
        raise PhotoError("This file is not a picture that can be read; JPEG, PNG and WebP work.") from None
    except ValueError as error:
        if "MAX_TEXT_" not in str(error):
            raise PhotoError(DAMAGED) from error
        raise PhotoError(
            "This PNG file holds too much text or too large a colour profile; please save the picture without them."
        ) from None
    except Exception as error:  # for broken files Pillow's decoders raise anything, RuntimeError and IndexError too
        raise PhotoError(DAMAGED) from error


def shown_size(path: Path | str) -> tuple[int, int] | None:
    """Width and height, EXIF orientation aside, at which browsers show the picture in a file; None if most do not.

    The file must be one that `open_photo` opens.
    """
    with Image.open(path, formats=FORMATS) as image:
        return None if image.format in NOT_IN_BROWSERS else image.size


def is_heic(path: Path | str | BytesIO) -> bool:
    """Whether a file begins as the HEIC pictures of phones do."""
    if isinstance(path, BytesIO):
        head = path.getvalue()[:12]
    else:
        with open(path, "rb") as file:
            head = file.read(12)
    return head[4:8] == b"ftyp" and head[8:12] in HEIC_BRANDS


def check_size(image: Image.Image) -> None:
    """Raises `PhotoError` if a picture that is not decoded yet would take too much memory."""
    pixels = image.width * image.height
    if pixels > MAX_MEGAPIXELS * 1e6:
        raise too_large(pixels)
    if pixels > WORKING_MEGAPIXELS * 1e6 and image.mode not in REDUCIBLE:
        raise PhotoError(
            f"A {image.format} picture of this kind may have {WORKING_MEGAPIXELS} megapixels, this one has "
            f"{pixels / 1e6:.0f}; please give it as a JPEG file or a smaller one."
        )


def too_large(pixels: int | None) -> PhotoError:
    """The error for a picture of so many pixels, if that is known."""
    number = "" if pixels is None else f" ({pixels / 1e6:.0f})"
    return PhotoError(f"This picture has more than {MAX_MEGAPIXELS} megapixels{number}; please give a smaller one.")


def pixels_in(message: str) -> int | None:
    """The number of pixels that Pillow's message about a decompression bomb names."""
    number = re.search(r"\((\d+) pixels\)", message)
    return None if number is None else int(number[1])


def reduced(image: Image.Image) -> Image.Image:
    """The picture with at most `WORKING_MEGAPIXELS`, reduced by a whole factor.

    JPEG is decoded at a half, a quarter or an eighth at once; other formats are decoded whole first.
    """
    factor = 1
    while -(-image.width // factor) * -(-image.height // factor) > WORKING_MEGAPIXELS * 1e6:
        factor += 1
    if factor == 1:
        return image
    if isinstance(image, JpegImageFile):
        factor = 1 << (factor - 1).bit_length()
        image.draft(None, (image.width // factor, image.height // factor))
        return image
    small, exif = image.reduce(factor), image.getexif()
    small.info = dict(image.info)
    small.getexif().update(exif)
    return small


def upright(image: Image.Image, keep_alpha: bool = False) -> Image.Image:
    """The picture as it is meant to be seen: EXIF orientation applied, RGB, sRGB, nothing else kept.

    With `keep_alpha`, a picture that is transparent in parts is RGBA.
    """
    image = oriented(image)
    if image.has_transparency_data:
        cutout = to_srgb(image.convert("RGBA"))
        if keep_alpha and cutout.getchannel("A").histogram()[255] < cutout.width * cutout.height:
            cutout.info = {}
            return cutout
        image = cutout
    image = to_rgb(to_srgb(image))
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
    if not profile or image.mode not in ("RGB", "RGBA", "CMYK"):
        return image
    opaque = image.convert("RGB") if image.mode == "RGBA" else image
    try:
        source = ImageCms.ImageCmsProfile(BytesIO(profile))
        converted = ImageCms.profileToProfile(opaque, source, ImageCms.createProfile("sRGB"), outputMode="RGB")
    except (ImageCms.PyCMSError, OSError):  # the profile is broken, or of another mode
        return image
    assert converted is not None  # as it is only for a conversion in place
    if image.mode == "RGBA":
        converted.putalpha(image.getchannel("A"))
    return converted
