//! Wardgate: a guardrail gateway for LLM endpoints.
//!
//! A reverse proxy that judges prompts and responses with Llama Guard in its own process, and blocks,
//! redacts or annotates them by a policy per category and per tenant. Every exchange leaves its record. This
//! page is the architecture; README.md is for users.
//!
//! # The floors
//!
//! Arrows point down: a module names modules on lower floors and its own files, never its own floor,
//! never up. `tests/layers.rs` holds it.
//!
//! ```text
//! main          arguments in, exit code out
//! cli           one file per subcommand
//! server        builds everything from settings; listens, drains; the demo's model provider
//! config        gateway.toml as written -> Settings
//! gateway       the exchange: pingora on one side, our words on the other
//! admin         health and metrics
//! evaluate      labelled data -> scores -> curves, thresholds, reports; replays
//! enforce       what a decision does to bytes: block, redact, annotate, hold back
//! audit         the record of an exchange, and where it goes
//! tenant        who asks, under which policy
//! llama_guard   the guards' families; the in-process engine        [engine: feature candle]
//! hub           a guard's files, fetched from the Hugging Face hub
//! wire          the dialects (chat completions, responses, messages ...), strict JSON, events
//! policy        rules, and the decision they lead to
//! guard         judging within a deadline; the seam to the classifiers
//! patterns      personal data and secrets: what has a form needs no model
//! verdict       what a guard found: scores, coverage, or why there is none
//! reading       what a model may make of a text: its disguises taken off, its codes decoded
//! taxonomy   transcript   telemetry                               the words everybody uses
//! ```
//!
//! `gateway`, `admin` and `evaluate` share a floor, as do the five modules from `enforce` to `hub`, and
//! the three from `wire` to `guard`. Those three do not know each other: `wire` knows no policy,
//! `policy` knows no HTTP and no model, `guard` knows no JSON and no tenants. They meet in `gateway`.
//! Every part owns its settings, and `config` stands above all it makes settings for.
//!
//! # One request
//!
//! A client posts to `/v1/chat/completions`. pingora's hook in `gateway/proxy.rs` hands over to
//! `gateway/exchange.rs`, which asks `route` what the path is and `tenant` who is calling, takes one
//! snapshot of tenants and policies, begins an audit draft, and from there reads from top to bottom.
//! `downstream` reads the whole body within its bound; `wire` turns the bytes into a request and
//! lists every part of it that bears text, and those parts become transcripts. `inspect` gives them to
//! the guard: what it has judged before it knows, what is being judged for somebody else is waited for,
//! the rest is cut into tokens and admitted, or refused at once if it would not be done in time. Its
//! thread lets Llama Guard read them, and back comes a judgement: scores per category and how much of
//! the text was covered, or why there are none. Beside it, where the policy has rules on what has a
//! form, `patterns` look for it. `policy::decide` holds it all against the tenant's rules for prompts.
//! If the decision is *redact*, `gateway/redact.rs` asks what has to go, every `Passage` says which strings of
//! the body that is, and what is left is judged anew.
//! If the decision is *block*, `enforce::block` writes the refusal, and the exchange is over: the upstream
//! never heard of it. What remains is `Cleared`, the only thing that `upstream` will send. The response
//! comes back piece by piece: `wire::sse` cuts bytes into events, `wire::delta` reads the delta of every
//! choice, and `enforce::holdback` keeps them until a window is full; `inspect` judges the window in the
//! light of the question, and the hold-back releases its events, as they are or without what has to go, or
//! ends the choice with `finish_reason: "content_filter"`. A response that is not streamed takes the same road in one piece.
//! Under a policy that only observes, `gateway/observe.rs` lets it pass as it comes, and has it judged beside.
//! All the while `downstream` watches for a client that leaves, which cancels the upstream and whatever
//! the guard has not begun. However it ends, the draft becomes one record: who asked, under which
//! version of which policy, what was found, what was decided, what was done, how long it took. The text
//! itself is not in it.
//!
//! # Invariants
//!
//! What is deliberately absent, and the tests that hold it. (`tests/layers.rs` checks that every test
//! named here exists.)
//!
//! 1. No byte of a guarded prompt reaches the upstream, and no byte of a guarded response the client,
//!    except out of a `Cleared`; only `gateway/inspect.rs` can make one.
//!    (held by `a_blocked_prompt_never_reaches_the_upstream`, `what_is_not_judged_yet_is_not_sent`,
//!    `nothing_leaves_before_it_is_judged`, `what_is_taken_out_appears_nowhere_and_the_rest_stays`)
//! 2. What is sent is what was judged: the very bytes, out of their content encoding, where nothing was
//!    changed and they have exactly one reading, the rewritten value where something was. What a second
//!    reader could read differently is refused.
//!    (held by `a_harmless_prompt_is_answered_byte_for_byte`, `what_passes_leaves_byte_for_byte`,
//!    `an_encoded_prompt_is_judged_and_sent_on_as_what_it_says`, `what_has_two_readings_is_refused`,
//!    `answers_with_two_readings_are_not_passed_on`,
//!    `what_two_parsers_could_read_differently_is_refused`)
//! 3. No text goes unread in silence. Every string and every key of a guarded request or response is
//!    on a list of fields that carry no content, or judged, or noted as unread, and then the policy
//!    says what follows. Fields that change what the model sees behind our back are refused by name.
//!    What is judged is judged in every reading. A path that is not guarded is refused, unless an
//!    operator opened it by name: then it is logged at start, and the record of each exchange says
//!    so.
//!    (held by `a_canary_survives_its_disguise`, `everything_is_content_free_or_judged_or_unread`,
//!    `every_text_of_a_request_is_judged`, `every_text_of_a_response_is_judged`,
//!    `what_nobody_can_read_is_decided_by_the_policy`,
//!    `fields_that_change_what_the_model_sees_are_refused_by_name`,
//!    `no_passthrough_goes_around_the_guard`, `an_open_path_passes_as_it_is_and_the_record_says_so`)
//! 4. Having no verdict is an input to the policy, not an exception around it; the default is to
//!    refuse. (held by `no_verdict_is_decided_by_the_failure_mode`,
//!    `a_guard_that_panics_refuses_and_comes_back`,
//!    `a_guard_without_a_verdict_on_a_response_withholds_it`)
//! 5. Every exchange leaves its audit lines, `opened` before anything leaves and `closed` at the latest
//!    when dropped, also when it panics, its client leaves or the process is killed. What is
//!    acknowledged is written. Release builds unwind.
//!    (held by `every_exchange_leaves_two_lines_and_the_chain_holds`, `trap_14_a_panic_leaves_its_record`,
//!    `a_killed_process_leaves_a_log_that_names_what_was_interrupted`)
//! 6. No text of prompts or responses in logs, metrics or audit.
//!    (held by `every_exchange_leaves_two_lines_and_the_chain_holds`, `a_fault_repeats_nothing_of_the_text`)
//! 7. One snapshot of tenants and policies per exchange; the record names the policy's version.
//! 8. Every buffer is bounded; what happens at the bound is written beside it.
//!    (held by `a_body_over_its_bound_is_refused_with_and_without_a_length`, `a_bomb_is_refused`,
//!    `an_answer_over_its_bound_is_not_passed_on`, `what_is_held_is_bounded_and_never_stuck`,
//!    `a_full_queue_refuses_and_an_empty_one_takes_anything`)
//! 9. `wire`, `policy`, `enforce` and `guard/scheduler.rs` do no I/O, read no clock and start no task.
//!    (held by `machines_without_io_do_none`)
//! 10. Only `gateway` and `server` name pingora; only `llama_guard` names candle; only `cli` names
//!     anyhow. (held by `foreign_crates_stay_where_they_belong`)
//!
//! # Decisions with a cost
//!
//! * **An exchange is one async function out of pingora's `request_filter`.** Its other hooks cannot do
//!   the work: see [`gateway`]. pingora's `Server` does not run: see [`server`].
//! * **TLS and the streams of HTTP/2 are served in [`server`], not by pingora's listener**: a handshake is
//!   within the connection's bounds there, and a connection owns its streams. HTTP/2 in clear text is not
//!   taken, because pingora waits for its first bytes without end.
//! * **The forward pass is our own** (`llama_guard`). candle-transformers' Llama reads one sequence at
//!   a time and gives the logits of its last position; a guard wants many short sequences in one pass
//!   and two rows of logits of each. Theirs is the second witness in the tests.
//! * **Each text is judged by itself**, an answer with the end of the question as its context. Many
//!   short prompts cost less than one long one, a harmful sentence is not diluted by harmless ones, and
//!   the same text gives the same score wherever it stands. Harm that only the whole shows is not seen.
//! * **A streamed answer is judged from its beginning**, window after window, where the guard keeps what
//!   it has read: as it was trained to read answers, for the price of what is new. A guard that has no
//!   memory for it, or whose own windows are shorter, reads each window with an overlap.
//! * **A verdict is kept by the text's digest and its tenant.** A second tenant pays for the same text
//!   again; in return, nobody learns from the clock what another has asked.
//! * **The audit log is a file of this machine.** Two lines an exchange, one `write` each, `fdatasync`
//!   in groups for lines about actions. No queue in memory, so a slow disk slows the gateway down
//!   rather than losing records.

// Ground first: a module names only those above it in this list, and `tests/layers.rs` holds it.
pub mod taxonomy;
pub mod telemetry;
pub mod transcript;

pub mod reading;
pub mod verdict;

pub mod patterns;

pub mod guard;
pub mod policy;
pub mod wire;

pub mod audit;
pub mod enforce;
pub mod hub;
pub mod llama_guard;
pub mod tenant;

pub mod admin;
pub mod evaluate;
pub mod gateway;

pub mod config;

pub mod server;

pub mod cli;
