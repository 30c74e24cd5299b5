//! What is true of every file that is in order, and what no file may hold of those who are gone: read by the library.

use std::collections::HashSet;
use std::sync::Arc;

use ::parquet::basic::Type;
use ::parquet::column::page::{Page, PageReader as _};
use ::parquet::file::metadata::ParquetMetaData;
use ::parquet::file::properties::ReaderProperties;
use ::parquet::file::reader::{FileReader as _, SerializedFileReader};
use ::parquet::file::serialized_reader::{ReadOptionsBuilder, SerializedPageReader};
use ::parquet::record::Field;
use bytes::Bytes;

use super::rows::COLUMNS;

pub(super) fn opened(file: &[u8]) -> SerializedFileReader<Bytes> {
    let options = ReadOptionsBuilder::new()
        .with_page_index()
        .with_reader_properties(ReaderProperties::builder().set_read_bloom_filter(true).build())
        .build();
    SerializedFileReader::new_with_options(Bytes::from(file.to_vec()), options).unwrap()
}

pub(super) fn printed(file: &[u8]) -> Vec<String> {
    opened(file).get_row_iter(None).unwrap().map(|row| row.unwrap().to_string()).collect()
}

/// The pages of a column, decompressed.
pub(super) fn pages(file: &[u8], metadata: &ParquetMetaData, group: usize, column: usize) -> Vec<Page> {
    let group = metadata.row_group(group);
    let rows = usize::try_from(group.num_rows()).unwrap();
    let bytes = Arc::new(Bytes::from(file.to_vec()));
    let mut reader = SerializedPageReader::new(bytes, group.column(column), rows, None).unwrap();
    std::iter::from_fn(|| reader.get_next_page().unwrap()).collect()
}

pub(super) fn contains(bytes: &[u8], mark: &[u8]) -> bool {
    memchr::memmem::find(bytes, mark).is_some()
}

/// Fails if one of these is anywhere in the file: in its bytes, in a page, in a Bloom filter.
pub(super) fn assert_gone(file: &[u8], marks: &[Vec<u8>], codes: &[String]) {
    let reader = opened(file);
    let metadata = reader.metadata();
    let mut bytes = vec![file.to_vec()];
    for group in 0..metadata.num_row_groups() {
        for column in 0..COLUMNS.len() {
            bytes.extend(pages(file, metadata, group, column).iter().map(|page| page.buffer().to_vec()));
        }
    }
    for mark in marks {
        assert!(!bytes.iter().any(|bytes| contains(bytes, mark)), "{:?}", String::from_utf8_lossy(mark));
    }
    for (group, code) in (0..metadata.num_row_groups()).flat_map(|group| codes.iter().map(move |code| (group, code))) {
        let group = reader.get_row_group(group).unwrap();
        assert!(group.get_column_bloom_filter(1).is_none_or(|filter| !filter.check(&code.as_str())), "{code}");
    }
}

/// A value in the order of its column.
#[derive(Clone, Debug, PartialEq, PartialOrd)]
pub(super) enum Ordered {
    Bytes(Vec<u8>),
    Whole(i64),
    Float(f64),
}

pub(super) fn ordered(stored: &[u8], physical: Type) -> Ordered {
    match physical {
        Type::BOOLEAN => Ordered::Whole(stored[0].into()),
        Type::INT32 => Ordered::Whole(i32::from_le_bytes(stored.try_into().unwrap()).into()),
        Type::INT64 => Ordered::Whole(i64::from_le_bytes(stored.try_into().unwrap())),
        Type::DOUBLE => Ordered::Float(f64::from_le_bytes(stored.try_into().unwrap())),
        _ => Ordered::Bytes(stored.to_vec()),
    }
}

