//! A column chunk without some rows, page by page: a page that holds none of them is taken over byte for byte; of one that
//! does, levels and values are taken apart and put together without them. What the file says of the chunk goes with it
//! ([`super::told`]).
//!
//! The rules: a dictionary holds no value that no row has any more, and none twice, as readers count on that; if one goes,
//! all indices are written anew. Whatever is not understood, or would have to be made of all values of the chunk, is left to
//! [`super::encode`], which decodes it whole; so an answer of none is no error.

use std::collections::HashSet;
use std::ops::Range;

use bytes::Bytes;
use parquet::file::metadata::ColumnChunkMetaData;
use parquet::schema::types::ColumnDescriptor;

use super::codec::Codec;
use super::page::{Built, Content, Page, Storage};
use super::plain::Plain;
use super::runs;
use super::told::{Told, tell};

/// Bytes of pages that are in memory at once, taken apart. Where more lose rows, little of the chunk could be taken over, and
/// to decode and encode it batch by batch takes less.
const MOST_APART: usize = 32 << 20;

/// A column chunk as it is.
pub(super) struct Chunk<'a> {
    /// As the footer describes it.
    pub(super) raw: &'a [u8],
    pub(super) column: &'a ColumnChunkMetaData,
    pub(super) bytes: &'a Bytes,
    /// Where its first byte is in the file.
    pub(super) start: u64,
    /// Rows of its group.
    pub(super) rows: u64,
    pub(super) column_index: Option<&'a [u8]>,
    pub(super) offset_index: Option<&'a [u8]>,
}

/// A column chunk that was put together of pages.
pub(super) struct Paged {
    /// What it is made of, one piece after the other.
    pub(super) pieces: Vec<Bytes>,
    /// As the footer is to describe it. Places count as if it began where the old one does.
    pub(super) raw: Vec<u8>,
    pub(super) column_index: Option<Bytes>,
    pub(super) offset_index: Option<Bytes>,
}

/// A page of data and what becomes of it.
pub(super) struct Data {
    pub(super) page: Page,
    pub(super) rows: u64,
    /// None: it loses nothing.
    pub(super) cut: Option<Cut>,
    pub(super) now: Now,
}

/// What a page is now.
pub(super) enum Now {
    /// What it was.
    Kept,
    Built(Built),
    /// Nothing.
    Gone,
}

/// What is taken out of a page.
pub(super) struct Cut {
    pub(super) rows: u64,
    /// Values, those that are not there included.
    pub(super) values: u64,
    /// Values that are not there.
    pub(super) nulls: u64,
    /// Values that are not there of the whole page, before.
    pub(super) nulls_before: u64,
    /// How many of each level.
    pub(super) repetitions: Vec<u64>,
    pub(super) definitions: Vec<u64>,
    pub(super) gone: Gone,
    /// The levels that are left.
    left: Content,
    /// Bits of an index.
    width: u32,
}

/// Values that are gone from a page, and those that are left.
pub(super) enum Gone {
    Values { gone: Vec<Vec<u8>>, left: Vec<u8>, count: usize },
    Indices { gone: Vec<u32>, left: Vec<u32> },
}

/// The dictionary of a chunk.
pub(super) struct Dictionary {
    values: Vec<u8>,
    places: Vec<Range<usize>>,
    /// Which of its values a row has.
    pub(super) used: Vec<bool>,
}

impl Dictionary {
    pub(super) fn value(&self, index: u32) -> Option<&[u8]> {
        self.values.get(self.places.get(index as usize)?.clone())
    }

    /// It, without the values that no row has; none: no row has any.
    fn cleaned(&self, head: &Page, codec: Codec, plain: Plain) -> Option<Built> {
        let mut values = Vec::with_capacity(self.values.len());
        let mut count = 0;
        for (place, _) in self.places.iter().zip(&self.used).filter(|(_, used)| **used) {
            plain.push(&self.values[place.clone()], &mut values)?;
            count += 1;
        }
        if count == 0 { None } else { head.with_dictionary(codec, &values, count) }
    }

    /// Where each of its values is once the others are out.
    fn new_places(&self) -> Vec<u32> {
        let mut next = 0;
        let place = |used: &bool| {
            let place = next;
            next += u32::from(*used);
            place
        };
        self.used.iter().map(place).collect()
    }
}

