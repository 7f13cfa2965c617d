//! A request, in any dialect: typed where we act on it, verbatim everywhere else.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use serde_json::{Map, Value};

use crate::transcript::Transcript;
use crate::wire::asked::Asked;
use crate::wire::dialect::{Asking, Dialect, Said, Shape};
use crate::wire::field::{Channel, Found, PartPath, Piece, Table, Trail};
use crate::wire::json;
use crate::wire::malformed::Malformed;
use crate::wire::moderation::Moderation;
use crate::wire::passage::{Draft, Edit, Passage, Pointer};
use crate::wire::rewrite;
use crate::wire::terms::{History, Terms};

/// The most choices one request may ask for.
const MAX_CHOICES: u64 = 128;

/// How much of the question is repeated as the context of its answer, in characters from its end:
/// the question is judged whole by itself, and a guard's context is short.
const MAX_QUESTION: usize = 2000;

/// A request that has one reading, with everything in it that a guard must see.
#[derive(Clone, Debug)]
pub struct Request {
    bytes: Bytes,
    model: String,
    stream: bool,
    passages: Vec<Passage>,
    unread: Vec<PartPath>,
    passed_over: u64,
    asked: Asked,
    terms: Terms,
    moderation: Option<Moderation>,
}

impl Request {
    /// Reads a body in a dialect. It is sent on as it came, so everything in it is either understood as free of
    /// content, or among the passages, or noted as unread.
    ///
    /// # Errors
    ///
    /// The body is not JSON with one reading, a field we act on is missing or of another type, or a
    /// field is there that changes what the model reads behind the guard's back.
    pub fn parse(dialect: Dialect, bytes: Bytes) -> Result<Self, Malformed> {
        Self::parse_under(Terms::default(), dialect, bytes)
    }

    /// The same under the terms of a policy.
    ///
    /// # Errors
    ///
    /// As for [`Request::parse`].
    pub fn parse_under(terms: Terms, dialect: Dialect, bytes: Bytes) -> Result<Self, Malformed> {
        let mut value = json::parse(&bytes)?;
        let Value::Object(root) = &mut value else { return Err(Malformed::NotAnObject) };
        let shape = dialect.shape();
        let moderation = if shape.moderates { Moderation::take(root)? } else { None };
        let root = &*root;
        let model = model(root)?;
        let stream = stream(root)?;
        let each = match shape.said {
            Said::Choices(_) => n(root)?,
            Said::Whole { .. } | Said::Numbers(_) => 1,
        };
        let mut reading = Reading::of(shape, terms.history);
        match shape.asking {
            Asking::Messages => reading.messages(root)?,
            Asking::Texts => reading.texts(root)?,
            Asking::Items(_) => reading.items(root)?,
        }
        for (key, value) in root.iter().filter(|(key, _)| *key != shape.asked) {
            let allowed =
                terms.allow(key).then(|| shape.requests.read_refused(key, value)).flatten();
            let known = || shape.requests.read_entry(key, value, root);
            reading.rest(allowed.unwrap_or_else(known))?;
        }
        let asked = Asked::each(dialect, reading.questions, each);
        let is_divided = shape.said.choices().is_some();
        if stream && is_divided && u64::from(asked.choices()) > MAX_CHOICES {
            let (field, wanted) = (PartPath::from(shape.asked), "128 choices at most in a stream");
            return Err(Malformed::Unfit { field, wanted });
        }
        let Reading { passages, unread, passed_over, .. } = reading;
        // What nobody took anything out of is sent as it came.
        let bytes = match moderation {
            Some(_) => Bytes::from(value.to_string()),
            None => bytes,
        };
        Ok(Self { model, stream, passages, unread, passed_over, asked, terms, moderation, bytes })
    }

    /// The model that is asked.
    pub fn model(&self) -> &str {
        &self.model
    }

    /// Whether the answer is to be streamed.
    pub fn stream(&self) -> bool {
        self.stream
    }

    /// What of it matters to its answer.
    pub fn asked(&self) -> &Asked {
        &self.asked
    }

