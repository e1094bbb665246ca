from __future__ import annotations

import hashlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shipworthy.integrity import merkle

h = bytes.fromhex

# Leaves, roots and proofs that Certificate Transparency's implementations publish (transparency-dev/merkle,
# proof/verify_test.go; the same as certificate-transparency's merkle_tree_test.cc).
LEAVES = [
    h(text)
    for text in ("", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f")
]
ROOTS = [
    h(text)
    for text in (
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
        "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
        "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
        "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
        "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
    )
]
INCLUSION = [  # index, size, proof
    (0, 1, ()),
    (0, 8, ("96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7", "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e", "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4")),
    (5, 8, ("bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b", "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0", "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7")),
    (2, 3, ("fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",)),
    (1, 5, ("6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d", "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e", "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b")),
]  # fmt: skip
CONSISTENCY = [  # old, new, proof
    (1, 1, ()),
    (1, 8, ("96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7", "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e", "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4")),
    (6, 8, ("0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a", "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0", "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7")),
    (2, 5, ("5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e", "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b")),
    (6, 7, ("0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a", "b08693ec2e721597130641e8211e7eedccb4c26413963eee6c1e2ed16ffb1a5f", "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7")),
]  # fmt: skip
HASHES = [merkle.leaf_hash(leaf) for leaf in LEAVES]


@pytest.mark.parametrize("size", range(1, 9))
def test_roots_against_reference(size: int) -> None:
    assert merkle.root(HASHES[:size]) == ROOTS[size - 1]
    assert merkle.root([]) == merkle.EMPTY == hashlib.sha256().digest()


@pytest.mark.parametrize(("index", "size", "proof"), INCLUSION)
def test_inclusion_against_reference(index: int, size: int, proof: tuple[str, ...]) -> None:
    known = [h(step) for step in proof]
    assert merkle.inclusion_proof(HASHES[:size], index) == known
    assert merkle.verify_inclusion(HASHES[index], index, size, known, ROOTS[size - 1])


@pytest.mark.parametrize(("old", "new", "proof"), CONSISTENCY)
def test_consistency_against_reference(old: int, new: int, proof: tuple[str, ...]) -> None:
    known = [h(step) for step in proof]
    assert merkle.consistency_proof(HASHES[:new], old) == known
    assert merkle.verify_consistency(old, new, known, ROOTS[old - 1], ROOTS[new - 1])


@pytest.mark.parametrize(("index", "size", "proof"), INCLUSION[1:])
def test_inclusion_refuses_what_the_reference_refuses(index: int, size: int, proof: tuple[str, ...]) -> None:
    leaf, path, top = HASHES[index], [h(step) for step in proof], ROOTS[size - 1]
    flipped = [
        [bytes([step[0] ^ 8]) + step[1:] if at == n else step for at, step in enumerate(path)] for n in range(len(path))
    ]
    for args in [
        (leaf, index - 1, size, path, top), (leaf, index + 1, size, path, top), (leaf, index ^ 2, size, path, top),
        (leaf, index, size * 2, path, top), (leaf, index, size // 2, path, top), (b"WrongLeaf", index, size, path, top),
        (leaf, index, size, path, merkle.EMPTY), (leaf, index, size, [*path, b""], top), (leaf, index, size, [*path, top], top),
        (leaf, index, size, [b"", *path], top), (leaf, index, size, [top, *path], top), (leaf, index, size, path[:-1], top),
        *((leaf, index, size, wrong, top) for wrong in flipped),
    ]:  # fmt: skip
        assert not merkle.verify_inclusion(*args)


@pytest.mark.parametrize(("old", "new", "proof"), CONSISTENCY[1:])
def test_consistency_refuses_what_the_reference_refuses(old: int, new: int, proof: tuple[str, ...]) -> None:
    path, first, second = [h(step) for step in proof], ROOTS[old - 1], ROOTS[new - 1]
    flipped = [
        [bytes([step[0] ^ 16]) + step[1:] if at == n else step for at, step in enumerate(path)]
        for n in range(len(path))
    ]
    for args in [
        (old - 1, new, path, first, second), (old + 1, new, path, first, second), (old ^ 2, new, path, first, second),
        (old, new * 2, path, first, second), (old, new // 2, path, first, second), (old, new, path, b"WrongRoot", second),
        (old, new, path, first, b"WrongRoot"), (old, new, path, second, first), (old, new, [], first, second),
        (old, new, [*path, b""], first, second), (old, new, [*path, first], first, second), (old, new, [*path, second], first, second),
        (old, new, [b"", *path], first, second), (old, new, [first, *path], first, second), (old, new, [second, *path], first, second),
        (old, new, [path[0], *path], first, second), (old, new, path[:-1], first, second),
        *((old, new, wrong, first, second) for wrong in flipped),
    ]:  # fmt: skip
        assert not merkle.verify_consistency(*args)


def test_consistency_of_special_sizes() -> None:
    one, two = ROOTS[:2]
    assert merkle.verify_consistency(0, 1, [], merkle.EMPTY, one)
    assert merkle.verify_consistency(0, 0, [], merkle.EMPTY, merkle.EMPTY)
    assert not merkle.verify_consistency(0, 1, [], two, one)  # stricter than the reference, which takes any older root
    assert not merkle.verify_consistency(0, 1, [one], merkle.EMPTY, one)
    assert not merkle.verify_consistency(2, 1, [], two, one)
    assert not merkle.verify_consistency(1, 1, [], one, two)


def theory(leaves: list[bytes]) -> bytes:
    """The definition of RFC 6962, section 2.1, word for word."""
    n = len(leaves)
    if n == 0:
        return hashlib.sha256(b"").digest()
    if n == 1:
        return hashlib.sha256(b"\x00" + leaves[0]).digest()
    k = max(2**i for i in range(n) if 2**i < n)
    return hashlib.sha256(b"\x01" + theory(leaves[:k]) + theory(leaves[k:])).digest()


@pytest.mark.parametrize("size", [*range(40), 63, 64, 65, 127, 200])
def test_root_against_theory(size: int) -> None:
    leaves = [str(n).encode() for n in range(size)]
    assert merkle.root(map(merkle.leaf_hash, leaves)) == theory(leaves)


def test_proofs_are_right_for_every_pair_up_to_33() -> None:
    hashes = [merkle.leaf_hash(bytes([n])) for n in range(33)]
    roots = [merkle.root(hashes[:n]) for n in range(34)]
    for size in range(34):
        for index in range(size):
            proof = merkle.inclusion_proof(hashes[:size], index)
            assert merkle.verify_inclusion(hashes[index], index, size, proof, roots[size])
        for old in range(size + 1):
            proof = merkle.consistency_proof(hashes[:size], old)
            assert merkle.verify_consistency(old, size, proof, roots[old], roots[size])


@settings(max_examples=60)
@given(st.data())
def test_proof_properties(data: st.DataObject) -> None:
    size = data.draw(st.integers(2, 70))
    hashes = [merkle.leaf_hash(bytes([n])) for n in range(size)]
    index = data.draw(st.integers(0, size - 1))
    other = data.draw(st.integers(0, size - 1).filter(lambda n: n != index))
    proof, top = merkle.inclusion_proof(hashes, index), merkle.root(hashes)
    assert not merkle.verify_inclusion(hashes[other], index, size, proof, top)
    assert not merkle.verify_inclusion(hashes[index], other, size, proof, top)
    assert len(proof) <= (size - 1).bit_length()


@settings(max_examples=60)
@given(st.integers(0, 130), st.integers(0, 40))
def test_tree_goes_on_from_its_state_properties(before: int, after: int) -> None:
    hashes = [merkle.leaf_hash(str(n).encode()) for n in range(before + after)]
    first = merkle.Tree()
    for leaf in hashes[:before]:
        first.append(leaf)
    second = merkle.Tree(first.size, first.peaks)
    for leaf in hashes[before:]:
        second.append(leaf)
    assert second.size == before + after
    assert second.root() == merkle.root(hashes)
    assert len(second.peaks) == second.size.bit_count()


@pytest.mark.parametrize(("size", "peaks"), [(1, []), (2, [b"x" * 32] * 2), (3, [b"x" * 31] * 2), (-1, [b"x" * 32])])
def test_tree_validates_its_state(size: int, peaks: list[bytes]) -> None:
    with pytest.raises(ValueError, match="peaks"):
        merkle.Tree(size, peaks)


@pytest.mark.parametrize("index", [-1, 3])
def test_proofs_validate_input(index: int) -> None:
    with pytest.raises(IndexError):
        merkle.inclusion_proof(HASHES[:3], index)
    with pytest.raises(IndexError):
        merkle.consistency_proof(HASHES[:3], index + 1 if index > 0 else index)
