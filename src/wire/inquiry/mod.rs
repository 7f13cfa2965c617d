//! What other programs ask of the guard: not an answer, but an opinion.
//!
//! Each [`Endpoint`] speaks an API of somebody else, so that those who use another gateway can use this
//! guard: how it asks, how it is told, and how it is told that there is nothing to tell, are in one
//! file each. Texts are read by the same readers as in any request or answer, so all of their
//! readings are judged. What such a request holds besides (ids, keys, tags of that program) goes
//! nowhere, and is not looked at.

mod agentgateway;

mod detectors;

mod litellm;

mod moderations;

use bytes::Bytes;
use serde_json::{Map, Value, json};

use crate::transcript::{Role, Transcript};
use crate::verdict::{Score, Unscored};
use crate::wire::answer::Answer;
use crate::wire::asked::Asked;
use crate::wire::dialect::Dialect;
use crate::wire::field::PartPath;
use crate::wire::finding::Finding;
use crate::wire::json;
use crate::wire::malformed::Malformed;
use crate::wire::reply::Error;
use crate::wire::request::Request;

/// Where an opinion can be asked for.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Endpoint {
    /// OpenAI's moderations.
    Moderations,
    /// LiteLLM's generic guardrail API.
    LiteLlm,
    /// The detector API of the FMS guardrails orchestrator (TrustyAI), on texts.
    DetectContents,
    /// The same on a conversation.
    DetectChat,
    /// The same on an answer and its prompt.
    DetectGeneration,
    /// agentgateway's webhook, on prompts.
    AgentRequest,
    /// The same on answers.
    AgentResponse,
}

/// The word for one or several endpoints in gateway.toml.
pub const ENDPOINTS: [(&str, &[Endpoint]); 4] = [
    ("moderations", &[Endpoint::Moderations]),
    ("litellm", &[Endpoint::LiteLlm]),
    ("detectors", &[Endpoint::DetectContents, Endpoint::DetectChat, Endpoint::DetectGeneration]),
    ("agentgateway", &[Endpoint::AgentRequest, Endpoint::AgentResponse]),
];

/// Something that is to be judged by itself.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Subject {
    /// Who says it: it is judged as a prompt, or as an answer.
    pub role: Role,
    /// What is to be judged.
    pub transcripts: Vec<Transcript>,
    /// How many parts of it nobody here can read.
    pub unread: u64,
    /// How long it is, in characters.
    pub chars: usize,
}

/// What the guard thinks of a subject under a policy.
#[derive(Clone, PartialEq, Debug)]
pub struct Opinion {
    /// Whether the policy's rules would keep it back, or change it.
    pub flagged: bool,
    /// Whether the policy is to be obeyed in that.
    pub blocks: bool,
    /// The same in words.
    pub words: String,
    /// Every category; marked are those that it is flagged for.
    pub findings: Vec<Finding>,
    /// The categories that the policy takes any notice of.
    pub noticed: Vec<Finding>,
    /// p(unsafe), of all that was judged the highest; `None` where nothing was.
    pub p_unsafe: Option<Score>,
    /// Why not all of it was judged.
    pub unscored: Option<Unscored>,
    /// How long the subject is, in characters.
    pub chars: usize,
}

/// Who answers.
#[derive(Clone, Copy, Debug)]
pub struct Answerer<'a> {
    /// The exchange.
    pub exchange: &'a str,
    /// The guard, by its name.
    pub guard: &'a str,
}

impl Endpoint {
    /// The word for records and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Moderations => "moderations",
            Self::LiteLlm => "litellm",
            Self::DetectContents => "detectors.contents",
            Self::DetectChat => "detectors.chat",
            Self::DetectGeneration => "detectors.generation",
            Self::AgentRequest => "agentgateway.request",
            Self::AgentResponse => "agentgateway.response",
        }
    }

    /// Where it is, for `POST`.
    pub fn path(self) -> &'static str {
        match self {
            Self::Moderations => "/v1/moderations",
            Self::LiteLlm => "/beta/litellm_basic_guardrail_api",
            Self::DetectContents => "/api/v1/text/contents",
            Self::DetectChat => "/api/v1/text/chat",
            Self::DetectGeneration => "/api/v1/text/generation",
            Self::AgentRequest => "/request",
            Self::AgentResponse => "/response",
        }
    }

    /// Reads what is asked.
    ///
    /// # Errors
    ///
    /// It is not JSON with one reading, or not what this endpoint is asked.
    pub fn read(self, bytes: &[u8]) -> Result<Vec<Subject>, Malformed> {
        let value = json::parse(bytes)?;
        let Value::Object(root) = &value else { return Err(Malformed::NotAnObject) };
        match self {
            Self::Moderations => moderations::read(root),
            Self::LiteLlm => Ok(vec![litellm::read(root)?]),
            Self::DetectContents => detectors::contents(root),
            Self::DetectChat => Ok(vec![detectors::chat(root)?]),
            Self::DetectGeneration => Ok(vec![detectors::generation(root)?]),
            Self::AgentRequest => Ok(vec![agentgateway::prompt(root)?]),
            Self::AgentResponse => Ok(vec![agentgateway::response(root)?]),
        }
    }

    /// Tells what was found: one opinion a subject.
    pub fn tell(self, who: Answerer<'_>, opinions: &[Opinion]) -> Bytes {
        let value = match self {
            Self::Moderations => moderations::tell(who, opinions),
            Self::LiteLlm => litellm::tell(opinions),
            Self::DetectContents => detectors::tell_each(opinions),
            Self::DetectChat | Self::DetectGeneration => detectors::tell(opinions),
            Self::AgentRequest | Self::AgentResponse => agentgateway::tell(opinions),
        };
        Bytes::from(value.to_string())
    }

    /// Tells that there is no opinion. A caller that lets pass what it gets no answer on must not take
    /// it for one: where the protocol has words for a refusal, those are said, with status 200.
    pub fn refuse(self, status: u16, error: &Error<'_>) -> (u16, Bytes) {
        let is_ours = status >= 500;
        match self {
            Self::LiteLlm if is_ours => (200, litellm::refuse(error.message)),
            Self::AgentRequest | Self::AgentResponse if is_ours => {
                (200, agentgateway::refuse(status, error))
            }
            Self::DetectContents | Self::DetectChat | Self::DetectGeneration => {
                let body = json!({"code": status, "message": error.message});
                (status, Bytes::from(body.to_string()))
            }
            _ => (status, error.body(Dialect::Chat)),
        }
    }
}

