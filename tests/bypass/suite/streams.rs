//! Every place of a streamed answer where text can stand, cut in many ways.

use serde_json::Value;

use crate::suite::Extent;
use crate::suite::case::{
    CHAT, COMPLETIONS, Case, Dialect, HARMLESS, MESSAGES, PAYLOAD, RESPONSES, Wanted, filled,
};
use crate::suite::spellings::{DISGUISES, PLAIN, Spelling};
use crate::support::upstream;

/// A stream: what comes before the text, the event that is repeated for each piece of it (at `@`), and
/// what comes behind.
struct Stream {
    dialect: Dialect,
    before: &'static [&'static str],
    piece: &'static str,
    after: &'static [&'static str],
    /// Whether it is a class of its own that rivals let pass.
    rival: Option<&'static str>,
}

const RESPONSE_BEGINS: &[&str] = &[
    r#"{"type":"response.created","response":{"id":"resp_1","object":"response","status":"in_progress","model":"m","output":[]}}"#,
];
const RESPONSE_ENDS: &[&str] = &[
    r#"{"type":"response.completed","response":{"id":"resp_1","object":"response","status":"completed","model":"m","output":[]}}"#,
];
const MESSAGE_BEGINS: &[&str] = &[
    r#"{"type":"message_start","message":{"id":"msg_1","type":"message","role":"assistant","model":"m","content":[],"stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":3,"output_tokens":1}}}"#,
];
const MESSAGE_ENDS: &[&str] = &[
    r#"{"type":"content_block_stop","index":0}"#,
    r#"{"type":"message_delta","delta":{"stop_reason":"end_turn","stop_sequence":null},"usage":{"output_tokens":5}}"#,
    r#"{"type":"message_stop"}"#,
];
const CHAT_ENDS: &[&str] =
    &[r#"{"id":"c1","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}"#, "[DONE]"];

const fn chat(piece: &'static str) -> Stream {
    Stream { dialect: CHAT, before: &[], piece, after: CHAT_ENDS, rival: None }
}

const fn message(piece: &'static str) -> Stream {
    Stream { dialect: MESSAGES, before: MESSAGE_BEGINS, piece, after: MESSAGE_ENDS, rival: None }
}

const fn response(piece: &'static str) -> Stream {
    Stream { dialect: RESPONSES, before: RESPONSE_BEGINS, piece, after: RESPONSE_ENDS, rival: None }
}

const fn rival(stream: Stream, name: &'static str) -> Stream {
    Stream { rival: Some(name), ..stream }
}

const STREAMS: &[Stream] = &[
    rival(
        chat(r#"{"id":"c1","choices":[{"index":0,"delta":{"content":"@"}}]}"#),
        "R `stream: true` turned the output guard off (litellm-rs, aisix)",
    ),
    rival(
        chat(
            r#"{"id":"c1","choices":[{"index":1,"delta":{"content":"@"}},{"index":0,"delta":{"content":"a"}}]}"#,
        ),
        "R streams of `n: 2` passed unscanned (LiteLLM)",
    ),
    rival(
        chat(
            r#"{"id":"c1","choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":"@"}}]}}]}"#,
        ),
        "R streamed tool arguments passed unscanned (LiteLLM)",
    ),
    rival(
        Stream {
            dialect: COMPLETIONS,
            before: &[],
            piece: r#"{"id":"c1","choices":[{"index":0,"text":"@"}]}"#,
            after: &[
                r#"{"id":"c1","choices":[{"index":0,"text":"","finish_reason":"stop"}]}"#,
                "[DONE]",
            ],
            rival: None,
        },
        "R streams of /v1/completions passed unscanned (LiteLLM)",
    ),
    rival(
        message(
            r#"{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"@"}}"#,
        ),
        "R streams of /v1/messages passed unscanned (LiteLLM)",
    ),
    chat(r#"{"id":"c1","choices":[{"delta":{"content":"@"}}]}"#),
    chat(r#"{"id":"c1","choices":[{"index":0,"delta":{"refusal":"@"}}]}"#),
    chat(r#"{"id":"c1","choices":[{"index":0,"delta":{"reasoning":"@"}}]}"#),
    chat(r#"{"id":"c1","choices":[{"index":0,"delta":{"reasoning_content":"@"}}]}"#),
    chat(
        r#"{"id":"c1","choices":[{"index":0,"delta":{"tool_calls":[{"index":3,"function":{"name":"@"}}]}}]}"#,
    ),
    chat(
        r#"{"id":"c1","choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"custom":{"input":"@"}}]}}]}"#,
    ),
    chat(r#"{"id":"c1","choices":[{"index":0,"delta":{"function_call":{"arguments":"@"}}}]}"#),
    chat(r#"{"id":"c1","choices":[{"index":0,"delta":{"audio":{"transcript":"@"}}}]}"#),
    chat(r#"{"id":"c1","choices":[{"index":0,"delta":{"new":"@"}}]}"#),
    chat(r#"{"id":"c1","choices":[{"index":0,"message":{"content":"@"}}]}"#),
    chat(r#"{"id":"c1","choices":[{"index":0,"text":"@"}]}"#),
    chat(
        r#"{"id":"c1","choices":[{"index":0,"delta":{},"logprobs":{"content":[{"token":"@","logprob":-1,"top_logprobs":[]}]}}]}"#,
    ),
    message(
        r#"{"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":"@"}}"#,
    ),
    message(
        r#"{"type":"content_block_delta","index":0,"delta":{"type":"input_json_delta","partial_json":"@"}}"#,
    ),
    message(r#"{"type":"content_block_delta","index":0,"delta":{"type":"new_delta","new":"@"}}"#),
    response(
        r#"{"type":"response.output_text.delta","item_id":"x","output_index":0,"content_index":0,"delta":"@"}"#,
    ),
    response(
        r#"{"type":"response.refusal.delta","item_id":"x","output_index":0,"content_index":0,"delta":"@"}"#,
    ),
    response(
        r#"{"type":"response.reasoning_text.delta","item_id":"x","output_index":0,"content_index":0,"delta":"@"}"#,
    ),
    response(
        r#"{"type":"response.reasoning_summary_text.delta","item_id":"x","output_index":0,"summary_index":0,"delta":"@"}"#,
    ),
    response(
        r#"{"type":"response.function_call_arguments.delta","item_id":"x","output_index":0,"delta":"@"}"#,
    ),
    response(
        r#"{"type":"response.code_interpreter_call_code.delta","item_id":"x","output_index":0,"delta":"@"}"#,
    ),
];

/// Events that say a text as a whole.
const WHOLE: &[(Dialect, &str)] = &[
    (CHAT, r#"{"id":"c1","choices":[],"error":{"message":"@"}}"#),
    (CHAT, r#"{"id":"c1","choices":[{"index":0,"delta":{"role":"@"}}]}"#),
    (CHAT, r#"{"id":"c1","choices":[{"index":0,"delta":{},"finish_reason":"@"}]}"#),
    (CHAT, r#"{"id":"c1","choices":[{"index":0,"delta":{"@":1}}]}"#),
    (CHAT, r#"{"id":"c1","choices":[],"usage":{"note":"@"}}"#),
    (CHAT, r#"{"id":"c1","choices":["@"]}"#),
    (CHAT, r#"["@"]"#),
    (
        CHAT,
        r#"{"id":"c1","choices":[{"index":0,"delta":{},"logprobs":{"content":[{"token":"a","top_logprobs":[{"token":"@"}]}]}}]}"#,
    ),
    (
        MESSAGES,
        r#"{"type":"content_block_start","index":0,"content_block":{"type":"text","text":"@"}}"#,
    ),
    (
        MESSAGES,
        r#"{"type":"content_block_start","index":0,"content_block":{"type":"tool_use","id":"x","name":"@","input":{}}}"#,
    ),
    (
        MESSAGES,
        r#"{"type":"message_delta","delta":{"stop_reason":"stop_sequence","stop_sequence":"@"}}"#,
    ),
    (MESSAGES, r#"{"type":"error","error":{"type":"api_error","message":"@"}}"#),
    (MESSAGES, r#"{"type":"ping","note":"@"}"#),
    (MESSAGES, r#"{"type":"@"}"#),
    (
        RESPONSES,
        r#"{"type":"response.output_text.done","item_id":"x","output_index":0,"content_index":0,"text":"@"}"#,
    ),
    (
        RESPONSES,
        r#"{"type":"response.content_part.done","output_index":0,"content_index":0,"part":{"type":"output_text","text":"@"}}"#,
    ),
    (
        RESPONSES,
        r#"{"type":"response.output_item.done","output_index":0,"item":{"type":"message","role":"assistant","content":[{"type":"output_text","text":"@"}]}}"#,
    ),
    (
        RESPONSES,
        r#"{"type":"response.completed","response":{"id":"resp_1","status":"completed","output":[{"type":"message","role":"assistant","content":[{"type":"output_text","text":"@"}]}]}}"#,
    ),
    (
        RESPONSES,
        r#"{"type":"response.failed","response":{"id":"resp_1","status":"failed","error":{"code":"c","message":"@"},"output":[]}}"#,
    ),
    (RESPONSES, r#"{"type":"error","message":"@"}"#),
    (RESPONSES, r#"{"type":"response.unheard_of","new":{"deep":"@"}}"#),
];

/// Into what a text is cut: itself, its halves, its characters; behind so many sentences.
#[derive(Clone, Copy)]
struct Cut {
    name: &'static str,
    lead: usize,
    size: usize,
}

const WHOLE_CUT: Cut = Cut { name: "at once", lead: 0, size: usize::MAX };
const CUTS: &[Cut] = &[
    WHOLE_CUT,
    Cut { name: "by character", lead: 0, size: 1 },
    Cut { name: "by character behind 96 characters", lead: 4, size: 1 },
    Cut { name: "by 5 behind 360 characters", lead: 15, size: 5 },
    Cut { name: "by 3 behind 384 characters", lead: 16, size: 3 },
    Cut { name: "by character behind 960 characters", lead: 40, size: 1 },
];

/// A sentence of 24 characters, which does not end.
const LEAD: &str = "and then it was closed, ";

pub(crate) fn cases(extent: Extent) -> Vec<Case> {
    let mut cases = Vec::new();
    for (place, stream) in STREAMS.iter().enumerate() {
        let control = (
            &Spelling { name: "", spell: |_| HARMLESS.to_owned() },
            Cut { name: "by 7 behind 384 characters", lead: 16, size: 7 },
        );
        cases.push(case(
            stream,
            "controls: a harmless stream passes, all of it shown",
            control,
            Wanted::Passed,
        ));
        for cut in CUTS {
            let class = stream.rival.unwrap_or("F streamed fields, cut");
            cases.push(case(stream, class, (&PLAIN, *cut), Wanted::Withheld));
        }
        for (number, disguise) in
            DISGUISES.iter().enumerate().filter(|(number, _)| extent.tries(*number, place))
        {
            let cuts = [Some(WHOLE_CUT), CUTS.get(1 + number % (CUTS.len() - 1)).copied()];
            for cut in cuts.into_iter().flatten() {
                cases.push(case(
                    stream,
                    "G disguises in streams",
                    (disguise, cut),
                    Wanted::Withheld,
                ));
            }
        }
    }
    for (place, (dialect, event)) in WHOLE.iter().enumerate() {
        let (before, after) = match dialect.name {
            "messages" => (MESSAGE_BEGINS, MESSAGE_ENDS),
            "responses" => (RESPONSE_BEGINS, RESPONSE_ENDS),
            _ => (&[][..], CHAT_ENDS),
        };
        let stream = Stream { dialect: *dialect, before, piece: event, after, rival: None };
        cases.push(case(&stream, "F events", (&PLAIN, WHOLE_CUT), Wanted::Withheld));
        for (_, disguise) in
            DISGUISES.iter().enumerate().filter(|(number, _)| extent.tries(*number, place))
        {
            cases.push(case(
                &stream,
                "G disguises in streams",
                (disguise, WHOLE_CUT),
                Wanted::Withheld,
            ));
        }
    }
    cases
}

fn case(
    stream: &Stream,
    class: &'static str,
    (spelling, cut): (&Spelling, Cut),
    wanted: Wanted,
) -> Case {
    let spelled = (spelling.spell)(PAYLOAD);
    let mut pieces: Vec<String> = (0..cut.lead).map(|_| LEAD.to_owned()).collect();
    let characters: Vec<char> = spelled.chars().collect();
    pieces.extend(characters.chunks(cut.size).map(|piece| piece.iter().collect::<String>()));
    let piece: Value = serde_json::from_str(stream.piece).expect("an event");
    let mut events: Vec<String> = stream.before.iter().map(|event| framed(event)).collect();
    events.extend(pieces.iter().map(|text| framed(&filled(piece.clone(), text).to_string())));
    events.extend(stream.after.iter().map(|event| framed(event)));
    let mut name =
        format!("{}, {}: {} {}", stream.dialect.name, cut.name, stream.piece, spelling.name);
    name.truncate(240);
    let fields = if stream.piece.contains(r#""index":1"#) { r#""n":2"# } else { "" };
    Case {
        class,
        name,
        request: stream.dialect.post(&stream.dialect.asking(fields, "", true)),
        answer: upstream::events(&events),
        spelled,
        wanted,
        alone: false,
    }
}

/// An event, with its type as its name where it has one.
fn framed(data: &str) -> String {
    let event: Value = serde_json::from_str(data).unwrap_or_default();
    match event
        .get("type")
        .and_then(Value::as_str)
        .filter(|kind| kind.is_ascii() && !kind.contains('\n'))
    {
        Some(kind) => format!("event: {kind}\ndata: {data}\n\n"),
        None => format!("data: {data}\n\n"),
    }
}
