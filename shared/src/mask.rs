//! What is done to a field's value: pure.
//!
//! The rule of this room: every strategy says what it amounts to in law ([`Class`]), and a policy that calls a reversible
//! one anonymisation is refused before it is ever applied (PIPL Art. 73: anonymised means that the person cannot be
//! identified *and* that it cannot be undone; GDPR Recital 26 and Art. 4(5) draw the same line).

use sha2::Digest as _;

use crate::policy::{Generalisation, Strategy};
use crate::random::{self, Random};
use crate::record::Value;

/// What a strategy amounts to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// The value is gone.
    Erasure,
    /// What is left identifies nobody and cannot be undone.
    Anonymisation,
    /// Whoever holds a key can undo or recognise it: still personal data.
    Pseudonymisation,
    /// Nothing is done.
    Unchanged,
}

impl Class {
    /// What this strategy amounts to.
    #[must_use]
    pub fn of(strategy: &Strategy) -> Self {
        match strategy {
            Strategy::Erase | Strategy::Null => Self::Erasure,
            Strategy::Fixed(_)
            | Strategy::Random
            | Strategy::RandomText(_)
            | Strategy::Generalise(_)
            | Strategy::SaltedHash => Self::Anonymisation,
            Strategy::Hmac | Strategy::Encrypt => Self::Pseudonymisation,
            Strategy::Keep => Self::Unchanged,
        }
    }
}

/// What becomes of a value.
#[derive(Clone, PartialEq)]
pub enum Masked {
    /// The attribute goes.
    Removed,
    /// This value takes its place.
    Replaced(Value),
    /// It stays as it is.
    Kept,
}

/// What every token begins with that stands in for a value, so that a second run sees that the first was there.
const STAND_IN: &str = "anon-";

/// Characters of a token without its suffix: what it begins with, and 16 bytes in hexadecimal.
pub const TOKEN_LENGTH: usize = STAND_IN.len() + 32;

/// Fewest characters of a token without its suffix: four bytes, so that two are seldom the same.
pub const LEAST_TOKEN_LENGTH: usize = STAND_IN.len() + 8;

/// Applies a strategy to a value; [`Masked::Kept`] if it has been applied already. What takes the place of a list is put
/// into each of its elements, so that it stays a list. A value that cannot be generalised (a date that is no date) is
/// removed: nothing personal is kept for being malformed. Reversible strategies remove as well; a checked policy has none.
pub fn apply(strategy: &Strategy, value: &Value, random: &dyn Random) -> Masked {
    if is_applied(strategy, value) {
        return Masked::Kept;
    }
    if let (Value::List(values), Class::Anonymisation) = (value, Class::of(strategy)) {
        return each(values, |value| apply(strategy, value, random));
    }
    match strategy {
        Strategy::Erase | Strategy::Hmac | Strategy::Encrypt => Masked::Removed,
        Strategy::Null => Masked::Replaced(Value::Null),
        Strategy::Fixed(text) => Masked::Replaced(Value::Text(text.clone())),
        Strategy::Random => Masked::Replaced(Value::Text(token(random))),
        Strategy::RandomText(form) => {
            let token: String = token(random).chars().take(form.length.max(LEAST_TOKEN_LENGTH)).collect();
            Masked::Replaced(Value::Text(format!("{token}{}", form.suffix)))
        }
        Strategy::SaltedHash => {
            // The salt lives only in this call; without it not even a value of few possibilities can be guessed back.
            let salt = random::bytes::<32>(random);
            let encoded = serde_json::to_vec(value).unwrap_or_default();
            let hash = sha2::Sha256::new().chain_update(salt).chain_update(encoded).finalize();
            Masked::Replaced(Value::Text(format!("{STAND_IN}{}", hex::encode(&hash[..16]))))
        }
        Strategy::Generalise(how) => match value.as_text().and_then(|text| generalise(*how, text)) {
            Some(coarse) => Masked::Replaced(Value::Text(coarse)),
            None => Masked::Removed,
        },
        Strategy::Keep => Masked::Kept,
    }
}

/// Applies a strategy to the value at a path inside a value: names with dots between them, through objects and each
/// element of a list. What is no object where one should be is removed, since what is in it is not known.
pub fn apply_at(strategy: &Strategy, path: &str, value: &Value, random: &dyn Random) -> Masked {
    match value {
        Value::Null => Masked::Kept,
        Value::List(values) => each(values, |value| apply_at(strategy, path, value, random)),
        Value::Map(record) => {
            let (name, rest) = match path.split_once('.') {
                Some((name, rest)) if record.get(path).is_none() => (name, Some(rest)),
                _ => (path, None),
            };
            let Some(inner) = record.get(name) else { return Masked::Kept };
            let masked = match rest {
                Some(rest) => apply_at(strategy, rest, inner, random),
                None => apply(strategy, inner, random),
            };
            let mut changed = record.clone();
            match masked {
                Masked::Kept => return Masked::Kept,
                Masked::Removed => drop(changed.remove(name)),
                Masked::Replaced(value) => changed.set(name, value),
            }
            Masked::Replaced(Value::Map(changed))
        }
        _ => Masked::Removed,
    }
}

