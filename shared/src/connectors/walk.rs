//! Walks a person's rows in a system that is asked for one value at a time: link after link, value after value, page after
//! page, under one cursor.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{ConnectorError, Person, Target, Tuple};
use crate::policy::Link;
use crate::record::Record;

/// Where a walk stands.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Step {
    /// Which link.
    #[serde(default)]
    pub(super) link: usize,
    /// Which chunk of its values.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(super) chunk: usize,
    /// Which value of the chunk.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(super) value: usize,
    /// The system's own cursor.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) native: Option<String>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(number: &usize) -> bool {
    *number == 0
}

impl Step {
    pub(super) fn parse(cursor: Option<&str>) -> Result<Self, ConnectorError> {
        cursor.map_or(Ok(Self::default()), |json| serde_json::from_str(json).map_err(|_| ConnectorError::Cursor))
    }

    pub(super) fn to_text(&self) -> Result<String, ConnectorError> {
        serde_json::to_string(self).map_err(|_| ConnectorError::Cursor)
    }
}

/// A place of a walk at which there is something to ask for.
pub(super) struct Stop<'a> {
    pub(super) link: &'a Link,
    values: Arc<Vec<Tuple>>,
    pub(super) at: Step,
}

impl<'a> Stop<'a> {
    /// The first stop at or after a step; none: the walk is over.
    pub(super) async fn from(target: &Target<'a>, person: &Person, at: Step) -> Result<Option<Self>, ConnectorError> {
        let mut at = at;
        while let Some(link) = target.links.get(at.link) {
            match person.values(link, at.chunk).await? {
                None => at = Step { link: at.link + 1, ..Step::default() },
                Some(values) if at.value >= values.len() => {
                    at = Step { chunk: at.chunk + 1, value: 0, native: None, ..at };
                }
                Some(values) => return Ok(Some(Self { link, values, at })),
            }
        }
        Ok(None)
    }

    /// The values of the link's fields.
    pub(super) fn tuple(&self) -> &[String] {
        self.values.get(self.at.value).map_or(&[], Vec::as_slice)
    }

    /// The step after this stop, at which there is something to ask for; none: the walk is over.
    pub(super) async fn after(
        &self,
        target: &Target<'a>,
        person: &Person,
        native: Option<String>,
    ) -> Result<Option<String>, ConnectorError> {
        if native.is_some() {
            return Step { native, ..self.at.clone() }.to_text().map(Some);
        }
        let next = Step { value: self.at.value + 1, native: None, ..self.at.clone() };
        let stop = Self::from(target, person, next).await?;
        stop.map(|stop| stop.at.to_text()).transpose()
    }
}

/// Whether an earlier link than this one leads to a record as well.
pub(super) async fn came_earlier(
    links: &[Link],
    before: usize,
    record: &Record,
    person: &Person,
) -> Result<bool, ConnectorError> {
    for link in links.iter().take(before) {
        let mut chunk = 0;
        while let Some(values) = person.values(link, chunk).await? {
            if values.iter().any(|tuple| holds(link, tuple, record)) {
                return Ok(true);
            }
            chunk += 1;
        }
    }
    Ok(false)
}

/// Whether a record has these values in the fields of a link; in a list, in one of its elements.
pub(super) fn holds(link: &Link, tuple: &[String], record: &Record) -> bool {
    let fields: Vec<&str> = link.pairs.iter().map(|pair| pair.field.as_str()).collect();
    record.keys_at(&fields).iter().any(|keys| keys.as_slice() == tuple)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::{Origin, Pair};
    use crate::record::Value;

    #[test]
    fn a_list_leads_to_its_row_by_each_element() {
        let pair = Pair { field: "profile.emails".into(), origin_field: "email".into() };
        let link = Link { pairs: vec![pair], origin: Origin::Subject, captured: false };
        let emails = Value::List(vec![Value::Text("a".into()), Value::Text("b".into())]);
        let profile = Value::Map([("emails".to_owned(), emails)].into_iter().collect());
        let record: Record = [("profile".to_owned(), profile)].into_iter().collect();
        assert!(holds(&link, &["b".to_owned()], &record));
        assert!(!holds(&link, &["c".to_owned()], &record));
        assert!(!holds(&link, &["a".to_owned(), "b".to_owned()], &record));
    }
}
