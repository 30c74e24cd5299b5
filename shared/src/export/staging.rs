//! Where the pieces of a package are kept in the package bucket until it is put together. Every name is worked out from
//! ids, so that a page that is written twice overwrites itself.

use sha2::Digest as _;

use crate::policy::KeySet;
use crate::request::{RequestId, StepNumber};

/// Everything that belongs to a request.
#[must_use]
pub fn request(id: &RequestId) -> String {
    format!("requests/{id}/")
}

/// The captured keys. Beside what belongs to the request, since they may be needed when its package is gone.
#[must_use]
pub fn all_keys(id: &RequestId) -> String {
    format!("keys/{id}/")
}

/// One chunk of a set of captured keys.
#[must_use]
pub fn keys(id: &RequestId, set: &KeySet, chunk: usize) -> String {
    let name = format!("{}:{}", set.collection, set.fields.join(","));
    let digest = hex::encode(sha2::Sha256::digest(name));
    format!("{}{}/{chunk:08}.sealed", all_keys(id), &digest[..16])
}

/// The pages of all export steps.
#[must_use]
pub fn all_pages(id: &RequestId) -> String {
    format!("requests/{id}/pages/")
}

/// The copied objects of all export steps.
#[must_use]
pub fn all_media(id: &RequestId) -> String {
    format!("requests/{id}/media/")
}

/// What was noted while the package was put together, by all makings of it.
#[must_use]
pub fn all_notes(id: &RequestId) -> String {
    format!("requests/{id}/notes/")
}

/// The pages of one export step.
#[must_use]
pub fn pages(id: &RequestId, step: StepNumber) -> String {
    format!("requests/{id}/pages/{step}/")
}

/// One page: a [`StagedPage`](super::StagedPage).
#[must_use]
pub fn page(id: &RequestId, step: StepNumber, number: u32) -> String {
    format!("{}{number:08}.page", pages(id, step))
}

/// The copied objects of one export step.
#[must_use]
pub fn media(id: &RequestId, step: StepNumber) -> String {
    format!("requests/{id}/media/{step}/")
}

/// One making of a package: by which attempt, and for the how manieth time, it was begun. A making that is begun anew
/// shares no name with the one before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Making {
    /// The attempt that began it; later ones may go on with it.
    pub attempt: u32,
    /// 1 for the first time.
    pub time: u32,
}

/// The package; one that is encrypted is an age file.
#[must_use]
pub fn package(id: &RequestId, making: Making, is_encrypted: bool) -> String {
    let ending = if is_encrypted { ".zip.age" } else { ".zip" };
    format!("requests/{id}/package-{}-{}{ending}", making.attempt, making.time)
}

/// What a page of the making leaves for the next one: bytes of the archive that are not enough for a part yet.
#[must_use]
pub fn rest(id: &RequestId, making: Making, page: u32) -> String {
    note(id, making, "rest", page)
}

/// The columns of a collection, as far as a page of the making has found them.
#[must_use]
pub fn columns(id: &RequestId, making: Making, page: u32) -> String {
    note(id, making, "columns", page)
}

/// Finished files, one a line.
#[must_use]
pub fn files(id: &RequestId, making: Making, number: u32) -> String {
    note(id, making, "files", number)
}

/// A collection for the index.
#[must_use]
pub fn section(id: &RequestId, making: Making, number: u32) -> String {
    note(id, making, "section", number)
}

fn note(id: &RequestId, making: Making, kind: &str, number: u32) -> String {
    format!("{}{}-{}/{kind}-{number:08}", all_notes(id), making.attempt, making.time)
}

/// A file name that every system can hold, made of an object's key: unique by its number, readable by its end.
#[must_use]
pub fn media_name(page: u32, position: usize, key: &str) -> String {
    let last = key.rsplit('/').find(|part| !part.is_empty()).unwrap_or("object");
    let safe: String =
        last.chars().map(|c| if c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_') { c } else { '_' }).collect();
    let start = safe.len().saturating_sub(80);
    format!("{page:04}-{position:04}-{}", safe[start..].trim_start_matches('.'))
}

#[cfg(test)]
mod tests {
    #[test]
    fn names_of_media_are_safe_whatever_the_key() {
        assert_eq!(super::media_name(1, 2, "avatars/u/face.png"), "0001-0002-face.png");
        assert_eq!(super::media_name(0, 0, "a/../..%2F头像.png"), "0000-0000-_2F__.png");
        assert_eq!(super::media_name(0, 0, "///"), "0000-0000-object");
    }
}
