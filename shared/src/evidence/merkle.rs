//! Merkle trees as RFC 6962, section 2.1, defines them, with inclusion proofs (checked as RFC 9162, section 2.1.3.2, does).
//! Pure. Leaves and nodes are hashed under different first bytes, so that neither can be passed off as the other.

use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

const LEAF: u8 = 0;
const NODE: u8 = 1;

/// SHA-256 of a leaf, of a node, or of something that is chained like them; 64 hexadecimal digits where it is written.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TreeHash([u8; 32]);

/// Not 64 hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a hash has 64 hexadecimal digits, in lower case")]
pub struct NotAHash;

impl TreeHash {
    /// What stands where there is nothing before.
    pub const ZERO: Self = Self([0; 32]);

    /// SHA-256 of these bytes as they are.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// The hash of a leaf with these bytes.
    #[must_use]
    pub fn leaf(bytes: &[u8]) -> Self {
        Self(Sha256::new().chain_update([LEAF]).chain_update(bytes).finalize().into())
    }

    fn node(left: &Self, right: &Self) -> Self {
        Self(Sha256::new().chain_update([NODE]).chain_update(left.0).chain_update(right.0).finalize().into())
    }

    /// The 32 bytes.
    #[must_use]
    pub fn bytes(&self) -> [u8; 32] {
        self.0
    }
}

impl fmt::Display for TreeHash {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for TreeHash {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

impl From<TreeHash> for String {
    fn from(hash: TreeHash) -> Self {
        hash.to_string()
    }
}

impl TryFrom<String> for TreeHash {
    type Error = NotAHash;

    fn try_from(digits: String) -> Result<Self, NotAHash> {
        // Only one way to write a hash, so that what is read and written again stays the same.
        if digits.bytes().any(|digit| digit.is_ascii_uppercase()) {
            return Err(NotAHash);
        }
        let mut bytes = [0; 32];
        hex::decode_to_slice(&digits, &mut bytes).map_err(|_| NotAHash)?;
        Ok(Self(bytes))
    }
}

/// A tree with all its nodes: about two hashes a leaf.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tree {
    /// The leaves, then each level above them up to the root.
    levels: Vec<Vec<TreeHash>>,
}

impl Tree {
    /// The tree over these leaves, in their order.
    #[must_use]
    pub fn new(leaves: Vec<TreeHash>) -> Self {
        let mut levels = vec![leaves];
        while let Some(below) = levels.last().filter(|level| level.len() > 1) {
            // A node without a neighbour goes up as it is: that is where the RFC splits at the largest power of two.
            let level = below.chunks(2).map(|pair| match pair {
                [left, right] => TreeHash::node(left, right),
                alone => alone[0],
            });
            let level = level.collect();
            levels.push(level);
        }
        Self { levels }
    }

    /// How many leaves there are.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.levels.first().map_or(0, Vec::len) as u64
    }

    /// The root. That of a tree without leaves is the hash of nothing.
    #[must_use]
    pub fn root(&self) -> TreeHash {
        self.levels.last().and_then(|level| level.first()).copied().unwrap_or_else(|| TreeHash::of(b""))
    }

    /// The inclusion proof of a leaf, from the bottom up; none if there is no such leaf.
    #[must_use]
    pub fn path(&self, index: u64) -> Option<Vec<TreeHash>> {
        let mut index = usize::try_from(index).ok()?;
        self.levels.first()?.get(index)?;
        let mut path = Vec::new();
        for level in &self.levels {
            path.extend(level.get(index ^ 1));
            index /= 2;
        }
        Some(path)
    }
}

