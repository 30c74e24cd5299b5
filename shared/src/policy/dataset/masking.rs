//! The masking strategies of Fides, as strategies of Habeas. docs/decisions/0010-fides-masking.md says why each is what.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::or_default;
use crate::mask::{LEAST_TOKEN_LENGTH, TOKEN_LENGTH};
use crate::policy::{RandomText, Strategy};

/// The strategies that Fides has for fields.
const NAMES: &str = "null_rewrite, string_rewrite, random_string_rewrite, hash, hmac, aes_encrypt or preserve";

/// How many characters Fides' random text has if nobody says otherwise.
const FIDES_LENGTH: usize = 30;

/// What a dataset says that an erasure does to a field, or with `delete` to the rows of a collection.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct MaskingOverride {
    /// Its name in Fides.
    pub strategy: String,
    /// Its options.
    #[serde(default, deserialize_with = "or_default", skip_serializing_if = "BTreeMap::is_empty")]
    pub configuration: BTreeMap<String, Value>,
}

/// A strategy of Fides as Habeas carries it out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Understood {
    /// What is done.
    pub strategy: Strategy,
    /// In what it differs from what Fides does.
    pub notes: Vec<String>,
}

impl MaskingOverride {
    /// Whether the rows of a collection go.
    #[must_use]
    pub fn is_delete(&self) -> bool {
        self.strategy == "delete"
    }

    /// What it comes to for a field. The error says what is wrong, and what to do.
    pub fn understood(&self) -> Result<Understood, String> {
        let mut notes = Vec::new();
        let strategy = match self.strategy.as_str() {
            "null_rewrite" => Strategy::Null,
            "preserve" => Strategy::Keep,
            "string_rewrite" => {
                let value =
                    self.text("rewrite_value").ok_or("string_rewrite needs configuration: {rewrite_value: TEXT}")?;
                Strategy::Fixed(format!("{value}{}", self.suffix().unwrap_or_default()))
            }
            "random_string_rewrite" => self.random(&mut notes),
            "hash" => {
                notes.push(
                    "Fides keeps the salt of a hash, with which a value can be guessed back: that is pseudonymisation. \
                     Habeas throws the salt away (salted_hash, SHA-256, without a suffix), so equal values are no longer \
                     equal afterwards"
                        .to_owned(),
                );
                Strategy::SaltedHash
            }
            "hmac" => Strategy::Hmac,
            "aes_encrypt" => Strategy::Encrypt,
            "delete" => {
                return Err("delete is for the rows of a collection; a field has null_rewrite".to_owned());
            }
            "shuffle" => {
                return Err(format!(
                    "strategy \"shuffle\" is not known to Fides, which has {NAMES}; to have values of others drawn, write \
                     shuffle in the rule of the collection in policy.yaml"
                ));
            }
            other => return Err(format!("strategy {other:?} is not known; Fides has {NAMES}")),
        };
        let known = self.options();
        let unknown = self.configuration.keys().filter(|key| !known.contains(&key.as_str()));
        notes.extend(unknown.map(|key| format!("{} has no option {key:?}; it is passed over", self.strategy)));
        Ok(Understood { strategy, notes })
    }

    fn random(&self, notes: &mut Vec<String>) -> Strategy {
        let asked = self.configuration.get("length").and_then(Value::as_u64);
        let asked = asked.map(|length| usize::try_from(length).unwrap_or(usize::MAX));
        if asked.is_none() && self.suffix().is_none() {
            return Strategy::Random;
        }
        let asked = asked.unwrap_or(FIDES_LENGTH);
        let length = asked.clamp(LEAST_TOKEN_LENGTH, TOKEN_LENGTH);
        if length != asked {
            notes.push(format!(
                "the random text has {length} characters and not {asked}: it begins with a mark by which it is told from a \
                 value that is still there"
            ));
        }
        Strategy::RandomText(RandomText { length, suffix: self.suffix().unwrap_or_default() })
    }

    fn options(&self) -> &'static [&'static str] {
        match self.strategy.as_str() {
            "string_rewrite" => &["rewrite_value", "format_preservation"],
            "random_string_rewrite" => &["length", "format_preservation"],
            "hash" | "hmac" => &["algorithm", "format_preservation"],
            "aes_encrypt" => &["mode", "format_preservation"],
            _ => &[],
        }
    }

    fn text(&self, option: &str) -> Option<String> {
        match self.configuration.get(option)? {
            Value::String(text) => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            _ => None,
        }
    }

    fn suffix(&self) -> Option<String> {
        Some(self.configuration.get("format_preservation")?.get("suffix")?.as_str()?.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn understood(yaml: &str) -> Result<Understood, String> {
        serde_saphyr::from_str::<MaskingOverride>(yaml).unwrap().understood()
    }

    #[test]
    fn every_strategy_of_fides_is_understood() {
        let suffix = "format_preservation: {suffix: \"@masked.example\"}";
        for (yaml, strategy, notes) in [
            ("{strategy: null_rewrite}".to_owned(), Strategy::Null, 0),
            ("{strategy: preserve, configuration: null}".to_owned(), Strategy::Keep, 0),
            (
                "{strategy: string_rewrite, configuration: {rewrite_value: MASKED}}".to_owned(),
                Strategy::Fixed("MASKED".into()),
                0,
            ),
            (
                format!("{{strategy: string_rewrite, configuration: {{rewrite_value: 1234, {suffix}}}}}"),
                Strategy::Fixed("1234@masked.example".into()),
                0,
            ),
            ("{strategy: random_string_rewrite}".to_owned(), Strategy::Random, 0),
            (
                format!("{{strategy: random_string_rewrite, configuration: {{length: 5, {suffix}}}}}"),
                Strategy::RandomText(RandomText { length: 13, suffix: "@masked.example".into() }),
                1,
            ),
            (
                format!("{{strategy: random_string_rewrite, configuration: {{{suffix}}}}}"),
                Strategy::RandomText(RandomText { length: 30, suffix: "@masked.example".into() }),
                0,
            ),
            ("{strategy: hash, configuration: {algorithm: SHA-512}}".to_owned(), Strategy::SaltedHash, 1),
            ("{strategy: hmac}".to_owned(), Strategy::Hmac, 0),
            ("{strategy: aes_encrypt, configuration: {mode: GCM}}".to_owned(), Strategy::Encrypt, 0),
            ("{strategy: null_rewrite, configuration: {colour: blue}}".to_owned(), Strategy::Null, 1),
        ] {
            let understood = understood(&yaml).unwrap();
            assert_eq!((understood.strategy, understood.notes.len()), (strategy, notes), "{yaml}");
        }
    }

    #[test]
    fn a_strategy_that_fides_does_not_have_is_refused_with_what_to_write() {
        assert!(understood("{strategy: string_rewrite}").unwrap_err().contains("rewrite_value"));
        assert!(understood("{strategy: delete}").unwrap_err().contains("null_rewrite"));
        assert!(understood("{strategy: shuffle}").unwrap_err().contains(NAMES));
    }
}
