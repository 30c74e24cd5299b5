//! Why an object's rows were not gone through.

use super::ConnectorError;

/// Why an object's rows were not gone through. Nothing has been changed then. No text of it repeats what the object holds.
#[derive(Debug, thiserror::Error)]
pub enum FormatError {
    /// The object changed while it was being read, or before the new one took its place: begin again.
    #[error("the object has changed meanwhile")]
    Changed,
    /// The store, or the judge, did not answer.
    #[error(transparent)]
    Connector(#[from] ConnectorError),
    /// The object is not what its collection's format says, or it is damaged.
    #[error("the object is malformed: {0}")]
    Malformed(&'static str),
    /// The object uses something that is not implemented here.
    #[error("the object is of a kind that cannot be rewritten: {0}")]
    Unsupported(&'static str),
    /// A change does not fit the type of its column.
    #[error("a change cannot be stored: {0}")]
    Unfit(&'static str),
}

impl FormatError {
    /// Whether it is this object that is at fault: the others can still be done.
    #[must_use]
    pub const fn is_of_object(&self) -> bool {
        matches!(self, Self::Malformed(_) | Self::Unsupported(_))
    }
}

impl From<FormatError> for ConnectorError {
    fn from(error: FormatError) -> Self {
        match error {
            FormatError::Connector(error) => error,
            FormatError::Changed => {
                Self::Transient { operation: "rewriting an object", source: Box::new(FormatError::Changed) }
            }
            FormatError::Malformed(why) | FormatError::Unsupported(why) | FormatError::Unfit(why) => Self::Row(why),
        }
    }
}
