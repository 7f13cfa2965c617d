//! `wardgate pull`: a guard from the Hugging Face hub into a folder.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Args;
use globset::{Glob, GlobSetBuilder};
use serde_json::{Value, json};

use crate::cli::progress::Progress;
use crate::cli::{check, output};
use crate::hub::{
    self, Checksum, Endpoint, How, Order, Pulled, Repository, Revision, Settings, Size, Token,
    Wanted,
};

/// Fetches a guard. HF_ENDPOINT names another hub, HF_TOKEN opens what is gated or private.
#[derive(Args)]
pub(super) struct Pull {
    /// The repository, as in meta-llama/Meta-Llama-Guard-2-8B.
    #[arg(value_name = "REPO")]
    repository: Repository,
    /// The folder for the guard; made if it is missing.
    #[arg(long, value_name = "DIR")]
    to: PathBuf,
    /// A branch, a tag or a commit.
    #[arg(long, default_value = "main")]
    revision: Revision,
    /// Only the files of this name or glob, as in '*Q8_0.gguf'; may be given several times.
    #[arg(long = "file", value_name = "NAME")]
    files: Vec<Glob>,
    /// How often in a row a broken connection is tried again.
    #[arg(long, default_value_t = Settings::default().retries)]
    retries: u32,
    /// Prints one JSON object.
    #[arg(long)]
    json: bool,
}

impl Pull {
    pub(super) fn run(self) -> Result<ExitCode> {
        let settings = match self.settings() {
            Ok(settings) => settings,
            Err(wrong) => {
                output::complain(&format!("{wrong:#}"));
                return Ok(ExitCode::from(2));
            }
        };
        if settings.token.is_some() && settings.endpoint.is_overheard() {
            let endpoint = &settings.endpoint;
            output::complain(&format!("warning: HF_TOKEN goes to {endpoint} unencrypted"));
        }
        let order = Order {
            repository: self.repository.clone(),
            revision: self.revision.clone(),
            wanted: self.wanted()?,
            folder: self.to.clone(),
        };
        let mut progress = Progress::new();
        let pulled = hub::pull(&order, &settings, &mut |step| progress.show(step));
        progress.close();
        match pulled {
            Ok(pulled) => {
                self.report(&pulled)?;
                Ok(ExitCode::SUCCESS)
            }
            Err(fault) if self.json => {
                output::say(&json!({"ok": false, "what": fault.to_string()}).to_string())?;
                Ok(ExitCode::FAILURE)
            }
            Err(fault) => Err(fault.into()),
        }
    }

    fn settings(&self) -> Result<Settings> {
        // An empty variable is how shells unset one for a single command.
        let set = |name: &str| check::env(name).filter(|value| !value.trim().is_empty());
        let mut settings = Settings { retries: self.retries, ..Settings::default() };
        if let Some(endpoint) = set("HF_ENDPOINT") {
            settings.endpoint = endpoint.parse::<Endpoint>().context("HF_ENDPOINT")?;
        }
        if let Some(token) = set("HF_TOKEN") {
            settings.token = Some(Token::new(token.trim()).context("HF_TOKEN")?);
        }
        Ok(settings)
    }

    fn wanted(&self) -> Result<Wanted> {
        if self.files.is_empty() {
            return Ok(Wanted::Guard);
        }
        let mut globs = GlobSetBuilder::new();
        for glob in &self.files {
            globs.add(glob.clone());
        }
        Ok(Wanted::Named(globs.build()?))
    }

    fn report(&self, pulled: &Pulled) -> Result<()> {
        let guard = self.loadable(pulled);
        if self.json {
            let files: Vec<Value> = pulled
                .files
                .iter()
                .map(|file| {
                    let (name, how) = (file.name.as_str(), word(file.how));
                    let checksum = file.checksum.to_string();
                    json!({"name": name, "bytes": file.bytes, "checksum": checksum, "how": how})
                })
                .collect();
            let result = json!({
                "ok": true,
                "repository": self.repository.to_string(),
                "revision": self.revision.as_str(),
                "commit": pulled.commit,
                "folder": self.to,
                "files": files,
                "folder_bytes": pulled.folder_bytes,
                "guard": guard,
            });
            return output::say(&result.to_string());
        }
        let widest = pulled.files.iter().map(|file| file.name.as_str().len()).max().unwrap_or(0);
        for file in &pulled.files {
            // git's checksums are of no use outside git; sha256sum checks the others.
            let checksum = match file.checksum {
                Checksum::Sha256(_) => file.checksum.to_string(),
                Checksum::GitBlob(_) => String::new(),
            };
            let line = format!(
                "{:widest$}  {:>9}  {:<7}  {checksum}",
                file.name,
                Size(file.bytes),
                word(file.how)
            );
            output::say(line.trim_end())?;
        }
        let (folder, size) = (self.to.display(), Size(pulled.folder_bytes));
        output::say(&format!("{folder} holds {size}; commit {}", pulled.commit))?;
        if let Some(guard) = guard {
            let guard = quoted(&guard.display().to_string());
            let next = format!("next: wardgate classify --guard {guard} \"How do I bake bread?\"");
            output::say(&next)?;
        }
        Ok(())
    }

    /// What `--guard` is to be given: the folder, or the GGUF file that was asked for.
    fn loadable(&self, pulled: &Pulled) -> Option<PathBuf> {
        if self.files.is_empty() {
            return Some(self.to.clone());
        }
        let gguf = pulled.files.iter().find(|file| file.name.as_str().ends_with(".gguf"));
        gguf.map(|file| file.name.under(&self.to))
    }
}

fn word(how: How) -> &'static str {
    match how {
        How::Present => "present",
        How::Fetched => "fetched",
        How::Resumed => "resumed",
    }
}

/// For a shell, in quotes where it needs them.
fn quoted(path: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "/._-+,:@%=".contains(c);
    if path.chars().all(plain) {
        path.to_owned()
    } else {
        format!("'{}'", path.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn the_next_command_can_be_typed_as_it_is_printed() {
        let check = |path: &str, expected: &str| assert_eq!(quoted(path), expected);
        check("/srv/models/Meta-Llama-Guard-2-8B", "/srv/models/Meta-Llama-Guard-2-8B");
        check("my guards/it's", r"'my guards/it'\''s'");
    }
}
