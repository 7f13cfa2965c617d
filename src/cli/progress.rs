//! How far a pull is: a bar where somebody looks at a terminal, plain lines where not. On stderr.

use std::io::{self, IsTerminal as _};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::cli::output;
use crate::hub::{Size, Step};

/// The bar of the file at hand, or the lines in its stead.
pub(super) struct Progress {
    bar: Option<ProgressBar>,
    /// Of the file at hand: how much of it is there, and how large it is.
    came: u64,
    bytes: u64,
}

impl Progress {
    pub(super) fn new() -> Self {
        let bar = io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
            let look = "{msg} {wide_bar} {decimal_bytes}/{decimal_total_bytes} {decimal_bytes_per_sec} {eta}";
            // The template is a constant; without it the bar has another look.
            if let Ok(style) = ProgressStyle::with_template(look) {
                bar.set_style(style);
            }
            bar
        });
        Self { bar, came: 0, bytes: 0 }
    }

    pub(super) fn show(&mut self, step: Step<'_>) {
        match step {
            Step::Chosen { commit, files, bytes } => {
                self.say(&format!("{files} files, {}, at commit {commit}", Size(bytes)));
            }
            Step::Waiting => {
                self.say("another pull is at work in this folder; waiting for it to end")
            }
            Step::Checking { name, bytes } => self.begin("checking", name.as_str(), 0, bytes),
            Step::Present { name } => self.end(&format!("{name} is there")),
            Step::Differs { name } => {
                self.end(&format!("{name} is not what the hub has, and will be replaced"));
            }
            Step::Fetching { name, from, bytes } => {
                self.begin("fetching", name.as_str(), from, bytes);
            }
            Step::Came(bytes) => self.advance(bytes),
            Step::Restarted { name } => {
                self.say(&format!("{name} begins anew"));
                self.advance_to(0);
            }
            Step::Retrying { cause, pause } => {
                self.say(&format!("{cause}; again in {} s", pause.as_secs_f32().ceil()));
            }
            Step::Fetched { name } => self.end(&format!("{name} is there and right")),
        }
    }

    /// Takes the bar off the terminal.
    pub(super) fn close(self) {
        if let Some(bar) = self.bar {
            bar.finish_and_clear();
        }
    }

    fn begin(&mut self, what: &str, name: &str, from: u64, bytes: u64) {
        (self.came, self.bytes) = (from, bytes);
        match &self.bar {
            Some(bar) => {
                bar.reset();
                bar.set_length(bytes);
                bar.set_position(from);
                bar.set_message(format!("{what} {name}"));
            }
            None => output::complain(&format!("{what} {name}, {}", Size(bytes))),
        }
    }

    fn advance(&mut self, bytes: u64) {
        self.advance_to(self.came.saturating_add(bytes));
    }

    /// Moves the bar; without one, every tenth of something large is a line.
    fn advance_to(&mut self, came: u64) {
        const LARGE: u64 = 100_000_000;
        let tenths = |came: u64| u128::from(came) * 10 / u128::from(self.bytes.max(1));
        match &self.bar {
            Some(bar) => bar.set_position(came),
            None if self.bytes >= LARGE && tenths(came) > tenths(self.came) => {
                output::complain(&format!("  {} of {}", Size(came), Size(self.bytes)));
            }
            None => {}
        }
        self.came = came;
    }

    fn end(&self, line: &str) {
        if let Some(bar) = &self.bar {
            bar.set_message("");
        }
        self.say(line);
    }

    fn say(&self, line: &str) {
        match &self.bar {
            Some(bar) => bar.suspend(|| output::complain(line)),
            None => output::complain(line),
        }
    }
}
