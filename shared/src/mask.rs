//! What is done to a field's value: pure.
//!
//! The rules of this room: every strategy says what it amounts to in law ([`Class`]), and a policy that calls a reversible
//! one anonymisation is refused before it is ever applied (PIPL Art. 73: anonymised means that the person cannot be
//! identified *and* that it cannot be undone; GDPR Recital 26 and Art. 4(5) draw the same line). And twice is the same as
//! once: what a strategy has written, it leaves.

mod class;
mod format;
mod generalise;
mod scan;
mod shuffle;
mod token;

use std::collections::BTreeMap;

use jiff::civil::Date;
use sha2::Digest as _;

pub use class::Class;
pub use scan::{MARK, Scanner};
pub use shuffle::{LEAST_DRAWN_FROM, MOST_DRAWN_FROM, Samples};
pub use token::{LEAST_TOKEN_LENGTH, TOKEN_LENGTH};

use crate::policy::Strategy;
use crate::random::{self, Random};
use crate::record::{Record, Value};

/// What takes the place of a reference to a person.
pub const DETACHED: &str = "deleted-user";

/// What strategies work with.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    /// Tokens, salts and random characters come from there.
    pub random: &'a dyn Random,
    /// The day on which ages are reckoned.
    pub today: Date,
    /// Finds what is known of the person; none if the work is about nobody in particular.
    pub scanner: Option<&'a Scanner>,
    /// Values of others that one is drawn from; none: nothing is, and what would be replaced so goes.
    pub samples: Option<&'a Samples>,
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

/// Applies a strategy to a value; [`Masked::Kept`] if it has been applied already, which of [`Strategy::RandomFormat`]
/// only [`is_masked`] can tell. What takes the place of a list is put into each of its elements, so that it stays a list.
/// A value that cannot be generalised (a date that is no date) is removed: nothing personal is kept for being malformed.
/// Strategies that are no erasure and no anonymisation remove as well; a checked policy has none but [`Strategy::Shuffle`],
/// which needs to know of which field and row a value is: see [`shuffled`].
pub fn apply(strategy: &Strategy, value: &Value, context: &Context<'_>) -> Masked {
    if is_applied(strategy, value, context) {
        return Masked::Kept;
    }
    if let (Value::List(values), Class::Anonymisation | Class::Redaction) = (value, Class::of(strategy)) {
        return each(values, |value| apply(strategy, value, context));
    }
    match strategy {
        Strategy::Erase | Strategy::Hash | Strategy::Hmac | Strategy::Encrypt | Strategy::Shuffle => Masked::Removed,
        Strategy::Null => Masked::Replaced(Value::Null),
        Strategy::Fixed(text) => Masked::Replaced(Value::Text(text.clone())),
        Strategy::Detach => Masked::Replaced(Value::Text(DETACHED.to_owned())),
        Strategy::Random => Masked::Replaced(Value::Text(token::random(context.random))),
        Strategy::RandomText(form) => Masked::Replaced(Value::Text(token::with_form(form, context.random))),
        Strategy::RandomFormat => format::in_form(value, context.random).map_or(Masked::Removed, Masked::Replaced),
        Strategy::SaltedHash => {
            // The salt lives only in this call; without it not even a value of few possibilities can be guessed back.
            let salt = random::bytes::<32>(context.random);
            let encoded = serde_json::to_vec(value).unwrap_or_default();
            let hash = sha2::Sha256::new().chain_update(salt).chain_update(encoded).finalize();
            Masked::Replaced(Value::Text(token::of(&hash[..16])))
        }
        Strategy::Generalise(how) => {
            generalise::generalise(*how, value, context.today).map_or(Masked::Removed, Masked::Replaced)
        }
        Strategy::Scan => scanned(value, context.scanner),
        Strategy::Keep => Masked::Kept,
    }
}

