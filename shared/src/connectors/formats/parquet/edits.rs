//! Changes of rows, as changes of the columns that hold their fields.

use std::collections::BTreeMap;

use parquet::basic::Repetition;
use parquet::schema::types::{SchemaDescriptor, Type};

use super::FormatError;
use super::assemble::leaves;
use crate::mask::Masked;
use crate::record::Value;

/// What stands in a column for one row instead of what is there.
pub(super) struct Edit {
    /// The definition level of what the field is in. A row that does not have that stays as it is.
    pub(super) parent: i16,
    /// The new value; none: the field becomes null.
    pub(super) value: Option<Value>,
}

/// The changes of a row group: by column, then by row.
#[derive(Default)]
pub(super) struct Edits(BTreeMap<usize, BTreeMap<u64, Edit>>);

impl Edits {
    /// Adds the change of a field of a row; false if there is nothing to change. A field that the file does not have is no
    /// field of the row.
    pub(super) fn add(
        &mut self,
        schema: &SchemaDescriptor,
        row: u64,
        field: &str,
        masked: &Masked,
    ) -> Result<bool, FormatError> {
        let value = match masked {
            Masked::Kept => return Ok(false),
            Masked::Removed | Masked::Replaced(Value::Null) => None,
            Masked::Replaced(value) => Some(value),
        };
        let Some(found) = find(schema.root_schema(), 0, 0, field)? else {
            return Ok(false);
        };
        if value.is_some() && !found.node.is_primitive() {
            return Err(FormatError::Unfit("a Parquet column that has columns in it takes no value"));
        }
        if found.is_required && value.is_none() {
            return Err(FormatError::Unfit("a Parquet column that is required cannot be emptied"));
        }
        for leaf in found.leaf..found.leaf + leaves(found.node) {
            let edit = Edit { parent: found.parent, value: value.cloned() };
            self.0.entry(leaf).or_default().insert(row, edit);
        }
        Ok(true)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The changes of a column.
    pub(super) fn of(&self, leaf: usize) -> Option<&BTreeMap<u64, Edit>> {
        self.0.get(&leaf)
    }
}

struct Found<'a> {
    node: &'a Type,
    /// Its first column.
    leaf: usize,
    /// The definition level of what it is in.
    parent: i16,
    is_required: bool,
}

/// Finds a field by its name, or by its path into structs.
fn find<'a>(group: &'a Type, mut leaf: usize, parent: i16, path: &str) -> Result<Option<Found<'a>>, FormatError> {
    for node in group.get_fields() {
        let repetition = node.get_basic_info().repetition();
        let inside = path.strip_prefix(node.name());
        if inside == Some("") {
            return Ok(Some(Found { node, leaf, parent, is_required: repetition == Repetition::REQUIRED }));
        }
        if let Some(rest) = inside.and_then(|rest| rest.strip_prefix('.'))
            && node.is_group()
        {
            if repetition == Repetition::REPEATED {
                return Err(FormatError::Unfit("a Parquet column inside a list takes no value"));
            }
            let parent = parent + i16::from(repetition == Repetition::OPTIONAL);
            if let Some(found) = find(node, leaf, parent, rest)? {
                return Ok(Some(found));
            }
        }
        leaf += leaves(node);
    }
    Ok(None)
}
