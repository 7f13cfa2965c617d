//! `wardgate pull` against a local server that plays the hub, and cuts, lies and refuses.

#![expect(clippy::expect_used, clippy::unwrap_used, reason = "a test says what it expects")]

mod command;
mod hub;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use globset::{Glob, GlobSet};
use tempfile::TempDir;
use wardgate::hub::{
    FolderError, How, HubError, Order, Proxy, PullError, Pulled, SelectionError, Settings, Step,
    Token, Wanted, pull,
};

use crate::hub::{COMMIT, FakeHub, Fault};

const WEIGHTS: &str = "model.safetensors";

/// Bytes that are nowhere the same.
fn weights(version: u8) -> Vec<u8> {
    (0..300_000u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 24) as u8 ^ version).collect()
}

/// A hub with a guard, and what does not belong to one.
fn a_guard() -> FakeHub {
    FakeHub::with(&[
        (WEIGHTS, &weights(1)),
        ("config.json", b"{\"model_type\": \"llama\"}"),
        ("tokenizer.json", b"{}"),
        ("empty.json", b""),
        ("pytorch_model.bin", b"a pickle"),
        ("guard-Q8_0.gguf", &weights(2)),
        ("modeling.py", b"import os"),
    ])
}

/// A pull into a folder, without pauses.
struct Attempt<'a> {
    hub: &'a FakeHub,
    folder: &'a Path,
    retries: u32,
    token: Option<&'a str>,
    file: Option<&'a str>,
}

impl<'a> Attempt<'a> {
    fn at(hub: &'a FakeHub, folder: &'a Path) -> Self {
        Self { hub, folder, retries: 2, token: None, file: None }
    }

