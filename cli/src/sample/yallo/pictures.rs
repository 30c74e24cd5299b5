//! Objects in the media bucket.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::Rng;

use super::{User, account, token};
use crate::sample::Object;
use crate::sample::people::below;

pub(super) fn objects(user: &User<'_>, emit: &mut dyn FnMut(Object)) {
    let mut rng = user.rng("pictures");
    let id = &user.who.user_id;
    for name in ["current", "real"] {
        emit(picture(user, &mut rng, "yallo_media.avatars", format!("avatars/{id}/{name}.jpg")));
    }
    for key in photo_keys(user) {
        emit(picture(user, &mut rng, "yallo_media.photos", key));
    }
    if account::has_real_name_check(user) {
        for name in ["face", "id-card"] {
            emit(picture(user, &mut rng, "yallo_media.id_scans", format!("id-scans/{id}/{name}.jpg")));
        }
    }
}

/// The keys that posts refer to.
pub(super) fn photo_keys(user: &User<'_>) -> Vec<String> {
    let mut rng = user.rng("photo-keys");
    let count = user.volume(&mut rng, 4);
    (0..count).map(|_| format!("photos/{}/{}.jpg", user.who.user_id, token(&mut rng))).collect()
}

fn picture(user: &User<'_>, rng: &mut ChaCha8Rng, collection: &'static str, key: String) -> Object {
    Object { collection, key, content_type: "image/jpeg", content: jpeg(&user.tag, rng) }
}

/// The frame of a JPEG file: a comment with the user's token, which a scan of the bucket can find, another of noise.
fn jpeg(tag: &str, rng: &mut ChaCha8Rng) -> Vec<u8> {
    let mut noise = vec![0; 300 + below(rng, 1_500)];
    rng.fill_bytes(&mut noise);
    let mut bytes = vec![0xff, 0xd8];
    for comment in [format!("taken by #{tag}").into_bytes(), noise] {
        // The length counts its own two bytes.
        let length = u16::try_from(comment.len() + 2).unwrap_or(u16::MAX);
        bytes.extend([0xff, 0xfe]);
        bytes.extend(length.to_be_bytes());
        bytes.extend(comment);
    }
    bytes.extend([0xff, 0xd9]);
    bytes
}
