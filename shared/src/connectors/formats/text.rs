//! What JSON Lines and CSV have in common: a stream of records, of which few are the person's.
//!
//! The rule of this room: a record is parsed only if it holds one of the person's values, or may hold it in disguise. All
//! others are counted and passed on as they came: of a plain object as stretches of the source, which a store can copy by
//! itself.

use std::ops::Range;

use bytes::Bytes;

use super::compression::{Compression, Decoded, Decoder, Encoder};
use super::source::Stream;
use super::whose::Needles;
use super::{Decide, FormatError, Mode, Sink, SourceRef, Tally, Verdict, Whose};
use crate::mask::Masked;
use crate::record::Record;

/// Most bytes of one record, about. Fewer in unit tests, which read in smaller steps.
const MOST_RECORD: usize = if cfg!(test) { 64 << 10 } else { 16 << 20 };
/// Bytes that are expanded at a time. Few in unit tests, so that every boundary is met there.
const EXPANDED: usize = if cfg!(test) { 611 } else { 1 << 20 };
/// Compressed bytes that are worth passing on.
const WORTH_WRITING: usize = if cfg!(test) { 61 } else { 1 << 20 };

/// What a parsed record is to the person.
pub(super) enum Parsed {
    /// Nothing.
    Other,
    /// It cannot be parsed, so it may be theirs.
    Unreadable,
    /// It is theirs, and this way leads to it.
    Theirs(Record, usize),
}

/// The whole records that bytes begin with.
pub(super) enum Whole {
    /// Every line is a record, as far as here.
    Lines(usize),
    /// The records end here.
    Ends(Vec<usize>),
}

/// A text format.
pub(super) trait TextFormat: Send + Sync {
    /// Text of which one must be in a record that has this value in a field.
    fn needles(&self, value: &str) -> Vec<Vec<u8>>;

    /// Bytes of what stands before the first record; none if more of the object must be read to know.
    fn head(&mut self, bytes: &[u8], is_last: bool, whose: &Whose) -> Result<Option<usize>, FormatError>;

    /// The whole records that the bytes begin with; all of the bytes are records if they are the last.
    fn whole(&self, bytes: &[u8], is_last: bool) -> Result<Whole, FormatError>;

    /// Parses a record, without its line break.
    fn parse(&self, record: &[u8], whose: &Whose) -> Parsed;

    /// The record with other fields, without its line break.
    fn edit(&self, record: &[u8], changes: &[(String, Masked)]) -> Result<Vec<u8>, FormatError>;
}

/// See [`super::walk`].
pub(super) async fn walk<F: TextFormat>(
    format: F,
    source: &SourceRef,
    whose: &Whose,
    decide: &mut Decide<'_>,
    mode: Mode<'_>,
) -> Result<Tally, FormatError> {
    let needles = Needles::new(whose, |value| format.needles(value))?;
    let mut pass =
        Pass { format, whose, needles, decide, tally: Tally::default(), stops_at_work: false, is_over: false };
    let (stream, compression) = begin(source).await?;
    match mode {
        Mode::Look => pass.run(stream, compression, Out::Nowhere).await?,
        Mode::Glance => {
            pass.stops_at_work = true;
            pass.run(stream, compression, Out::Nowhere).await?;
        }
        Mode::Rewrite(sink) if compression == Compression::Plain => {
            let out = Out::Plain(Splice { source, sink, waiting: 0..0, has_begun: false });
            pass.run(stream, compression, out).await?;
        }
        Mode::Rewrite(sink) => {
            // A compressed stream can only be written from its beginning, so it is first read as far as the first row that
            // gives reason to.
            pass.stops_at_work = true;
            pass.run(stream, compression, Out::Nowhere).await?;
            if pass.tally.has_work() {
                (pass.stops_at_work, pass.is_over) = (false, false);
                pass.tally = Tally::default();
                let (stream, compression) = begin(source).await?;
                pass.run(stream, compression, Out::Compressed(sink, None)).await?;
            }
        }
    }
    Ok(pass.tally)
}

/// Reads no more than what stands before the first record.
pub(super) async fn head<F: TextFormat>(mut format: F, source: &SourceRef) -> Result<F, FormatError> {
    let (mut stream, compression) = begin(source).await?;
    let mut decoder = Decoder::new(compression)?;
    let mut text = Vec::new();
    loop {
        let is_last = !expand(&mut stream, decoder.as_mut(), &mut text).await?;
        if format.head(&text, is_last, &Whose::everybodys())?.is_some() || is_last {
            return Ok(format);
        }
        bounded(&text)?;
    }
}

async fn begin(source: &SourceRef) -> Result<(Opened, Compression), FormatError> {
    let mut stream = Stream::new(source);
    let first = stream.chunk().await?;
    let compression = Compression::of(first.as_deref().unwrap_or_default());
    Ok((Opened { first, stream }, compression))
}

/// A stream of which the first chunk has been looked at.
struct Opened {
    first: Option<Bytes>,
    stream: Stream,
}

