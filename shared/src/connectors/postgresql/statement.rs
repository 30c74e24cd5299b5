//! Statements: their text, and the values that go beside it. No value is ever written into the text.

use tokio_postgres::types::{ToSql, Type};

/// A value of a statement. There are texts and arrays of texts only; the statement casts them.
#[derive(Clone, PartialEq)]
pub(super) enum Given {
    Text(Option<String>),
    Texts(Vec<Option<String>>),
}

impl Given {
    fn value(&self) -> (&(dyn ToSql + Sync), Type) {
        match self {
            Self::Text(text) => (text, Type::TEXT),
            Self::Texts(texts) => (texts, Type::TEXT_ARRAY),
        }
    }
}

/// A statement and its values.
#[derive(Clone, Default, PartialEq)]
pub(super) struct Statement {
    pub(super) text: String,
    pub(super) given: Vec<Given>,
}

impl Statement {
    pub(super) fn of(text: impl Into<String>) -> Self {
        Self { text: text.into(), given: Vec::new() }
    }

    /// The same with one more text.
    pub(super) fn with(mut self, text: impl Into<String>) -> Self {
        self.given.push(Given::Text(Some(text.into())));
        self
    }

    /// The values as the driver takes them.
    pub(super) fn values(&self) -> Vec<(&(dyn ToSql + Sync), Type)> {
        self.given.iter().map(Given::value).collect()
    }
}

/// The values of a statement under construction.
#[derive(Clone, Default)]
pub(super) struct Values(Vec<Given>);

impl Values {
    /// Takes a value in, and gives the place that stands for it.
    pub(super) fn take(&mut self, given: Given) -> String {
        self.0.push(given);
        format!("${}", self.0.len())
    }

    pub(super) fn into_statement(self, text: String) -> Statement {
        Statement { text, given: self.0 }
    }
}

/// An identifier, whatever is in it.
pub(super) fn quoted(identifier: &str) -> String {
    format!("\"{}\"", identifier.replace('"', "\"\""))
}

/// A text constant. Only for names in the policy: what a row holds goes beside the statement.
pub(super) fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// A table's name with its schema.
pub(super) fn qualified(schema: &str, name: &str) -> String {
    format!("{}.{}", quoted(schema), quoted(name))
}
