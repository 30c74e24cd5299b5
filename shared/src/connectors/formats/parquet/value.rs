//! One value of a column: what it says, and how a new one is stored.

use jiff::civil::{Date, DateTime};
use jiff::{SignedDuration, Timestamp};
use parquet::basic::{ConvertedType, LogicalType, TimeUnit, Type};
use parquet::data_type::{ByteArray, FixedLenByteArray, Int96};
use parquet::schema::types::ColumnDescriptor;

use super::FormatError;
use crate::record::Value;

const UNFIT: FormatError = FormatError::Unfit("a Parquet column has another type");

/// What the values of a column mean, as far as it is not their physical type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    /// What they are.
    Plain,
    /// Text.
    Text,
    /// Whole numbers without a sign.
    Unsigned,
    /// Decimals with this many digits behind the point.
    Decimal(i32),
    /// Days since 1970.
    Date,
    /// Time of day, in parts of a second.
    Time(u32),
    /// Moments since 1970, in parts of a second; of UTC, or of no zone.
    Moment {
        /// Parts of a second.
        per_second: u32,
        /// Whether the zone is known to be UTC.
        is_utc: bool,
    },
    /// UUIDs.
    Uuid,
    /// Floating point numbers of 16 bits.
    Half,
}

impl Meaning {
    pub(super) fn of(column: &ColumnDescriptor) -> Self {
        let per_second = |unit: &TimeUnit| match unit {
            TimeUnit::MILLIS => 1_000,
            TimeUnit::MICROS => 1_000_000,
            TimeUnit::NANOS => 1_000_000_000,
        };
        match column.logical_type_ref() {
            Some(LogicalType::String | LogicalType::Enum | LogicalType::Json) => return Self::Text,
            Some(LogicalType::Decimal(decimal)) => return Self::Decimal(decimal.scale),
            Some(LogicalType::Date) => return Self::Date,
            Some(LogicalType::Time(time)) => return Self::Time(per_second(&time.unit)),
            Some(LogicalType::Timestamp(stamp)) => {
                return Self::Moment { per_second: per_second(&stamp.unit), is_utc: stamp.is_adjusted_to_u_t_c };
            }
            Some(LogicalType::Integer(integer)) if !integer.is_signed => return Self::Unsigned,
            Some(LogicalType::Uuid) => return Self::Uuid,
            Some(LogicalType::Float16) => return Self::Half,
            _ => {}
        }
        match column.converted_type() {
            ConvertedType::UTF8 | ConvertedType::ENUM | ConvertedType::JSON => Self::Text,
            ConvertedType::DECIMAL => Self::Decimal(column.type_scale()),
            ConvertedType::DATE => Self::Date,
            ConvertedType::TIME_MILLIS => Self::Time(1_000),
            ConvertedType::TIME_MICROS => Self::Time(1_000_000),
            ConvertedType::TIMESTAMP_MILLIS => Self::Moment { per_second: 1_000, is_utc: true },
            ConvertedType::TIMESTAMP_MICROS => Self::Moment { per_second: 1_000_000, is_utc: true },
            ConvertedType::UINT_8 | ConvertedType::UINT_16 | ConvertedType::UINT_32 | ConvertedType::UINT_64 => {
                Self::Unsigned
            }
            _ => Self::Plain,
        }
    }

    /// Whether the values are bytes that are compared as they are.
    pub(super) fn is_bytes(self, physical: Type) -> bool {
        match physical {
            Type::BYTE_ARRAY => matches!(self, Self::Plain | Self::Text),
            Type::FIXED_LEN_BYTE_ARRAY => matches!(self, Self::Plain | Self::Text | Self::Uuid),
            _ => false,
        }
    }

    /// Whether the values are whole numbers.
    pub(super) fn is_number(self, physical: Type) -> bool {
        matches!(physical, Type::INT32 | Type::INT64) && matches!(self, Self::Plain | Self::Unsigned)
    }
}

/// A value of one of the physical types.
pub(super) trait Native: Clone + Send {
    /// What it says.
    fn value(&self, meaning: Meaning) -> Value;

    /// How a value is stored; `length` is that of fixed bytes.
    fn stored(value: &Value, meaning: Meaning, length: i32) -> Result<Self, FormatError>;

    /// Its bytes, if it is bytes.
    fn bytes(&self) -> Option<&[u8]> {
        None
    }

    /// It, if it is a whole number. One without a sign keeps its bits.
    fn number(&self) -> Option<i64> {
        None
    }
}

impl Native for bool {
    fn value(&self, _: Meaning) -> Value {
        Value::Bool(*self)
    }

