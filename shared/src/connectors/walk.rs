//! Walks a person's rows in a system that is asked for one value at a time: link after link, value after value, page after
//! page, under one cursor.

use std::collections::HashSet;
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

/// Which of some records an earlier link than this one leads to as well. `stands` says how a value stands in a field.
pub(super) async fn came_earlier(
    links: &[Link],
    before: usize,
    records: &[&Record],
    person: &Person,
    stands: &(dyn Fn(&str, &str) -> String + Sync),
) -> Result<Vec<bool>, ConnectorError> {
    let mut came = vec![false; records.len()];
    if records.is_empty() {
        return Ok(came);
    }
    for link in links.iter().take(before) {
        let held: Vec<Vec<Tuple>> = records.iter().map(|record| held_by(link, record)).collect();
        let mut chunk = 0;
        // Chunk after chunk for all records at once: a chunk may be an object that has to be fetched.
        while let Some(values) = person.values(link, chunk).await? {
            let led_to: HashSet<Tuple> = values.iter().map(|tuple| standing(link, tuple, stands)).collect();
            for (came, held) in came.iter_mut().zip(&held) {
                *came |= held.iter().any(|held| led_to.contains(held));
            }
            chunk += 1;
        }
    }
    Ok(came)
}

/// What a record holds in the fields of a link; of a list, each element.
fn held_by(link: &Link, record: &Record) -> Vec<Tuple> {
    let fields: Vec<&str> = link.pairs.iter().map(|pair| pair.field.as_str()).collect();
    record.keys_at(&fields)
}

/// The values of a link as they stand in its fields.
fn standing(link: &Link, tuple: &Tuple, stands: &(dyn Fn(&str, &str) -> String + Sync)) -> Tuple {
    link.pairs.iter().zip(tuple).map(|(pair, value)| stands(&pair.field, value)).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::identity::SubjectKeys;
    use crate::personal::IdentityKind;
    use crate::policy::{Origin, Pair};
    use crate::record::Value;

    fn link(fields: &[&str]) -> Link {
        let pairs = fields.iter().map(|field| Pair { field: (*field).into(), origin_field: "email".into() }).collect();
        Link { pairs, origin: Origin::Subject, captured: false }
    }

    async fn came(link: Link, email: &str, record: &Record) -> bool {
        let keys = BTreeMap::from([("email".to_owned(), vec![email.to_owned()])]);
        let person = Person::known_by(SubjectKeys {
            kind: IdentityKind::Email,
            value: email.to_owned(),
            keys,
            named: Vec::new(),
            own_ids: BTreeMap::new(),
        });
        let stands = |_: &str, value: &str| format!("MAIL#{value}");
        came_earlier(&[link.clone(), link], 1, &[record], &person, &stands).await.unwrap() == [true]
    }

    #[tokio::test]
    async fn a_list_leads_to_its_row_by_each_element_as_it_stands_there() {
        let emails = Value::List(vec![Value::Text("MAIL#a".into()), Value::Text("MAIL#b".into())]);
        let profile = Value::Map([("emails".to_owned(), emails)].into_iter().collect());
        let record: Record = [("profile".to_owned(), profile)].into_iter().collect();
        assert!(came(link(&["profile.emails"]), "b", &record).await);
        assert!(!came(link(&["profile.emails"]), "c", &record).await);
        assert!(!came(link(&["profile.emails", "profile.name"]), "a", &record).await, "one of its fields is missing");
    }
}
