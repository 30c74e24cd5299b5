//! Formats, end to end: an object in, an object out.

mod pages;
mod parquet;
mod text;

use std::ops::Range;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;

use super::{
    Format, FormatError, MemorySink, MemorySource, Mode, Sink, Source, SourceRef, Tally, Verdict, Way, Whose, walk,
};
use crate::record::Record;

/// Runs a walk to its end. That it can be run by any runtime, on any thread, is checked by the bound.
fn run<T: Send>(walk: impl Future<Output = T> + Send) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(walk)
}

/// Rewrites an object: its new bytes, if there are any, and what was done.
fn rewrite(
    format: Format,
    object: &[u8],
    whose: &Whose,
    mut verdict: impl FnMut(&Record) -> Verdict + Send,
) -> Result<(Option<Vec<u8>>, Tally), FormatError> {
    let source: SourceRef = Arc::new(MemorySource::new(object.to_vec()));
    let mut sink = MemorySink::default();
    let mut judge = |record: &Record, _: usize| Ok(verdict(record));
    let tally = run(walk(format, &source, whose, &mut judge, Mode::Rewrite(&mut sink)))?;
    let bytes = sink.into_bytes();
    Ok(((!bytes.is_empty()).then_some(bytes), tally))
}

fn look(
    format: Format,
    object: &[u8],
    whose: &Whose,
    mut verdict: impl FnMut(&Record) -> Verdict + Send,
) -> Result<Tally, FormatError> {
    let source: SourceRef = Arc::new(MemorySource::new(object.to_vec()));
    let mut judge = |record: &Record, _: usize| Ok(verdict(record));
    run(walk(format, &source, whose, &mut judge, Mode::Look))
}

fn who(field: &str, values: &[&str]) -> Whose {
    let tuples = values.iter().map(|value| vec![(*value).to_owned()]);
    Whose::theirs(vec![Way::new(vec![field.to_owned()], tuples)])
}

/// A source that says what was read of it.
struct Watched {
    inner: MemorySource,
    reads: Mutex<Vec<Range<u64>>>,
}

impl Watched {
    fn new(bytes: &[u8]) -> Arc<Self> {
        Arc::new(Self { inner: MemorySource::new(bytes.to_vec()), reads: Mutex::default() })
    }

    fn reads(&self) -> Vec<Range<u64>> {
        std::mem::take(&mut self.reads.lock().unwrap())
    }
}

#[async_trait]
impl Source for Watched {
    fn size(&self) -> u64 {
        self.inner.size()
    }

    async fn read(&self, range: Range<u64>) -> Result<Bytes, FormatError> {
        self.reads.lock().unwrap().push(range.clone());
        self.inner.read(range).await
    }
}

/// A sink that tells what it was given from what it was to copy.
#[derive(Default)]
struct Told {
    bytes: Vec<u8>,
    written: usize,
    copied: u64,
}

#[async_trait]
impl Sink for Told {
    async fn write(&mut self, bytes: Bytes) -> Result<(), FormatError> {
        self.written += bytes.len();
        self.bytes.extend_from_slice(&bytes);
        Ok(())
    }

    async fn copy(&mut self, source: &SourceRef, range: Range<u64>) -> Result<(), FormatError> {
        self.copied += range.end - range.start;
        let bytes = source.read(range).await?;
        self.bytes.extend_from_slice(&bytes);
        Ok(())
    }
}

/// The same rows as JSON Lines, as CSV and as Parquet.
fn in_all_formats() -> [(Format, Vec<u8>); 3] {
    let rows = [("s1", "u1"), ("s1", "u2"), ("s2", "u1"), ("s2", "u2")];
    let lines: String = rows
        .iter()
        .map(|(shop, user)| format!("{{\"shop\":\"{shop}\",\"user\":\"{user}\"}}\n"))
        .collect::<Vec<_>>()
        .concat();
    let table: String = rows.iter().map(|(shop, user)| format!("{shop},{user}\n")).collect::<Vec<_>>().concat();
    let table = format!("shop,user\n{table}");
    let file = parquet::texts("shop", "user", &rows);
    [
        (Format::Jsonl, lines.into_bytes()),
        (Format::Csv { delimiter: b',' }, table.into_bytes()),
        (Format::Parquet, file),
    ]
}