    /// What it asks to be told of its judgement.
    pub fn moderation(&self) -> Option<Moderation> {
        self.moderation
    }

    /// The body as it was received, but for what is asked of us.
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// Everything that is to be judged, and where it stands.
    pub fn passages(&self) -> &[Passage] {
        &self.passages
    }

    /// What the guard is to read of it.
    pub fn transcripts(&self) -> Vec<Transcript> {
        self.passages.iter().flat_map(Passage::transcripts).collect()
    }

    /// The request with other words in it, read anew.
    ///
    /// # Errors
    ///
    /// It cannot be read any more, which is no reason to send it.
    pub fn rewritten(&self, edits: &[Edit]) -> Result<Self, Malformed> {
        let mut value = json::parse(&self.bytes)?;
        let dialect = self.asked.dialect();
        rewrite::apply(&mut value, edits, &dialect.shape().requests);
        let rewritten =
            Self::parse_under(self.terms.clone(), dialect, Bytes::from(value.to_string()))?;
        Ok(Self { moderation: self.moderation, ..rewritten })
    }

    /// What nobody here can read.
    pub fn unread(&self) -> &[PartPath] {
        &self.unread
    }

    /// How much of it was passed over as the terms have it: characters, and parts nobody can read.
    pub fn passed_over(&self) -> u64 {
        self.passed_over
    }
}

/// What has been read so far.
struct Reading {
    shape: &'static Shape,
    history: History,
    passages: Vec<Passage>,
    unread: Vec<PartPath>,
    passed_over: u64,
    /// The ends of what was asked: of every text where each is answered by itself, of the latest text
    /// of a `user` message elsewhere. What follows is judged in the light of it.
    questions: Vec<Arc<str>>,
}

impl Reading {
    fn of(shape: &'static Shape, history: History) -> Self {
        Self {
            shape,
            history,
            passages: Vec::new(),
            unread: Vec::new(),
            passed_over: 0,
            questions: Vec::new(),
        }
    }

    fn messages(&mut self, root: &Map<String, Value>) -> Result<(), Malformed> {
        let (field, wanted) = (self.shape.asked, "an array of at least one message");
        let messages = match root.get(field) {
            Some(Value::Array(messages)) if !messages.is_empty() => messages,
            Some(_) => return Err(Malformed::Unfit { field: PartPath::from(field), wanted }),
            None => return Err(Malformed::Missing { field, wanted }),
        };
        self.conversation(messages)
    }

    fn items(&mut self, root: &Map<String, Value>) -> Result<(), Malformed> {
        let field = self.shape.asked;
        match root.get(field) {
            None | Some(Value::Null) => Ok(()),
            Some(Value::String(text)) => {
                self.text(text, Pointer(format!("/{field}")));
                Ok(())
            }
            Some(Value::Array(items)) => self.conversation(items),
            Some(_) => {
                let wanted = "a string, or an array of items";
                Err(Malformed::Unfit { field: PartPath::from(field), wanted })
            }
        }
    }

    fn conversation(&mut self, messages: &[Value]) -> Result<(), Malformed> {
        let latest = match self.history {
            History::All => 0,
            History::Latest => self.latest(messages),
        };
        for (index, message) in messages.iter().enumerate() {
            let before = (self.passages.len(), self.unread.len());
            self.message(index, message)?;
            if index < latest && !is_system(message) {
                let chars = |passage: Passage| passage.text().chars().count() as u64;
                self.passed_over += self.passages.drain(before.0..).map(chars).sum::<u64>();
                self.passed_over += self.unread.drain(before.1..).count() as u64;
            }
        }
        Ok(())
    }

    /// The first message behind what the model said before the last text from the user's side.
    fn latest(&self, messages: &[Value]) -> usize {
        let is_user = |message: &Value| !self.is_agent(message) && !is_system(message);
        let before = messages.get(..messages.iter().rposition(is_user).unwrap_or(0));
        let answer = before.and_then(|before| before.iter().rposition(|each| self.is_agent(each)));
        answer.map_or(0, |answer| answer + 1)
    }

