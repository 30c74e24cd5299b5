//! Parquet files, written and read by the `parquet` crate.

use std::sync::Arc;

use ::parquet::basic::{Compression, Encoding, GzipLevel, ZstdLevel};
use ::parquet::data_type::{BoolType, ByteArray, ByteArrayType, DataType, DoubleType, Int32Type, Int64Type};
use ::parquet::file::metadata::{KeyValue, SortingColumn};
use ::parquet::file::properties::{EnabledStatistics, WriterProperties, WriterPropertiesBuilder, WriterVersion};
use ::parquet::file::reader::{FileReader as _, SerializedFileReader};
use ::parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use ::parquet::schema::parser::parse_message_type;
use proptest::prelude::*;

use super::*;
use crate::mask::Masked;
use crate::record::Value;

const SCHEMA: &str = "message events {
    REQUIRED BINARY user_id (STRING) = 7;
    OPTIONAL INT64 n;
    OPTIONAL GROUP tags (LIST) { REPEATED GROUP list { OPTIONAL BINARY element (STRING); } }
    OPTIONAL GROUP place { OPTIONAL BINARY city (STRING); REQUIRED INT32 code; }
    OPTIONAL BOOLEAN ok;
    OPTIONAL DOUBLE d;
}";

#[derive(Clone, Debug)]
struct Row {
    user: String,
    n: Option<i64>,
    tags: Option<Vec<Option<String>>>,
    place: Option<(Option<String>, i32)>,
    ok: Option<bool>,
}

fn row(user: &str) -> Row {
    let tags = Some(vec![Some("a".into()), None]);
    Row { user: user.into(), n: Some(1), tags, place: Some((Some("H".into()), 5)), ok: None }
}

fn properties() -> WriterPropertiesBuilder {
    WriterProperties::builder()
        .set_created_by("a writer of old".into())
        .set_key_value_metadata(Some(vec![KeyValue::new("team".into(), "data".to_owned())]))
}

fn column<T: DataType>(
    group: &mut SerializedRowGroupWriter<'_, Vec<u8>>,
    values: &[T::T],
    definitions: Option<&[i16]>,
    repetitions: Option<&[i16]>,
) {
    let mut column = group.next_column().unwrap().unwrap();
    column.typed::<T>().write_batch(values, definitions, repetitions).unwrap();
    column.close().unwrap();
}

fn file(groups: &[Vec<Row>], properties: WriterPropertiesBuilder) -> Vec<u8> {
    let schema = Arc::new(parse_message_type(SCHEMA).unwrap());
    let mut file = SerializedFileWriter::new(Vec::new(), schema, Arc::new(properties.build())).unwrap();
    let text = |text: &String| ByteArray::from(text.as_str());
    for rows in groups {
        let mut group = file.next_row_group().unwrap();
        let users: Vec<_> = rows.iter().map(|row| text(&row.user)).collect();
        column::<ByteArrayType>(&mut group, &users, None, None);
        let there = |is: bool| i16::from(is);
        let levels: Vec<_> = rows.iter().map(|row| there(row.n.is_some())).collect();
        let values: Vec<_> = rows.iter().filter_map(|row| row.n).collect();
        column::<Int64Type>(&mut group, &values, Some(&levels), None);
        let (mut definitions, mut repetitions, mut values) = (Vec::new(), Vec::new(), Vec::new());
        for row in rows {
            match row.tags.as_deref() {
                None => (definitions.push(0), repetitions.push(0)),
                Some([]) => (definitions.push(1), repetitions.push(0)),
                Some(tags) => (
                    definitions.extend(tags.iter().map(|tag| if tag.is_some() { 3 } else { 2 })),
                    repetitions.extend((0..tags.len()).map(|at| i16::from(at > 0))),
                ),
            };
            values.extend(row.tags.iter().flatten().flatten().map(text));
        }
        column::<ByteArrayType>(&mut group, &values, Some(&definitions), Some(&repetitions));
        let levels: Vec<_> =
            rows.iter().map(|row| row.place.as_ref().map_or(0, |(city, _)| 1 + there(city.is_some()))).collect();
        let values: Vec<_> = rows.iter().filter_map(|row| row.place.as_ref()?.0.as_ref().map(text)).collect();
        column::<ByteArrayType>(&mut group, &values, Some(&levels), None);
        let levels: Vec<_> = rows.iter().map(|row| there(row.place.is_some())).collect();
        let values: Vec<_> = rows.iter().filter_map(|row| Some(row.place.as_ref()?.1)).collect();
        column::<Int32Type>(&mut group, &values, Some(&levels), None);
        let levels: Vec<_> = rows.iter().map(|row| there(row.ok.is_some())).collect();
        let values: Vec<_> = rows.iter().filter_map(|row| row.ok).collect();
        column::<BoolType>(&mut group, &values, Some(&levels), None);
        let levels: Vec<_> = rows.iter().map(|_| 1).collect();
        let values: Vec<_> = (0..rows.len()).map(|at| f64::from(u32::try_from(at).unwrap()) / 3.0).collect();
        column::<DoubleType>(&mut group, &values, Some(&levels), None);
        group.close().unwrap();
    }
    file.into_inner().unwrap()
}

