//! Every place of a request where text can stand, in every spelling.

use crate::suite::Extent;
use crate::suite::case::{
    ALL, CHAT, COMPLETIONS, Case, Dialect, EMBEDDINGS, HARMLESS, MESSAGES, PAYLOAD, RESPONSES,
    Wanted, harmless,
};
use crate::suite::spellings::{DISGUISES, PLAIN};

/// Fields of a request, with `@` where the text stands. What is not named as a field of its dialect is
/// judged like any other text, key and all.
const PLACES: &[(Dialect, &[&str])] = &[
    (
        CHAT,
        &[
            r#""messages":[{"role":"user","content":"@"}]"#,
            r#""messages":[{"role":"system","content":"@"},{"role":"user","content":"a"}]"#,
            r#""messages":[{"role":"developer","content":"@"},{"role":"user","content":"a"}]"#,
            r#""messages":[{"role":"user","content":"a"},{"role":"assistant","content":"@"},{"role":"user","content":"b"}]"#,
            r#""messages":[{"role":"user","content":"@"},{"role":"assistant","content":"a"},{"role":"user","content":"b"}]"#,
            r#""messages":[{"role":"tool","tool_call_id":"x","content":"@"}]"#,
            r#""messages":[{"role":"tool","tool_call_id":"x","content":[{"type":"text","text":"@"}]}]"#,
            r#""messages":[{"role":"function","name":"f","content":"@"}]"#,
            r#""messages":[{"role":"@","content":"a"}]"#,
            r#""messages":[{"content":"@"}]"#,
            r#""messages":[{"role":"user","content":[{"type":"text","text":"@"}]}]"#,
            r#""messages":[{"role":"user","content":[{"type":"text","text":"a"},{"type":"text","text":"@"},{"type":"text","text":"b"}]}]"#,
            r#""messages":[{"role":"user","content":[{"type":"input_text","text":"@"}]}]"#,
            r#""messages":[{"role":"user","content":[{"type":"refusal","refusal":"@"}]}]"#,
            r#""messages":[{"role":"user","content":["@"]}]"#,
            r#""messages":[{"role":"user","name":"@","content":"a"}]"#,
            r#""messages":[{"role":"user","content":"a","new":"@"}]"#,
            r#""messages":[{"role":"user","content":"a","@":1}]"#,
            r#""messages":[{"role":"assistant","content":"a","refusal":"@"}]"#,
            r#""messages":[{"role":"assistant","content":"a","reasoning":"@"}]"#,
            r#""messages":[{"role":"assistant","content":"a","reasoning_content":"@"}]"#,
            r#""messages":[{"role":"assistant","tool_calls":[{"id":"x","type":"function","function":{"name":"@","arguments":"{}"}}]}]"#,
            r#""messages":[{"role":"assistant","tool_calls":[{"id":"x","type":"function","function":{"name":"f","arguments":"{\"a\":\"@\"}"}}]}]"#,
            r#""messages":[{"role":"assistant","tool_calls":[{"id":"x","type":"custom","custom":{"name":"f","input":"@"}}]}]"#,
            r#""messages":[{"role":"assistant","function_call":{"name":"f","arguments":"@"}}]"#,
            r#""tools":[{"type":"function","function":{"name":"@"}}]"#,
            r#""tools":[{"type":"function","function":{"name":"f","description":"@"}}]"#,
            r#""tools":[{"type":"function","function":{"name":"f","parameters":{"type":"object","properties":{"@":{"type":"string"}}}}}]"#,
            r#""tools":[{"type":"function","function":{"name":"f","parameters":{"type":"object","properties":{"a":{"type":"string","description":"@"}}}}}]"#,
            r#""tools":[{"type":"function","function":{"name":"f","parameters":{"enum":["@"]}}}]"#,
            r#""tools":[{"type":"function","function":{"name":"f","parameters":{"default":"@"}}}]"#,
            r#""tools":[{"type":"function","function":{"name":"f","parameters":{"$comment":"@"}}}]"#,
            r#""tools":[{"type":"function","function":{"name":"f","parameters":{"examples":["@"]}}}]"#,
            r#""tools":[{"type":"custom","custom":{"name":"f","format":{"type":"grammar","grammar":{"syntax":"lark","definition":"@"}}}}]"#,
            r#""functions":[{"name":"f","description":"@"}]"#,
            r#""tool_choice":{"type":"function","function":{"name":"@"}}"#,
            r#""tool_choice":"@""#,
            r#""response_format":{"type":"json_schema","json_schema":{"name":"n","description":"@"}}"#,
            r#""response_format":{"type":"json_schema","json_schema":{"name":"n","schema":{"const":"@"}}}"#,
            r#""structured_outputs":{"regex":"@"}"#,
            r#""guided_choice":["@"]"#,
            r#""guided_grammar":"@""#,
            r#""prediction":{"type":"content","content":"@"}"#,
            r#""prediction":{"type":"content","content":[{"type":"text","text":"@"}]}"#,
            r#""stop":"@""#,
            r#""stop":["a","@"]"#,
            r#""suffix":"@""#,
            r#""documents":[{"title":"t","text":"@"}]"#,
            r#""metadata":{"k":"@"}"#,
            r#""metadata":{"@":"v"}"#,
            r#""user":"@""#,
            r#""web_search_options":{"user_location":{"approximate":{"city":"@"}}}"#,
            r#""reasoning_effort":"@""#,
            r#""service_tier":"@""#,
            r#""prompt":"@""#,
            r#""Messages":"@""#,
            r#""x_new":{"deep":[["@"]]}"#,
            r#""@":1"#,
        ],
    ),
    (
        COMPLETIONS,
        &[
            r#""prompt":"@""#,
            r#""prompt":["a","@"]"#,
            r#""suffix":"@""#,
            r#""stop":"@""#,
            r#""stop":["@"]"#,
            r#""user":"@""#,
            r#""echo":true,"prompt":"@""#,
            r#""guided_json":{"description":"@"}"#,
            r#""x_new":"@""#,
            r#""@":[]"#,
        ],
    ),
    (
        EMBEDDINGS,
        &[
            r#""input":"@""#,
            r#""input":["a","@"]"#,
            r#""user":"@""#,
            r#""encoding_format":"@""#,
            r#""x_new":["@"]"#,
        ],
    ),
    (
        MESSAGES,
        &[
            r#""messages":[{"role":"user","content":"@"}]"#,
            r#""messages":[{"role":"user","content":[{"type":"text","text":"@"}]}]"#,
            r#""messages":[{"role":"user","content":"a"},{"role":"assistant","content":"@"}]"#,
            r#""messages":[{"role":"@","content":"a"}]"#,
            r#""system":"@""#,
            r#""system":[{"type":"text","text":"@"}]"#,
            r#""messages":[{"role":"user","content":[{"type":"tool_result","tool_use_id":"x","content":"@"}]}]"#,
            r#""messages":[{"role":"user","content":[{"type":"tool_result","tool_use_id":"x","content":[{"type":"text","text":"@"}]}]}]"#,
            r#""messages":[{"role":"assistant","content":[{"type":"tool_use","id":"x","name":"f","input":{"a":"@"}}]}]"#,
            r#""messages":[{"role":"assistant","content":[{"type":"tool_use","id":"x","name":"f","input":{"@":1}}]}]"#,
            r#""messages":[{"role":"assistant","content":[{"type":"tool_use","id":"x","name":"@","input":{}}]}]"#,
            r#""messages":[{"role":"assistant","content":[{"type":"thinking","thinking":"@","signature":"AAAA"}]}]"#,
            r#""messages":[{"role":"user","content":[{"type":"document","source":{"type":"text","media_type":"text/plain","data":"@"}}]}]"#,
            r#""messages":[{"role":"user","content":[{"type":"document","title":"@","source":{"type":"text","media_type":"text/plain","data":"a"}}]}]"#,
            r#""messages":[{"role":"user","content":[{"type":"document","context":"@","source":{"type":"content","content":[{"type":"text","text":"a"}]}}]}]"#,
            r#""messages":[{"role":"user","content":[{"type":"document","source":{"type":"content","content":[{"type":"text","text":"@"}]}}]}]"#,
            r#""messages":[{"role":"user","content":[{"type":"search_result","source":"@","title":"t","content":[{"type":"text","text":"a"}]}]}]"#,
            r#""messages":[{"role":"user","content":[{"type":"search_result","source":"s","title":"t","content":[{"type":"text","text":"@"}]}]}]"#,
            r#""messages":[{"role":"user","content":[{"type":"text","text":"a","citations":[{"type":"char_location","cited_text":"@"}]}]}]"#,
            r#""tools":[{"name":"f","description":"@","input_schema":{"type":"object"}}]"#,
            r#""tools":[{"name":"f","input_schema":{"type":"object","properties":{"a":{"description":"@"}}}}]"#,
            r#""tool_choice":{"type":"tool","name":"@"}"#,
            r#""stop_sequences":["@"]"#,
            r#""metadata":{"user_id":"@"}"#,
            r#""output_config":{"format":{"type":"json_schema","schema":{"description":"@"}}}"#,
            r#""x_new":"@""#,
        ],
    ),
    (
        RESPONSES,
        &[
            r#""input":"@""#,
            r#""instructions":"@""#,
            r#""input":[{"role":"user","content":"@"}]"#,
            r#""input":[{"type":"message","role":"user","content":[{"type":"input_text","text":"@"}]}]"#,
            r#""input":[{"type":"message","role":"assistant","content":[{"type":"output_text","text":"@"}]}]"#,
            r#""input":[{"type":"message","role":"assistant","content":[{"type":"refusal","refusal":"@"}]}]"#,
            r#""input":[{"role":"@","content":"a"}]"#,
            r#""input":[{"type":"function_call","call_id":"x","name":"f","arguments":"{\"a\":\"@\"}"}]"#,
            r#""input":[{"type":"function_call","call_id":"x","name":"@","arguments":"{}"}]"#,
            r#""input":[{"type":"function_call_output","call_id":"x","output":"@"}]"#,
            r#""input":[{"type":"function_call_output","call_id":"x","output":[{"type":"input_text","text":"@"}]}]"#,
            r#""input":[{"type":"custom_tool_call","call_id":"x","name":"f","input":"@"}]"#,
            r#""input":[{"type":"reasoning","id":"x","summary":[{"type":"summary_text","text":"@"}]}]"#,
            r#""input":[{"type":"reasoning","id":"x","summary":[],"content":[{"type":"reasoning_text","text":"@"}]}]"#,
            r#""input":[{"type":"local_shell_call","call_id":"x","action":{"type":"exec","command":["@"]}}]"#,
            r#""input":[{"type":"web_search_call","id":"x","status":"completed","action":{"type":"search","query":"@"}}]"#,
            r#""input":[{"type":"mcp_approval_response","approval_request_id":"x","approve":true,"reason":"@"}]"#,
            r#""tools":[{"type":"function","name":"f","description":"@"}]"#,
            r#""tools":[{"type":"mcp","server_label":"l","server_description":"@"}]"#,
            r#""text":{"format":{"type":"json_schema","name":"n","schema":{"description":"@"}}}"#,
            r#""reasoning":{"effort":"@"}"#,
            r#""metadata":{"k":"@"}"#,
            r#""user":"@""#,
            r#""x_new":{"@":1}"#,
        ],
    ),
];

