//! OpenDSR 2.0: the erasure request, the status callback, and the processor's signature over both of its answers.
//!
//! <https://github.com/opengdpr/OpenDSR/blob/master/specification.md>, sections 5 (identities), 7 (requests) and 8 (status).
//! Version 2 is version 1 with `regulation` and with headers that begin with `X-OpenDSR`.

use aws_lc_rs::signature::{RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, SubjectPublicKeyInfoDer};
use serde::Deserialize;
use serde_json::json;
use sha2::Digest as _;

use super::Told;
use crate::evidence::Receipt;
use crate::ledger::keys::moment;
use crate::policy::{Opendsr, Regulation};

/// The erasure request. `jurisdiction` is the policy's, and says which regulation it is if the policy does not.
#[must_use]
pub fn opendsr(processor: &Opendsr, jurisdiction: &str, told: &Told<'_>) -> Vec<u8> {
    let by_jurisdiction = if jurisdiction == "us-ca" { Regulation::Ccpa } else { Regulation::Gdpr };
    let identities = told.identities.iter().filter_map(|known| {
        let kind = processor.identity_type(known.kind)?;
        Some(json!({"identity_type": kind, "identity_value": known.value, "identity_format": "raw"}))
    });
    let body = json!({
        "regulation": processor.regulation.unwrap_or(by_jurisdiction),
        "subject_request_id": subject_request_id(told.idempotency_key),
        "subject_request_type": "erasure",
        "submitted_time": moment(told.submitted_at),
        "subject_identities": identities.collect::<Vec<_>>(),
        "api_version": "2.0",
        "status_callback_urls": [told.receipt_url],
    });
    body.to_string().into_bytes()
}

/// The id of a request in the form that OpenDSR asks for, a UUID of version 4: the same for the same idempotency key.
#[must_use]
pub fn subject_request_id(idempotency_key: &str) -> String {
    let digest = sha2::Sha256::digest(idempotency_key.as_bytes());
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest[..16]);
    bytes[6] = (bytes[6] & 0x0f) | 0x40;
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
    let digits = hex::encode(bytes);
    let part = |from: usize, to: usize| &digits[from..to];
    format!("{}-{}-{}-{}-{}", part(0, 8), part(8, 12), part(12, 16), part(16, 20), part(20, 32))
}

/// A status callback, as far as it counts here. What else is in it (section 8.6) is passed over.
#[derive(Clone, Debug, Deserialize)]
pub struct Callback {
    /// Which request it is about.
    pub subject_request_id: String,
    /// How far it is.
    pub request_status: CallbackStatus,
}

/// The statuses of section 8.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CallbackStatus {
    /// It has been received.
    Pending,
    /// It is being acted on.
    InProgress,
    /// It has been fulfilled.
    Completed,
    /// It has been cancelled, by whomever: it is not fulfilled.
    Cancelled,
}

impl From<CallbackStatus> for Receipt {
    fn from(status: CallbackStatus) -> Self {
        match status {
            CallbackStatus::Pending => Self::Pending,
            CallbackStatus::InProgress => Self::InProgress,
            CallbackStatus::Completed => Self::Completed,
            CallbackStatus::Cancelled => Self::Denied,
        }
    }
}

/// Why a processor's signature does not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// The pinned PEM is neither a certificate nor a public key.
    #[error("this is no certificate and no public key in PEM")]
    NoKey,
    /// It does not name the processor, or another.
    #[error("it is signed for another domain")]
    OtherDomain,
    /// It is not of this body under the pinned key.
    #[error("the signature is not of this body")]
    Wrong,
}

/// The key that a processor signs with, pinned by the policy.
pub struct ProcessorKey(SubjectPublicKeyInfoDer<'static>);

impl ProcessorKey {
    /// Reads a certificate or a public key, in PEM.
    pub fn parse(pem: &str) -> Result<Self, SignatureError> {
        if let Ok(certificate) = CertificateDer::from_pem_slice(pem.as_bytes()) {
            let certificate = webpki::EndEntityCert::try_from(&certificate).map_err(|_| SignatureError::NoKey)?;
            return Ok(Self(certificate.subject_public_key_info()));
        }
        SubjectPublicKeyInfoDer::from_pem_slice(pem.as_bytes()).map(Self).map_err(|_| SignatureError::NoKey)
    }

    /// Whether a body was signed by the processor of this domain: RSA with SHA-256, in base64, as `X-OpenDSR-Signature` has
    /// it; `domain` is what `X-OpenDSR-Processor-Domain` says.
    pub fn verify(
        &self,
        expected_domain: &str,
        domain: Option<&str>,
        signature: Option<&str>,
        body: &[u8],
    ) -> Result<(), SignatureError> {
        if !domain.is_some_and(|domain| domain.trim().eq_ignore_ascii_case(expected_domain)) {
            return Err(SignatureError::OtherDomain);
        }
        let bare: String = signature.unwrap_or_default().split_ascii_whitespace().collect();
        let signature = STANDARD.decode(bare).map_err(|_| SignatureError::Wrong)?;
        let key = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, self.0.as_ref());
        key.verify(body, &signature).map_err(|_| SignatureError::Wrong)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Made with OpenSSL for these tests; its key was thrown away.
    const CERTIFICATE: &str = include_str!("opendsr/processor.pem");
    const BODY: &[u8] = br#"{"request_status":"completed"}"#;
    const SIGNATURE: &str = include_str!("opendsr/signature.txt");
    const DOMAIN: &str = "opendsr.processor.example";

    #[test]
    fn what_a_pinned_certificate_signed_counts_for_its_domain_and_its_body() {
        let key = ProcessorKey::parse(CERTIFICATE).unwrap();
        let verify = |domain, signature, body| key.verify(DOMAIN, domain, signature, body);
        assert_eq!(verify(Some("OpenDSR.processor.example"), Some(SIGNATURE), BODY), Ok(()));
        assert_eq!(verify(Some("processor.example"), Some(SIGNATURE), BODY), Err(SignatureError::OtherDomain));
        assert_eq!(verify(None, Some(SIGNATURE), BODY), Err(SignatureError::OtherDomain));
        assert_eq!(verify(Some(DOMAIN), Some(SIGNATURE), b"{}"), Err(SignatureError::Wrong));
        for signature in [None, Some(""), Some("?"), Some("AAAA")] {
            assert_eq!(verify(Some(DOMAIN), signature, BODY), Err(SignatureError::Wrong));
        }
        for rubbish in ["", "pinned", &CERTIFICATE[..200], &CERTIFICATE.replace("MIID", "MIIE")] {
            assert!(ProcessorKey::parse(rubbish).is_err(), "{rubbish}");
        }
    }

    #[test]
    fn an_id_is_a_uuid_of_version_4_and_the_same_each_time() {
        let id = subject_request_id("1f-0003");
        assert_eq!(id, subject_request_id("1f-0003"));
        assert_ne!(id, subject_request_id("1f-0004"));
        let parts: Vec<&str> = id.split('-').collect();
        assert_eq!(parts.iter().map(|part| part.len()).collect::<Vec<_>>(), [8, 4, 4, 4, 12]);
        assert!(parts[2].starts_with('4') && parts[3].starts_with(['8', '9', 'a', 'b']), "{id}");
    }
}