/// The rows, as the `parquet` crate prints them.
fn printed(file: &[u8]) -> Vec<String> {
    let reader = SerializedFileReader::new(Bytes::from(file.to_vec())).unwrap();
    reader.get_row_iter(None).unwrap().map(|row| row.unwrap().to_string()).collect()
}

fn opened(file: &[u8]) -> SerializedFileReader<Bytes> {
    SerializedFileReader::new(Bytes::from(file.to_vec())).unwrap()
}

fn drop(_: &Record) -> Verdict {
    Verdict::Drop
}

fn rewritten(file: &[u8], whose: &Whose, verdict: impl FnMut(&Record) -> Verdict + Send) -> (Vec<u8>, Tally) {
    let (new, tally) = rewrite(Format::Parquet, file, whose, verdict).unwrap();
    (new.expect("something to do"), tally)
}

/// Where a file's columns are in it, group by group.
fn chunks(file: &[u8], group: usize) -> Vec<Vec<u8>> {
    let file_bytes = file;
    let reader = opened(file);
    let cut = |column: &::parquet::file::metadata::ColumnChunkMetaData| {
        let (start, length) = column.byte_range();
        file_bytes[usize::try_from(start).unwrap()..usize::try_from(start + length).unwrap()].to_vec()
    };
    reader.metadata().row_group(group).columns().iter().map(cut).collect()
}

#[test]
fn a_row_group_without_the_person_is_copied_and_the_file_stays_what_it_was() {
    let groups: Vec<Vec<Row>> =
        (0..4).map(|group| (0..50).map(|at| row(&format!("u{}", group * 25 + at))).collect()).collect();
    let sorted = vec![SortingColumn { column_idx: 0, descending: false, nulls_first: false }];
    let old = file(&groups, properties().set_sorting_columns(Some(sorted)).set_compression(Compression::SNAPPY));
    let (new, tally) = rewritten(&old, &who("user_id", &["u30"]), drop);
    assert_eq!((tally.rows, tally.matched, tally.dropped), (200, 2, 2));
    let (before, after) = (opened(&old), opened(&new));
    let (before, after) = (before.metadata(), after.metadata());
    let file_of = |metadata: &::parquet::file::metadata::ParquetMetaData| {
        let file = metadata.file_metadata();
        let marks = (file.created_by().map(ToOwned::to_owned), file.key_value_metadata().cloned(), file.version());
        (marks, file.schema().clone(), file.column_orders().cloned())
    };
    assert_eq!(file_of(before), file_of(after));
    assert_eq!(after.file_metadata().num_rows(), 198);
    let rows: Vec<i64> = after.row_groups().iter().map(::parquet::file::metadata::RowGroupMetaData::num_rows).collect();
    assert_eq!(rows, [49, 49, 50, 50]);
    for group in 0..4 {
        assert_eq!(before.row_group(group).sorting_columns(), after.row_group(group).sorting_columns());
        assert_eq!(chunks(&old, group) == chunks(&new, group), group > 1, "group {group}");
    }
    for (before, after) in before.row_group(0).columns().iter().zip(after.row_group(0).columns()) {
        assert_eq!(before.compression(), after.compression());
        assert_eq!(before.statistics().is_some(), after.statistics().is_some());
        assert_eq!(before.page_encoding_stats_mask(), after.page_encoding_stats_mask());
    }
    let expected: Vec<String> = printed(&old).into_iter().filter(|row| !row.contains("\"u30\"")).collect();
    assert_eq!(printed(&new), expected);
}