/// The chunk without these rows (ascending); none: it has to be decoded whole.
pub(super) fn without(chunk: &Chunk<'_>, rows: &[u64]) -> Option<Paged> {
    let column = chunk.column.column_descr();
    let codec = Codec::of(chunk.column.compression())?;
    let plain = Plain::of(column)?;
    let (head, mut pages) = taken_apart(chunk, codec)?;
    let touched = touched(&pages, rows);
    let apart: usize = touched.iter().map(|(at, ..)| pages[*at].page.bytes_apart()).sum();
    if apart > MOST_APART {
        return None;
    }
    for (at, start, rows) in touched {
        pages[at].cut = Some(cut(&pages[at], codec, column, plain, (start, rows))?);
    }
    let dictionary = match &head {
        Some(head) => Some(dictionary_of(head, &pages, codec, column, plain)?),
        None => None,
    };
    let changed = dictionary.as_ref().filter(|dictionary| !dictionary.used.iter().all(|used| *used));
    let new_head = match (&head, changed) {
        (Some(head), Some(dictionary)) => Some(dictionary.cleaned(head, codec, plain)?),
        _ => None,
    };
    let places = changed.map(Dictionary::new_places);
    for data in &mut pages {
        data.now = put_together(data, codec, column, places.as_deref())?;
    }
    let pieces = pieces(chunk.bytes, head.as_ref(), new_head.as_ref(), &pages);
    let told =
        Told { chunk, plain, codec, head: head.as_ref(), new_head: new_head.as_ref(), pages: &pages, dictionary };
    let length: usize = pieces.iter().map(Bytes::len).sum();
    tell(&told, length, pieces)
}

/// The pages that lose rows: which, their first row, and the rows.
fn touched<'r>(pages: &[Data], rows: &'r [u64]) -> Vec<(usize, u64, &'r [u64])> {
    let mut first = 0;
    let losing = pages.iter().enumerate().map(|(at, data)| {
        let span = first..first + data.rows;
        first = span.end;
        let from = rows.partition_point(|row| *row < span.start);
        let to = rows.partition_point(|row| *row < span.end);
        (at, span.start, &rows[from..to])
    });
    losing.filter(|(.., rows)| !rows.is_empty()).collect()
}

/// What a page is without what it loses, with other indices if values of the dictionary have new places.
fn put_together(data: &Data, codec: Codec, column: &ColumnDescriptor, places: Option<&[u32]>) -> Option<Now> {
    let packed = |indices: &[u32], width: u32| {
        let mut values = vec![u8::try_from(width).ok()?];
        match places {
            None => values.extend(runs::pack(indices, width)),
            Some(places) => {
                let moved =
                    indices.iter().map(|index| places.get(*index as usize).copied()).collect::<Option<Vec<_>>>()?;
                values.extend(runs::pack(&moved, width));
            }
        }
        Some(values)
    };
    let page = &data.page;
    let Some(cut) = &data.cut else {
        if places.is_none() || page.storage != Storage::Indices {
            return Some(Now::Kept);
        }
        let content = page.content(codec, column, true)?;
        let (width, all) = indices(&content.values, content.there(column, page.values)?)?;
        return page.with_values(codec, &content.values, &packed(&all, width)?).map(Now::Built);
    };
    if cut.rows == data.rows {
        return Some(Now::Gone);
    }
    let content = Content {
        repetitions: cut.left.repetitions.clone(),
        definitions: cut.left.definitions.clone(),
        values: match &cut.gone {
            Gone::Values { left, .. } => left.clone(),
            Gone::Indices { left, .. } => packed(left, cut.width)?,
        },
    };
    let values = page.values - usize::try_from(cut.values).ok()?;
    let counts = (data.rows - cut.rows, cut.nulls_before - cut.nulls);
    page.with(codec, column, &content, values, counts).map(Now::Built)
}

