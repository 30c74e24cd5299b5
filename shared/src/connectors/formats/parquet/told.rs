//! What a file says of a column chunk that has lost rows: counts, places, statistics, page indexes. Each stays true, and names
//! no value that is gone; see [`super::bounds`]. What says something that is not known here is none.

use bytes::Bytes;
use parquet::basic::Type;

use super::bounds::{Bounds, counted, is_nan, less};
use super::codec::Codec;
use super::field;
use super::page::{Built, Page};
use super::pages::{Chunk, Cut, Data, Dictionary, Now, Paged};
use super::plain::Plain;
use super::thrift::Struct;

/// A chunk and what became of its pages.
pub(super) struct Told<'a> {
    pub(super) chunk: &'a Chunk<'a>,
    pub(super) plain: Plain,
    pub(super) codec: Codec,
    pub(super) head: Option<&'a Page>,
    /// The dictionary that stands in the place of the old one, if another does.
    pub(super) new_head: Option<&'a Built>,
    pub(super) pages: &'a [Data],
    pub(super) dictionary: Option<Dictionary>,
}

/// Describes the chunk that these pieces make, of so many bytes.
pub(super) fn tell(told: &Told<'_>, length: usize, pieces: Vec<Bytes>) -> Option<Paged> {
    use field::meta;
    let mut raw = Struct::parse(told.chunk.raw).ok()?.0;
    let mut meta = raw.inner(field::chunk::META).ok()??.into_owned();
    // What else is said is of all values, or nobody knows of what.
    let is_known = raw.has_only(&[
        field::chunk::OFFSET,
        field::chunk::META,
        field::chunk::OFFSET_INDEX,
        field::chunk::OFFSET_INDEX_LENGTH,
        field::chunk::COLUMN_INDEX,
        field::chunk::COLUMN_INDEX_LENGTH,
    ]) && meta.has_only(&[
        meta::TYPE,
        meta::ENCODINGS,
        meta::PATH,
        meta::CODEC,
        meta::VALUES,
        meta::BYTES,
        meta::COMPRESSED_BYTES,
        meta::DATA,
        meta::DICTIONARY,
        meta::STATISTICS,
        meta::ENCODINGS_OF_PAGES,
        meta::SIZES,
    ]);
    if !is_known {
        return None;
    }
    let values = told.cuts().map(|cut| cut.values).sum();
    meta.set_number(meta::VALUES, less(meta.number(meta::VALUES).ok()??, values)?);
    meta.set_number(meta::BYTES, told.size(meta.number(meta::BYTES).ok()??)?);
    meta.set_number(meta::COMPRESSED_BYTES, i64::try_from(length).ok()?);
    told.place_data(&mut meta)?;
    if let Some(statistics) = meta.inner(meta::STATISTICS).ok()? {
        let statistics = told.statistics(statistics.into_owned())?;
        meta.set_inner(meta::STATISTICS, &statistics);
    }
    if let Some(sizes) = meta.inner(meta::SIZES).ok()? {
        let sizes = told.sizes(sizes.into_owned())?;
        meta.set_inner(meta::SIZES, &sizes);
    }
    told.count_encodings(&mut meta)?;
    raw.set_inner(field::chunk::META, &meta);
    let column_index = match told.chunk.column_index {
        Some(index) => Some(told.column_index(index)?.into()),
        None => None,
    };
    let offset_index = match told.chunk.offset_index {
        Some(index) => Some(told.offset_index(index)?.into()),
        None => None,
    };
    Some(Paged { pieces, raw: raw.to_bytes(), column_index, offset_index })
}