    fn stored(value: &Value, _: Meaning, _: i32) -> Result<Self, FormatError> {
        match value {
            Value::Bool(truth) => Ok(*truth),
            Value::Text(text) => text.parse().map_err(|_| UNFIT),
            _ => Err(UNFIT),
        }
    }
}

impl Native for i32 {
    fn value(&self, meaning: Meaning) -> Value {
        match meaning {
            Meaning::Unsigned => Value::Number(self.cast_unsigned().to_string()),
            meaning => whole(i64::from(*self), meaning),
        }
    }

    fn stored(value: &Value, meaning: Meaning, _: i32) -> Result<Self, FormatError> {
        match meaning {
            Meaning::Unsigned => digits(value)?.parse().map(u32::cast_signed).map_err(|_| UNFIT),
            meaning => Self::try_from(stored_whole(value, meaning)?).map_err(|_| UNFIT),
        }
    }

    fn number(&self) -> Option<i64> {
        Some((*self).into())
    }
}

impl Native for i64 {
    fn value(&self, meaning: Meaning) -> Value {
        match meaning {
            Meaning::Unsigned => Value::Number(self.cast_unsigned().to_string()),
            meaning => whole(*self, meaning),
        }
    }

    fn stored(value: &Value, meaning: Meaning, _: i32) -> Result<Self, FormatError> {
        match meaning {
            Meaning::Unsigned => digits(value)?.parse().map(u64::cast_signed).map_err(|_| UNFIT),
            meaning => stored_whole(value, meaning),
        }
    }

    fn number(&self) -> Option<i64> {
        Some(*self)
    }
}

impl Native for Int96 {
    fn value(&self, _: Meaning) -> Value {
        let nanoseconds = u64::from(self.data()[1]) << 32 | u64::from(self.data()[0]);
        let day = SignedDuration::from_hours(24 * (i64::from(self.data()[2]) - 2_440_588));
        let moment = i64::try_from(nanoseconds)
            .ok()
            .and_then(|of_day| day.checked_add(SignedDuration::from_nanos(of_day)))
            .and_then(|since| Timestamp::from_duration(since).ok());
        moment.map_or(Value::Null, |moment| Value::Text(moment.to_string()))
    }

    fn stored(_: &Value, _: Meaning, _: i32) -> Result<Self, FormatError> {
        Err(UNFIT)
    }
}

impl Native for f32 {
    fn value(&self, _: Meaning) -> Value {
        float(serde_json::to_string(self), self.is_finite())
    }

    fn stored(value: &Value, _: Meaning, _: i32) -> Result<Self, FormatError> {
        digits(value)?.parse().map_err(|_| UNFIT)
    }
}

impl Native for f64 {
    fn value(&self, _: Meaning) -> Value {
        float(serde_json::to_string(self), self.is_finite())
    }

    fn stored(value: &Value, _: Meaning, _: i32) -> Result<Self, FormatError> {
        digits(value)?.parse().map_err(|_| UNFIT)
    }
}

impl Native for ByteArray {
    fn value(&self, meaning: Meaning) -> Value {
        bytes(self.data(), meaning)
    }

    fn stored(value: &Value, meaning: Meaning, _: i32) -> Result<Self, FormatError> {
        match (value, meaning) {
            (Value::Number(_) | Value::Text(_), Meaning::Decimal(scale)) => {
                Ok(unscaled(digits(value)?, scale)?.to_be_bytes().to_vec().into())
            }
            (Value::Text(text) | Value::Number(text), Meaning::Text | Meaning::Plain) => Ok(text.as_str().into()),
            (Value::Bytes(bytes), Meaning::Plain) => Ok(bytes.clone().into()),
            _ => Err(UNFIT),
        }
    }

    fn bytes(&self) -> Option<&[u8]> {
        Some(self.data())
    }
}

impl Native for FixedLenByteArray {
    fn value(&self, meaning: Meaning) -> Value {
        bytes(self.data(), meaning)
    }

    fn stored(value: &Value, meaning: Meaning, length: i32) -> Result<Self, FormatError> {
        let length = usize::try_from(length).map_err(|_| UNFIT)?;
        let bytes = match (value, meaning) {
            (Value::Number(_) | Value::Text(_), Meaning::Decimal(scale)) => {
                let number = unscaled(digits(value)?, scale)?;
                let sign = if number < 0 { 0xff } else { 0 };
                let wide = [vec![sign; length], number.to_be_bytes().to_vec()].concat();
                let cut = wide.len() - length;
                // What is cut off must be nothing but the sign.
                if wide[..cut].iter().any(|byte| *byte != sign) || wide.get(cut).is_some_and(|b| (b ^ sign) & 0x80 != 0)
                {
                    return Err(UNFIT);
                }
                wide[cut..].to_vec()
            }
            (Value::Text(text), Meaning::Uuid) => uuid_bytes(text).ok_or(UNFIT)?.to_vec(),
            (Value::Text(text), Meaning::Text | Meaning::Plain) => text.clone().into_bytes(),
            (Value::Bytes(bytes), _) => bytes.clone(),
            _ => return Err(UNFIT),
        };
        if bytes.len() == length { Ok(bytes.into()) } else { Err(UNFIT) }
    }