/// The pages of a chunk: its dictionary, and its data with how many rows each has.
fn taken_apart(chunk: &Chunk<'_>, codec: Codec) -> Option<(Option<Page>, Vec<Data>)> {
    let column = chunk.column.column_descr();
    let (mut head, mut pages, mut at) = (None, Vec::new(), 0);
    let (mut rows, mut values) = (0, 0);
    while at < chunk.bytes.len() {
        let page = Page::at(chunk.bytes, at)?;
        let is_first = at == 0;
        at = page.stretch.end;
        if page.is_dictionary() {
            if !is_first {
                return None;
            }
            head = Some(page);
            continue;
        }
        let here = if column.max_rep_level() == 0 {
            page.values as u64
        } else {
            // A page may begin in the middle of a row, unless its writer knew of page indexes.
            let levels = page.content(codec, column, false)?.repetitions;
            if levels.first().is_some_and(|level| *level != 0) {
                return None;
            }
            levels.iter().filter(|level| **level == 0).count() as u64
        };
        if page.is_second() && page.told()?.0 != here {
            return None;
        }
        rows += here;
        values += page.values;
        pages.push(Data { page, rows: here, cut: None, now: Now::Kept });
    }
    let is_all = rows == chunk.rows && i64::try_from(values).ok()? == chunk.column.num_values();
    is_all.then_some((head, pages))
}

/// Takes rows out of a page that begins with row `first`.
fn cut(
    data: &Data,
    codec: Codec,
    column: &ColumnDescriptor,
    plain: Plain,
    (first, rows): (u64, &[u64]),
) -> Option<Cut> {
    let page = &data.page;
    let content = page.content(codec, column, true)?;
    let most = u32::try_from(column.max_def_level()).ok()?;
    let is_there = |slot: usize| content.definitions.get(slot).is_none_or(|level| *level == most);
    let count = (0..page.values).filter(|slot| is_there(*slot)).count();
    let mut cut = Cut {
        rows: rows.len() as u64,
        values: 0,
        nulls: 0,
        nulls_before: (page.values - count) as u64,
        repetitions: vec![0; usize::try_from(column.max_rep_level()).ok()? + 1],
        definitions: vec![0; usize::try_from(column.max_def_level()).ok()? + 1],
        gone: Gone::Indices { gone: Vec::new(), left: Vec::new() },
        left: Content::default(),
        width: 0,
    };
    if page.is_second() && page.told()?.1 != cut.nulls_before {
        return None;
    }
    let (mut row, mut value, mut numbers) = (first, 0, Vec::new());
    let mut going = rows.iter().peekable();
    for slot in 0..page.values {
        let repetition = content.repetitions.get(slot).copied();
        let definition = content.definitions.get(slot).copied();
        if slot > 0 && repetition.unwrap_or(0) == 0 {
            going.next_if(|gone| **gone == row);
            row += 1;
        }
        if going.peek().is_some_and(|gone| **gone == row) {
            cut.values += 1;
            cut.repetitions[repetition.unwrap_or(0) as usize] += 1;
            cut.definitions[definition.unwrap_or(0) as usize] += 1;
            if is_there(slot) {
                numbers.push(value);
            } else {
                cut.nulls += 1;
            }
        } else {
            cut.left.repetitions.extend(repetition);
            cut.left.definitions.extend(definition);
        }
        value += usize::from(is_there(slot));
    }
    cut.gone = match page.storage {
        Storage::Plain => {
            let without = plain.without(&content.values, count, &numbers)?;
            Gone::Values { gone: without.gone, left: without.left, count: count - numbers.len() }
        }
        Storage::Indices => {
            let (width, all) = indices(&content.values, count)?;
            let gone = numbers.iter().map(|number| all.get(*number).copied()).collect::<Option<_>>()?;
            let (mut at, mut rest) = (0, numbers.iter().peekable());
            let mut stay = all;
            stay.retain(|_| {
                at += 1;
                rest.next_if(|number| **number == at - 1).is_none()
            });
            cut.width = width;
            Gone::Indices { gone, left: stay }
        }
        Storage::Other => return None,
    };
    Some(cut)
}

/// So many indices into a dictionary, and of how many bits they are.
pub(super) fn indices(values: &[u8], count: usize) -> Option<(u32, Vec<u32>)> {
    match values.split_first() {
        Some((width, packed)) => Some((u32::from(*width), runs::unpack(packed, u32::from(*width), count)?)),
        None => (count == 0).then(|| (0, Vec::new())),
    }
}