/// The root that an inclusion proof leads to; none if it is not of a tree of this size.
#[must_use]
pub fn root_by_path(leaf: TreeHash, index: u64, size: u64, path: &[TreeHash]) -> Option<TreeHash> {
    if index >= size {
        return None;
    }
    let (mut at, mut last, mut hash) = (index, size - 1, leaf);
    for neighbour in path {
        if last == 0 {
            return None;
        }
        if at % 2 == 1 || at == last {
            hash = TreeHash::node(neighbour, &hash);
            while at % 2 == 0 && at != 0 {
                at /= 2;
                last /= 2;
            }
        } else {
            hash = TreeHash::node(&hash, neighbour);
        }
        at /= 2;
        last /= 2;
    }
    (last == 0).then_some(hash)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The test data of Certificate Transparency, which RFC 6962 comes from: eight leaves, and the root after each.
    const LEAVES: [&str; 8] =
        ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"];
    const ROOTS: [&str; 9] = [
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
        "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
        "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
        "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
        "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
    ];
    /// The proof of the sixth of eight.
    const PATH: [&str; 3] = [
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ];

    fn known(count: usize) -> Tree {
        Tree::new(LEAVES[..count].iter().map(|leaf| TreeHash::leaf(&hex::decode(leaf).unwrap())).collect())
    }

    #[test]
    fn known_leaves_give_the_known_roots_and_proof() {
        for (count, root) in ROOTS.iter().enumerate() {
            assert_eq!(known(count).root().to_string(), *root, "{count} leaves");
        }
        let path: Vec<String> = known(8).path(5).unwrap().into_iter().map(String::from).collect();
        assert_eq!(path, PATH);
        assert_eq!(known(8).path(8), None);
    }

    #[test]
    fn a_node_is_no_leaf() {
        let (left, right) = (TreeHash::leaf(b"a"), TreeHash::leaf(b"b"));
        let node = TreeHash::node(&left, &right);
        assert_ne!(TreeHash::leaf(&[left.bytes(), right.bytes()].concat()), node);
    }

    #[test]
    fn a_hash_is_written_in_one_way() {
        for text in ["", "00", &"0".repeat(63), &"G".repeat(64), &"A".repeat(64)] {
            assert_eq!(TreeHash::try_from(text.to_owned()), Err(NotAHash), "{text}");
        }
    }

    /// The root as the RFC words it.
    fn defined(leaves: &[TreeHash]) -> TreeHash {
        match leaves {
            [] => TreeHash::of(b""),
            [leaf] => *leaf,
            more => {
                let half = more.len().next_power_of_two() / 2;
                TreeHash::node(&defined(&more[..half]), &defined(&more[half..]))
            }
        }
    }

    proptest! {
        #[test]
        fn every_leaf_is_proven_in_its_place_and_nowhere_else(count in 1_u64..70, index in 0_u64..70, other in 0_u64..70) {
            let leaves: Vec<TreeHash> = (0..count).map(|leaf| TreeHash::leaf(&leaf.to_be_bytes())).collect();
            let tree = Tree::new(leaves.clone());
            prop_assert_eq!(tree.root(), defined(&leaves));
            let (index, other) = (index % count, other % count);
            let leaf = leaves[usize::try_from(index).unwrap()];
            let path = tree.path(index).unwrap();
            prop_assert_eq!(root_by_path(leaf, index, count, &path), Some(tree.root()));
            if other != index {
                prop_assert_ne!(root_by_path(leaf, other, count, &path), Some(tree.root()));
                let neighbour = leaves[usize::try_from(other).unwrap()];
                prop_assert_ne!(root_by_path(neighbour, index, count, &path), Some(tree.root()));
            }
            for at in 0..path.len() {
                let mut changed = path.clone();
                changed[at] = TreeHash::ZERO;
                prop_assert_ne!(root_by_path(leaf, index, count, &changed), Some(tree.root()));
            }
            prop_assert_eq!(root_by_path(leaf, count, count, &path), None);
            let longer = [path.as_slice(), &[TreeHash::ZERO]].concat();
            prop_assert_eq!(root_by_path(leaf, index, count, &longer), None);
            if let Some((_, shorter)) = path.split_last() {
                prop_assert_eq!(root_by_path(leaf, index, count, shorter), None);
            }
        }
    }
}