/// Fields with something that nobody here can read, or that change what the model reads.
const UNREADABLE: &[(Dialect, &[&str])] = &[
    (
        CHAT,
        &[
            r#""messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"data:image/png;base64,AAAA"}}]}]"#,
            r#""messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"http://169.254.169.254/"}}]}]"#,
            r#""messages":[{"role":"user","content":[{"type":"text","text":"a","image_url":{"url":"http://x/"}}]}]"#,
            r#""messages":[{"role":"user","content":[{"type":"input_audio","input_audio":{"data":"AAAA","format":"wav"}}]}]"#,
            r#""messages":[{"role":"user","content":[{"type":"file","file":{"file_id":"f"}}]}]"#,
            r#""messages":[{"role":"user","content":[{"type":"unheard_of","text":"a"}]}]"#,
            r#""messages":[{"role":"user","content":[[1,2,3]]}]"#,
            r#""messages":[{"role":"user","content":{}}]"#,
            r#""messages":[{"role":"assistant","audio":{"id":"a"}}]"#,
            r#""logit_bias":{"5":1}"#,
            r#""prompt_token_ids":[1]"#,
            r#""prompt":[1,2]"#,
            r#""x_new":[1,2]"#,
            r#""store":true"#,
            r#""previous_response_id":"x""#,
            r#""conversation":"x""#,
            r#""container":"x""#,
            r#""chat_template":"a""#,
            r#""chat_template_kwargs":{}"#,
            r#""add_special_tokens":true"#,
            r#""add_generation_prompt":false"#,
            r#""continue_final_message":true"#,
            r#""truncate_prompt_tokens":1"#,
            r#""truncation_side":"left""#,
            r#""prompt_embeds":"AAAA""#,
            r#""mm_processor_kwargs":{}"#,
            r#""vllm_xargs":{}"#,
            r#""kv_transfer_params":{}"#,
            r#""allowed_token_ids":[1]"#,
            r#""stop_token_ids":[1]"#,
            r#""bad_words":["a"]"#,
            r#""return_tokens_as_token_ids":true"#,
            r#""return_token_ids":true"#,
            r#""prompt_logprobs":1"#,
            r#""logits_processors":["a"]"#,
            r#""echo":true"#,
        ],
    ),
    (
        COMPLETIONS,
        &[
            r#""prompt":[1,2]"#,
            r#""prompt":[[1],[2]]"#,
            r#""prompt":["a",[1]]"#,
            r#""logit_bias":{"5":1}"#,
            r#""prompt_embeds":"AAAA""#,
            r#""truncate_prompt_tokens":1"#,
            r#""prompt_logprobs":1"#,
        ],
    ),
    (
        EMBEDDINGS,
        &[
            r#""input":[1]"#,
            r#""input":[[1]]"#,
            r#""truncate_prompt_tokens":1"#,
            r#""truncate":"END""#,
        ],
    ),
    (
        MESSAGES,
        &[
            r#""messages":[{"role":"user","content":[{"type":"image","source":{"type":"base64","media_type":"image/png","data":"AAAA"}}]}]"#,
            r#""messages":[{"role":"user","content":[{"type":"document","source":{"type":"url","url":"http://x/"}}]}]"#,
            r#""messages":[{"role":"user","content":[{"type":"document","source":{"type":"file","file_id":"f"}}]}]"#,
            r#""messages":[{"role":"assistant","content":[{"type":"redacted_thinking","data":"AAAA"}]}]"#,
            r#""messages":[{"role":"user","content":[{"type":"unheard_of","text":"a"}]}]"#,
            r#""mcp_servers":[{"type":"url","url":"http://x/","name":"n"}]"#,
            r#""container":"x""#,
            r#""context_management":{}"#,
        ],
    ),
    (
        RESPONSES,
        &[
            r#""input":[{"type":"message","role":"user","content":[{"type":"input_image","image_url":"http://x/"}]}]"#,
            r#""input":[{"type":"message","role":"user","content":[{"type":"input_file","file_id":"f"}]}]"#,
            r#""input":[{"type":"item_reference","id":"x"}]"#,
            r#""input":[{"type":"reasoning","id":"x","summary":[],"encrypted_content":"AAAA"}]"#,
            r#""previous_response_id":"x""#,
            r#""conversation":"x""#,
            r#""prompt":{"id":"x"}"#,
            r#""store":true"#,
            r#""background":true"#,
            r#""truncation":"auto""#,
            r#""context_management":{}"#,
        ],
    ),
];

