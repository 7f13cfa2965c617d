//! Rows that several dialects share.

use crate::wire::field::{Channel, Field, Holds, field};

/// Reasons for an end that are known; another is judged as text.
pub(super) const FINISH_REASONS: &[&str] = &[
    "stop",
    "length",
    "tool_calls",
    "content_filter",
    "function_call",
    "error",
    "abort",
    "cancelled",
    "eos",
    "STOP",
    "MAX_TOKENS",
    "end_turn",
    "max_tokens",
    "stop_sequence",
    "tool_use",
    "completed",
];

/// Queues of providers.
pub(super) const SERVICE_TIERS: &[&str] =
    &["auto", "default", "flex", "scale", "priority", "on_demand", "standard", "standard_only"];

/// How an answer is streamed.
pub(super) const STREAMED: &[Field] = &[
    field("stream", Holds::Number, "whether the answer is streamed"),
    field("stream_options", Holds::Judged, "how it is streamed"),
    field("stream_options.include_usage", Holds::Number, "a last chunk with token counts"),
    field("stream_options.include_obfuscation", Holds::Number, "padding against traffic analysis"),
    field("stream_options.continuous_usage_stats", Holds::Number, "token counts in every chunk"),
];

/// How an answer is made: numbers that say nothing.
pub(super) const SAMPLING: &[Field] = &[
    field("temperature", Holds::Number, "sampling"),
    field("top_p", Holds::Number, "sampling"),
    field("top_k", Holds::Number, "sampling"),
    field("min_p", Holds::Number, "sampling"),
    field("top_a", Holds::Number, "sampling"),
    field("typical_p", Holds::Number, "sampling"),
    field("presence_penalty", Holds::Number, "sampling"),
    field("frequency_penalty", Holds::Number, "sampling"),
    field("repetition_penalty", Holds::Number, "sampling"),
    field("length_penalty", Holds::Number, "sampling"),
    field("seed", Holds::Number, "sampling"),
    field("n", Holds::Number, "how many choices"),
    field("best_of", Holds::Number, "how many are tried"),
    field("use_beam_search", Holds::Number, "sampling"),
    field("max_tokens", Holds::Number, "length of the answer"),
    field("max_completion_tokens", Holds::Number, "length of the answer"),
    field("min_tokens", Holds::Number, "length of the answer"),
    field("ignore_eos", Holds::Number, "length of the answer"),
    field("include_stop_str_in_output", Holds::Number, "whether stop words are part of the answer"),
    field("skip_special_tokens", Holds::Number, "how the answer is spelled"),
    field("spaces_between_special_tokens", Holds::Number, "how the answer is spelled"),
    field("priority", Holds::Number, "the provider's queue"),
    field("request_id", Holds::Id, "a name for the request"),
    field("cache_salt", Holds::Id, "keeps the engine's caches apart"),
];

/// What is kept at the provider, and cannot be read here where it is used; and the wish to have it
/// kept. Where nothing is said of keeping, nothing is unread: some providers keep by default.
pub(super) const ELSEWHERE: &[Field] = &[
    field("prompt_token_ids", Holds::Elsewhere, "token ids"),
    field("store", Holds::Elsewhere, "has the provider keep the text, to be had by other ways"),
    field("previous_response_id", Holds::Elsewhere, "text kept at the provider"),
    field("conversation", Holds::Elsewhere, "text kept at the provider"),
    field("container", Holds::Elsewhere, "files kept at the provider"),
];

/// What changes what the model reads behind the guard's back, or is in tokens instead of words: the
/// fields of engines such as vLLM, which take them in every dialect.
pub(super) const BEHIND: &[Field] = &[
    field("chat_template", Holds::Refused, "a template of the client's own may add any text"),
    field("chat_template_kwargs", Holds::Refused, "variables of the template may add any text"),
    field("add_special_tokens", Holds::Refused, "changes how the prompt is tokenised"),
    field("add_generation_prompt", Holds::Refused, "changes whose turn it is"),
    field("continue_final_message", Holds::Refused, "changes whose turn it is"),
    field("truncate_prompt_tokens", Holds::Refused, "the model sees only what the client chose"),
    field("truncation_side", Holds::Refused, "the model sees only what the client chose"),
    field("prompt_embeds", Holds::RefusedUnread, "a prompt that is not text"),
    field("mm_processor_kwargs", Holds::Refused, "settings of the engine"),
    field("vllm_xargs", Holds::Refused, "settings of the engine"),
    field("kv_transfer_params", Holds::RefusedUnread, "state of another prompt"),
    field("logit_bias", Holds::RefusedUnread, "token ids: forces an answer"),
    field("allowed_token_ids", Holds::RefusedUnread, "token ids: forces an answer"),
    field("stop_token_ids", Holds::RefusedUnread, "token ids"),
    field("bad_words", Holds::Refused, "forces an answer by leaving out words"),
    field("return_tokens_as_token_ids", Holds::RefusedUnread, "an answer that is not text"),
    field("return_token_ids", Holds::RefusedUnread, "an answer that is not text"),
    field("prompt_logprobs", Holds::Refused, "repeats the prompt in the answer"),
    field("logits_processors", Holds::RefusedUnread, "code of the client's own"),
];

