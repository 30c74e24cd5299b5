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
    pub(in super::super) const BYTES: i16 = 6;
    pub(in super::super) const COMPRESSED_BYTES: i16 = 7;
    pub(in super::super) const DATA: i16 = 9;
    pub(in super::super) const INDEX: i16 = 10;
    pub(in super::super) const DICTIONARY: i16 = 11;
    pub(in super::super) const ENCODINGS_OF_PAGES: i16 = 13;
    pub(in super::super) const BLOOM_FILTER: i16 = 14;
}

/// `SortingColumn`.
pub(super) mod sorting {
    pub(in super::super) const COLUMN: i16 = 1;
}

/// `PageEncodingStats`.
pub(super) mod encoding {
    pub(in super::super) const PAGE: i16 = 1;
    /// The value of it for data pages of the second version.
    pub(in super::super) const DATA_PAGE_V2: i64 = 3;
}

/// `ColumnIndex`.
pub(super) mod column_index {
    pub(in super::super) const NULL_PAGES: i16 = 1;
    pub(in super::super) const LEAST: i16 = 2;
    pub(in super::super) const MOST: i16 = 3;
}

/// `OffsetIndex`.
pub(super) mod offset_index {
    pub(in super::super) const PAGES: i16 = 1;
}

/// `PageLocation`.
pub(super) mod page {
    pub(in super::super) const OFFSET: i16 = 1;
    pub(in super::super) const LENGTH: i16 = 2;
    pub(in super::super) const FIRST_ROW: i16 = 3;
}

/// `BloomFilterHeader`.
pub(super) mod bloom_filter {
    pub(in super::super) const LENGTH: i16 = 1;
}
