//! SHA-256 that can be put down and taken up again, and chains of it. Pure.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::digest::common::hazmat::{SerializableState as _, SerializedState};
use sha2::{Digest as _, Sha256};

/// SHA-256 under way. Its stored form holds up to 63 bytes of what was hashed: it belongs into sealed cursors, and beside
/// what was hashed.
#[derive(Clone, Default)]
pub struct Sum(Sha256);

impl PartialEq for Sum {
    fn eq(&self, other: &Self) -> bool {
        self.0.serialize() == other.0.serialize()
    }
}

impl Eq for Sum {}

impl Sum {
    /// The sum of these bytes.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        let mut sum = Self::default();
        sum.update(bytes);
        sum
    }

    /// Adds bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// It with these bytes added.
    #[must_use]
    pub fn with(mut self, bytes: &[u8]) -> Self {
        self.update(bytes);
        self
    }

    /// The 32 bytes of it.
    #[must_use]
    pub fn bytes(self) -> [u8; 32] {
        self.0.finalize().into()
    }

    /// Lower-case hexadecimal.
    #[must_use]
    pub fn hex(self) -> String {
        hex::encode(self.bytes())
    }
}

impl Serialize for Sum {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD_NO_PAD.encode(self.0.serialize()))
    }
}

impl<'de> Deserialize<'de> for Sum {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let malformed = || serde::de::Error::custom("not a SHA-256 under way");
        let text = String::deserialize(deserializer)?;
        let bytes = STANDARD_NO_PAD.decode(text).map_err(|_| malformed())?;
        let state = SerializedState::<Sha256>::try_from(bytes.as_slice()).map_err(|_| malformed())?;
        Sha256::deserialize(&state).map(Self).map_err(|_| malformed())
    }
}

/// The bytes behind a digest in hexadecimal; none if it is no SHA-256.
#[must_use]
pub fn digest_of_hex(digits: &str) -> Option<[u8; 32]> {
    hex::decode(digits).ok()?.try_into().ok()
}

/// Things in an order, each of which changes the digest of all: whoever has the digest can tell that what they read is
/// what was written, all of it and in order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chain {
    /// How many there are.
    pub count: u32,
    digest: String,
}

impl Chain {
    /// Adds the next one.
    pub fn add(&mut self, bytes: &[u8]) {
        let mut sum = Sum::of(self.digest.as_bytes());
        sum.update(&Sum::of(bytes).bytes());
        self.count += 1;
        self.digest = STANDARD_NO_PAD.encode(sum.bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An update of `sha2` that stores this otherwise would let a package that is being made end with wrong digests: then
    /// the version of the package's cursor has to change with it.
    #[test]
    fn a_sum_that_is_put_down_goes_on_from_the_same_stored_form() {
        let text = b"more than one block of SHA-256, so that there is a state and a rest of it";
        for at in 0..text.len() {
            let stored = serde_json::to_string(&Sum::of(&text[..at])).unwrap();
            let mut sum: Sum = serde_json::from_str(&stored).unwrap();
            sum.update(&text[at..]);
            assert_eq!(sum.hex(), Sum::of(text).hex());
        }
        let stored = serde_json::to_string(&Sum::of(&text[..66])).unwrap();
        assert_eq!(stored, STORED);
        assert!(serde_json::from_str::<Sum>("\"AAAA\"").is_err());
        assert!(serde_json::from_str::<Sum>("\"-\"").is_err());
    }

    /// 40 bytes of state and 64 for a block that is not full.
    const STORED: &str = "\"yJnnLHMfWZxVICVhWYROgyVAH5ESzVeLJkD11/NXV0MBAAAAAAAAAAJlcwAAAAAAAAAAAAAAAAAAAAAA\
                          AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"";

    #[test]
    fn a_chain_tells_what_was_dropped_swapped_or_changed() {
        let of = |parts: &[&str]| {
            let mut chain = Chain::default();
            for part in parts {
                chain.add(part.as_bytes());
            }
            chain
        };
        let whole = of(&["a", "b", "c"]);
        for other in [of(&["a", "b"]), of(&["a", "c", "b"]), of(&["ab", "", "c"]), of(&["a", "b", "d"])] {
            assert_ne!(other, whole);
        }
        assert_eq!(of(&["a", "b", "c"]), whole);
    }
}
