//! Files as readers and lines, gzip unpacked on the way.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use flate2::bufread::MultiGzDecoder;
use serde_json::{Map, Value};

use crate::evaluate::data::fault::{DataFault, Wrong};

/// No text is longer; what is, is no line of labelled data.
const LONGEST: usize = 16 << 20;
const GZIP: [u8; 2] = [0x1f, 0x8b];

/// A file, unpacked where its first bytes say that it is gzip, without a byte-order mark.
pub(super) fn open(path: &Path) -> Result<Box<dyn BufRead + Send>, DataFault> {
    let fault = |error| DataFault { file: path.to_owned(), line: None, wrong: Wrong::Read(error) };
    let mut file = BufReader::with_capacity(1 << 16, File::open(path).map_err(fault)?);
    let mut reader: Box<dyn BufRead + Send> = if file.fill_buf().map_err(fault)?.starts_with(&GZIP)
    {
        Box::new(BufReader::with_capacity(1 << 16, MultiGzDecoder::new(file)))
    } else {
        Box::new(file)
    };
    if reader.fill_buf().map_err(fault)?.starts_with("\u{feff}".as_bytes()) {
        reader.consume('\u{feff}'.len_utf8());
    }
    Ok(reader)
}

/// The JSON objects of a file, one a line, each with its number.
pub(super) struct JsonLines {
    path: PathBuf,
    reader: Box<dyn BufRead + Send>,
    line: Vec<u8>,
    number: u64,
}

impl JsonLines {
    pub(super) fn open(path: &Path) -> Result<Self, DataFault> {
        Ok(Self { path: path.to_owned(), reader: open(path)?, line: Vec::new(), number: 0 })
    }

    fn read(&mut self) -> Result<Option<Map<String, Value>>, Wrong> {
        loop {
            self.line.clear();
            self.number += 1;
            let bound = u64::try_from(LONGEST).unwrap_or(u64::MAX) + 1;
            let mut bounded = self.reader.by_ref().take(bound);
            if bounded.read_until(b'\n', &mut self.line).map_err(Wrong::Read)? == 0 {
                return Ok(None);
            }
            if self.line.len() > LONGEST {
                return Err(Wrong::TooLong(LONGEST));
            }
            let text = std::str::from_utf8(&self.line).map_err(|_| Wrong::NotUtf8)?.trim();
            if !text.is_empty() {
                return serde_json::from_str(text).map(Some).map_err(Wrong::Json);
            }
        }
    }
}

impl Iterator for JsonLines {
    type Item = (u64, Result<Map<String, Value>, Wrong>);

    fn next(&mut self) -> Option<Self::Item> {
        let read = self.read().transpose()?;
        Some((self.number, read))
    }
}

impl JsonLines {
    /// Whose lines they are.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

/// A field that is a text.
pub(super) fn text<'a>(row: &'a Map<String, Value>, field: &'static str) -> Result<&'a str, Wrong> {
    match row.get(field) {
        None | Some(Value::Null) => Err(Wrong::Missing(field)),
        Some(Value::String(text)) if text.trim().is_empty() => Err(Wrong::Empty(field)),
        Some(Value::String(text)) => Ok(text),
        Some(_) => Err(Wrong::NotA { field, wanted: "a text" }),
    }
}

/// A field that says yes or no, as a boolean or as 1 and 0; `None` where it is not there.
pub(super) fn flag(row: &Map<String, Value>, field: &'static str) -> Result<Option<bool>, Wrong> {
    match row.get(field) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Bool(flag)) => Ok(Some(*flag)),
        Some(value) => yes_or_no(&value.to_string())
            .map(Some)
            .ok_or(Wrong::NotA { field, wanted: "true, false, 1 or 0" }),
    }
}

/// 1 and 0 in the spellings that tables have.
pub(super) fn yes_or_no(written: &str) -> Option<bool> {
    match written.trim().trim_matches('"').to_ascii_lowercase().as_str() {
        "1" | "1.0" | "true" => Some(true),
        "0" | "0.0" | "false" => Some(false),
        _ => None,
    }
}