    fn bytes(&self) -> Option<&[u8]> {
        Some(self.data())
    }
}

/// A UUID's bytes, if this is one as RFC 9562 writes it.
pub(super) fn uuid_bytes(text: &str) -> Option<[u8; 16]> {
    let is_formed = text.len() == 36 && [8, 13, 18, 23].iter().all(|at| text.as_bytes()[*at] == b'-');
    let mut bytes = [0; 16];
    hex::decode_to_slice(text.replace('-', ""), &mut bytes).ok()?;
    is_formed.then_some(bytes)
}

fn whole(number: i64, meaning: Meaning) -> Value {
    let text = match meaning {
        Meaning::Decimal(scale) => return Value::Number(scaled(number.into(), scale)),
        Meaning::Date => day(number).map(|date| date.to_string()),
        Meaning::Time(per_second) => parts(number, per_second).and_then(|since| {
            let midnight = DateTime::constant(1970, 1, 1, 0, 0, 0, 0);
            Some(midnight.checked_add(since).ok()?.time().to_string())
        }),
        Meaning::Moment { per_second, is_utc } => parts(number, per_second).and_then(|since| {
            let moment = Timestamp::from_duration(since).ok()?;
            let local = || moment.to_zoned(jiff::tz::TimeZone::UTC).datetime().to_string();
            Some(if is_utc { moment.to_string() } else { local() })
        }),
        _ => None,
    };
    text.map_or_else(|| Value::Number(number.to_string()), Value::Text)
}

fn stored_whole(value: &Value, meaning: Meaning) -> Result<i64, FormatError> {
    let text = digits(value)?;
    match meaning {
        Meaning::Decimal(scale) => i64::try_from(unscaled(text, scale)?).map_err(|_| UNFIT),
        Meaning::Date => {
            let date: Date = text.parse().map_err(|_| UNFIT)?;
            Ok(date.duration_since(Date::constant(1970, 1, 1)).as_hours() / 24)
        }
        Meaning::Moment { per_second, is_utc } => {
            let moment = if is_utc {
                text.parse::<Timestamp>().map_err(|_| UNFIT)?
            } else {
                let local: DateTime = text.parse().map_err(|_| UNFIT)?;
                local.to_zoned(jiff::tz::TimeZone::UTC).map_err(|_| UNFIT)?.timestamp()
            };
            i64::try_from(moment.as_nanosecond() / i128::from(1_000_000_000 / per_second)).map_err(|_| UNFIT)
        }
        _ => text.parse().map_err(|_| UNFIT),
    }
}

fn day(number: i64) -> Option<Date> {
    let since = SignedDuration::from_hours(number.checked_mul(24)?);
    Date::constant(1970, 1, 1).checked_add(since).ok()
}

fn parts(number: i64, per_second: u32) -> Option<SignedDuration> {
    let per_second = i64::from(per_second);
    let nanoseconds = i32::try_from(number.rem_euclid(per_second) * (1_000_000_000 / per_second)).ok()?;
    Some(SignedDuration::new(number.div_euclid(per_second), nanoseconds))
}

fn float(json: serde_json::Result<String>, is_finite: bool) -> Value {
    match json {
        Ok(digits) if is_finite => Value::Number(digits),
        _ => Value::Text("NaN".to_owned()),
    }
}

fn bytes(bytes: &[u8], meaning: Meaning) -> Value {
    let text = match meaning {
        Meaning::Text => std::str::from_utf8(bytes).ok().map(|text| Value::Text(text.to_owned())),
        Meaning::Uuid if bytes.len() == 16 => {
            let hex = hex::encode(bytes);
            let parts = [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]];
            Some(Value::Text(parts.join("-")))
        }
        Meaning::Decimal(scale) if (1..=16).contains(&bytes.len()) => {
            let sign = if bytes[0] & 0x80 == 0 { 0 } else { 0xff };
            let mut wide = [sign; 16];
            wide[16 - bytes.len()..].copy_from_slice(bytes);
            Some(Value::Number(scaled(i128::from_be_bytes(wide), scale)))
        }
        Meaning::Half => <[u8; 2]>::try_from(bytes).ok().map(|bytes| {
            let number = half(u16::from_le_bytes(bytes));
            number.value(Meaning::Plain)
        }),
        _ => None,
    };
    text.unwrap_or_else(|| Value::Bytes(bytes.to_vec()))
}

