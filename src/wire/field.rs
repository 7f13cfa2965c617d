//! Reads a JSON value along a dialect's table of known fields.
//!
//! A table is a list of [`Field`]s: a path, what stands there, and what it means. [`Table::read`]
//! sorts every string and every key of a value into text to judge, words that carry no content, and
//! parts nobody here can read. Whatever the table does not name is text to judge: its keys and its
//! strings. Numbers, `true`, `false` and `null` carry no text, with two exceptions: where text belongs
//! they are judged as they are written, and a list of numbers in a field nobody knows may be token ids,
//! and counts as unread.

use std::collections::HashMap;
use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};

use serde_json::{Map, Value};

use crate::reading::spells;
use crate::wire::floats::are_floats;
use crate::wire::passage::{Draft, Pointer};

/// One row of a dialect's table.
pub(crate) struct Field {
    /// Where: keys joined by dots, `[]` behind a key for the items of its array.
    pub(crate) path: &'static str,
    /// What stands there.
    pub(crate) holds: Holds,
    /// What it means, for readers of the table.
    #[expect(dead_code, reason = "documents the row")]
    pub(crate) meaning: &'static str,
}

/// A row of a table: path, what it holds, meaning.
pub(crate) const fn field(path: &'static str, holds: Holds, meaning: &'static str) -> Field {
    Field { path, holds, meaning }
}

/// What stands in a field. A string where the row does not expect one is judged.
#[derive(Clone, Copy)]
pub(crate) enum Holds {
    /// A known name around further fields, or around text to judge.
    Judged,
    /// A number, `true`, `false` or `null`.
    Number,
    /// One of these words.
    Word(&'static [&'static str]),
    /// An opaque name or number in the shape of one: no spaces, not long, no words in base64 or hex.
    Id,
    /// What is said, in this channel.
    Text(Channel),
    /// An item of a list of parts: a string, or an object whose `type` is one of these. Another
    /// type is judged by its strings, and counts as unread.
    Part(Channel, &'static [&'static str]),
    /// An item of a list: a [`Holds::Part`] that is numbered by its position.
    Item(&'static [&'static str]),
    /// An item of a list that is numbered by its own `index`, else by its position.
    Numbered,
    /// Bytes that only the provider can make and read, in base64: they seal what stands beside them.
    /// Judged where they are anything else.
    Sealed,
    /// A [`Holds::Payload`], unless the `type` beside it is `text`: then it is judged.
    Data,
    /// Bytes that nobody here can read: counts as unread, and is not judged.
    Payload,
    /// Something that stands for text which is not here: counts as unread unless `null` or `false`;
    /// its strings are judged all the same.
    Elsewhere,
    /// An object whose keys are said in this channel.
    Keys(Channel),
    /// A list of numbers, or the bytes of such a list in base64. Judged where it is anything else.
    Floats,
    /// The bytes of the `token` beside it: judged where they spell something else.
    Spelled,
    /// A JSON schema, a tool's definition and the like: the words of the schema language are known
    /// at any depth, everything else is judged.
    Schema,
    /// Refused unless `null`. Where a policy allows it by name, its strings and keys are judged.
    Refused,
    /// The same of what nobody here can read: where a policy allows it, it counts as unread, too.
    RefusedUnread,
    /// Refused unless `null` or one of these words.
    Only(&'static [&'static str]),
}

/// What kind of saying a text is. Texts of different channels are judged apart.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Channel {
    /// What is said to the other side.
    Content,
    /// A refusal.
    Refusal,
    /// Reasoning before the answer.
    Reasoning,
    /// Name and arguments of a tool call.
    Tool,
    /// The words of spoken audio.
    Speech,
    /// The tokens that were chosen, spelled out once more beside their probabilities.
    Tokens,
    /// The tokens that were not chosen.
    Alternatives,
    /// Strings in fields of which nothing is known.
    Other,
    /// Keys of which nothing is known.
    Key,
}

impl Channel {
    /// What stands between two pieces of this channel that came as separate wholes.
    pub(crate) fn joint(self) -> &'static str {
        match self {
            Self::Tokens => "",
            Self::Alternatives => " ",
            _ => "\n",
        }
    }
}

/// The path to a part of a body. Keys that no table knows are written `*`.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct PartPath(String);

impl PartPath {
    /// The path as words.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&str> for PartPath {
    fn from(path: &str) -> Self {
        Self(path.to_owned())
    }
}