/// A text of somebody, by itself.
fn text(text: &str) -> Result<Subject, Malformed> {
    let body = json!({"model": MODEL, "input": text});
    let request = Request::parse(Dialect::Embeddings, Bytes::from(body.to_string()))?;
    Ok(Subject {
        role: Role::User,
        transcripts: request.transcripts(),
        unread: request.unread().len() as u64,
        chars: text.chars().count(),
    })
}

/// A conversation, in the words of Chat Completions.
fn conversation(mut messages: Vec<Value>, tools: Option<&Value>) -> Result<Subject, Malformed> {
    let role = match messages.last().and_then(|last| last.get("role")?.as_str()) {
        Some("assistant") => Role::Agent,
        _ => Role::User,
    };
    if messages.is_empty() {
        messages.push(json!({"role": "user", "content": ""}));
    }
    let mut body = json!({"model": MODEL, "messages": messages});
    if let (Some(tools), Value::Object(body)) = (tools, &mut body) {
        body.insert("tools".to_owned(), tools.clone());
    }
    let request = Request::parse(Dialect::Chat, Bytes::from(body.to_string()))?;
    let unread = request.unread().len() as u64;
    Ok(Subject { role, transcripts: request.transcripts(), unread, chars: 0 })
}

/// What a model has answered to a prompt, in messages of Chat Completions.
fn answers(prompt: &str, messages: Vec<Value>) -> Result<Subject, Malformed> {
    let choices: Vec<Value> =
        messages.into_iter().map(|message| json!({"message": message})).collect();
    let body = json!({"choices": choices});
    let answer = Answer::parse(Dialect::Chat, Bytes::from(body.to_string()))?;
    let (mut transcripts, mut unread) = (answer.rest_transcripts(), answer.rest_unread().len());
    for choice in answer.choices(&Asked::new(Dialect::Chat, prompt, 1)) {
        unread += choice.unread.len();
        transcripts.extend(choice.transcripts());
    }
    Ok(Subject { role: Role::Agent, transcripts, unread: unread as u64, chars: 0 })
}

/// How many texts may be asked about at once.
const MOST: usize = 1024;

/// The readers want a model; none is asked.
const MODEL: &str = "none";

fn list<'v>(
    root: &'v Map<String, Value>,
    field: &'static str,
    wanted: &'static str,
) -> Result<&'v Vec<Value>, Malformed> {
    match root.get(field) {
        Some(Value::Array(items)) => Ok(items),
        None | Some(Value::Null) => Err(Malformed::Missing { field, wanted }),
        Some(_) => Err(unfit(field, wanted)),
    }
}

/// The same, where it may be left out.
fn optional_list<'v>(
    root: &'v Map<String, Value>,
    field: &'static str,
    wanted: &'static str,
) -> Result<&'v [Value], Malformed> {
    match root.get(field) {
        None | Some(Value::Null) => Ok(&[]),
        Some(_) => list(root, field, wanted).map(Vec::as_slice),
    }
}

fn strings<'v>(
    items: &'v [Value],
    field: &str,
    wanted: &'static str,
) -> Result<Vec<&'v str>, Malformed> {
    if items.len() > MOST {
        return Err(unfit(field, "a list of 1024 at most"));
    }
    let items = items.iter().enumerate();
    let text = |(at, item): (usize, &'v Value)| {
        item.as_str().ok_or_else(|| unfit(&format!("{field}[{at}]"), wanted))
    };
    items.map(text).collect()
}

fn unfit(field: &str, wanted: &'static str) -> Malformed {
    Malformed::Unfit { field: PartPath::from(field), wanted }
}

#[cfg(test)]
mod tests;
