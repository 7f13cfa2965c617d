//! Certificates and keys, read from PEM and found to be good before anything listens or connects.
//!
//! Both ends speak TLS 1.2 and 1.3 with rustls' own choice of algorithms, without early data, whose
//! requests could be played again. Nothing here says a word of what a key file holds.

use std::sync::Arc;

use pingora_core::listeners::tls::Acceptor;
use pingora_core::protocols::tls::CaType;
use pingora_core::utils::tls::{WrappedX509, parse_x509};
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{InconsistentKeys, RootCertStore, ServerConfig};
use thiserror::Error;

/// Why certificates or a key cannot be used. Which file it is, the caller knows.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum TlsFault {
    /// No certificate.
    #[error("holds no certificate; write the chain in PEM, the gateway's own certificate first")]
    NoCertificate,
    /// A certificate that cannot be read.
    #[error("holds a certificate that cannot be read; write the chain in PEM")]
    BadCertificate,
    /// No key.
    #[error("holds no private key that can be read; write it in PEM, without a passphrase")]
    NoKey,
    /// A key of another certificate.
    #[error("is not the key of the certificate; give the two that belong together")]
    OtherKey,
    /// A key of a kind that is not spoken here.
    #[error("holds a key of a kind that cannot be used; make an ECDSA, Ed25519 or RSA key")]
    UnusableKey,
}

impl TlsFault {
    /// Whether it is the key that is at fault, and not a certificate.
    pub fn concerns_key(&self) -> bool {
        matches!(self, Self::NoKey | Self::OtherKey | Self::UnusableKey)
    }
}

/// Who the gateway is to its clients: a certificate and its key.
#[derive(Clone)]
pub struct Identity {
    config: Arc<ServerConfig>,
}

impl Identity {
    /// Reads a chain of certificates and the key of the first one.
    ///
    /// # Errors
    ///
    /// When either cannot be read, or they do not belong together.
    pub fn from_pem(chain: &[u8], key: &[u8]) -> Result<Self, TlsFault> {
        let chain = certificates(chain)?;
        let key = PrivateKeyDer::from_pem_slice(key).map_err(|_| TlsFault::NoKey)?;
        let builder = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|_| TlsFault::UnusableKey)?;
        let config = builder.with_no_client_auth().with_single_cert(chain, key);
        let mut config = config.map_err(|error| match error {
            rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => TlsFault::OtherKey,
            rustls::Error::InvalidCertificate(_) => TlsFault::BadCertificate,
            _ => TlsFault::UnusableKey,
        })?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Self { config: Arc::new(config) })
    }

    /// What takes clients' handshakes.
    pub(crate) fn acceptor(&self) -> Acceptor {
        Acceptor::from_server_config(Arc::clone(&self.config))
    }
}

/// The authorities that vouch for an upstream, in place of those that the system trusts.
#[derive(Clone)]
pub struct Authorities {
    roots: Arc<CaType>,
}

impl Authorities {
    /// Reads certificates of authorities.
    ///
    /// # Errors
    ///
    /// When there is none, or one cannot be read.
    pub fn from_pem(pem: &[u8]) -> Result<Self, TlsFault> {
        let mut roots = Vec::new();
        for certificate in certificates(pem)? {
            // rustls and pingora each read it with a parser of their own, and pingora's panics.
            let mut store = RootCertStore::empty();
            store.add(certificate.clone()).map_err(|_| TlsFault::BadCertificate)?;
            x509_parser::parse_x509_certificate(&certificate)
                .map_err(|_| TlsFault::BadCertificate)?;
            roots.push(WrappedX509::new(certificate.to_vec(), parse_x509));
        }
        Ok(Self { roots: roots.into() })
    }

    pub(crate) fn roots(&self) -> Arc<CaType> {
        Arc::clone(&self.roots)
    }
}

fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, TlsFault> {
    let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    match read {
        Ok(found) if found.is_empty() => Err(TlsFault::NoCertificate),
        Ok(found) => Ok(found),
        Err(_) => Err(TlsFault::BadCertificate),
    }
}

#[cfg(test)]
mod tests {
    use super::{Authorities, Identity, TlsFault};

    const CHAIN: &[u8] = include_bytes!("../../tests/tls/localhost.pem");
    const KEY: &[u8] = include_bytes!("../../tests/tls/localhost-key.pem");
    const OTHER_KEY: &[u8] = include_bytes!("../../tests/tls/other-key.pem");
    const GARBLED: &[u8] =
        b"-----BEGIN CERTIFICATE-----\nbm90IGEgY2VydGlmaWNhdGU=\n-----END CERTIFICATE-----\n";

    #[test]
    fn a_certificate_and_its_key_make_an_identity() {
        assert!(Identity::from_pem(CHAIN, KEY).is_ok());
        for (chain, key, fault) in [
            (&b"hello"[..], KEY, TlsFault::NoCertificate),
            (GARBLED, KEY, TlsFault::BadCertificate),
            (KEY, KEY, TlsFault::NoCertificate),
            (CHAIN, CHAIN, TlsFault::NoKey),
            (CHAIN, b"", TlsFault::NoKey),
            (CHAIN, OTHER_KEY, TlsFault::OtherKey),
        ] {
            assert_eq!(Identity::from_pem(chain, key).err(), Some(fault));
        }
    }

    #[test]
    fn authorities_are_certificates() {
        assert!(Authorities::from_pem(include_bytes!("../../tests/tls/authority.pem")).is_ok());
        for (pem, fault) in [
            (&b""[..], TlsFault::NoCertificate),
            (KEY, TlsFault::NoCertificate),
            (GARBLED, TlsFault::BadCertificate),
        ] {
            assert_eq!(Authorities::from_pem(pem).err(), Some(fault));
        }
    }
}
