//! Chat completions: every field of which something is known.
//!
//! A field is here for one of four reasons: it carries no content, its name needs no judging while
//! its text does, nobody here can read it, or it is refused. A field that is not here is judged, key
//! and all.

use std::sync::LazyLock;

use crate::wire::dialect::{Asking, Said, Shape};
use crate::wire::field::{Channel, Field, Holds, Table, field};
use crate::wire::shared::{
    ANSWER, BEHIND, BESIDE, CACHED, CHOICE, ELSEWHERE, ERROR, MEDIA, SAMPLING, STREAMED, TOKEN,
};

/// `POST /v1/chat/completions`.
pub(super) static SHAPE: Shape = Shape {
    name: "chat.completions",
    path: "/chat/completions",
    asked: "messages",
    asking: Asking::Messages,
    said: Said::Choices("choices"),
    moderates: true,
    key_header: None,
    headers: &[],
    requests: LazyLock::new(|| {
        Table::new(&[
            ("", REQUEST),
            ("", STREAMED),
            ("", SAMPLING),
            ("", ELSEWHERE),
            ("", BEHIND),
            ("", BESIDE),
            ("messages[].", MESSAGE),
            ("messages[].content[].", MEDIA),
            ("messages[].content[].", CACHED),
        ])
    }),
    answers: LazyLock::new(|| {
        Table::new(&[
            ("", ANSWER),
            ("", RESPONSE),
            ("", ERROR),
            ("choices[].", CHOICE),
            ("choices[].logprobs.content[].", TOKEN),
            ("choices[].logprobs.refusal[].", TOKEN),
            ("choices[].message.", MESSAGE),
            ("choices[].message.content[].", MEDIA),
            ("choices[].delta.", MESSAGE),
            ("choices[].delta.content[].", MEDIA),
        ])
    }),
};

/// Roles of messages that are known; another role is judged as text.
const ROLES: &[&str] = &["system", "developer", "user", "assistant", "tool", "function"];

/// Types of parts of which everything that can be read is read.
const READ_PARTS: &[&str] =
    &["text", "input_text", "output_text", "refusal", "thinking", "reasoning"];

/// Types of parts that are known by name.
const PART_TYPES: &[&str] = &[
    "text",
    "input_text",
    "output_text",
    "refusal",
    "thinking",
    "reasoning",
    "image_url",
    "input_image",
    "image",
    "input_audio",
    "audio_url",
    "video_url",
    "file",
    "input_file",
];

/// Types of tool calls.
const CALL_TYPES: &[&str] = &["function", "custom"];

/// A request, but for its messages.
const REQUEST: &[Field] = &[
    field("model", Holds::Id, "which model is asked; chooses the upstream"),
    field("messages", Holds::Judged, "the conversation"),
    field("logprobs", Holds::Number, "whether probabilities are told"),
    field(
        "reasoning_effort",
        Holds::Word(&["none", "minimal", "low", "medium", "high", "xhigh", "max", "default"]),
        "how long to think",
    ),
    field("verbosity", Holds::Word(&["low", "medium", "high"]), "how long to answer"),
    field("modalities", Holds::Judged, "kinds of answer"),
    field("modalities[]", Holds::Word(&["text", "audio", "image"]), "one kind of answer"),
    field(
        "tool_choice",
        Holds::Word(&["none", "auto", "required", "any"]),
        "whether tools are called",
    ),
    field(
        "tool_choice.type",
        Holds::Word(&["function", "custom", "allowed_tools"]),
        "what is to be called",
    ),
    field("tool_choice.function", Holds::Judged, "what is to be called"),
    field("tool_choice.function.name", Holds::Judged, "the tool's name"),
    field("tool_choice.custom", Holds::Judged, "what is to be called"),
    field("tool_choice.custom.name", Holds::Judged, "the tool's name"),
    field("tool_choice.allowed_tools", Holds::Schema, "what may be called"),
    field("function_call", Holds::Word(&["none", "auto"]), "whether functions are called"),
    field("function_call.name", Holds::Judged, "the function's name"),
    field("audio", Holds::Judged, "how a spoken answer sounds"),
    field("audio.voice", Holds::Id, "whose voice"),
    field("audio.format", Holds::Word(&["wav", "aac", "mp3", "flac", "opus", "pcm16"]), "encoding"),
    field("functions", Holds::Schema, "definitions of functions: the model reads them"),
    field("response_format", Holds::Schema, "the shape of the answer: the model may read it"),
    field("stop", Holds::Judged, "words at which the answer ends"),
    field("stop[]", Holds::Judged, "one of them"),
    field("prediction", Holds::Judged, "text the answer is expected to repeat"),
    field("prediction.type", Holds::Word(&["content"]), "its kind"),
    field("prediction.content", Holds::Judged, "the text"),
    field("prediction.content[]", Holds::Part(Channel::Other, READ_PARTS), "a part of the text"),
    field("prediction.content[].type", Holds::Word(PART_TYPES), "its kind"),
    field("prediction.content[].text", Holds::Judged, "its text"),
    field("suffix", Holds::Judged, "text behind the answer"),
    field("documents", Holds::Judged, "texts to answer from"),
    field("web_search_options", Holds::Judged, "how the provider searches"),
    field("prompt", Holds::Judged, "the prompt of the legacy dialect; token ids count as unread"),
    field("echo", Holds::Refused, "repeats the prompt in the answer"),
];