impl Told<'_> {
    fn cuts(&self) -> impl Iterator<Item = &Cut> {
        self.pages.iter().filter_map(|data| data.cut.as_ref())
    }

    fn physical(&self) -> Type {
        self.chunk.column.column_type()
    }

    /// Bytes without compression.
    fn size(&self, old: i64) -> Option<i64> {
        let (mut before, mut after) = (0, 0);
        if let Some((head, new)) = self.head.zip(self.new_head) {
            before += head.size();
            after += new.size;
        }
        for data in self.pages {
            let size = data.page.size();
            before += size;
            after += match &data.now {
                Now::Kept => size,
                Now::Built(built) => built.size,
                Now::Gone => 0,
            };
        }
        (old + i64::try_from(after).ok()?).checked_sub(i64::try_from(before).ok()?).filter(|size| *size > 0)
    }

    /// Bytes of the dictionary that the chunk begins with now.
    fn head_length(&self) -> usize {
        let old = self.head.map_or(0, |head| head.stretch.len());
        self.new_head.map_or(old, |head| head.bytes.len())
    }

    /// Says where the first page of data is. Some writers say so of the dictionary.
    fn place_data(&self, meta: &mut Struct<'_>) -> Option<()> {
        let start = i64::try_from(self.chunk.start).ok()?;
        let head = i64::try_from(self.head.map_or(0, |head| head.stretch.len())).ok()?;
        match meta.number(field::meta::DATA).ok()?? - start {
            0 => {}
            after if after == head => {
                meta.set_number(field::meta::DATA, start + i64::try_from(self.head_length()).ok()?);
            }
            _ => return None,
        }
        Some(())
    }

    /// Whether a value is gone of which this could have been made.
    fn is_told(&self, cut: &Cut, bounds: &Bounds<'_>, of_page_only: bool) -> Option<bool> {
        cut.gone.any(self.dictionary.as_ref(), self.plain, of_page_only, &|value| bounds.may_tell(value))
    }

    fn statistics(&self, mut statistics: Struct<'static>) -> Option<Struct<'static>> {
        use field::statistics::{
            DISTINCT, LEAST, LEAST_IS_EXACT, MOST, MOST_IS_EXACT, NANS, NULLS, OLD_LEAST, OLD_MOST,
        };
        let known = [OLD_MOST, OLD_LEAST, NULLS, DISTINCT, MOST, LEAST, MOST_IS_EXACT, LEAST_IS_EXACT, NANS];
        if !statistics.has_only(&known) || statistics.has(NANS) && self.has_lost_nans()? {
            return None;
        }
        let bounds = Bounds::of_statistics(&statistics, self.physical())?;
        for cut in self.cuts() {
            if self.is_told(cut, &bounds, false)? {
                return None;
            }
        }
        drop(bounds);
        if let Some(nulls) = statistics.number(NULLS).ok()? {
            let gone = self.cuts().map(|cut| cut.nulls).sum();
            if gone > 0 && !self.counts_alike(nulls)? {
                return None;
            }
            statistics.set_number(NULLS, less(nulls, gone)?);
        }
        statistics.remove(DISTINCT);
        Some(statistics)
    }

    /// Whether what is not a number is gone: then how many are left would have to be counted.
    fn has_lost_nans(&self) -> Option<bool> {
        for cut in self.cuts() {
            if cut.gone.has(self.dictionary.as_ref(), |value| is_nan(value, self.physical()))? {
                return Some(true);
            }
        }
        Some(false)
    }

    /// Whether the chunk's writer counts as null what is counted here. Of columns inside others they differ.
    fn counts_alike(&self, nulls: i64) -> Option<bool> {
        let column = self.chunk.column.column_descr();
        if column.max_rep_level() == 0 && column.max_def_level() == 1 {
            return Some(true);
        }
        let most = u32::try_from(column.max_def_level()).ok()?;
        let mut all = 0;
        for data in self.pages {
            all += if let Some(cut) = &data.cut {
                cut.nulls_before
            } else {
                let levels = data.page.content(self.codec, column, false)?.definitions;
                levels.iter().filter(|level| **level != most).count() as u64
            };
        }
        Some(i64::try_from(all).ok()? == nulls)
    }

    fn levels(&self, which: impl Fn(&Cut) -> &Vec<u64>) -> Vec<u64> {
        let mut sum = Vec::new();
        for cut in self.cuts() {
            let levels = which(cut);
            sum.resize(levels.len(), 0);
            sum.iter_mut().zip(levels).for_each(|(sum, level)| *sum += level);
        }
        sum
    }

    fn text_bytes(&self, cut: &Cut) -> Option<u64> {
        cut.gone.text_bytes(self.dictionary.as_ref())
    }

    fn sizes(&self, mut sizes: Struct<'static>) -> Option<Struct<'static>> {
        use field::sizes::{DEFINITIONS, REPETITIONS, TEXT_BYTES};
        if !sizes.has_only(&[TEXT_BYTES, REPETITIONS, DEFINITIONS]) {
            return None;
        }
        if let Some(bytes) = sizes.number(TEXT_BYTES).ok()? {
            let gone = self.cuts().map(|cut| self.text_bytes(cut)).sum::<Option<u64>>()?;
            sizes.set_number(TEXT_BYTES, less(bytes, gone)?);
        }
        let repetitions = self.levels(|cut| &cut.repetitions);
        let definitions = self.levels(|cut| &cut.definitions);
        for (id, gone) in [(REPETITIONS, repetitions), (DEFINITIONS, definitions)] {
            let there = sizes.numbers(id).ok()?;
            if !there.is_empty() {
                sizes.set_numbers(id, &counted(&there, &gone)?);
            }
        }
        Some(sizes)
    }

    /// Counts the pages of each encoding, of which some may be gone.
    fn count_encodings(&self, meta: &mut Struct<'_>) -> Option<()> {
        use field::encoding::{COUNT, ENCODING, PAGE};
        let gone: Vec<&Page> =
            self.pages.iter().filter(|data| matches!(data.now, Now::Gone)).map(|data| &data.page).collect();
        if gone.is_empty() || !meta.has(field::meta::ENCODINGS_OF_PAGES) {
            return Some(());
        }
        let mut counts = Vec::new();
        for count in meta.structs(field::meta::ENCODINGS_OF_PAGES).ok()? {
            let mut count = Struct::parse(count).ok()?.0;
            let (kind, encoding) = (count.number(PAGE).ok()??, count.number(ENCODING).ok()??);
            let less_by = gone.iter().filter(|page| page.kind() == kind && page.encoding == encoding).count();
            let left = less(count.number(COUNT).ok()??, less_by as u64)?;
            if left > 0 {
                count.set_number(COUNT, left);
                counts.push(count.to_bytes());
            }
        }
        meta.set_structs(field::meta::ENCODINGS_OF_PAGES, &counts);
        Some(())
    }

    fn offset_index(&self, index: &[u8]) -> Option<Vec<u8>> {
        use field::offset_index::{PAGES, TEXT_BYTES};
        let mut index = Struct::parse(index).ok()?.0;
        let places = index.structs(PAGES).ok()?;
        if places.len() != self.pages.len() || !index.has_only(&[PAGES, TEXT_BYTES]) {
            return None;
        }
        let (mut left, mut row) = (Vec::new(), 0);
        let mut at = i64::try_from(self.chunk.start).ok()? + i64::try_from(self.head_length()).ok()?;
        for (place, data) in places.into_iter().zip(self.pages) {
            let length = match &data.now {
                Now::Kept => data.page.stretch.len(),
                Now::Built(built) => built.bytes.len(),
                Now::Gone => continue,
            };
            let rows = data.rows - data.cut.as_ref().map_or(0, |cut| cut.rows);
            let length = i64::try_from(length).ok()?;
            let mut place = Struct::parse(place).ok()?.0;
            place.set_number(field::page::OFFSET, at);
            place.set_number(field::page::LENGTH, length);
            place.set_number(field::page::FIRST_ROW, row);
            left.push(place.to_bytes());
            at += length;
            row += i64::try_from(rows).ok()?;
        }
        index.set_structs(PAGES, &left);
        let bytes = index.numbers(TEXT_BYTES).ok()?;
        if !bytes.is_empty() {
            let bytes = self.each_left(&bytes, |bytes, cut| less(*bytes, self.text_bytes(cut)?))?;
            index.set_numbers(TEXT_BYTES, &bytes);
        }
        Some(index.to_bytes())
    }

    /// What is said of each page, of those that are left, changed where a page is.
    fn each_left<T: Clone>(&self, each: &[T], change: impl Fn(&T, &Cut) -> Option<T>) -> Option<Vec<T>> {
        if each.len() != self.pages.len() {
            return None;
        }
        let mut left = Vec::with_capacity(each.len());
        for (one, data) in each.iter().zip(self.pages) {
            match (&data.now, &data.cut) {
                (Now::Gone, _) => {}
                (_, None) => left.push(one.clone()),
                (_, Some(cut)) => left.push(change(one, cut)?),
            }
        }
        Some(left)
    }

    fn column_index(&self, index: &[u8]) -> Option<Vec<u8>> {
        use field::column_index::{DEFINITIONS, LEAST, MOST, NANS, NULL_PAGES, NULLS, ORDER, REPETITIONS};
        let old = Struct::parse(index).ok()?.0;
        let known = [NULL_PAGES, LEAST, MOST, ORDER, NULLS, REPETITIONS, DEFINITIONS, NANS];
        if !old.has_only(&known) || old.has(NANS) && self.has_lost_nans()? {
            return None;
        }
        let mut index = old.clone();
        let empty = old.truths(NULL_PAGES).ok()?;
        let (least, most) = (old.binaries(LEAST).ok()?, old.binaries(MOST).ok()?);
        if [empty.len(), least.len(), most.len()] != [self.pages.len(); 3] {
            return None;
        }
        for (at, data) in self.pages.iter().enumerate() {
            if let (Some(cut), Now::Built(_)) = (&data.cut, &data.now)
                && !empty[at]
            {
                let bounds = Bounds::of_page(least[at], most[at], self.physical());
                // A page of which no value is left that is there would have to say so.
                let values = data.page.values as u64 - cut.nulls_before;
                let gone = cut.values - cut.nulls;
                if self.is_told(cut, &bounds, true)? || values == gone {
                    return None;
                }
            }
        }
        index.set_truths(NULL_PAGES, &self.each_left(&empty, |empty, _| Some(*empty))?);
        index.set_binaries(LEAST, &self.each_left(&least, |least, _| Some(*least))?);
        index.set_binaries(MOST, &self.each_left(&most, |most, _| Some(*most))?);
        let nulls = old.numbers(NULLS).ok()?;
        if !nulls.is_empty() {
            let counted = |nulls: &i64, cut: &Cut| {
                let is_alike = cut.nulls == 0 || i64::try_from(cut.nulls_before).ok()? == *nulls;
                is_alike.then(|| less(*nulls, cut.nulls)).flatten()
            };
            index.set_numbers(NULLS, &self.each_left(&nulls, counted)?);
        }
        let nans = old.numbers(NANS).ok()?;
        if !nans.is_empty() {
            index.set_numbers(NANS, &self.each_left(&nans, |nans, _| Some(*nans))?);
        }
        for (id, which) in [(REPETITIONS, true), (DEFINITIONS, false)] {
            let levels = old.numbers(id).ok()?;
            if levels.is_empty() {
                continue;
            }
            let width = levels.len() / self.pages.len().max(1);
            let pages: Vec<&[i64]> = levels.chunks(width.max(1)).collect();
            let pages: Vec<Vec<i64>> = pages.into_iter().map(<[i64]>::to_vec).collect();
            let count =
                |levels: &Vec<i64>, cut: &Cut| counted(levels, if which { &cut.repetitions } else { &cut.definitions });
            index.set_numbers(id, &self.each_left(&pages, count)?.concat());
        }
        Some(index.to_bytes())
    }
}
