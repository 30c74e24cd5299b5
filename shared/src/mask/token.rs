//! Tokens that stand in for values, and by which a second run sees that the first was there.

use crate::policy::RandomText;
use crate::random::{self, Random};

/// What every token begins with.
const STAND_IN: &str = "anon-";

/// Characters of a token without its suffix: what it begins with, and 16 bytes in hexadecimal.
pub const TOKEN_LENGTH: usize = STAND_IN.len() + 32;

/// Fewest characters of a token without its suffix: four bytes, so that two are seldom the same.
pub const LEAST_TOKEN_LENGTH: usize = STAND_IN.len() + 8;

/// A token that nothing maps back.
pub(super) fn random(random: &dyn Random) -> String {
    of(&random::bytes::<16>(random))
}

/// A token of 16 bytes.
pub(super) fn of(bytes: &[u8]) -> String {
    format!("{STAND_IN}{}", hex::encode(bytes))
}

/// A token of a certain form.
pub(super) fn with_form(form: &RandomText, source: &dyn Random) -> String {
    let token: String = random(source).chars().take(length(form)).collect();
    format!("{token}{}", form.suffix)
}

/// Whether a text is a token.
pub(super) fn is_token(text: &str) -> bool {
    is_of_length(text, TOKEN_LENGTH)
}

/// Whether a text is a token of a certain form.
pub(super) fn has_form(text: &str, form: &RandomText) -> bool {
    text.strip_suffix(form.suffix.as_str()).is_some_and(|token| is_of_length(token, length(form)))
}

/// A value that only begins like a token is somebody's: a nickname can.
fn is_of_length(text: &str, length: usize) -> bool {
    let digits = text.strip_prefix(STAND_IN);
    text.len() == length && digits.is_some_and(|digits| digits.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')))
}

fn length(form: &RandomText) -> usize {
    form.length.clamp(LEAST_TOKEN_LENGTH, TOKEN_LENGTH)
}