fn each(values: &[Value], mask: impl Fn(&Value) -> Masked) -> Masked {
    let masked: Vec<Masked> = values.iter().map(mask).collect();
    if masked.iter().all(|masked| *masked == Masked::Kept) {
        return Masked::Kept;
    }
    let left = values.iter().zip(masked).filter_map(|(value, masked)| match masked {
        Masked::Removed => None,
        Masked::Replaced(value) => Some(value),
        Masked::Kept => Some(value.clone()),
    });
    Masked::Replaced(Value::List(left.collect()))
}

fn token(random: &dyn Random) -> String {
    format!("{STAND_IN}{}", hex::encode(random::bytes::<16>(random)))
}

fn is_applied(strategy: &Strategy, value: &Value) -> bool {
    match (strategy, value) {
        // There is nothing of anybody in a null, and a column is never without a value as an attribute may be.
        (_, Value::Null) => true,
        // A column of numbers or truth values gives back what a text became in it.
        (Strategy::Fixed(text), Value::Bool(there)) => *text == there.to_string(),
        (Strategy::Fixed(text), there) => there.as_key().as_deref() == Some(text),
        (Strategy::RandomText(form), Value::Text(there)) => {
            there.starts_with(STAND_IN) && there.ends_with(&form.suffix)
        }
        (Strategy::Random | Strategy::SaltedHash, Value::Text(there)) => there.starts_with(STAND_IN),
        (Strategy::Generalise(how), Value::Text(there)) => generalise(*how, there).as_ref() == Some(there),
        _ => false,
    }
}

fn generalise(how: Generalisation, text: &str) -> Option<String> {
    match how {
        Generalisation::Year => year(text).map(|year| format!("{year:04}")),
        Generalisation::Decade => year(text.strip_suffix("0s").map_or(text, |_| text.trim_end_matches('s')))
            .map(|year| format!("{:04}s", year / 10 * 10)),
        Generalisation::Month => {
            let month: u8 = text.get(5..7)?.parse().ok()?;
            let well_formed = text.as_bytes().get(4) == Some(&b'-') && (1..=12).contains(&month);
            well_formed.then(|| year(text).map(|year| format!("{year:04}-{month:02}")))?
        }
        Generalisation::City => {
            let mut words = text.split_whitespace();
            Some(format!("{} {}", words.next()?, words.next()?))
        }
        Generalisation::CoarseLocation => {
            let (latitude, longitude) = text.split_once(',')?;
            let coarse = |degrees: &str| degrees.trim().parse::<f64>().ok().filter(|value| value.is_finite());
            Some(format!("{:.1},{:.1}", coarse(latitude)?, coarse(longitude)?))
        }
    }
}

fn year(text: &str) -> Option<u16> {
    let digits = text.get(..4)?;
    let ends = text.len() == 4 || text.as_bytes().get(4) == Some(&b'-');
    (ends && digits.bytes().all(|b| b.is_ascii_digit())).then(|| digits.parse().ok())?
}

