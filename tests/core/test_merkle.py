"""The Merkle tree over receipts: the roots that the Certificate Transparency project publishes, and RFC 6962's own rule."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daypass.core.ledger.merkle import Tree

LEAVES = [
    bytes.fromhex(leaf)
    for leaf in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]
ROOTS = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
"""Of the first so many leaves: github.com/google/certificate-transparency, cpp/merkletree/merkle_tree_test.cc."""


def by_rule(leaves):
    """Work a root out as section 2.1 of the RFC words it."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return hashlib.sha256(b"\x00" + leaves[0]).digest()
    k = 1 << ((len(leaves) - 1).bit_length() - 1)
    return hashlib.sha256(b"\x01" + by_rule(leaves[:k]) + by_rule(leaves[k:])).digest()


def tree_of(leaves):
    tree = Tree()
    for leaf in leaves:
        tree.add(leaf)
    return tree


@pytest.mark.parametrize("size", range(9))
def test_the_published_roots_come_out(size):
    assert tree_of(LEAVES[:size]).root == ROOTS[size]


@given(leaves=st.lists(st.binary(max_size=4), max_size=70), cut=st.integers(0, 70))
def test_a_tree_goes_on_from_its_frontier_to_the_root_of_the_rule(leaves, cut):
    first = tree_of(leaves[:cut])
    again = Tree(first.size, first.frontier)
    for leaf in leaves[cut:]:
        again.add(leaf)
    assert (again.size, again.root) == (len(leaves), by_rule(leaves).hex())
    assert again.frontier == tree_of(leaves).frontier


@pytest.mark.parametrize(
    ("size", "frontier"), [(0, ["00" * 32]), (1, []), (3, ["00" * 32]), (1, ["00" * 31]), (1, ["00" * 33])]
)
def test_a_frontier_of_another_size_is_refused(size, frontier):
    with pytest.raises(ValueError, match="frontier"):
        Tree(size, frontier)
