//! `wardgate serve` as an operator runs it: the binary, a configuration, signals, TLS to the upstream.

#![cfg(feature = "candle")]
#![expect(clippy::expect_used, clippy::unwrap_used, reason = "a test says what it expects")]

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, ChildStderr, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use tempfile::TempDir;

const WARDGATE: &str = env!("CARGO_BIN_EXE_wardgate");
const KEY: &str = "wg-test";
/// printf %s wg-test | sha256sum
const DIGEST: &str = "sha256:32b0f6424617e2c0422a6a2f5558c94a31650a4acf93a585b9c0b6a372c9251d";
const ANSWER: &str = r#"{ "choices":[{"index":0,"message":{"role":"assistant","content":"hi"}}]}"#;

/// A running gateway; killed when it is dropped.
struct Gateway {
    process: Child,
    said: BufReader<ChildStderr>,
    address: String,
    folder: TempDir,
}

impl Gateway {
    /// A gateway before the upstream at `url`, which trusts the authorities of the file, or those of
    /// the system.
    fn start(url: &str, authorities: Option<&str>) -> Self {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("gateway.toml");
        let text = format!(
            "listen = \"127.0.0.1:0\"\nadmin = \"127.0.0.1:0\"\n\
             [[upstream]]\nname = \"u\"\nurl = \"{url}\"\nmodels = [\"*\"]\n\
             api_key = {{ env = \"WARDGATE_TEST_KEY\" }}\n\
             [[tenant]]\nname = \"t\"\nkeys = [\"{DIGEST}\"]\npolicy = \"default\"\n\
             [guard]\ndeadline_ms = 60000\n[audit]\npath = \"audit\"\n"
        );
        fs::write(&path, text).unwrap();
        let mut command = Command::new(WARDGATE);
        command.arg("serve").arg("--config").arg(&path);
        command.env("WARDGATE_TEST_KEY", "sk-upstream").env_remove("SSL_CERT_DIR");
        match authorities {
            Some(file) => command.env("SSL_CERT_FILE", file),
            None => command.env_remove("SSL_CERT_FILE"),
        };
        let mut process =
            command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("it starts");
        let said = BufReader::new(process.stderr.take().unwrap());
        let mut gateway = Self { process, said, address: String::new(), folder };
        let line = gateway.hears("listening on ");
        let url = line.split(['/', ' ']).find(|word| word.contains(':') && !word.ends_with(':'));
        gateway.address = url.expect("an address").to_owned();
        gateway
    }

    /// Waits for a line on stderr that begins so.
    fn hears(&mut self, start: &str) -> String {
        let mut all = String::new();
        loop {
            let mut line = String::new();
            let read = self.said.read_line(&mut line).expect("stderr");
            assert!(read > 0, "it ended without `{start}`, having said:\n{all}");
            if line.starts_with(start) {
                return line;
            }
            all.push_str(&line);
        }
    }

    fn ask(&self) -> TcpStream {
        let body = r#"{"model":"m","messages":[{"role":"user","content":"hello"}]}"#;
        let mut connection = TcpStream::connect(&self.address).expect("it listens");
        write!(
            connection,
            "POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\
             Authorization: Bearer {KEY}\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        )
        .expect("it reads");
        connection
    }

    fn answer(&self) -> String {
        let mut answer = String::new();
        self.ask().read_to_string(&mut answer).expect("an answer");
        answer
    }

    fn stop(&self) {
        let pid = self.process.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().expect("kill").success());
    }