impl fmt::Display for PartPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A stretch of text that was found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Piece<'v> {
    pub(crate) channel: Channel,
    /// Which of several runs of the channel: the number of the tool call, a hash of the unknown
    /// field's path. Pieces of one run in one stream continue each other.
    pub(crate) slot: u64,
    pub(crate) text: std::borrow::Cow<'v, str>,
    /// The string it is, all of it; `None` where it cannot be replaced, as a key cannot.
    pub(crate) place: Option<Pointer>,
    /// Where it stands in what its run has said so far, where its dialect repeats itself.
    pub(crate) said_at: Option<SaidAt>,
}

/// A byte of everything that one run of a stream has said.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct SaidAt {
    pub(crate) run: (Channel, u64),
    pub(crate) at: u64,
}

impl<'v> Piece<'v> {
    /// Text of which nothing is known.
    pub(crate) fn other(text: &'v str) -> Self {
        Self { channel: Channel::Other, slot: 0, text: text.into(), place: None, said_at: None }
    }

    /// A string that says something.
    pub(crate) fn content(text: &'v str, place: Pointer) -> Self {
        Self {
            channel: Channel::Content,
            slot: 0,
            text: text.into(),
            place: Some(place),
            said_at: None,
        }
    }
}

/// What a reading found.
#[derive(Default)]
pub(crate) struct Found<'v> {
    /// Text to judge, in order.
    pub(crate) pieces: Vec<Piece<'v>>,
    /// What nobody here can read.
    pub(crate) unread: Vec<PartPath>,
    /// The first field that is refused.
    pub(crate) refused: Option<PartPath>,
}

impl Found<'_> {
    /// All text that is wanted, joined.
    pub(crate) fn joined(&self, wanted: impl Fn(&Piece<'_>) -> bool) -> Draft {
        let mut draft = Draft::default();
        for piece in self.pieces.iter().filter(|piece| wanted(piece)) {
            draft.add(piece, piece.channel.joint());
        }
        draft
    }
}

/// A dialect's table, made ready for reading.
#[derive(Default)]
pub(crate) struct Table {
    holds: Option<Holds>,
    fields: HashMap<&'static str, Table>,
    items: Option<Box<Table>>,
}

impl Table {
    /// Makes a table of lists of rows, each list below its own path (empty, or ending in a dot).
    pub(crate) fn new(lists: &[(&'static str, &'static [Field])]) -> Self {
        let mut table = Self::default();
        for (prefix, fields) in lists {
            for field in *fields {
                let node = table.node(prefix).node(field.path);
                node.holds = Some(field.holds);
            }
        }
        table
    }

    fn node(&mut self, path: &'static str) -> &mut Self {
        let mut node = self;
        for step in path.split('.').filter(|step| !step.is_empty()) {
            let name = step.trim_end_matches("[]");
            node = node.fields.entry(name).or_default();
            for _ in 0..(step.len() - name.len()) / 2 {
                node = node.items.get_or_insert_default();
            }
        }
        node
    }

    /// The part of the table for the field of this name.
    pub(crate) fn field(&self, name: &str) -> Option<&Self> {
        self.fields.get(name)
    }

    /// The part of the table for the items of this array.
    pub(crate) fn items(&self) -> Option<&Self> {
        self.items.as_deref()
    }

