//! Takes out of a text what is known of a person.
//!
//! The rule of this room: what is found is what was looked for. A text that was scanned is no proof of anonymity: a name
//! that is written otherwise, a description, a voice in somebody else's sentence are still there.

use aho_corasick::{AhoCorasick, MatchKind};
use unicode_normalization::UnicodeNormalization as _;
use unicode_normalization::char::is_combining_mark;

use super::format::is_ideograph;

/// What stands in the place of what was found: one character, so that no text becomes longer and outgrows its column.
pub const MARK: char = '█';

/// Fewest characters of what is looked for; of ideographs, in which a whole name has no more, [`LEAST_IDEOGRAPHS`].
const LEAST: usize = 4;
const LEAST_IDEOGRAPHS: usize = 2;
/// Fewest digits of a phone number without the code of its country.
const LEAST_DIGITS: usize = 8;
/// Most digits of a country's code (ITU E.164).
const COUNTRY_CODE: usize = 3;
/// Most signs between two digits of one phone number.
const BETWEEN_DIGITS: usize = 3;

/// Looks for what is known of one person. It does not print what that is.
#[derive(Default)]
pub struct Scanner {
    /// In their folded form.
    texts: Option<AhoCorasick>,
    /// Phone numbers, by their digits.
    phones: Option<AhoCorasick>,
}

/// A text as it is compared, and where each of its bytes comes from.
#[derive(Default)]
struct Folded {
    text: String,
    /// Of each byte: first byte of the character that it comes from, and of the one after.
    from: Vec<(usize, usize)>,
}

impl Scanner {
    /// Looks for these: e-mail addresses, phone numbers, user names, names. Those that are too short to mean one person
    /// are left out.
    #[must_use]
    pub fn new<'a>(values: impl IntoIterator<Item = &'a str>) -> Self {
        let (mut texts, mut phones) = (Vec::new(), Vec::new());
        for value in values {
            let folded = fold(value.trim()).text;
            if is_telling(&folded) {
                texts.push(folded);
            }
            phones.extend(phone(value));
        }
        Self { texts: automaton(&texts), phones: automaton(&phones) }
    }

    /// The text with a mark in the place of whatever is found; none if nothing is.
    #[must_use]
    pub fn redacted(&self, text: &str) -> Option<String> {
        let first = self.texts.as_ref().and_then(|texts| replaced(text, texts, &fold(text)));
        let so_far = first.as_deref().unwrap_or(text);
        let second = self.phones.as_ref().and_then(|phones| replaced(so_far, phones, &digits(so_far)));
        second.or(first)
    }
}

/// Long enough to mean one person, and not the mark itself.
fn is_telling(folded: &str) -> bool {
    let length = folded.chars().count();
    let is_name = length >= LEAST_IDEOGRAPHS && folded.chars().all(is_ideograph);
    (length >= LEAST || is_name) && !folded.contains(MARK)
}

/// The digits of a number that begins with `+`, and the same without the country's code, whichever that is.
fn phone(value: &str) -> Vec<String> {
    let Some(number) = value.trim().strip_prefix('+') else { return Vec::new() };
    let number: String = number.chars().filter(|c| !is_between_digits(*c)).collect();
    if !number.bytes().all(|b| b.is_ascii_digit()) {
        return Vec::new();
    }
    let forms = (0..=COUNTRY_CODE).filter_map(|code| number.get(code..));
    forms.filter(|form| form.len() >= LEAST_DIGITS).map(ToOwned::to_owned).collect()
}

/// None if there is nothing to look for, or so much that it cannot be: a person's values are bounded.
fn automaton(patterns: &[String]) -> Option<AhoCorasick> {
    if patterns.is_empty() {
        return None;
    }
    AhoCorasick::builder().match_kind(MatchKind::LeftmostLongest).build(patterns).ok()
}

/// Case, accents, width and marks that nobody sees make no difference. Each character is folded by itself, so that a part
/// of a text is folded as the whole is.
fn fold(text: &str) -> Folded {
    let mut folded = Folded::default();
    for (at, c) in text.char_indices() {
        let lower = std::iter::once(c).nfkd().flat_map(char::to_lowercase);
        for part in lower.nfkd().filter(|part| !is_combining_mark(*part) && !is_invisible(*part)) {
            folded.push(part, at, c);
        }
    }
    folded
}

/// The digits of a text, with a blank where something other than a few signs stands between two of them.
fn digits(text: &str) -> Folded {
    let mut folded = Folded::default();
    let mut signs = 0;
    for (at, c) in text.char_indices() {
        match std::iter::once(c).nfkd().next().filter(char::is_ascii_digit) {
            Some(digit) => {
                if signs > BETWEEN_DIGITS {
                    folded.push(' ', at, c);
                }
                folded.push(digit, at, c);
                signs = 0;
            }
            None if is_between_digits(c) => signs += 1,
            None => signs = BETWEEN_DIGITS + 1,
        }
    }
    folded
}

impl Folded {
    fn push(&mut self, folded: char, at: usize, original: char) {
        self.text.push(folded);
        self.from.resize(self.text.len(), (at, at + original.len_utf8()));
    }
}

/// What is found becomes a mark, together with what belongs to its last character. What is left over between two marks
/// holds nothing that is looked for, so a second run changes nothing.
fn replaced(text: &str, what: &AhoCorasick, folded: &Folded) -> Option<String> {
    let (mut left, mut done) = (String::with_capacity(text.len()), 0);
    for found in what.find_iter(&folded.text) {
        let Some((&(start, _), &(_, end))) = folded.from.get(found.start()).zip(folded.from.get(found.end() - 1))
        else {
            continue;
        };
        // A character that becomes several when it is folded can belong to two.
        if let Some(between) = text.get(done..start.max(done)) {
            left.push_str(between);
            left.push(MARK);
        }
        let rest = text.get(end..).unwrap_or_default();
        let belongs: usize = rest.chars().take_while(|c| is_combining_mark(*c)).map(char::len_utf8).sum();
        done = end + belongs;
    }
    if done == 0 {
        return None;
    }
    left.push_str(text.get(done..).unwrap_or_default());
    Some(left)
}

fn is_between_digits(c: char) -> bool {
    matches!(c, ' ' | '-' | '.' | '(' | ')' | '/' | '+' | '·' | '\u{a0}' | '\u{2010}'..='\u{2015}' | '（' | '）')
}

/// Characters without width, which would hide a name from a comparison.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2060}' | '\u{feff}')
}
