//! Parquet without some rows, page by page: what is left is the same, what is said of it is true, and nothing of what is gone
//! can be found in any page, dictionary, statistic or index, however it is looked for.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use ::parquet::basic::{Compression, Encoding, GzipLevel, Type, ZstdLevel};
use ::parquet::column::page::{Page, PageReader as _};
use ::parquet::data_type::{
    BoolType, ByteArray, ByteArrayType, DataType, DoubleType, FixedLenByteArray, FixedLenByteArrayType, Int32Type,
    Int64Type,
};
use ::parquet::file::metadata::ParquetMetaData;
use ::parquet::file::properties::{
    EnabledStatistics, ReaderProperties, WriterProperties, WriterPropertiesBuilder, WriterVersion,
};
use ::parquet::file::reader::{FileReader as _, SerializedFileReader};
use ::parquet::file::serialized_reader::{ReadOptionsBuilder, SerializedPageReader};
use ::parquet::file::writer::SerializedFileWriter;
use ::parquet::record::Field;
use ::parquet::schema::parser::parse_message_type;
use ::parquet::schema::types::ColumnPath;
use proptest::prelude::*;

use super::*;

const SCHEMA: &str = "message t {
    REQUIRED BINARY user (STRING);
    OPTIONAL BINARY code (STRING);
    OPTIONAL INT64 n;
    REQUIRED DOUBLE d;
    OPTIONAL BINARY kind (STRING);
    OPTIONAL BOOLEAN flag;
    REQUIRED FIXED_LEN_BYTE_ARRAY(16) fixed;
    OPTIONAL GROUP tags (LIST) { REPEATED GROUP list { OPTIONAL BINARY element (STRING); } }
    OPTIONAL GROUP place { OPTIONAL BINARY city (STRING); REQUIRED INT32 at; }
}";
/// Columns by their place in the schema.
const COLUMNS: [&str; 10] =
    ["user", "code", "n", "d", "kind", "flag", "fixed", "tags.list.element", "place.city", "place.at"];

fn path(name: &str) -> ColumnPath {
    ColumnPath::new(name.split('.').map(ToOwned::to_owned).collect())
}

#[derive(Clone, Debug)]
struct Row {
    is_theirs: bool,
    /// Values that no other row has are made of it.
    number: u64,
    /// Values that others have, or that are not there.
    kind: Option<u8>,
    flag: Option<bool>,
    has_code: bool,
    tags: Option<Vec<Option<u8>>>,
    has_place: bool,
}

/// A number that says nothing of those near to it.
fn mixed(number: u64, what: u64) -> u64 {
    let mut mixed = number.wrapping_mul(8).wrapping_add(what).wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed ^= mixed >> 29;
    mixed = mixed.wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed ^ mixed >> 32
}

impl Row {
    fn code(&self) -> String {
        format!("{:016x}-c", mixed(self.number, 1))
    }

    fn n(&self) -> i64 {
        (mixed(self.number, 2) >> 1).cast_signed()
    }

    #[expect(clippy::cast_precision_loss, reason = "any number will do")]
    fn d(&self) -> f64 {
        mixed(self.number, 3) as f64 / 7.0
    }

    fn fixed(&self) -> Vec<u8> {
        [mixed(self.number, 4).to_le_bytes(), mixed(self.number, 5).to_le_bytes()].concat()
    }

    fn tag(&self, tag: u8) -> String {
        if tag < 3 { format!("tag{tag}") } else { format!("{:016x}-{tag}", mixed(self.number, 6)) }
    }

    fn city(&self) -> String {
        format!("{:016x}-p", mixed(self.number, 7))
    }

    fn at(&self) -> i32 {
        i32::try_from(mixed(self.number, 0) % 1000).unwrap()
    }