    /// The names of the fields that are refused.
    pub(crate) fn refused(&self) -> impl Iterator<Item = &'static str> {
        self.fields.iter().filter(|(_, table)| table.is_refused()).map(|(name, _)| *name)
    }

    /// Sorts what is in a refused field of the root as if nothing were known of it but its name; `None`
    /// where the field is not refused.
    pub(crate) fn read_refused<'v>(&self, key: &str, value: &'v Value) -> Option<Found<'v>> {
        let (name, table) =
            self.fields.get_key_value(key).filter(|(_, table)| table.is_refused())?;
        let mut found = Self::default().read(value, Trail(vec![Step::Key(name)]));
        if matches!(table.holds, Some(Holds::RefusedUnread)) && !is_nothing(value) {
            found.unread = vec![PartPath::from(*name)];
        }
        Some(found)
    }

    fn is_refused(&self) -> bool {
        matches!(self.holds, Some(Holds::Refused | Holds::RefusedUnread | Holds::Only(_)))
    }

    /// Whether what stands here is text to judge, whatever it is.
    pub(crate) fn is_judged(&self) -> bool {
        matches!(self.holds, Some(Holds::Judged))
    }

    /// The part of the table for the value at this place, if it knows it.
    pub(crate) fn at(&self, place: &str) -> Option<&Self> {
        place.split('/').skip(1).try_fold(self, |table, step| match table.items() {
            Some(inside) => Some(inside),
            None => table.field(step),
        })
    }

    /// Sorts everything in `value`, which stands at `trail`.
    pub(crate) fn read<'v>(&self, value: &'v Value, trail: Trail<'v>) -> Found<'v> {
        let mut reader = Reader { found: Found::default(), trail, slot: 0 };
        reader.value(value, Place::Known(self));
        reader.found
    }

    /// Sorts one entry of the root.
    pub(crate) fn read_entry<'v>(
        &self,
        key: &'v str,
        value: &'v Value,
        root: &'v Map<String, Value>,
    ) -> Found<'v> {
        let mut reader = Reader { found: Found::default(), trail: Trail::default(), slot: 0 };
        reader.entry(key, value, root, Place::Known(self));
        reader.found
    }

    /// Sorts the entries of an object except those that the caller reads itself.
    pub(crate) fn read_entries<'v>(
        &self,
        object: &'v Map<String, Value>,
        except: &[&str],
        trail: Trail<'v>,
    ) -> Found<'v> {
        let mut reader = Reader { found: Found::default(), trail, slot: 0 };
        for (key, value) in object.iter().filter(|(key, _)| !except.contains(&key.as_str())) {
            reader.entry(key, value, object, Place::Known(self));
        }
        reader.found
    }
}

/// Reads a value of which no field is known: all keys and strings are text to judge.
pub(crate) fn read_unknown(value: &Value) -> Found<'_> {
    let mut reader = Reader { found: Found::default(), trail: Trail::default(), slot: 0 };
    reader.value(value, Place::Unknown);
    reader.found
}

/// The way from the root to a value.
#[derive(Clone, Default)]
pub(crate) struct Trail<'v>(Vec<Step<'v>>);

#[derive(Clone)]
enum Step<'v> {
    Key(&'static str),
    Unknown(&'v str),
    Index(usize),
}

impl Trail<'_> {
    /// The way to the item `index` of the array in the field `key` of the root.
    pub(crate) fn item(key: &'static str, index: usize) -> Self {
        Self(vec![Step::Key(key), Step::Index(index)])
    }

    fn path(&self) -> PartPath {
        let mut path = String::new();
        for step in &self.0 {
            let (dot, key) = match step {
                Step::Key(key) => (".", *key),
                Step::Unknown(_) => (".", "*"),
                Step::Index(index) => {
                    path.push_str(&format!("[{index}]"));
                    continue;
                }
            };
            if !path.is_empty() {
                path.push_str(dot);
            }
            path.push_str(key);
        }
        PartPath(path)
    }

    /// The exact way, as a JSON pointer.
    fn pointer(&self) -> Pointer {
        let mut pointer = String::with_capacity(24);
        for step in &self.0 {
            pointer.push('/');
            match step {
                Step::Key(key) => pointer.push_str(key),
                Step::Unknown(key) if key.contains(['~', '/']) => {
                    pointer.push_str(&key.replace('~', "~0").replace('/', "~1"));
                }
                Step::Unknown(key) => pointer.push_str(key),
                Step::Index(index) => pointer.push_str(&index.to_string()),
            }
        }
        Pointer(pointer)
    }
}

/// What is known about the value at hand.
#[derive(Clone, Copy)]
enum Place<'t> {
    Known(&'t Table),
    Schema,
    Unknown,
}

struct Reader<'v> {
    found: Found<'v>,
    trail: Trail<'v>,
    slot: u64,
}

