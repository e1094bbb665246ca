from __future__ import annotations

import base64
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ledger import ADA, BOB, NOW, ORIGIN, checkpoint, key, registered, write_log

from shipworthy.errors import Unusable
from shipworthy.integrity import checkpoints, merkle
from shipworthy.integrity.keys import PublicKey, Register, signing_key

LOG = write_log(5)
KEYS = registered((key(1), ADA), (key(2), BOB))
WHOLE = checkpoint(LOG, key(1))

# Tree heads that the Go checksum database signed and others printed (transparency-dev/formats, log/checkpoint_test.go;
# sigstore and others), and its well-known key.
SUMDB = base64.b64decode("Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8")
HEADS = [
    "go.sum database tree\n6476701\nmb8QLQIs0Z0yP5Cstq6guj87oXWeC9gEM8oVikmm9Wk=\n\n— sum.golang.org Az3grsLX85Gz+s1SiTbgkuqxgItqFq7gsMUEyVnrsa9LM7Us9S+1xbFIGu95949rj4nPRYfvimWEPWL+o3GeoWwOoAw=\n",
    "go.sum database tree\n65209736\n5+uGFjx6xBZG8ip1+wi77v+grwbhhukIrxEUS8PXvRo=\n\n— sum.golang.org Az3grnbssgK7ubgFX36gVETtNv0U23qxyAhAMai2QUfeGa3nB/akvkMdlUErfcZz7l/R3cVtYspg3dxXABkGZZKdsQ8=\n",
    "go.sum database tree\n3935567\nSapHtgdNCeF00Cx8kqztePV24kgzNg++Xovae42HAMw=\n\n— sum.golang.org Az3grsm7Wm4CVNR1RHq9BFnu9jzcRlU2uw7lr0gfUWgO6+rqPNjT+fUTl9gH0NRTgdwW9nItuQSMbhSaLCsk8YeYSAs=\n",
]


def public(raw: bytes) -> Register:
    return Register(keys={}).add(PublicKey(raw=raw), ADA, now=NOW)


@pytest.mark.parametrize("head", HEADS)
def test_signed_tree_heads_against_reference(head: str) -> None:
    found = checkpoints.read(head.encode(), where="x")
    assert checkpoints.verify(found, public(SUMDB[1:]), where="x").fault is None
    assert checkpoints.to_text(found) == head.encode()
    other = replace(found, size=found.size + 1)
    assert checkpoints.verify(other, public(SUMDB[1:]), where="x").fault is not None


def test_key_id_and_signature_against_reference() -> None:
    """The vector of golang.org/x/mod/sumdb/note: key, text and signature, byte for byte."""
    secret = base64.b64decode("AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz")[1:]
    peter = signing_key("peter", secret)
    assert peter.public.raw == base64.b64decode("ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW")[1:]
    assert checkpoints.key_id("PeterNeumann", peter.public.raw).hex() == "c74f20a3"
    text = b"If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"
    published = base64.b64decode("x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=")  # fmt: skip
    assert bytes.fromhex("c74f20a3") + peter.sign(text) == published
    assert peter.public.verify(published[4:], text)


def test_text_is_the_agreed_shape() -> None:
    origin, size, root, blank, line, end = checkpoints.to_text(WHOLE).decode().split("\n")
    assert (origin, size, blank, end) == (ORIGIN, "5", "", "")
    assert base64.b64decode(root) == WHOLE.root
    assert line.startswith(f"— {ORIGIN} ")
    assert checkpoints.read(checkpoints.to_text(WHOLE), where="x") == WHOLE


def test_witnesses_are_counted_and_strangers_ignored() -> None:
    seen = checkpoints.sign_also(WHOLE, key(2), name="bob.example.org")
    seen = checkpoints.sign_also(seen, key(7), name="stranger.example.org")
    assert checkpoints.verify(seen, KEYS, where="x").persons == (ADA, BOB)
    twice = checkpoints.sign_also(WHOLE, key(3), name="ada.example.org")
    assert checkpoints.verify(twice, registered((key(1), ADA), (key(3), ADA)), where="x").persons == (ADA,)
    broken = replace(seen, signatures=(seen.signatures[0], replace(seen.signatures[1], sig=b"x" * 64)))
    assert checkpoints.verify(broken, KEYS, where="x").fault is not None  # one wrong line of a known key spoils it all


def test_revoked_key_counts_before_it_was_revoked_only() -> None:
    later = NOW.replace(year=2027)
    revoked = registered((key(1), ADA)).revoke(key(1).public.id, now=NOW, reason="left")
    assert checkpoints.verify(WHOLE, revoked, where="x").fault is not None
    assert checkpoints.verify(WHOLE, revoked, where="x", at=NOW).fault is not None
    assert checkpoints.verify(WHOLE, revoked, where="x", at=NOW.replace(year=2025)).fault is None
    assert checkpoints.verify(WHOLE, revoked, where="x", at=later).fault is not None


@settings(max_examples=300)
@given(st.data())
def test_any_flipped_byte_is_found_properties(data: st.DataObject) -> None:
    text = bytearray(checkpoints.to_text(WHOLE))
    place = data.draw(st.integers(0, len(text) - 1))
    text[place] ^= data.draw(st.integers(1, 255))
    try:
        found = checkpoints.read(bytes(text), where="x")
    except Unusable as error:
        assert error.faults[0].code == "CHKP001"
        return
    assert checkpoints.verify(found, KEYS, where="x").fault is not None


GOOD = checkpoints.to_text(WHOLE).decode()
ROOT = base64.b64encode(WHOLE.root).decode()


@pytest.mark.parametrize(
    "text",
    [
        "", "\n", "\n\n", "a\n", GOOD[:-1], GOOD + "\n", "\n" + GOOD, GOOD.replace("\n5\n", "\n05\n"), GOOD.replace("\n5\n", "\n-5\n"),
        GOOD.replace("\n5\n", "\n٥\n"), GOOD.replace("\n5\n", "\n" + "9" * 5000 + "\n"), GOOD.replace("\n5\n", f"\n{2**63}\n"), GOOD.replace("\n5\n", "\n\n"),
        GOOD.replace(ROOT, ROOT[:-4]), GOOD.replace(ROOT, "AAAA"), GOOD.replace(ROOT, ROOT + "="), GOOD.replace("— ", "- "), GOOD.replace("— ", "—"),
        GOOD.replace("\n— " + ORIGIN, "\n— a+b"), GOOD.replace("\n", "\r\n"), GOOD + "— x AAAA\n", GOOD + "— x y z\n", GOOD + GOOD.splitlines()[-1] * 1,
        GOOD + (GOOD.splitlines()[-1] + "\n") * 70, "x" * 70_000 + GOOD, GOOD.replace(ORIGIN, "a\0b"),
    ],
)  # fmt: skip
def test_hostile_text_is_refused(text: str) -> None:
    with pytest.raises(Unusable, match="CHKP001"):
        checkpoints.read(text.encode(), where="x")
    with pytest.raises(Unusable, match="CHKP001"):
        checkpoints.read(b"\xff" + text.encode(), where="x")


@pytest.mark.parametrize("name", ["", "with space", "a+b", "a\nb", "a\u00a0b", "x" * 256])
def test_origin_validates_input(name: str) -> None:
    with pytest.raises(ValueError, match="name a key"):
        checkpoints.sign(name, merkle.Tree(), key(1))