/// The dictionary of a chunk, with which of its values a row has that stays.
fn dictionary_of(
    head: &Page,
    pages: &[Data],
    codec: Codec,
    column: &ColumnDescriptor,
    plain: Plain,
) -> Option<Dictionary> {
    let values = head.dictionary(codec)?;
    let places = plain.all(&values, head.values)?;
    let mut used = vec![false; places.len()];
    let mut note = |indices: &[u32]| {
        indices.iter().try_for_each(|index| {
            *used.get_mut(*index as usize)? = true;
            Some(())
        })
    };
    for data in pages.iter().filter(|data| data.page.storage == Storage::Indices) {
        if let Some(Cut { gone: Gone::Indices { left, .. }, .. }) = &data.cut {
            note(left)?;
            continue;
        }
        let content = data.page.content(codec, column, true)?;
        note(&indices(&content.values, content.there(column, data.page.values)?)?.1)?;
    }
    Some(Dictionary { values, places, used })
}

/// What the chunk is made of now.
fn pieces(old: &Bytes, head: Option<&Page>, new_head: Option<&Built>, pages: &[Data]) -> Vec<Bytes> {
    let mut pieces = Vec::new();
    let mut kept: Option<Range<usize>> = None;
    let first = head.map(|head| (&head.stretch, new_head.map(Some)));
    let rest = pages.iter().map(|data| {
        let change = match &data.now {
            Now::Kept => None,
            Now::Built(built) => Some(Some(built)),
            Now::Gone => Some(None),
        };
        (&data.page.stretch, change)
    });
    for (stretch, change) in first.into_iter().chain(rest) {
        match (change, &mut kept) {
            (None, Some(kept)) if kept.end == stretch.start => kept.end = stretch.end,
            (None, kept) => pieces.extend(kept.replace(stretch.clone()).map(|kept| old.slice(kept))),
            (Some(built), kept) => {
                pieces.extend(kept.take().map(|kept| old.slice(kept)));
                pieces.extend(built.map(|built| Bytes::copy_from_slice(&built.bytes)));
            }
        }
    }
    pieces.extend(kept.map(|kept| old.slice(kept)));
    pieces
}

impl Gone {
    /// Whether a value is gone that could be told by something said of the chunk (or the page only): it fits, and no row that
    /// is left, as far as is known, has it.
    pub(super) fn any(
        &self,
        dictionary: Option<&Dictionary>,
        plain: Plain,
        of_page_only: bool,
        fits: &dyn Fn(&[u8]) -> bool,
    ) -> Option<bool> {
        match self {
            Self::Values { gone, left, count } => {
                let gone: HashSet<&Vec<u8>> = gone.iter().filter(|value| fits(value)).collect();
                Some(gone.into_iter().any(|value| !plain.holds(left, *count, value)))
            }
            Self::Indices { gone, left } => {
                let dictionary = if gone.is_empty() { return Some(false) } else { dictionary? };
                let gone: HashSet<u32> = gone.iter().copied().collect();
                for index in gone {
                    let is_left =
                        if of_page_only { left.contains(&index) } else { *dictionary.used.get(index as usize)? };
                    if !is_left && fits(dictionary.value(index)?) {
                        return Some(true);
                    }
                }
                Some(false)
            }
        }
    }

    /// Whether a value like that is gone, left elsewhere or not.
    pub(super) fn has(&self, dictionary: Option<&Dictionary>, fits: impl Fn(&[u8]) -> bool) -> Option<bool> {
        match self {
            Self::Values { gone, .. } => Some(gone.iter().any(|value| fits(value))),
            Self::Indices { gone, .. } => {
                for index in gone {
                    if fits(dictionary?.value(*index)?) {
                        return Some(true);
                    }
                }
                Some(false)
            }
        }
    }

    /// Bytes of the texts that are gone, without their lengths.
    pub(super) fn text_bytes(&self, dictionary: Option<&Dictionary>) -> Option<u64> {
        match self {
            Self::Values { gone, .. } => Some(gone.iter().map(|value| value.len() as u64).sum()),
            Self::Indices { gone, .. } => gone.iter().map(|index| Some(dictionary?.value(*index)?.len() as u64)).sum(),
        }
    }
}