impl<'v> Reader<'v> {
    fn value(&mut self, value: &'v Value, place: Place<'_>) {
        let holds = match place {
            Place::Known(table) => table.holds,
            Place::Schema | Place::Unknown => None,
        };
        match (holds, value) {
            (Some(holds), value) if is_refused(holds, value) => {
                let path = self.trail.path();
                self.found.refused.get_or_insert(path);
                return;
            }
            (Some(Holds::Payload | Holds::Elsewhere | Holds::Data), value)
                if !is_nothing(value) =>
            {
                self.unread();
            }
            _ => {}
        }
        match value {
            Value::Null => {}
            Value::Bool(_) | Value::Number(_) => self.bare(value, holds),
            Value::String(text) => self.text(text, holds),
            Value::Array(items) => self.items(items, place, holds),
            Value::Object(object) => {
                if let Some(Holds::Part(_, types) | Holds::Item(types)) = holds {
                    let kind = object.get("type").and_then(Value::as_str);
                    if !kind.is_some_and(|kind| types.contains(&kind)) {
                        self.unread();
                    }
                }
                if matches!(holds, Some(Holds::Text(channel)) if channel != Channel::Tool) {
                    self.unread();
                }
                let place = match holds {
                    Some(Holds::Schema) => Place::Schema,
                    _ => place,
                };
                for (key, value) in object {
                    self.entry(key, value, object, place);
                }
            }
        }
    }

    fn items(&mut self, items: &'v [Value], place: Place<'_>, holds: Option<Holds>) {
        let inside = match place {
            Place::Known(Table { holds: Some(Holds::Schema), .. }) | Place::Schema => Place::Schema,
            Place::Known(Table { items: Some(inside), .. }) => Place::Known(inside),
            Place::Known(_) | Place::Unknown => Place::Unknown,
        };
        match (holds, inside) {
            (Some(Holds::Payload | Holds::Elsewhere | Holds::Data | Holds::Number), _) => {}
            (Some(Holds::Spelled | Holds::Floats), _) => {}
            (Some(Holds::Text(_)), Place::Unknown) => self.unread(),
            (_, Place::Unknown) if items.iter().any(Value::is_number) => self.unread(),
            _ => {}
        }
        for (position, item) in items.iter().enumerate() {
            self.trail.0.push(Step::Index(position));
            let slot = self.slot;
            if let Place::Known(Table { holds: Some(Holds::Item(_)), .. }) = inside {
                self.slot = position as u64;
            }
            if let Place::Known(Table { holds: Some(Holds::Numbered), .. }) = inside {
                let index = item.get("index").and_then(Value::as_u64);
                self.slot = index.unwrap_or(position as u64);
            }
            self.value(item, inside);
            self.slot = slot;
            self.trail.0.pop();
        }
    }

    fn entry(
        &mut self,
        key: &'v str,
        value: &'v Value,
        beside: &'v Map<String, Value>,
        place: Place<'_>,
    ) {
        let known = match place {
            Place::Known(table) => table.fields.get_key_value(key),
            Place::Schema | Place::Unknown => None,
        };
        if let Some((name, table)) = known {
            self.trail.0.push(Step::Key(name));
            if matches!(table.holds, Some(Holds::Spelled)) {
                self.spelled(value, beside);
            }
            let is_text = beside.get("type").and_then(Value::as_str) == Some("text");
            let place = match table.holds {
                Some(Holds::Data) if is_text => Place::Unknown,
                _ => Place::Known(table),
            };
            self.value(value, place);
            self.trail.0.pop();
            return;
        }
        let said = match place {
            Place::Known(Table { holds: Some(Holds::Keys(channel)), .. }) => Some(*channel),
            _ => None,
        };
        let in_schema = matches!(place, Place::Schema);
        if in_schema && SCHEMA_KEYS.contains(&key) {
            let plain =
                key == "type" && value.as_str().is_some_and(|word| SCHEMA_TYPES.contains(&word));
            if plain {
                return;
            }
        } else if let Some(channel) = said {
            self.push(channel, self.slot, key, None);
        } else if !key.bytes().all(|byte| byte.is_ascii_digit()) {
            self.push(Channel::Key, 0, key, None);
        }
        let slot = self.slot;
        let mut hasher = DefaultHasher::new();
        (slot, key).hash(&mut hasher);
        self.slot = hasher.finish() % OTHER_SLOTS;
        self.trail.0.push(Step::Unknown(key));
        self.value(value, if in_schema { Place::Schema } else { Place::Unknown });
        self.trail.0.pop();
        self.slot = slot;
    }

    fn text(&mut self, text: &'v str, holds: Option<Holds>) {
        match holds {
            Some(Holds::Word(words) | Holds::Only(words)) if words.contains(&text) => {}
            Some(Holds::Id) if is_id(text) => {}
            Some(Holds::Floats) if are_floats(text) => {}
            Some(Holds::Sealed) if is_base64(text) && !spells(text) => {}
            Some(Holds::Payload | Holds::Data) => {}
            Some(Holds::Text(channel) | Holds::Part(channel, _)) => {
                self.say(channel, text);
            }
            _ => self.say(Channel::Other, text),
        }
    }

