"""Writing results to files, with a machine-readable mark (XMP) that a model altered them.

Nothing else that a picture came with is written: no EXIF, GPS, comments or colour profile.
"""

import struct
from collections.abc import Iterator
from io import SEEK_END, BytesIO
from pathlib import Path
from typing import BinaryIO
from uuid import UUID

from PIL import Image
from PIL.PngImagePlugin import PngInfo

from leed.images import to_rgb
from leed.photo.filming import film

DIGITAL_SOURCE_TYPE = "http://cv.iptc.org/newscodes/digitalsourcetype/compositeWithTrainedAlgorithmicMedia"

XMP = f"""<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/">
 <rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
  <rdf:Description rdf:about=""
    xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/"
    xmlns:xmp="http://ns.adobe.com/xap/1.0/"
    Iptc4xmpExt:DigitalSourceType="{DIGITAL_SOURCE_TYPE}"
    xmp:CreatorTool="LEED"/>
 </rdf:RDF>
</x:xmpmeta>
<?xpacket end="w"?>"""

# The place of XMP in formats for which Pillow does not write it (Adobe, XMP Specification, part 3).
GIF_BLOCK = b"\x21\xff\x0bXMP DataXMP"  # an application extension; its text is followed by
GIF_TRAILER = bytes([1, *range(255, -1, -1), 0])  # which leads readers that take the text for sub-blocks out of it
MP4_BOX = UUID("be7acfcb-97a9-42e8-9c71-999491e3afac").bytes

# One palette for all frames; ordered dither, which stands still where the picture does and takes a third of the time.
GIF_FILTER = "split[a][b];[a]palettegen[palette];[b][palette]paletteuse=dither=bayer:bayer_scale=4:diff_mode=rectangle"


def jpeg_bytes(image: Image.Image, marked: bool) -> bytes:
    """The bytes of a JPEG file of a picture, with the mark or without it."""
    buffer = BytesIO()
    _write_jpeg(image, buffer, XMP if marked else None)
    return buffer.getvalue()


def save_marked(image: Image.Image, path: Path | str, background: str = "white") -> Path:
    """Writes an edited picture with the mark, as PNG, WebP or JPEG by the path's suffix; the path.

    PNG and WebP keep every pixel and its transparency. JPEG can hold none: a cut-out lies over `background`, a colour.
    """
    return _save(image, Path(path), XMP, background)


def save_plain(image: Image.Image, path: Path | str, background: str = "white") -> Path:
    """As `save_marked`, for an unaltered picture: without the mark."""
    return _save(image, Path(path), None, background)


def _save(image: Image.Image, path: Path, xmp: str | None, background: str) -> Path:
    """Writes the pixels of a picture and, if there is one, an XMP text."""
    if path.suffix == ".png":
        chunks = PngInfo()
        if xmp is not None:
            chunks.add_itxt("XML:com.adobe.xmp", xmp)
        plain(image).save(path, pnginfo=chunks, compress_level=1)  # 6, the default, takes several times as long
    elif path.suffix == ".webp":
        plain(image).save(path, lossless=True, method=1, xmp=b"" if xmp is None else xmp.encode())
    elif path.suffix == ".jpg":
        _write_jpeg(image, path, xmp, background)
    else:
        raise ValueError(f"pictures are saved as .png, .webp or .jpg, got {path.name}")
    return path


def _write_jpeg(image: Image.Image, target: Path | BytesIO, xmp: str | None, background: str = "white") -> None:
    """As `_save`, into a JPEG file or its bytes."""
    options = {} if xmp is None else {"xmp": xmp.encode()}
    plain(over(image, background)).save(target, "JPEG", quality=92, **options)


def over(image: Image.Image, background: str) -> Image.Image:
    """A picture in RGB; what is transparent in it shows a colour."""
    if image.mode != "RGBA":
        return to_rgb(image)
    return Image.alpha_composite(Image.new("RGBA", image.size, background), image).convert("RGB")


def plain(image: Image.Image) -> Image.Image:
    """A copy of a picture without metadata."""
    image = image.copy()
    image.info = {}
    return image


