//! The field numbers of Parquet's metadata that this room reads or changes.
//!
//! Source: parquet-format, src/main/thrift/parquet.thrift.

/// `FileMetaData`.
pub(super) mod file {
    pub(in super::super) const SCHEMA: i16 = 2;
    pub(in super::super) const ROWS: i16 = 3;
    pub(in super::super) const GROUPS: i16 = 4;
    pub(in super::super) const ENCRYPTION: i16 = 8;
}

/// `SchemaElement`.
pub(super) mod node {
    pub(in super::super) const CHILDREN: i16 = 5;
}

/// `RowGroup`.
pub(super) mod group {
    pub(in super::super) const COLUMNS: i16 = 1;
    pub(in super::super) const BYTES: i16 = 2;
    pub(in super::super) const ROWS: i16 = 3;
    pub(in super::super) const SORTING: i16 = 4;
    pub(in super::super) const OFFSET: i16 = 5;
    pub(in super::super) const COMPRESSED_BYTES: i16 = 6;
    pub(in super::super) const ORDINAL: i16 = 7;
}

/// `ColumnChunk`.
pub(super) mod chunk {
    pub(in super::super) const OFFSET: i16 = 2;
    pub(in super::super) const META: i16 = 3;
    pub(in super::super) const OFFSET_INDEX: i16 = 4;
    pub(in super::super) const OFFSET_INDEX_LENGTH: i16 = 5;
    pub(in super::super) const COLUMN_INDEX: i16 = 6;
    pub(in super::super) const COLUMN_INDEX_LENGTH: i16 = 7;
}

/// `ColumnMetaData`.
pub(super) mod meta {
    pub(in super::super) const TYPE: i16 = 1;
    pub(in super::super) const ENCODINGS: i16 = 2;
    pub(in super::super) const PATH: i16 = 3;
    pub(in super::super) const CODEC: i16 = 4;
    pub(in super::super) const VALUES: i16 = 5;
    pub(in super::super) const BYTES: i16 = 6;
    pub(in super::super) const COMPRESSED_BYTES: i16 = 7;
    pub(in super::super) const DATA: i16 = 9;
    pub(in super::super) const INDEX: i16 = 10;
    pub(in super::super) const DICTIONARY: i16 = 11;
    pub(in super::super) const STATISTICS: i16 = 12;
    pub(in super::super) const ENCODINGS_OF_PAGES: i16 = 13;
    pub(in super::super) const BLOOM_FILTER: i16 = 14;
    pub(in super::super) const SIZES: i16 = 16;
}

/// `SortingColumn`.
pub(super) mod sorting {
    pub(in super::super) const COLUMN: i16 = 1;
}

/// `PageEncodingStats`.
pub(super) mod encoding {
    pub(in super::super) const PAGE: i16 = 1;
    pub(in super::super) const ENCODING: i16 = 2;
    pub(in super::super) const COUNT: i16 = 3;
    /// The value of it for data pages of the second version.
    pub(in super::super) const DATA_PAGE_V2: i64 = 3;
}

/// `ColumnIndex`.
pub(super) mod column_index {
    pub(in super::super) const NULL_PAGES: i16 = 1;
    pub(in super::super) const LEAST: i16 = 2;
    pub(in super::super) const MOST: i16 = 3;
    pub(in super::super) const ORDER: i16 = 4;
    pub(in super::super) const NULLS: i16 = 5;
    pub(in super::super) const REPETITIONS: i16 = 6;
    pub(in super::super) const DEFINITIONS: i16 = 7;
    pub(in super::super) const NANS: i16 = 8;
}

/// `OffsetIndex`.
pub(super) mod offset_index {
    pub(in super::super) const PAGES: i16 = 1;
    pub(in super::super) const TEXT_BYTES: i16 = 2;
}

/// `PageLocation`.
pub(super) mod page {
    pub(in super::super) const OFFSET: i16 = 1;
    pub(in super::super) const LENGTH: i16 = 2;
    pub(in super::super) const FIRST_ROW: i16 = 3;
}

/// `Statistics`.
pub(super) mod statistics {
    /// The greatest value, in an order that writers did not agree on.
    pub(in super::super) const OLD_MOST: i16 = 1;
    pub(in super::super) const OLD_LEAST: i16 = 2;
    pub(in super::super) const NULLS: i16 = 3;
    pub(in super::super) const DISTINCT: i16 = 4;
    pub(in super::super) const MOST: i16 = 5;
    pub(in super::super) const LEAST: i16 = 6;
    pub(in super::super) const MOST_IS_EXACT: i16 = 7;
    pub(in super::super) const LEAST_IS_EXACT: i16 = 8;
    pub(in super::super) const NANS: i16 = 9;
}

/// `SizeStatistics`.
pub(super) mod sizes {
    pub(in super::super) const TEXT_BYTES: i16 = 1;
    pub(in super::super) const REPETITIONS: i16 = 2;
    pub(in super::super) const DEFINITIONS: i16 = 3;
}

/// `PageHeader`.
pub(super) mod page_header {
    pub(in super::super) const KIND: i16 = 1;
    pub(in super::super) const BYTES: i16 = 2;
    pub(in super::super) const COMPRESSED_BYTES: i16 = 3;
    pub(in super::super) const CRC: i16 = 4;
    pub(in super::super) const DATA: i16 = 5;
    pub(in super::super) const DICTIONARY: i16 = 7;
    pub(in super::super) const DATA_V2: i16 = 8;
}

/// `DataPageHeader`.
pub(super) mod data_page {
    pub(in super::super) const VALUES: i16 = 1;
    pub(in super::super) const ENCODING: i16 = 2;
    pub(in super::super) const DEFINITIONS: i16 = 3;
    pub(in super::super) const REPETITIONS: i16 = 4;
    pub(in super::super) const STATISTICS: i16 = 5;
}

/// `DataPageHeaderV2`.
pub(super) mod data_page_v2 {
    pub(in super::super) const VALUES: i16 = 1;
    pub(in super::super) const NULLS: i16 = 2;
    pub(in super::super) const ROWS: i16 = 3;
    pub(in super::super) const ENCODING: i16 = 4;
    pub(in super::super) const DEFINITION_BYTES: i16 = 5;
    pub(in super::super) const REPETITION_BYTES: i16 = 6;
    pub(in super::super) const IS_COMPRESSED: i16 = 7;
    pub(in super::super) const STATISTICS: i16 = 8;
}

/// `DictionaryPageHeader`.
pub(super) mod dictionary_page {
    pub(in super::super) const VALUES: i16 = 1;
    pub(in super::super) const ENCODING: i16 = 2;
}

/// `BloomFilterHeader`.
pub(super) mod bloom_filter {
    pub(in super::super) const LENGTH: i16 = 1;
}
