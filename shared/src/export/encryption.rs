//! The package as an age file (<https://age-encryption.org/v1>), for a person who gave a key. Like the archive it is
//! written once, front to back, and can be put down and taken up.
//!
//! Header, wrapped key and their MAC are made by the `age` crate. Its writer cannot be taken up by another process, so the
//! chunks of the payload are sealed here: 64 KiB each, ChaCha20-Poly1305, counted in the nonce.
//!
//! The rule of this room: whoever seals may only give bytes that are pinned by a digest where the state is. The same state
//! then always seals the same bytes, and no nonce is used for two contents.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use age::EncryptError;
use age::secrecy::ExposeSecret as _;
use age_core::format::{FILE_KEY_BYTES, FileKey, Stanza};
use aws_lc_rs::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::error::Unspecified;
use aws_lc_rs::hkdf::{HKDF_SHA256, Salt};
use serde::{Deserialize, Serialize};

use super::sum::Sum;
use crate::identity::AgeKey;

/// Bytes of the content that are sealed together.
pub const CHUNK: usize = 1 << 16;
/// What sealing adds to a chunk.
const TAG: usize = 16;
/// More than a header of one recipient has.
const HEADER: usize = 1 << 9;
/// Bytes of the nonce that stands between header and chunks.
const NONCE: usize = 16;

/// Why nothing was encrypted.
#[derive(Debug, thiserror::Error)]
pub enum EncryptionError {
    /// The header was not made.
    #[error("the header of the encrypted package was not made")]
    Header(#[source] EncryptError),
    /// The header is not of the form that is expected here.
    #[error("the header of the encrypted package has another form than age gives it")]
    Form,
    /// The cipher did not take its input.
    #[error("the package was not encrypted")]
    Cipher,
}

impl From<Unspecified> for EncryptionError {
    fn from(_: Unspecified) -> Self {
        Self::Cipher
    }
}

/// Where an age file stands: small, whatever its size. Whoever has it can read the package, so it is kept sealed.
#[derive(Serialize, Deserialize)]
pub struct AgeFile {
    key: [u8; 32],
    /// Until it has been written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    header: Option<Header>,
    chunks: u64,
    bytes: u64,
    sum: Sum,
}

#[derive(Serialize, Deserialize)]
struct Header {
    text: String,
    nonce: [u8; NONCE],
}

/// Passes the file's key on to the person's key, and keeps it.
struct Wrapping<'a> {
    to: &'a AgeKey,
    file_key: Mutex<Option<[u8; FILE_KEY_BYTES]>>,
}

impl age::Recipient for Wrapping<'_> {
    fn wrap_file_key(&self, file_key: &FileKey) -> Result<(Vec<Stanza>, HashSet<String>), EncryptError> {
        *self.file_key.lock().unwrap_or_else(PoisonError::into_inner) = Some(*file_key.expose_secret());
        self.to.expose().wrap_file_key(file_key)
    }
}

impl AgeFile {
    /// Begins a file that only this key opens, under a fresh key of its own.
    pub fn begin(to: &AgeKey) -> Result<Self, EncryptionError> {
        let wrapping = Wrapping { to, file_key: Mutex::default() };
        let encryptor = age::Encryptor::with_recipients(std::iter::once(&wrapping as &dyn age::Recipient));
        let mut header = Vec::new();
        let written = encryptor.map_err(EncryptionError::Header)?.wrap_output(&mut header);
        written.map_err(|error| EncryptionError::Header(error.into()))?;
        let (text, nonce) = header.split_last_chunk::<NONCE>().ok_or(EncryptionError::Form)?;
        let text = String::from_utf8(text.to_vec()).map_err(|_| EncryptionError::Form)?;
        let file_key = wrapping.file_key.into_inner().unwrap_or_else(PoisonError::into_inner);
        let file_key = file_key.ok_or(EncryptionError::Form)?;
        let mut key = [0; 32];
        Salt::new(HKDF_SHA256, nonce).extract(&file_key).expand(&[b"payload"], HKDF_SHA256)?.fill(&mut key)?;
        let header = Some(Header { text, nonce: *nonce });
        Ok(Self { key, header, chunks: 0, bytes: 0, sum: Sum::default() })
    }

    /// Takes whole chunks out of the content and seals them. At least one byte stays: the last chunk is another one, see
    /// [`AgeFile::finish`].
    pub fn seal(&mut self, content: &mut Vec<u8>) -> Result<Vec<u8>, EncryptionError> {
        let whole = content.len().saturating_sub(1) / CHUNK * CHUNK;
        let mut sealed = self.head(whole);
        for chunk in content[..whole].chunks(CHUNK) {
            self.chunk(chunk, false, &mut sealed)?;
        }
        content.drain(..whole);
        self.count(&sealed);
        Ok(sealed)
    }

