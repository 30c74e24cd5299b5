//! TLS to databases.

use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::credentials::{Address, TlsMode};
use super::error::Problem;

/// How to connect to an address over TLS.
pub(super) fn connector(address: &Address) -> Result<MakeRustlsConnect, Problem> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider.clone());
    let config = config.with_safe_default_protocol_versions().map_err(|_| Problem::Certificates)?;
    let authorities = address.authorities.as_deref().map(from_pem).transpose()?;
    let config = match (address.tls, authorities) {
        (TlsMode::VerifyFull | TlsMode::Disable, Some(authorities)) => config.with_root_certificates(authorities),
        (TlsMode::VerifyFull | TlsMode::Disable, None) => config.with_root_certificates(of_the_system()),
        (TlsMode::Require, authorities) => {
            let inner =
                authorities.map(|roots| WebPkiServerVerifier::builder_with_provider(roots.into(), provider.clone()));
            let inner = inner
                .map(rustls::client::ServerCertVerifierBuilder::build)
                .transpose()
                .map_err(|_| Problem::Certificates)?;
            config.dangerous().with_custom_certificate_verifier(Arc::new(AnyName { inner, provider }))
        }
    };
    Ok(MakeRustlsConnect::new(config.with_no_client_auth()))
}

fn from_pem(pem: &str) -> Result<RootCertStore, Problem> {
    let mut authorities = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
        let certificate = certificate.map_err(|_| Problem::Certificates)?;
        authorities.add(certificate).map_err(|_| Problem::Certificates)?;
    }
    if authorities.is_empty() { Err(Problem::Certificates) } else { Ok(authorities) }
}

/// Those of the machine. RDS has its own, which are not among them.
fn of_the_system() -> RootCertStore {
    let mut authorities = RootCertStore::empty();
    authorities.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    authorities
}

/// `sslmode=require`: whoever the server says it is, as long as an authority vouches for it, if one is given.
#[derive(Debug)]
struct AnyName {
    inner: Option<Arc<WebPkiServerVerifier>>,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for AnyName {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let verified =
            self.inner.as_ref().map(|inner| inner.verify_server_cert(certificate, intermediates, name, ocsp, now));
        match verified {
            None
            | Some(Err(Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            ))) => Ok(ServerCertVerified::assertion()),
            Some(verified) => verified,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signature, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signature, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
