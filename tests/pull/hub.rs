//! Plays the hub, and the other host it redirects large files to, over plain HTTP on two ports.

use std::collections::{HashMap, VecDeque};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;

use sha1::Sha1;
use sha2::{Digest, Sha256};

pub(crate) const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

/// What goes wrong with one answer.
pub(crate) enum Fault {
    /// Promises everything, sends so many bytes of it, and hangs up.
    Cut(usize),
    /// Answers a request for a range with everything.
    IgnoresRange,
    /// Changes one byte.
    Wrong,
    /// Answers so, with this header.
    Status(u16, &'static str),
    /// Says on the one that it has come so far, waits for the other, and answers.
    Held(Sender<()>, Receiver<()>),
}

/// A request as it came.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    /// At the other host.
    pub(crate) elsewhere: bool,
    pub(crate) path: String,
    pub(crate) range: Option<String>,
    pub(crate) authorization: Option<String>,
}

#[derive(Clone)]
pub(crate) struct RemoteFile {
    pub(crate) path: String,
    pub(crate) bytes: Vec<u8>,
    /// In git's large file storage, and therefore elsewhere.
    pub(crate) large: bool,
    /// As listed; larger than the bytes are where a disk is to be too small.
    pub(crate) size: u64,
}

#[derive(Default)]
pub(crate) struct State {
    pub(crate) files: Vec<RemoteFile>,
    pub(crate) seen: Vec<Seen>,
    /// By the end of the path.
    pub(crate) faults: HashMap<String, VecDeque<Fault>>,
    /// One page of the listing for each file.
    pub(crate) paged: bool,
    elsewhere: String,
}

#[derive(Clone)]
pub(crate) struct FakeHub {
    pub(crate) address: String,
    state: Arc<Mutex<State>>,
}

