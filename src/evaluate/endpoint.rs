//! A guard at the other end of a wire: any endpoint that answers as OpenAI's `/v1/moderations` does, a
//! running gateway's among them.
//!
//! Such an endpoint takes a text and no conversation, so an answer is judged without its question. Where it
//! does not say how unsafe a text is on the whole, the highest of its categories' scores counts.

use std::time::Duration;

use http::Uri;
use http::header::AUTHORIZATION;
use serde_json::{Value, json};
use thiserror::Error;
use ureq::Agent;

use crate::evaluate::data::Mapping;
use crate::taxonomy::Taxonomy;
use crate::transcript::Transcript;
use crate::verdict::{Judgement, Score, Scores, Unscored};

const PATH: &str = "/moderations";
/// The mapping's section for its categories.
const SECTION: &str = "moderations";
/// How long it may take over a text.
const PATIENCE: Duration = Duration::from_secs(120);
/// How often something that may pass is tried again.
const RETRIES: u32 = 4;

/// A moderation endpoint.
#[derive(Clone)]
pub struct Endpoint {
    agent: Agent,
    address: String,
    key: Option<String>,
    model: Option<String>,
    mapping: Mapping,
    taxonomy: Taxonomy,
}

/// Why an endpoint cannot be used.
#[derive(Debug, Error)]
pub enum EndpointError {
    /// The address is none.
    #[error("`{0}` is not an address; write http://127.0.0.1:8080/v1")]
    Address(String),
    /// Nothing answers.
    #[error("{address}: {cause}")]
    Unreachable {
        /// Where.
        address: String,
        /// What the network says.
        cause: ureq::Error,
    },
    /// It refuses.
    #[error("{address} answered {status}; {hint}")]
    Status {
        /// Where.
        address: String,
        /// With what.
        status: u16,
        /// What may help.
        hint: &'static str,
    },
    /// It answers something else.
    #[error(
        "{address} does not answer as /v1/moderations does: there is no `results[0]` with scores"
    )]
    Answer {
        /// Where.
        address: String,
    },
    /// The thread that asked is gone.
    #[error("{address}: the request was dropped")]
    Dropped {
        /// Where.
        address: String,
    },
}

impl Endpoint {
    /// The endpoint of an API with this base URL, or at this very address where it ends with
    /// `/moderations`. The categories of its answers are looked up in `mapping`.
    ///
    /// # Errors
    ///
    /// When the address is none.
    pub fn new(
        url: &str,
        key: Option<String>,
        model: Option<String>,
        mapping: &Mapping,
        taxonomy: &Taxonomy,
    ) -> Result<Self, EndpointError> {
        let base = url.trim_end_matches('/');
        let address = if base.ends_with(PATH) { base.to_owned() } else { format!("{base}{PATH}") };
        let uri: Uri = address.parse().map_err(|_| EndpointError::Address(url.to_owned()))?;
        if !matches!(uri.scheme_str(), Some("http" | "https")) || uri.host().is_none() {
            return Err(EndpointError::Address(url.to_owned()));
        }
        let config = Agent::config_builder()
            .timeout_global(Some(PATIENCE))
            .http_status_as_error(false)
            .max_redirects(0)
            .build();
        let (mapping, taxonomy) = (mapping.clone(), taxonomy.clone());
        Ok(Self { agent: config.new_agent(), address, key, model, mapping, taxonomy })
    }

    /// What it is called where scores are kept.
    pub fn label(&self) -> String {
        match &self.model {
            Some(model) => format!("{}#{model}", self.address),
            None => self.address.clone(),
        }
    }

    /// What it says of a text.
    ///
    /// # Errors
    ///
    /// When it does not answer, or otherwise than it should.
    pub async fn judge(&self, transcript: Transcript) -> Result<Judgement, EndpointError> {
        let endpoint = self.clone();
        let asked = tokio::task::spawn_blocking(move || endpoint.ask(&transcript)).await;
        asked.unwrap_or_else(|_| Err(EndpointError::Dropped { address: self.address.clone() }))
    }

