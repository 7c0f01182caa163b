"""C2PA: a signed manifest in each result, which says that a model altered the picture.

It comes in addition to the XMP mark of `leed.photo.saving`, which anyone can forge. PNG, JPEG, WebP, GIF and MP4
carry it; a certificate must be configured.
"""

import os
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path

CERTIFICATE, KEY = "LEED_C2PA_CERTIFICATE", "LEED_C2PA_KEY"
TYPES = {
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".webp": "image/webp",
    ".gif": "image/gif",
    ".mp4": "video/mp4",
}
ALGORITHMS = {"secp256r1": "es256", "secp384r1": "es384", "secp521r1": "es512"}  # of keys on these curves
SETTINGS = {"builder": {"thumbnail": {"enabled": False}}}  # one would be larger than most of our pictures


class CertificateError(ValueError):
    """The configured certificate and key cannot sign; the message is one sentence for the person that set them."""


class Signer:
    """Signs files with the private key of a certificate.

    >>> Signer(certificate, key).sign_file(save_marked(picture, "edited.png"))
    """

    def __init__(self, certificate: str, key: str) -> None:
        """From the text of PEM files: the certificate chain, the signing certificate first, and its private key.

        Signs once, so that invalid credentials are reported here. Raises `CertificateError`.
        """
        try:
            import c2pa
        except ImportError:
            raise CertificateError(
                f"{CERTIFICATE} is set, but c2pa-python is not installed: pip install c2pa-python."
            ) from None
        algorithm = _algorithm(key)
        try:
            signer = c2pa.Signer.from_info(c2pa.C2paSignerInfo(algorithm, certificate.encode(), key.encode(), None))
            self._context = c2pa.Context(c2pa.Settings.from_dict(SETTINGS), signer)
            self.sign(_SMALLEST_GIF, ".gif")  # which also verifies what it signed
        except c2pa.C2paError as error:
            raise CertificateError(
                f"The certificate in {CERTIFICATE} and the key in {KEY} cannot sign: {str(error).strip()}"
            ) from error

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> "Signer | None":
        """A signer with the PEM texts or files that LEED_C2PA_CERTIFICATE and LEED_C2PA_KEY give.

        None if neither is set. Raises `CertificateError`.
        """
        values = {name: environment[name] for name in (CERTIFICATE, KEY) if environment.get(name)}
        if not values:
            return None
        if len(values) < 2:
            missing = KEY if CERTIFICATE in values else CERTIFICATE
            raise CertificateError(
                f"{next(iter(values))} is set and {missing} is not: signing needs both, or neither."
            )
        return cls(*(_pem(name, value) for name, value in values.items()))

    def sign_file(self, path: Path) -> Path:
        """Puts the manifest into a file of one of `TYPES`; the same path."""
        path.write_bytes(self.sign(path.read_bytes(), path.suffix))
        return path

    def sign(self, data: bytes, suffix: str) -> bytes:
        """The bytes of a file with the manifest in it."""
        import c2pa

        signed = BytesIO()
        with c2pa.Builder({"claim_generator_info": [{"name": "LEED"}]}, self._context) as builder:
            builder.set_intent(
                c2pa.C2paBuilderIntent.CREATE,
                c2pa.C2paDigitalSourceType.COMPOSITE_WITH_TRAINED_ALGORITHMIC_MEDIA,
            )
            builder.sign(TYPES[suffix], BytesIO(data), signed)
        return signed.getvalue()


def _pem(name: str, value: str) -> str:
    """The PEM text that the variable `name` holds, or that of the file that it names."""
    if "-----BEGIN" in value:
        return value
    try:
        return Path(value).read_text()
    except (OSError, ValueError):  # their messages hold the value, which may be a damaged key
        raise CertificateError(f"{name} must be PEM text, or the path of a PEM file that can be read.") from None


def _algorithm(key: str) -> str:
    """C2PA's name for the signature algorithm of a private key."""
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa  # comes with c2pa-python
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        private = load_pem_private_key(key.encode(), password=None)
    except (ValueError, TypeError) as error:  # TypeError: it is encrypted
        raise CertificateError(f"{KEY} holds no private key in PEM without a password: {error}") from error
    if isinstance(private, rsa.RSAPrivateKey):
        return "ps256"
    if isinstance(private, ed25519.Ed25519PrivateKey):
        return "ed25519"
    curve = private.curve.name if isinstance(private, ec.EllipticCurvePrivateKey) else type(private).__name__
    if curve not in ALGORITHMS:
        raise CertificateError(
            f"{KEY} must be RSA, Ed25519 or on one of the curves {', '.join(ALGORITHMS)}, got {curve}."
        )
    return ALGORITHMS[curve]


_SMALLEST_GIF = bytes.fromhex("47494638396101000100800000000000ffffff2c00000000010001000002024401003b")