#[test]
fn of_what_cannot_hold_the_person_no_page_is_read() {
    let sorted: Vec<Vec<Row>> =
        (0..3).map(|group| (0..400).map(|at| row(&format!("u{:04}", group * 400 + at))).collect()).collect();
    let mixed: Vec<Vec<Row>> =
        (0..3).map(|group| (0..400).map(|at| row(&format!("u{:04}", at * 3 + group))).collect()).collect();
    let by_filter =
        properties().set_bloom_filter_enabled(true).set_bloom_filter_fpp(1e-9).set_dictionary_enabled(false);
    let by_dictionary = properties().set_dictionary_page_size_limit(1 << 20);
    for (file, name) in [
        (file(&sorted, properties().set_dictionary_enabled(false)), "statistics"),
        (file(&mixed, by_filter), "filter"),
        (file(&mixed, by_dictionary), "dictionary"),
    ] {
        let source = Watched::new(&file);
        let object: SourceRef = source.clone();
        let person = who("user_id", &["u0500"]).with_only([]);
        let mut judge = |_: &Record, _: usize| Ok(Verdict::Keep);
        let tally = run(walk(Format::Parquet, &object, &person, &mut judge, Mode::Look)).unwrap();
        assert_eq!(tally.matched, 1, "{name}");
        let reader = opened(&file);
        // The pages of the column that leads to the person, group by group. A small column is fetched whole before its
        // dictionary is looked at.
        let read = |reads: &[Range<u64>], group: usize| {
            let column = reader.metadata().row_group(group).column(0);
            let page = column.data_page_offset().cast_unsigned();
            reads.iter().any(|range| range.start <= page && page < range.end)
        };
        let end = file.len() as u64;
        let reads: Vec<Range<u64>> = source.reads().into_iter().filter(|range| range.end != end).collect();
        let groups: Vec<bool> = (0..3).map(|group| read(&reads, group)).collect();
        match name {
            "statistics" => assert_eq!(groups, [false, true, false]),
            "filter" => assert_eq!(groups, [false, false, true]),
            _ => assert_eq!(groups, [true; 3]),
        }
    }
}

#[test]
fn a_change_touches_only_the_columns_of_its_field() {
    let mut second = row("u2");
    second.place = None;
    let old = file(&[vec![row("u1"), second, row("u2"), row("u3")]], properties());
    let place = |masked: Masked| move |_: &Record| Verdict::Change(vec![("place.city".to_owned(), masked.clone())]);
    let (new, tally) = rewritten(&old, &who("user_id", &["u2"]), place(Masked::Replaced(Value::Text("[gone]".into()))));
    assert_eq!((tally.changed, tally.still), (2, 2));
    let same: Vec<bool> = chunks(&old, 0).iter().zip(chunks(&new, 0)).map(|(old, new)| *old == new).collect();
    assert_eq!(same, [true, true, true, false, true, true, true]);
    let mut expected = printed(&old);
    expected[2] = expected[2].replace("city: \"H\"", "city: \"[gone]\"");
    assert_eq!(printed(&new), expected);

    let (new, _) = rewritten(&old, &who("user_id", &["u2"]), |record| {
        assert!(record.get("tags") == Some(&Value::List(vec![Value::Text("a".into()), Value::Null])));
        Verdict::Change(vec![("tags".to_owned(), Masked::Removed), ("n".to_owned(), Masked::Replaced(Value::Null))])
    });
    let expected: Vec<String> = printed(&old)
        .into_iter()
        .map(|row| {
            if row.contains("\"u2\"") {
                row.replace("n: 1", "n: null").replace("tags: [\"a\", null]", "tags: null")
            } else {
                row
            }
        })
        .collect();
    assert_eq!(printed(&new), expected);
    for (field, masked) in [
        ("user_id", Masked::Removed),
        ("place.code", Masked::Removed),
        ("n", Masked::Replaced(Value::Text("[gone]".into()))),
        ("place", Masked::Replaced(Value::Text("[gone]".into()))),
    ] {
        let change = |_: &Record| Verdict::Change(vec![(field.to_owned(), masked.clone())]);
        let refused = rewrite(Format::Parquet, &old, &who("user_id", &["u2"]), change);
        assert!(matches!(refused, Err(FormatError::Unfit(_))), "{field}");
    }
}

