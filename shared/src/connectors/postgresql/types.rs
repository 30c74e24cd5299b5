//! Column types, as far as they matter for comparing values: which texts a type takes, and how two types meet.

/// How values of a column are compared. All of a family compare with one another and can use an index for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Family {
    /// Whole numbers up to eight bytes.
    Integer,
    /// Numbers with as many digits as wanted.
    Decimal,
    /// Texts without padding.
    Text,
    /// `character(n)`, which pads with blanks.
    Padded,
    /// `citext`, and the schema that it is installed in.
    CaseBlind(String),
    /// 128-bit ids.
    Uuid,
    /// A list of one of these.
    List(Box<Family>),
    /// JSON; `true` for `jsonb`.
    Json(bool),
    /// Bytes.
    Bytes,
    /// Rows inside a row (composite types), compared as the text that they are in JSON.
    Composite,
    /// Everything else, compared as the text that it is in JSON.
    Other,
}

impl Family {
    /// The family of a base type. `kind`: `c` for composite types.
    pub(super) fn of(schema: &str, name: &str, kind: &str, element: Option<Self>) -> Self {
        match (schema, name) {
            _ if kind == "c" => Self::Composite,
            (_, "citext") => Self::CaseBlind(schema.to_owned()),
            ("pg_catalog", "int2" | "int4" | "int8") => Self::Integer,
            ("pg_catalog", "numeric") => Self::Decimal,
            ("pg_catalog", "text" | "varchar" | "name") => Self::Text,
            ("pg_catalog", "bpchar") => Self::Padded,
            ("pg_catalog", "uuid") => Self::Uuid,
            ("pg_catalog", "json") => Self::Json(false),
            ("pg_catalog", "jsonb") => Self::Json(true),
            ("pg_catalog", "bytea") => Self::Bytes,
            _ => match element {
                Some(element) if element.is_comparable() => Self::List(Box::new(element)),
                _ => Self::Other,
            },
        }
    }

    /// Whether values are compared as they are, and not as the text that they are in JSON.
    pub(super) fn is_comparable(&self) -> bool {
        !matches!(self, Self::Json(_) | Self::Bytes | Self::Composite | Self::Other)
    }

    /// The name of the type that values of the family are given as.
    pub(super) fn type_name(&self) -> String {
        match self {
            Self::Integer => "pg_catalog.int8".to_owned(),
            Self::Decimal => "pg_catalog.numeric".to_owned(),
            Self::Padded => "pg_catalog.bpchar".to_owned(),
            Self::CaseBlind(schema) => format!("{}.citext", super::statement::quoted(schema)),
            Self::Uuid => "pg_catalog.uuid".to_owned(),
            Self::List(element) => format!("{}[]", element.type_name()),
            Self::Text | Self::Json(_) | Self::Bytes | Self::Composite | Self::Other => "pg_catalog.text".to_owned(),
        }
    }

    /// The operator by which they are equal. The schema is written out, since whoever may make operators in another one of
    /// the search path could put theirs in its place.
    pub(super) fn equals(&self) -> String {
        match self {
            Self::CaseBlind(schema) => format!("OPERATOR({}.=)", super::statement::quoted(schema)),
            _ => "OPERATOR(pg_catalog.=)".to_owned(),
        }
    }

    /// Whether a text is a value of the family. One that is not leads nowhere, and would be an error to PostgreSQL. Whole
    /// numbers must be written as PostgreSQL writes them: an account `007` elsewhere is not the account 7 here.
    pub(super) fn takes(&self, text: &str) -> bool {
        match self {
            Self::Integer => text.parse::<i64>().is_ok_and(|number| number.to_string() == text),
            Self::Decimal => is_decimal(text),
            Self::Uuid => is_uuid(text),
            Self::List(element) => element.takes(text),
            Self::Text | Self::Padded | Self::CaseBlind(_) | Self::Json(_) | Self::Composite | Self::Other => {
                !text.contains('\0')
            }
            Self::Bytes => false,
        }
    }

    /// An expression of this family for one of another, of whose values those that are none of this family become null.
    pub(super) fn converted(&self, expression: &str, from: &Self) -> String {
        let numbers = [Self::Integer, Self::Decimal];
        if self == from || (numbers.contains(self) && numbers.contains(from)) {
            return expression.to_owned();
        }
        let text = format!("({expression})::pg_catalog.text");
        let only_if =
            |pattern: &str, then: &str| format!("CASE WHEN {text} OPERATOR(pg_catalog.~) '{pattern}' THEN {then} END");
        match self {
            // Nineteen digits may still be too many.
            Self::Integer => only_if(
                "^(0|-?[1-9][0-9]{0,18})$",
                &format!(
                    "CASE WHEN {text}::pg_catalog.numeric OPERATOR(pg_catalog.>=) -9223372036854775808 \
                     AND {text}::pg_catalog.numeric OPERATOR(pg_catalog.<=) 9223372036854775807 \
                     THEN {text}::pg_catalog.int8 END"
                ),
            ),
            Self::Decimal => only_if(r"^-?[0-9]{1,999}(\.[0-9]{1,999})?$", &format!("{text}::pg_catalog.numeric")),
            Self::Uuid => {
                only_if("^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$", &format!("{text}::pg_catalog.uuid"))
            }
            Self::List(element) => element.converted(expression, from),
            Self::Padded | Self::CaseBlind(_) => format!("{text}::{}", self.type_name()),
            Self::Text | Self::Json(_) | Self::Bytes | Self::Composite | Self::Other => text,
        }
    }
}

fn is_decimal(text: &str) -> bool {
    let unsigned = text.strip_prefix('-').unwrap_or(text);
    let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, "0"));
    [whole, fraction].iter().all(|part| (1..1000).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit()))
}

fn is_uuid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_texts_that_a_type_takes_are_values_of_it() {
        for (family, taken, refused) in [
            (
                Family::Integer,
                vec!["0", "-7", "9223372036854775807"],
                vec!["", "007", "+1", "1.0", "9223372036854775808", "a"],
            ),
            (
                Family::Decimal,
                vec!["0", "-1.50", "123456789012345678901234567890"],
                vec!["", ".5", "1e5", "NaN", "--1"],
            ),
            (
                Family::Uuid,
                vec!["6F9619FF-8B86-D011-B42D-00C04FC964FF"],
                vec!["6f9619ff8b86d011b42d00c04fc964ff", "6f9619ff-8b86-d011-b42d-00c04fc964fg", "é"],
            ),
            (Family::Text, vec!["", "o'neil; --"], vec!["a\0b"]),
            (Family::List(Box::new(Family::Integer)), vec!["1"], vec!["{1}"]),
        ] {
            assert!(taken.iter().all(|text| family.takes(text)), "{family:?}");
            assert!(!refused.iter().any(|text| family.takes(text)), "{family:?}");
        }
    }
}
