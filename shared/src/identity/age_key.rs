//! A person's own key for the package: a recipient of age of the kind X25519 (<https://age-encryption.org/v1>).

use std::str::FromStr;

use aws_lc_rs::agreement::{PrivateKey, UnparsedPublicKey, X25519, agree};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A private key to try others with; which one makes no difference.
const PROBE: [u8; 32] = [1; 32];

/// The text is no such key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "this is no public key of age of the kind X25519: age1 and 58 more letters and digits, as age-keygen prints it"
)]
pub struct NotAnAgeKey;

/// A public key of age. It may tell who somebody is, so it does not print and is kept sealed.
#[derive(Clone)]
pub struct AgeKey(age::x25519::Recipient);

impl AgeKey {
    /// The key as `age` takes it.
    #[must_use]
    pub fn expose(&self) -> &age::x25519::Recipient {
        &self.0
    }
}

impl FromStr for AgeKey {
    type Err = NotAnAgeKey;

    fn from_str(text: &str) -> Result<Self, NotAnAgeKey> {
        let recipient = text.parse().map_err(|_| NotAnAgeKey)?;
        let (_, point) = bech32::decode(text).map_err(|_| NotAnAgeKey)?;
        if is_sound(&point) { Ok(Self(recipient)) } else { Err(NotAnAgeKey) }
    }
}

/// Whether two can agree on a secret with it. With a point of small order everybody would have the same one, and age
/// panics.
fn is_sound(point: &[u8]) -> bool {
    let Ok(probe) = PrivateKey::from_private_key(&X25519, &PROBE) else {
        return false;
    };
    agree(&probe, UnparsedPublicKey::new(&X25519, point), (), |_| Ok(())).is_ok()
}

impl Serialize for AgeKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for AgeKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use bech32::{Bech32, Bech32m, Hrp};

    use super::*;

    fn encoded(prefix: &str, bytes: &[u8]) -> String {
        bech32::encode::<Bech32>(Hrp::parse(prefix).unwrap(), bytes).unwrap()
    }

    #[test]
    fn what_age_prints_is_a_key_and_what_only_looks_like_one_is_none() {
        let identity = age::x25519::Identity::generate();
        let text = identity.to_public().to_string();
        assert_eq!(text.len(), 62);
        let key: AgeKey = text.parse().unwrap();
        assert_eq!(serde_json::to_string(&key).unwrap(), format!("\"{text}\""));
        assert!(serde_json::from_str::<AgeKey>(&format!("\"{text}\"")).is_ok());

        let secret = identity.to_string();
        let other_sum = bech32::encode::<Bech32m>(Hrp::parse("age").unwrap(), &[9; 32]).unwrap();
        let not_keys = [
            String::new(),
            "age1".to_owned(),
            text[..61].to_owned(),
            format!("{text}q"),
            format!(" {text}"),
            other_sum,
            encoded("age", &[9; 31]),
            encoded("age", &[9; 33]),
            encoded("bc", &[9; 32]),
            age::secrecy::ExposeSecret::expose_secret(&secret).to_owned(),
            "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHsKLqeplhpW+uObz5dvMgjz1OxfM/XXUB+VHtZ6isGN".to_owned(),
        ];
        for text in not_keys {
            assert!(text.parse::<AgeKey>().is_err(), "{text}");
        }
    }

    #[test]
    fn points_of_small_order_are_no_keys() {
        // u of order 1, 2, 4 and 8, and such that are larger than the field: <https://cr.yp.to/ecdh.html#validate>
        let points = [
            "0000000000000000000000000000000000000000000000000000000000000000",
            "0100000000000000000000000000000000000000000000000000000000000000",
            "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
            "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
            "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
            "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
            "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
            "0000000000000000000000000000000000000000000000000000000000000080",
        ];
        for point in points {
            let text = encoded("age", &hex::decode(point).unwrap());
            assert!(text.parse::<AgeKey>().is_err(), "{point}");
        }
    }
}
