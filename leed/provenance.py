"""The machine-readable mark of a picture that a model altered, and the one way to write results to files."""

from pathlib import Path

from PIL import Image
from PIL.PngImagePlugin import PngInfo

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


def save_marked(image: Image.Image, path: Path | str) -> Path:
    """Writes an edited picture as PNG or JPEG, by the path's suffix, with the mark."""
    return _save(image, Path(path), XMP)


def save_plain(image: Image.Image, path: Path | str) -> Path:
    """Writes an unaltered picture in the same way, without the mark."""
    return _save(image, Path(path), None)


def _save(image: Image.Image, path: Path, xmp: str | None) -> Path:
    """Nothing of what the picture came with (EXIF, GPS, comments, colour profile) is written."""
    image = image.copy()
    image.info = {}
    if path.suffix == ".png":
        chunks = PngInfo()
        if xmp is not None:
            chunks.add_itxt("XML:com.adobe.xmp", xmp)
        image.save(path, pnginfo=chunks, compress_level=1)  # 6, the default, takes several times as long
    elif path.suffix == ".jpg":
        image.save(path, quality=92, **({"xmp": xmp.encode()} if xmp is not None else {}))
    else:
        raise ValueError(f"pictures are saved as .png or .jpg, got {path.name}")
    return path


def is_marked(path: Path | str) -> bool:
    """Whether a PNG or JPEG carries the mark."""
    with Image.open(path) as image:
        xmp = image.info.get("XML:com.adobe.xmp", image.info.get("xmp", b""))
    return DIGITAL_SOURCE_TYPE in (xmp.decode(errors="replace") if isinstance(xmp, bytes) else xmp)
