//! Values in the encoding PLAIN: one after the other, texts behind their length, truth values bit by bit.
//!
//! Source: parquet-format, Encodings.md, "Plain".

use std::ops::Range;

use parquet::basic::Type;
use parquet::schema::types::ColumnDescriptor;

/// How the values of a column are laid out.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Plain {
    Bits,
    /// Behind their length.
    Texts,
    /// So many bytes each.
    Wide(usize),
}

/// Values without some.
pub(super) struct Without {
    pub(super) left: Vec<u8>,
    pub(super) gone: Vec<Vec<u8>>,
}

impl Plain {
    pub(super) fn of(column: &ColumnDescriptor) -> Option<Self> {
        Some(match column.physical_type() {
            Type::BOOLEAN => Self::Bits,
            Type::BYTE_ARRAY => Self::Texts,
            Type::INT32 | Type::FLOAT => Self::Wide(4),
            Type::INT64 | Type::DOUBLE => Self::Wide(8),
            Type::INT96 => Self::Wide(12),
            Type::FIXED_LEN_BYTE_ARRAY => {
                Self::Wide(usize::try_from(column.type_length()).ok().filter(|width| *width > 0)?)
            }
        })
    }

    /// Where so many values are; none if there are not as many.
    pub(super) fn all(self, values: &[u8], count: usize) -> Option<Vec<Range<usize>>> {
        match self {
            Self::Bits => None,
            Self::Texts => {
                let mut all = Vec::with_capacity(count.min(values.len() / 4));
                let mut at = 0;
                for _ in 0..count {
                    let text = text(values, at)?;
                    at = text.end;
                    all.push(text);
                }
                Some(all)
            }
            Self::Wide(width) => {
                let fits = count.checked_mul(width)? <= values.len();
                fits.then(|| (0..count).map(|at| at * width..(at + 1) * width).collect())
            }
        }
    }

    /// Takes some of so many values out, told by their numbers, ascending. A truth value is told as a byte.
    pub(super) fn without(self, values: &[u8], count: usize, numbers: &[usize]) -> Option<Without> {
        if self == Self::Bits {
            if count.div_ceil(8) > values.len() {
                return None;
            }
            let mut truths: Vec<bool> = (0..count).map(|at| bit(values, at)).collect();
            let gone = numbers.iter().map(|at| Some(vec![u8::from(*truths.get(*at)?)])).collect::<Option<_>>()?;
            let (mut at, mut rest) = (0, numbers.iter().peekable());
            truths.retain(|_| {
                at += 1;
                rest.next_if(|number| **number == at - 1).is_none()
            });
            let byte = |eight: &[bool]| eight.iter().rev().fold(0, |byte, truth| byte << 1 | u8::from(*truth));
            return Some(Without { left: truths.chunks(8).map(byte).collect(), gone });
        }
        let all = self.all(values, count)?;
        let prefix = if self == Self::Texts { 4 } else { 0 };
        let end = all.last().map_or(0, |last| last.end);
        let (mut left, mut gone, mut from) = (Vec::with_capacity(end), Vec::with_capacity(numbers.len()), 0);
        for number in numbers {
            let value = all.get(*number)?;
            left.extend_from_slice(values.get(from..value.start - prefix)?);
            gone.push(values[value.clone()].to_vec());
            from = value.end;
        }
        left.extend_from_slice(values.get(from..end)?);
        Some(Without { left, gone })
    }

    /// Whether a value is among so many.
    pub(super) fn holds(self, values: &[u8], count: usize, value: &[u8]) -> bool {
        match self {
            Self::Bits => (0..count).any(|at| value == [u8::from(bit(values, at))]),
            _ => self.all(values, count).is_some_and(|all| all.into_iter().any(|one| &values[one] == value)),
        }
    }

    /// Writes a value behind others.
    pub(super) fn push(self, value: &[u8], values: &mut Vec<u8>) -> Option<()> {
        if self == Self::Texts {
            values.extend_from_slice(&u32::try_from(value.len()).ok()?.to_le_bytes());
        }
        values.extend_from_slice(value);
        Some(())
    }
}

fn bit(values: &[u8], at: usize) -> bool {
    values[at / 8] >> (at % 8) & 1 == 1
}

fn text(values: &[u8], at: usize) -> Option<Range<usize>> {
    let (length, _) = values.get(at..)?.split_first_chunk::<4>()?;
    let start = at + 4;
    let end = start.checked_add(usize::try_from(u32::from_le_bytes(*length)).ok()?)?;
    (end <= values.len()).then_some(start..end)
}
