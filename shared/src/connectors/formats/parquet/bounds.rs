//! What a file says of the values in a chunk or a page, when some are gone: it must stay true, and must name none of them.
//!
//! The rule: a least or greatest value stays only if it is neither a value that is gone nor could have been made of one, by
//! cutting it off. Otherwise the whole chunk is encoded anew, and what is said of it comes from what is left.

use parquet::basic::Type;

use super::field;
use super::thrift::Struct;

/// A least and a greatest value.
pub(super) struct Bounds<'a> {
    least: Vec<Bound<'a>>,
    most: Vec<Bound<'a>>,
    physical: Type,
}

struct Bound<'a> {
    bytes: &'a [u8],
    is_exact: bool,
}

impl<'a> Bounds<'a> {
    /// Those of a chunk's statistics.
    pub(super) fn of_statistics(statistics: &'a Struct<'_>, physical: Type) -> Option<Self> {
        use field::statistics::{LEAST, LEAST_IS_EXACT, MOST, MOST_IS_EXACT, OLD_LEAST, OLD_MOST};
        let bounds = |ids: [(i16, Option<i16>); 2]| {
            let mut bounds = Vec::new();
            for (id, exact) in ids {
                let is_exact = exact.and_then(|exact| statistics.truth(exact).ok()?).unwrap_or(false);
                bounds.extend(statistics.binary(id).ok()?.map(|bytes| Bound { bytes, is_exact }));
            }
            Some(bounds)
        };
        let least = bounds([(LEAST, Some(LEAST_IS_EXACT)), (OLD_LEAST, None)])?;
        let most = bounds([(MOST, Some(MOST_IS_EXACT)), (OLD_MOST, None)])?;
        Some(Self { least, most, physical })
    }

    /// Those of a page in a column index, which may be cut off.
    pub(super) fn of_page(least: &'a [u8], most: &'a [u8], physical: Type) -> Self {
        let bound = |bytes| vec![Bound { bytes, is_exact: false }];
        Self { least: bound(least), most: bound(most), physical }
    }

    /// Whether one of them is this value, or could have been made of it.
    pub(super) fn may_tell(&self, value: &[u8]) -> bool {
        let is_text = matches!(self.physical, Type::BYTE_ARRAY | Type::FIXED_LEN_BYTE_ARRAY);
        let is_same = |bound: &Bound<'_>| {
            bound.bytes == value || is_zero(bound.bytes, self.physical) && is_zero(value, self.physical)
        };
        self.least.iter().any(|bound| {
            // One that is cut off is the beginning of its value.
            is_same(bound) || is_text && !bound.is_exact && value.starts_with(bound.bytes)
        }) || self
            .most
            .iter()
            .any(|bound| is_same(bound) || is_text && !bound.is_exact && is_cut_off(bound.bytes, value))
    }
}

/// Whether a greatest value could be the beginning of this one, made greater: with the next character or byte at its end; or
/// with the next byte somewhere in it, behind which are those of the value (so do Java writers, if only that makes a text) or
/// zeros, where the value's could not be made greater.
fn is_cut_off(most: &[u8], value: &[u8]) -> bool {
    let alike = most.iter().zip(value).take_while(|(one, other)| one == other).count();
    if let (Some((one, ours)), Some((other, theirs))) = (most[alike..].split_first(), value[alike..].split_first())
        && let (true, Some(theirs)) = (other.checked_add(1) == Some(*one), theirs.get(..ours.len()))
        && (ours == theirs || ours.iter().all(|byte| *byte == 0) && theirs.iter().all(|byte| *byte == 0xff))
    {
        return true;
    }
    let Some(last) = std::str::from_utf8(most).ok().and_then(|text| text.chars().next_back()) else {
        return false;
    };
    let start = most.len() - last.len_utf8();
    let beginning = value.get(start..value.len().min(start + 4)).unwrap_or_default();
    let first = beginning.utf8_chunks().next().and_then(|chunk| chunk.valid().chars().next());
    // A text may have any character but surrogates, so one follows another but for these.
    let follows = |first: char| (u32::from(first) + 1..).find_map(char::from_u32) == Some(last);
    alike >= start && first.is_some_and(follows)
}

