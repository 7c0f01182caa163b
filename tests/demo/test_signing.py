"""Signed manifests (C2PA) are read back from every format; invalid credentials are reported at the start."""

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from io import BytesIO
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from PIL import Image
from video.clips import frame_of, write_clip

from leed.demo import clips, engine
from leed.demo.signing import CERTIFICATE, KEY, TYPES, CertificateError, Signer
from leed.photo.saving import DIGITAL_SOURCE_TYPE, is_marked, save_marked, save_marked_sequence

c2pa = pytest.importorskip("c2pa", reason="c2pa-python is not installed: pip install c2pa-python")

from cryptography import x509  # noqa: E402 (comes with c2pa-python)
from cryptography.hazmat.primitives import hashes, serialization  # noqa: E402
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa  # noqa: E402
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID  # noqa: E402

KEYS = {
    "P-256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "P-384": lambda: ec.generate_private_key(ec.SECP384R1()),
    "Ed25519": ed25519.Ed25519PrivateKey.generate,
    "RSA": lambda: rsa.generate_private_key(65537, 2048),
}


@dataclass(frozen=True)
class Credentials:
    """PEM texts: a certificate and the root that vouches for it, its key, and the root alone."""

    certificate: str
    key: str
    root: str

    @property
    def environment(self) -> dict[str, str]:
        return {CERTIFICATE: self.certificate, KEY: self.key}


def certificate(subject: str, public_key, authority_key, days: int) -> x509.Certificate:
    """A certificate that the authority signs; its own, if it is the subject. It expires in `days`."""
    root = subject == "Authority"
    names = [
        x509.Name([x509.NameAttribute(kind, name) for kind in (NameOID.ORGANIZATION_NAME, NameOID.COMMON_NAME)])
        for name in (subject, "Authority")
    ]
    end = datetime.now(timezone.utc) + timedelta(days)
    usages = ("content_commitment", "key_encipherment", "data_encipherment", "key_agreement", "encipher_only")
    usage = x509.KeyUsage(
        digital_signature=not root,
        key_cert_sign=root,
        crl_sign=root,
        decipher_only=False,
        **dict.fromkeys(usages, False),
    )
    builder = (
        x509.CertificateBuilder(*names, public_key, x509.random_serial_number(), end - timedelta(30), end)
        .add_extension(x509.BasicConstraints(root, None), True)
        .add_extension(usage, True)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key()), False)
    )
    if not root:
        builder = builder.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION]), False)
    return builder.sign(authority_key, hashes.SHA256())


def make_credentials(kind: str = "P-256", days: int = 7) -> Credentials:
    authority_key, key = KEYS["P-256"](), KEYS[kind]()
    root = certificate("Authority", authority_key.public_key(), authority_key, 7)
    own = certificate("Demo", key.public_key(), authority_key, days)
    pem = serialization.Encoding.PEM
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    own, root = (item.public_bytes(pem).decode() for item in (own, root))
    return Credentials(own + root, private.decode(), root)


@pytest.fixture(scope="module")
def credentials() -> Credentials:
    return make_credentials()


@pytest.fixture(scope="module")
def signer(credentials: Credentials) -> Signer:
    return Signer.from_environment(credentials.environment)


def reader(data: bytes, suffix: str, root: str) -> "c2pa.Reader":
    context = c2pa.Context(c2pa.Settings.from_dict({"trust": {"trust_anchors": root}}))
    return c2pa.Reader(TYPES[suffix], BytesIO(data), context=context)


def is_signed(path: Path, credentials: Credentials) -> bool:
    """Whether a file says, vouched for by the credentials' root, that a model altered it."""
    try:
        found = reader(path.read_bytes(), path.suffix, credentials.root)
    except c2pa.C2paError.ManifestNotFound:
        return False
    assertions = found.get_active_manifest()["assertions"]
    return found.get_validation_state() == "Trusted" and DIGITAL_SOURCE_TYPE in json.dumps(assertions)


