from __future__ import annotations

import json
from base64 import b64encode, urlsafe_b64encode
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ledger import ADA, BOB, EVE, NOW, key, registered

from shipworthy.errors import Unusable
from shipworthy.integrity import envelope as env
from shipworthy.integrity.envelope import IN_TOTO, Envelope, Signature
from shipworthy.integrity.keys import PublicKey, Register, signing_key
from shipworthy.integrity.persons import Person

PAYLOAD = b'{"_type":"https://in-toto.io/Statement/v1"}'
KEYS = registered((key(1), ADA), (key(2), BOB), (key(3), ADA))

# The vectors of DSSE itself (secure-systems-lab/dsse, testvectors/vectors.json). A, B: RFC 8032's first two keys.
SEEDS = {"A": "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60", "B": "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb"}  # fmt: skip
STATEMENT = "eyJfdHlwZSI6Imh0dHBzOi8vaW4tdG90by5pby9TdGF0ZW1lbnQvdjEifQ=="
SIG_A = "2WAfaHm5jluo0w+0rk8uVkluELJYWjSmU9x7EUzx+AyteDGJ4/nqyJXfmAUVFIAoQafWm7AxBZNw5M9ixNHiCA=="
SIG_B = "c1+67/aT0yqEpwx8PsVY3MLHsj9D0CZ014/Fv/QlG59P+9CobUZ7xECJ/V3USG0Ob9CiE5LjReEZUzNF2l7eBw=="
UMLAUT = "application/vnd.exämple+json"
VECTORS = {  # payload, type, [(keyid, sig)], trusted, threshold, types, accepted
    "single-signature": (STATEMENT, IN_TOTO, [("A", SIG_A)], "A", 1, [IN_TOTO], True),
    "url-safe-base64": ("-_-_Pj8=", IN_TOTO, [("A", "P-_KHICeR7tI6S_YyejJTRtrXhcQyQ2LYPaL8h90KjC9qN8HU_svOQ6TuDOT1HIrsGW886DbWNWcCmX5twLrAw==")], "A", 1, [IN_TOTO], True),
    "payload-type-swapped": (STATEMENT, "application/vnd.example.other+json", [("A", SIG_A)], "A", 1, [IN_TOTO, "application/vnd.example.other+json"], False),
    "non-ascii-payload-type": (STATEMENT, UMLAUT, [("A", "xmSk/ug66ysT7ayhkCIjhAq42zgZXSsEWuzUaNL7w2eGAdF/NU6/fRXPtmfN+5DNSAs5/i2lUnHjbbjPsu0tAw==")], "A", 1, [UMLAUT], True),
    "empty-payload": ("", IN_TOTO, [("A", "gSggCAaTLTYyRH6FIDBem6meyIynsYy8RTHVzwx9tnTb7Bg/1jMWnuVgI/gffqmbsC2VX5/jHfkkDqsj7CDbDg==")], "A", 1, [IN_TOTO], True),
    "empty-payload-type": (STATEMENT, "", [("A", "iC3q/+3Rm0+lpAJRueDmDh15PnwCfxKmS0NAfKsbv+zgulXQC/WM9trc+j1XEqlwDIg/vf/uNfebeD6sxInrDg==")], "A", 1, [IN_TOTO], False),
    "threshold-two-distinct-keys": (STATEMENT, IN_TOTO, [("A", SIG_A), ("B", SIG_B)], "AB", 2, [IN_TOTO], True),
    "threshold-two-one-key-twice": (STATEMENT, IN_TOTO, [("A", SIG_A), ("A", SIG_A)], "AB", 2, [IN_TOTO], False),
    "threshold-two-without-keyids": (STATEMENT, IN_TOTO, [(None, SIG_A), (None, SIG_B)], "AB", 2, [IN_TOTO], True),
}  # fmt: skip


def code(found: env.Signed) -> str | None:
    return found.fault.code if found.fault else None


@pytest.mark.parametrize("name", VECTORS)
def test_vectors_against_reference(name: str) -> None:
    payload, kind, signatures, trusted, threshold, types, accepted = VECTORS[name]
    register = Register(keys={})
    for one in trusted:  # one person a key, as DSSE counts
        register = register.add(
            signing_key(one, bytes.fromhex(SEEDS[one])).public, Person(name=one, email=f"{one}@x"), now=NOW
        )
    record = {
        "payload": payload,
        "payloadType": kind,
        "signatures": [{"sig": s} | ({"keyid": k} if k else {}) for k, s in signatures],
    }
    read = env.read(json.dumps(record).encode(), where="x")
    assert (env.verify(read, register, where="x", threshold=threshold, types=types).fault is None) is accepted