/// The values of a column without a list, row by row.
pub(super) fn values(file: &[u8], group: usize, column: usize) -> Vec<Option<Ordered>> {
    let reader = opened(file);
    let path: Vec<&str> = COLUMNS[column].split('.').collect();
    let rows = reader.get_row_group(group).unwrap();
    let value = |row: ::parquet::record::Row| {
        let mut field = row.get_column_iter().find(|(name, _)| *name == path[0]).unwrap().1.clone();
        for name in &path[1..] {
            field = match field {
                Field::Group(inner) => inner.get_column_iter().find(|(inner, _)| inner == name).unwrap().1.clone(),
                other => other,
            };
        }
        match field {
            Field::Str(text) => Some(Ordered::Bytes(text.into_bytes())),
            Field::Bytes(bytes) => Some(Ordered::Bytes(bytes.data().to_vec())),
            Field::Long(number) => Some(Ordered::Whole(number)),
            Field::Int(number) => Some(Ordered::Whole(number.into())),
            Field::Bool(truth) => Some(Ordered::Whole(truth.into())),
            Field::Double(number) => Some(Ordered::Float(number)),
            _ => None,
        }
    };
    rows.get_row_iter(None).unwrap().map(|row| value(row.unwrap())).collect()
}

pub(super) fn bounds(values: &[Option<Ordered>]) -> Option<(Ordered, Ordered)> {
    let mut there = values.iter().flatten();
    let first = there.next()?.clone();
    Some(there.fold((first.clone(), first), |(least, most), value| {
        (if *value < least { value.clone() } else { least }, if *value > most { value.clone() } else { most })
    }))
}

/// Fails if something that the file says of itself is not so.
pub(super) fn assert_true(file: &[u8]) {
    let reader = opened(file);
    let metadata = reader.metadata();
    for (number, group) in metadata.row_groups().iter().enumerate() {
        let sizes: (i64, i64) = group
            .columns()
            .iter()
            .fold((0, 0), |(bytes, all), it| (bytes + it.compressed_size(), all + it.uncompressed_size()));
        assert_eq!((group.compressed_size(), group.total_byte_size()), sizes);
        for (at, column) in group.columns().iter().enumerate() {
            let name = COLUMNS[at];
            let pages = pages(file, metadata, number, at);
            let data: Vec<&Page> = pages.iter().filter(|page| !matches!(page, Page::DictionaryPage { .. })).collect();
            let in_pages: i64 = data.iter().map(|page| i64::from(page.num_values())).sum();
            assert_eq!(in_pages, column.num_values(), "{name}");
            if let Some(counts) = column.page_encoding_stats() {
                let told: i32 = counts
                    .iter()
                    .filter(|it| it.page_type != ::parquet::basic::PageType::DICTIONARY_PAGE)
                    .map(|it| it.count)
                    .sum();
                assert_eq!(usize::try_from(told).unwrap(), data.len(), "{name}");
            }
            if let (Some(Page::DictionaryPage { buf, num_values, .. }), Type::BYTE_ARRAY) =
                (pages.first(), column.column_type())
            {
                let (mut rest, mut entries) = (&buf[..], HashSet::new());
                while let Some((length, after)) = rest.split_first_chunk::<4>() {
                    let (entry, after) = after.split_at(u32::from_le_bytes(*length) as usize);
                    assert!(entries.insert(entry), "{name}: readers count on a dictionary that has no value twice");
                    rest = after;
                }
                assert_eq!(entries.len(), *num_values as usize, "{name}");
            }
            let values = if name.starts_with("tags") { Vec::new() } else { values(file, number, at) };
            if !values.is_empty() {
                assert_statistics(column, &values);
            }
            let index = metadata.page_index();
            let Some(places) = index.and_then(|index| index.offset_index(number, at)) else {
                continue;
            };
            let places = places.page_locations();
            assert_eq!(places.len(), data.len(), "{name}");
            let first = if pages.len() > data.len() { column.data_page_offset() } else { places[0].offset };
            let ends = places.iter().map(|place| place.offset + i64::from(place.compressed_page_size));
            let starts = places.iter().skip(1).map(|place| place.offset);
            assert_eq!((first, places[0].first_row_index), (places[0].offset, 0), "{name}");
            assert!(starts.eq(ends.take(places.len() - 1)), "{name}: its pages follow one another");
            if values.is_empty() {
                continue;
            }
            let of_values = index.and_then(|index| index.column_index(number, at));
            for (page, place) in places.iter().enumerate() {
                let end = places.get(page + 1).map_or(group.num_rows(), |next| next.first_row_index);
                let span = usize::try_from(place.first_row_index).unwrap()..usize::try_from(end).unwrap();
                assert_eq!(span.len(), usize::try_from(data[page].num_values()).unwrap(), "{name}");
                let nulls = values[span.clone()].iter().filter(|value| value.is_none()).count();
                if let Some(index) = &of_values {
                    assert_eq!(index.is_null_page(page), nulls == span.len(), "{name}");
                    assert!(
                        index.null_count(page).is_none_or(|told| usize::try_from(told).unwrap() == nulls),
                        "{name}"
                    );
                }
            }
        }
    }
}

