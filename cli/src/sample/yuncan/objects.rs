//! What a Yuncan user has in the media bucket. The files are tiny and real: a viewer opens them.

use rand_chacha::ChaCha8Rng;

use super::Object;
use super::facts::{Facts, hex};
use crate::sample::people::{below, chance};
use crate::sample::text;

/// Every object of the user.
pub(super) fn objects(facts: &Facts, emit: &mut dyn FnMut(Object)) {
    let rng = &mut facts.rng("objects");
    emit(Object {
        collection: "yuncan_media.avatars",
        key: facts.avatar.clone(),
        content_type: "image/gif",
        content: gif(rng, &facts.who.nickname),
    });
    for number in 0..facts.few(rng) {
        // The first is a picture, so that whoever has any has one with their tag in it.
        let (ending, content_type, content) = if number == 0 || chance(rng, 75) {
            ("gif", "image/gif", gif(rng, &format!("#{}", facts.tag)))
        } else {
            ("wav", "audio/wav", wav(rng))
        };
        emit(Object {
            collection: "yuncan_media.photos",
            key: format!("photos/{}/{}.{ending}", facts.who.user_id, hex(rng, 12)),
            content_type,
            content,
        });
    }
    if facts.is_subject() || chance(rng, 5) {
        let told = text::paragraph(rng, facts.who.language);
        emit(Object {
            collection: "yuncan_media.event_disclosures",
            key: format!("event-disclosures/{}/{}.txt", facts.who.user_id, hex(rng, 12)),
            content_type: "text/plain; charset=utf-8",
            content: format!("{}\n{}\n{told} #{}\n", facts.who.real_name, facts.who.city, facts.tag).into_bytes(),
        });
    }
}

/// A GIF of one pixel in some colour, with a comment.
fn gif(rng: &mut ChaCha8Rng, comment: &str) -> Vec<u8> {
    let mut bytes = b"GIF89a\x01\x00\x01\x00\x80\x00\x00".to_vec();
    bytes.extend((0..6).map(|_| byte(rng)));
    // Comment blocks hold 255 bytes at most; their length comes before them and a zero after the last.
    bytes.extend([0x21, 0xfe]);
    for block in comment.as_bytes().chunks(255) {
        bytes.push(u8::try_from(block.len()).unwrap_or(u8::MAX));
        bytes.extend(block);
    }
    bytes.push(0);
    bytes.extend(b"\x2c\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x02\x44\x01\x00\x3b");
    bytes
}

/// Four milliseconds of noise, mono, 8 bits at 8 kHz.
fn wav(rng: &mut ChaCha8Rng) -> Vec<u8> {
    const SAMPLES: u32 = 32;
    const RATE: u32 = 8_000;
    let mut bytes = b"RIFF".to_vec();
    bytes.extend((36 + SAMPLES).to_le_bytes());
    bytes.extend(b"WAVEfmt \x10\x00\x00\x00\x01\x00\x01\x00");
    bytes.extend(RATE.to_le_bytes());
    bytes.extend(RATE.to_le_bytes());
    bytes.extend(b"\x01\x00\x08\x00data");
    bytes.extend(SAMPLES.to_le_bytes());
    bytes.extend((0..SAMPLES).map(|_| byte(rng)));
    bytes
}

fn byte(rng: &mut ChaCha8Rng) -> u8 {
    u8::try_from(below(rng, 256)).unwrap_or(0)
}