/// Applies a strategy to the value at a path inside a value: names with dots between them, through objects and each
/// element of a list. What is no object where one should be is removed, since what is in it is not known.
pub fn apply_at(strategy: &Strategy, path: &str, value: &Value, context: &Context<'_>) -> Masked {
    match value {
        Value::Null => Masked::Kept,
        Value::List(values) => each(values, |value| apply_at(strategy, path, value, context)),
        Value::Map(record) => {
            let (name, rest) = match path.split_once('.') {
                Some((name, rest)) if record.get(path).is_none() => (name, Some(rest)),
                _ => (path, None),
            };
            let Some(inner) = record.get(name) else { return Masked::Kept };
            let masked = match rest {
                Some(rest) => apply_at(strategy, rest, inner, context),
                None => apply(strategy, inner, context),
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

/// What becomes of the value of a field of a row whose values are drawn from those of others. Nothing in a drawn value tells
/// that it was drawn, so the row's tokens tell; where there is no place for one, the value goes, which tells by itself.
pub fn shuffled(
    fields: &BTreeMap<String, Strategy>,
    field: &str,
    value: &Value,
    record: &Record,
    context: &Context<'_>,
) -> Masked {
    match (value, marks(fields, record)) {
        (Value::Null, _) | (_, Some(true)) => Masked::Kept,
        (_, None) => Masked::Removed,
        (_, Some(false)) => {
            let drawn = context.samples.and_then(|samples| samples.draw(field, context.random));
            drawn.map_or(Masked::Removed, Masked::Replaced)
        }
    }
}

/// Whether a row has been masked by these strategies already, as far as its tokens tell: there is one, and none is
/// missing. All fields of a row are masked in one write.
#[must_use]
pub fn is_masked(fields: &BTreeMap<String, Strategy>, record: &Record) -> bool {
    marks(fields, record) == Some(true)
}

/// Whether there is a token wherever one would be. None: there is nothing in whose place one would be.
fn marks(fields: &BTreeMap<String, Strategy>, record: &Record) -> Option<bool> {
    let marks = fields
        .iter()
        .flat_map(|(path, strategy)| record.values_at(path).into_iter().filter_map(|value| has_token(strategy, value)));
    marks.reduce(|all, is_token| all && is_token)
}

/// Whether a strategy that writes tokens wrote this one. None: it writes none, or there is nothing.
fn has_token(strategy: &Strategy, value: &Value) -> Option<bool> {
    let text = match value {
        Value::Null => return None,
        value => value.as_text().unwrap_or_default(),
    };
    match strategy {
        Strategy::Random | Strategy::SaltedHash => Some(token::is_token(text)),
        Strategy::RandomText(form) => Some(token::has_form(text, form)),
        _ => None,
    }
}

/// Whether what a strategy writes tells a later run that it was there.
#[must_use]
pub fn leaves_a_token(strategy: &Strategy) -> bool {
    matches!(strategy, Strategy::Random | Strategy::SaltedHash | Strategy::RandomText(_))
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

fn is_applied(strategy: &Strategy, value: &Value, context: &Context<'_>) -> bool {
    match (strategy, value) {
        // There is nothing of anybody in a null, and a column is never without a value as an attribute may be.
        (_, Value::Null) => true,
        // A column of numbers or truth values gives back what a text became in it.
        (Strategy::Fixed(text), Value::Bool(there)) => *text == there.to_string(),
        (Strategy::Fixed(text), there) => there.as_key().as_deref() == Some(text),
        (Strategy::Detach, Value::Text(there)) => there == DETACHED,
        (Strategy::Generalise(how), there) => generalise::is_coarse(*how, there, context.today),
        (strategy, there) => has_token(strategy, there) == Some(true),
    }
}

/// Texts, and those inside objects, without what is known of the person. Of what is no text, whatever holds it goes.
/// Without anybody to look for, as in a sweep, a text goes as a whole.
fn scanned(value: &Value, scanner: Option<&Scanner>) -> Masked {
    const MOST_SCANNED_BYTES: usize = 4 << 20;
    match (value, scanner) {
        // Folding takes a multiple of a text's bytes.
        (Value::Text(text), Some(_)) if text.len() > MOST_SCANNED_BYTES => {
            Masked::Replaced(Value::Text(MARK.to_string()))
        }
        (Value::Text(text), Some(scanner)) => {
            scanner.redacted(text).map_or(Masked::Kept, |left| Masked::Replaced(Value::Text(left)))
        }
        (Value::Text(text), None) if text.chars().all(|c| c == MARK) => Masked::Kept,
        (Value::Text(_), None) => Masked::Replaced(Value::Text(MARK.to_string())),
        (Value::Number(digits), Some(scanner)) if scanner.redacted(digits).is_none() => Masked::Kept,
        (Value::Number(_) | Value::Bytes(_), _) => Masked::Removed,
        (Value::Null | Value::Bool(_), _) => Masked::Kept,
        (Value::List(values), scanner) => each(values, |value| scanned(value, scanner)),
        (Value::Map(record), scanner) => {
            let mut changed = record.clone();
            for (name, value) in record.iter() {
                match scanned(value, scanner) {
                    Masked::Kept => {}
                    Masked::Removed => drop(changed.remove(name)),
                    Masked::Replaced(value) => changed.set(name, value),
                }
            }
            if changed == *record { Masked::Kept } else { Masked::Replaced(Value::Map(changed)) }
        }
    }
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
mod tests;