/// Whether a value is zero in a type that has two zeros, of which the file may name the other one.
fn is_zero(value: &[u8], physical: Type) -> bool {
    let Some((sign, rest)) = value.split_last() else {
        return false;
    };
    // Of fixed bytes: floating point numbers of 16 bits.
    let has_two =
        matches!(physical, Type::FLOAT | Type::DOUBLE) || physical == Type::FIXED_LEN_BYTE_ARRAY && value.len() == 2;
    has_two && matches!(sign, 0 | 0x80) && rest.iter().all(|byte| *byte == 0)
}

/// Whether a value is not a number.
pub(super) fn is_nan(value: &[u8], physical: Type) -> bool {
    match (physical, value) {
        (Type::FLOAT, value) => value.try_into().is_ok_and(|bytes| f32::from_le_bytes(bytes).is_nan()),
        (Type::DOUBLE, value) => value.try_into().is_ok_and(|bytes| f64::from_le_bytes(bytes).is_nan()),
        // Fixed bytes may be floating point numbers of 16 bits.
        (Type::FIXED_LEN_BYTE_ARRAY, &[low, high]) => high & 0x7c == 0x7c && (high & 3 | low) != 0,
        _ => false,
    }
}

/// Counts of levels without those that are gone; none if they do not fit.
pub(super) fn counted(histogram: &[i64], gone: &[u64]) -> Option<Vec<i64>> {
    if histogram.len() != gone.len() {
        return None;
    }
    histogram.iter().zip(gone).map(|(there, gone)| less(*there, *gone)).collect()
}

/// A count without what is gone.
pub(super) fn less(there: i64, gone: u64) -> Option<i64> {
    there.checked_sub(i64::try_from(gone).ok()?).filter(|left| *left >= 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_have_been_made_of_a_value_is_known() {
        for (most, value, is_it) in [
            ("abd", "abcdef", true),
            ("abe", "abcdef", false),
            ("u9", "u25", false),
            ("b", "a", true),
            ("", "a", false),
            ("zo\u{eb}", "zo\u{ea}tje", true),
            ("zo\u{ec}", "zo\u{ea}tje", false),
            ("x\u{e000}", "x\u{d7ff}y", true),
            // One byte became two.
            ("x\u{80}", "x\u{7f}y", true),
            ("abd", "ab", false),
            // What Java writers make of a character whose last byte cannot be raised: п, 便 and ÿ.
            ("до\u{47f}", "доп. текст", true),
            ("方\u{4fff}", "方便的地址", true),
            ("a\u{13f}", "a\u{ff}b", true),
            ("до\u{47f}", "доз. текст", false),
        ] {
            assert_eq!(is_cut_off(most.as_bytes(), value.as_bytes()), is_it, "{most} {value}");
        }
        assert!(is_cut_off(&[1, 0xff], &[1, 0xfe, 3]) && !is_cut_off(&[1, 0xff], &[1, 0xff, 3]));
        assert!(is_cut_off(&[2, 0, 0], &[1, 0xff, 0xff, 9]) && !is_cut_off(&[2, 0, 0], &[1, 0xff, 0xfe, 9]));
        let zeros = Bounds::of_page(&[0, 0, 0, 0x80], &[0; 4], Type::FLOAT);
        assert!(zeros.may_tell(&[0; 4]) && !zeros.may_tell(&[1; 4]));
        let texts = Bounds::of_page(b"ab", b"x", Type::BYTE_ARRAY);
        assert!(texts.may_tell(b"abc") && texts.may_tell(b"x") && texts.may_tell(b"wz") && !texts.may_tell(b"b"));
        assert!(is_nan(&f32::NAN.to_le_bytes(), Type::FLOAT) && !is_nan(&1.5_f64.to_le_bytes(), Type::DOUBLE));
    }
}