    /// Seals what is left of the content, and ends the file.
    pub fn finish(&mut self, mut content: Vec<u8>) -> Result<Vec<u8>, EncryptionError> {
        let mut sealed = self.seal(&mut content)?;
        let start = sealed.len();
        self.chunk(&content, true, &mut sealed)?;
        self.count(&sealed[start..]);
        Ok(sealed)
    }

    /// How many bytes were written so far.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// SHA-256 of them, hexadecimal.
    #[must_use]
    pub fn sha256(&self) -> String {
        self.sum.clone().hex()
    }

    /// What stands before the first chunk, with room for so much content.
    fn head(&mut self, content: usize) -> Vec<u8> {
        let mut sealed = Vec::with_capacity(HEADER + content + (content / CHUNK + 1) * TAG);
        if let Some(header) = self.header.take() {
            sealed.extend_from_slice(header.text.as_bytes());
            sealed.extend_from_slice(&header.nonce);
        }
        sealed
    }

    fn chunk(&mut self, content: &[u8], is_last: bool, sealed: &mut Vec<u8>) -> Result<(), EncryptionError> {
        let key = LessSafeKey::new(UnboundKey::new(&CHACHA20_POLY1305, &self.key)?);
        let mut nonce = [0; 12];
        nonce[3..11].copy_from_slice(&self.chunks.to_be_bytes());
        nonce[11] = u8::from(is_last);
        let start = sealed.len();
        sealed.extend_from_slice(content);
        let nonce = Nonce::assume_unique_for_key(nonce);
        let tag = key.seal_in_place_separate_tag(nonce, Aad::empty(), &mut sealed[start..])?;
        sealed.extend_from_slice(tag.as_ref());
        self.chunks += 1;
        Ok(())
    }

    fn count(&mut self, sealed: &[u8]) {
        self.bytes += sealed.len() as u64;
        self.sum.update(sealed);
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    fn content(length: usize) -> Vec<u8> {
        (0..length).map(|at| u8::try_from(at * at % 251).unwrap()).collect()
    }

    fn opened(file: &[u8], identity: &age::x25519::Identity) -> Option<Vec<u8>> {
        let mut content = Vec::new();
        let decryptor = age::Decryptor::new(file).ok()?;
        let mut reader = decryptor.decrypt(std::iter::once(identity as &dyn age::Identity)).ok()?;
        reader.read_to_end(&mut content).ok()?;
        Some(content)
    }

    /// Puts the file down after so many bytes of content, and takes it up again.
    fn written(begun: &str, content: &[u8], at_once: usize) -> Vec<u8> {
        let (mut state, mut ready, mut file) = (begun.to_owned(), Vec::new(), Vec::new());
        for piece in content.chunks(at_once) {
            ready.extend_from_slice(piece);
            let mut age: AgeFile = serde_json::from_str(&state).unwrap();
            file.extend(age.seal(&mut ready).unwrap());
            state = serde_json::to_string(&age).unwrap();
        }
        let mut age: AgeFile = serde_json::from_str(&state).unwrap();
        file.extend(age.finish(ready).unwrap());
        assert_eq!(age.bytes(), file.len() as u64);
        let mut sum = Sum::default();
        sum.update(&file);
        assert_eq!(age.sha256(), sum.hex());
        file
    }

    #[test]
    fn age_opens_it_wherever_it_was_put_down_and_nobody_else_does() {
        let (mine, others) = (age::x25519::Identity::generate(), age::x25519::Identity::generate());
        let key: AgeKey = mine.to_public().to_string().parse().unwrap();
        for length in [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK, 3 * CHUNK + 7] {
            let begun = serde_json::to_string(&AgeFile::begin(&key).unwrap()).unwrap();
            let content = content(length);
            let file = written(&begun, &content, usize::MAX);
            assert!(opened(&file, &mine).unwrap() == content, "{length}");
            assert_eq!(opened(&file, &others), None);
            for at_once in [1000, CHUNK, CHUNK + 1, 2 * CHUNK] {
                assert!(written(&begun, &content, at_once) == file, "{length} by {at_once}");
            }
            let shorter = file.len() - file.len().min(CHUNK + TAG);
            assert_eq!(opened(&file[..shorter], &mine), None, "cut off after a chunk");
        }
    }

    #[test]
    fn no_two_files_have_a_key_or_a_byte_of_content_in_common() {
        let key: AgeKey = age::x25519::Identity::generate().to_public().to_string().parse().unwrap();
        let [one, other] = [(); 2].map(|()| AgeFile::begin(&key).unwrap());
        assert_ne!(one.key, other.key);
        let [one, other] = [one, other].map(|mut file| file.finish(content(100)).unwrap());
        assert_ne!(one[one.len() - 116..], other[other.len() - 116..]);
    }
}