impl Opened {
    async fn chunk(&mut self) -> Result<Option<Bytes>, FormatError> {
        match self.first.take() {
            Some(first) => Ok(Some(first)),
            None => self.stream.chunk().await,
        }
    }
}

/// A stretch of the text that is read, and what stands there instead.
type Edit = (Range<usize>, Vec<u8>);

/// One way through an object.
struct Pass<'a, 'j, F> {
    format: F,
    whose: &'a Whose,
    needles: Needles,
    decide: &'a mut Decide<'j>,
    tally: Tally,
    /// Whether the first row that goes or changes is the last to be read.
    stops_at_work: bool,
    /// Whether no more rows are to be read.
    is_over: bool,
}

impl<F: TextFormat> Pass<'_, '_, F> {
    async fn run(&mut self, mut stream: Opened, packed: Compression, mut out: Out<'_>) -> Result<(), FormatError> {
        let mut decoder = Decoder::new(packed)?;
        let mut text = Vec::new();
        // Where the text that is in memory begins in the whole of it.
        let mut base = 0;
        let mut is_in_head = true;
        loop {
            let is_last = !expand(&mut stream, decoder.as_mut(), &mut text).await?;
            if is_in_head {
                let Some(head) = self.format.head(&text, is_last, self.whose)? else {
                    if is_last {
                        return Err(FormatError::Malformed("it ends before its first record"));
                    }
                    bounded(&text)?;
                    continue;
                };
                is_in_head = false;
                out.take(&text[..head], base, Vec::new(), decoder.as_ref()).await?;
                base += head as u64;
                text.drain(..head);
            }
            let whole = self.format.whole(&text, is_last)?;
            let end = whole.end();
            if end == 0 {
                bounded(&text)?;
            }
            let edits = self.look(&text[..end], &whole)?;
            if self.is_over {
                return Ok(());
            }
            out.take(&text[..end], base, edits, decoder.as_ref()).await?;
            base += end as u64;
            text.drain(..end);
            if is_last {
                return out.finish(decoder.as_ref()).await;
            }
        }
    }

    /// What becomes of the records that are in memory.
    fn look(&mut self, text: &[u8], whole: &Whole) -> Result<Vec<Edit>, FormatError> {
        self.tally.rows += whole.count(text);
        let mut edits: Vec<Edit> = Vec::new();
        let mut from = 0;
        while let Some(hit) = self.needles.find(&text[from..]) {
            let record = whole.around(text, from + hit);
            from = record.end;
            let new = self.decide(&text[record.clone()])?;
            self.is_over |= self.stops_at_work && self.tally.has_work();
            if self.is_over {
                break;
            }
            let Some(new) = new else {
                continue;
            };
            match edits.last_mut() {
                Some((range, bytes)) if range.end == record.start => {
                    range.end = record.end;
                    bytes.extend_from_slice(&new);
                }
                _ => edits.push((record, new)),
            }
        }
        Ok(edits)
    }

    /// What stands instead of a record; none if it stays.
    fn decide(&mut self, line: &[u8]) -> Result<Option<Vec<u8>>, FormatError> {
        let (record, line_break) = line.split_at(without_line_break(line));
        let (row, way) = match self.format.parse(record, self.whose) {
            Parsed::Other => return Ok(None),
            Parsed::Unreadable => {
                self.tally.unreadable += 1;
                return Ok(None);
            }
            Parsed::Theirs(row, way) => (row, way),
        };
        self.tally.matched += 1;
        let (changes, is_kept) = match (self.decide)(&row, way)? {
            Verdict::Drop => {
                self.tally.dropped += 1;
                return Ok(Some(Vec::new()));
            }
            Verdict::Change(changes) => (changes, false),
            Verdict::Minimise(changes) => (changes, true),
            Verdict::Keep => (Vec::new(), true),
            Verdict::Stop => {
                self.is_over = true;
                (Vec::new(), true)
            }
        };
        let mut new = if changes.is_empty() { record.to_vec() } else { self.format.edit(record, &changes)? };
        if new == record {
            self.tally.still += 1;
            return Ok(None);
        }
        if is_kept {
            self.tally.minimised += 1;
        } else {
            self.tally.changed += 1;
        }
        self.tally.still += u64::from(!matches!(self.format.parse(&new, self.whose), Parsed::Other));
        new.extend_from_slice(line_break);
        Ok(Some(new))
    }
}

impl Whole {
    fn end(&self) -> usize {
        match self {
            Self::Lines(end) => *end,
            Self::Ends(ends) => ends.last().copied().unwrap_or(0),
        }
    }

    fn count(&self, text: &[u8]) -> u64 {
        match self {
            Self::Lines(_) => {
                let breaks = memchr::memchr_iter(b'\n', text).count() as u64;
                breaks + u64::from(!text.is_empty() && !text.ends_with(b"\n"))
            }
            Self::Ends(ends) => ends.len() as u64,
        }
    }

