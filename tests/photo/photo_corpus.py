"""Files that a visitor may give; most of these are made to do harm."""

import io
import struct
import zipfile
import zlib
from collections.abc import Callable
from functools import cache

import numpy as np
from PIL import Image, ImageCms, ImageOps

from leed import gallery
from leed.data.drawn import draw_face
from leed.photo.opening import HEIF, MAX_MEGAPIXELS

PORTRAITS = gallery.portraits()
ORIENTATION, DESCRIPTION, GPS = 0x0112, 0x010E, 0x8825
SECRET = b"52 deg 31 min north"

EDITED, NO_FACE, NO_PICTURE, DAMAGED, TOO_LARGE = (
    "edited",
    "No face was found",
    "not a picture that can be read",
    "damaged",
    f"more than {MAX_MEGAPIXELS} megapixels",
)


@cache
def portrait(side: int = 224, number: int = 1) -> Image.Image:
    """A photo with one face."""
    photo = Image.open(PORTRAITS[number % len(PORTRAITS)]).convert("RGB")
    return photo.resize((side, round(side * photo.height / photo.width)), Image.Resampling.LANCZOS)


def encoded(image: Image.Image, format: str, **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format, **options)
    return buffer.getvalue()


def exif_with(orientation: int | None = None, **more) -> Image.Exif:
    exif = Image.Exif()
    if orientation is not None:
        exif[ORIENTATION] = orientation
    exif[DESCRIPTION] = SECRET.decode()
    exif.get_ifd(GPS).update({1: "N", 2: (52.0, 31.0, 12.0), 3: "E", 4: (13.0, 24.0, 18.0)})
    return exif


def turned(orientation: int) -> bytes:
    """A photo stored as a camera that was held so stores it."""
    undo = {6: 8, 8: 6}.get(orientation, orientation)
    stored = portrait().copy()
    stored.getexif()[ORIENTATION] = undo
    return encoded(ImageOps.exif_transpose(stored), "JPEG", exif=exif_with(orientation), quality=95)


def cut(data: bytes, part: float) -> bytes:
    return data[: int(len(data) * part)]


def frames(format: str, **options) -> bytes:
    pictures = [portrait(160, number) for number in range(3)]
    return encoded(pictures[0], format, save_all=True, append_images=pictures[1:], **options)


def sixteen_bits() -> Image.Image:
    return Image.fromarray(np.asarray(portrait().convert("L"), np.uint16) * 257)


def float_to_one() -> Image.Image:
    return Image.fromarray(np.asarray(portrait().convert("L"), np.float32) / 255)


def png(
    width: int, height: int, bits: int = 8, colour: int = 2, data: bytes = bytes(100), extra: bytes = b""
) -> bytes:
    """A PNG with this header and these bytes for its pixels, however many the header promises."""
    header = struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0)
    body = chunk(b"IHDR", header) + extra + chunk(b"IDAT", zlib.compress(data)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def large_jpeg(width: int, height: int) -> bytes:
    data = bytearray(encoded(portrait(), "JPEG"))
    frame = data.index(b"\xff\xc0")
    data[frame + 5 : frame + 9] = struct.pack(">HH", height, width)
    return bytes(data)


def large_gif(width: int, height: int) -> bytes:
    data = bytearray(encoded(portrait(64), "GIF"))
    data[6:10] = struct.pack("<HH", width, height)
    return bytes(data)


def large_bmp(width: int, height: int) -> bytes:
    data = bytearray(encoded(portrait(64), "BMP"))
    data[18:26] = struct.pack("<ii", width, height)
    return bytes(data)


def large_tiff(width: int, height: int) -> bytes:
    entries = [(256, 4, width), (257, 4, height), (258, 3, 8), (259, 3, 1), (262, 3, 1), (273, 4, 8), (277, 3, 1)]
    entries += [(278, 4, height), (279, 4, 100)]
    fields = b"".join(
        struct.pack("<HHI", tag, kind, 1) + struct.pack("<I", value) for tag, kind, value in sorted(entries)
    )
    return b"II*\x00" + struct.pack("<IH", 8, len(entries)) + fields + bytes(104)


def large_webp(width: int, height: int) -> bytes:
    """The canvas of an animation."""
    data = bytearray(frames("WEBP", duration=100))
    canvas = data.index(b"VP8X") + 12
    data[canvas : canvas + 6] = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    return bytes(data)


def zipped() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("photo.jpg", encoded(portrait(), "JPEG"))
    return buffer.getvalue()


def profile(kind: str) -> bytes:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile(kind)).tobytes()