    /// What of the row is nowhere else.
    fn marks(&self) -> Vec<Vec<u8>> {
        let mut marks = vec![self.d().to_le_bytes().to_vec(), self.fixed()];
        if self.has_code {
            marks.extend([self.code().into_bytes()[..12].to_vec(), self.n().to_le_bytes().to_vec()]);
        }
        if self.has_place {
            marks.push(self.city().into_bytes()[..12].to_vec());
        }
        let own = self.tags.iter().flatten().flatten().filter(|tag| **tag >= 3);
        marks.extend(own.map(|tag| self.tag(*tag).into_bytes()[..12].to_vec()));
        marks
    }
}

fn file(groups: &[Vec<Row>], properties: WriterPropertiesBuilder) -> Vec<u8> {
    let schema = Arc::new(parse_message_type(SCHEMA).unwrap());
    let mut file = SerializedFileWriter::new(Vec::new(), schema, Arc::new(properties.build())).unwrap();
    let there = |is: bool| i16::from(is);
    for rows in groups {
        let mut group = file.next_row_group().unwrap();
        macro_rules! column {
            ($type:ty, $values:expr, $definitions:expr, $repetitions:expr) => {{
                let values: Vec<<$type as DataType>::T> = $values.collect();
                let mut column = group.next_column().unwrap().unwrap();
                column.typed::<$type>().write_batch(&values, $definitions, $repetitions).unwrap();
                column.close().unwrap();
            }};
        }
        let text = |text: String| ByteArray::from(text.into_bytes());
        let coded = || rows.iter().filter(|row| row.has_code);
        let placed = || rows.iter().filter(|row| row.has_place);
        let user =
            |row: &Row| text(if row.is_theirs { "u25-them".to_owned() } else { format!("u{}", row.number % 50) });
        column!(ByteArrayType, rows.iter().map(user), None, None);
        let levels: Vec<i16> = rows.iter().map(|row| there(row.has_code)).collect();
        column!(ByteArrayType, coded().map(|row| text(row.code())), Some(&levels), None);
        column!(Int64Type, coded().map(Row::n), Some(&levels), None);
        column!(DoubleType, rows.iter().map(Row::d), None, None);
        let levels: Vec<i16> = rows.iter().map(|row| there(row.kind.is_some())).collect();
        column!(
            ByteArrayType,
            rows.iter().filter_map(|row| row.kind).map(|kind| text(format!("kind-{kind}"))),
            Some(&levels),
            None
        );
        let levels: Vec<i16> = rows.iter().map(|row| there(row.flag.is_some())).collect();
        column!(BoolType, rows.iter().filter_map(|row| row.flag), Some(&levels), None);
        column!(FixedLenByteArrayType, rows.iter().map(|row| FixedLenByteArray::from(row.fixed())), None, None);
        let (mut definitions, mut repetitions) = (Vec::new(), Vec::new());
        for row in rows {
            match row.tags.as_deref() {
                None => (definitions.push(0), repetitions.push(0)),
                Some([]) => (definitions.push(1), repetitions.push(0)),
                Some(tags) => (
                    definitions.extend(tags.iter().map(|tag| if tag.is_some() { 3 } else { 2 })),
                    repetitions.extend((0..tags.len()).map(|at| there(at > 0))),
                ),
            };
        }
        let tags = rows.iter().flat_map(|row| row.tags.iter().flatten().flatten().map(|tag| text(row.tag(*tag))));
        column!(ByteArrayType, tags, Some(&definitions), Some(&repetitions));
        let levels: Vec<i16> = rows.iter().map(|row| 2 * there(row.has_place)).collect();
        column!(ByteArrayType, placed().map(|row| text(row.city())), Some(&levels), None);
        let levels: Vec<i16> = rows.iter().map(|row| there(row.has_place)).collect();
        column!(Int32Type, placed().map(Row::at), Some(&levels), None);
        group.close().unwrap();
    }
    file.into_inner().unwrap()
}