@pytest.fixture(params=list(TYPES))
def marked(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A marked file of each format in turn."""
    pictures = [Image.fromarray(np.random.default_rng(i).integers(0, 256, (48, 32, 3), np.uint8)) for i in range(3)]
    if request.param in (".png", ".jpg"):
        return save_marked(pictures[0], tmp_path / f"a{request.param}")
    return save_marked_sequence(pictures, tmp_path / f"a{request.param}", fps=10)


def test_every_format_is_signed_beside_its_mark(marked: Path, signer: Signer, credentials: Credentials):
    assert not is_signed(marked, credentials)
    before = marked.read_bytes()
    assert signer.sign_file(marked) == marked
    assert is_signed(marked, credentials) and is_marked(marked)
    assert len(marked.read_bytes()) - len(before) < 8000  # no thumbnail
    if marked.suffix != ".mp4":
        with Image.open(marked) as after, Image.open(BytesIO(before)) as picture:
            assert getattr(after, "n_frames", 1) == getattr(picture, "n_frames", 1)
            np.testing.assert_array_equal(after.convert("RGB"), picture.convert("RGB"))


def test_an_unknown_signer_is_not_trusted(tmp_path: Path, signer: Signer, credentials: Credentials):
    path = signer.sign_file(save_marked(Image.new("RGB", (8, 8)), tmp_path / "a.png"))
    assert is_signed(path, credentials) and not is_signed(path, make_credentials())


def test_a_changed_picture_is_noticed(tmp_path: Path, signer: Signer, credentials: Credentials):
    path = save_marked(Image.new("RGB", (8, 8)), tmp_path / "a.jpg")
    signed = bytearray(signer.sign_file(path).read_bytes())
    signed[-4] ^= 1  # the last bytes of the compressed pixels
    path.write_bytes(signed)
    assert not is_signed(path, credentials)


@pytest.mark.parametrize("kind", list(KEYS))
def test_keys_of_every_kind_sign(kind: str, tmp_path: Path):
    credentials = make_credentials(kind)
    signer = Signer(credentials.certificate, credentials.key)
    assert is_signed(signer.sign_file(save_marked(Image.new("RGB", (8, 8)), tmp_path / "a.png")), credentials)


def test_certificate_and_key_may_lie_in_files(tmp_path: Path, credentials: Credentials):
    for name, text in credentials.environment.items():
        (tmp_path / name).write_text(text)
    assert Signer.from_environment({name: str(tmp_path / name) for name in (CERTIFICATE, KEY)}) is not None
    assert Signer.from_environment({}) is Signer.from_environment({CERTIFICATE: "", KEY: ""}) is None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda good: {CERTIFICATE: good.certificate}, f"{KEY} is not: signing needs both"),
        (lambda good: {KEY: good.key}, f"{CERTIFICATE} is not: signing needs both"),
        (lambda good: good.environment | {KEY: make_credentials().key}, "signature does not match"),
        (lambda good: good.environment | {KEY: "-----BEGIN nonsense"}, f"{KEY} holds no private key"),
        (lambda good: good.environment | {CERTIFICATE: "-----BEGIN nonsense"}, "cannot sign"),
        (lambda good: good.environment | {CERTIFICATE: "/no/such.pem"}, f"{CERTIFICATE} must be PEM text"),
        (lambda good: good.environment | {KEY: good.key.replace("-", "") * 20}, f"{KEY} must be PEM text"),
        (lambda good: make_credentials(days=-1).environment, "not valid at time of signing"),
    ],
)  # fmt: skip
def test_invalid_credentials_are_reported(change: Callable, message: str, credentials: Credentials):
    environment = change(credentials)
    with pytest.raises(CertificateError, match=message) as raised:
        Signer.from_environment(environment)
    assert credentials.key.splitlines()[1] not in str(raised.value)  # the key stays secret


def test_a_missing_library_is_reported(monkeypatch: pytest.MonkeyPatch, credentials: Credentials):
    monkeypatch.setitem(sys.modules, "c2pa", None)
    with pytest.raises(CertificateError, match="pip install c2pa-python"):
        Signer(credentials.certificate, credentials.key)


def test_demo_does_not_start_with_a_wrong_certificate(
    tiny_app: ModuleType, monkeypatch: pytest.MonkeyPatch, credentials: Credentials
):
    for name, text in (credentials.environment | {KEY: make_credentials().key}).items():
        monkeypatch.setenv(name, text)
    with pytest.raises(SystemExit) as ended:  # whose text Python prints, and ends with status 1
        tiny_app.main()
    assert str(ended.value.code).startswith(f"The certificate in {CERTIFICATE} and the key in {KEY} cannot sign: ")


def test_every_result_of_the_demo_is_signed(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    tiny_actions: ModuleType,
    small_portrait: Path,
    signer: Signer,
    credentials: Credentials,
):
    demo, photo = tiny_actions, str(small_portrait)
    plain = demo.edit(photo)
    monkeypatch.setattr(engine, "signer", lambda: signer)
    (_, shown), _, face = demo.render_preview(demo.Choice(photo))
    frame = tmp_path / "frame.jpg"
    frame.write_bytes(demo.edit_live(small_portrait.read_bytes(), "happy", 1.0, None)[0])
    files = [*demo.edit(photo), *demo.make_sequence(photo), demo.make_grid(photo), shown, face, frame]
    person = frame_of(("comp02", 20, 0, 120), size=(160, 120))
    job = clips.begin(clips.Wish(str(write_clip(tmp_path / "a.mp4", [person] * 2))))
    while not isinstance(made := clips.advance(job), clips.Made):
        pass
    clips.close(job)
    files.append(made.path)
    assert len(files) == 10
    for path in files:
        assert is_signed(path, credentials) and is_marked(path), path
    assert not any(is_signed(path, credentials) for path in plain)