    fn ask(&self, transcript: &Transcript) -> Result<Judgement, EndpointError> {
        let text = &transcript.judged().text;
        let mut body = json!({"input": text.as_ref()});
        if let (Some(model), Some(body)) = (&self.model, body.as_object_mut()) {
            body.insert("model".to_owned(), model.as_str().into());
        }
        let body = body.to_string();
        let mut tries = 0;
        loop {
            let answer = self.send(&body);
            match answer {
                Err(EndpointError::Status { status: 429 | 500..=599, .. })
                | Err(EndpointError::Unreachable { .. })
                    if tries < RETRIES =>
                {
                    std::thread::sleep(Duration::from_millis(250 << tries));
                    tries += 1;
                }
                Err(error) => return Err(error),
                Ok(answer) => {
                    let length = text.chars().count() as u64;
                    if let Some(reason) = unscored(&answer) {
                        return Ok(Judgement::unscored(reason, length));
                    }
                    let scores = self
                        .scores(&answer)
                        .ok_or_else(|| EndpointError::Answer { address: self.address.clone() })?;
                    return Ok(Judgement::read(scores, length));
                }
            }
        }
    }

    fn send(&self, body: &str) -> Result<Value, EndpointError> {
        let unreachable =
            |cause| EndpointError::Unreachable { address: self.address.clone(), cause };
        let mut request = self.agent.post(&self.address).header("content-type", "application/json");
        if let Some(key) = &self.key {
            request = request.header(AUTHORIZATION, format!("Bearer {key}"));
        }
        let mut answer = request.send(body).map_err(unreachable)?;
        let status = answer.status().as_u16();
        let is_no_verdict = |answer: &Value| unscored(answer).is_some();
        if status != 200 {
            let refusal = answer.body_mut().read_to_string().unwrap_or_default();
            if let Some(refusal) = serde_json::from_str(&refusal).ok().filter(is_no_verdict) {
                return Ok(refusal);
            }
            let hint = match status {
                401 | 403 => "name the variable that holds its key with --key-env",
                404 => "it has no such path; is it the base URL of an API?",
                429 => "it wants fewer requests; the same command goes on later",
                _ => "its own log may say why",
            };
            return Err(EndpointError::Status { address: self.address.clone(), status, hint });
        }
        let text = answer.body_mut().read_to_string().map_err(unreachable)?;
        serde_json::from_str(&text)
            .map_err(|_| EndpointError::Answer { address: self.address.clone() })
    }

    /// The scores of an answer, by the guard's own codes where it has them, or else by the mapping.
    fn scores(&self, answer: &Value) -> Option<Scores> {
        let result = answer.get("results")?.get(0)?;
        let labels = self.mapping.of(SECTION);
        let mut first = vec![Score::ZERO; self.taxonomy.len()];
        let mut highest = None;
        for (name, score) in result.get("category_scores").and_then(Value::as_object)? {
            // OpenAI's newer categories are null for its older models.
            let Some(score) = score.as_f64() else { continue };
            #[expect(clippy::cast_possible_truncation, reason = "scores are of single precision")]
            let score = Score::new(score as f32)?;
            highest = Some(highest.map_or(score, |high: Score| high.max(score)));
            let own = [name.clone()];
            let codes = match self.taxonomy.by_code(name) {
                Some(_) => &own,
                None => labels.codes(name).unwrap_or_default(),
            };
            for category in codes.iter().filter_map(|code| self.taxonomy.by_code(code)) {
                if let Some(of_category) = first.get_mut(category.index()) {
                    *of_category = of_category.max(score);
                }
            }
        }
        #[expect(clippy::cast_possible_truncation, reason = "scores are of single precision")]
        let whole = answer
            .pointer("/wardgate/unsafe")
            .or_else(|| result.pointer("/wardgate/unsafe"))
            .and_then(Value::as_f64)
            .and_then(|score| Score::new(score as f32));
        Some(Scores::new(whole.or(highest)?, first))
    }
}

/// Why a gateway of ours has no verdict on all of a text, where sending it again would not help: told
/// beside the scores, or in their place where its policy refuses for want of one.
fn unscored(answer: &Value) -> Option<Unscored> {
    if answer.pointer("/error/code").and_then(Value::as_str) == Some("content_unreadable") {
        return Some(Unscored::Unreadable);
    }
    let code = answer.pointer("/results/0/wardgate/unscored")?.as_str()?;
    [Unscored::Unreadable, Unscored::TooLong, Unscored::Derailed, Unscored::NotFinite]
        .into_iter()
        .find(|reason| reason.code() == code)
}
