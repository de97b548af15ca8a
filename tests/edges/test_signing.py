"""Keys and envelopes, with real keys."""

import base64
import json
import os
import stat
import subprocess
import sys

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from daypass.core.errors import EdgeError, LedgerError, UsageError
from daypass.core.ids import canonical
from daypass.core.ledger.receipt import PAYLOAD_TYPE
from daypass.edges.ledger.keyfiles import check_private, generate_key, read_public_key
from daypass.edges.ledger.signing import EnvelopeSigner, EnvelopeVerifier
from examples import examples

STATEMENT = {"_type": "x", "number": 1, "text": "Zoë"}


@pytest.fixture(scope="module")
def keys(tmp_path_factory):
    path = tmp_path_factory.mktemp("keys") / "ledger.pem"
    public = generate_key(path)
    return path, public


@pytest.fixture
def signer(keys):
    return EnvelopeSigner(*keys)


@pytest.fixture
def verifier(keys):
    return EnvelopeVerifier({"ledger.pub": keys[1]})


def refusal(verifier, raw):
    with pytest.raises(LedgerError) as caught:
        verifier.open(raw)
    return caught.value.message


def test_what_was_signed_can_be_opened(signer, verifier):
    raw = signer.sign(STATEMENT)
    assert verifier.open(raw) == STATEMENT
    assert verifier.key_ids == (signer.key_id,)


def test_an_envelope_is_dsse_and_canonical(signer, keys):
    raw = signer.sign(STATEMENT)
    envelope = json.loads(raw)
    assert canonical(envelope).encode() == raw
    assert envelope["payloadType"] == PAYLOAD_TYPE
    assert json.loads(base64.b64decode(envelope["payload"])) == STATEMENT
    assert [s["keyid"] for s in envelope["signatures"]] == [read_public_key(keys[1]).keyid]


def test_a_key_file_is_its_owners_alone(keys):
    path, public = keys
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert public.startswith(b"-----BEGIN PUBLIC KEY-----\n")
    assert b"PRIVATE" not in public


def test_the_umask_does_not_decide_about_a_key_file(tmp_path):
    before = os.umask(0)
    try:
        generate_key(tmp_path / "new" / "key.pem")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "new" / "key.pem").stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o700


def test_a_key_is_never_overwritten(tmp_path):
    path = tmp_path / "key.pem"
    path.write_text("mine")
    with pytest.raises(UsageError) as caught:
        generate_key(path)
    assert caught.value.message == f"{path} exists already"
    assert path.read_text() == "mine"


def test_a_key_is_not_written_through_a_symlink(tmp_path):
    (tmp_path / "key.pem").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(UsageError):
        generate_key(tmp_path / "key.pem")
    assert not (tmp_path / "elsewhere").exists()


def test_a_key_that_cannot_be_written_says_why(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(EdgeError) as caught:
        generate_key(tmp_path / "file" / "key.pem")
    assert caught.value.message == f"the signing key cannot be written to {tmp_path}/file/key.pem: File exists"


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o610])
def test_a_private_key_that_others_reach_is_refused(tmp_path, mode):
    path = tmp_path / "key.pem"
    public = generate_key(path)
    path.chmod(mode)
    with pytest.raises(EdgeError) as caught:
        EnvelopeSigner(path, public)
    assert caught.value.message == (f"the signing key {path} can be reached by others (mode {mode:04o}, expected 0600)")
    with pytest.raises(EdgeError):
        EnvelopeSigner(f"file2:{path}", public)


def test_a_missing_private_key_is_refused(tmp_path, keys):
    with pytest.raises(EdgeError) as caught:
        EnvelopeSigner(tmp_path / "none.pem", keys[1])
    assert caught.value.message == f"there is no signing key at {tmp_path}/none.pem"


def test_a_folder_is_no_private_key(tmp_path):
    with pytest.raises(EdgeError) as caught:
        check_private(tmp_path)
    assert caught.value.message == f"the signing key {tmp_path} is no file"