    fn watched(&self, watch: &mut dyn FnMut(Step<'_>)) -> Result<Pulled, PullError> {
        let order = Order {
            repository: "acme/guard".parse().unwrap(),
            revision: "main".parse().unwrap(),
            wanted: match self.file {
                None => Wanted::Guard,
                Some(glob) => {
                    let glob = Glob::new(glob).unwrap();
                    Wanted::Named(GlobSet::builder().add(glob).build().unwrap())
                }
            },
            folder: self.folder.to_owned(),
        };
        let settings = Settings {
            endpoint: self.hub.address.parse().unwrap(),
            token: self.token.map(|token| Token::new(token).unwrap()),
            proxy: Proxy::None,
            retries: self.retries,
            pause: Duration::ZERO,
        };
        pull(&order, &settings, watch)
    }

    fn run(&self) -> Result<Pulled, PullError> {
        self.watched(&mut |_| {})
    }

    /// What was wrong, in words.
    fn refusal(&self) -> String {
        self.run().expect_err("it is refused").to_string()
    }
}

/// The names in a folder, hidden ones included.
fn names(folder: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(folder).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

fn set(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn how(pulled: &Pulled, name: &str) -> How {
    pulled.files.iter().find(|file| file.name.as_str() == name).expect(name).how
}

fn range(from: usize) -> Option<String> {
    Some(format!("bytes={from}-"))
}

#[test]
fn a_guard_comes_whole_and_nothing_else_does() {
    let (hub, parent) = (a_guard(), TempDir::new().unwrap());
    let folder = parent.path().join("models/guard");
    let pulled = Attempt::at(&hub, &folder).run().unwrap();
    assert_eq!(names(&folder), set(&["config.json", WEIGHTS, "tokenizer.json"]));
    assert_eq!(fs::read(folder.join(WEIGHTS)).unwrap(), weights(1));
    assert_eq!(pulled.commit, COMMIT);
    assert_eq!(pulled.folder_bytes, 300_000 + 23 + 2);
    assert!(pulled.files.iter().all(|file| file.how == How::Fetched));
    for seen in hub.state().seen.iter().filter(|seen| seen.path.contains("/resolve/")) {
        assert!(seen.path.contains(COMMIT), "a branch could move meanwhile: {}", seen.path);
    }
}

#[test]
fn a_second_run_reads_what_is_there_and_fetches_nothing() {
    let (hub, folder) = (a_guard(), TempDir::new().unwrap());
    let attempt = Attempt::at(&hub, folder.path());
    attempt.run().unwrap();
    let pulled = attempt.run().unwrap();
    assert!(pulled.files.iter().all(|file| file.how == How::Present));
    assert_eq!(hub.ranges(WEIGHTS), [None]);
    // Somebody damages a file without changing its size.
    let mut bytes = weights(1);
    bytes[100_000] ^= 1;
    fs::write(folder.path().join(WEIGHTS), bytes).unwrap();
    let pulled = attempt.run().unwrap();
    assert_eq!(how(&pulled, WEIGHTS), How::Fetched);
    assert_eq!(fs::read(folder.path().join(WEIGHTS)).unwrap(), weights(1));
}

#[test]
fn a_cut_connection_is_taken_up_where_it_broke() {
    let (hub, folder) = (a_guard(), TempDir::new().unwrap());
    // More often than there are retries, but each time it gets further.
    hub.faults(WEIGHTS, [1000, 500, 0, 70_000, 1, 9].map(Fault::Cut));
    let pulled = Attempt::at(&hub, folder.path()).run().unwrap();
    let expected =
        [None, range(1000), range(1500), range(1500), range(71_500), range(71_501), range(71_510)];
    assert_eq!(hub.ranges(WEIGHTS), expected);
    assert_eq!(how(&pulled, WEIGHTS), How::Fetched);
    assert_eq!(fs::read(folder.path().join(WEIGHTS)).unwrap(), weights(1));
}

#[test]
fn what_broke_too_often_is_continued_by_the_next_run() {
    let (hub, folder) = (a_guard(), TempDir::new().unwrap());
    hub.faults(WEIGHTS, [Fault::Cut(1000), Fault::Cut(0), Fault::Cut(0)]);
    let attempt = Attempt::at(&hub, folder.path());
    let words = attempt.refusal();
    assert!(words.contains("1.0 kB of 300.0 kB of model.safetensors are here"), "{words}");
    assert!(words.contains("run the same command again"), "{words}");
    assert!(!words.contains("secret"), "a signed address is worth as much as a token: {words}");
    let half = set(&[".wardgate-pull", "config.json", "tokenizer.json"]);
    assert_eq!(names(folder.path()), half, "half a file bears no final name");
    let pulled = attempt.run().unwrap();
    assert_eq!(how(&pulled, WEIGHTS), How::Resumed);
    assert_eq!(hub.ranges(WEIGHTS), [None, range(1000), range(1000), range(1000)]);
    assert_eq!(names(folder.path()), set(&["config.json", WEIGHTS, "tokenizer.json"]));
}

#[test]
fn a_range_that_is_ignored_begins_the_file_anew() {
    let (hub, folder) = (a_guard(), TempDir::new().unwrap());
    hub.faults(WEIGHTS, [Fault::Cut(1000), Fault::IgnoresRange]);
    let mut restarted = 0;
    Attempt::at(&hub, folder.path())
        .watched(&mut |step| restarted += usize::from(matches!(step, Step::Restarted { .. })))
        .unwrap();
    assert_eq!((hub.ranges(WEIGHTS), restarted), (vec![None, range(1000)], 1));
    assert_eq!(fs::read(folder.path().join(WEIGHTS)).unwrap(), weights(1));
}

#[test]
fn a_wrong_checksum_is_tried_once_more_and_then_thrown_away() {
    for name in [WEIGHTS, "config.json"] {
        let (hub, folder) = (a_guard(), TempDir::new().unwrap());
        let attempt = Attempt::at(&hub, folder.path());
        hub.faults(name, [Fault::Wrong, Fault::Wrong]);
        let refused = attempt.run();
        let Err(PullError::WrongChecksum { name: wrong, .. }) = refused else {
            panic!("{name}: {refused:?}")
        };
        assert_eq!(wrong.as_str(), name);
        assert!(!names(folder.path()).contains(name), "{:?}", names(folder.path()));
        assert!(!folder.path().join(".wardgate-pull").exists(), "nothing of it is kept");
        hub.faults(name, [Fault::Wrong]);
        assert_eq!(how(&attempt.run().unwrap(), name), How::Fetched);
    }
}

#[test]
fn the_token_stays_at_home() {
    let (hub, folder) = (a_guard(), TempDir::new().unwrap());
    // A renamed repository: the hub redirects to itself.
    let moved = "Location: /api/models/acme/renamed/revision/main";
    hub.faults("/acme/guard/revision/main", [Fault::Status(307, moved)]);
    let token = Some("hf_secret");
    Attempt { token, ..Attempt::at(&hub, folder.path()) }.run().unwrap();
    let state = hub.state();
    assert!(state.seen.iter().any(|seen| seen.path.contains("renamed")));
    assert!(state.seen.iter().any(|seen| seen.elsewhere));
    for seen in &state.seen {
        let expected = (!seen.elsewhere).then_some("Bearer hf_secret");
        assert_eq!(seen.authorization.as_deref(), expected, "{seen:?}");
    }
}

#[test]
fn refusals_say_what_to_do() {
    let check = |at: &str, status: u16, code: &'static str, token: Option<&str>, words: &str| {
        let (hub, folder) = (a_guard(), TempDir::new().unwrap());
        hub.faults(at, [Fault::Status(status, code)]);
        let said = Attempt { token, ..Attempt::at(&hub, folder.path()) }.refusal();
        assert!(said.contains(words), "{status} {code:?} at {at}: {said}");
        assert!(said.contains(&hub.address) && !said.contains("hf_secret"), "{said}");
        assert!(!folder.path().join(WEIGHTS).exists());
    };
    let (revision, token) = ("/revision/main", Some("hf_secret"));
    let gated = "X-Error-Code: GatedRepo";
    // The hub lists what is gated, and refuses the files.
    check(
        "config.json",
        401,
        gated,
        None,
        "/acme/guard is gated: sign in there and accept its licence",
    );
    check("config.json", 403, gated, token, "HF_TOKEN does not open it");
    check(WEIGHTS, 403, "X-Other: 1", None, "is gated: sign in there");
    check(revision, 403, "", token, "HF_TOKEN does not open it");
    check(revision, 401, "", None, "does not exist, or is private or gated");
    check(revision, 401, "X-Error-Message: Invalid credentials", token, "does not know the token");
    check(revision, 401, "X-Error-Code: RepoNotFound", token, "does not exist; check the name");
    check(revision, 404, "", None, "/acme/guard does not exist; check the name");
    check(revision, 404, "X-Error-Code: RevisionNotFound", None, "has no revision main");
}

#[test]
fn a_busy_hub_is_asked_again_and_an_expired_address_renewed() {
    let (hub, folder) = (a_guard(), TempDir::new().unwrap());
    hub.faults("/revision/main", [Fault::Status(503, ""), Fault::Status(429, "Retry-After: 0")]);
    hub.faults(WEIGHTS, [Fault::Status(403, ""), Fault::Status(416, "")]);
    Attempt::at(&hub, folder.path()).run().unwrap();
    let asked = |elsewhere: bool| {
        let state = hub.state();
        let of =
            |seen: &&crate::hub::Seen| seen.path.ends_with(WEIGHTS) && seen.elsewhere == elsewhere;
        state.seen.iter().filter(of).count()
    };
    assert_eq!((asked(false), asked(true)), (3, 3), "a new address is asked for each time");
}

#[test]
fn a_hub_that_does_not_answer_is_named() {
    let folder = TempDir::new().unwrap();
    let hub = a_guard();
    hub.faults("/revision/main", (0..3).map(|_| Fault::Cut(0)).map(|_| Fault::Status(500, "")));
    let words = Attempt::at(&hub, folder.path()).refusal();
    assert!(words.contains("500") && words.contains("nothing has come yet"), "{words}");
    // Redirected in a circle.
    let circle = "Location: /api/models/acme/guard/revision/main";
    hub.faults("/revision/main", (0..20).map(|_| Fault::Status(302, circle)));
    let refused = Attempt::at(&hub, folder.path()).run();
    assert!(matches!(refused, Err(PullError::Hub(HubError::Redirect { .. }))), "{refused:?}");
    assert!(names(folder.path()).is_empty());
}

#[test]
fn a_file_that_changed_is_fetched_anew_and_never_mixed() {
    let (hub, folder) = (a_guard(), TempDir::new().unwrap());
    let attempt = Attempt { retries: 0, ..Attempt::at(&hub, folder.path()) };
    hub.faults(WEIGHTS, [Fault::Cut(1000)]);
    attempt.refusal();
    // The first half of one version is there; the hub has another now.
    hub.put(WEIGHTS, &weights(9));
    let pulled = attempt.run().unwrap();
    assert_eq!(how(&pulled, WEIGHTS), How::Fetched);
    assert_eq!(fs::read(folder.path().join(WEIGHTS)).unwrap(), weights(9));
    assert_eq!(hub.ranges(WEIGHTS), [None, None]);
    assert!(!folder.path().join(".wardgate-pull").exists(), "the old half is gone");
    // The whole of one version is there; the hub has another again.
    hub.put(WEIGHTS, &weights(5));
    let mut differs = Vec::new();
    let watch = &mut |step: Step<'_>| {
        if let Step::Differs { name } = step {
            differs.push(name.to_string());
        }
    };
    attempt.watched(watch).unwrap();
    assert_eq!(differs, [WEIGHTS]);
    assert_eq!(fs::read(folder.path().join(WEIGHTS)).unwrap(), weights(5));
}

#[test]
fn two_pulls_at_once_take_turns() {
    let (hub, folder) = (a_guard(), TempDir::new().unwrap());
    let ((here, begun), (release, go_on)) = (mpsc::channel(), mpsc::channel());
    hub.faults(WEIGHTS, [Fault::Held(here, go_on)]);
    thread::scope(|scope| {
        let first = scope.spawn(|| Attempt::at(&hub, folder.path()).run().unwrap());
        begun.recv().unwrap();
        // The first is in the middle of the weights. The second finds the folder held, and waits.
        let second = Attempt::at(&hub, folder.path()).watched(&mut |step| {
            if matches!(step, Step::Waiting) {
                release.send(()).unwrap();
            }
        });
        let (first, second) = (first.join().unwrap(), second.unwrap());
        assert_eq!((how(&first, WEIGHTS), how(&second, WEIGHTS)), (How::Fetched, How::Present));
    });
    assert_eq!(hub.ranges(WEIGHTS), [None]);
    assert_eq!(names(folder.path()), set(&["config.json", WEIGHTS, "tokenizer.json"]));
}

#[test]
fn names_of_the_hub_cannot_leave_the_folder() {
    for path in ["../out.gguf", "/out.gguf", "a/../../out.gguf", "..\\out.gguf"] {
        let (hub, parent) = (a_guard(), TempDir::new().unwrap());
        hub.put(path, b"x");
        let folder = parent.path().join("guard");
        let refused = Attempt { file: Some("*.gguf"), ..Attempt::at(&hub, &folder) }.run();
        assert!(
            matches!(refused, Err(PullError::Selection(SelectionError::Stray { .. }))),
            "{path}: {refused:?}"
        );
        assert!(names(parent.path()).is_empty(), "{path}");
    }
}

#[test]
fn one_file_may_be_asked_for_but_no_pickle() {
    let (hub, folder) = (a_guard(), TempDir::new().unwrap());
    hub.put("Q4/guard.gguf", b"GGUF");
    let pull = |file| Attempt { file: Some(file), ..Attempt::at(&hub, folder.path()) };
    let pulled = pull("*.gguf").run().unwrap();
    assert_eq!(pulled.files.len(), 2);
    assert_eq!(fs::read(folder.path().join("Q4/guard.gguf")).unwrap(), b"GGUF");
    pull("empty.json").run().unwrap();
    assert_eq!(fs::read(folder.path().join("empty.json")).unwrap(), b"");
    let words = pull("pytorch_model.bin").refusal();
    assert!(words.contains("the rest can hold code"), "{words}");
    assert!(pull("nothing").refusal().contains("guard-Q8_0.gguf"));
    assert_eq!(names(folder.path()), set(&["Q4", "empty.json", "guard-Q8_0.gguf"]));
}

#[test]
fn a_listing_goes_on_over_pages() {
    let (hub, folder) = (a_guard(), TempDir::new().unwrap());
    hub.state().paged = true;
    assert_eq!(Attempt::at(&hub, folder.path()).run().unwrap().files.len(), 3);
    assert_eq!(hub.state().seen.iter().filter(|seen| seen.path.contains("/tree/")).count(), 7);
}

#[test]
fn too_small_a_disk_is_known_beforehand() {
    let (hub, folder) = (a_guard(), TempDir::new().unwrap());
    hub.state().files[0].size = 1 << 60;
    let refused = Attempt::at(&hub, folder.path()).run();
    assert!(matches!(refused, Err(PullError::Folder(FolderError::NoRoom { .. }))), "{refused:?}");
    assert!(names(folder.path()).is_empty());
}

/// `/dev/full` is a disk that is full; only Linux has it.
#[cfg(target_os = "linux")]
#[test]
fn a_disk_that_fills_up_is_named() {
    let (hub, folder) = (a_guard(), TempDir::new().unwrap());
    let attempt = Attempt { retries: 0, ..Attempt::at(&hub, folder.path()) };
    hub.faults(WEIGHTS, [Fault::Cut(1000)]);
    attempt.refusal();
    let growing = folder.path().join(".wardgate-pull");
    let half = names(&growing).into_iter().find(|name| name.starts_with(WEIGHTS)).unwrap();
    fs::remove_file(growing.join(&half)).unwrap();
    std::os::unix::fs::symlink("/dev/full", growing.join(&half)).unwrap();
    let words = attempt.refusal();
    assert!(words.contains("full; make room and run the same command again"), "{words}");
    assert!(!names(folder.path()).contains(WEIGHTS));
}
