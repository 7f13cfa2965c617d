//! Which files of a repository come down, and under which names.
//!
//! The hub's names are foreign: one that would leave the folder stops everything. What can run code
//! when it is opened (pickles, scripts) is not fetched, whoever asks.

use std::fmt;
use std::path::{Path, PathBuf};

use globset::GlobSet;
use thiserror::Error;

use crate::hub::checksum::Checksum;
use crate::hub::listing::RemoteFile;

/// Beside the weights, which are all `*.safetensors` of the repository's top folder.
const PARTS_OF_A_GUARD: [&str; 5] = [
    "config.json",
    "generation_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "model.safetensors.index.json",
];

/// Without these no guard can be loaded.
const INDISPENSABLE: [&str; 2] = ["config.json", "tokenizer.json"];

/// What holds numbers and text and nothing that runs.
const HARMLESS: [&str; 3] = ["json", "safetensors", "gguf"];

/// Which files are wanted.
#[derive(Clone, Debug)]
pub enum Wanted {
    /// A guard: its settings, its tokenizer, its weights in safetensors.
    Guard,
    /// The files of these names, wherever they lie in the repository; and only those.
    Named(GlobSet),
}

/// A name that stays in the folder it is put under.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct FileName(String);

/// A file that comes down.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Chosen {
    pub(super) name: FileName,
    pub(super) size: u64,
    pub(super) checksum: Checksum,
}

/// Why nothing of a repository comes down.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum SelectionError {
    /// A file a guard cannot do without.
    #[error(
        "the repository has no {0}, without which no guard can be loaded; --file NAME fetches single files"
    )]
    NoPart(&'static str),
    /// Weights, but none we read.
    #[error(
        "the repository has no *.safetensors in its top folder{}; pickles (*.bin, *.pt, *.pth) are not \
         fetched, they can run what they hold", or_these(.gguf)
    )]
    NoWeights {
        /// The GGUF files there are.
        gguf: Vec<String>,
    },
    /// Nothing is called as asked.
    #[error("no file of the repository is called so{}", or_these(.gguf))]
    NoSuchFile {
        /// The GGUF files there are.
        gguf: Vec<String>,
    },
    /// What was asked for is not fetched.
    #[error(
        "{name} is not fetched: only .json, .safetensors and .gguf are, the rest can hold code"
    )]
    MayRun {
        /// Its name, escaped.
        name: String,
    },
    /// A name that leads elsewhere.
    #[error(
        "the hub lists a file by the name {name}, which could leave the folder; nothing was fetched"
    )]
    Stray {
        /// Its name, escaped.
        name: String,
    },
    /// A promise nobody can check.
    #[error("the hub gives no checksum for {0}, so nobody could tell whether it came whole")]
    NoChecksum(FileName),
}

impl FileName {
    /// Reads a relative path with `/` between its parts.
    pub fn parse(path: &str) -> Option<Self> {
        // No name of a part may be hidden, which includes `.`, `..` and the folder partial files grow in.
        let part = |part: &str| {
            let odd = |c: char| c.is_control() || matches!(c, '\\' | ':');
            !part.is_empty() && part.len() <= 200 && !part.starts_with('.') && !part.contains(odd)
        };
        (path.len() <= 1000 && path.split('/').all(part)).then(|| Self(path.to_owned()))
    }

    /// The name as it is in the repository.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Where it is under a folder.
    pub fn under(&self, folder: &Path) -> PathBuf {
        folder.join(&self.0)
    }
}

impl fmt::Display for FileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// Picks what is wanted, small files first: what is refused is refused before the weights come down.
pub(super) fn choose(
    listing: &[RemoteFile],
    wanted: &Wanted,
) -> Result<Vec<Chosen>, SelectionError> {
    let picked: Vec<&RemoteFile> = match wanted {
        Wanted::Guard => {
            let guard = listing.iter().filter(|file| {
                let in_top_folder = !file.path.contains('/');
                is_weights(&file.path) && in_top_folder
                    || PARTS_OF_A_GUARD.contains(&file.path.as_str())
            });
            guard.collect()
        }
        Wanted::Named(globs) => listing.iter().filter(|file| globs.is_match(&file.path)).collect(),
    };
    let gguf = || -> Vec<String> {
        let files = listing.iter().filter(|file| file.path.ends_with(".gguf"));
        files.map(|file| file.path.escape_debug().to_string()).collect()
    };
    match wanted {
        Wanted::Guard => {
            if !picked.iter().any(|file| is_weights(&file.path)) {
                return Err(SelectionError::NoWeights { gguf: gguf() });
            }
            for part in INDISPENSABLE {
                if !picked.iter().any(|file| file.path == part) {
                    return Err(SelectionError::NoPart(part));
                }
            }
        }
        Wanted::Named(_) if picked.is_empty() => {
            return Err(SelectionError::NoSuchFile { gguf: gguf() });
        }
        Wanted::Named(_) => {}
    }
    let mut chosen = picked.into_iter().map(Chosen::of).collect::<Result<Vec<_>, _>>()?;
    chosen.sort_by(|a, b| (is_large(a), &a.name).cmp(&(is_large(b), &b.name)));
    chosen.dedup_by(|a, b| a.name == b.name);
    Ok(chosen)
}