#[test]
fn a_file_of_nobody_else_keeps_its_schema_and_has_no_rows() {
    let old = file(&[vec![row("u1"); 10], vec![row("u1"); 5]], properties());
    let (new, tally) = rewritten(&old, &who("user_id", &["u1"]), drop);
    assert_eq!((tally.rows, tally.dropped), (15, 15));
    let reader = opened(&new);
    assert_eq!((reader.metadata().num_row_groups(), reader.metadata().file_metadata().num_rows()), (0, 0));
    assert_eq!(reader.metadata().file_metadata().schema(), opened(&old).metadata().file_metadata().schema());
    assert_eq!(look(Format::Parquet, &new, &who("user_id", &["u1"]), drop).unwrap(), Tally::default());
}

#[test]
fn values_are_found_in_columns_of_other_types() {
    let rows = vec![row("u1"), Row { n: Some(-42), ..row("u2") }, Row { n: None, ..row("u3") }];
    let old = file(&[rows], properties());
    for (field, value, found) in [
        ("n", "-42", 1),
        ("n", "1", 1),
        ("n", "01", 0),
        ("n", "x", 0),
        ("place.code", "5", 3),
        ("d", "0", 1),
        ("d", "0.0", 1),
    ] {
        let tally = look(Format::Parquet, &old, &who(field, &[value]), drop).unwrap();
        assert_eq!(tally.matched, found, "{field} {value}");
    }
    assert!(matches!(
        look(Format::Parquet, &old, &who("tags.list.element", &["a"]), drop),
        Err(FormatError::Unsupported(_))
    ));
    assert!(matches!(look(Format::Parquet, &old, &who("missing", &["a"]), drop), Err(FormatError::Malformed(_))));
}

/// A file that pyarrow wrote, with what the crate's own writer does not write: Arrow and pandas metadata, a dictionary
/// column, a list whose layers have other names. `other_writer.py` beside it makes it.
#[test]
fn a_file_of_another_writer_keeps_every_field_of_its_footer() {
    let old = include_bytes!("other_writer.parquet");
    let (new, tally) = rewritten(old, &who("user_id", &["u3"]), drop);
    assert_eq!((tally.rows, tally.matched, tally.dropped), (40, 4, 4));
    let expected: Vec<String> = printed(old).into_iter().filter(|row| !row.contains("user_id: \"u3\"")).collect();
    assert_eq!(printed(&new), expected);
    let (before, after) = (opened(old), opened(&new));
    let keys =
        |reader: &SerializedFileReader<Bytes>| reader.metadata().file_metadata().key_value_metadata().cloned().unwrap();
    assert!(keys(&before).iter().any(|pair| pair.key == "ARROW:schema") && keys(&before) == keys(&after));
    // The schema is a stretch of both footers, byte for byte.
    let footer = |file: &[u8]| {
        let length = u32::from_le_bytes(file[file.len() - 8..][..4].try_into().unwrap()) as usize;
        file[file.len() - 8 - length..file.len() - 8].to_vec()
    };
    let (old_footer, new_footer) = (footer(old), footer(&new));
    let shared = old_footer.iter().zip(&new_footer).take_while(|(old, new)| old == new).count();
    let last = old_footer.windows(3).position(|name| name == b"zip").unwrap();
    assert!(shared > last, "the same as far as byte {shared}");
    assert_eq!(before.metadata().file_metadata().schema(), after.metadata().file_metadata().schema());
    for group in 0..after.metadata().num_row_groups() {
        let pairs =
            before.metadata().row_group(group).columns().iter().zip(after.metadata().row_group(group).columns());
        for (old, new) in pairs {
            assert_eq!(old.compression(), new.compression());
            assert_eq!(old.offset_index_offset().is_some(), new.offset_index_offset().is_some());
            assert_eq!(old.column_index_offset().is_some(), new.column_index_offset().is_some());
        }
    }
}

fn any_row() -> impl Strategy<Value = Row> {
    let text = || prop::option::of("[a-z]{0,4}");
    (
        prop_oneof![2 => Just("u1".to_owned()), 1 => Just("u2".to_owned()), 6 => "[a-z]{1,3}"],
        prop::option::of(any::<i64>()),
        prop::option::of(prop::collection::vec(text(), 0..4)),
        prop::option::of((text(), any::<i32>())),
        prop::option::of(any::<bool>()),
    )
        .prop_map(|(user, n, tags, place, ok)| Row { user, n, tags, place, ok })
}

