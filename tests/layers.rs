//! Arrows point down: a module names modules on lower floors, or its own. The picture is in the crate
//! documentation; this file holds it.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test says what it expects")]

use std::fs;
use std::path::{Path, PathBuf};

/// The floors, ground first. `lib.rs` is the title page and stands on none.
const FLOORS: &[&[&str]] = &[
    &["taxonomy", "transcript", "telemetry"],
    &["verdict", "reading"],
    &["patterns"],
    &["wire", "policy", "guard"],
    &["tenant", "enforce", "audit", "llama_guard", "hub"],
    &["gateway", "admin", "evaluate"],
    &["config"],
    &["server"],
    &["cli"],
    &["main"],
];

/// Foreign crates that only some modules may name.
const RESERVED: &[(&str, &[&str])] = &[
    ("pingora_", &["gateway", "server"]),
    ("candle_", &["llama_guard"]),
    ("tokenizers", &["llama_guard"]),
    ("anyhow", &["cli"]),
    ("unicode_", &["reading"]),
    ("ureq", &["hub", "evaluate"]),
    ("brotli_decompressor", &["gateway"]),
    ("flate2", &["gateway", "evaluate"]),
    ("zstd", &["gateway"]),
    ("rustls::", &["gateway"]),
    ("h2::", &["server"]),
];

/// What a module must not name although its floor would allow it: machines without I/O.
const PURE: &[&str] = &["reading", "patterns", "wire", "policy", "enforce", "guard/scheduler"];
const IMPURE: &[&str] =
    &["std::fs", "std::net", "std::env", "Instant::now", "SystemTime", "tokio::", "thread::spawn"];

#[test]
fn arrows_point_down() {
    let faults = faults(|module, _, code| {
        let mut faults = Vec::new();
        for name in names_after(code, "crate::") {
            if name != module && floor(&name) >= floor(module) {
                faults.push(format!("{module} names {name}"));
            }
        }
        if code.contains("super::super") {
            faults.push(format!("{module} climbs; name the file from the crate's root"));
        }
        faults
    });
    assert!(faults.is_empty(), "these arrows do not point down:\n{}", faults.join("\n"));
}

#[test]
fn foreign_crates_stay_where_they_belong() {
    let faults = faults(|module, _, code| {
        let misplaced = |(foreign, homes): &&(&str, &[&str])| {
            code.contains(*foreign) && !homes.contains(&module)
        };
        RESERVED
            .iter()
            .filter(misplaced)
            .map(|(name, _)| format!("{module} names {name}"))
            .collect()
    });
    assert!(faults.is_empty(), "these crates have strayed:\n{}", faults.join("\n"));
}

#[test]
fn machines_without_io_do_none() {
    let faults = faults(|_, file, code| {
        if !PURE.iter().any(|pure| file.starts_with(pure)) || file.ends_with("tests.rs") {
            return Vec::new();
        }
        let named = IMPURE.iter().filter(|name| code.contains(**name));
        named.map(|name| format!("{file} names {name}")).collect()
    });
    assert!(faults.is_empty(), "these machines touch the world:\n{}", faults.join("\n"));
}

#[test]
fn every_file_says_what_it_is_for() {
    let root = root();
    for file in sources(root.clone()) {
        let text = fs::read_to_string(&file).unwrap();
        let tests = file.ends_with("tests.rs");
        assert!(tests || text.starts_with("//!"), "{} opens with no `//!`", file.display());
    }
}

#[test]
fn every_invariant_names_tests_that_exist() {
    let page = fs::read_to_string(root().join("lib.rs")).unwrap();
    let invariants =
        page.split("# Invariants").nth(1).unwrap().split("# Decisions").next().unwrap();
    let lists = invariants.split("(held by ").skip(1).map(|rest| rest.split(')').next().unwrap());
    let named: Vec<&str> = lists.flat_map(|list| list.split('`').skip(1).step_by(2)).collect();
    assert!(named.len() > 20, "only {} tests are named", named.len());
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let files = sources(root()).into_iter().chain(sources(tests));
    let code: String = files.map(|file| fs::read_to_string(file).unwrap()).collect();
    let missing = named.iter().filter(|name| !code.contains(&format!("fn {name}(")));
    let missing: Vec<&&str> = missing.collect();
    assert!(missing.is_empty(), "no such tests: {missing:?}");
}

/// Looks at each line of production code; says where each fault stands.
fn faults(look: impl Fn(&str, &str, &str) -> Vec<String>) -> Vec<String> {
    let root = root();
    let mut faults = Vec::new();
    for file in sources(root.clone()) {
        let inside = file.strip_prefix(&root).unwrap();
        let module = module_of(inside);
        if module == "lib" {
            continue;
        }
        let text = fs::read_to_string(&file).unwrap();
        let production = text.split("\n#[cfg(test)]\nmod tests {").next().unwrap();
        for (number, line) in production.lines().enumerate() {
            let code = line.split("//").next().unwrap();
            for fault in look(&module, inside.to_str().unwrap(), code) {
                faults.push(format!("{}:{}: {fault}", file.display(), number + 1));
            }
        }
    }
    faults
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

fn floor(module: &str) -> usize {
    FLOORS
        .iter()
        .position(|floor| floor.contains(&module))
        .unwrap_or_else(|| panic!("`{module}` stands on no floor; give it one in FLOORS"))
}

/// `policy/rule.rs` belongs to `policy`, `tenant.rs` to `tenant`.
fn module_of(inside: &Path) -> String {
    let first = Path::new(inside.iter().next().unwrap());
    first.file_stem().unwrap().to_string_lossy().into_owned()
}

fn names_after(code: &str, prefix: &str) -> Vec<String> {
    let name = |at: usize| -> String {
        code[at + prefix.len()..].chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
    };
    let names: Vec<String> = code.match_indices(prefix).map(|(at, _)| name(at)).collect();
    assert!(names.iter().all(|name| !name.is_empty()), "one `use` per module, please: {code}");
    names
}

fn sources(folder: PathBuf) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(sources(path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found
}