impl FakeHub {
    /// A hub with one repository that holds these files.
    pub(crate) fn with(files: &[(&str, &[u8])]) -> Self {
        let listen = || TcpListener::bind("127.0.0.1:0").unwrap();
        let (home, elsewhere) = (listen(), listen());
        let url = |listener: &TcpListener| format!("http://{}", listener.local_addr().unwrap());
        let state = State { elsewhere: url(&elsewhere), ..State::default() };
        let hub = Self { address: url(&home), state: Arc::new(Mutex::new(state)) };
        for (path, bytes) in files {
            hub.put(path, bytes);
        }
        for (listener, is_elsewhere) in [(home, false), (elsewhere, true)] {
            let hub = hub.clone();
            thread::spawn(move || {
                for connection in listener.incoming() {
                    let hub = hub.clone();
                    thread::spawn(move || hub.answer(connection.unwrap(), is_elsewhere));
                }
            });
        }
        hub
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// Adds a file, or changes one.
    pub(crate) fn put(&self, path: &str, bytes: &[u8]) {
        let large = !path.ends_with(".json");
        let (path, bytes, size) = (path.to_owned(), bytes.to_vec(), bytes.len() as u64);
        let mut state = self.state();
        state.files.retain(|file| file.path != path);
        state.files.push(RemoteFile { path, bytes, large, size });
    }

    /// What goes wrong with the next answers about what ends so.
    pub(crate) fn faults(&self, path: &str, faults: impl IntoIterator<Item = Fault>) {
        self.state().faults.insert(path.to_owned(), faults.into_iter().collect());
    }

    /// The requests for the bytes of a file, with the ranges that were asked for.
    pub(crate) fn ranges(&self, path: &str) -> Vec<Option<String>> {
        let state = self.state();
        let asked = |seen: &&Seen| {
            let file = state.files.iter().find(|file| file.path == path).unwrap();
            seen.path.ends_with(path)
                && !seen.path.starts_with("/api")
                && seen.elsewhere == file.large
        };
        state.seen.iter().filter(asked).map(|seen| seen.range.clone()).collect()
    }

    fn answer(&self, mut connection: TcpStream, elsewhere: bool) {
        let Some(seen) = read_head(&connection, elsewhere) else { return };
        let path = seen.path.clone();
        let first = seen.range.as_ref().and_then(|range| {
            range.strip_prefix("bytes=")?.strip_suffix('-')?.parse::<usize>().ok()
        });
        let (fault, file, far, paged) = {
            let mut state = self.state();
            state.seen.push(seen);
            let file = state.files.iter().find(|file| path.ends_with(&format!("/{}", file.path)));
            let file = file.cloned();
            // What goes wrong with a large file goes wrong where its bytes are, unless it is a refusal.
            let at_home_only =
                |fault: &Fault| matches!(fault, Fault::Status(_, header) if !header.is_empty());
            let is_large = file.as_ref().is_some_and(|file| file.large);
            let faults = state.faults.iter_mut().find(|(end, _)| path.ends_with(end.as_str()));
            let fault = faults.and_then(|(_, faults)| {
                let here =
                    faults.front().is_some_and(|next| !is_large || elsewhere != at_home_only(next));
                if here { faults.pop_front() } else { None }
            });
            (fault, file, state.elsewhere.clone(), state.paged)
        };
        if let Some(Fault::Status(status, header)) = fault {
            return send(&mut connection, status, header, b"{}", usize::MAX);
        }
        if let Some(Fault::Held(here, go_on)) = &fault {
            here.send(()).unwrap();
            go_on.recv().unwrap();
        }
        if path.contains("/revision/") {
            let answer = format!(r#"{{"id":"acme/guard","sha":"{COMMIT}","gated":false}}"#);
            return send(&mut connection, 200, "", answer.as_bytes(), usize::MAX);
        }
        if path.contains("/tree/") {
            let page: Option<usize> = paged
                .then(|| path.split("cursor=").nth(1).map_or(0, |cursor| cursor.parse().unwrap()));
            let (listing, more) = self.listing(page);
            let next = path.split("&cursor").next().unwrap();
            let link = match page {
                Some(page) if more => {
                    format!("Link: <{}{next}&cursor={}>; rel=\"next\"", self.address, page + 1)
                }
                _ => String::new(),
            };
            return send(&mut connection, 200, &link, listing.as_bytes(), usize::MAX);
        }
        let Some(file) = file else {
            return send(&mut connection, 404, "X-Error-Code: EntryNotFound", b"", usize::MAX);
        };
        if file.large && !elsewhere {
            let signed = format!("Location: {far}/blobs/{}?signature=secret", file.path);
            return send(&mut connection, 302, &signed, b"Found", usize::MAX);
        }
        let mut bytes = file.bytes;
        if matches!(fault, Some(Fault::Wrong)) {
            bytes[0] ^= 1;
        }
        let cut = if let Some(Fault::Cut(cut)) = fault { cut } else { usize::MAX };
        match first {
            Some(first) if !matches!(fault, Some(Fault::IgnoresRange)) => {
                let range =
                    format!("Content-Range: bytes {first}-{}/{}", bytes.len() - 1, bytes.len());
                send(&mut connection, 206, &range, &bytes[first..], cut);
            }
            _ => send(&mut connection, 200, "", &bytes, cut),
        }
    }

    /// The files in the words of the hub's API; a page of one file, and whether there is another.
    fn listing(&self, page: Option<usize>) -> (String, bool) {
        let state = self.state();
        let entries: Vec<serde_json::Value> = state
            .files
            .iter()
            .enumerate()
            .filter(|(at, _)| page.is_none_or(|page| page == *at))
            .map(|(_, file)| {
                let blob = Sha1::new_with_prefix(format!("blob {}\0", file.bytes.len()))
                    .chain_update(&file.bytes);
                let mut entry = serde_json::json!({
                    "type": "file", "path": file.path, "size": file.size,
                    "oid": hex(&blob.finalize()),
                });
                if file.large {
                    let oid = hex(&Sha256::digest(&file.bytes));
                    entry["lfs"] = serde_json::json!({"oid": oid, "size": file.size});
                    entry["oid"] = "f".repeat(40).into();
                }
                entry
            })
            .collect();
        (
            serde_json::Value::from(entries).to_string(),
            page.is_some_and(|page| page + 1 < state.files.len()),
        )
    }
}

fn read_head(connection: &TcpStream, elsewhere: bool) -> Option<Seen> {
    let mut lines = BufReader::new(connection).lines().map_while(Result::ok);
    let path = lines.next()?.split(' ').nth(1)?.to_owned();
    let (mut range, mut authorization) = (None, None);
    for line in lines.take_while(|line| !line.is_empty()) {
        match line.split_once(": ") {
            Some((name, value)) if name.eq_ignore_ascii_case("range") => {
                range = Some(value.to_owned());
            }
            Some((name, value)) if name.eq_ignore_ascii_case("authorization") => {
                authorization = Some(value.to_owned());
            }
            _ => {}
        }
    }
    let path = path.split("?signature").next()?.to_owned();
    Some(Seen { elsewhere, path, range, authorization })
}

/// Sends an answer, or so many bytes of its body. Who asked may be gone.
fn send(connection: &mut TcpStream, status: u16, header: &str, body: &[u8], cut: usize) {
    let header = if header.is_empty() { String::new() } else { format!("{header}\r\n") };
    let head = format!(
        "HTTP/1.1 {status} -\r\nContent-Length: {}\r\nConnection: close\r\n{header}\r\n",
        body.len()
    );
    let _ = connection.write_all(head.as_bytes());
    let _ = connection.write_all(&body[..cut.min(body.len())]);
    // A close with unread bytes is a reset, which could overtake what was sent.
    let _ = connection.shutdown(std::net::Shutdown::Write);
    let _ = connection.read_to_end(&mut Vec::new());
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
