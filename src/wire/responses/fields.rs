//! The tables of Responses: every field of which something is known.

use std::sync::LazyLock;

use crate::wire::dialect::{Asking, Items, Said, Shape};
use crate::wire::field::{Channel, Field, Holds, Table, field};
use crate::wire::shared::{
    ASIDE, BEHIND, BESIDE, ELSEWHERE, ERROR, MEDIA, SAMPLING, STREAMED, TOKEN,
};

/// `POST /v1/responses`.
pub(in crate::wire) static SHAPE: Shape = Shape {
    name: "responses",
    path: "/responses",
    asked: "input",
    asking: Asking::Items(Items { known: READ_ITEMS, agent: AGENT_ITEMS }),
    said: Said::Whole { list: "output", event: "response" },
    moderates: true,
    key_header: None,
    headers: &[],
    requests: LazyLock::new(|| {
        Table::new(&[
            ("", STREAMED),
            ("", SAMPLING),
            ("", ELSEWHERE),
            ("", BEHIND),
            ("", BESIDE),
            ("", SETTINGS),
            ("", REQUEST),
            ("input[].", ITEM),
            ("input[].content[].", PART),
            ("input[].content[].", MEDIA),
            ("input[].content[].", LOGPROBS),
            ("input[].content[].logprobs[].", TOKEN),
            ("input[].output[].", PART),
            ("input[].output[].", MEDIA),
            ("input[].output[].", ASIDE),
        ])
    }),
    answers: LazyLock::new(|| {
        Table::new(&[
            ("", EVENT),
            ("", LOGPROBS),
            ("logprobs[].", TOKEN),
            ("", ERROR),
            ("item.", ITEM),
            ("item.content[].", PART),
            ("item.content[].", MEDIA),
            ("item.content[].", LOGPROBS),
            ("item.content[].logprobs[].", TOKEN),
            ("part.", PART),
            ("part.", MEDIA),
            ("part.", LOGPROBS),
            ("part.logprobs[].", TOKEN),
            ("response.", SAMPLING),
            ("response.", BESIDE),
            ("response.", SETTINGS),
            ("response.", RESPONSE),
            ("response.", ERROR),
            ("response.output[].", ITEM),
            ("response.output[].content[].", PART),
            ("response.output[].content[].", MEDIA),
            ("response.output[].content[].", LOGPROBS),
            ("response.output[].content[].logprobs[].", TOKEN),
        ])
    }),
};

/// Types of items of which everything that can be read is read.
const READ_ITEMS: &[&str] = &[
    "message",
    "reasoning",
    "function_call",
    "function_call_output",
    "custom_tool_call",
    "custom_tool_call_output",
    "web_search_call",
    "file_search_call",
    "code_interpreter_call",
    "computer_call",
    "local_shell_call",
    "local_shell_call_output",
    "shell_call",
    "shell_call_output",
    "apply_patch_call",
    "apply_patch_call_output",
    "mcp_call",
    "mcp_list_tools",
    "mcp_approval_request",
    "mcp_approval_response",
];

/// Types of items that the model says.
const AGENT_ITEMS: &[&str] = &[
    "reasoning",
    "function_call",
    "custom_tool_call",
    "web_search_call",
    "file_search_call",
    "code_interpreter_call",
    "computer_call",
    "local_shell_call",
    "shell_call",
    "apply_patch_call",
    "mcp_call",
    "mcp_approval_request",
];

/// Types of parts of which everything that can be read is read.
const READ_PARTS: &[&str] =
    &["input_text", "output_text", "text", "refusal", "summary_text", "reasoning_text"];

/// Types of parts that are known by name.
const PART_TYPES: &[&str] = &[
    "input_text",
    "output_text",
    "text",
    "refusal",
    "summary_text",
    "reasoning_text",
    "input_image",
    "input_file",
    "input_audio",
    "computer_screenshot",
];

const STATUSES: &[&str] = &[
    "queued",
    "in_progress",
    "searching",
    "interpreting",
    "generating",
    "calling",
    "completed",
    "incomplete",
    "failed",
    "cancelled",
];

/// How an answer is made: in a request, and repeated in its response.
const SETTINGS: &[Field] = &[
    field("model", Holds::Id, "which model is asked, or has answered"),
    field("instructions", Holds::Judged, "what the model is told to be"),
    field("max_output_tokens", Holds::Number, "length of the answer"),
    field("max_tool_calls", Holds::Number, "how many calls of tools"),
    field("reasoning", Holds::Judged, "whether to think before the answer"),
    field(
        "reasoning.effort",
        Holds::Word(&["none", "minimal", "low", "medium", "high", "xhigh", "max"]),
        "for how long",
    ),
    field("reasoning.summary", Holds::Word(&["auto", "concise", "detailed"]), "how it is told"),
    field("reasoning.generate_summary", Holds::Word(&["auto", "concise", "detailed"]), "the same"),
    field("text", Holds::Judged, "how to answer"),
    field("text.format", Holds::Schema, "the shape of the answer: the model may read it"),
    field("text.verbosity", Holds::Word(&["low", "medium", "high"]), "how long to answer"),
    field("tool_choice", Holds::Word(&["none", "auto", "required"]), "whether tools are called"),
    field("tool_choice.type", Holds::Word(&["function", "custom", "allowed_tools"]), "which"),
    field("tool_choice.name", Holds::Judged, "the tool's name"),
    field("tool_choice.mode", Holds::Word(&["auto", "required"]), "whether"),
    field("tool_choice.tools", Holds::Schema, "what may be called"),
];