    /// A number, `true` or `false`: where text belongs, whoever reads on may take it for its letters.
    fn bare(&mut self, value: &Value, holds: Option<Holds>) {
        if let Some(Holds::Text(channel) | Holds::Part(channel, _)) = holds {
            let (slot, text) = (self.slot, value.to_string().into());
            self.found.pieces.push(Piece { channel, slot, text, place: None, said_at: None });
        }
    }

    /// Judges the bytes of a token where they spell anything but the token.
    fn spelled(&mut self, bytes: &'v Value, beside: &'v Map<String, Value>) {
        let Value::Array(numbers) = bytes else { return };
        let bytes: Vec<u8> = numbers
            .iter()
            .filter_map(|number| number.as_u64().and_then(|byte| u8::try_from(byte).ok()))
            .collect();
        let token = beside.get("token").and_then(Value::as_str);
        let spelled = String::from_utf8_lossy(&bytes).into_owned();
        if bytes.len() != numbers.len() {
            self.unread();
        }
        if token != Some(spelled.as_str()) && !spelled.is_empty() {
            self.found.pieces.push(Piece {
                channel: Channel::Alternatives,
                slot: self.slot,
                text: spelled.into(),
                place: None,
                said_at: None,
            });
        }
    }

    /// A string to judge.
    fn say(&mut self, channel: Channel, text: &'v str) {
        let place = self.trail.pointer();
        self.push(channel, self.slot, text, Some(place));
    }

    fn push(&mut self, channel: Channel, slot: u64, text: &'v str, place: Option<Pointer>) {
        if !text.is_empty() {
            let text = text.into();
            self.found.pieces.push(Piece { channel, slot, text, place, said_at: None });
        }
    }

    /// Notes that the value at hand is unread; once for a part and everything in it.
    fn unread(&mut self) {
        let path = self.trail.path();
        let noted = |last: &PartPath| {
            let below = path.as_str().strip_prefix(last.as_str());
            below.is_some_and(|below| below.is_empty() || below.starts_with(['.', '[']))
        };
        if !self.found.unread.last().is_some_and(noted) {
            self.found.unread.push(path);
        }
    }
}

/// How many runs of unknown fields are kept apart in a stream.
const OTHER_SLOTS: u64 = 64;

fn is_refused(holds: Holds, value: &Value) -> bool {
    match holds {
        Holds::Refused | Holds::RefusedUnread => !value.is_null(),
        Holds::Only(words) => {
            !value.is_null() && !value.as_str().is_some_and(|word| words.contains(&word))
        }
        _ => false,
    }
}

fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::Bool(true) | Value::Number(_) => false,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(entries) => entries.is_empty(),
    }
}

/// Whether a string has the shape of an opaque name: it cannot hold a sentence, and spells none.
pub(crate) fn is_id(text: &str) -> bool {
    const LONGEST: usize = 128;
    text.len() <= LONGEST
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.:/@+=#~".contains(&byte))
        && !spells(text)
}

/// Whether a string holds nothing but digits of base64, in either alphabet.
fn is_base64(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+/-_=".contains(&byte))
}

/// Keys of the schema language and of the tool definitions around it, which say nothing themselves.
#[rustfmt::skip]
const SCHEMA_KEYS: &[&str] = &[
    "$comment", "$defs", "$id", "$ref", "$schema", "additionalProperties", "allOf", "anyOf",
    "const", "custom", "default", "definition", "definitions", "description", "else", "enum",
    "examples", "exclusiveMaximum", "exclusiveMinimum", "format", "function", "grammar", "if",
    "input_schema", "items", "json_schema", "maxItems", "maxLength", "maxProperties", "maximum", "minItems",
    "minLength", "minProperties", "minimum", "multipleOf", "name", "not", "nullable", "oneOf",
    "parameters", "pattern", "patternProperties", "prefixItems", "properties", "propertyNames",
    "required", "schema", "strict", "syntax", "then", "title", "type", "uniqueItems",
];