    /// Whether the model is said to have said it.
    fn is_agent(&self, message: &Value) -> bool {
        let word = |field| message.get(field).and_then(Value::as_str);
        match (word("role"), self.shape.asking) {
            (Some(role), _) => role == "assistant",
            (None, Asking::Items(items)) => {
                word("type").is_some_and(|kind| items.agent.contains(&kind))
            }
            (None, Asking::Messages | Asking::Texts) => false,
        }
    }

    fn message(&mut self, index: usize, message: &Value) -> Result<(), Malformed> {
        let (table, list): (&Table, _) = (&self.shape.requests, self.shape.asked);
        let Value::Object(object) = message else {
            let field = PartPath::from(format!("{list}[{index}]").as_str());
            return Err(Malformed::Unfit { field, wanted: "an object with `role` and `content`" });
        };
        let Some(inside) = table.field(list).and_then(Table::items) else { return Ok(()) };
        let mut found = inside.read_entries(object, &[], Trail::item(list, index));
        self.note(&mut found)?;
        let role = object.get("role").and_then(Value::as_str);
        if let Asking::Items(items) = self.shape.asking {
            let kind = object.get("type").and_then(Value::as_str);
            let known = kind.map_or(role.is_some(), |kind| items.known.contains(&kind));
            if !known {
                self.unread.push(PartPath::from(format!("{list}[{index}]").as_str()));
            }
        }
        if self.is_agent(message) {
            let question = self.questions.last().cloned().unwrap_or_default();
            self.passages.extend(agent_passages(&found, &question));
            return Ok(());
        }
        let said = found.joined(|piece| piece.channel == Channel::Content);
        let beside = found.joined(|piece| piece.channel != Channel::Content);
        if role == Some("user") && !said.is_empty() {
            self.questions = vec![Arc::from(end_of(said.text(), MAX_QUESTION))];
        }
        self.passages.extend(said.user());
        self.passages.extend(beside.user());
        Ok(())
    }

    fn texts(&mut self, root: &Map<String, Value>) -> Result<(), Malformed> {
        let (field, wanted) = (self.shape.asked, "a string, or an array of at least one");
        let value = root.get(field).ok_or(Malformed::Missing { field, wanted })?;
        let (texts, asked): (Option<Vec<&str>>, usize) = match value {
            Value::String(text) => (Some(vec![text]), 1),
            Value::Array(items) if items.iter().any(Value::is_number) => (None, 1),
            Value::Array(items) if !items.is_empty() => {
                (items.iter().map(Value::as_str).collect(), items.len())
            }
            _ => return Err(Malformed::Unfit { field: PartPath::from(field), wanted }),
        };
        let Some(texts) = texts else {
            // Token ids, or what nobody knows: no question that could be shown.
            self.questions = vec![Arc::default(); asked];
            return self.rest(self.shape.requests.read_entry(field, value, root));
        };
        let is_list = value.is_array();
        for (index, text) in texts.into_iter().enumerate() {
            let place = if is_list { format!("/{field}/{index}") } else { format!("/{field}") };
            self.text(text, Pointer(place));
        }
        Ok(())
    }

    fn text(&mut self, text: &str, place: Pointer) {
        let mut said = Draft::default();
        said.add(&Piece::content(text, place), "");
        self.passages.extend(said.user());
        self.questions.push(Arc::from(end_of(text, MAX_QUESTION)));
    }

    fn rest(&mut self, mut found: Found<'_>) -> Result<(), Malformed> {
        self.note(&mut found)?;
        self.passages.extend(found.joined(|_| true).user());
        Ok(())
    }

    fn note(&mut self, found: &mut Found<'_>) -> Result<(), Malformed> {
        self.unread.append(&mut found.unread);
        match found.refused.take() {
            Some(field) => Err(Malformed::RefusedField { field }),
            None => Ok(()),
        }
    }
}

/// Whether it is whoever runs the application that speaks.
fn is_system(message: &Value) -> bool {
    matches!(message.get("role").and_then(Value::as_str), Some("system" | "developer"))
}