pub(crate) fn cases(extent: Extent) -> Vec<Case> {
    let mut cases = Vec::new();
    for (dialect, places) in PLACES {
        for (place, fields) in places.iter().enumerate() {
            cases.push(case(
                *dialect,
                "controls: a harmless request passes, all of it shown",
                fields,
                ("", HARMLESS),
                false,
                Wanted::Passed,
            ));
            for stream in [false, true] {
                let spelled = (PLAIN.spell)(PAYLOAD);
                cases.push(case(
                    *dialect,
                    "D request fields",
                    fields,
                    (PLAIN.name, &spelled),
                    stream,
                    Wanted::Refused,
                ));
            }
            for (_, disguise) in
                DISGUISES.iter().enumerate().filter(|(number, _)| extent.tries(*number, place))
            {
                let spelled = (disguise.spell)(PAYLOAD);
                cases.push(case(
                    *dialect,
                    "G disguises in request fields",
                    fields,
                    (disguise.name, &spelled),
                    false,
                    Wanted::Refused,
                ));
            }
        }
    }
    for (dialect, fields) in UNREADABLE {
        for fields in *fields {
            for stream in [false, true] {
                cases.push(case(
                    *dialect,
                    "D6-D8 what cannot be read, or changes what is read",
                    fields,
                    ("", ""),
                    stream,
                    Wanted::Refused,
                ));
            }
        }
    }
    cases.extend(ALL.into_iter().flat_map(long));
    cases
}

