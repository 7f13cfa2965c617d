//! The tables of Messages: every field of which something is known.

use std::sync::LazyLock;

use crate::wire::dialect::{Asking, Said, Shape};
use crate::wire::field::{Channel, Field, Holds, Table, field};
use crate::wire::shared::{
    ASIDE, BEHIND, CACHED, ELSEWHERE, ERROR, SAMPLING, SERVICE_TIERS, STREAMED,
};

/// `POST /v1/messages`.
pub(in crate::wire) static SHAPE: Shape = Shape {
    name: "messages",
    path: "/messages",
    asked: "messages",
    asking: Asking::Messages,
    said: Said::Whole { list: "content", event: "message" },
    moderates: false,
    key_header: Some("x-api-key"),
    headers: &["anthropic-version", "anthropic-beta"],
    requests: LazyLock::new(|| {
        Table::new(&[
            ("", STREAMED),
            ("", SAMPLING),
            ("", ELSEWHERE),
            ("", BEHIND),
            ("", REQUEST),
            ("", CACHED),
            ("system[].", BLOCK),
            ("system[].", CACHED),
            ("system[].", ASIDE),
            ("messages[].content[].", BLOCK),
            ("messages[].content[].", CACHED),
            ("messages[].content[].content[].", BLOCK),
            ("messages[].content[].content[].", CACHED),
            ("messages[].content[].content[].", ASIDE),
            ("messages[].content[].source.content[].", BLOCK),
            ("messages[].content[].source.content[].", CACHED),
            ("messages[].content[].source.content[].", ASIDE),
        ])
    }),
    answers: LazyLock::new(|| {
        Table::new(&[
            ("", EVENT),
            ("", ERROR),
            ("", MESSAGE),
            ("message.", MESSAGE),
            ("message.content[].", BLOCK),
            ("message.content[].content[].", BLOCK),
            ("message.content[].content[].", ASIDE),
            ("content_block.", BLOCK),
            ("content_block.content[].", BLOCK),
            ("content_block.content[].", ASIDE),
        ])
    }),
};

/// Types of blocks of which everything that can be read is read.
const READ_BLOCKS: &[&str] = &[
    "text",
    "thinking",
    "document",
    "search_result",
    "tool_use",
    "tool_result",
    "server_tool_use",
    "web_search_tool_result",
    "web_search_result",
    "web_fetch_tool_result",
    "code_execution_tool_result",
    "bash_code_execution_tool_result",
    "text_editor_code_execution_tool_result",
    "mcp_tool_use",
    "mcp_tool_result",
];

/// Types of blocks that are known by name.
const BLOCK_TYPES: &[&str] = &[
    "text",
    "thinking",
    "redacted_thinking",
    "image",
    "document",
    "search_result",
    "tool_use",
    "tool_result",
    "server_tool_use",
    "web_search_tool_result",
    "web_search_result",
    "web_fetch_tool_result",
    "code_execution_tool_result",
    "bash_code_execution_tool_result",
    "text_editor_code_execution_tool_result",
    "mcp_tool_use",
    "mcp_tool_result",
    "container_upload",
];

/// What the objects are that server tools give back.
const RESULT_TYPES: &[&str] = &[
    "web_search_tool_result_error",
    "web_fetch_result",
    "web_fetch_tool_result_error",
    "code_execution_result",
    "code_execution_tool_result_error",
    "bash_code_execution_result",
    "bash_code_execution_tool_result_error",
    "text_editor_code_execution_view_result",
    "text_editor_code_execution_create_result",
    "text_editor_code_execution_str_replace_result",
    "text_editor_code_execution_tool_result_error",
];

/// What the objects of an answer are: the message itself, an error, or an event.
const ANSWER_TYPES: &[&str] = &[
    "message",
    "error",
    "ping",
    "message_start",
    "message_delta",
    "message_stop",
    "content_block_start",
    "content_block_delta",
    "content_block_stop",
];

/// Reasons for an end that are known; another is judged as text.
const STOP_REASONS: &[&str] = &[
    "end_turn",
    "max_tokens",
    "stop_sequence",
    "tool_use",
    "pause_turn",
    "refusal",
    "model_context_window_exceeded",
];

