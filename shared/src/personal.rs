//! Personal data in types that do not print.
//!
//! The rule of this room: whoever wants the value writes `expose()`, so that a search for that word finds every place
//! where personal data is handled. `Debug` prints a placeholder, `Display` and `Serialize` do not exist.

use std::fmt;

/// A value that is personal data.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Personal<T>(T);

impl<T> Personal<T> {
    /// Marks a value as personal data.
    pub fn new(value: T) -> Self {
        Self(value)
    }

    /// The value. Do not log, format or store what this gives outside sealed attributes and the subject's own systems.
    pub fn expose(&self) -> &T {
        &self.0
    }

    /// The value, taken out.
    pub fn into_exposed(self) -> T {
        self.0
    }
}

impl<T> fmt::Debug for Personal<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("[personal data]")
    }
}

/// Why a value is not an identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IdentityError {
    /// Not an address that mail could be sent to.
    #[error("the e-mail address is not valid")]
    Email,
    /// Not an E.164 number.
    #[error("the phone number is not valid: write it with country code, like +86 followed by the number")]
    PhoneNumber,
    /// Empty or too long.
    #[error("the user id is empty or longer than 256 characters")]
    UserId,
}

/// The kinds of identity that a dataset can declare with `fides_meta.identity`.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum IdentityKind {
    /// The app's own id of the user; the subject claim of a sign-in.
    UserId,
    /// An e-mail address.
    Email,
    /// A phone number in E.164.
    PhoneNumber,
}

impl IdentityKind {
    /// The word for it in datasets, digests and templates.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::UserId => "user_id",
            Self::Email => "email",
            Self::PhoneNumber => "phone_number",
        }
    }
}

/// Who a request is about, as the person named themselves: parsed and in its normal form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    kind: IdentityKind,
    value: Personal<String>,
}

impl Identity {
    /// Longest identity accepted, in bytes.
    const MAX_LENGTH: usize = 256;

    /// Parses and normalises: surrounding space goes; an e-mail address is lower-cased; a phone number loses spaces,
    /// hyphens, dots and parentheses and must then be E.164 (`+` and 8 to 15 digits).
    pub fn parse(kind: IdentityKind, value: &str) -> Result<Self, IdentityError> {
        let trimmed = value.trim();
        let normal = match kind {
            IdentityKind::Email => {
                let address = trimmed.to_lowercase();
                let sendable = address.len() <= Self::MAX_LENGTH && email_address::EmailAddress::is_valid(&address);
                if !sendable {
                    return Err(IdentityError::Email);
                }
                address
            }
            IdentityKind::PhoneNumber => {
                let number: String =
                    trimmed.chars().filter(|c| !matches!(c, ' ' | '-' | '.' | '(' | ')' | '\u{a0}')).collect();
                let digits = number.strip_prefix('+').ok_or(IdentityError::PhoneNumber)?;
                let well_formed = (8..=15).contains(&digits.len())
                    && digits.bytes().all(|b| b.is_ascii_digit())
                    && !digits.starts_with('0');
                if !well_formed {
                    return Err(IdentityError::PhoneNumber);
                }
                number
            }
            IdentityKind::UserId => {
                if trimmed.is_empty() || trimmed.len() > Self::MAX_LENGTH {
                    return Err(IdentityError::UserId);
                }
                trimmed.to_owned()
            }
        };
        Ok(Self { kind, value: Personal::new(normal) })
    }

    /// Which kind it is.
    #[must_use]
    pub fn kind(&self) -> IdentityKind {
        self.kind
    }

    /// The normal form.
    #[must_use]
    pub fn value(&self) -> &Personal<String> {
        &self.value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identities_are_normalised_and_do_not_print() {
        let phone = Identity::parse(IdentityKind::PhoneNumber, " +86 139-1234 5678 ").unwrap();
        assert_eq!(phone.value().expose(), "+8613912345678");
        let email = Identity::parse(IdentityKind::Email, "Li.Wei@Mail.Example ").unwrap();
        assert_eq!(email.value().expose(), "li.wei@mail.example");
        assert!(!format!("{phone:?} {email:?}").contains("139"));
    }

    #[test]
    fn malformed_identities_are_refused_without_repeating_them() {
        for (kind, value) in [
            (IdentityKind::PhoneNumber, "13912345678"),
            (IdentityKind::PhoneNumber, "+0123456789"),
            (IdentityKind::PhoneNumber, "+86 1391234x678"),
            (IdentityKind::Email, "li.wei"),
            (IdentityKind::Email, "a@b@c"),
            (IdentityKind::UserId, "  "),
        ] {
            let error = Identity::parse(kind, value).unwrap_err().to_string();
            assert!(!error.contains(value.trim()) || value.trim().is_empty(), "{error}");
        }
    }
}