fn opened(file: &[u8]) -> SerializedFileReader<Bytes> {
    let options = ReadOptionsBuilder::new()
        .with_page_index()
        .with_reader_properties(ReaderProperties::builder().set_read_bloom_filter(true).build())
        .build();
    SerializedFileReader::new_with_options(Bytes::from(file.to_vec()), options).unwrap()
}

fn printed(file: &[u8]) -> Vec<String> {
    opened(file).get_row_iter(None).unwrap().map(|row| row.unwrap().to_string()).collect()
}

/// The pages of a column, decompressed.
fn pages(file: &[u8], metadata: &ParquetMetaData, group: usize, column: usize) -> Vec<Page> {
    let group = metadata.row_group(group);
    let rows = usize::try_from(group.num_rows()).unwrap();
    let bytes = Arc::new(Bytes::from(file.to_vec()));
    let mut reader = SerializedPageReader::new(bytes, group.column(column), rows, None).unwrap();
    std::iter::from_fn(|| reader.get_next_page().unwrap()).collect()
}

fn contains(bytes: &[u8], mark: &[u8]) -> bool {
    memchr::memmem::find(bytes, mark).is_some()
}

/// Fails if one of these is anywhere in the file: in its bytes, in a page, in a Bloom filter.
fn assert_gone(file: &[u8], marks: &[Vec<u8>], codes: &[String]) {
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
enum Ordered {
    Bytes(Vec<u8>),
    Whole(i64),
    Float(f64),
}

fn ordered(stored: &[u8], physical: Type) -> Ordered {
    match physical {
        Type::BOOLEAN => Ordered::Whole(stored[0].into()),
        Type::INT32 => Ordered::Whole(i32::from_le_bytes(stored.try_into().unwrap()).into()),
        Type::INT64 => Ordered::Whole(i64::from_le_bytes(stored.try_into().unwrap())),
        Type::DOUBLE => Ordered::Float(f64::from_le_bytes(stored.try_into().unwrap())),
        _ => Ordered::Bytes(stored.to_vec()),
    }
}

/// The values of a column without a list, row by row.
fn values(file: &[u8], group: usize, column: usize) -> Vec<Option<Ordered>> {
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

fn bounds(values: &[Option<Ordered>]) -> Option<(Ordered, Ordered)> {
    let mut there = values.iter().flatten();
    let first = there.next()?.clone();
    Some(there.fold((first.clone(), first), |(least, most), value| {
        (if *value < least { value.clone() } else { least }, if *value > most { value.clone() } else { most })
    }))
}

/// Fails if something that the file says of itself is not so.
fn assert_true(file: &[u8]) {
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

fn assert_statistics(column: &::parquet::file::metadata::ColumnChunkMetaData, values: &[Option<Ordered>]) {
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
fn assert_made_of_what_is_left(
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
fn raw_pages(file: &[u8], group: usize, column: usize) -> Vec<Vec<u8>> {
    let reader = opened(file);
    let index = reader.metadata().page_index().unwrap().offset_index(group, column).unwrap();
    let cut = |place: &::parquet::file::page_index::offset_index::PageLocation| {
        let start = usize::try_from(place.offset).unwrap();
        file[start..start + usize::try_from(place.compressed_page_size).unwrap()].to_vec()
    };
    index.page_locations().iter().map(cut).collect()
}

fn erase(old: &[u8]) -> Option<Vec<u8>> {
    rewrite(Format::Parquet, old, &who("user", &["u25-them"]), |_| Verdict::Drop).unwrap().0
}

fn plain_row(number: u64) -> Row {
    let kind = Some(u8::try_from(mixed(number, 0) % 5).unwrap());
    let tags = Some(vec![Some(1), Some(7)]);
    Row {
        is_theirs: false,
        number,
        kind,
        flag: Some(mixed(number, 0) & 64 == 0),
        has_code: true,
        tags,
        has_place: true,
    }
}

#[test]
fn pages_of_others_are_taken_over_byte_for_byte() {
    let codecs = [
        Compression::UNCOMPRESSED,
        Compression::SNAPPY,
        Compression::GZIP(GzipLevel::default()),
        Compression::ZSTD(ZstdLevel::default()),
    ];
    for (codec, version) in codecs
        .into_iter()
        .flat_map(|codec| [WriterVersion::PARQUET_1_0, WriterVersion::PARQUET_2_0].map(|version| (codec, version)))
    {
        let mut rows: Vec<Row> = (0..4000).map(plain_row).collect();
        for row in [1234, 1236, 3000] {
            rows[row].is_theirs = true;
        }
        // Where the dictionaries are full.
        let properties = WriterProperties::builder()
            .set_compression(codec)
            .set_writer_version(version)
            .set_dictionary_page_size_limit(4_000)
            .set_data_page_row_count_limit(200)
            .set_write_batch_size(100);
        let properties =
            COLUMNS.into_iter().fold(properties, |it, name| it.set_column_encoding(path(name), Encoding::PLAIN));
        let old = file(std::slice::from_ref(&rows), properties);
        let new = erase(&old).unwrap();
        // The dictionary of the column that leads to the person loses a value: its indices are written anew.
        for (column, name) in COLUMNS.iter().enumerate().skip(1) {
            let before = raw_pages(&old, 0, column);
            let after: HashSet<Vec<u8>> = raw_pages(&new, 0, column).into_iter().collect();
            let kept = before.iter().filter(|page| after.contains(*page)).count();
            assert!(kept == before.len() - 2, "{name}, {codec:?}, {version:?}: {kept} of {}", before.len());
        }
        let (gone, kept): (Vec<Row>, Vec<Row>) = rows.into_iter().partition(|row| row.is_theirs);
        assert_gone(&new, &gone.iter().flat_map(Row::marks).collect::<Vec<_>>(), &[]);
        assert_eq!(printed(&new).len(), kept.len());
        assert_true(&new);
    }
}

#[test]
fn a_dictionary_holds_no_value_that_no_row_has() {
    let rows: Vec<Row> = (0..300).map(|number| Row { is_theirs: number % 97 == 5, ..plain_row(number) }).collect();
    let old = file(&[rows], WriterProperties::builder());
    let new = erase(&old).unwrap();
    let reader = opened(&new);
    for column in [1, 2, 6, 8] {
        let all = pages(&new, reader.metadata(), 0, column);
        let [Page::DictionaryPage { num_values, .. }, ..] = all.as_slice() else {
            panic!("{}: no dictionary", COLUMNS[column]);
        };
        assert_eq!(*num_values, 296, "{}", COLUMNS[column]);
    }
    for row in (0..300).filter(|number| number % 97 != 5).map(plain_row) {
        let found = look(Format::Parquet, &new, &who("code", &[&row.code()]), |_| Verdict::Keep).unwrap();
        assert_eq!(found.matched, 1);
    }
}

#[test]
fn a_filter_is_made_anew_and_does_not_know_who_is_gone() {
    let rows: Vec<Row> = (0..300).map(|number| Row { is_theirs: number == 5, ..plain_row(number) }).collect();
    let code = rows[5].code();
    let properties = WriterProperties::builder().set_column_bloom_filter_enabled("code".into(), true);
    let new = erase(&file(&[rows], properties)).unwrap();
    let reader = opened(&new);
    let group = reader.get_row_group(0).unwrap();
    let filter = group.get_column_bloom_filter(1).unwrap();
    assert!((0..300).filter(|number| *number != 5).all(|number| filter.check(&plain_row(number).code().as_str())));
    assert_gone(&new, &plain_row(5).marks(), &[code]);
}

fn any_row() -> impl Strategy<Value = Row> {
    (
        prop::bool::weighted(0.15),
        prop::option::weighted(0.8, 0..4_u8),
        prop::option::of(any::<bool>()),
        prop::bool::weighted(0.8),
        prop::option::of(prop::collection::vec(prop::option::weighted(0.8, 0..6_u8), 0..4)),
        prop::bool::weighted(0.7),
    )
        .prop_map(|(is_theirs, kind, flag, has_code, tags, has_place)| {
            let mut seen = HashSet::new();
            let tags = tags.map(|tags| tags.into_iter().filter(|tag| tag.is_none_or(|tag| seen.insert(tag))).collect());
            Row { is_theirs, number: 0, kind, flag, has_code, tags, has_place }
        })
}

fn any_properties() -> impl Strategy<Value = WriterPropertiesBuilder> {
    let codec = prop_oneof![
        Just(Compression::UNCOMPRESSED),
        Just(Compression::SNAPPY),
        Just(Compression::GZIP(GzipLevel::default())),
        Just(Compression::ZSTD(ZstdLevel::default())),
        Just(Compression::LZ4_RAW),
        Just(Compression::BROTLI(::parquet::basic::BrotliLevel::default())),
    ];
    let statistics =
        prop_oneof![Just(EnabledStatistics::None), Just(EnabledStatistics::Chunk), Just(EnabledStatistics::Page)];
    let cut_off = prop_oneof![Just(None), Just(Some(64)), Just(Some(6))];
    (codec, statistics, any::<[bool; 7]>(), 1..40_usize, cut_off).prop_map(|(codec, statistics, yes, rows, cut_off)| {
        let mut builder = WriterProperties::builder()
            .set_compression(codec)
            .set_statistics_enabled(statistics)
            .set_write_page_header_statistics(yes[5])
            .set_dictionary_enabled(yes[0])
            .set_dictionary_page_size_limit(if yes[1] { 200 } else { 1 << 20 })
            .set_column_bloom_filter_enabled("code".into(), yes[2])
            .set_data_page_row_count_limit(rows)
            .set_write_batch_size(rows)
            .set_offset_index_disabled(yes[3])
            .set_statistics_truncate_length(cut_off)
            .set_column_index_truncate_length(cut_off);
        if yes[4] {
            builder = builder.set_writer_version(WriterVersion::PARQUET_2_0);
        }
        if yes[6] {
            builder = COLUMNS.into_iter().fold(builder, |it, name| it.set_column_encoding(path(name), Encoding::PLAIN));
        }
        builder
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn of_any_file_what_is_left_is_the_same_and_what_is_gone_is_nowhere(
        groups in prop::collection::vec(prop::collection::vec(any_row(), 1..200), 1..3),
        properties in any_properties(),
    ) {
        let mut number = 0;
        let mut groups = groups;
        for row in groups.iter_mut().flatten() {
            number += 1;
            row.number = number;
        }
        let old = file(&groups, properties);
        let rows: Vec<&Row> = groups.iter().flatten().collect();
        let Some(new) = erase(&old) else {
            prop_assert!(rows.iter().all(|row| !row.is_theirs));
            return Ok(());
        };
        let expected: Vec<String> =
            printed(&old).into_iter().zip(&rows).filter(|(_, row)| !row.is_theirs).map(|(text, _)| text).collect();
        prop_assert_eq!(printed(&new), expected);
        let gone: Vec<Vec<u8>> = rows.iter().filter(|row| row.is_theirs).flat_map(|row| row.marks()).collect();
        assert_gone(&new, &gone, &[]);
        assert_true(&old);
        assert_true(&new);
        // What is left is found by what leads to it, whatever is asked first.
        let mut users: BTreeMap<u64, u64> = BTreeMap::new();
        for row in rows.iter().filter(|row| !row.is_theirs) {
            *users.entry(row.number % 50).or_default() += 1;
        }
        for (user, there) in users.into_iter().take(3) {
            let found = look(Format::Parquet, &new, &who("user", &[&format!("u{user}")]), |_| Verdict::Keep).unwrap();
            prop_assert_eq!(found.matched, there);
        }
    }
}