def test_encoding_and_signature_against_reference() -> None:
    assert (
        env.pae("http://example.com/HelloWorld", b"hello world")
        == b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
    )
    assert env.pae(UMLAUT, b"") == b"DSSEv1 29 " + UMLAUT.encode() + b" 0 "
    signed = env.sign(PAYLOAD, [signing_key("a", bytes.fromhex(SEEDS["A"]))])
    assert b64encode(signed.signatures[0].sig).decode() == SIG_A
    assert json.loads(env.to_json(signed))["payload"] == STATEMENT


def test_independent_verifier_accepts_what_we_sign_and_we_what_it_signs() -> None:
    dsse = pytest.importorskip("securesystemslib.dsse")
    signer = pytest.importorskip("securesystemslib.signer")
    keys = [key(1), key(2)]
    theirs = [signer.SSlibKey.from_crypto(one.private.public_key()) for one in keys]
    assert [one.keyid for one in theirs] == [one.public.id for one in keys]
    ours = dsse.Envelope.from_dict(json.loads(env.to_json(env.sign(PAYLOAD, keys))))
    assert len(ours.verify(theirs, 2)) == 2
    with pytest.raises(Exception, match=r"verif|signature"):
        dsse.Envelope(PAYLOAD + b" ", IN_TOTO, ours.signatures).verify(theirs, 1)
    made = dsse.Envelope(PAYLOAD, IN_TOTO, {})
    made.sign(signer.CryptoSigner(keys[0].private, theirs[0]))
    read = env.read(json.dumps(made.to_dict()).encode(), where="x")
    assert env.verify(read, KEYS, where="x").persons == (ADA,)


def test_threshold_counts_persons_not_keys() -> None:
    two_keys_of_ada = env.sign(PAYLOAD, [key(1), key(3)])
    found = env.verify(two_keys_of_ada, KEYS, where="x", threshold=2)
    assert code(found) == "SIGN005"
    assert found.persons == (ADA,)
    assert set(found.keys) == {key(1).public.id, key(3).public.id}
    assert env.verify(env.sign_also(two_keys_of_ada, key(2)), KEYS, where="x", threshold=2).persons == (ADA, BOB)
    spelled = registered((key(1), ADA), (key(3), replace(ADA, name="A. L.", email="ADA@Example.org")))
    assert code(env.verify(two_keys_of_ada, spelled, where="x", threshold=2)) == "SIGN005"
    with pytest.raises(ValueError, match="at least one"):
        env.verify(two_keys_of_ada, KEYS, where="x", threshold=0)


def test_revoked_keys_count_for_nothing() -> None:
    revoked = KEYS.revoke(key(1).public.id, now=NOW, reason="lost")
    signed = env.sign(PAYLOAD, [key(1)])
    assert code(env.verify(signed, revoked, where="x")) == "SIGN004"
    assert code(env.verify(signed, revoked, where="x", at=NOW)) == "SIGN004"
    assert env.verify(signed, revoked, where="x", at=NOW.replace(year=2025)).persons == (ADA,)
    both = env.sign_also(signed, key(2))
    assert env.verify(both, revoked, where="x").persons == (BOB,)
    assert code(env.verify(both, revoked, where="x", threshold=2)) == "SIGN005"


def test_signature_of_another_key_or_for_another_payload() -> None:
    assert code(env.verify(env.sign(PAYLOAD, [key(9)]), KEYS, where="x")) == "SIGN003"
    signed = env.sign(PAYLOAD, [key(1)])
    assert code(env.verify(replace(signed, payload=PAYLOAD + b" "), KEYS, where="x")) == "SIGN003"
    assert code(env.verify(replace(signed, payload_type="text/plain"), KEYS, where="x")) == "SIGN002"
    hint = Signature(keyid=key(2).public.id, sig=signed.signatures[0].sig)  # a wrong hint misleads nobody
    assert env.verify(replace(signed, signatures=(hint,)), KEYS, where="x").persons == (ADA,)
    pretended = replace(env.sign(PAYLOAD, [key(9)]).signatures[0], keyid=key(1).public.id)
    assert code(env.verify(replace(signed, signatures=(pretended,)), KEYS, where="x")) == "SIGN003"


