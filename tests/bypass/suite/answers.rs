//! Every place of an answer that came whole where text can stand, in every spelling.

use crate::suite::Extent;
use crate::suite::case::{
    CHAT, COMPLETIONS, Case, Dialect, EMBEDDINGS, HARMLESS, MESSAGES, PAYLOAD, RESPONSES, Wanted,
};
use crate::suite::spellings::{DISGUISES, PLAIN};
use crate::support::upstream;

/// Fields of an answer, with `@` where the text stands.
const PLACES: &[(Dialect, &[&str])] = &[
    (
        CHAT,
        &[
            r#""choices":[{"index":0,"message":{"role":"assistant","content":"@"},"finish_reason":"stop"}]"#,
            r#""choices":[{"index":0,"message":{"content":"a"}},{"index":1,"message":{"content":"@"}}]"#,
            r#""choices":[{"index":0,"message":{"content":"a"}},{"index":0,"message":{"content":"@"}}]"#,
            r#""choices":[{"index":7,"message":{"content":"@"}}]"#,
            r#""choices":[{"message":{"content":"a"},"delta":{"content":"@"}}]"#,
            r#""choices":[{"message":{"content":"a"},"text":"@"}]"#,
            r#""choices":[{"message":{"content":[{"type":"text","text":"@"}]}}]"#,
            r#""choices":[{"message":{"content":null,"refusal":"@"}}]"#,
            r#""choices":[{"message":{"content":"a","reasoning":"@"}}]"#,
            r#""choices":[{"message":{"content":"a","reasoning_content":"@"}}]"#,
            r#""choices":[{"message":{"content":"a","reasoning_details":[{"type":"reasoning.text","text":"@"}]}}]"#,
            r#""choices":[{"message":{"tool_calls":[{"id":"x","type":"function","function":{"name":"@","arguments":"{}"}}]}}]"#,
            r#""choices":[{"message":{"tool_calls":[{"id":"x","type":"function","function":{"name":"f","arguments":"{\"a\":\"@\"}"}}]}}]"#,
            r#""choices":[{"message":{"tool_calls":[{"id":"x","type":"custom","custom":{"name":"f","input":"@"}}]}}]"#,
            r#""choices":[{"message":{"function_call":{"name":"f","arguments":"@"}}}]"#,
            r#""choices":[{"message":{"audio":{"transcript":"@"}}}]"#,
            r#""choices":[{"message":{"content":"a","annotations":[{"type":"url_citation","url_citation":{"title":"@","url":"http://x/"}}]}}]"#,
            r#""choices":[{"message":{"content":"a","annotations":[{"type":"url_citation","url_citation":{"title":"t","url":"http://x/@"}}]}}]"#,
            r#""choices":[{"message":{"content":"a"},"finish_reason":"@"}]"#,
            r#""choices":[{"message":{"content":"a"},"stop_reason":"@"}]"#,
            r#""choices":[{"message":{"content":"a"},"logprobs":{"content":[{"token":"@","logprob":-1,"top_logprobs":[]}]}}]"#,
            r#""choices":[{"message":{"content":"a"},"logprobs":{"content":[{"token":"a","logprob":-1,"top_logprobs":[{"token":"@","logprob":-2}]}]}}]"#,
            r#""choices":[{"message":{"content":"a"},"new":"@"}]"#,
            r#""choices":[{"message":{"content":"a","@":1}}]"#,
            r#""choices":["@"]"#,
            r#""choices":[],"new":"@""#,
            r#""prompt_text":"@""#,
            r#""citations":["@"]"#,
            r#""usage":{"note":"@"}"#,
            r#""error":{"message":"@"}"#,
            r#""@":1"#,
        ],
    ),
    (
        COMPLETIONS,
        &[
            r#""choices":[{"index":0,"text":"@","finish_reason":"stop"}]"#,
            r#""choices":[{"index":0,"text":"a"},{"index":1,"text":"@"}]"#,
            r#""choices":[{"index":0,"text":"a","logprobs":{"tokens":["@"]}}]"#,
            r#""choices":[{"index":0,"text":"a","logprobs":{"tokens":["a"],"top_logprobs":[{"@":-1}]}}]"#,
            r#""choices":[{"index":0,"text":"a","new":["@"]}]"#,
            r#""new":"@""#,
        ],
    ),
    (
        EMBEDDINGS,
        &[r#""data":[{"object":"embedding","index":0,"embedding":"@"}]"#, r#""note":"@""#],
    ),
    (
        MESSAGES,
        &[
            r#""content":[{"type":"text","text":"@"}]"#,
            r#""content":[{"type":"text","text":"a"},{"type":"text","text":"@"}]"#,
            r#""content":[{"type":"thinking","thinking":"@","signature":"AAAA"}]"#,
            r#""content":[{"type":"tool_use","id":"x","name":"f","input":{"a":"@"}}]"#,
            r#""content":[{"type":"tool_use","id":"x","name":"@","input":{}}]"#,
            r#""content":[{"type":"text","text":"a","citations":[{"type":"char_location","cited_text":"@"}]}]"#,
            r#""content":[{"type":"web_search_tool_result","tool_use_id":"x","content":[{"type":"web_search_result","title":"@","url":"http://x/"}]}]"#,
            r#""content":[{"type":"code_execution_tool_result","tool_use_id":"x","content":{"type":"code_execution_result","stdout":"@"}}]"#,
            r#""stop_sequence":"@""#,
            r#""stop_reason":"@""#,
            r#""new":{"deep":["@"]}"#,
        ],
    ),
    (
        RESPONSES,
        &[
            r#""output":[{"type":"message","role":"assistant","content":[{"type":"output_text","text":"@"}]}]"#,
            r#""output":[{"type":"message","role":"assistant","content":[{"type":"refusal","refusal":"@"}]}]"#,
            r#""output":[{"type":"message","role":"assistant","content":[{"type":"output_text","text":"a","annotations":[{"type":"url_citation","title":"@"}]}]}]"#,
            r#""output":[{"type":"message","role":"assistant","content":[{"type":"output_text","text":"a","logprobs":[{"token":"@","logprob":-1}]}]}]"#,
            r#""output":[{"type":"reasoning","id":"x","summary":[{"type":"summary_text","text":"@"}]}]"#,
            r#""output":[{"type":"function_call","call_id":"x","name":"f","arguments":"{\"a\":\"@\"}"}]"#,
            r#""output":[{"type":"function_call","call_id":"x","name":"@","arguments":"{}"}]"#,
            r#""output":[{"type":"custom_tool_call","call_id":"x","name":"f","input":"@"}]"#,
            r#""output":[{"type":"code_interpreter_call","id":"x","code":"@"}]"#,
            r#""output":[{"type":"mcp_call","id":"x","server_label":"l","name":"f","arguments":"{}","output":"@"}]"#,
            r#""output":[{"type":"web_search_call","id":"x","action":{"type":"search","query":"@"}}]"#,
            r#""output_text":"@""#,
            r#""instructions":"@""#,
            r#""metadata":{"k":"@"}"#,
            r#""incomplete_details":{"reason":"@"}"#,
            r#""new":"@""#,
        ],
    ),
];

pub(crate) fn cases(extent: Extent) -> Vec<Case> {
    let mut cases = Vec::new();
    for (dialect, places) in PLACES {
        for (place, fields) in places.iter().enumerate() {
            cases.push(case(
                *dialect,
                "controls: a harmless answer passes, all of it shown",
                fields,
                ("", HARMLESS),
                Wanted::Passed,
            ));
            cases.push(case(
                *dialect,
                "E answer fields",
                fields,
                (PLAIN.name, PAYLOAD),
                Wanted::Withheld,
            ));
            for (_, disguise) in
                DISGUISES.iter().enumerate().filter(|(number, _)| extent.tries(*number, place))
            {
                let spelled = (disguise.spell)(PAYLOAD);
                cases.push(case(
                    *dialect,
                    "G disguises in answer fields",
                    fields,
                    (disguise.name, &spelled),
                    Wanted::Withheld,
                ));
            }
        }
    }
    cases
}

fn case(
    dialect: Dialect,
    class: &'static str,
    fields: &str,
    (spelling, text): (&str, &str),
    wanted: Wanted,
) -> Case {
    let mut name = format!("{}, answer: {fields} {spelling}", dialect.name);
    name.truncate(200);
    Case {
        class,
        name,
        request: dialect.post(dialect.request),
        answer: upstream::json(&dialect.answering(fields, text)),
        spelled: text.to_owned(),
        wanted,
        alone: false,
    }
}
