//! Parquet without some rows, page by page: what is left is the same, what is said of it is true, and nothing of what is gone
//! can be found in any page, dictionary, statistic or index, however it is looked for.

mod checks;
mod rows;

use std::collections::{BTreeMap, HashSet};

use ::parquet::basic::{Compression, Encoding, GzipLevel, ZstdLevel};
use ::parquet::column::page::Page;
use ::parquet::file::properties::{WriterProperties, WriterVersion};
use ::parquet::file::reader::FileReader as _;
use proptest::prelude::*;

use super::*;
use checks::{assert_gone, assert_true, opened, pages, printed, raw_pages};
use rows::{COLUMNS, Row, any_properties, any_row, file, path, plain_row};

fn erase(old: &[u8]) -> Option<Vec<u8>> {
    rewrite(Format::Parquet, old, &who("user", &["u25-them"]), |_| Verdict::Drop).unwrap().0
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
