//! Values made coarser. What is coarse already stays, so that twice is the same as once.

use jiff::civil::Date;

use crate::policy::Generalisation;
use crate::record::Value;

/// The age from which on all are in one band: of the very old there are too few for bands of their own.
const OLD_AGE: u16 = 90;
/// More than anybody's age.
const AGES: std::ops::RangeInclusive<u16> = 0..=130;
/// Degrees of latitude and longitude.
const DEGREES: std::ops::RangeInclusive<f64> = -180.0..=180.0;

/// The coarse value; none if there is none, since the value is not what it should be. `today` is the day on which ages
/// are reckoned.
pub(super) fn generalise(how: Generalisation, value: &Value, today: Date) -> Option<Value> {
    match (how, value) {
        (Generalisation::Coordinates(decimals), Value::Number(degrees)) => {
            Some(Value::Number(rounded(degrees, decimals)?))
        }
        (Generalisation::AgeBand(width), value) => {
            let band = age_band(value.as_key()?.as_ref(), width, today)?;
            Some(Value::Text(band))
        }
        (how, Value::Text(text)) => Some(Value::Text(coarse(how, text)?)),
        _ => None,
    }
}

/// Whether a value is coarse already. A column may give a number back in other digits.
pub(super) fn is_coarse(how: Generalisation, value: &Value, today: Date) -> bool {
    match (generalise(how, value, today), value) {
        (Some(Value::Number(coarse)), Value::Number(there)) => coarse
            .parse::<f64>()
            .ok()
            .zip(there.parse::<f64>().ok())
            .is_some_and(|(coarse, there)| coarse.total_cmp(&there).is_eq()),
        (coarse, there) => coarse.as_ref() == Some(there),
    }
}

fn coarse(how: Generalisation, text: &str) -> Option<String> {
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
        Generalisation::CoarseLocation => point(text, 1),
        Generalisation::Coordinates(decimals) => {
            if text.contains(',') {
                point(text, decimals)
            } else {
                rounded(text, decimals)
            }
        }
        Generalisation::AgeBand(_) => None,
    }
}

fn year(text: &str) -> Option<u16> {
    let digits = text.get(..4)?;
    let ends = text.len() == 4 || text.as_bytes().get(4) == Some(&b'-');
    (ends && digits.bytes().all(|b| b.is_ascii_digit())).then(|| digits.parse().ok())?
}

fn point(text: &str, decimals: u8) -> Option<String> {
    let (latitude, longitude) = text.split_once(',')?;
    Some(format!("{},{}", rounded(latitude, decimals)?, rounded(longitude, decimals)?))
}

fn rounded(degrees: &str, decimals: u8) -> Option<String> {
    let degrees: f64 = degrees.trim().parse().ok()?;
    let coarse = DEGREES.contains(&degrees).then(|| format!("{degrees:.*}", usize::from(decimals)))?;
    // Nothing is below zero that is rounded to it.
    let is_zero = coarse.bytes().all(|b| matches!(b, b'-' | b'0' | b'.'));
    Some(if is_zero { coarse.trim_start_matches('-').to_owned() } else { coarse })
}

/// The band that an age, or the age of whoever was born then, is in: `25-29`.
fn age_band(text: &str, width: u8, today: Date) -> Option<String> {
    let width = u16::from(width.max(1));
    if is_band(text, width) {
        return Some(text.to_owned());
    }
    let age = match text.parse::<u16>() {
        Ok(age) => age,
        Err(_) => age_of(text.get(..10)?.parse().ok()?, today)?,
    };
    AGES.contains(&age).then(|| band(age, width))
}

fn band(age: u16, width: u16) -> String {
    let (first, last_band) = (age / width * width, OLD_AGE / width * width);
    if first >= last_band { format!("{last_band}+") } else { format!("{first}-{}", first + width - 1) }
}

fn is_band(text: &str, width: u16) -> bool {
    let first = text.split_once('-').map_or_else(|| text.strip_suffix('+'), |(first, _)| Some(first));
    first.and_then(|first| first.parse().ok()).is_some_and(|first| band(first, width) == text)
}

fn age_of(born: Date, today: Date) -> Option<u16> {
    let had_birthday = (today.month(), today.day()) >= (born.month(), born.day());
    u16::try_from(today.year() - born.year() - i16::from(!had_birthday)).ok()
}