/// A floating point number of 16 bits (IEEE 754 binary16).
fn half(bits: u16) -> f32 {
    let sign = if bits & 0x8000 == 0 { 1.0 } else { -1.0 };
    let (exponent, fraction) = (i32::from(bits >> 10 & 0x1f), f32::from(bits & 0x3ff));
    match exponent {
        0 => sign * fraction * 2f32.powi(-24),
        31 if fraction > 0.0 => f32::NAN,
        31 => sign * f32::INFINITY,
        exponent => sign * (1.0 + fraction / 1024.0) * 2f32.powi(exponent - 15),
    }
}

fn scaled(number: i128, scale: i32) -> String {
    let Ok(scale @ 1..) = usize::try_from(scale) else {
        return number.to_string();
    };
    let digits = format!("{:0width$}", number.unsigned_abs(), width = scale + 1);
    let (before, after) = digits.split_at(digits.len() - scale);
    format!("{}{before}.{after}", if number < 0 { "-" } else { "" })
}

fn unscaled(text: &str, scale: i32) -> Result<i128, FormatError> {
    let scale = usize::try_from(scale).map_err(|_| UNFIT)?;
    let (before, after) = text.split_once('.').unwrap_or((text, ""));
    let after = after.trim_end_matches('0');
    if after.len() > scale || !after.bytes().all(|c| c.is_ascii_digit()) {
        return Err(UNFIT);
    }
    format!("{before}{after:0<scale$}").parse().map_err(|_| UNFIT)
}

/// The digits of a number, or the text that says it.
fn digits(value: &Value) -> Result<&str, FormatError> {
    match value {
        Value::Number(text) | Value::Text(text) => Ok(text),
        _ => Err(UNFIT),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(value: Value) -> String {
        match value {
            Value::Text(text) | Value::Number(text) => text,
            _ => panic!("neither text nor number"),
        }
    }

    #[test]
    fn values_say_what_their_column_means_and_are_stored_as_they_were() {
        let moment = |per_second, is_utc| Meaning::Moment { per_second, is_utc };
        for (number, meaning, said) in [
            (-1_i64, Meaning::Plain, "-1"),
            (-1, Meaning::Unsigned, "18446744073709551615"),
            (-105, Meaning::Decimal(2), "-1.05"),
            (5, Meaning::Decimal(3), "0.005"),
            (-1, Meaning::Date, "1969-12-31"),
            (1_500, moment(1_000, true), "1970-01-01T00:00:01.5Z"),
            (-1, moment(1_000_000, false), "1969-12-31T23:59:59.999999"),
        ] {
            assert_eq!(text(number.value(meaning)), said);
            assert_eq!(i64::stored(&number.value(meaning), meaning, 0).unwrap(), number, "{said}");
        }
        assert_eq!(text(1_500_i64.value(Meaning::Time(1_000))), "00:00:01.5");
        let julian = {
            let mut stamp = Int96::new();
            stamp.set_data(1_000_000_000, 0, 2_440_589);
            stamp
        };
        assert_eq!(text(julian.value(Meaning::Plain)), "1970-01-02T00:00:01Z");
        let uuid = "01234567-89ab-cdef-0123-456789abcdef";
        let stored = FixedLenByteArray::stored(&Value::Text(uuid.into()), Meaning::Uuid, 16).unwrap();
        assert_eq!(text(stored.value(Meaning::Uuid)), uuid);
        let decimal = FixedLenByteArray::stored(&Value::Number("-1.5".into()), Meaning::Decimal(2), 3).unwrap();
        assert_eq!(
            (decimal.data(), text(decimal.value(Meaning::Decimal(2)))),
            (&[0xff, 0xff, 0x6a][..], "-1.50".into())
        );
        let bits = |numbers: [f32; 3]| numbers.map(f32::to_bits);
        assert_eq!(bits([half(0x3c00), half(0xc000), half(0x0001)]), bits([1.0, -2.0, 2f32.powi(-24)]));
    }

    #[test]
    fn what_does_not_fit_a_column_is_refused() {
        assert!(i32::stored(&Value::Number("3000000000".into()), Meaning::Plain, 0).is_err());
        assert!(i64::stored(&Value::Text("[deleted]".into()), Meaning::Plain, 0).is_err());
        assert!(i64::stored(&Value::Number("1.234".into()), Meaning::Decimal(2), 0).is_err());
        assert!(FixedLenByteArray::stored(&Value::Number("128".into()), Meaning::Decimal(0), 1).is_err());
        assert!(FixedLenByteArray::stored(&Value::Text("abc".into()), Meaning::Plain, 4).is_err());
        assert!(ByteArray::stored(&Value::Bool(true), Meaning::Text, 0).is_err());
    }
}
