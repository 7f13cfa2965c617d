//! An audit draft grows with the exchange and closes its record, at the latest when it is dropped.

use std::borrow::Cow;
use std::time::Instant;

use serde_json::{Map, Value};

use crate::audit::log::{AuditError, AuditLog};
use crate::audit::record::{Outcome, PhaseRecord, millis};
use crate::policy::Phase;

/// What is known of an exchange from its first moment.
#[derive(Clone, Debug)]
pub struct Opening {
    /// Its id.
    pub exchange: String,
    /// Who asks.
    pub tenant: String,
    /// Under which version of which policy.
    pub policy: String,
    /// On which route.
    pub route: Cow<'static, str>,
    /// Who judges.
    pub guard: String,
}

/// The growing account of an exchange.
pub struct AuditDraft {
    log: AuditLog,
    opening: Opening,
    model: Option<String>,
    stream: Option<bool>,
    prompt: Option<PhaseRecord>,
    response: Option<PhaseRecord>,
    started: Instant,
    stage: Stage,
    acted: Acted,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Fresh,
    Opened,
    Closed,
}

/// In which phases an action has been carried out.
#[derive(Default)]
struct Acted {
    prompt: bool,
    response: bool,
}

/// A model's name is the client's word; what is longer than any name is not kept.
const LONGEST_MODEL: usize = 256;

impl AuditDraft {
    pub(super) fn new(log: AuditLog, opening: Opening) -> Self {
        Self {
            log,
            opening,
            model: None,
            stream: None,
            prompt: None,
            response: None,
            started: Instant::now(),
            stage: Stage::Fresh,
            acted: Acted::default(),
        }
    }

    /// Notes what the request asks for.
    pub fn learn(&mut self, model: &str, stream: bool) {
        self.model = Some(model.chars().take(LONGEST_MODEL).collect());
        self.stream = Some(stream);
    }

    /// Writes the `opened` line, once: before anything leaves.
    ///
    /// # Errors
    ///
    /// When it cannot be written; then nothing may leave.
    pub fn open(&mut self) -> Result<(), AuditError> {
        if self.stage != Stage::Fresh {
            return Ok(());
        }
        let mut fields = self.head();
        fields.insert("guard".to_owned(), self.opening.guard.clone().into());
        self.log.append("opened", fields)?;
        self.stage = Stage::Opened;
        Ok(())
    }

    /// Notes what was found in the prompt.
    pub fn prompt(&mut self, record: PhaseRecord) {
        self.prompt = Some(record);
    }

    /// Notes what was found in the response, so far where it is a stream.
    pub fn response(&mut self, record: PhaseRecord) {
        self.response = Some(record);
    }

    /// Writes that an action is carried out on a phase while the exchange goes on, once for each phase;
    /// returns when the line is durable.
    ///
    /// # Errors
    ///
    /// When it cannot be written; then the action may not show.
    pub async fn act(&mut self, phase: Phase) -> Result<(), AuditError> {
        self.open()?;
        let (record, acted) = match phase {
            Phase::Prompt => (&self.prompt, &mut self.acted.prompt),
            Phase::Response => (&self.response, &mut self.acted.response),
        };
        if std::mem::replace(acted, true) || self.stage == Stage::Closed {
            return Ok(());
        }
        let record = written(record.as_ref());
        let mut fields = self.head();
        fields.insert(phase.as_str().to_owned(), record);
        let seq = self.log.append("acted", fields)?;
        self.log.durable(seq).await
    }

    /// Writes the `closed` line, once; returns when it is durable, where the outcome is an action.
    ///
    /// # Errors
    ///
    /// When it cannot be written.
    pub async fn close(&mut self, outcome: Outcome, status: u16) -> Result<(), AuditError> {
        if self.stage == Stage::Closed {
            return Ok(());
        }
        let seq = self.write_closed(outcome, Some(status))?;
        if outcome.is_action() { self.log.durable(seq).await } else { Ok(()) }
    }

    fn write_closed(&mut self, outcome: Outcome, status: Option<u16>) -> Result<u64, AuditError> {
        self.open()?;
        let mut fields = self.head();
        fields.insert("prompt".to_owned(), written(self.prompt.as_ref()));
        fields.insert("response".to_owned(), written(self.response.as_ref()));
        fields.insert("outcome".to_owned(), outcome.as_str().into());
        fields.insert("status".to_owned(), status.into());
        fields.insert("duration_ms".to_owned(), millis(self.started.elapsed()).into());
        fields.insert("guard".to_owned(), self.opening.guard.clone().into());
        let seq = self.log.append("closed", fields)?;
        self.stage = Stage::Closed;
        Ok(seq)
    }

    fn head(&self) -> Map<String, Value> {
        let mut fields = Map::new();
        fields.insert("exchange".to_owned(), self.opening.exchange.clone().into());
        fields.insert("tenant".to_owned(), self.opening.tenant.clone().into());
        fields.insert("policy".to_owned(), self.opening.policy.clone().into());
        fields.insert("route".to_owned(), self.opening.route.as_ref().into());
        fields.insert("model".to_owned(), self.model.clone().into());
        fields.insert("stream".to_owned(), self.stream.into());
        fields
    }
}

fn written(record: Option<&PhaseRecord>) -> Value {
    serde_json::to_value(record).unwrap_or_default()
}

impl Drop for AuditDraft {
    /// An exchange that ends any other way than by `close` (its client left, it panicked, the process
    /// stops) leaves its line all the same.
    fn drop(&mut self) {
        if self.stage == Stage::Closed {
            return;
        }
        let outcome = if std::thread::panicking() { Outcome::Failed } else { Outcome::Abandoned };
        if let Err(error) = self.write_closed(outcome, None) {
            let exchange = &self.opening.exchange;
            tracing::error!(%error, exchange, "an exchange could not be closed in the audit log");
        }
    }
}
