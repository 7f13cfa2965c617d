//! One report that stands alone: a page of HTML with its plots inside, and the same as Markdown with the
//! plots beside it.

use std::fmt::Write as _;
use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::evaluate::chart::{Chart, ChartError};
use crate::evaluate::measure::Measured;
use crate::evaluate::plots;
use crate::evaluate::tables::{escaped, of_sets};

/// Why a report cannot be written.
#[derive(Debug, Error)]
pub enum ReportError {
    /// A plot cannot be drawn.
    #[error(transparent)]
    Chart(#[from] ChartError),
    /// A file cannot be written.
    #[error("{path}: {cause}")]
    Write {
        /// Which.
        path: PathBuf,
        /// What the system says.
        cause: io::Error,
    },
}

const STYLE: &str = "body{font:15px/1.5 system-ui,sans-serif;max-width:80rem;margin:2rem auto;padding:0 1rem}\
table{border-collapse:collapse;display:block;overflow-x:auto}\
td,th{padding:.2rem .6rem;border-bottom:1px solid #ddd;text-align:right;white-space:nowrap}\
td:first-child,th:first-child{text-align:left}\
.plots{display:flex;flex-wrap:wrap;gap:1rem}svg{max-width:100%;height:auto}";

/// Writes report.html, report.md and the plots into a folder.
///
/// # Errors
///
/// When a plot cannot be drawn or a file cannot be written.
pub fn write_report(
    folder: &Path,
    guard: &str,
    data: &[String],
    sets: &[Measured],
) -> Result<(), ReportError> {
    let title = format!("How good is {guard}?");
    let mut markdown = format!("# {title}\n\n");
    let mut html = format!(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n<title>{0}</title>\n\
         <style>{STYLE}</style>\n<h1>{0}</h1>\n<ul>\n",
        escaped(&title)
    );
    for data in data {
        let _ = writeln!(markdown, "* {data}");
        let _ = writeln!(html, "<li>{}</li>", escaped(data));
    }
    html.push_str("</ul>\n");
    markdown.push('\n');
    for table in of_sets(sets) {
        let _ = writeln!(markdown, "{}", table.markdown());
        html.push_str(&table.html());
    }
    for set in sets {
        let _ = writeln!(markdown, "### {}: plots\n", set.name);
        let _ = writeln!(html, "<h3>{}: plots</h3>\n<div class=\"plots\">", escaped(&set.name));
        for (word, chart) in plots::of_set(set) {
            let (file, svg) = write_chart(folder, &format!("{} {word}", set.name), &chart)?;
            let _ = writeln!(markdown, "![{}]({file}.png)", chart.title);
            html.push_str(&svg);
        }
        markdown.push('\n');
        html.push_str("</div>\n");
    }
    html.push_str("</html>\n");
    write(&folder.join("report.md"), markdown.as_bytes())?;
    write(&folder.join("report.html"), html.as_bytes())
}

/// Writes a chart as SVG and PNG; gives the files' name without its ending, and the SVG.
///
/// # Errors
///
/// When it cannot be drawn or written.
pub fn write_chart(
    folder: &Path,
    name: &str,
    chart: &Chart,
) -> Result<(String, String), ReportError> {
    let plain = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
    let file: String = name.chars().map(plain).collect();
    let svg = chart.svg()?;
    write(&folder.join(format!("{file}.svg")), svg.as_bytes())?;
    write(&folder.join(format!("{file}.png")), &chart.png()?)?;
    Ok((file, svg))
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), ReportError> {
    std::fs::write(path, bytes).map_err(|cause| ReportError::Write { path: path.to_owned(), cause })
}