/// Masks text for an export: every character but the last `keep_last` becomes `*`. Text no longer than that is masked
/// whole, so that a short value is not shown for being short.
#[must_use]
pub fn keep_last(text: &str, keep_last: u8) -> String {
    let length = text.chars().count();
    let keep = if length > usize::from(keep_last) { usize::from(keep_last) } else { 0 };
    text.chars().enumerate().map(|(at, c)| if at < length - keep { '*' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::RandomText;
    use crate::random::SeededRandom;

    fn generalised(how: Generalisation, text: &str) -> Option<String> {
        match apply(&Strategy::Generalise(how), &Value::Text(text.into()), &SeededRandom::new(1)) {
            Masked::Replaced(Value::Text(text)) => Some(text),
            _ => None,
        }
    }

    #[test]
    fn generalising_keeps_the_coarse_part_only() {
        assert_eq!(generalised(Generalisation::Year, "1990-05-17").as_deref(), Some("1990"));
        assert_eq!(generalised(Generalisation::Decade, "1998-05-17").as_deref(), Some("1990s"));
        assert_eq!(generalised(Generalisation::Month, "1990-05-17T01:02:03Z").as_deref(), Some("1990-05"));
        assert_eq!(
            generalised(Generalisation::City, "浙江省 杭州市 西湖区 文三路 1 号").as_deref(),
            Some("浙江省 杭州市")
        );
        assert_eq!(generalised(Generalisation::CoarseLocation, "30.274085,120.15507").as_deref(), Some("30.3,120.2"));
    }

    #[test]
    fn applying_twice_changes_nothing_more() {
        for (strategy, text) in [
            (Strategy::Random, "li"),
            (Strategy::RandomText(RandomText { length: 20, suffix: "@masked.example".into() }), "li@mail.example"),
            (Strategy::SaltedHash, "li"),
            (Strategy::Fixed("[deleted]".into()), "li"),
            (Strategy::Generalise(Generalisation::Decade), "1998-05-17"),
            (Strategy::Generalise(Generalisation::Month), "1998-05-17"),
            (Strategy::Generalise(Generalisation::CoarseLocation), "30.274085,120.15507"),
        ] {
            let random = SeededRandom::new(1);
            let Masked::Replaced(once) = apply(&strategy, &Value::Text(text.into()), &random) else { panic!() };
            assert!(apply(&strategy, &once, &random) == Masked::Kept, "{strategy:?}");
        }
        for strategy in [Strategy::Erase, Strategy::Null, Strategy::Generalise(Generalisation::Year)] {
            assert!(apply(&strategy, &Value::Null, &SeededRandom::new(1)) == Masked::Kept, "{strategy:?}");
        }
        for (text, as_stored) in [("0", Value::Number("0".into())), ("false", Value::Bool(false))] {
            let strategy = Strategy::Fixed(text.into());
            assert!(apply(&strategy, &as_stored, &SeededRandom::new(1)) == Masked::Kept, "{text}");
        }
    }

    #[test]
    fn a_random_text_has_the_form_that_is_asked_for() {
        for (length, suffix, total) in
            [(20, "@masked.example", 35), (5, "", LEAST_TOKEN_LENGTH), (37, "", TOKEN_LENGTH)]
        {
            let strategy = Strategy::RandomText(RandomText { length, suffix: suffix.into() });
            let masked = apply(&strategy, &Value::Text("li@mail.example".into()), &SeededRandom::new(1));
            let Masked::Replaced(Value::Text(text)) = masked else { panic!() };
            assert!(text.starts_with(STAND_IN) && text.ends_with(suffix));
            assert_eq!(text.len(), total);
        }
    }

    #[test]
    fn what_cannot_be_generalised_is_removed() {
        for (how, text) in [
            (Generalisation::Year, "17 May 1990"),
            (Generalisation::Month, "1990-13-01"),
            (Generalisation::Month, "1990年5月17日"),
            (Generalisation::City, "杭州"),
            (Generalisation::CoarseLocation, "here, there"),
        ] {
            assert_eq!(generalised(how, text), None, "{text}");
        }
    }

    #[test]
    fn a_list_stays_a_list_and_what_is_inside_objects_is_reached() {
        let text = |text: &str| Value::Text(text.into());
        let object = |phone| Value::Map([("name".into(), text("Li")), ("phone".into(), phone)].into_iter().collect());
        let people = Value::List(vec![object(text("1")), object(Value::List(vec![text("2"), text("3")]))]);
        let fixed = Strategy::Fixed("-".into());
        let masked = apply_at(&fixed, "phone", &people, &SeededRandom::new(1));
        let Masked::Replaced(masked) = masked else { panic!() };
        let expected = Value::List(vec![object(text("-")), object(Value::List(vec![text("-"), text("-")]))]);
        assert!(masked == expected);
        assert!(apply_at(&fixed, "phone", &masked, &SeededRandom::new(2)) == Masked::Kept);
        let outer = Value::Map([("people".into(), people)].into_iter().collect());
        let masked = apply_at(&Strategy::Erase, "people.phone", &outer, &SeededRandom::new(1));
        let Masked::Replaced(Value::Map(masked)) = masked else { panic!() };
        assert!(masked.values_at("people.phone").is_empty());
        assert_eq!(masked.values_at("people.name").len(), 2);
        assert!(apply_at(&fixed, "phone", &text("{\"phone\": 1}"), &SeededRandom::new(1)) == Masked::Removed);
    }

    #[test]
    fn the_same_value_hashes_differently_each_time() {
        let random = SeededRandom::new(7);
        let value = Value::Text("110101199003070000".into());
        let (first, second) =
            (apply(&Strategy::SaltedHash, &value, &random), apply(&Strategy::SaltedHash, &value, &random));
        assert!(first != second);
    }

    proptest::proptest! {
        #[test]
        fn masking_shows_no_more_than_the_last_characters(text in "\\PC{0,40}", keep in 0u8..8) {
            let masked = keep_last(&text, keep);
            proptest::prop_assert_eq!(masked.chars().count(), text.chars().count());
            let shown: String = masked.chars().rev().take_while(|c| *c != '*').collect();
            proptest::prop_assert!(shown.chars().count() <= usize::from(keep) || text.contains('*'));
        }

        #[test]
        fn anonymising_never_leaves_the_value(text in "[0-9a-zA-Z]{6,40}") {
            let value = Value::Text(text.clone());
            for strategy in [Strategy::Erase, Strategy::Null, Strategy::Random, Strategy::SaltedHash,
                Strategy::Fixed("[deleted]".into()), Strategy::Generalise(Generalisation::City)] {
                if let Masked::Replaced(Value::Text(left)) = apply(&strategy, &value, &SeededRandom::new(3)) {
                    proptest::prop_assert!(!left.contains(&text));
                }
            }
        }
    }
}
