//! TLS on both sides of the gateway, with the certificates of `tests/tls`.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use wardgate::gateway::Identity;

pub(crate) const CHAIN: &[u8] = include_bytes!("../../tls/localhost.pem");
pub(crate) const KEY: &[u8] = include_bytes!("../../tls/localhost-key.pem");
pub(crate) const AUTHORITY: &[u8] = include_bytes!("../../tls/authority.pem");

/// The identity of `localhost`.
pub(crate) fn identity() -> Identity {
    Identity::from_pem(CHAIN, KEY).expect("a certificate and its key")
}

/// A connection to `localhost`, offering these protocols.
pub(crate) async fn connect(
    address: SocketAddr,
    protocols: &[&str],
) -> io::Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    let authority = CertificateDer::from_pem_slice(AUTHORITY).expect("a certificate");
    roots.add(authority).expect("an authority");
    let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
    let stream = TcpStream::connect(address).await?;
    let name = ServerName::try_from("localhost").expect("a name");
    TlsConnector::from(Arc::new(config)).connect(name, stream).await
}