const REQUEST: &[Field] = &[
    field("input", Holds::Judged, "the conversation"),
    field("include", Holds::Judged, "what the answer tells besides"),
    field("include[]", Holds::Id, "the name of a field"),
    field("prompt", Holds::Elsewhere, "a template kept at the provider"),
    field("background", Holds::Elsewhere, "the answer is fetched by another path"),
    field("truncation", Holds::Only(&["disabled"]), "the model sees only a part of the text"),
    field(
        "context_management",
        Holds::Refused,
        "the provider takes parts out of the conversation, or sums them up",
    ),
];

/// An item, in a request, a response or an event, but for its parts.
const ITEM: &[Field] = &[
    field("type", Holds::Word(READ_ITEMS), "its kind"),
    field("id", Holds::Id, "its name"),
    field("status", Holds::Word(STATUSES), "how far it has come"),
    field("role", Holds::Word(&["user", "assistant", "system", "developer", "tool"]), "who speaks"),
    field("phase", Holds::Word(&["commentary", "final_answer"]), "where in the answer"),
    field("content", Holds::Text(Channel::Content), "what is said"),
    field("content[]", Holds::Part(Channel::Content, READ_PARTS), "a part of it"),
    field("summary", Holds::Judged, "reasoning, summed up"),
    field("summary[]", Holds::Part(Channel::Reasoning, READ_PARTS), "a part of it"),
    field("summary[].type", Holds::Word(PART_TYPES), "its kind"),
    field("summary[].text", Holds::Text(Channel::Reasoning), "its text"),
    field("encrypted_content", Holds::Payload, "reasoning that only the provider can read"),
    field("call_id", Holds::Id, "which call this is, or answers"),
    field("name", Holds::Text(Channel::Tool), "the tool's name"),
    field("arguments", Holds::Text(Channel::Tool), "what it is given"),
    field("input", Holds::Text(Channel::Tool), "what it is given"),
    field("code", Holds::Text(Channel::Tool), "what is run"),
    field("action", Holds::Text(Channel::Tool), "what is done"),
    field("operation", Holds::Text(Channel::Tool), "what is done"),
    field("queries", Holds::Judged, "what is searched for"),
    field("queries[]", Holds::Judged, "one of them"),
    field("results", Holds::Judged, "what was found"),
    field("container_id", Holds::Id, "where it runs"),
    field("output", Holds::Judged, "what a tool gave back"),
    field("output[]", Holds::Part(Channel::Other, READ_PARTS), "a part of it"),
    field("outputs", Holds::Judged, "what a tool gave back"),
    field("server_label", Holds::Judged, "whose tool it is"),
    field("error", Holds::Judged, "what went wrong"),
    field("tools", Holds::Schema, "definitions of tools: the model reads them"),
    field("approve", Holds::Number, "whether a call is allowed"),
    field("approval_request_id", Holds::Id, "which call"),
    field("reason", Holds::Judged, "why"),
];

/// A part of an item.
const PART: &[Field] = &[
    field("type", Holds::Word(PART_TYPES), "its kind"),
    field("text", Holds::Text(Channel::Content), "its text"),
    field("refusal", Holds::Text(Channel::Refusal), "a refusal"),
    field("filename", Holds::Judged, "its name"),
    field("annotations", Holds::Judged, "sources"),
    field("annotations[]", Holds::Judged, "a source"),
    field("annotations[].type", Holds::Word(ANNOTATION_TYPES), "its kind"),
    field("annotations[].index", Holds::Number, "where it is cited"),
    field("annotations[].start_index", Holds::Number, "where it is cited"),
    field("annotations[].end_index", Holds::Number, "where it is cited"),
    field("annotations[].title", Holds::Judged, "its title"),
    field("annotations[].url", Holds::Judged, "its address"),
    field("annotations[].file_id", Holds::Id, "a file's name at the provider"),
    field("annotations[].container_id", Holds::Id, "where it is kept"),
    field("annotations[].filename", Holds::Judged, "its name"),
];

/// Probabilities, of a part or beside a delta.
const LOGPROBS: &[Field] = &[
    field("logprobs", Holds::Judged, "probabilities of tokens"),
    field("logprobs[]", Holds::Judged, "one token"),
];

const ANNOTATION_TYPES: &[&str] =
    &["url_citation", "file_citation", "container_file_citation", "file_path"];

