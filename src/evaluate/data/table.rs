//! CSV files by the names of their columns.

use std::io::BufRead;
use std::path::Path;

use csv::{ErrorKind, Reader, ReaderBuilder, StringRecord};

use crate::evaluate::data::fault::{DataFault, Wrong};
use crate::evaluate::data::lines;

/// A CSV file with a header.
pub(super) struct Table {
    reader: Reader<Box<dyn BufRead + Send>>,
    header: StringRecord,
    record: StringRecord,
}

/// One row of it.
pub(super) struct Row<'a> {
    header: &'a StringRecord,
    record: &'a StringRecord,
}

impl Table {
    pub(super) fn open(path: &Path) -> Result<Self, DataFault> {
        let mut reader = ReaderBuilder::new().from_reader(lines::open(path)?);
        let header = match reader.headers() {
            Ok(header) => header.iter().map(|name| name.trim().to_owned()).collect(),
            Err(error) => {
                let (line, wrong) = wrong(error);
                return Err(DataFault { file: path.to_owned(), line, wrong });
            }
        };
        Ok(Self { reader, header, record: StringRecord::new() })
    }

    /// Whether it has all these columns.
    pub(super) fn has(&self, columns: &[&str]) -> bool {
        columns.iter().all(|column| self.header.iter().any(|name| name == *column))
    }

    /// Reads the next row and makes something of it.
    pub(super) fn next<T>(
        &mut self,
        make: impl FnOnce(&Row<'_>) -> Result<T, Wrong>,
    ) -> Option<(u64, Result<T, Wrong>)> {
        match self.reader.read_record(&mut self.record) {
            Ok(false) => None,
            Ok(true) => {
                let line = self.record.position().map_or(0, csv::Position::line);
                let row = Row { header: &self.header, record: &self.record };
                Some((line, make(&row)))
            }
            Err(error) => {
                let (line, wrong) = wrong(error);
                Some((line.unwrap_or(0), Err(wrong)))
            }
        }
    }
}

impl Row<'_> {
    /// What stands in a column, if there is one and something in it.
    pub(super) fn get(&self, column: &str) -> Option<&str> {
        let at = self.header.iter().position(|name| name == column)?;
        self.record.get(at).filter(|value| !value.trim().is_empty())
    }

    /// What has to stand in a column.
    pub(super) fn text(&self, column: &'static str) -> Result<&str, Wrong> {
        self.get(column).ok_or(Wrong::Empty(column))
    }
}

fn wrong(error: csv::Error) -> (Option<u64>, Wrong) {
    let line = error.position().map(csv::Position::line);
    let wrong = match error.kind() {
        ErrorKind::UnequalLengths { expected_len, len, .. } => {
            Wrong::Fields { found: *len, expected: *expected_len }
        }
        ErrorKind::Utf8 { .. } => Wrong::NotUtf8,
        ErrorKind::Io(_) => match error.into_kind() {
            ErrorKind::Io(cause) => Wrong::Read(cause),
            _ => Wrong::NotUtf8,
        },
        _ => Wrong::Csv(error),
    };
    (line, wrong)
}