    /// The record that a byte is in.
    fn around(&self, text: &[u8], at: usize) -> Range<usize> {
        match self {
            Self::Lines(_) => {
                let start = memchr::memrchr(b'\n', &text[..at]).map_or(0, |before| before + 1);
                let end = memchr::memchr(b'\n', &text[at..]).map_or(text.len(), |after| at + after + 1);
                start..end
            }
            Self::Ends(ends) => {
                let index = ends.partition_point(|end| *end <= at);
                let start = if index == 0 { 0 } else { ends[index - 1] };
                start..ends.get(index).copied().unwrap_or(text.len())
            }
        }
    }
}

/// Bytes of a record without its line break.
pub(super) fn without_line_break(line: &[u8]) -> usize {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    line.strip_suffix(b"\r").unwrap_or(line).len()
}

fn bounded(record: &[u8]) -> Result<(), FormatError> {
    if record.len() > MOST_RECORD {
        return Err(FormatError::Malformed("a record of it is longer than 16 MiB"));
    }
    Ok(())
}

/// Appends some more text; false if there is none.
async fn expand(stream: &mut Opened, decoder: Option<&mut Decoder>, text: &mut Vec<u8>) -> Result<bool, FormatError> {
    let Some(decoder) = decoder else {
        let chunk = stream.chunk().await?;
        text.extend_from_slice(chunk.as_deref().unwrap_or_default());
        return Ok(chunk.is_some());
    };
    let length = text.len();
    text.resize(length + EXPANDED, 0);
    loop {
        match decoder.read(&mut text[length..])? {
            Decoded::Some(read) => {
                text.truncate(length + read);
                return Ok(true);
            }
            Decoded::Hungry => decoder.feed(stream.chunk().await?),
            Decoded::End => {
                text.truncate(length);
                return Ok(false);
            }
        }
    }
}

/// What the text is written to.
#[expect(clippy::large_enum_variant, reason = "there is one for each object")]
enum Out<'a> {
    Nowhere,
    Plain(Splice<'a>),
    Compressed(&'a mut dyn Sink, Option<Encoder>),
}

/// The source, with edits. Nothing is written before the first of them.
struct Splice<'a> {
    source: &'a SourceRef,
    sink: &'a mut dyn Sink,
    /// What has been read and stays, and is not written yet.
    waiting: Range<u64>,
    has_begun: bool,
}

impl Out<'_> {
    /// Takes the next of the text, which begins at `base`.
    async fn take(
        &mut self,
        text: &[u8],
        base: u64,
        edits: Vec<Edit>,
        decoder: Option<&Decoder>,
    ) -> Result<(), FormatError> {
        match self {
            Self::Nowhere => Ok(()),
            Self::Plain(splice) => splice.take(text, base, edits).await,
            Self::Compressed(sink, encoder) => {
                let encoder = started(encoder, decoder)?;
                let mut from = 0;
                for (range, new) in edits {
                    encoder.write(&text[from..range.start])?;
                    encoder.write(&new)?;
                    from = range.end;
                }
                encoder.write(&text[from..])?;
                match encoder.take(WORTH_WRITING) {
                    Some(ready) => sink.write(ready.into()).await,
                    None => Ok(()),
                }
            }
        }
    }

    async fn finish(self, decoder: Option<&Decoder>) -> Result<(), FormatError> {
        match self {
            Self::Plain(splice) if splice.has_begun => splice.sink.copy(splice.source, splice.waiting).await,
            Self::Nowhere | Self::Plain(_) => Ok(()),
            Self::Compressed(sink, mut encoder) => {
                started(&mut encoder, decoder)?;
                match encoder {
                    Some(encoder) => sink.write(encoder.finish()?.into()).await,
                    None => Ok(()),
                }
            }
        }
    }
}

/// The encoder, which is made when the header of what is read is known.
fn started<'e>(encoder: &'e mut Option<Encoder>, decoder: Option<&Decoder>) -> Result<&'e mut Encoder, FormatError> {
    if encoder.is_none() {
        let decoder = decoder.ok_or(FormatError::Unsupported("a plain text has no encoder"))?;
        *encoder = Some(decoder.encoder()?);
    }
    encoder.as_mut().ok_or(FormatError::Unsupported("a plain text has no encoder"))
}

impl Splice<'_> {
    async fn take(&mut self, text: &[u8], base: u64, edits: Vec<Edit>) -> Result<(), FormatError> {
        if edits.is_empty() {
            self.waiting.end = base + text.len() as u64;
            return Ok(());
        }
        self.has_begun = true;
        if self.waiting.start < base {
            self.sink.copy(self.source, self.waiting.start..base).await?;
        }
        let mut bytes = Vec::with_capacity(text.len());
        let mut from = 0;
        for (range, new) in edits {
            bytes.extend_from_slice(&text[from..range.start]);
            bytes.extend_from_slice(&new);
            from = range.end;
        }
        self.sink.write(bytes.into()).await?;
        self.waiting = base + from as u64..base + text.len() as u64;
        Ok(())
    }
}