/// A response, but for its items and its settings.
const RESPONSE: &[Field] = &[
    field("id", Holds::Id, "the name of the response"),
    field("object", Holds::Id, "what this is"),
    field("created_at", Holds::Number, "when"),
    field("completed_at", Holds::Number, "when"),
    field("status", Holds::Word(STATUSES), "how far it has come"),
    field("background", Holds::Number, "whether it is fetched later"),
    field("incomplete_details", Holds::Judged, "why it is not complete"),
    field(
        "incomplete_details.reason",
        Holds::Word(&["max_output_tokens", "content_filter"]),
        "why it is not complete",
    ),
    field("output", Holds::Judged, "the items"),
    field("output[]", Holds::Item(READ_ITEMS), "an item"),
    field("output_text", Holds::Text(Channel::Content), "all its text once more"),
    field("previous_response_id", Holds::Id, "what it goes on from"),
    field("store", Holds::Number, "whether the provider keeps it"),
    field("truncation", Holds::Word(&["auto", "disabled"]), "whether text was left out"),
    field("usage", Holds::Judged, "token counts"),
    field("usage.input_tokens", Holds::Number, "tokens"),
    field("usage.input_tokens_details", Holds::Judged, "tokens"),
    field("usage.input_tokens_details.cached_tokens", Holds::Number, "tokens"),
    field("usage.output_tokens", Holds::Number, "tokens"),
    field("usage.output_tokens_details", Holds::Judged, "tokens"),
    field("usage.output_tokens_details.reasoning_tokens", Holds::Number, "tokens"),
    field("usage.total_tokens", Holds::Number, "tokens"),
];

/// An event of a streamed response. What `delta` and `text` are follows from its type.
const EVENT: &[Field] = &[
    field("type", Holds::Word(EVENT_TYPES), "what happens"),
    field("sequence_number", Holds::Number, "its number"),
    field("output_index", Holds::Number, "the number of an item"),
    field("content_index", Holds::Number, "the number of a part"),
    field("summary_index", Holds::Number, "the number of a part"),
    field("annotation_index", Holds::Number, "the number of a source"),
    field("item_id", Holds::Id, "the name of an item"),
    field("obfuscation", Holds::Id, "padding against traffic analysis"),
    field("response", Holds::Judged, "the response as it stands"),
    field("item", Holds::Item(READ_ITEMS), "an item as it stands"),
    field("part", Holds::Part(Channel::Content, READ_PARTS), "a part as it stands"),
    field("delta", Holds::Text(Channel::Content), "how it goes on"),
    field("text", Holds::Text(Channel::Content), "all of it"),
    field("refusal", Holds::Text(Channel::Refusal), "all of it"),
    field("arguments", Holds::Text(Channel::Tool), "all of it"),
    field("input", Holds::Text(Channel::Tool), "all of it"),
    field("code", Holds::Text(Channel::Tool), "all of it"),
    field("name", Holds::Text(Channel::Tool), "the tool's name"),
    field("message", Holds::Judged, "what went wrong"),
    field("param", Holds::Judged, "the field in question"),
    field("annotation", Holds::Judged, "a source"),
    field("annotation.type", Holds::Word(ANNOTATION_TYPES), "its kind"),
    field("annotation.start_index", Holds::Number, "where it is cited"),
    field("annotation.end_index", Holds::Number, "where it is cited"),
    field("annotation.title", Holds::Judged, "its title"),
    field("annotation.url", Holds::Judged, "its address"),
];

/// Types of events that are known; another is judged as text.
pub(in crate::wire) const EVENT_TYPES: &[&str] = &[
    "error",
    "keepalive",
    "response.queued",
    "response.created",
    "response.in_progress",
    "response.completed",
    "response.incomplete",
    "response.failed",
    "response.output_item.added",
    "response.output_item.done",
    "response.content_part.added",
    "response.content_part.done",
    "response.output_text.delta",
    "response.output_text.done",
    "response.output_text.annotation.added",
    "response.refusal.delta",
    "response.refusal.done",
    "response.reasoning_text.delta",
    "response.reasoning_text.done",
    "response.reasoning_summary_part.added",
    "response.reasoning_summary_part.done",
    "response.reasoning_summary_text.delta",
    "response.reasoning_summary_text.done",
    "response.function_call_arguments.delta",
    "response.function_call_arguments.done",
    "response.custom_tool_call_input.delta",
    "response.custom_tool_call_input.done",
    "response.mcp_call_arguments.delta",
    "response.mcp_call_arguments.done",
    "response.mcp_call.in_progress",
    "response.mcp_call.completed",
    "response.mcp_call.failed",
    "response.mcp_list_tools.in_progress",
    "response.mcp_list_tools.completed",
    "response.mcp_list_tools.failed",
    "response.code_interpreter_call.in_progress",
    "response.code_interpreter_call.interpreting",
    "response.code_interpreter_call.completed",
    "response.code_interpreter_call_code.delta",
    "response.code_interpreter_call_code.done",
    "response.web_search_call.in_progress",
    "response.web_search_call.searching",
    "response.web_search_call.completed",
    "response.file_search_call.in_progress",
    "response.file_search_call.searching",
    "response.file_search_call.completed",
];