def grid_of_faces(columns: int = 5, rows: int = 4, side: int = 150) -> Image.Image:
    photo = Image.new("RGB", (columns * side, rows * side), (180, 180, 180))
    for i in range(columns * rows):
        face = portrait(side - 10, i).crop((0, 0, side - 10, side - 10))
        photo.paste(face, (i % columns * side + 5, i // columns * side + 5))
    return photo


def cartoon() -> Image.Image:
    return Image.fromarray(draw_face(3, "happy", size=256).permute(1, 2, 0).numpy())


def wall(width: int, height: int) -> Image.Image:
    return Image.new("RGB", (width, height), (120, 140, 160))


def with_bytes(data: bytes, at: int, new: bytes) -> bytes:
    return data[:at] + new + data[at + len(new) :]


@cache
def jpeg() -> bytes:
    return encoded(portrait(), "JPEG", exif=exif_with(), quality=92)


TEXT_BOMB = chunk(b"zTXt", b"Comment\0\0" + zlib.compress(bytes(80_000_000), 9))
PROFILE_BOMB = chunk(b"iCCP", b"profile\0\0" + zlib.compress(bytes(80_000_000), 9))

HEIC_HEAD = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic"

CORPUS: dict[str, tuple[Callable[[], bytes], str]] = {
    # No pictures.
    "empty.jpg": (lambda: b"", NO_PICTURE),
    "zeros.png": (lambda: bytes(1000), NO_PICTURE),
    "page.jpg": (lambda: b"<!doctype html><html><body>404 Not Found</body></html>", NO_PICTURE),
    "drawing.svg": (lambda: b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>', NO_PICTURE),
    "notes.jpg": (lambda: "Grüße aus Köln\n".encode() * 100, NO_PICTURE),
    "archive.jpg": (zipped, NO_PICTURE),
    "document.jpg": (lambda: b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj\n<<>>\nendobj\n", NO_PICTURE),
    "script.eps": (lambda: b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\nshowpage\n", NO_PICTURE),
    "film.jpg": (lambda: b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom" + bytes(200), NO_PICTURE),
    "zeros-after-signature.png": (lambda: b"\x89PNG\r\n\x1a\n" + bytes(100), NO_PICTURE),
    "signature.png": (lambda: b"\x89PNG\r\n\x1a\n", NO_PICTURE),
    "signature.jpg": (lambda: b"\xff\xd8\xff", NO_PICTURE),
    "phone.heic": (lambda: HEIC_HEAD + bytes(200), f"{DAMAGED}|{NO_PICTURE}" if HEIF else "convert the file to JPEG"),
    "other-format.ppm": (lambda: encoded(portrait(64), "PPM"), NO_PICTURE),
    # Cut off or hurt.
    "cut.jpg": (lambda: cut(jpeg(), 0.5), DAMAGED),
    "cut-progressive.jpg": (lambda: cut(encoded(portrait(), "JPEG", progressive=True), 0.6), DAMAGED),
    "cut-header.jpg": (lambda: jpeg()[:200], f"{DAMAGED}|{NO_PICTURE}"),
    "cut.png": (lambda: cut(encoded(portrait(), "PNG"), 0.5), DAMAGED),
    "cut.webp": (lambda: cut(encoded(portrait(), "WEBP"), 0.5), f"{DAMAGED}|{NO_PICTURE}"),
    "cut.gif": (lambda: cut(encoded(portrait(), "GIF"), 0.5), DAMAGED),
    "cut.bmp": (lambda: cut(encoded(portrait(), "BMP"), 0.5), DAMAGED),
    "cut.tiff": (lambda: cut(encoded(portrait(), "TIFF"), 0.5), f"{DAMAGED}|{NO_PICTURE}"),
    "cut.avif": (lambda: cut(encoded(portrait(), "AVIF"), 0.5), f"{DAMAGED}|{NO_PICTURE}"),
    "hollow.png": (lambda: png(300, 300), DAMAGED),
    "wrong-sum.png": (lambda: with_bytes(encoded(portrait(), "PNG"), 30, b"\xff"), f"{DAMAGED}|{NO_PICTURE}"),
    "no-pixels.png": (lambda: png(0, 0), f"{DAMAGED}|{NO_PICTURE}"),
    "text-bomb.png": (lambda: png(8, 8, data=bytes(25 * 8), extra=TEXT_BOMB), "holds too much text"),
    "profile-bomb.png": (
        lambda: png(8, 8, data=bytes(25 * 8), extra=PROFILE_BOMB),
        "too large a colour profile",
    ),
    # Larger than they should be; their headers say so.
    "169-megapixels.png": (lambda: png(13_000, 13_000), f"{TOO_LARGE} (169)"),
    "400-megapixels.png": (lambda: png(20_000, 20_000), f"{TOO_LARGE} (400)"),
    "4-billion-pixels.png": (lambda: png(65_535, 65_535), f"{TOO_LARGE} (4295)"),
    "long.png": (lambda: png(1, 51_000_000), f"{TOO_LARGE} (51)"),
    "24-megapixels-transparent.png": (lambda: png(6000, 4000, colour=6), "16 megapixels, this one has 24"),
    "169-megapixels.jpg": (lambda: large_jpeg(13_000, 13_000), TOO_LARGE),
    "400-megapixels.jpg": (lambda: large_jpeg(20_000, 20_000), f"{TOO_LARGE} (400)"),
    "400-megapixels.gif": (lambda: large_gif(20_000, 20_000), f"{TOO_LARGE} (400)"),
    "400-megapixels.bmp": (lambda: large_bmp(20_000, 20_000), f"{TOO_LARGE} (400)"),
    "400-megapixels.tiff": (lambda: large_tiff(20_000, 20_000), f"{TOO_LARGE} (400)"),
    "400-megapixels.webp": (lambda: large_webp(20_000, 20_000), f"{TOO_LARGE}|{NO_PICTURE}|{DAMAGED}"),
    "268-megapixels.webp": (lambda: large_webp(16_383, 16_383), f"{TOO_LARGE}|{NO_PICTURE}|{DAMAGED}"),
    # Large as cameras make them: reduced on arrival.
    "24-megapixels.jpg": (lambda: encoded(portrait().resize((4000, 6000)), "JPEG"), EDITED),
    "48-megapixels.jpg": (lambda: encoded(wall(8000, 6000), "JPEG"), NO_FACE),
    "24-megapixels.webp": (lambda: encoded(wall(6000, 4000), "WEBP", method=0), NO_FACE),
    # Kinds of pixels.
    "grey.jpg": (lambda: encoded(portrait().convert("L"), "JPEG"), EDITED),
    "print.jpg": (lambda: encoded(portrait().convert("CMYK"), "JPEG"), EDITED),
    "print.tiff": (lambda: encoded(portrait().convert("CMYK"), "TIFF"), EDITED),
    "luma.tiff": (lambda: encoded(portrait().convert("YCbCr"), "TIFF", compression="jpeg", quality=95), EDITED),
    "lab.tiff": (lambda: encoded(portrait().convert("LAB"), "TIFF"), EDITED),
    "16-bit.png": (lambda: encoded(sixteen_bits(), "PNG"), EDITED),
    "16-bit.tiff": (lambda: encoded(sixteen_bits(), "TIFF"), EDITED),
    "float.tiff": (lambda: encoded(portrait().convert("F"), "TIFF"), EDITED),
    "float-to-1.tiff": (lambda: encoded(float_to_one(), "TIFF"), EDITED),
    "palette.png": (lambda: encoded(portrait().convert("P", palette=Image.Palette.ADAPTIVE), "PNG"), EDITED),
    "alpha.png": (lambda: encoded(portrait().convert("RGBA"), "PNG"), EDITED),
    "alpha.webp": (lambda: encoded(portrait().convert("RGBA"), "WEBP"), EDITED),
    "grey-alpha.png": (lambda: encoded(portrait().convert("LA"), "PNG"), EDITED),
    "transparent.png": (lambda: encoded(Image.new("RGBA", (200, 200)), "PNG"), NO_FACE),
    "one-bit.png": (lambda: encoded(portrait().convert("1"), "PNG"), f"{EDITED}|{NO_FACE}"),
    "one-bit.tiff": (lambda: encoded(portrait().convert("1"), "TIFF", compression="group4"), f"{EDITED}|{NO_FACE}"),
    # Formats and their turns.
    "plain.jpg": (jpeg, EDITED),
    "progressive.jpg": (lambda: encoded(portrait(), "JPEG", progressive=True), EDITED),
    "worst-quality.jpg": (lambda: encoded(portrait(), "JPEG", quality=1), f"{EDITED}|{NO_FACE}"),
    "plain.png": (lambda: encoded(portrait(), "PNG"), EDITED),
    "named-jpg-is-png.jpg": (lambda: encoded(portrait(), "PNG"), EDITED),
    "trailing.jpg": (lambda: jpeg() + zipped(), EDITED),
    "plain.webp": (lambda: encoded(portrait(), "WEBP"), EDITED),
    "plain.avif": (lambda: encoded(portrait(), "AVIF"), EDITED),
    "plain.bmp": (lambda: encoded(portrait(), "BMP"), EDITED),
    "plain.gif": (lambda: encoded(portrait(), "GIF"), EDITED),
    "packed.tiff": (lambda: encoded(portrait(), "TIFF", compression="tiff_lzw"), EDITED),
    "pages.tiff": (lambda: frames("TIFF"), EDITED),
    "animated.gif": (lambda: frames("GIF", duration=100, loop=0), EDITED),
    "animated.webp": (lambda: frames("WEBP", duration=100), EDITED),
    "animated.png": (lambda: frames("PNG", duration=100), EDITED),
    "animated-cut.gif": (lambda: cut(frames("GIF", duration=100), 0.8), EDITED),  # its first frame is whole
    **{f"orientation-{i}.jpg": (lambda i=i: turned(i), EDITED) for i in range(1, 9)},
    "orientation-99.jpg": (lambda: encoded(portrait(), "JPEG", exif=exif_with(99)), EDITED),
    "broken-exif.jpg": (lambda: encoded(portrait(), "JPEG", exif=b"Exif\0\0II*\0\xff\xff\xff\xff"), EDITED),
    "cut-exif.jpg": (lambda: encoded(portrait(), "JPEG", exif=exif_with(6).tobytes()[:30]), EDITED),
    "broken-exif.png": (lambda: encoded(portrait(), "PNG", exif=b"Exif\0\0MM\0*" + b"\xfe" * 60), EDITED),
    "broken-profile.jpg": (lambda: encoded(portrait(), "JPEG", icc_profile=b"no profile"), EDITED),
    "cut-profile.png": (lambda: encoded(portrait(), "PNG", icc_profile=profile("sRGB")[:200]), EDITED),
    "foreign-profile.jpg": (lambda: encoded(portrait(), "JPEG", icc_profile=profile("LAB")), EDITED),
    "foreign-profile-print.jpg": (
        lambda: encoded(portrait().convert("CMYK"), "JPEG", icc_profile=profile("sRGB")),
        EDITED,
    ),
    "gps.jpg": (lambda: encoded(portrait(), "JPEG", exif=exif_with(1), comment=SECRET), EDITED),
    "gps.webp": (lambda: encoded(portrait(), "WEBP", exif=exif_with(1)), EDITED),
    "gps.png": (lambda: encoded(portrait(), "PNG", exif=exif_with(1)), EDITED),
    # Shapes and contents.
    "1x1.png": (lambda: encoded(wall(1, 1), "PNG"), NO_FACE),
    "2x2.jpg": (lambda: encoded(wall(2, 2), "JPEG"), NO_FACE),
    "1x10000.png": (lambda: encoded(wall(1, 10_000), "PNG"), NO_FACE),
    "10000x1.png": (lambda: encoded(wall(10_000, 1), "PNG"), NO_FACE),
    "wide.jpg": (lambda: encoded(wall(3000, 20), "JPEG"), NO_FACE),
    "tiny-face.png": (lambda: encoded(portrait(16), "PNG"), f"{EDITED}|{NO_FACE}"),
    "wall.jpg": (lambda: encoded(wall(300, 200), "JPEG"), NO_FACE),
    "noise.png": (lambda: encoded(Image.effect_noise((200, 200), 90), "PNG"), NO_FACE),
    "cartoon.png": (lambda: encoded(cartoon(), "PNG"), f"{EDITED}|{NO_FACE}"),
    "twenty-faces.jpg": (lambda: encoded(grid_of_faces(), "JPEG"), EDITED),
    "upside-down.jpg": (lambda: encoded(portrait().rotate(180), "JPEG"), f"{EDITED}|{NO_FACE}"),
    "sideways.jpg": (lambda: encoded(portrait().rotate(90, expand=True), "JPEG"), f"{EDITED}|{NO_FACE}"),
    "half-face.jpg": (lambda: encoded(portrait().crop((0, 0, 112, 240)), "JPEG"), f"{EDITED}|{NO_FACE}"),
}
"""File name: what makes it, and `EDITED` or a part of the sentence that refuses it; `|` where either will do."""

BOMBS = [name for name, (_, outcome) in CORPUS.items() if TOO_LARGE in outcome or "bomb" in name]