#[test]
fn several_ways_lead_to_a_row_and_the_first_is_told() {
    let way = |fields: &[&str], tuples: &[&[&str]]| {
        let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        Way::new(owned(fields), tuples.iter().map(|tuple| owned(tuple)))
    };
    for (format, object) in in_all_formats() {
        let whose = Whose::theirs(vec![
            way(&["missing"], &[&["u1"]]),
            way(&["shop", "user"], &[&["s2", "u2"], &["s1", "u3"]]),
            way(&["user"], &[&["u2"], &[""]]),
        ]);
        let source: SourceRef = Arc::new(MemorySource::new(object));
        let mut seen = Vec::new();
        let mut judge = |record: &Record, way: usize| {
            let text = |field| record.get(field).and_then(|value| value.as_text()).unwrap_or_default();
            seen.push((format!("{} {}", text("shop"), text("user")), way));
            Ok(Verdict::Keep)
        };
        let tally = run(walk(format, &source, &whose, &mut judge, Mode::Look)).unwrap();
        assert_eq!((tally.rows, tally.matched, tally.still), (4, 2, 2), "{format:?}");
        assert_eq!(seen, [("s1 u2".to_owned(), 2), ("s2 u2".to_owned(), 1)], "{format:?}");
        let nobodys = Whose::theirs(vec![way(&["missing"], &[&["u1"]])]);
        let found = run(walk(format, &source, &nobodys, &mut |_, _| Ok(Verdict::Drop), Mode::Look));
        match format {
            Format::Jsonl => assert_eq!(found.unwrap().matched, 0),
            _ => assert!(matches!(found, Err(FormatError::Malformed(_))), "{format:?}"),
        }
    }
}

#[test]
fn everybodys_rows_can_be_judged_and_a_judge_can_stop() {
    for (format, object) in in_all_formats() {
        let is_of_shop = |record: &Record| record.get("shop").and_then(|value| value.as_text()) == Some("s1");
        let verdict = |record: &Record| if is_of_shop(record) { Verdict::Drop } else { Verdict::Keep };
        let (new, tally) = rewrite(format, &object, &Whose::everybodys(), verdict).unwrap();
        assert_eq!((tally.rows, tally.matched, tally.dropped, tally.still), (4, 4, 2, 2), "{format:?}");
        let fresh = look(format, &new.unwrap(), &Whose::everybodys(), verdict).unwrap();
        assert!(tally.is_confirmed_by(&fresh));
        let mut asked = 0;
        let stopped = look(format, &object, &Whose::everybodys(), |_| {
            asked += 1;
            if asked < 3 { Verdict::Keep } else { Verdict::Stop }
        });
        assert_eq!((asked, stopped.unwrap().matched), (3, 3), "{format:?}");
    }
}

#[test]
fn a_row_that_is_kept_can_lose_a_field() {
    use crate::mask::Masked;
    use crate::record::Value;
    for (format, object) in in_all_formats() {
        let minimise = |record: &Record| match record.get("shop") {
            Some(Value::Text(text)) if text == "s1" => {
                Verdict::Minimise(vec![("shop".to_owned(), Masked::Replaced(Value::Text("-".to_owned())))])
            }
            _ => Verdict::Keep,
        };
        let (new, tally) = rewrite(format, &object, &who("user", &["u1"]), minimise).unwrap();
        assert_eq!((tally.changed, tally.minimised, tally.still), (0, 1, 2), "{format:?}");
        let fresh = look(format, &new.unwrap(), &who("user", &["u1"]), minimise).unwrap();
        assert!(tally.is_confirmed_by(&fresh) && !fresh.has_work());
    }
}

#[test]
fn a_row_that_is_kept_gets_a_mark_where_its_format_has_room_for_one() {
    use crate::mask::Masked;
    use crate::record::Value;
    for (format, object) in in_all_formats() {
        let mark = |record: &Record| match record.get("restricted") {
            Some(Value::Bool(true)) => Verdict::Keep,
            _ => Verdict::Minimise(vec![("restricted".to_owned(), Masked::Replaced(Value::Bool(true)))]),
        };
        let (new, tally) = rewrite(format, &object, &who("user", &["u1"]), mark).unwrap();
        if format != Format::Jsonl {
            assert_eq!((tally.minimised, tally.still, new), (0, 2, None), "{format:?}: it has no such column");
            continue;
        }
        let new = new.unwrap();
        assert_eq!(
            String::from_utf8(new.clone()).unwrap().lines().next().unwrap(),
            r#"{"shop":"s1","user":"u1","restricted":true}"#
        );
        assert_eq!((tally.minimised, tally.still), (2, 2));
        assert!(!look(format, &new, &who("user", &["u1"]), mark).unwrap().has_work());
    }
}