/// A message, and the same in an answer.
const MESSAGE: &[Field] = &[
    field("role", Holds::Word(ROLES), "who speaks"),
    field("content", Holds::Text(Channel::Content), "what is said"),
    field("content[]", Holds::Part(Channel::Content, READ_PARTS), "a part of it"),
    field("content[].type", Holds::Word(PART_TYPES), "the kind of a part"),
    field("content[].text", Holds::Text(Channel::Content), "the text of a part"),
    field("content[].refusal", Holds::Text(Channel::Refusal), "a refusal"),
    field("content[].thinking", Holds::Text(Channel::Reasoning), "reasoning"),
    field(
        "content[].thinking[]",
        Holds::Part(Channel::Reasoning, READ_PARTS),
        "a part of the reasoning",
    ),
    field("content[].thinking[].type", Holds::Word(PART_TYPES), "the kind of a part"),
    field("content[].thinking[].text", Holds::Text(Channel::Reasoning), "its text"),
    field("content[].reasoning", Holds::Text(Channel::Reasoning), "reasoning"),
    field("content[].image_url.url", Holds::Payload, "an image, or where to fetch it"),
    field("content[].image_url.detail", Holds::Word(&["auto", "low", "high"]), "resolution"),
    field("content[].image", Holds::Payload, "an image"),
    field("content[].audio_url", Holds::Payload, "audio, or where to fetch it"),
    field("content[].audio_url.url", Holds::Payload, "audio, or where to fetch it"),
    field("content[].video_url", Holds::Payload, "video, or where to fetch it"),
    field("content[].video_url.url", Holds::Payload, "video, or where to fetch it"),
    field("content[].file", Holds::Payload, "a file"),
    field("content[].file.file_data", Holds::Payload, "a file"),
    field("content[].file.file_id", Holds::Payload, "a file kept at the provider"),
    field("content[].file.filename", Holds::Judged, "its name"),
    field("content[].index", Holds::Number, "the number of a part"),
    field("refusal", Holds::Text(Channel::Refusal), "a refusal"),
    field("reasoning", Holds::Text(Channel::Reasoning), "reasoning before the answer"),
    field("reasoning_content", Holds::Text(Channel::Reasoning), "reasoning before the answer"),
    field("reasoning_details", Holds::Judged, "reasoning in parts"),
    field("reasoning_details[]", Holds::Judged, "a part of the reasoning"),
    field(
        "reasoning_details[].type",
        Holds::Word(&["reasoning.text", "reasoning.summary", "reasoning.encrypted"]),
        "the kind of a part",
    ),
    field("reasoning_details[].text", Holds::Text(Channel::Reasoning), "its text"),
    field("reasoning_details[].summary", Holds::Text(Channel::Reasoning), "its summary"),
    field("reasoning_details[].data", Holds::Payload, "encrypted reasoning"),
    field("reasoning_details[].signature", Holds::Sealed, "the provider's seal on the reasoning"),
    field("reasoning_details[].id", Holds::Id, "the name of a part"),
    field("reasoning_details[].format", Holds::Id, "whose format it is in"),
    field("reasoning_details[].index", Holds::Number, "the number of a part"),
    field("name", Holds::Judged, "who speaks, in free words"),
    field("tool_call_id", Holds::Id, "which call this answers"),
    field("tool_calls", Holds::Judged, "calls of tools"),
    field("tool_calls[]", Holds::Numbered, "a call"),
    field("tool_calls[].index", Holds::Number, "its number"),
    field("tool_calls[].id", Holds::Id, "its name"),
    field("tool_calls[].type", Holds::Word(CALL_TYPES), "its kind"),
    field("tool_calls[].function", Holds::Judged, "what is called"),
    field("tool_calls[].function.name", Holds::Text(Channel::Tool), "the tool's name"),
    field("tool_calls[].function.arguments", Holds::Text(Channel::Tool), "what it is given"),
    field("tool_calls[].custom", Holds::Judged, "what is called"),
    field("tool_calls[].custom.name", Holds::Text(Channel::Tool), "the tool's name"),
    field("tool_calls[].custom.input", Holds::Text(Channel::Tool), "what it is given"),
    field("function_call", Holds::Judged, "a call in the older form"),
    field("function_call.name", Holds::Text(Channel::Tool), "the function's name"),
    field("function_call.arguments", Holds::Text(Channel::Tool), "what it is given"),
    field("audio", Holds::Judged, "a spoken answer"),
    field("audio.id", Holds::Elsewhere, "a spoken answer kept at the provider"),
    field("audio.data", Holds::Payload, "audio"),
    field("audio.transcript", Holds::Text(Channel::Speech), "its words"),
    field("audio.expires_at", Holds::Number, "how long it is kept"),
    field("annotations", Holds::Judged, "sources"),
    field("annotations[]", Holds::Judged, "a source"),
    field("annotations[].type", Holds::Word(&["url_citation", "file_citation"]), "its kind"),
    field("annotations[].url_citation", Holds::Judged, "a page"),
    field("annotations[].url_citation.start_index", Holds::Number, "where it is cited"),
    field("annotations[].url_citation.end_index", Holds::Number, "where it is cited"),
    field("annotations[].url_citation.title", Holds::Judged, "its title"),
    field("annotations[].url_citation.url", Holds::Judged, "its address"),
];

/// An answer, or one chunk of a streamed one: what its choices hold.
const RESPONSE: &[Field] = &[
    field("choices", Holds::Judged, "the choices"),
    field("choices[]", Holds::Judged, "a choice"),
    field("choices[].message", Holds::Judged, "what was said"),
    field("choices[].delta", Holds::Judged, "what was said, piece by piece"),
];