    fn log(&self) -> String {
        let mut tail = Command::new(WARDGATE);
        tail.args(["audit", "tail"]).arg(self.folder.path().join("audit"));
        String::from_utf8(tail.output().expect("it runs").stdout).unwrap()
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The path of a file beside these tests.
fn tls(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tls").join(name);
    path.to_string_lossy().into_owned()
}

/// An upstream behind TLS as `localhost`, and the requests it has read.
fn tls_upstream() -> (SocketAddr, Arc<Mutex<Vec<String>>>) {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let certificate = CertificateDer::from_pem_file(tls("localhost.pem")).expect("a certificate");
    let key = PrivateKeyDer::from_pem_file(tls("localhost-key.pem")).expect("its key");
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .and_then(|config| config.with_no_client_auth().with_single_cert(vec![certificate], key));
    let config = Arc::new(config.expect("a server"));
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let (address, seen) = (listener.local_addr().unwrap(), Arc::new(Mutex::new(Vec::new())));
    let requests = Arc::clone(&seen);
    std::thread::spawn(move || {
        for connection in listener.incoming().map_while(Result::ok) {
            let session = ServerConnection::new(Arc::clone(&config)).expect("a session");
            let mut stream = StreamOwned::new(session, connection);
            let mut request = Vec::new();
            let mut buffer = [0; 4096];
            while !request.ends_with(b"}]}") {
                match stream.read(&mut buffer) {
                    Ok(read) if read > 0 => request.extend_from_slice(&buffer[..read]),
                    // A client that does not trust us leaves.
                    _ => break,
                }
            }
            if !request.is_empty() {
                requests.lock().unwrap().push(String::from_utf8(request).unwrap());
                let length = ANSWER.len();
                let _ = write!(
                    stream,
                    "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\
                     Content-Length: {length}\r\n\r\n{ANSWER}"
                );
            }
        }
    });
    (address, seen)
}

#[test]
fn an_upstream_behind_tls_is_asked_once_its_certificate_is_verified() {
    let (address, seen) = tls_upstream();
    let port = address.port();
    let authority = tls("authority.pem");
    for (host, authorities, why) in [
        ("localhost", None, "nobody vouches for it"),
        ("127.0.0.1", Some(authority.as_str()), "the certificate is another's"),
    ] {
        let answer = Gateway::start(&format!("https://{host}:{port}/v1"), authorities).answer();
        assert!(answer.starts_with("HTTP/1.1 502"), "{why}: {answer}");
        assert!(answer.contains("upstream_unreachable"), "{why}: {answer}");
        assert!(seen.lock().unwrap().is_empty(), "{why}, and it was told the prompt");
    }
    let gateway = Gateway::start(&format!("https://localhost:{port}/v1"), Some(&authority));
    let answer = gateway.answer();
    assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with(ANSWER), "{answer}");
    let seen = seen.lock().unwrap();
    let request = seen.first().expect("a request").to_ascii_lowercase();
    assert!(request.starts_with("post /v1/chat/completions http/1.1\r\n"), "{request}");
    assert!(request.contains(&format!("host: localhost:{port}\r\n")), "{request}");
    assert!(request.contains("authorization: bearer sk-upstream\r\n"), "{request}");
}

/// An upstream that takes requests and never answers; says when one has come.
fn silent_upstream() -> (SocketAddr, Receiver<TcpStream>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().unwrap();
    let (came, coming) = channel();
    std::thread::spawn(move || {
        for connection in listener.incoming().map_while(Result::ok) {
            let _ = came.send(connection);
        }
    });
    (address, coming)
}

#[test]
fn a_second_signal_cuts_what_is_going_on() {
    let (address, coming) = silent_upstream();
    let mut gateway = Gateway::start(&format!("http://{address}/v1"), None);
    let client = gateway.ask();
    let upstream = coming.recv().expect("a connection");
    gateway.stop();
    gateway.hears("stopping");
    // The listener closes soon after the words, and long before the exchange is given up.
    while TcpStream::connect(&gateway.address).is_ok() {
        std::thread::yield_now();
    }
    let ended = gateway.process.try_wait().expect("its state");
    assert_eq!(ended, None, "it took new connections until it ended");
    gateway.stop();
    gateway.hears("some exchanges");
    assert!(gateway.process.wait().expect("it ends").success());
    assert!(gateway.log().contains("abandoned"), "{}", gateway.log());
    drop((client, upstream));
}
