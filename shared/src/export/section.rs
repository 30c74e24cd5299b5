//! What the index shows of one collection: kept beside the staged pages until all collections are done. Pure; bounded,
//! whatever the size of the collection.

use serde::{Deserialize, Serialize};

/// Rows of a preview.
pub const PREVIEW_ROWS: usize = 5;
/// Columns of a preview.
const PREVIEW_COLUMNS: usize = 40;
/// Characters of a preview's cell.
const CELL: usize = 120;
/// Media files that the index links one by one.
pub const LISTED_MEDIA: usize = 200;

/// One collection, as it was put into the package.
#[derive(Serialize, Deserialize)]
pub struct Section {
    /// `<dataset>.<collection>`.
    pub collection: String,
    /// Whether its source was read to its end.
    pub complete: bool,
    /// How many records there are.
    pub records: u64,
    /// The records as JSON.
    pub json: FileLink,
    /// The records as a table.
    pub csv: FileLink,
    /// The JSON Schema of the records.
    pub schema: FileLink,
    /// How many media files there are.
    pub media_files: u64,
    /// How large they are together.
    pub media_bytes: u64,
    /// The first of them.
    pub media: Vec<FileLink>,
    /// The first records.
    pub preview: Preview,
}

/// A file of the package.
#[derive(Clone, Default, Serialize, Deserialize)]
pub struct FileLink {
    /// Its path in the archive.
    pub path: String,
    /// Its size.
    pub bytes: u64,
}

/// The first rows.
#[derive(Default, Serialize, Deserialize)]
pub struct Preview {
    columns: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl Preview {
    /// Whether there is no room for another row.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.rows.len() >= PREVIEW_ROWS
    }

    /// Takes a record, as long as there is room.
    pub fn add(&mut self, record: &serde_json::Map<String, serde_json::Value>) {
        if self.is_full() {
            return;
        }
        for column in record.keys() {
            if self.columns.len() < PREVIEW_COLUMNS && !self.columns.contains(column) {
                self.columns.push(column.clone());
                for row in &mut self.rows {
                    row.push(String::new());
                }
            }
        }
        let cell = |column: &String| match record.get(column) {
            None | Some(serde_json::Value::Null) => String::new(),
            Some(serde_json::Value::String(text)) => cut(text),
            Some(other) => cut(&other.to_string()),
        };
        self.rows.push(self.columns.iter().map(cell).collect());
    }
}

fn cut(text: &str) -> String {
    if text.chars().count() <= CELL {
        return text.to_owned();
    }
    text.chars().take(CELL - 1).chain(['…']).collect()
}