fn any_properties() -> impl Strategy<Value = WriterPropertiesBuilder> {
    let codec = prop_oneof![
        Just(Compression::UNCOMPRESSED),
        Just(Compression::SNAPPY),
        Just(Compression::GZIP(GzipLevel::default())),
        Just(Compression::ZSTD(ZstdLevel::default())),
        Just(Compression::LZ4_RAW),
    ];
    let statistics =
        prop_oneof![Just(EnabledStatistics::None), Just(EnabledStatistics::Chunk), Just(EnabledStatistics::Page)];
    (codec, statistics, any::<[bool; 5]>(), 20..2000usize).prop_map(|(codec, statistics, yes, page)| {
        let mut builder = properties()
            .set_compression(codec)
            .set_statistics_enabled(statistics)
            .set_dictionary_enabled(yes[0])
            .set_bloom_filter_enabled(yes[1])
            .set_data_page_size_limit(page)
            .set_write_batch_size(8)
            .set_dictionary_page_size_limit(if yes[4] { 30 } else { 1 << 20 })
            .set_offset_index_disabled(yes[2]);
        if yes[3] {
            builder = builder
                .set_writer_version(WriterVersion::PARQUET_2_0)
                .set_column_encoding("n".into(), Encoding::DELTA_BINARY_PACKED);
        }
        builder
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, ..ProptestConfig::default() })]

    #[test]
    fn of_any_file_exactly_the_persons_rows_go_or_change(
        groups in prop::collection::vec(prop::collection::vec(any_row(), 1..60), 0..4),
        properties in any_properties(),
        changes in any::<bool>(),
    ) {
        let old = file(&groups, properties);
        let person = who("user_id", &["u1", "u2"]);
        let rows: Vec<Row> = groups.iter().flatten().cloned().collect();
        let verdict = |record: &Record| match record.get("user_id").and_then(Value::as_text) {
            Some("u2") if changes => Verdict::Change(vec![("n".to_owned(), Masked::Removed)]),
            _ => Verdict::Drop,
        };
        let theirs = rows.iter().filter(|row| row.user == "u1" || row.user == "u2").count() as u64;
        let kept = |row: &Row| row.user != "u1" && (changes || row.user != "u2");
        let (new, tally) = rewrite(Format::Parquet, &old, &person, verdict).unwrap();
        prop_assert_eq!((tally.rows, tally.matched, new.is_some()), (rows.len() as u64, theirs, theirs > 0));
        let new = new.unwrap_or_else(|| old.clone());
        let expected: Vec<String> = printed(&old)
            .into_iter()
            .zip(&rows)
            .filter(|(_, row)| kept(row))
            .map(|(text, row)| match row.n {
                Some(n) if row.user == "u2" => text.replacen(&format!(" n: {n}"), " n: null", 1),
                _ => text,
            })
            .collect();
        prop_assert_eq!(printed(&new), expected);
        let fresh = look(Format::Parquet, &new, &person, |record| match record.get("n") {
            Some(_) => Verdict::Drop,
            None => Verdict::Keep,
        }).unwrap();
        prop_assert!(tally.is_confirmed_by(&fresh), "{:?} {:?}", tally, fresh);
    }

    #[test]
    fn a_damaged_file_is_an_error_and_no_panic(at in any::<prop::sample::Index>(), with in any::<u8>(), cut in any::<bool>()) {
        let old = file(&[vec![row("u1"), row("u2")], vec![row("u1")]], properties().set_bloom_filter_enabled(true));
        let at = at.index(old.len());
        let mut damaged = old;
        if cut { damaged.drain(..at); } else { damaged[at] ^= with; }
        let _ = rewrite(Format::Parquet, &damaged, &who("user_id", &["u1"]), drop);
    }
}

/// A file of two columns of text.
pub(super) fn texts(one: &str, other: &str, rows: &[(&str, &str)]) -> Vec<u8> {
    let schema = format!("message texts {{ OPTIONAL BINARY {one} (STRING); REQUIRED BINARY {other} (STRING); }}");
    let schema = Arc::new(parse_message_type(&schema).unwrap());
    let mut file = SerializedFileWriter::new(Vec::new(), schema, Arc::new(properties().build())).unwrap();
    for rows in rows.chunks(2) {
        let mut group = file.next_row_group().unwrap();
        let ones: Vec<_> = rows.iter().map(|(one, _)| ByteArray::from(*one)).collect();
        column::<ByteArrayType>(&mut group, &ones, Some(&vec![1; rows.len()]), None);
        let others: Vec<_> = rows.iter().map(|(_, other)| ByteArray::from(*other)).collect();
        column::<ByteArrayType>(&mut group, &others, None, None);
        group.close().unwrap();
    }
    file.into_inner().unwrap()
}
