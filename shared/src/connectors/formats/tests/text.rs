//! JSON Lines and CSV.

use std::fmt::Write as _;
use std::io::Write as _;
use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::mask::Masked;
use crate::record::Value;

const CSV: Format = Format::Csv { delimiter: b',' };

fn drop(_: &Record) -> Verdict {
    Verdict::Drop
}

fn set(field: &str, value: &str) -> Vec<(String, Masked)> {
    vec![(field.to_owned(), Masked::Replaced(Value::Text(value.to_owned())))]
}

/// What is left of an object that is text.
fn left(
    format: Format,
    object: &str,
    whose: &Whose,
    verdict: impl FnMut(&Record) -> Verdict + Send,
) -> (String, Tally) {
    let (bytes, tally) = rewrite(format, object.as_bytes(), whose, verdict).unwrap();
    let unchanged = if tally.has_work() { "" } else { object };
    (bytes.map_or_else(|| unchanged.to_owned(), |bytes| String::from_utf8(bytes).unwrap()), tally)
}

#[test]
fn a_json_line_is_found_however_it_says_the_value() {
    for (line, field, value) in [
        (r#"{"id":"a/b-1"}"#, "id", "a/b-1"),
        (r#"{"id" : "a\/b-1" }"#, "id", "a/b-1"),
        (r#"{"id":"a/b\u002d1"}"#, "id", "a/b-1"),
        (r#"{"\u0069d":"a"}"#, "id", "a"),
        (r#"{"id":"say \"hi\"\n"}"#, "id", "say \"hi\"\n"),
        (r#"{"id":"\u674e"}"#, "id", "李"),
        (r#"{"id":"李"}"#, "id", "李"),
        (r#"{"id":42}"#, "id", "42"),
        (r#"{"id":12345678901234567890}"#, "id", "12345678901234567890"),
        (r#"{"user":{"id":"a"}}"#, "user.id", "a"),
        (r#"{"user.id":"a"}"#, "user.id", "a"),
        (r#"{"user":{"x.y":{"id":"a"}}}"#, "user.x.y.id", "a"),
        (r#"{"id":"a","id":"b"}"#, "id", "a"),
        (r#"  {"id":"a"}  "#, "id", "a"),
    ] {
        let (left, tally) = left(Format::Jsonl, line, &who(field, &[value]), drop);
        assert_eq!((left.as_str(), tally.dropped), ("", 1), "{line}");
    }
    for (line, field, value) in [
        (r#"{"id":"ab"}"#, "id", "a"),
        (r#"{"other":"a"}"#, "id", "a"),
        (r#"{"id":["a"]}"#, "id", "a"),
        (r#"{"id":{"id":"a"}}"#, "id", "a"),
        (r#"{"id":42.0}"#, "id", "42"),
        (r#"{"id":true}"#, "id", "true"),
        (r#"{"id":""}"#, "id", ""),
    ] {
        assert_eq!(
            left(Format::Jsonl, line, &who(field, &[value]), drop),
            (line.to_owned(), Tally { rows: 1, ..Tally::default() })
        );
    }
}

#[test]
fn a_changed_json_line_keeps_its_other_fields_as_they_are_written() {
    let lines =
        "{\"id\":\"a\", \"n\": 1.50e3,\"at\":{\"x\":[1, 2],\"city\":\"H\"},\"n\":2}\r\n\n{\"id\":\"b\",\"n\":1}";
    let changes = || {
        let mut changes = set("at.city", "[gone]");
        changes.push(("n".to_owned(), Masked::Removed));
        changes.push(("missing".to_owned(), Masked::Removed));
        changes
    };
    let (text, tally) = left(Format::Jsonl, lines, &who("id", &["a"]), |_| Verdict::Change(changes()));
    assert_eq!(text, "{\"id\":\"a\",\"at\":{\"x\":[1, 2],\"city\":\"[gone]\"}}\r\n\n{\"id\":\"b\",\"n\":1}");
    assert_eq!((tally.changed, tally.still), (1, 1));
    // A second time there is nothing to do.
    let (again, tally) = left(Format::Jsonl, &text, &who("id", &["a"]), |_| Verdict::Change(changes()));
    assert_eq!((again, tally.has_work()), (text, false));
    let (_, tally) = left(Format::Jsonl, lines, &who("id", &["a"]), |_| Verdict::Change(set("id", "anon-1")));
    assert_eq!((tally.changed, tally.still), (1, 0));
}

#[test]
fn records_of_json_keep_digits_and_shape() {
    let line = r#"{"id":1,"big":12345678901234567890.10,"list":[null,{"deep":"\u4e2d"}],"yes":true}"#;
    let mut seen = String::new();
    look(Format::Jsonl, line.as_bytes(), &who("id", &["1"]), |record| {
        seen = serde_json::to_string(record).unwrap();
        Verdict::Keep
    })
    .unwrap();
    assert_eq!(seen, r#"{"big":12345678901234567890.10,"id":1,"list":[null,{"deep":"中"}],"yes":true}"#);
}

#[test]
fn a_line_that_cannot_be_parsed_stays_and_is_counted_if_it_may_be_the_persons() {
    let lines = "{\"id\":\"a\"}\n{\"id\":\"a\"\nrubbish\n[\"a\"]\n{\"id\":\"a\"}\n";
    let (text, tally) = left(Format::Jsonl, lines, &who("id", &["a"]), drop);
    assert_eq!(text, "{\"id\":\"a\"\nrubbish\n[\"a\"]\n");
    assert_eq!((tally.rows, tally.dropped, tally.unreadable), (5, 2, 2));
    let deep = format!("{{\"id\":\"a\",\"x\":{}{}}}", "[".repeat(200), "]".repeat(200));
    assert_eq!(left(Format::Jsonl, &deep, &who("id", &["a"]), drop).1.unreadable, 1);
}

#[test]
fn a_line_without_end_changes_nothing() {
    for format in [Format::Jsonl, CSV] {
        let mut object = b"id\n".to_vec();
        object.resize((64 << 10) + 5000, b'a');
        assert!(matches!(rewrite(format, &object, &who("id", &["a"]), drop), Err(FormatError::Malformed(_))));
    }
}

#[test]
fn text_marks_and_line_breaks_stay() {
    let (text, _) = left(Format::Jsonl, "\u{feff}{\"id\":\"a\"}\r\n{\"id\":\"b\"}", &who("id", &["a"]), drop);
    assert_eq!(text, "\u{feff}{\"id\":\"b\"}");
    let (text, tally) = left(CSV, "\u{feff}\"id\",n\r\na,1\r\nb,2\ra,3\nc,\"x\ry\"", &who("id", &["a"]), drop);
    assert_eq!((text.as_str(), tally.rows), ("\u{feff}\"id\",n\r\nb,2\rc,\"x\ry\"", 4));
    assert_eq!(left(CSV, "id\na", &who("id", &["a"]), drop).0, "id\n");
    assert_eq!(left(CSV, "", &who("id", &["a"]), drop).1, Tally::default());
}

#[test]
fn a_csv_record_is_found_and_changed_in_its_own_way_of_quoting() {
    let table = "n;id;\"a \"\"b\"\"\"\n1;\"x;\"\"y\"\"\";\"two\nlines\"\n2;x;\"q\"\n3;\"x\";\n";
    let person = who("id", &["x", "x;\"y\""]);
    let format = Format::Csv { delimiter: b';' };
    let mut records = Vec::new();
    let (text, tally) = left(format, table, &person, |record| {
        records.push(serde_json::to_string(record).unwrap());
        Verdict::Change(set("a \"b\"", "z;"))
    });
    assert_eq!(
        records,
        [
            r#"{"a \"b\"":"two\nlines","id":"x;\"y\"","n":"1"}"#,
            r#"{"a \"b\"":"q","id":"x","n":"2"}"#,
            // An empty field is one that is not there.
            r#"{"id":"x","n":"3"}"#,
        ]
    );
    assert_eq!(text, "n;id;\"a \"\"b\"\"\"\n1;\"x;\"\"y\"\"\";\"z;\"\n2;x;\"z;\"\n3;\"x\";\"z;\"\n");
    assert_eq!((tally.changed, tally.still), (3, 3));
    let emptied = |_: &Record| Verdict::Change(vec![("n".to_owned(), Masked::Removed)]);
    let (text, _) = left(format, table, &who("id", &["x"]), emptied);
    assert!(text.contains("\n;x;\"q\"\n;\"x\";\n"));
    assert!(!left(format, &text, &who("id", &["x"]), emptied).1.has_work());
}

#[test]
fn a_csv_record_of_another_width_is_never_dropped() {
    let table = "id,n\na,1\na\na,1,2\nb,\"a,1\n";
    assert!(matches!(rewrite(CSV, table.as_bytes(), &who("id", &["a"]), drop), Err(FormatError::Malformed(_))));
    let (text, tally) = left(CSV, &table[..17], &who("id", &["a"]), drop);
    assert_eq!((text.as_str(), tally.dropped, tally.unreadable), ("id,n\na\na,1,2\n", 1, 2));
    assert!(rewrite(CSV, b"x,n\na,1\n", &who("id", &["a"]), drop).is_err());
}

#[test]
fn a_compressed_object_that_is_cut_off_is_an_error() {
    for compressed in [gzip(b"{\"id\":\"a\"}\n", &[]), zstd::encode_all(&b"{\"id\":\"a\"}\n"[..], 1).unwrap()] {
        let whole = rewrite(Format::Jsonl, &compressed, &who("id", &["a"]), drop).unwrap();
        assert_eq!(whole.1.dropped, 1);
        let cut = &compressed[..compressed.len() - 1];
        assert!(matches!(rewrite(Format::Jsonl, cut, &who("id", &["a"]), drop), Err(FormatError::Malformed(_))));
    }
}

#[test]
fn a_gzip_object_keeps_its_name_and_time() {
    let mut old =
        flate2::GzBuilder::new().filename("events.jsonl").mtime(7).write(Vec::new(), flate2::Compression::fast());
    old.write_all(b"{\"id\":\"a\"}\n{\"id\":\"b\"}\n").unwrap();
    let (new, _) = rewrite(Format::Jsonl, &old.finish().unwrap(), &who("id", &["a"]), drop).unwrap();
    let new = new.unwrap();
    let mut decoder = flate2::read::GzDecoder::new(&new[..]);
    assert_eq!(std::io::read_to_string(&mut decoder).unwrap(), "{\"id\":\"b\"}\n");
    let header = decoder.header().unwrap();
    assert_eq!((header.filename(), header.mtime()), (Some(&b"events.jsonl"[..]), 7));
}

#[test]
fn of_a_plain_object_only_what_is_near_a_row_is_written_and_the_rest_copied() {
    let mut lines = String::new();
    for row in 0..5000 {
        writeln!(lines, "{{\"id\":\"u{row}\"}}").unwrap();
    }
    let source: SourceRef = Arc::new(MemorySource::new(lines.clone()));
    let mut sink = Told::default();
    let mut judge = |_: &Record, _: usize| Ok(Verdict::Drop);
    let person = who("id", &["u2500"]);
    let tally = run(walk(Format::Jsonl, &source, &person, &mut judge, Mode::Rewrite(&mut sink))).unwrap();
    assert_eq!((tally.rows, tally.dropped), (5000, 1));
    assert_eq!(String::from_utf8(sink.bytes).unwrap(), lines.replace("{\"id\":\"u2500\"}\n", ""));
    assert!(sink.written < 2000 && sink.copied > 60_000, "{} written, {} copied", sink.written, sink.copied);
}

#[test]
fn a_glance_reads_no_further_than_the_first_row_that_goes() {
    let lines = "{\"id\":\"a\"}\n".repeat(5000);
    let source = Watched::new(lines.as_bytes());
    let object: SourceRef = source.clone();
    let mut judge = |_: &Record, _: usize| Ok(Verdict::Drop);
    let tally = run(walk(Format::Jsonl, &object, &who("id", &["a"]), &mut judge, Mode::Glance)).unwrap();
    assert_eq!((tally.matched, tally.has_work()), (1, true));
    assert!(source.reads().len() <= 4, "a few chunks of fifty");
}

/// gzip, of a member for each piece.
fn gzip(text: &[u8], cuts: &[usize]) -> Vec<u8> {
    let mut packed = Vec::new();
    for piece in pieces(text, cuts) {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(piece).unwrap();
        packed.extend(encoder.finish().unwrap());
    }
    packed
}

fn pieces<'t>(text: &'t [u8], cuts: &[usize]) -> Vec<&'t [u8]> {
    let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut % (text.len() + 1)).collect();
    cuts.extend([0, text.len()]);
    cuts.sort_unstable();
    cuts.windows(2).map(|cut| &text[cut[0]..cut[1]]).collect()
}

/// Packs a text one way or another; the last unpacks.
fn packed(text: &[u8], how: u8, cuts: &[usize]) -> Vec<u8> {
    match how {
        0 => text.to_vec(),
        1 => gzip(text, cuts),
        _ => pieces(text, cuts).into_iter().flat_map(|piece| zstd::encode_all(piece, 1).unwrap()).collect(),
    }
}

fn unpacked(bytes: &[u8], how: u8) -> Vec<u8> {
    match how {
        0 => bytes.to_vec(),
        1 => {
            let mut text = Vec::new();
            std::io::Read::read_to_end(&mut flate2::read::MultiGzDecoder::new(bytes), &mut text).unwrap();
            text
        }
        _ => zstd::decode_all(bytes).unwrap(),
    }
}

/// A JSON string with some of its characters escaped that need not be.
fn escaped(text: &str, which: u32) -> String {
    let mut written = String::from("\"");
    for (at, c) in text.chars().enumerate() {
        if which >> (at % 32) & 1 == 1 && u32::from(c) < 0x10000 {
            write!(written, "\\u{:04x}", u32::from(c)).unwrap();
        } else {
            let json = serde_json::to_string(&c).unwrap();
            written.push_str(&json[1..json.len() - 1]);
        }
    }
    written + "\""
}

fn json_line() -> impl Strategy<Value = String> {
    let id = prop_oneof![Just("u1"), Just("u/2"), Just("\"3\\"), Just("用户"), Just("u11"), Just("7")];
    let value = prop_oneof![Just("1.0"), Just("null"), Just("[1, {}]"), Just("\"u1\""), Just("{\"id\":\"u1\"}")];
    (id, any::<u32>(), value, 0..6u8, "[a-z ]{0,60}").prop_map(|(id, which, value, kind, text)| match kind {
        0 => format!("{{\"x\":{value},\"id\":{}}}", escaped(id, which)),
        1 => format!(" {{ \"id\" : {} , \"t\":\"{text}\"}}", escaped(id, 0)),
        2 => "{\"id\":7}".to_owned(),
        3 => format!("{{\"t\":\"{text} u1\"}}"),
        4 => String::new(),
        _ => format!("{{\"id\":{},\"x\":{value}}}\r", escaped(id, which)),
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn of_json_lines_exactly_the_persons_go(
        lines in prop::collection::vec(json_line(), 0..120),
        ends_with_break in any::<bool>(),
        how in 0..3u8,
        cuts in prop::collection::vec(any::<usize>(), 0..4),
    ) {
        let values = ["u1", "u/2", "\"3\\", "用户", "7"];
        let is_theirs = |line: &&String| {
            let object: Result<serde_json::Value, _> = serde_json::from_str(line);
            let id = object.ok().and_then(|object| Some(match object.get("id")? {
                serde_json::Value::String(text) => text.clone(),
                other => other.to_string(),
            }));
            id.is_some_and(|id| values.contains(&id.as_str()))
        };
        let ended = |lines: Vec<&String>| {
            let mut text = String::new();
            for line in lines {
                text.push_str(line);
                text.push('\n');
            }
            text
        };
        let mut text = ended(lines.iter().collect());
        let last_goes = lines.last().is_some_and(|line| is_theirs(&line));
        let mut expected = ended(lines.iter().filter(|line| !is_theirs(line)).collect());
        if !ends_with_break {
            text.pop();
            if !last_goes {
                expected.pop();
            }
        }
        let gone = lines.iter().filter(is_theirs).count() as u64;
        let object = packed(text.as_bytes(), how, &cuts);
        let (new, tally) = rewrite(Format::Jsonl, &object, &who("id", &values), drop).unwrap();
        prop_assert_eq!(tally.dropped, gone);
        prop_assert_eq!(new.is_some() || expected.is_empty(), gone > 0 || expected.is_empty());
        let new = new.map_or(if gone > 0 { Vec::new() } else { text.clone().into_bytes() }, |new| unpacked(&new, how));
        prop_assert_eq!(String::from_utf8(new.clone()).unwrap(), expected);
        let fresh = look(Format::Jsonl, &packed(&new, how, &cuts), &who("id", &values), drop).unwrap();
        prop_assert!(tally.is_confirmed_by(&fresh), "{:?} {:?}", tally, fresh);
    }

    #[test]
    fn of_csv_records_exactly_the_persons_go_and_the_others_keep_their_bytes(
        rows in prop::collection::vec(("[ab\",\n]{0,3}|u1|u\"2", "[ a-c\",\r\n;]{0,9}", "\\PC{0,9}"), 0..80),
        quotes in 0..3u8,
        crlf in any::<bool>(),
        how in 0..3u8,
        cuts in prop::collection::vec(any::<usize>(), 0..4),
    ) {
        let style = [csv::QuoteStyle::Necessary, csv::QuoteStyle::Always, csv::QuoteStyle::NonNumeric][usize::from(quotes)];
        let terminator = if crlf { csv::Terminator::CRLF } else { csv::Terminator::Any(b'\n') };
        let line = |fields: [&str; 3]| {
            let mut writer = csv::WriterBuilder::new().quote_style(style).terminator(terminator).from_writer(Vec::new());
            writer.write_record(fields).unwrap();
            writer.into_inner().unwrap()
        };
        let person = ["u1", "u\"2", "a,\n"];
        let is_theirs = |id: &str| person.contains(&id);
        let header = line(["x", "id", "y"]);
        let lines: Vec<(bool, Vec<u8>)> =
            rows.iter().map(|(id, x, y)| (is_theirs(id), line([x, id, y]))).collect();
        let text: Vec<u8> = header.iter().chain(lines.iter().flat_map(|(_, line)| line)).copied().collect();
        let kept = lines.iter().filter(|(theirs, _)| !theirs).flat_map(|(_, line)| line);
        let expected: Vec<u8> = header.iter().chain(kept).copied().collect();
        let (new, tally) = rewrite(CSV, &packed(&text, how, &cuts), &who("id", &person), drop).unwrap();
        prop_assert_eq!(tally.rows, rows.len() as u64);
        prop_assert_eq!(tally.dropped, lines.iter().filter(|(theirs, _)| *theirs).count() as u64);
        let new = new.map_or(text, |new| unpacked(&new, how));
        prop_assert_eq!(new, expected);
    }

    #[test]
    fn whatever_the_bytes_are_nothing_panics(bytes in prop::collection::vec(any::<u8>(), 0..300), at in 0..4usize) {
        let magic: [&[u8]; 4] = [b"", &[0x1f, 0x8b, 8, 0], &[0x28, 0xb5, 0x2f, 0xfd], b"id,\"a\"\n"];
        let object = [magic[at], &bytes].concat();
        for format in [Format::Jsonl, CSV, Format::Parquet] {
            let _ = rewrite(format, &object, &who("id", &["a", "\""]), drop);
        }
    }
}