/// One passage per channel, and per tool call, of what an assistant said after `question`.
pub(super) fn agent_passages(found: &Found<'_>, question: &Arc<str>) -> Vec<Passage> {
    let mut runs: BTreeMap<(Channel, u64), Draft> = BTreeMap::new();
    for piece in &found.pieces {
        let run = match piece.channel {
            Channel::Tool => (Channel::Tool, piece.slot),
            Channel::Other | Channel::Key => (Channel::Other, 0),
            channel => (channel, 0),
        };
        runs.entry(run).or_default().add(piece, piece.channel.joint());
    }
    let spelled = runs.remove(&(Channel::Tokens, 0));
    // The tokens beside probabilities spell the content, or the refusal, once more.
    let is_new = |spelled: &Draft| !runs.values().any(|run| run.text() == spelled.text());
    if let Some(spelled) = spelled.filter(is_new) {
        runs.insert((Channel::Tokens, 0), spelled);
    }
    runs.into_values().map(|run| run.agent(Arc::clone(question))).collect()
}

/// The last `chars` characters of `text`.
fn end_of(text: &str, chars: usize) -> &str {
    let start = text.char_indices().rev().nth(chars.saturating_sub(1)).map_or(0, |(at, _)| at);
    text.get(start..).unwrap_or(text)
}

fn model(root: &Map<String, Value>) -> Result<String, Malformed> {
    let wanted = "a string that names a model";
    match root.get("model") {
        Some(Value::String(model)) if !model.is_empty() => Ok(model.clone()),
        Some(_) => Err(Malformed::Unfit { field: PartPath::from("model"), wanted }),
        None => Err(Malformed::Missing { field: "model", wanted }),
    }
}

fn stream(root: &Map<String, Value>) -> Result<bool, Malformed> {
    match root.get("stream") {
        Some(Value::Bool(stream)) => Ok(*stream),
        Some(Value::Null) | None => Ok(false),
        Some(_) => {
            Err(Malformed::Unfit { field: PartPath::from("stream"), wanted: "true or false" })
        }
    }
}

