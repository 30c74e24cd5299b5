//! A Parquet file's footer: as the `parquet` crate reads it, and as the bytes that it is.

use std::ops::Range;

use bytes::Bytes;
use parquet::file::metadata::{ColumnChunkMetaData, ParquetMetaData, ParquetMetaDataReader, RowGroupMetaData};

use super::thrift::Struct;
use super::{FormatError, SourceRef, damaged, field, guarded};

/// Bytes that are read from the end at first: most footers are smaller.
const FIRST_READ: u64 = 64 << 10;
/// Largest footer. Reading one costs several times its size.
const MOST_FOOTER: u64 = 128 << 20;
const TAIL: u64 = 8;

/// A footer.
pub(super) struct Footer {
    bytes: Bytes,
    pub(super) metadata: ParquetMetaData,
    /// Where the footer begins: everything else is before it.
    start: u64,
    /// Where in the bytes the row groups are.
    groups: Vec<Range<usize>>,
}

impl Footer {
    pub(super) async fn read(source: &SourceRef) -> Result<Self, FormatError> {
        let size = source.size();
        let no_parquet = FormatError::Malformed("it is not Parquet");
        let Some(from) = size.checked_sub(TAIL + 4).map(|_| size.saturating_sub(FIRST_READ)) else {
            return Err(no_parquet);
        };
        let end = source.read(from..size).await?;
        let (before, tail) = end.split_at(end.len() - 8);
        match &tail[4..] {
            b"PAR1" => {}
            b"PARE" => return Err(FormatError::Unsupported("its Parquet is encrypted")),
            _ => return Err(no_parquet),
        }
        let length = u64::from(u32::from_le_bytes([tail[0], tail[1], tail[2], tail[3]]));
        if length > MOST_FOOTER {
            return Err(FormatError::Unsupported("its Parquet footer is larger than 128 MiB"));
        }
        let Some(start) = (size - TAIL).checked_sub(length) else {
            return Err(FormatError::Malformed("its Parquet footer is cut off"));
        };
        let bytes = if start >= from {
            let skipped = usize::try_from(start - from).unwrap_or(usize::MAX);
            end.slice(skipped..before.len())
        } else {
            source.read(start..size - TAIL).await?
        };
        Self::decode(bytes, start)
    }

    /// Takes the footer of a file of which all is here from `start` on.
    pub(super) fn of_tail(tail: &Bytes, start: u64) -> Result<Self, FormatError> {
        let cut_off = || FormatError::Malformed("its Parquet footer is cut off");
        let (before, end) = tail.split_last_chunk::<8>().ok_or_else(cut_off)?;
        let length = usize::try_from(u32::from_le_bytes([end[0], end[1], end[2], end[3]])).map_err(damaged)?;
        let at = before.len().checked_sub(length).ok_or_else(cut_off)?;
        Self::decode(tail.slice(at..before.len()), start + at as u64)
    }

    /// Takes the bytes of a footer that begins at `start`.
    pub(super) fn decode(bytes: Bytes, start: u64) -> Result<Self, FormatError> {
        let raw = Struct::parse(&bytes)?.0;
        if raw.has(field::file::ENCRYPTION) {
            return Err(FormatError::Unsupported("its Parquet is encrypted"));
        }
        check_depth(&raw)?;
        let within = |group: &[u8]| {
            let start = group.as_ptr().addr() - bytes.as_ptr().addr();
            start..start + group.len()
        };
        let groups = Struct::list_of_first(&bytes, field::file::GROUPS)?.into_iter().map(within).collect();
        let metadata = guarded(|| ParquetMetaDataReader::decode_metadata(&bytes).map_err(damaged))?;
        let is_elsewhere = |column: &ColumnChunkMetaData| column.file_path().is_some();
        if metadata.row_groups().iter().flat_map(RowGroupMetaData::columns).any(is_elsewhere) {
            return Err(FormatError::Unsupported("its Parquet is an index of other files"));
        }
        Ok(Self { bytes, metadata, start, groups })
    }

    /// Where the footer begins.
    pub(super) fn start(&self) -> Result<i64, FormatError> {
        i64::try_from(self.start).map_err(damaged)
    }

    /// The footer as its fields.
    pub(super) fn raw(&self) -> Result<Struct<'_>, FormatError> {
        Ok(Struct::parse(&self.bytes)?.0)
    }

    /// A row group as its bytes.
    pub(super) fn group(&self, index: usize) -> Result<&[u8], FormatError> {
        let range = self.groups.get(index).ok_or_else(|| damaged(()))?;
        self.bytes.get(range.clone()).ok_or_else(|| damaged(()))
    }

    /// A stretch of the file that metadata speaks of.
    pub(super) fn stretch(&self, start: i64, length: i64) -> Result<Range<u64>, FormatError> {
        let outside = || FormatError::Malformed("its Parquet footer points outside of the file");
        let start = u64::try_from(start).map_err(|_| outside())?;
        let length = u64::try_from(length).map_err(|_| outside())?;
        let end = start.checked_add(length).filter(|end| *end <= self.start).ok_or_else(outside)?;
        Ok(start..end)
    }

    /// Where a column chunk's pages are.
    pub(super) fn chunk(&self, column: &ColumnChunkMetaData) -> Result<Range<u64>, FormatError> {
        let data = column.data_page_offset();
        let start = dictionary(column).unwrap_or(data);
        self.stretch(start, column.compressed_size())
    }
}

/// Refuses a schema that is nested so deep that going through it could take all of the stack.
fn check_depth(file: &Struct<'_>) -> Result<(), FormatError> {
    /// Groups inside one another.
    const MOST: usize = 100;
    // The schema is a list, a node before what is in it. What is kept is how many are still to come at each depth.
    let mut open: Vec<i64> = Vec::new();
    for node in file.structs(field::file::SCHEMA)? {
        while open.last() == Some(&0) {
            open.pop();
        }
        if let Some(left) = open.last_mut() {
            *left -= 1;
        }
        let inside = Struct::parse(node)?.0.number(field::node::CHILDREN)?.unwrap_or(0);
        open.push(inside.max(0));
        if open.len() > MOST {
            return Err(FormatError::Unsupported("its Parquet schema is nested too deep"));
        }
    }
    Ok(())
}

/// Where a column chunk's dictionary is. Some writers give an offset where there is none.
pub(super) fn dictionary(column: &ColumnChunkMetaData) -> Option<i64> {
    column.dictionary_page_offset().filter(|offset| *offset > 0 && *offset < column.data_page_offset())
}
