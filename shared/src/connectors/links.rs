//! Walks a person's rows of a collection: link after link, value after value, page after page, under one cursor.

use serde::{Deserialize, Serialize};

use super::{Connector, ConnectorError, Row, Selector};
use crate::identity::SubjectKeys;
use crate::policy::{Link, Pinned, Place};

/// Where a walk stands.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkCursor {
    /// Which link.
    #[serde(default)]
    pub link: usize,
    /// Which value of it.
    #[serde(default)]
    pub value: usize,
    /// The connector's own cursor.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub native: Option<String>,
}

/// A page of a walk.
pub struct LinkPage<'a> {
    /// The rows, without those that an earlier link already led to.
    pub rows: Vec<Row>,
    /// The link that led here; none if nothing was left to read.
    pub link: Option<&'a Link>,
    /// Where the next page begins; none: this was the last.
    pub next: Option<LinkCursor>,
}

/// Reads the page of a person's rows that begins at the cursor.
pub async fn read_linked<'a>(
    connector: &dyn Connector,
    policy: &'a Pinned,
    collection: &str,
    subject: &SubjectKeys,
    cursor: LinkCursor,
) -> Result<LinkPage<'a>, ConnectorError> {
    let place = policy.place(collection).ok_or(ConnectorError::WrongKind)?;
    let links = policy.links(collection);
    let mut at = cursor;
    loop {
        let Some(link) = links.get(at.link) else {
            return Ok(LinkPage { rows: Vec::new(), link: None, next: None });
        };
        let values = subject.keys.get(&link.subject_field).map_or(&[][..], Vec::as_slice);
        let Some(value) = values.get(at.value) else {
            at = LinkCursor { link: at.link + 1, ..LinkCursor::default() };
            continue;
        };
        let selector = Selector::Link { field: &link.field, value };
        let mut page = connector.read(place, selector, at.native.as_deref()).await?;
        if matches!(place, Place::Table(_)) {
            let earlier = &links[..at.link];
            page.rows.retain(|row| !earlier.iter().any(|link| leads_to(link, row, subject)));
        }
        let next = match page.next {
            Some(native) => LinkCursor { native: Some(native), ..at },
            None => LinkCursor { value: at.value + 1, native: None, ..at },
        };
        let more = next.native.is_some() || has_more(links, subject, &next);
        return Ok(LinkPage { rows: page.rows, link: Some(link), next: more.then_some(next) });
    }
}

fn leads_to(link: &Link, row: &Row, subject: &SubjectKeys) -> bool {
    let value = row.record.get(&link.field).and_then(|value| value.as_text());
    value.is_some_and(|value| subject.keys.get(&link.subject_field).is_some_and(|keys| keys.iter().any(|k| k == value)))
}

fn has_more(links: &[Link], subject: &SubjectKeys, from: &LinkCursor) -> bool {
    let values = |link: &Link| subject.keys.get(&link.subject_field).map_or(0, Vec::len);
    links.get(from.link).is_some_and(|link| from.value < values(link))
        || links.iter().skip(from.link + 1).any(|link| values(link) > 0)
}