impl Chosen {
    fn of(file: &RemoteFile) -> Result<Self, SelectionError> {
        let Some(name) = FileName::parse(&file.path) else {
            let name = format!("{:?}", file.path);
            return Err(SelectionError::Stray { name });
        };
        if !HARMLESS.iter().any(|kind| has_extension(&file.path, kind)) {
            return Err(SelectionError::MayRun { name: file.path.clone() });
        }
        let Some(checksum) = file.checksum else {
            return Err(SelectionError::NoChecksum(name));
        };
        Ok(Self { name, size: file.size, checksum })
    }
}

fn is_weights(path: &str) -> bool {
    has_extension(path, "safetensors")
}

fn is_large(file: &Chosen) -> bool {
    !has_extension(file.name.as_str(), "json")
}

fn has_extension(path: &str, extension: &str) -> bool {
    path.rsplit_once('.').is_some_and(|(_, found)| found == extension)
}

fn or_these(gguf: &[String]) -> String {
    if gguf.is_empty() {
        return String::new();
    }
    format!("; --file NAME fetches one of: {}", gguf.join(", "))
}

#[cfg(test)]
mod tests {
    use globset::{Glob, GlobSet, GlobSetBuilder};

    use super::{FileName, SelectionError, Wanted, choose};
    use crate::hub::checksum::Checksum;
    use crate::hub::listing::RemoteFile;

    fn listing(paths: &[&str]) -> Vec<RemoteFile> {
        let checksum = Some(Checksum::GitBlob([7; 20]));
        let file = |path: &&str| RemoteFile { path: (*path).to_owned(), size: 1, checksum };
        paths.iter().map(file).collect()
    }

    fn named(globs: &[&str]) -> Wanted {
        let mut set = GlobSetBuilder::new();
        for glob in globs {
            set.add(Glob::new(glob).unwrap());
        }
        let set: GlobSet = set.build().unwrap();
        Wanted::Named(set)
    }

    fn names(paths: &[&str], wanted: &Wanted) -> Result<Vec<String>, SelectionError> {
        let chosen = choose(&listing(paths), wanted)?;
        Ok(chosen.iter().map(|file| file.name.to_string()).collect())
    }

    #[test]
    fn a_guard_is_its_weights_tokenizer_and_settings_and_nothing_that_runs() {
        let repository = [
            ".gitattributes",
            "README.md",
            "model-00002-of-00002.safetensors",
            "model-00001-of-00002.safetensors",
            "model.safetensors.index.json",
            "config.json",
            "generation_config.json",
            "modeling_guard.py",
            "original/consolidated.00.pth",
            "original/model.safetensors",
            "pytorch_model.bin",
            "tokenizer.json",
            "tokenizer_config.json",
            "../escape.safetensors",
        ];
        assert_eq!(
            names(&repository, &Wanted::Guard).unwrap(),
            [
                "config.json",
                "generation_config.json",
                "model.safetensors.index.json",
                "tokenizer.json",
                "tokenizer_config.json",
                "model-00001-of-00002.safetensors",
                "model-00002-of-00002.safetensors",
            ]
        );
    }

    #[test]
    fn what_is_no_guard_is_refused_before_anything_comes_down() {
        let check = |paths: &[&str], words: &str| {
            let refusal = names(paths, &Wanted::Guard).unwrap_err().to_string();
            assert!(refusal.contains(words), "{refusal}");
        };
        check(&["config.json", "tokenizer.json", "pytorch_model.bin"], "no *.safetensors");
        check(&["a-Q8_0.gguf"], "--file NAME fetches one of: a-Q8_0.gguf");
        check(&["config.json", "model.safetensors"], "no tokenizer.json");
        check(&["tokenizer.json", "model.safetensors"], "no config.json");
    }

    #[test]
    fn files_asked_for_by_name_come_alone() {
        let repository = ["a-Q4_K_M.gguf", "a-Q8_0.gguf", "config.json", "Q8_0/b.gguf", "x.bin"];
        assert_eq!(names(&repository, &named(&["a-Q8_0.gguf"])).unwrap(), ["a-Q8_0.gguf"]);
        assert_eq!(
            names(&repository, &named(&["*Q8_0*"])).unwrap(),
            ["Q8_0/b.gguf", "a-Q8_0.gguf"]
        );
        assert!(matches!(
            names(&repository, &named(&["x.bin"])),
            Err(SelectionError::MayRun { .. })
        ));
        assert!(matches!(
            names(&repository, &named(&["y.gguf"])),
            Err(SelectionError::NoSuchFile { gguf }) if gguf.len() == 3
        ));
    }

    #[test]
    fn names_that_could_leave_the_folder_stop_everything() {
        for path in [
            "../x.gguf",
            "/etc/x.gguf",
            "a/../../x.gguf",
            "a//x.gguf",
            "./x.gguf",
            "..\\x.gguf",
            "C:x.gguf",
            ".wardgate-pull/x.gguf",
            "a\u{1b}[2J.gguf",
            "a\0.gguf",
        ] {
            assert_eq!(FileName::parse(path), None, "{path:?}");
            let refusal = names(&[path, "good.gguf"], &named(&["*.gguf"]));
            assert!(matches!(refusal, Err(SelectionError::Stray { .. })), "{path:?}: {refusal:?}");
        }
        assert!(FileName::parse("a b/c..d-é.gguf").is_some());
    }

    #[test]
    fn what_cannot_be_checked_is_not_fetched() {
        let mut files = listing(&["x.gguf"]);
        files[0].checksum = None;
        assert!(matches!(choose(&files, &named(&["x.gguf"])), Err(SelectionError::NoChecksum(_))));
    }
}
