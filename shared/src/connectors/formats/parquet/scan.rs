//! Rows with one of a few values, looked for in the pages as they are stored: most pages hold none, and are left once their
//! bytes, or the dictionary, have been searched. What is not understood is none: then the column is decoded.

use bytes::Bytes;
use memchr::memmem::Finder;
use parquet::file::metadata::ColumnChunkMetaData;

use super::codec::Codec;
use super::page::{Page, Storage};
use super::pages::indices;
use super::plain::Plain;

/// The numbers of the rows of a column chunk that have one of these values, ascending.
pub(super) fn scan(chunk: &Bytes, column: &ColumnChunkMetaData, rows: u64, wanted: &[Vec<u8>]) -> Option<Vec<u64>> {
    let described = column.column_descr();
    let codec = Codec::of(column.compression())?;
    let plain = Plain::of(described).filter(|plain| *plain != Plain::Bits)?;
    if described.max_rep_level() > 0 {
        return None;
    }
    let mut stored = Vec::with_capacity(wanted.len());
    for value in wanted {
        let mut bytes = Vec::new();
        plain.push(value, &mut bytes)?;
        stored.push(Finder::new(&bytes).into_owned());
    }
    let is_wanted = |value: &[u8]| wanted.iter().any(|wanted| wanted == value);
    let (mut found, mut buffer, mut entries) = (Vec::new(), Vec::new(), Vec::new());
    let (mut at, mut first) = (0, 0);
    while at < chunk.len() {
        let page = Page::at(chunk, at)?;
        at = page.stretch.end;
        if page.is_dictionary() {
            let values = page.dictionary(codec)?;
            let places = plain.all(&values, page.values)?;
            let hits = (0..).zip(places).filter(|(_, place)| is_wanted(&values[place.clone()]));
            entries = hits.map(|(entry, _)| entry).collect::<Vec<u32>>();
            continue;
        }
        let may_hold = match page.storage {
            Storage::Indices => !entries.is_empty(),
            Storage::Plain => {
                page.body_into(codec, &mut buffer)?;
                stored.iter().any(|value| value.find(&buffer).is_some())
            }
            Storage::Other => return None,
        };
        if may_hold {
            let content = page.content(codec, described, true)?;
            let most = u32::try_from(described.max_def_level()).ok()?;
            let slots =
                (0..page.values).filter(|slot| content.definitions.get(*slot).is_none_or(|level| *level == most));
            let slots: Vec<usize> = slots.collect();
            let hits: Vec<bool> = if page.storage == Storage::Indices {
                indices(&content.values, slots.len())?.1.iter().map(|index| entries.contains(index)).collect()
            } else {
                let places = plain.all(&content.values, slots.len())?;
                places.into_iter().map(|place| is_wanted(&content.values[place])).collect()
            };
            let rows = slots.into_iter().zip(hits).filter(|(_, is_hit)| *is_hit);
            found.extend(rows.map(|(slot, _)| first + slot as u64));
        }
        first += page.values as u64;
    }
    (first == rows).then_some(found)
}