/// Words that `type` has in schemas and tool definitions.
#[rustfmt::skip]
const SCHEMA_TYPES: &[&str] = &[
    "array", "boolean", "custom", "function", "grammar", "integer", "json_object", "json_schema",
    "null", "number", "object", "string", "text",
];

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Channel, Field, Holds, Table, Trail, field, read_unknown};

    const FIELDS: &[Field] = &[
        field("id", Holds::Id, "an id"),
        field("kind", Holds::Word(&["a", "b"]), "a word"),
        field("size", Holds::Number, "a number"),
        field("said", Holds::Text(Channel::Content), "text"),
        field("said[]", Holds::Part(Channel::Content, &["text"]), "a part"),
        field("said[].text", Holds::Text(Channel::Content), "text of a part"),
        field("said[].type", Holds::Word(&["text", "picture"]), "the type of a part"),
        field("said[].picture", Holds::Payload, "bytes"),
        field("calls", Holds::Judged, "calls"),
        field("calls[]", Holds::Numbered, "a call"),
        field("calls[].index", Holds::Number, "its number"),
        field("calls[].arguments", Holds::Text(Channel::Tool), "its arguments"),
        field("kept", Holds::Elsewhere, "kept elsewhere"),
        field("tools", Holds::Schema, "definitions"),
        field("never", Holds::Refused, "refused"),
    ];

    fn check(value: serde_json::Value, judged: &[&str], unread: &[&str]) {
        let table = Table::new(&[("", FIELDS)]);
        let found = table.read(&value, Trail::default());
        let texts: Vec<&str> = found.pieces.iter().map(|piece| piece.text.as_ref()).collect();
        assert_eq!(texts, judged, "{value}");
        let paths: Vec<&str> = found.unread.iter().map(|path| path.as_str()).collect();
        assert_eq!(paths, unread, "{value}");
    }

    #[test]
    fn everything_is_content_free_or_judged_or_unread() {
        check(json!({"id": "x-1", "kind": "a", "size": 3}), &[], &[]);
        check(json!({"id": "two words", "kind": "c", "size": "3"}), &["two words", "c", "3"], &[]);
        check(json!({"said": "hi"}), &["hi"], &[]);
        check(json!({"said": ["hi", {"type": "text", "text": "you"}]}), &["hi", "you"], &[]);
        check(json!({"said": [{"type": "picture", "picture": "AAAA"}]}), &[], &["said[0]"]);
        check(json!({"said": [{"type": "new", "x": "y"}]}), &["new", "x", "y"], &["said[0]"]);
        check(json!({"said": {"x": "y"}}), &["x", "y"], &["said"]);
        check(json!({"said": [[1, 2]]}), &[], &["said[0]"]);
        check(json!({"said": 5}), &["5"], &[]);
        check(json!({"said": [true, null]}), &["true"], &[]);
        check(json!({"new": {"key": ["leaf", 1, null]}}), &["new", "key", "leaf"], &["*.*"]);
        check(json!({"new": {"7": 1}}), &["new"], &[]);
        check(json!({"kept": true}), &[], &["kept"]);
        check(json!({"kept": {"id": "z"}}), &["id", "z"], &["kept"]);
        check(json!({"kept": false, "never": null}), &[], &[]);
        check(
            json!({"tools": [{"type": "function", "function": {"name": "f", "parameters":
                {"type": "object", "properties": {"town": {"type": "odd", "enum": ["a", 1]}}}}}]}),
            &["f", "town", "odd", "a"],
            &[],
        );
    }

    #[test]
    fn a_list_is_numbered_by_its_own_index() {
        let table = Table::new(&[("", FIELDS)]);
        let value = json!({"calls": [{"index": 4, "arguments": "a"}, {"arguments": "b"}]});
        let found = table.read(&value, Trail::default());
        let slots: Vec<u64> = found.pieces.iter().map(|piece| piece.slot).collect();
        assert_eq!(slots, [4, 1]);
    }

    #[test]
    fn a_refused_field_is_named() {
        let table = Table::new(&[("", FIELDS)]);
        let value = json!({"never": "x"});
        let found = table.read(&value, Trail::default());
        assert_eq!(found.refused.map(|path| path.to_string()), Some("never".to_owned()));
    }

    #[test]
    fn of_an_unknown_value_every_key_and_string_is_judged() {
        let value = json!({"a": ["b", {"c": "d"}], "e": 1});
        let found = read_unknown(&value);
        assert_eq!(found.joined(|_| true).text(), "a\nb\nc\nd\ne");
    }
}