SIGNED = env.to_json(env.sign(PAYLOAD, [key(1)]))


@settings(max_examples=400)
@given(st.data())
def test_any_flipped_byte_is_found_or_only_a_hint_properties(data: st.DataObject) -> None:
    place, mask = data.draw(st.integers(0, len(SIGNED) - 1)), data.draw(st.integers(1, 255))
    changed = SIGNED[:place] + bytes([SIGNED[place] ^ mask]) + SIGNED[place + 1 :]
    try:
        read = env.read(changed, where="x")
    except Unusable as error:
        assert error.faults[0].code == "SIGN001"
        return
    found = env.verify(read, KEYS, where="x")
    if found.fault is None:  # what it says and who said it are unchanged; the key's id vouches for nothing
        assert (read.payload, read.payload_type, found.persons) == (PAYLOAD, IN_TOTO, (ADA,))


def mangled(**changes: object) -> bytes:
    return json.dumps(json.loads(SIGNED) | changes).encode()


GOOD_SIG = json.loads(SIGNED)["signatures"][0]


@pytest.mark.parametrize(
    "data",
    [
        b"", b"null", b"[]", b"{}", b"\xff", b'"\\ud800"', b"[" * 200_000, b'{"a":' * 100_000, b"NaN", b'{"payload":Infinity}',
        b'{"payload":"","payload":"",' + SIGNED[1:], SIGNED + SIGNED, b"\xef\xbb\xbf" + SIGNED, b" " * (17 << 20),
        b'{"n":' + b"9" * 100_000 + b"}",
        mangled(payload=None), mangled(payload=7), mangled(payload="!"), mangled(payload="YQ"), mangled(payload="YR=="), mangled(payload="YQ==="),
        mangled(payload="Y Q="), mangled(payload="ä"), mangled(payload="-+8="), mangled(payload="\ud800"), mangled(payloadType=None), mangled(payloadType="\ud800"), mangled(signatures=None), mangled(signatures=[]),
        mangled(signatures={}), mangled(signatures=["x"]), mangled(signatures=[{}]), mangled(signatures=[{"sig": 1}]),
        mangled(signatures=[{"sig": "!"}]), mangled(signatures=[GOOD_SIG | {"keyid": 3}]), mangled(signatures=[GOOD_SIG] * 65),
    ],
)  # fmt: skip
def test_hostile_envelopes_are_refused(data: bytes) -> None:
    with pytest.raises(Unusable, match="SIGN001") as caught:
        env.read(data, where="attestation.json")
    assert caught.value.faults[0].where == "attestation.json"
    assert len(str(caught.value)) < 1000


def test_signatures_of_any_length_are_only_wrong() -> None:
    for sig in (b"", b"x", b"x" * 64, b"x" * 100_000):
        read = env.read(mangled(signatures=[{"sig": urlsafe_b64encode(sig).decode(), "keyid": None}]), where="x")
        assert code(env.verify(read, KEYS, where="x")) == "SIGN003"


def test_unknown_fields_are_ignored_as_dsse_asks() -> None:
    assert env.verify(env.read(mangled(more={"x": 1}), where="x"), KEYS, where="x").fault is None


def test_round_trip() -> None:
    signed = env.sign(bytes(range(256)), [key(1), key(2)], payload_type=UMLAUT)
    assert env.read(env.to_json(signed), where="x") == signed
    assert isinstance(signed, Envelope)
    assert env.verify(signed, registered((key(2), EVE)), where="x", types=[UMLAUT]).persons == (EVE,)
    assert PublicKey(raw=key(1).public.raw) == key(1).public


def test_large_payload_with_nameless_signatures_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(env, "MOST_WORK", 10_000)  # two tries
    strangers = [replace(one, keyid="") for one in env.sign(PAYLOAD, [key(8), key(9)]).signatures]
    hostile = Envelope(payload=PAYLOAD, payload_type=IN_TOTO, signatures=tuple(strangers))
    assert code(env.verify(hostile, KEYS, where="x")) == "SIGN006"
    named = replace(hostile, signatures=(*strangers, *env.sign(PAYLOAD, [key(2)]).signatures))
    assert env.verify(named, KEYS, where="x").persons == (BOB,)  # who names the key is never crowded out