def save_marked_sequence(frames: list[Image.Image], path: Path | str, fps: int) -> Path:
    """Writes edited pictures of one size with the mark, as an endless WebP or GIF or as MP4 by the path's suffix.

    Returns the path. RGBA pictures stay transparent in WebP, and where they are transparent by more than half in GIF;
    MP4 can hold no transparency, so that white lies below. MP4 is H.264 with even sides, as players expect it: an odd
    side grows by a pixel.
    """
    path = Path(path)
    if path.suffix == ".webp":
        first, *others = map(plain, frames)
        first.save(
            path, save_all=True, append_images=others, duration=round(1000 / fps), loop=0, quality=85, method=2,
            xmp=XMP.encode(),
        )  # fmt: skip
    elif path.suffix == ".gif":
        _encode(frames, path, fps, "gif", "pal8", ["-filter_complex", GIF_FILTER])
        data = path.read_bytes()
        start = 13 + (3 << (data[10] & 7) + 1 if data[10] & 0x80 else 0)  # behind the header and its palette
        path.write_bytes(data[:start] + GIF_BLOCK + XMP.encode() + GIF_TRAILER + data[start:])
    elif path.suffix == ".mp4":
        frames = [over(frame, "white") for frame in frames]
        _encode(frames, path, fps, "libx264", "yuv420p", ["-crf", "18", "-movflags", "+faststart"])
        append_mp4_mark(path)
    else:
        raise ValueError(f"sequences are saved as .webp, .gif or .mp4, got {path.name}")
    return path


def append_mp4_mark(path: Path) -> None:
    """Appends the mark to an MP4 or QuickTime file."""
    box = b"uuid" + MP4_BOX + XMP.encode()
    with open(path, "ab") as file:
        file.write(struct.pack(">I", 4 + len(box)) + box)


def _encode(frames: list[Image.Image], path: Path, fps: int, codec: str, pixels: str, options: list[str]) -> None:
    """Has ffmpeg write RGB or RGBA frames of one size."""
    block = 2 if pixels == "yuv420p" else 1  # the sides become multiples of it
    width, height = (-(-length // block) * block for length in frames[0].size)
    film(
        (frame.resize((width, height)).tobytes() for frame in frames),
        path,
        size=(width, height),
        pixels="rgba" if frames[0].mode == "RGBA" else "rgb24",
        fps=fps,
        codec=codec,
        film_pixels=pixels,
        options=options,
    )


def is_marked(path: Path | str) -> bool:
    """Whether a PNG, JPEG, WebP, GIF, MP4 or QuickTime file carries the mark."""
    path = Path(path)
    is_film = path.suffix.lower() in (".mp4", ".mov")
    return DIGITAL_SOURCE_TYPE.encode() in (mp4_xmp(path) if is_film else picture_xmp(path))


def picture_xmp(path: Path) -> bytes:
    """The XMP text of a picture; empty if there is none."""
    with Image.open(path) as image:
        if image.format == "GIF":
            return path.read_bytes().partition(GIF_BLOCK)[2].partition(GIF_TRAILER)[0]
        xmp = image.info.get("XML:com.adobe.xmp", image.info.get("xmp", b""))
    return xmp.encode() if isinstance(xmp, str) else xmp


def mp4_xmp(path: Path) -> bytes:
    """The XMP text of an MP4; empty if there is none."""
    with path.open("rb") as file:
        for kind, start, end in mp4_boxes(file):
            file.seek(start)
            if kind == b"uuid" and file.read(16) == MP4_BOX:
                return file.read(end - start - 16)
    return b""


def mp4_boxes(file: BinaryIO) -> Iterator[tuple[bytes, int, int]]:
    """Kind, start and end of the contents of an MP4's outermost boxes, which are not read: films are large."""
    length, start = file.seek(0, SEEK_END), 0
    while start + 8 <= length:
        file.seek(start)
        size, kind = struct.unpack(">I4s", file.read(8))
        head = 8
        if size == 1:  # then 64 bits follow
            size, head = int.from_bytes(file.read(8), "big"), 16
        end = min(start + size, length) if size else length  # 0: to the end
        if end <= start:
            return
        yield kind, start + head, end
        start = end