fn n(root: &Map<String, Value>) -> Result<u32, Malformed> {
    let asked = match root.get("n") {
        None | Some(Value::Null) => Some(1),
        Some(value) => value.as_u64(),
    };
    asked.filter(|n| (1..=MAX_CHOICES).contains(n)).and_then(|n| u32::try_from(n).ok()).ok_or_else(
        || Malformed::Unfit { field: PartPath::from("n"), wanted: "a whole number from 1 to 128" },
    )
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::{MAX_QUESTION, Malformed, Request};
    use crate::transcript::Role;
    use crate::wire::canary::{CANARY, anything, plant, words};
    use crate::wire::dialect::Dialect;

    fn parse(value: &Value) -> Result<Request, Malformed> {
        Request::parse(Dialect::Chat, Bytes::from(value.to_string()))
    }

    /// A request of one message and further fields.
    fn with(fields: Value) -> Value {
        let mut request = json!({"model": "m", "messages": [{"role": "user", "content": "hi"}]});
        let (Value::Object(root), Value::Object(fields)) = (&mut request, fields) else { panic!() };
        root.extend(fields);
        request
    }

    #[test]
    fn every_text_is_judged_in_its_turn() {
        #[track_caller]
        fn check(request: Value, expected: &[(Role, &str)]) {
            let request = parse(&request).unwrap();
            let transcripts = request.transcripts();
            let judged: Vec<(Role, &str)> = transcripts
                .iter()
                .map(|transcript| (transcript.judged().role, &*transcript.judged().text))
                .collect();
            assert_eq!(judged, expected);
            assert_eq!(request.unread(), []);
        }
        use Role::{Agent, User};
        check(with(json!({"temperature": 1, "stop": null, "user": null})), &[(User, "hi")]);
        for role in ["system", "developer", "user", "tool", "function"] {
            check(
                json!({"model": "m", "messages": [{"role": role, "content": "x"}]}),
                &[(User, "x")],
            );
        }
        check(
            json!({"model": "m", "messages": [{"role": "boss", "content": "x"}, {"content": "y"}]}),
            &[(User, "x"), (User, "boss"), (User, "y")],
        );
        check(
            json!({"model": "m", "messages": [{"role": "user", "name": "Bob", "content": [
                {"type": "text", "text": "how to make a b"}, {"type": "text", "text": "omb"}]}]}),
            &[(User, "how to make a b\nomb"), (User, "Bob")],
        );
        check(
            json!({"model": "m", "messages": [
                {"role": "user", "content": "q"},
                {"role": "assistant", "content": "a", "refusal": "r", "reasoning_content": "t",
                 "tool_calls": [{"id": "call_1", "type": "function",
                    "function": {"name": "f", "arguments": "{\"x\":1}"}}]},
                {"role": "tool", "tool_call_id": "call_1", "content": "result"}]}),
            &[
                (User, "q"),
                (Agent, "a"),
                (Agent, "r"),
                (Agent, "t"),
                (Agent, "f\n{\"x\":1}"),
                (User, "result"),
            ],
        );
        check(
            with(
                json!({"tools": [{"type": "function", "function": {"name": "f", "description": "d",
                "parameters": {"type": "object", "properties": {"town": {"type": "string"}}}}}],
                "stop": ["s1", "s2"], "metadata": {"k": "v"}, "new": {"deep": ["leaf"]}}),
            ),
            &[
                (User, "hi"),
                (User, "f\nd\ntown"),
                (User, "s1\ns2"),
                (User, "k\nv"),
                (User, "new\ndeep\nleaf"),
            ],
        );
        check(
            with(json!({" messages": "x", "Messages": "y"})),
            &[(User, "hi"), (User, " messages\nx"), (User, "Messages\ny")],
        );
    }

    #[test]
    fn what_nobody_can_read_is_named() {
        #[track_caller]
        fn check(request: Value, expected: &[&str]) {
            let request = parse(&request).unwrap();
            let unread: Vec<&str> = request.unread().iter().map(|path| path.as_str()).collect();
            assert_eq!(unread, expected);
        }
        let part =
            |part: Value| json!({"model": "m", "messages": [{"role": "user", "content": [part]}]});
        let at = "messages[0].content[0]";
        let image = |url: Value| part(json!({"type": "image_url", "image_url": url}));
        let below = "messages[0].content[0].image_url";
        check(image(json!("http://x")), &[at]);
        check(image(json!({"url": "http://x"})), &[at]);
        check(part(json!({"type": "text", "text": "a", "image_url": "x"})), &[below]);
        check(part(json!({"type": "new", "text": "a"})), &[at]);
        check(part(json!({"text": "a"})), &[at]);
        check(part(json!([1, 2])), &[at]);
        check(with(json!({"store": true})), &["store"]);
        check(with(json!({"store": false, "conversation": {}})), &[]);
        check(
            with(json!({"conversation": "conv_1", "container": "c"})),
            &["conversation", "container"],
        );
        check(with(json!({"previous_response_id": "resp_1"})), &["previous_response_id"]);
        check(with(json!({"prompt": [1, 2]})), &["prompt"]);
        check(with(json!({"new_ids": [[1], [2]]})), &["*[0]", "*[1]"]);
    }

    #[test]
    fn what_is_malformed_is_refused_in_words() {
        #[track_caller]
        fn check(request: Value, code: &str, param: Option<&str>, words: &str) {
            let malformed = parse(&request).unwrap_err();
            assert_eq!((malformed.code(), malformed.param()), (code, param));
            assert!(malformed.to_string().contains(words), "{malformed}");
        }
        check(json!([]), "invalid_type", None, "must be a JSON object");
        check(
            json!({"messages": [{}]}),
            "missing_required_parameter",
            Some("model"),
            "`model` is missing",
        );
        check(
            with(json!({"model": ""})),
            "invalid_value",
            Some("model"),
            "a string that names a model",
        );
        check(
            json!({"model": "m"}),
            "missing_required_parameter",
            Some("messages"),
            "at least one",
        );
        check(with(json!({"messages": []})), "invalid_value", Some("messages"), "at least one");
        check(with(json!({"messages": ["x"]})), "invalid_value", Some("messages[0]"), "an object");
        check(with(json!({"stream": "true"})), "invalid_value", Some("stream"), "true or false");
        for n in [json!(0), json!(129), json!(1.0), json!("2"), json!(-1)] {
            check(with(json!({"n": n})), "invalid_value", Some("n"), "from 1 to 128");
        }
        check(
            with(json!({"chat_template": "x"})),
            "field_refused",
            Some("chat_template"),
            "remove it",
        );
        check(with(json!({"echo": false})), "field_refused", Some("echo"), "remove it");
        assert!(parse(&with(json!({"chat_template": null, "n": null, "stream": null}))).is_ok());
    }

    #[test]
    fn the_question_is_the_end_of_the_latest_user_text() {
        let long = "é".repeat(MAX_QUESTION + 1);
        let request = json!({"model": "m", "messages": [
            {"role": "user", "content": "first"},
            {"role": "assistant", "content": "answer"},
            {"role": "user", "content": long},
            {"role": "tool", "content": "result"}]});
        let request = parse(&request).unwrap();
        assert_eq!(&*request.asked().question(0), "é".repeat(MAX_QUESTION));
        let answer = &request.transcripts()[1];
        assert_eq!(&*answer.context()[0].text, "first");
    }

    #[test]
    fn any_stretch_of_a_text_can_be_replaced_where_it_stands() {
        #[track_caller]
        fn check(request: Value, number: usize, words: &str, expected: Value) {
            let read = parse(&request).unwrap();
            let passage = &read.passages()[number];
            let at = passage.text().find(words).unwrap();
            let range = at..at + words.len();
            let edits = passage.edits(std::slice::from_ref(&range), "[x]");
            let written = read.rewritten(&edits).unwrap();
            assert_eq!(serde_json::from_slice::<Value>(written.bytes()).unwrap(), expected);
        }
        let parts = |one: &str, two: &str| {
            json!({"model": "m", "messages": [{"role": "user", "content": [
                {"type": "text", "text": one}, {"type": "text", "text": two}]}]})
        };
        check(parts("a bé", "c d"), 0, "é", parts("a b[x]", "c d"));
        check(parts("a b", "c d"), 0, "b\nc", parts("a [x]", "[x] d"));
        let called = |arguments: &str| {
            json!({"model": "m", "messages": [{"role": "assistant", "tool_calls": [{"id": "c",
                "type": "function", "function": {"name": "f", "arguments": arguments}}]}]})
        };
        let before = r#"{"a":"b \"c\" d","n":7}"#;
        check(called(before), 0, r#"c\"#, called(r#"{"a":"b \"[x] d","n":7}"#));
        check(called(before), 0, "7", called(r#"{"a":"b \"c\" d","n":"[x]"}"#));
        check(called(before), 0, r#"a":"b"#, called(r#"{"a":"[x] \"c\" d","n":7}"#));
        let odd = |text: &str| with(json!({"x/~": {"deep": [text]}}));
        check(odd("leaf"), 1, "leaf", odd("[x]"));
    }

    proptest! {
        #[test]
        fn a_canary_anywhere_is_seen(
            messages in prop::collection::vec(
                prop::collection::btree_map(words(), anything(), 1..5), 1..4),
            fields in prop::collection::btree_map(words(), anything(), 0..5),
            place in any::<prop::sample::Index>(),
        ) {
            let mut request = json!({"messages": messages, "fields": fields});
            plant(&mut request, &mut place.index(30));
            let Some(Value::Array(messages)) = request.get("messages").cloned() else {
                return Ok(()); // planted on our own scaffold
            };
            let Some(fields) = request.get("fields").cloned() else { return Ok(()) };
            let mut request = with(fields);
            request["messages"] = Value::from(messages);
            let planted = request.to_string().contains(CANARY);
            let request = parse(&request).unwrap();
            let seen = request.transcripts().iter().any(|transcript| transcript.judged().text.contains(CANARY));
            prop_assert_eq!(seen, planted);
        }
    }
}