def test_a_private_key_below_a_file_says_why(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(EdgeError) as caught:
        check_private(tmp_path / "file" / "key")
    assert caught.value.message == f"the signing key {tmp_path}/file/key cannot be read: Not a directory"


def test_a_private_key_of_another_public_key_is_refused(tmp_path, keys):
    path = tmp_path / "other.pem"
    generate_key(path)
    with pytest.raises(EdgeError) as caught:
        EnvelopeSigner(path, keys[1])
    assert caught.value.message == (
        f"the signing key file2:{path} cannot be used: CryptoSigner private key does not match public key"
    )


def test_an_unknown_signer_uri_is_refused(keys):
    with pytest.raises(EdgeError) as caught:
        EnvelopeSigner("carrier-pigeon:coo", keys[1])
    assert caught.value.message == (
        "the signing key carrier-pigeon:… cannot be used: Unsupported private key scheme carrier-pigeon"
    )


def test_a_signer_uri_signs_as_the_path_does(keys):
    path, public = keys
    verifier = EnvelopeVerifier({"ledger.pub": public.decode()})
    assert verifier.open(EnvelopeSigner(f"file2:{path}", public).sign(STATEMENT)) == STATEMENT


def test_a_key_of_another_kind_signs_as_well(tmp_path):
    key = generate_private_key(SECP256R1())
    path = tmp_path / "ec.pem"
    path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    path.chmod(0o600)
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    raw = EnvelopeSigner(path, public).sign(STATEMENT)
    verifier = EnvelopeVerifier({"kms.pub": public})
    assert verifier.open(raw) == STATEMENT
    other = base64.b64encode(canonical(STATEMENT | {"number": 2}).encode()).decode()
    message = refusal(verifier, altered(raw, lambda e: e.update(payload=other)))
    assert message == "its signature does not fit its contents: a byte was changed"


@pytest.mark.parametrize("length", [0, 63, 65])
def test_a_signature_of_another_length_does_not_fit(signer, verifier, length):
    other = base64.b64encode(b"s" * length).decode()
    message = refusal(verifier, altered(signer.sign(STATEMENT), lambda e: e["signatures"][0].update(sig=other)))
    assert message == "its signature does not fit its contents: a byte was changed"


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(text=st.text(), number=st.integers())
def test_whatever_is_signed_in_canonical_form_is_opened(signer, verifier, text, number):
    statement = {"text": text, text: [number, None, True, {}]}
    assert verifier.open(signer.sign(statement)) == statement


@settings(max_examples=examples(300), suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(data=st.data())
def test_no_byte_of_an_envelope_can_be_changed(data, signer, verifier):
    raw = signer.sign(STATEMENT)
    place = data.draw(st.integers(0, len(raw) - 1))
    byte = data.draw(st.integers(0, 255).filter(lambda value: value != raw[place]))
    with pytest.raises(LedgerError):
        verifier.open(raw[:place] + bytes([byte]) + raw[place + 1 :])


def test_every_single_bit_flip_is_found(signer, verifier):
    raw = signer.sign(STATEMENT)
    for place in range(len(raw)):
        for bit in range(8):
            with pytest.raises(LedgerError):
                verifier.open(raw[:place] + bytes([raw[place] ^ (1 << bit)]) + raw[place + 1 :])


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(data=st.data())
def test_no_byte_can_be_added_or_taken_away(data, signer, verifier):
    raw = signer.sign(STATEMENT)
    place = data.draw(st.integers(0, len(raw)))
    extra = data.draw(st.binary(min_size=1, max_size=3))
    with pytest.raises(LedgerError):
        verifier.open(raw[:place] + extra + raw[place:])
    if place < len(raw):
        with pytest.raises(LedgerError):
            verifier.open(raw[:place] + raw[place + 1 :])


def altered(raw, change):
    envelope = json.loads(raw)
    change(envelope)
    return canonical(envelope).encode()


def test_a_changed_payload_does_not_fit_its_signature(signer, verifier):
    other = base64.b64encode(canonical(STATEMENT | {"number": 2}).encode()).decode()
    message = refusal(verifier, altered(signer.sign(STATEMENT), lambda e: e.update(payload=other)))
    assert message == "its signature does not fit its contents: a byte was changed"


def test_a_field_more_is_refused(signer, verifier):
    message = refusal(verifier, altered(signer.sign(STATEMENT), lambda e: e.update(note="unsigned")))
    assert message == "expected an envelope of payload, payloadType, signatures and nothing else"


def test_a_field_more_in_a_signature_is_refused(signer, verifier):
    message = refusal(verifier, altered(signer.sign(STATEMENT), lambda e: e["signatures"][0].update(cert="x")))
    assert message == "expected a signature of keyid, sig and nothing else"


def test_another_signature_beside_is_refused(signer, verifier):
    message = refusal(
        verifier, altered(signer.sign(STATEMENT), lambda e: e["signatures"].append({"keyid": "0", "sig": "AA=="}))
    )
    assert message == "expected exactly one signature"
    assert refusal(verifier, altered(signer.sign(STATEMENT), lambda e: e.update(signatures=[]))) == message


def test_another_payload_type_is_refused(signer, verifier):
    message = refusal(verifier, altered(signer.sign(STATEMENT), lambda e: e.update(payloadType="text/plain")))
    assert message == "expected a payload of type 'application/vnd.in-toto+json', got \"text/plain\""


def test_another_spelling_of_the_same_envelope_is_refused(signer, verifier):
    raw = signer.sign(STATEMENT)
    canonical_only = "it is not written in canonical form: a byte outside the signed part was changed"
    assert refusal(verifier, json.dumps(json.loads(raw)).encode()) == canonical_only
    assert refusal(verifier, raw + b"\n") == canonical_only
    assert refusal(verifier, altered(raw, lambda e: e.update(payload=[]))) == canonical_only


def test_spare_bits_of_base64_are_refused(keys):
    verifier = EnvelopeVerifier({"ledger.pub": keys[1]})
    raw = EnvelopeSigner(*keys).sign({"a": 1})
    envelope = json.loads(raw)
    assert envelope["signatures"][0]["sig"].endswith("==")
    sig = envelope["signatures"][0]["sig"]
    spare = sig[:-3] + chr(ord(sig[-3]) + 1) + "=="
    assert base64.b64decode(spare) == base64.b64decode(sig)
    message = refusal(verifier, altered(raw, lambda e: e["signatures"][0].update(sig=spare)))
    assert message == "it is not written in canonical form: a byte outside the signed part was changed"


def test_broken_base64_is_refused(signer, verifier):
    message = refusal(verifier, altered(signer.sign(STATEMENT), lambda e: e.update(payload="A")))
    assert message == "its base64 cannot be read: a byte was changed"


@pytest.mark.parametrize("raw", [b"", b"\xff", b"{", b"not json"])
def test_what_is_no_json_is_refused(verifier, raw):
    assert refusal(verifier, raw) == "it is no envelope: a byte was changed, or it was never one"


def test_a_list_is_no_envelope(verifier):
    assert refusal(verifier, b"[]") == "expected an envelope of payload, payloadType, signatures and nothing else"


def signed(keys, payload):
    """Sign bytes that no signer of ours would sign."""
    from securesystemslib.dsse import Envelope
    from securesystemslib.signer import Signer

    path, public = keys
    envelope = Envelope(payload, PAYLOAD_TYPE, {})
    envelope.sign(Signer.from_priv_key_uri(f"file2:{path}", read_public_key(public)))
    return canonical(envelope.to_dict()).encode()


def test_a_signed_payload_must_be_canonical_json(keys, verifier):
    assert refusal(verifier, signed(keys, b"{")) == "its payload is no JSON"
    assert refusal(verifier, signed(keys, b'{"a": 1}')) == "its payload is not written in canonical form"
    assert refusal(verifier, signed(keys, b'{"a":1,"a":1}')) == "its payload is not written in canonical form"
    assert refusal(verifier, signed(keys, b"[]")) == "its payload is not written in canonical form"


def test_another_key_is_named(tmp_path, verifier):
    path = tmp_path / "other.pem"
    stranger = EnvelopeSigner(path, generate_key(path)) if not path.exists() else None
    message = refusal(verifier, stranger.sign(STATEMENT))
    assert message == (f"it is signed by another key ({stranger.key_id[:16]}…) than those that may sign (ledger.pub)")


def test_a_stranger_who_claims_our_key_id_is_refused(tmp_path, signer, verifier):
    path = tmp_path / "other.pem"
    stranger = EnvelopeSigner(path, generate_key(path))
    forged = altered(stranger.sign(STATEMENT), lambda e: e["signatures"][0].update(keyid=signer.key_id))
    assert refusal(verifier, forged) == "its signature does not fit its contents: a byte was changed"


def test_no_key_at_all_is_no_pass():
    with pytest.raises(LedgerError) as caught:
        EnvelopeVerifier({})
    assert caught.value.message == "no key is named that may sign receipts"


def test_a_public_key_that_is_none_is_refused_by_its_name(keys):
    private = keys[0].read_bytes()
    with pytest.raises(LedgerError) as caught:
        EnvelopeVerifier({"ledger.pub": private}).key_ids  # noqa: B018  (reading it is what fails)
    assert caught.value.message.startswith("policies/ledger.pub is no public key in PEM form (")


def test_after_an_exchange_of_keys_both_open(tmp_path, keys, signer):
    path = tmp_path / "new.pem"
    new = generate_key(path)
    both = EnvelopeVerifier({"ledger.pub": keys[1], "new.pub": new})
    assert both.open(signer.sign(STATEMENT)) == STATEMENT
    assert both.open(EnvelopeSigner(path, new).sign(STATEMENT)) == STATEMENT
    assert EnvelopeVerifier({"ledger.pub": keys[1]}).fingerprints < both.fingerprints


def test_knowing_whom_to_believe_needs_no_library(keys):
    code = (
        "import sys; from daypass.edges.ledger.signing import EnvelopeVerifier;"
        f"EnvelopeVerifier({{'k': {keys[1]!r}}}).fingerprints;"
        "assert not any(m.split('.')[0] in ('securesystemslib', 'cryptography') for m in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_key_whose_signatures_fit_everything_signs_nothing(signer):
    # The neutral point: with it as a key and in a signature the equation of Ed25519 holds for any text.
    neutral = b"\x01" + bytes(31)
    key = Ed25519PublicKey.from_public_bytes(neutral)
    fits_all = neutral + bytes(32)
    key.verify(fits_all, b"any text")
    pem = key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    envelope = json.loads(signer.sign(STATEMENT))
    envelope["signatures"] = [{"keyid": read_public_key(pem).keyid, "sig": base64.b64encode(fits_all).decode()}]
    raw = canonical(envelope).encode()
    assert refusal(EnvelopeVerifier({"ledger.pub": pem}), raw) == (
        "its signature does not fit its contents: a byte was changed"
    )
