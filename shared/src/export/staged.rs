//! A staged page of records: packed while it is copied, as a piece of the collection's JSON file and as a piece of its
//! table, so that the package only has to put pieces together. Pure.
//!
//! A page stands by itself: what is in it follows from its own records and the policy, never from other pages. Its table
//! has the columns that the page knows; where other pages turn out to have more, it is made again from the records. What it
//! says of the files' sums holds where it comes behind the pages that it was staged behind, and is passed over elsewhere.
//! Form: the length of the head (32 bits, little-endian), the head as JSON, the piece of the JSON file, the piece of the table.

use std::ops::ControlFlow;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::archive::ArchiveError;
use super::piece::{DamagedPiece, Packer, Piece, PieceSums};
use super::sum::Sum;
use super::table::{BYTE_ORDER_MARK, Columns, Rows, TableError, fields};

/// How a JSON file of records begins.
pub const LIST: &[u8] = b"[";
/// What stands before its first record,
pub const FIRST: &[u8] = b"\n";
/// and between two of them.
pub const BETWEEN: &[u8] = b",\n";
/// Rows of a table that are written together.
const ROWS_AT_ONCE: usize = 512;

/// Why a page is not staged, or cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum StagedError {
    /// A record or the table.
    #[error(transparent)]
    Table(#[from] TableError),
    /// It was not packed.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// Its head is none.
    #[error("the head of a staged page cannot be read")]
    Head(#[from] serde_json::Error),
    /// A piece, or the page, is not what was staged.
    #[error("a staged page is damaged")]
    Damaged,
}

impl From<DamagedPiece> for StagedError {
    fn from(_: DamagedPiece) -> Self {
        Self::Damaged
    }
}

/// What a page says of itself.
#[derive(Serialize, Deserialize)]
struct Head {
    records: u64,
    json: PieceSums,
    table: PieceSums,
    columns: Columns,
}

/// A page.
pub struct StagedPage {
    head: Head,
    mark: Bytes,
    json: Piece,
    table: Piece,
}

/// The sums of a collection's two files up to the end of a page.
#[derive(Clone, Serialize, Deserialize)]
pub struct FileSums {
    json: Sum,
    table: Sum,
}

impl FileSums {
    /// The sums behind the two pieces of a page.
    #[must_use]
    pub fn behind(json: &Piece, table: &Piece) -> Option<Self> {
        Some(Self { json: json.passed()?.clone(), table: table.passed()?.clone() })
    }
}

/// Packs the records of a page, each of which is a line, as a piece of a JSON file. `behind`: the sums at the end of the page
/// before it; none if it is the first.
pub fn pack_records(lines: &[u8], behind: Option<&FileSums>) -> Result<(u64, Piece), StagedError> {
    let before = match behind {
        None => Sum::of(&[LIST, FIRST].concat()),
        Some(sums) => sums.json.clone().with(BETWEEN),
    };
    let (mut packer, mut records) = (Packer::new(Some(before)), 0);
    for line in lines_of(lines) {
        if records > 0 {
            packer.write(BETWEEN)?;
        }
        packer.write(line)?;
        records += 1;
    }
    Ok((records, packer.finish()?))
}

/// Packs them as a piece of a table. `columns`: those that the dataset declares; the page adds its own.
pub fn pack_table(
    lines: &[u8],
    mut columns: Columns,
    behind: Option<&FileSums>,
) -> Result<(Columns, Piece), StagedError> {
    let mut table = Table::begin(&columns, behind)?;
    let declared = columns.width();
    for line in lines_of(lines) {
        let record = fields(line)?;
        columns.see(&record);
        // What was written before another column was found is one cell short.
        if columns.width() == declared {
            table.row(&columns, &record)?;
        }
    }
    if columns.width() != declared {
        table = Table::begin(&columns, behind)?;
        for line in lines_of(lines) {
            table.row(&columns, &fields(line)?)?;
        }
    }
    Ok((columns, table.finish()?))
}

/// Packs records that were staged as a piece of a table with other columns than the page knew.
pub fn pack_table_again(page: &StagedPage, columns: &Columns) -> Result<Piece, StagedError> {
    let mut table = Table::new(None);
    page.each_record(|line| table.row(columns, &fields(line)?).map(ControlFlow::Continue))?;
    table.finish()
}

/// Rows on their way into a piece.
struct Table {
    packer: Packer,
    rows: Rows,
    count: usize,
}

impl Table {
    fn new(before: Option<Sum>) -> Self {
        Self { packer: Packer::new(before), rows: Rows::default(), count: 0 }
    }

    fn begin(columns: &Columns, behind: Option<&FileSums>) -> Result<Self, StagedError> {
        let before = match behind {
            None => Sum::of(BYTE_ORDER_MARK.as_bytes()).with(&columns.header()?),
            Some(sums) => sums.table.clone(),
        };
        Ok(Self::new(Some(before)))
    }

    fn row(&mut self, columns: &Columns, record: &super::table::Fields<'_>) -> Result<(), StagedError> {
        columns.row(record, &mut self.rows)?;
        self.count += 1;
        if self.count.is_multiple_of(ROWS_AT_ONCE) {
            self.flush()?;
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), StagedError> {
        let rows = std::mem::take(&mut self.rows).finish()?;
        Ok(self.packer.write(&rows)?)
    }

    fn finish(mut self) -> Result<Piece, StagedError> {
        self.flush()?;
        Ok(self.packer.finish()?)
    }
}

impl StagedPage {
    /// The bytes of a page.
    pub fn write(records: u64, json: &Piece, columns: Columns, table: &Piece) -> Result<Vec<u8>, StagedError> {
        let head = Head { records, json: json.sums().clone(), table: table.sums().clone(), columns };
        let head = serde_json::to_vec(&head)?;
        let length = u32::try_from(head.len()).map_err(|_| StagedError::Damaged)?;
        Ok([&length.to_le_bytes()[..], &head, json.packed(), table.packed()].concat())
    }

    /// Reads a page. Its pieces are looked at when they are unpacked.
    pub fn read(bytes: &Bytes) -> Result<Self, StagedError> {
        let (length, _) = bytes.split_first_chunk::<4>().ok_or(StagedError::Damaged)?;
        let start = usize::try_from(u32::from_le_bytes(*length)).unwrap_or(usize::MAX).saturating_add(4);
        if start > bytes.len() {
            return Err(StagedError::Damaged);
        }
        let (mark, pieces) = (bytes.slice(4..start), bytes.slice(start..));
        let head: Head = serde_json::from_slice(&mark)?;
        let middle = usize::try_from(head.json.packed_bytes).unwrap_or(usize::MAX);
        let end = middle.checked_add(usize::try_from(head.table.packed_bytes).unwrap_or(usize::MAX));
        if end != Some(pieces.len()) {
            return Err(StagedError::Damaged);
        }
        let json = Piece::new(head.json.clone(), pieces.slice(..middle));
        let table = Piece::new(head.table.clone(), pieces.slice(middle..));
        Ok(Self { head, mark, json, table })
    }

    /// What tells this page from another one under its name: its sums, among others.
    #[must_use]
    pub fn mark(&self) -> &[u8] {
        &self.mark
    }

    /// How many records it has.
    #[must_use]
    pub fn records(&self) -> u64 {
        self.head.records
    }

    /// The columns that it has.
    #[must_use]
    pub fn columns(&self) -> &Columns {
        &self.head.columns
    }

    /// Its piece of the JSON file: records with [`BETWEEN`] between them.
    #[must_use]
    pub fn json(&self) -> &Piece {
        &self.json
    }

    /// Its piece of a table with these columns; none if it was written with others.
    #[must_use]
    pub fn table(&self, columns: &Columns) -> Option<&Piece> {
        self.head.columns.are_those_of(columns).then_some(&self.table)
    }

    /// Gives away the records one by one, until there are no more or no more are wanted.
    pub fn each_record(
        &self,
        mut take: impl FnMut(&[u8]) -> Result<ControlFlow<()>, StagedError>,
    ) -> Result<(), StagedError> {
        // No record has a line's end in it.
        let (mut rest, mut turn) = (Vec::new(), Ok(ControlFlow::Continue(())));
        self.json.unpack(&mut |mut content| {
            while let Some(end) = memchr::memchr(b'\n', content) {
                let (line, behind) = content.split_at(end + 1);
                content = behind;
                turn = if rest.is_empty() {
                    take(record(line))
                } else {
                    rest.extend_from_slice(line);
                    let turn = take(record(&rest));
                    rest.clear();
                    turn
                };
                if !matches!(turn, Ok(ControlFlow::Continue(()))) {
                    return ControlFlow::Break(());
                }
            }
            rest.extend_from_slice(content);
            ControlFlow::Continue(())
        })?;
        match turn {
            Ok(ControlFlow::Continue(())) if !rest.is_empty() => take(record(&rest)).map(drop),
            turn => turn.map(drop),
        }
    }
}

/// A record, without what stands behind it.
fn record(line: &[u8]) -> &[u8] {
    line.strip_suffix(BETWEEN).unwrap_or(line)
}

fn lines_of(lines: &[u8]) -> impl Iterator<Item = &[u8]> {
    lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::export::{Archive, ArchiveState, Packing};

    fn page(lines: &str) -> StagedPage {
        let (records, json) = pack_records(lines.as_bytes(), None).unwrap();
        let (columns, table) = pack_table(lines.as_bytes(), Columns::default(), None).unwrap();
        StagedPage::read(&StagedPage::write(records, &json, columns, &table).unwrap().into()).unwrap()
    }

    fn text(piece: &Piece) -> String {
        let mut text = Vec::new();
        piece
            .unpack(&mut |some| {
                text.extend_from_slice(some);
                ControlFlow::Continue(())
            })
            .unwrap();
        String::from_utf8(text).unwrap()
    }

    fn records(page: &StagedPage, most: usize) -> Vec<String> {
        let mut records = Vec::new();
        page.each_record(|record| {
            records.push(String::from_utf8(record.to_vec()).unwrap());
            Ok(if records.len() < most { ControlFlow::Continue(()) } else { ControlFlow::Break(()) })
        })
        .unwrap();
        records
    }

    #[test]
    fn a_page_gives_back_its_records_and_its_piece_of_each_file() {
        let staged = page("{\"a\":1}\n{\"a\":\"x,\\n\",\"b\":[1,{}]}\n");
        assert_eq!(staged.records(), 2);
        assert_eq!(text(staged.json()), "{\"a\":1},\n{\"a\":\"x,\\n\",\"b\":[1,{}]}");
        let table = staged.table(staged.columns()).unwrap();
        assert_eq!(text(table), "1,\r\n\"x,\n\",\"[1,{}]\"\r\n", "the first record has the last one's column too");
        assert_eq!(records(&staged, 9), ["{\"a\":1}", "{\"a\":\"x,\\n\",\"b\":[1,{}]}"]);
        assert_eq!(records(&staged, 1), ["{\"a\":1}"]);
    }

    #[test]
    fn records_are_found_wherever_the_content_is_cut_while_it_is_unpacked() {
        let long = (0..3).map(|at| format!("{{\"a\":\"{}\"}}", at.to_string().repeat(100_000)));
        let short = (0..20_000).map(|at| format!("{{\"a\":{at}}}"));
        let lines: Vec<String> = short.chain(long).collect();
        let staged = page(&format!("{}\n", lines.join("\n")));
        assert!(records(&staged, usize::MAX) == lines);
    }

    #[test]
    fn a_table_is_made_again_where_other_pages_have_other_columns() {
        let [one, other] = ["{\"a\":1}\n", "{\"b\":2}\n"].map(page);
        let mut columns = Columns::default();
        columns.take_in(one.columns());
        assert_eq!(text(one.table(&columns).unwrap()), "1\r\n");
        columns.take_in(other.columns());
        assert!(one.table(&columns).is_none() && other.table(&columns).is_none());
        assert_eq!(text(&pack_table_again(&one, &columns).unwrap()), "1,\r\n");
        assert_eq!(text(&pack_table_again(&other, &columns).unwrap()), ",2\r\n");
    }

    /// Pages as they are staged one behind the other.
    fn pages(lines: &[&str]) -> Vec<StagedPage> {
        let mut sums: Option<FileSums> = None;
        let mut staged = |lines: &&str| {
            let (records, json) = pack_records(lines.as_bytes(), sums.as_ref()).unwrap();
            let (columns, table) = pack_table(lines.as_bytes(), Columns::default(), sums.as_ref()).unwrap();
            sums = FileSums::behind(&json, &table);
            StagedPage::read(&StagedPage::write(records, &json, columns, &table).unwrap().into()).unwrap()
        };
        lines.iter().map(&mut staged).collect()
    }

    /// The two files that they make, by their SHA-256 and that of their content, and what was unpacked for them.
    fn files(pages: &[StagedPage]) -> ([String; 2], [String; 2], [u64; 2]) {
        let mut archive = Archive::resume(ArchiveState::default(), Vec::new());
        let (mut contents, mut unpacked) = ([String::from("["), String::from(BYTE_ORDER_MARK)], [0, 0]);
        archive.begin("json", Packing::Deflate).unwrap();
        archive.write(LIST).unwrap();
        for (at, page) in pages.iter().enumerate() {
            let separator = if at == 0 { FIRST } else { BETWEEN };
            archive.write(separator).unwrap();
            unpacked[0] += archive.copy(page.json()).unwrap();
            contents[0] += std::str::from_utf8(separator).unwrap();
            contents[0] += &text(page.json());
        }
        let json = archive.end().unwrap();
        let header = pages[0].columns().header().unwrap();
        contents[1] += std::str::from_utf8(&header).unwrap();
        archive.begin("table", Packing::Deflate).unwrap();
        archive.write(BYTE_ORDER_MARK.as_bytes()).unwrap();
        archive.write(&header).unwrap();
        for page in pages {
            unpacked[1] += archive.copy(&page.table).unwrap();
            contents[1] += &text(&page.table);
        }
        let table = archive.end().unwrap();
        ([json.sha256, table.sha256], contents.map(|content| Sum::of(content.as_bytes()).hex()), unpacked)
    }

    #[test]
    fn nothing_is_unpacked_where_pages_stand_as_they_were_staged_and_the_rest_where_one_does_not() {
        let lines = ["{\"a\":1}\n{\"a\":2}\n", "{\"a\":3}\n", "{\"a\":4}\n", "{\"a\":5}\n"];
        let staged = pages(&lines);
        let (sums, contents, unpacked) = files(&staged);
        assert_eq!((sums, unpacked), (contents, [0, 0]));
        let mut with_another = pages(&lines);
        with_another[1] = pages(&[lines[0], "{\"a\":99}\n"]).remove(1);
        let (sums, contents, unpacked) = files(&with_another);
        assert_eq!((sums, unpacked), (contents, [14, 6]), "the two behind it");
        let without_one: Vec<StagedPage> = staged.into_iter().skip(1).collect();
        let (sums, contents, unpacked) = files(&without_one);
        assert_eq!((sums, unpacked), (contents, [21, 9]), "all of them");
    }

    #[test]
    fn what_is_not_a_staged_page_is_refused() {
        let (records, json) = pack_records(b"{\"a\":1}\n", None).unwrap();
        let (columns, table) = pack_table(b"{\"a\":1}\n", Columns::default(), None).unwrap();
        let whole = StagedPage::write(records, &json, columns, &table).unwrap();
        for length in 0..whole.len() {
            assert!(StagedPage::read(&whole[..length].to_vec().into()).is_err(), "{length}");
        }
        assert!(StagedPage::read(&[whole.as_slice(), b"x"].concat().into()).is_err());
        assert!(StagedPage::read(&b"{\"a\":1}\n".to_vec().into()).is_err());
        assert!(pack_table(b"[1]\n", Columns::default(), None).is_err());
    }
}