/// An answer, or one chunk of a streamed one, but for its choices.
pub(super) const ANSWER: &[Field] = &[
    field("id", Holds::Id, "the name of the answer"),
    field("object", Holds::Id, "what this is"),
    field("created", Holds::Number, "when"),
    field("model", Holds::Id, "which model answered"),
    field("provider", Holds::Id, "who ran it"),
    field("system_fingerprint", Holds::Id, "which set-up answered"),
    field("service_tier", Holds::Word(SERVICE_TIERS), "the provider's queue"),
    field("obfuscation", Holds::Id, "padding against traffic analysis"),
    field("usage", Holds::Judged, "token counts"),
    field("usage.prompt_tokens", Holds::Number, "tokens"),
    field("usage.completion_tokens", Holds::Number, "tokens"),
    field("usage.total_tokens", Holds::Number, "tokens"),
    field("usage.reasoning_tokens", Holds::Number, "tokens"),
    field("usage.prompt_cache_hit_tokens", Holds::Number, "tokens"),
    field("usage.prompt_cache_miss_tokens", Holds::Number, "tokens"),
    field("usage.cost", Holds::Number, "money"),
    field("usage.queue_time", Holds::Number, "seconds"),
    field("usage.prompt_time", Holds::Number, "seconds"),
    field("usage.completion_time", Holds::Number, "seconds"),
    field("usage.total_time", Holds::Number, "seconds"),
    field("usage.prompt_tokens_details", Holds::Judged, "tokens"),
    field("usage.prompt_tokens_details.cached_tokens", Holds::Number, "tokens"),
    field("usage.prompt_tokens_details.cache_write_tokens", Holds::Number, "tokens"),
    field("usage.prompt_tokens_details.audio_tokens", Holds::Number, "tokens"),
    field("usage.prompt_tokens_details.image_tokens", Holds::Number, "tokens"),
    field("usage.prompt_tokens_details.text_tokens", Holds::Number, "tokens"),
    field("usage.completion_tokens_details", Holds::Judged, "tokens"),
    field("usage.completion_tokens_details.reasoning_tokens", Holds::Number, "tokens"),
    field("usage.completion_tokens_details.audio_tokens", Holds::Number, "tokens"),
    field("usage.completion_tokens_details.image_tokens", Holds::Number, "tokens"),
    field("usage.completion_tokens_details.text_tokens", Holds::Number, "tokens"),
    field("usage.completion_tokens_details.accepted_prediction_tokens", Holds::Number, "tokens"),
    field("usage.completion_tokens_details.rejected_prediction_tokens", Holds::Number, "tokens"),
    field("timings", Holds::Judged, "times"),
    field("timings.cache_n", Holds::Number, "tokens"),
    field("timings.prompt_n", Holds::Number, "tokens"),
    field("timings.prompt_ms", Holds::Number, "times"),
    field("timings.prompt_per_token_ms", Holds::Number, "times"),
    field("timings.prompt_per_second", Holds::Number, "times"),
    field("timings.predicted_n", Holds::Number, "tokens"),
    field("timings.predicted_ms", Holds::Number, "times"),
    field("timings.predicted_per_token_ms", Holds::Number, "times"),
    field("timings.predicted_per_second", Holds::Number, "times"),
    field("x_groq", Holds::Judged, "the provider's own"),
    field("x_groq.id", Holds::Id, "the name of the request"),
    field("prompt_token_ids", Holds::Elsewhere, "token ids"),
    field("prompt_logprobs", Holds::Elsewhere, "token ids"),
    field("kv_transfer_params", Holds::Elsewhere, "state of the engine"),
];