pub(super) fn assert_statistics(column: &::parquet::file::metadata::ColumnChunkMetaData, values: &[Option<Ordered>]) {
    let Some(statistics) = column.statistics() else {
        return;
    };
    let name = column.column_path().string();
    let nulls = values.iter().filter(|value| value.is_none()).count() as u64;
    assert!(statistics.null_count_opt().is_none_or(|told| told == nulls), "{name}");
    let (least, most) = match (bounds(values), statistics.min_bytes_opt().zip(statistics.max_bytes_opt())) {
        (Some(bounds), Some((least, most))) => {
            let told = (ordered(least, column.column_type()), ordered(most, column.column_type()));
            assert!(told.0 <= bounds.0 && bounds.1 <= told.1, "{name}: {told:?} {bounds:?}");
            assert_made_of_what_is_left(column, least, most, values);
            let exact = |is: bool, told: &Ordered, is_so: &Ordered| !is || told == is_so;
            (exact(statistics.min_is_exact(), &told.0, &bounds.0), exact(statistics.max_is_exact(), &told.1, &bounds.1))
        }
        (None, Some(_)) => panic!("{name}: a least value of nothing"),
        (_, None) => (true, true),
    };
    assert!(least && most, "{name}: said to be exact");
}

/// Fails if a least or greatest value that was cut off could be of a value that is gone.
pub(super) fn assert_made_of_what_is_left(
    column: &::parquet::file::metadata::ColumnChunkMetaData,
    least: &[u8],
    most: &[u8],
    values: &[Option<Ordered>],
) {
    let any = |fits: &dyn Fn(&[u8]) -> bool| {
        values.iter().flatten().any(|value| matches!(value, Ordered::Bytes(bytes) if fits(bytes)))
    };
    if matches!(column.column_type(), Type::BYTE_ARRAY | Type::FIXED_LEN_BYTE_ARRAY) {
        assert!(any(&|value| value.starts_with(least)), "{}: {least:?}", column.column_path());
        // The last character of one that is cut off is the next one. Here all are of one byte.
        assert!(any(&|value| value.starts_with(&most[..most.len() - 1])), "{}: {most:?}", column.column_path());
    }
}

/// The raw pages of a column with their headers, as far as its offset index tells.
pub(super) fn raw_pages(file: &[u8], group: usize, column: usize) -> Vec<Vec<u8>> {
    let reader = opened(file);
    let index = reader.metadata().page_index().unwrap().offset_index(group, column).unwrap();
    let cut = |place: &::parquet::file::page_index::offset_index::PageLocation| {
        let start = usize::try_from(place.offset).unwrap();
        file[start..start + usize::try_from(place.compressed_page_size).unwrap()].to_vec()
    };
    index.page_locations().iter().map(cut).collect()
}
