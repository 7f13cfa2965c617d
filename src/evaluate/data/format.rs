//! Which format a file is in, and its rows as examples.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use crate::evaluate::data::example::Example;
use crate::evaluate::data::fault::{DataFault, Wrong};
use crate::evaluate::data::lines::JsonLines;
use crate::evaluate::data::mapping::Mapping;
use crate::evaluate::data::table::Table;
use crate::evaluate::data::xstest::Edition;
use crate::evaluate::data::{behaviours, moderation, own, pairs};
use crate::taxonomy::Taxonomy;

/// A format of labelled data.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Format {
    /// XSTest, prompts or completions.
    Xstest,
    /// OpenAI's moderation set.
    OpenaiModeration,
    /// BeaverTails.
    Beavertails,
    /// ToxicChat.
    Toxicchat,
    /// HarmBench's behaviours.
    Harmbench,
    /// JailbreakBench's harmful behaviours.
    Jailbreakbench,
    /// JailbreakBench's benign behaviours.
    JailbreakbenchBenign,
    /// Our own.
    Jsonl,
}

impl Format {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Xstest,
        Self::OpenaiModeration,
        Self::Beavertails,
        Self::Toxicchat,
        Self::Harmbench,
        Self::Jailbreakbench,
        Self::JailbreakbenchBenign,
        Self::Jsonl,
    ];

    /// What it is called on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Xstest => "xstest",
            Self::OpenaiModeration => "openai-moderation",
            Self::Beavertails => "beavertails",
            Self::Toxicchat => "toxicchat",
            Self::Harmbench => "harmbench",
            Self::Jailbreakbench => "jailbreakbench",
            Self::JailbreakbenchBenign => "jailbreakbench-benign",
            Self::Jsonl => "jsonl",
        }
    }

    /// How its labels are looked up.
    fn labels(self) -> &'static str {
        match self {
            Self::JailbreakbenchBenign => "jailbreakbench",
            other => other.name(),
        }
    }

    /// How many rows the file that everybody knows by this name has.
    fn published_rows(self) -> Option<u64> {
        match self {
            Self::Xstest => Some(450),
            Self::OpenaiModeration => Some(1680),
            _ => None,
        }
    }
}

/// A file of labelled data: `FORMAT:PATH` on the command line.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Dataset {
    /// How it is written.
    pub format: Format,
    /// Where it lies.
    pub path: PathBuf,
}

impl FromStr for Dataset {
    type Err = String;

    fn from_str(written: &str) -> Result<Self, Self::Err> {
        let names = || Format::ALL.map(Format::name).join(", ");
        let Some((format, path)) = written.split_once(':') else {
            return Err(format!("write FORMAT:PATH, with FORMAT one of: {}", names()));
        };
        let known = Format::ALL.into_iter().find(|known| known.name() == format);
        let Some(format) = known else {
            return Err(format!("there is no format `{format}`; there are: {}", names()));
        };
        Ok(Self { format, path: PathBuf::from(path) })
    }
}

impl fmt::Display for Dataset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.format.name(), self.path.display())
    }
}

impl Dataset {
    /// What a table calls it: the published sets by their names, others by their files'.
    pub fn name(&self) -> String {
        let file = self.path.file_name().unwrap_or_default().to_string_lossy();
        let stem = file.split('.').next().unwrap_or_default();
        if self.format == Format::Jsonl { stem.to_owned() } else { self.format.name().to_owned() }
    }

    /// Its rows, one at a time. The first fault is the last item.
    ///
    /// # Errors
    ///
    /// When it cannot be opened or its header is not of this format.
    pub fn examples<'a>(
        &self,
        mapping: &'a Mapping,
        taxonomy: &'a Taxonomy,
    ) -> Result<impl Iterator<Item = Result<Example, DataFault>> + use<'a>, DataFault> {
        let (format, path) = (self.format, self.path.clone());
        let mut rows = Rows::open(format, &path)?;
        let mut over = false;
        Ok(std::iter::from_fn(move || {
            if over {
                return None;
            }
            let (line, read) = rows.next(format, mapping, taxonomy)?;
            over = read.is_err();
            Some(match read {
                Ok(example) => Ok(Example { line, ..example }),
                Err(wrong) => Err(DataFault { file: path.clone(), line: Some(line), wrong }),
            })
        }))
    }

    /// Whether these are as many rows as it should have: at least one, and where the format is one
    /// file everybody knows, as many as that has, unless `partial` says that others are meant.
    ///
    /// # Errors
    ///
    /// When not.
    pub fn expect_rows(&self, found: u64, answers: bool, partial: bool) -> Result<(), DataFault> {
        let fault = |wrong| DataFault { file: self.path.clone(), line: None, wrong };
        if found == 0 {
            return Err(fault(Wrong::NoRow));
        }
        match self.format.published_rows().filter(|_| !answers && !partial) {
            Some(published) if published != found => {
                Err(fault(Wrong::OtherSize { format: self.format.name(), found, published }))
            }
            _ => Ok(()),
        }
    }
}

enum Rows {
    Json(JsonLines),
    Table(Table, Option<Edition>),
}

impl Rows {
    fn open(format: Format, path: &Path) -> Result<Self, DataFault> {
        let fault = |wrong| DataFault { file: path.to_owned(), line: Some(1), wrong };
        let needing = |columns: &[&'static str], known: &'static str| {
            let table = Table::open(path)?;
            match columns.iter().find(|column| !table.has(&[column])) {
                None => Ok(Self::Table(table, None)),
                Some(missing) => {
                    Err(fault(Wrong::Header { format: format.name(), missing, known }))
                }
            }
        };
        match format {
            Format::OpenaiModeration | Format::Beavertails | Format::Jsonl => {
                Ok(Self::Json(JsonLines::open(path)?))
            }
            Format::Xstest => {
                let table = Table::open(path)?;
                let edition = Edition::of(&table).map_err(fault)?;
                Ok(Self::Table(table, Some(edition)))
            }
            Format::Harmbench => needing(&["Behavior"], behaviours::HARMBENCH),
            Format::Jailbreakbench | Format::JailbreakbenchBenign => {
                needing(&["Goal"], behaviours::JAILBREAKBENCH)
            }
            Format::Toxicchat => {
                let mut lines = JsonLines::open(path)?;
                if matches!(lines.next(), Some((_, Ok(_)))) {
                    return Ok(Self::Json(JsonLines::open(lines.path())?));
                }
                needing(&["user_input", "toxicity"], "conv_id,user_input,…,toxicity,jailbreaking")
            }
        }
    }

    fn next(
        &mut self,
        format: Format,
        mapping: &Mapping,
        taxonomy: &Taxonomy,
    ) -> Option<(u64, Result<Example, Wrong>)> {
        let labels = mapping.of(format.labels());
        match self {
            Self::Json(lines) => {
                let (line, row) = lines.next()?;
                let example = row.and_then(|row| match format {
                    Format::OpenaiModeration => moderation::openai(&row, &labels),
                    Format::Beavertails => pairs::beavertails(&row, &labels),
                    Format::Toxicchat => moderation::toxicchat(&row),
                    _ => own::jsonl(&row, taxonomy),
                });
                Some((line, example))
            }
            Self::Table(table, Some(edition)) => table.next(|row| edition.read(row, &labels)),
            Self::Table(table, None) => table.next(|row| match format {
                Format::Toxicchat => moderation::toxicchat_row(row),
                Format::Harmbench => behaviours::harmbench(row, &labels),
                _ => {
                    let harmful = format == Format::Jailbreakbench;
                    behaviours::jailbreakbench(row, &labels, harmful)
                }
            }),
        }
    }
}
