//! Counts the records of a file while it goes by: the values of one JSON array, or the lines of a table below its first.
//! Pure, and in no memory.

/// Counts.
pub(super) enum Counter {
    Json(Json),
    Csv(Csv),
}

impl Counter {
    /// What counts the records of a file of this name; none if it holds no records.
    pub(super) fn of(path: &str) -> Option<Self> {
        match path.rsplit_once('.') {
            Some((_, "json")) if path.starts_with("data/") => Some(Self::Json(Json::default())),
            Some((_, "csv")) if path.starts_with("data/") => Some(Self::Csv(Csv::default())),
            _ => None,
        }
    }

    pub(super) fn take(&mut self, bytes: &[u8]) {
        match self {
            Self::Json(json) => bytes.iter().for_each(|byte| json.take(*byte)),
            Self::Csv(csv) => bytes.iter().for_each(|byte| csv.take(*byte)),
        }
    }

    /// How many there were; none if it was no such file.
    pub(super) fn count(self) -> Option<u64> {
        match self {
            Self::Json(json) => json.count(),
            Self::Csv(csv) => Some(csv.lines.saturating_sub(1)),
        }
    }
}

#[derive(Default)]
pub(super) struct Json {
    place: Place,
    depth: u64,
    commas: u64,
    has_value: bool,
}

/// Where the count stands.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Place {
    /// Before, in or between values.
    #[default]
    Between,
    InText,
    /// Behind a backslash in a text.
    Escaped,
    /// Behind the array.
    Closed,
    /// This is no array.
    Broken,
}

impl Json {
    fn take(&mut self, byte: u8) {
        self.place = match (self.place, byte) {
            (Place::InText, b'\\') => Place::Escaped,
            (Place::InText, b'"') => Place::Between,
            (Place::InText | Place::Escaped, _) => Place::InText,
            (place, byte) if byte.is_ascii_whitespace() => place,
            (Place::Closed | Place::Broken, _) => Place::Broken,
            (Place::Between, byte) if self.depth == 0 && byte != b'[' => Place::Broken,
            (Place::Between, byte) => self.between(byte),
        };
    }

    fn between(&mut self, byte: u8) -> Place {
        self.has_value |= self.depth == 1 && !matches!(byte, b',' | b']');
        match byte {
            b'"' => return Place::InText,
            b'[' | b'{' => self.depth += 1,
            b']' | b'}' => self.depth -= 1,
            b',' if self.depth == 1 => self.commas += 1,
            _ => {}
        }
        if self.depth == 0 { Place::Closed } else { Place::Between }
    }

    fn count(self) -> Option<u64> {
        (self.place == Place::Closed).then_some(if self.has_value { self.commas + 1 } else { 0 })
    }
}

#[derive(Default)]
pub(super) struct Csv {
    lines: u64,
    in_quotes: bool,
}

impl Csv {
    fn take(&mut self, byte: u8) {
        match byte {
            // A doubled quote leaves and enters again.
            b'"' => self.in_quotes = !self.in_quotes,
            b'\n' if !self.in_quotes => self.lines += 1,
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(path: &str, content: &str) -> Option<u64> {
        let mut counter = Counter::of(path)?;
        content.as_bytes().chunks(3).for_each(|piece| counter.take(piece));
        counter.count()
    }

    #[test]
    fn records_are_counted_whatever_is_in_them() {
        let json = |content| count("data/a/b.json", content);
        assert_eq!(json("[\n]\n"), Some(0));
        assert_eq!(json("[\n{\"a\":\"],[\\\"\",\"b\":[1,2,{}]},\n{}\n]\n"), Some(2));
        assert_eq!(json("[[1,2],3,\"x\"]"), Some(3));
        for other in ["", "{\"a\":1}", "[1,2", "[1] [2]", "1"] {
            assert_eq!(json(other), None, "{other}");
        }
        let csv = |content| count("data/a/b.csv", content);
        assert_eq!(csv("\u{feff}a,b\r\n"), Some(0));
        assert_eq!(csv("\u{feff}a,b\r\n1,\"x\r\n\"\"y\"\"\r\n\"\r\n2,\r\n"), Some(2));
        assert_eq!(count("media/a/b/x.json", "[1]"), None);
    }
}
