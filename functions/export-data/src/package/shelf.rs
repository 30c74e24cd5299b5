//! Staged objects as a page of a making has listed and fetched them: one list call for many collections, and no object is
//! fetched twice in a row. What is kept is bounded by the limits of a batch; nothing of it outlives the page.

use std::collections::BTreeMap;

use bytes::Bytes;

/// A staged object.
#[derive(Clone)]
pub(super) struct Staged {
    /// Its name, without what stands before it.
    pub(super) name: String,
    pub(super) bytes: u64,
    pub(super) tag: Option<String>,
}

/// What is known of an object.
pub(super) struct Listed {
    pub(super) bytes: u64,
    pub(super) tag: Option<String>,
}

/// The objects below a prefix, as far as they were listed, in order.
#[derive(Default)]
pub(super) struct Shelf {
    objects: BTreeMap<String, Listed>,
    /// Everything behind this key,
    from: String,
    /// up to this one, is known; none: nothing yet.
    to: Option<Reach>,
    bodies: BTreeMap<String, Bytes>,
}

/// How far a list goes.
#[derive(Clone, PartialEq, Eq)]
enum Reach {
    /// Up to this key.
    Key(String),
    /// To the end.
    End,
}

/// What to list next.
pub(super) enum Missing {
    /// Nothing: what was asked for is known.
    Nothing,
    /// The objects behind this key.
    After(String),
}

impl Shelf {
    /// What has to be listed before `most` objects below a prefix and behind a key are known, or all of them if there are
    /// fewer.
    pub(super) fn missing(&mut self, prefix: &str, after: &str, most: usize) -> Missing {
        let is_known_from = self.from.as_str() <= after;
        match &self.to {
            Some(Reach::End) if is_known_from => Missing::Nothing,
            Some(Reach::Key(to)) if is_known_from && after <= to.as_str() => {
                let is_past = !to.starts_with(prefix) && to.as_str() > prefix;
                if is_past || self.below(prefix, after).take(most).count() == most {
                    Missing::Nothing
                } else {
                    Missing::After(to.clone())
                }
            }
            _ => {
                *self = Self { from: after.to_owned(), ..Self::default() };
                Missing::After(after.to_owned())
            }
        }
    }

    /// Takes in what a list call answered that was asked for objects behind a key.
    pub(super) fn take_in(&mut self, listed: Vec<(String, Listed)>, is_last: bool) {
        self.to = match listed.last() {
            Some((key, _)) if !is_last => Some(Reach::Key(key.clone())),
            _ => Some(Reach::End),
        };
        self.objects.extend(listed);
    }

    /// The known objects below a prefix and behind a key.
    pub(super) fn below<'s>(
        &'s self,
        prefix: &'s str,
        after: &'s str,
    ) -> impl Iterator<Item = (&'s String, &'s Listed)> {
        use std::ops::Bound::{Excluded, Unbounded};
        self.objects.range::<str, _>((Excluded(after), Unbounded)).take_while(move |(key, _)| key.starts_with(prefix))
    }

    /// Which objects to fetch so that these are there: none if they are; else they and, as far as there is room, those that
    /// follow. What is not among them is let go.
    pub(super) fn absent(&mut self, keys: &[String], most_objects: usize, most_bytes: u64) -> Vec<String> {
        if keys.iter().all(|key| self.bodies.contains_key(key)) {
            return Vec::new();
        }
        let (mut wanted, mut bytes) = (keys.to_vec(), keys.iter().map(|key| self.bytes_of(key)).sum::<u64>());
        if let Some(last) = keys.last() {
            use std::ops::Bound::{Excluded, Unbounded};
            for (key, listed) in self.objects.range::<str, _>((Excluded(last.as_str()), Unbounded)) {
                bytes += listed.bytes;
                if bytes > most_bytes || wanted.len() >= most_objects {
                    break;
                }
                wanted.push(key.clone());
            }
        }
        self.bodies.retain(|key, _| wanted.contains(key));
        wanted.retain(|key| !self.bodies.contains_key(key));
        wanted
    }

    fn bytes_of(&self, key: &str) -> u64 {
        self.objects.get(key).map_or(0, |listed| listed.bytes)
    }

    /// Keeps the body of an object.
    pub(super) fn keep(&mut self, key: String, body: Bytes) {
        self.bodies.insert(key, body);
    }

    /// The body of an object that is kept.
    pub(super) fn body(&self, key: &str) -> Option<Bytes> {
        self.bodies.get(key).cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(key: &str) -> (String, Listed) {
        (key.to_owned(), Listed { bytes: 10, tag: None })
    }

    fn missing(shelf: &mut Shelf, prefix: &str, after: &str, most: usize) -> Option<String> {
        match shelf.missing(prefix, after, most) {
            Missing::Nothing => None,
            Missing::After(key) => Some(key),
        }
    }

    #[test]
    fn what_was_listed_is_not_listed_again_and_the_rest_is() {
        let mut shelf = Shelf::default();
        assert_eq!(missing(&mut shelf, "1/", "1/", 9).as_deref(), Some("1/"));
        shelf.take_in(vec![object("1/a"), object("2/a"), object("2/b")], false);
        assert_eq!(missing(&mut shelf, "1/", "1/", 9), None, "the list goes past it");
        assert_eq!(missing(&mut shelf, "2/", "2/", 2), None, "as many as were asked for");
        assert_eq!(missing(&mut shelf, "2/", "2/", 3).as_deref(), Some("2/b"), "there may be more");
        shelf.take_in(vec![object("2/c")], true);
        assert_eq!(shelf.below("2/", "2/a").map(|(key, _)| key.as_str()).collect::<Vec<_>>(), ["2/b", "2/c"]);
        assert_eq!(missing(&mut shelf, "3/", "3/", 9), None, "there are none");
        assert_eq!(missing(&mut shelf, "0/", "0/", 9).as_deref(), Some("0/"), "what stands before was never listed");
        assert_eq!(shelf.below("2/", "2/").count(), 0, "and what is not joined to it is forgotten");
    }

    #[test]
    fn what_follows_is_fetched_along_as_far_as_there_is_room_and_kept_until_more_is_fetched() {
        let mut shelf = Shelf::default();
        shelf.take_in(["1/a", "1/b", "2/a", "2/b"].map(object).into(), true);
        let keys = |keys: &[&str]| keys.iter().map(|key| (*key).to_owned()).collect::<Vec<_>>();
        assert_eq!(shelf.absent(&keys(&["1/a"]), 9, 30), keys(&["1/a", "1/b", "2/a"]));
        for key in ["1/a", "1/b", "2/a"] {
            shelf.keep(key.to_owned(), Bytes::new());
        }
        assert!(shelf.absent(&keys(&["1/a", "1/b"]), 9, 30).is_empty());
        assert_eq!(shelf.absent(&keys(&["2/a", "2/b"]), 9, 30), keys(&["2/b"]));
        assert!(shelf.body("1/a").is_none() && shelf.body("2/a").is_some());
        assert_eq!(shelf.absent(&keys(&["1/a"]), 1, 5), keys(&["1/a"]), "what is asked for, whatever its size");
    }
}
