//! Which keys of a bucket hold rows: `events/dt=*/`.

/// A key pattern: `*` stands for any characters but a slash, and a pattern that ends with a slash for all keys that begin
/// with it.
#[derive(Clone, Copy)]
pub(super) struct Pattern<'a>(pub(super) &'a str);

impl<'a> Pattern<'a> {
    /// What all keys begin with.
    pub(super) fn prefix(self) -> &'a str {
        self.0.split('*').next().unwrap_or_default()
    }

    /// Whether a key is meant.
    pub(super) fn matches(self, key: &str) -> bool {
        let (mut pattern, mut rest) = (self.0, key);
        let is_open = pattern.ends_with('/') || pattern.is_empty();
        loop {
            let (segment, after) = pattern.split_once('/').unwrap_or((pattern, ""));
            if is_open && segment.is_empty() && after.is_empty() {
                // A folder's own marker is no object in it.
                return !rest.is_empty();
            }
            let (name, below) = match rest.split_once('/') {
                Some((name, below)) => (name, Some(below)),
                None => (rest, None),
            };
            if !fits(segment, name) {
                return false;
            }
            match (pattern.contains('/'), below) {
                (false, None) => return true,
                (true, Some(below)) => (pattern, rest) = (after, below),
                _ => return false,
            }
        }
    }
}

/// Whether a name is what a segment with stars means.
fn fits(segment: &str, name: &str) -> bool {
    let mut parts = segment.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = name.strip_prefix(first) else {
        return false;
    };
    let mut parts = parts.peekable();
    if parts.peek().is_none() {
        return rest.is_empty();
    }
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return rest.ends_with(part);
        }
        let Some(at) = rest.find(part) else {
            return false;
        };
        rest = &rest[at + part.len()..];
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_means_the_keys_that_it_looks_like() {
        for (pattern, key, is_meant) in [
            ("events/", "events/a.jsonl", true),
            ("events/", "events/2026/a.jsonl", true),
            ("events/", "events/", false),
            ("events/", "events.jsonl", false),
            ("events/dt=*/", "events/dt=2026-01-01/a", true),
            ("events/dt=*/", "events/dt=2026-01-01/hour=1/a", true),
            ("events/dt=*/", "events/dt=2026-01-01", false),
            ("events/dt=*/", "events/x/a", false),
            ("events/dt=*/", "events/x/dt=1/a", false),
            ("events/*.jsonl.gz", "events/a.b.jsonl.gz", true),
            ("events/*.jsonl.gz", "events/a/b.jsonl.gz", false),
            ("events/*.jsonl.gz", "events/a.jsonl", false),
            ("*/part-*-of-*.parquet", "x/part-1-of-2.parquet", true),
            ("*/part-*-of-*.parquet", "x/part-1.parquet", false),
            ("events.csv", "events.csv", true),
            ("events.csv", "events.csv/x", false),
            ("", "anything/at/all", true),
        ] {
            assert_eq!(Pattern(pattern).matches(key), is_meant, "{pattern} {key}");
        }
        assert_eq!(Pattern("events/dt=*/").prefix(), "events/dt=");
        assert_eq!(Pattern("events.csv").prefix(), "events.csv");
    }
}