/// A choice, but for its message.
pub(super) const CHOICE: &[Field] = &[
    field("index", Holds::Number, "its number"),
    field("finish_reason", Holds::Word(FINISH_REASONS), "why it ended"),
    field("native_finish_reason", Holds::Word(FINISH_REASONS), "why it ended"),
    field("stop_reason", Holds::Judged, "the word at which it ended"),
    field("text", Holds::Text(Channel::Content), "what was said, in the legacy dialect"),
    // Token ids.
    field("token_ids", Holds::Elsewhere, "token ids"),
    field("prompt_token_ids", Holds::Elsewhere, "token ids"),
    field("routed_experts", Holds::Elsewhere, "state of the engine"),
    field("logprobs", Holds::Judged, "probabilities of tokens"),
    field("logprobs.content", Holds::Judged, "per token of the content"),
    field("logprobs.content[]", Holds::Judged, "one token"),
    field("logprobs.refusal", Holds::Judged, "per token of the refusal"),
    field("logprobs.refusal[]", Holds::Judged, "one token"),
];

/// One token of what was said, and its probability. It leaks what a redacted text said, so it is judged
/// like it.
pub(super) const TOKEN: &[Field] = &[
    field("token", Holds::Text(Channel::Tokens), "the token"),
    field("bytes", Holds::Spelled, "its bytes"),
    field("logprob", Holds::Number, "its probability"),
    field("top_logprobs", Holds::Judged, "alternatives"),
    field("top_logprobs[]", Holds::Judged, "an alternative"),
    field("top_logprobs[].token", Holds::Text(Channel::Alternatives), "the token"),
    field("top_logprobs[].bytes", Holds::Spelled, "its bytes"),
    field("top_logprobs[].logprob", Holds::Number, "its probability"),
];

/// What a part of a message holds that is not text.
pub(super) const MEDIA: &[Field] = &[
    field("image_url", Holds::Payload, "an image, or where to fetch it"),
    field("detail", Holds::Word(&["auto", "low", "high", "original"]), "resolution"),
    field("input_audio", Holds::Payload, "audio"),
    field("input_audio.data", Holds::Payload, "audio"),
    field("input_audio.format", Holds::Word(&["wav", "mp3", "pcm16"]), "encoding"),
    field("file_data", Holds::Payload, "a file"),
    field("file_id", Holds::Payload, "a file kept at the provider"),
    field("file_url", Holds::Payload, "where to fetch a file"),
];

/// A part that is not what somebody said: of what a tool gave back, of a document, of what the
/// application says.
pub(super) const ASIDE: &[Field] = &[field("text", Holds::Judged, "its text")];

/// What the provider may cache.
pub(super) const CACHED: &[Field] = &[
    field("cache_control", Holds::Judged, "the provider's cache"),
    field("cache_control.type", Holds::Word(&["ephemeral"]), "the provider's cache"),
    field("cache_control.ttl", Holds::Word(&["5m", "1h"]), "how long it is kept"),
];

/// What OpenAI's newer dialects are told besides: how tools are called, for whom, from which cache.
pub(super) const BESIDE: &[Field] = &[
    field("top_logprobs", Holds::Number, "how many alternatives are told"),
    field("parallel_tool_calls", Holds::Number, "whether several calls may come at once"),
    field("tools", Holds::Schema, "definitions of tools: the model reads them"),
    field("service_tier", Holds::Word(SERVICE_TIERS), "the provider's queue"),
    field("prompt_cache_key", Holds::Id, "the provider's cache"),
    field(
        "prompt_cache_retention",
        Holds::Word(&["in-memory", "in_memory", "24h"]),
        "the provider's cache",
    ),
    field("safety_identifier", Holds::Id, "a digest that stands for the end user"),
    field("user", Holds::Judged, "free text for the end user's name"),
    field("metadata", Holds::Judged, "free text kept at the provider"),
];

/// An error in the place of an answer.
pub(super) const ERROR: &[Field] = &[
    field("error", Holds::Judged, "what went wrong"),
    field("error.message", Holds::Judged, "in words"),
    field("error.type", Holds::Judged, "its kind"),
    field("error.param", Holds::Judged, "the field in question"),
    field("error.code", Holds::Judged, "its stable word"),
];
