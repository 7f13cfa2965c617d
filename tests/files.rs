//! Every file that ships is read as `serve` would; every kind of bad one is refused in the words beside
//! it. `WARDGATE_BLESS=1` writes those words anew, to be read before they are committed.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test says what it expects")]

use std::fs;
use std::path::{Path, PathBuf};

use wardgate::config;
use wardgate::policy::SHIPPED;
use wardgate::taxonomy::Taxonomy;

/// Secrets that the examples refer to; what the bad files refer to is nowhere.
fn environment(name: &str) -> Option<String> {
    (name == "OPENAI_API_KEY").then(|| "sk-test".to_owned())
}

fn files(folder: &str, start: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{folder}: {error}"));
    let mut found: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    found.retain(|path| {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        name.starts_with(start) && name.ends_with(".toml")
    });
    found.sort();
    assert!(!found.is_empty(), "{folder} holds no {start}*.toml");
    found
}

#[test]
fn shipped_policies_compile_without_a_warning_and_are_in_the_binary() {
    let on_disk = files("policies", "");
    assert_eq!(on_disk.len(), SHIPPED.len(), "policies/ and the binary hold different sets");
    for path in on_disk {
        let (policy, warnings) = config::check_policy(&path, &Taxonomy::llama_guard_2())
            .unwrap_or_else(|e| panic!("{e}"));
        assert!(warnings.is_empty(), "{warnings:?}");
        assert_eq!(path.file_stem().unwrap().to_str(), Some(policy.name()), "file and name differ");
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.starts_with("# For "), "{} does not say for whom it is", path.display());
        assert!(SHIPPED.contains(&(policy.name(), text.as_str())), "the binary holds another text");
    }
}

#[test]
fn every_example_is_a_gateway_that_would_start() {
    for example in fs::read_dir("examples").unwrap() {
        let folder = example.unwrap().path();
        if !folder.is_dir() {
            continue;
        }
        let path = folder.join("gateway.toml");
        let loaded = config::load(&path, &environment).unwrap_or_else(|e| panic!("{e}"));
        assert!(loaded.warnings.is_empty(), "{:?}", loaded.warnings);
        assert!(!loaded.settings.upstreams.is_empty(), "no upstream in {}", path.display());
    }
}

#[test]
fn bad_policies_are_refused_in_the_words_beside_them() {
    for path in files("tests/bad", "policy-") {
        match config::check_policy(&path, &Taxonomy::llama_guard_2()) {
            Ok(_) => panic!("{} was taken for good", path.display()),
            Err(problems) => compare(&path, &problems.to_string()),
        }
    }
}

#[test]
fn bad_gateways_are_refused_in_the_words_beside_them() {
    for path in files("tests/bad", "gateway-") {
        match config::load(&path, &environment) {
            Ok(_) => panic!("{} was taken for good", path.display()),
            Err(problems) => compare(&path, &problems.to_string()),
        }
    }
}

#[test]
fn odd_policies_are_taken_with_the_warnings_beside_them() {
    for path in files("tests/bad", "odd-policy-") {
        let (_, warnings) = config::check_policy(&path, &Taxonomy::llama_guard_2())
            .unwrap_or_else(|e| panic!("{e}"));
        let said: Vec<String> = warnings.iter().map(ToString::to_string).collect();
        compare(&path, &said.join("\n"));
    }
}

fn compare(path: &Path, said: &str) {
    let beside = path.with_extension("txt");
    if std::env::var_os("WARDGATE_BLESS").is_some() {
        fs::write(&beside, format!("{said}\n")).unwrap();
    }
    let expected = fs::read_to_string(&beside).unwrap_or_default();
    assert_eq!(said, expected.trim_end(), "{} is refused in other words", path.display());
}