const REQUEST: &[Field] = &[
    field("model", Holds::Id, "which model is asked; chooses the upstream"),
    field("messages", Holds::Judged, "the conversation"),
    field("messages[].role", Holds::Word(&["user", "assistant", "system"]), "who speaks"),
    field("messages[].content", Holds::Text(Channel::Content), "what is said"),
    field("messages[].content[]", Holds::Part(Channel::Content, READ_BLOCKS), "a block of it"),
    field("system", Holds::Judged, "what the model is told to be"),
    field("system[]", Holds::Part(Channel::Other, READ_BLOCKS), "a block of it"),
    field("stop_sequences", Holds::Judged, "words at which the answer ends"),
    field("stop_sequences[]", Holds::Judged, "one of them"),
    field("metadata", Holds::Judged, "about the request"),
    field("metadata.user_id", Holds::Id, "a digest that stands for the end user"),
    field("service_tier", Holds::Word(SERVICE_TIERS), "the provider's queue"),
    field("speed", Holds::Word(&["standard", "fast"]), "the provider's queue"),
    field("inference_geo", Holds::Id, "where the provider computes"),
    field("thinking", Holds::Judged, "whether to think before the answer"),
    field("thinking.type", Holds::Word(&["enabled", "disabled", "adaptive"]), "whether"),
    field("thinking.budget_tokens", Holds::Number, "for how long"),
    field("thinking.display", Holds::Word(&["summarized", "omitted"]), "how it is told"),
    field("output_config", Holds::Judged, "how to answer"),
    field(
        "output_config.effort",
        Holds::Word(&["low", "medium", "high", "xhigh", "max"]),
        "how long to think",
    ),
    field("output_config.format", Holds::Schema, "the shape of the answer: the model may read it"),
    field("output_format", Holds::Schema, "the shape of the answer: the model may read it"),
    field("tools", Holds::Schema, "definitions of tools: the model reads them"),
    field("tool_choice", Holds::Judged, "whether tools are called"),
    field("tool_choice.type", Holds::Word(&["auto", "any", "tool", "none"]), "whether"),
    field("tool_choice.name", Holds::Judged, "the tool's name"),
    field("tool_choice.disable_parallel_tool_use", Holds::Number, "whether several at once"),
    field("mcp_servers", Holds::Elsewhere, "definitions of tools that only the provider reads"),
    field(
        "context_management",
        Holds::Refused,
        "the provider takes parts out of the conversation, or sums them up",
    ),
];

/// A content block, in a request, an answer or an event.
const BLOCK: &[Field] = &[
    field("type", Holds::Word(BLOCK_TYPES), "its kind"),
    field("text", Holds::Text(Channel::Content), "its text"),
    field("thinking", Holds::Text(Channel::Reasoning), "reasoning"),
    field("signature", Holds::Sealed, "the provider's seal on the reasoning: no other can make it"),
    field("data", Holds::Payload, "reasoning that only the provider can read"),
    field("citations", Holds::Judged, "sources; in a request, whether to name them"),
    field("citations.enabled", Holds::Number, "whether to name sources"),
    field("citations[].type", Holds::Word(CITATION_TYPES), "its kind"),
    field("citations[].cited_text", Holds::Judged, "what is cited"),
    field("citations[].document_index", Holds::Number, "from which document"),
    field("citations[].document_title", Holds::Judged, "its title"),
    field("citations[].start_char_index", Holds::Number, "where"),
    field("citations[].end_char_index", Holds::Number, "where"),
    field("citations[].start_page_number", Holds::Number, "where"),
    field("citations[].end_page_number", Holds::Number, "where"),
    field("citations[].start_block_index", Holds::Number, "where"),
    field("citations[].end_block_index", Holds::Number, "where"),
    field("citations[].search_result_index", Holds::Number, "from which result"),
    field("citations[].encrypted_index", Holds::Sealed, "a pointer only the provider can make"),
    field("citations[].file_id", Holds::Id, "a file's name at the provider"),
    field("citations[].url", Holds::Judged, "a page's address"),
    field("citations[].title", Holds::Judged, "its title"),
    field("citations[].source", Holds::Judged, "where it is from"),
    field("id", Holds::Id, "the name of a call"),
    field("name", Holds::Text(Channel::Tool), "the tool's name"),
    field("input", Holds::Text(Channel::Tool), "what it is given"),
    field("server_name", Holds::Judged, "whose tool it is"),
    field("caller", Holds::Judged, "who calls it"),
    field("caller.type", Holds::Id, "who calls it"),
    field("caller.tool_id", Holds::Id, "who calls it"),
    field("tool_use_id", Holds::Id, "which call this answers"),
    field("is_error", Holds::Number, "whether the call went wrong"),
    field("content", Holds::Judged, "what a tool gave back, or a page says"),
    field("content[]", Holds::Part(Channel::Other, READ_BLOCKS), "a block of it"),
    field("content.type", Holds::Word(RESULT_TYPES), "what a server tool gave back"),
    field("content.error_code", Holds::Id, "what went wrong"),
    field("content.stdout", Holds::Judged, "what it wrote"),
    field("content.stderr", Holds::Judged, "what it wrote"),
    field("content.return_code", Holds::Number, "how it ended"),
    field("content.url", Holds::Judged, "a page's address"),
    field("content.retrieved_at", Holds::Id, "when it was read"),
    field("title", Holds::Judged, "a document's title"),
    field("context", Holds::Judged, "about a document"),
    field("url", Holds::Judged, "a page's address"),
    field("page_age", Holds::Judged, "how old it is"),
    field("encrypted_content", Holds::Payload, "a page that only the provider can read"),
    field("file_id", Holds::Payload, "a file kept at the provider"),
    field("source", Holds::Judged, "an image or a document, or where a result is from"),
    field("source.type", Holds::Word(&["base64", "text", "url", "content", "file"]), "its form"),
    field("source.media_type", Holds::Id, "its format"),
    field("source.data", Holds::Data, "its bytes; its text where the type says so"),
    field("source.url", Holds::Payload, "where to fetch it"),
    field("source.file_id", Holds::Payload, "a file kept at the provider"),
    field("source.content", Holds::Judged, "its text"),
    field("source.content[]", Holds::Part(Channel::Other, READ_BLOCKS), "a block of it"),
];

