//! Files of any kind of column, written by the library, of rows whose values can be told apart.

use std::collections::HashSet;
use std::sync::Arc;

use ::parquet::basic::{Compression, Encoding, GzipLevel, ZstdLevel};
use ::parquet::data_type::{
    BoolType, ByteArray, ByteArrayType, DataType, DoubleType, FixedLenByteArray, FixedLenByteArrayType, Int32Type,
    Int64Type,
};
use ::parquet::file::properties::{EnabledStatistics, WriterProperties, WriterPropertiesBuilder, WriterVersion};
use ::parquet::file::writer::SerializedFileWriter;
use ::parquet::schema::parser::parse_message_type;
use ::parquet::schema::types::ColumnPath;
use proptest::prelude::*;

pub(super) const SCHEMA: &str = "message t {
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
pub(super) const COLUMNS: [&str; 10] =
    ["user", "code", "n", "d", "kind", "flag", "fixed", "tags.list.element", "place.city", "place.at"];

pub(super) fn path(name: &str) -> ColumnPath {
    ColumnPath::new(name.split('.').map(ToOwned::to_owned).collect())
}

#[derive(Clone, Debug)]
pub(super) struct Row {
    pub(super) is_theirs: bool,
    /// Values that no other row has are made of it.
    pub(super) number: u64,
    /// Values that others have, or that are not there.
    pub(super) kind: Option<u8>,
    pub(super) flag: Option<bool>,
    pub(super) has_code: bool,
    pub(super) tags: Option<Vec<Option<u8>>>,
    pub(super) has_place: bool,
}

/// A number that says nothing of those near to it.
pub(super) fn mixed(number: u64, what: u64) -> u64 {
    let mut mixed = number.wrapping_mul(8).wrapping_add(what).wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed ^= mixed >> 29;
    mixed = mixed.wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed ^ mixed >> 32
}

impl Row {
    pub(super) fn code(&self) -> String {
        format!("{:016x}-c", mixed(self.number, 1))
    }

    pub(super) fn n(&self) -> i64 {
        (mixed(self.number, 2) >> 1).cast_signed()
    }

    #[expect(clippy::cast_precision_loss, reason = "any number will do")]
    pub(super) fn d(&self) -> f64 {
        mixed(self.number, 3) as f64 / 7.0
    }

    pub(super) fn fixed(&self) -> Vec<u8> {
        [mixed(self.number, 4).to_le_bytes(), mixed(self.number, 5).to_le_bytes()].concat()
    }

    pub(super) fn tag(&self, tag: u8) -> String {
        if tag < 3 { format!("tag{tag}") } else { format!("{:016x}-{tag}", mixed(self.number, 6)) }
    }

    pub(super) fn city(&self) -> String {
        format!("{:016x}-p", mixed(self.number, 7))
    }

    pub(super) fn at(&self) -> i32 {
        i32::try_from(mixed(self.number, 0) % 1000).unwrap()
    }

    /// What of the row is nowhere else.
    pub(super) fn marks(&self) -> Vec<Vec<u8>> {
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

pub(super) fn file(groups: &[Vec<Row>], properties: WriterPropertiesBuilder) -> Vec<u8> {
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

pub(super) fn plain_row(number: u64) -> Row {
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

pub(super) fn any_row() -> impl Strategy<Value = Row> {
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

pub(super) fn any_properties() -> impl Strategy<Value = WriterPropertiesBuilder> {
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
