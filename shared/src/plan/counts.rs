//! What steps count. Pure.

use serde::{Deserialize, Serialize};

/// What steps count. Never the data itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Rows or objects read.
    pub read: u64,
    /// Rows or objects copied for the person.
    pub exported: u64,
    /// Rows or objects erased.
    pub erased: u64,
    /// Rows anonymised.
    pub anonymised: u64,
    /// Rows kept, with a reason.
    pub retained: u64,
    /// Rows that a fresh read found after the erasure and that nothing keeps.
    pub left_over: u64,
    /// Of those that are kept, rows that bear the mark of what may not be used.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub marked: u64,
    /// Rows that were moved to another collection, out of the app's reach. They are kept there, and counted there as kept.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub moved: u64,
    /// Rows of the smallest group in which an anonymised row was left, if the policy demands groups; the person's own count
    /// once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub smallest_group: Option<u64>,
}

impl Counts {
    /// Adds what another one counted.
    pub fn add(&mut self, other: &Self) {
        self.read += other.read;
        self.exported += other.exported;
        self.erased += other.erased;
        self.anonymised += other.anonymised;
        self.retained += other.retained;
        self.left_over += other.left_over;
        self.marked += other.marked;
        self.moved += other.moved;
        self.smallest_group = self.smallest_group.into_iter().chain(other.smallest_group).min();
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}
