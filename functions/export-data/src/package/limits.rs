//! How much is done at once. Counted in bytes and objects, never in time: two workers at the same page stop at the same
//! place.

/// How much a page does, and how large the parts of the upload are.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// A part is uploaded once it has so many bytes. S3 takes no less than 5 MiB but for the last. Later parts are
    /// larger, see [`Limits::part_bytes`].
    pub part_bytes: usize,
    /// Objects that are read at the same time: so many,
    pub batch_objects: u32,
    /// or so many bytes of them.
    pub batch_bytes: u64,
    /// A page ends after so many objects,
    pub page_objects: u32,
    /// or so many bytes of them.
    pub page_bytes: u64,
}

/// What S3 takes at most.
pub(super) const MOST_PARTS: u32 = 10_000;
/// After so many parts they become larger.
const PARTS_OF_A_SIZE: u32 = 1000;

impl Default for Limits {
    fn default() -> Self {
        Self { part_bytes: 5 << 20, batch_objects: 64, batch_bytes: 2 << 20, page_objects: 1024, page_bytes: 64 << 20 }
    }
}

impl Limits {
    /// How large the part after so many others is: a thousand of the first size, a thousand of twice that, and so on, so
    /// that 10,000 parts of 5 MiB and more hold 268 GiB.
    #[must_use]
    pub(super) fn part_bytes(&self, parts: u32) -> usize {
        self.part_bytes * (1 + parts.min(MOST_PARTS) as usize / PARTS_OF_A_SIZE as usize)
    }

    pub(super) fn left(&self) -> Left {
        Left { objects: self.page_objects, bytes: self.page_bytes }
    }
}

/// What a page may still do.
pub(super) struct Left {
    objects: u32,
    bytes: u64,
}

impl Left {
    pub(super) fn is_spent(&self) -> bool {
        self.objects == 0 || self.bytes == 0
    }

    pub(super) fn spend(&mut self, objects: u32, bytes: u64) {
        self.objects = self.objects.saturating_sub(objects);
        self.bytes = self.bytes.saturating_sub(bytes);
    }
}
