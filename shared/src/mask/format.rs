//! Random values of the same form: a digit for a digit, a letter for a letter, everything else as it stands.
//!
//! Nothing in such a value tells that it was put there, so whoever does this needs another field of the row that does.

use crate::random::{self, Random};
use crate::record::Value;

/// The ideographs that stand in for ideographs: those of Unicode's first block of them.
const IDEOGRAPHS: std::ops::RangeInclusive<char> = '\u{4e00}'..='\u{9fa5}';

/// A value of the same form. None: it has no form that could be kept.
pub(super) fn in_form(value: &Value, random: &dyn Random) -> Option<Value> {
    match value {
        Value::Text(text) => Some(Value::Text(text.chars().map(|c| character(c, random)).collect())),
        Value::Number(digits) => Some(Value::Number(number(digits, random))),
        Value::Null | Value::Bool(_) | Value::Bytes(_) | Value::List(_) | Value::Map(_) => None,
    }
}

/// Whatever is neither a letter nor a digit of some script, nor plain punctuation, may say something by itself.
fn character(c: char, random: &dyn Random) -> char {
    match c {
        '0'..='9' => any(random, b'0', 10),
        'a'..='z' => any(random, b'a', 26),
        'A'..='Z' => any(random, b'A', 26),
        c if is_ideograph(c) => {
            let (first, last) = (*IDEOGRAPHS.start() as u32, *IDEOGRAPHS.end() as u32);
            let offset = u32::try_from(random::below(random, u64::from(last - first + 1))).unwrap_or(0);
            char::from_u32(first + offset).unwrap_or(*IDEOGRAPHS.start())
        }
        c if c.is_numeric() => any(random, b'0', 10),
        c if c.is_uppercase() => any(random, b'A', 26),
        c if c.is_alphabetic() => any(random, b'a', 26),
        c if c.is_ascii_punctuation() || c.is_whitespace() => c,
        _ => '*',
    }
}

/// The digits of a number are as many, and its first one stays what makes it a number of JSON: no zero before others.
fn number(digits: &str, random: &dyn Random) -> String {
    let mut is_first = true;
    let mut next = |c: char| match c {
        '1'..='9' if std::mem::take(&mut is_first) => any(random, b'1', 9),
        '0'..='9' => {
            let stays = std::mem::take(&mut is_first);
            if stays { c } else { any(random, b'0', 10) }
        }
        c => c,
    };
    // What stands in the exponent says how large the number is, and stays.
    let (mantissa, exponent) = digits.find(['e', 'E']).map_or((digits, ""), |at| digits.split_at(at));
    mantissa.chars().map(&mut next).chain(exponent.chars()).collect()
}

pub(super) fn is_ideograph(c: char) -> bool {
    matches!(c, '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}' | '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{323af}')
}

fn any(random: &dyn Random, first: u8, many: u8) -> char {
    char::from(first + u8::try_from(random::below(random, u64::from(many))).unwrap_or(0))
}