const CITATION_TYPES: &[&str] = &[
    "char_location",
    "page_location",
    "content_block_location",
    "web_search_result_location",
    "search_result_location",
];

/// An answer, or the beginning of a streamed one, but for its blocks.
const MESSAGE: &[Field] = &[
    field("id", Holds::Id, "the name of the answer"),
    field("type", Holds::Word(ANSWER_TYPES), "what this is"),
    field("role", Holds::Word(&["assistant"]), "who speaks"),
    field("model", Holds::Id, "which model answered"),
    field("content", Holds::Text(Channel::Content), "what is said"),
    field("content[]", Holds::Part(Channel::Content, READ_BLOCKS), "a block of it"),
    field("stop_reason", Holds::Word(STOP_REASONS), "why it ended"),
    field("stop_sequence", Holds::Judged, "the word at which it ended"),
    field("container", Holds::Judged, "files kept at the provider"),
    field("container.id", Holds::Id, "their name"),
    field("container.expires_at", Holds::Id, "how long they are kept"),
    field("usage", Holds::Judged, "token counts"),
    field("usage.input_tokens", Holds::Number, "tokens"),
    field("usage.output_tokens", Holds::Number, "tokens"),
    field("usage.cache_creation_input_tokens", Holds::Number, "tokens"),
    field("usage.cache_read_input_tokens", Holds::Number, "tokens"),
    field("usage.cache_creation", Holds::Judged, "tokens"),
    field("usage.cache_creation.ephemeral_5m_input_tokens", Holds::Number, "tokens"),
    field("usage.cache_creation.ephemeral_1h_input_tokens", Holds::Number, "tokens"),
    field("usage.server_tool_use", Holds::Judged, "calls of server tools"),
    field("usage.server_tool_use.web_search_requests", Holds::Number, "calls"),
    field("usage.server_tool_use.web_fetch_requests", Holds::Number, "calls"),
    field("usage.service_tier", Holds::Word(SERVICE_TIERS), "the provider's queue"),
    field("usage.inference_geo", Holds::Id, "where the provider computed"),
];

/// An event of a streamed answer.
const EVENT: &[Field] = &[
    field("index", Holds::Number, "the number of a block"),
    field("message", Holds::Judged, "the message that begins"),
    field("content_block", Holds::Part(Channel::Content, READ_BLOCKS), "the block that begins"),
    field("delta", Holds::Judged, "how it goes on"),
    field("delta.type", Holds::Word(DELTA_TYPES), "what goes on"),
    field("delta.text", Holds::Text(Channel::Content), "text"),
    field("delta.thinking", Holds::Text(Channel::Reasoning), "reasoning"),
    field("delta.signature", Holds::Sealed, "the provider's seal on the reasoning"),
    field("delta.partial_json", Holds::Text(Channel::Tool), "what a tool is given"),
    field("delta.citation", Holds::Judged, "a source"),
    field("delta.citation.type", Holds::Word(CITATION_TYPES), "its kind"),
    field("delta.citation.encrypted_index", Holds::Sealed, "a pointer only the provider can make"),
    field("delta.stop_reason", Holds::Word(STOP_REASONS), "why it ended"),
    field("delta.stop_sequence", Holds::Judged, "the word at which it ended"),
    field("delta.container", Holds::Judged, "files kept at the provider"),
    field("delta.container.id", Holds::Id, "their name"),
    field("delta.container.expires_at", Holds::Id, "how long they are kept"),
    field("request_id", Holds::Id, "the name of the request, beside an error"),
];

const DELTA_TYPES: &[&str] =
    &["text_delta", "thinking_delta", "signature_delta", "input_json_delta", "citations_delta"];