/// Long texts with the payload anywhere in them, and bodies that do not fit any one buffer.
fn long(dialect: Dialect) -> Vec<Case> {
    let places: Vec<&str> = match dialect.name {
        "chat" | "messages" => vec![r#""messages":[{"role":"user","content":"@"}]"#],
        "completions" => vec![r#""prompt":"@""#],
        _ => vec![r#""input":"@""#],
    };
    let filler = |sentences: usize| {
        "The library opens at nine, and on Sundays it stays closed. ".repeat(sentences)
    };
    let sizes = [(0, 1200), (600, 600), (1200, 0), (1, 4000), (4000, 1)];
    let texts =
        sizes.map(|(before, after)| format!("{}{PAYLOAD}. {}", filler(before), filler(after)));
    let cases = texts.into_iter().enumerate().flat_map(|(number, text)| {
        places.iter().map(move |fields| {
            case(
                dialect,
                "R bodies over 64 KiB are dropped or sent unfiltered (praxis)",
                fields,
                (["start", "middle", "end", "early", "late"][number], &text),
                false,
                Wanted::Refused,
            )
        })
    });
    cases.collect()
}

fn case(
    dialect: Dialect,
    class: &'static str,
    fields: &str,
    (spelling, text): (&str, &str),
    stream: bool,
    wanted: Wanted,
) -> Case {
    let streamed = if stream { ", streamed" } else { "" };
    let mut name: String = format!("{}{streamed}: {fields} {spelling}", dialect.name);
    name.truncate(200);
    Case {
        class,
        name,
        request: dialect.post(&dialect.asking(fields, text, stream)),
        answer: harmless(dialect),
        spelled: text.to_owned(),
        wanted,
        alone: false,
    }
}
