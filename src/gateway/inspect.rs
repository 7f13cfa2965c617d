//! Judge and decide: the only place that can make a [`Cleared`].

mod telling;

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;

use crate::audit::PhaseRecord;
use crate::enforce::{Holdback, Ruling, Window, block};
use crate::gateway::downstream::{JSON, Reply};
use crate::gateway::failure::Failure;
use crate::gateway::look::look;
use crate::gateway::proxy::Gateway;
use crate::gateway::redact::edits;
use crate::gateway::upstream::{Kind, UpstreamFault};
use crate::guard::Judged;
use crate::policy::{Action, Decision, Mode, Phase, Policy, Style, decide};
use crate::taxonomy::Taxonomy;
use crate::tenant::Tenant;
use crate::transcript::Transcript;
use crate::verdict::{Coverage, Judgement, Unscored};
use crate::wire::{
    Answer, Asked, Dialect, Edit, Malformed, Moderation, ModerationMode, Passage, Request,
};

/// Something that was judged and may pass, as it is or as it was rewritten.
///
/// Nothing of a prompt reaches the upstream, and nothing of a response the client, but out of one of
/// these; and only this file can make one.
pub(crate) struct Cleared<T>(T);

impl<T> Cleared<T> {
    /// Looks at what may pass.
    pub(crate) fn get(&self) -> &T {
        &self.0
    }

    /// Hands out what may pass.
    pub(crate) fn release(self) -> T {
        self.0
    }
}

/// What came of an inspection.
pub(crate) enum Inspected<T> {
    /// It may pass.
    Cleared(Cleared<T>),
    /// It may not; this is said instead.
    Refused(Reply),
}

/// The judge of one exchange: its guard, its policy, and what was found so far.
pub(crate) struct Inspector<'a> {
    gateway: &'a Gateway,
    tenant: Arc<Tenant>,
    dialect: Dialect,
    exchange: String,
    prompt: Tally,
    response: Tally,
    /// What was found in each choice of the response.
    choices: BTreeMap<u32, Ruled>,
    /// What the client asks to be told, and to be done.
    moderation: Option<Moderation>,
    /// Whether what was found in the prompt went out before the answer.
    begun: bool,
    /// Whether nothing waits for what is found, since nothing follows from it.
    beside: bool,
}

/// What the guard says of some texts, and what was looked for in them.
pub(crate) type Heard = (Judged, Judgement);

/// What is being found in a prompt that did not wait, and how much of it nobody can read.
pub(crate) struct PromptBeside {
    finding: Pin<Box<dyn Future<Output = Heard> + Send>>,
    unread: u64,
}

impl PromptBeside {
    /// Waits for it.
    pub(crate) async fn found(self) -> (Heard, u64) {
        (self.finding.await, self.unread)
    }
}

/// What was found in one phase, over all texts and windows judged so far.
#[derive(Default)]
struct Tally {
    judgement: Judgement,
    decision: Decision,
    took: Duration,
    windows: u32,
    /// Whether anything was blocked, not only in the record.
    cut: bool,
    /// Whether anything was redacted, not only in the record.
    redacted: bool,
    /// What the policy leaves unread.
    passed_over: u64,
}

impl Tally {
    /// Counts what the policy leaves unread: it is part of the whole, and no reason to refuse.
    fn pass_over(&mut self, units: u64) {
        self.passed_over += units;
        self.judgement.coverage += Coverage { read: 0, total: units };
    }

    /// Notes that what was to be redacted is blocked: the rest of it may not pass either.
    fn block(&mut self) {
        self.cut = true;
        self.decision.action = Action::Block;
    }
}

/// What was found in one set of texts, and what is done about it.
struct Ruled {
    judgement: Judgement,
    decision: Decision,
    mode: Mode,
}

impl Ruled {
    fn blocks(&self) -> bool {
        self.enforced() == Action::Block
    }

    fn enforced(&self) -> Action {
        self.decision.enforced(self.mode)
    }

    /// Notes that what was to be redacted is blocked.
    fn block(&mut self) {
        self.decision.action = Action::Block;
    }

    /// Takes in what was found in a further text of the same choice.
    fn absorb(&mut self, other: Self) {
        self.judgement.absorb(other.judgement);
        self.judgement.condense();
        self.decision.absorb(other.decision);
    }
}

impl<'a> Inspector<'a> {
    pub(crate) fn new(
        gateway: &'a Gateway,
        tenant: Arc<Tenant>,
        dialect: Dialect,
        exchange: String,
    ) -> Self {
        let (prompt, response) = (Tally::default(), Tally::default());
        Self {
            gateway,
            tenant,
            dialect,
            exchange,
            prompt,
            response,
            choices: BTreeMap::new(),
            moderation: None,
            begun: false,
            beside: false,
        }
    }

    /// Whether this request and its answer wait for what is found in them: under a policy that does
    /// something about it, or for a client that wants to be told.
    pub(crate) fn waits_for(&self, request: &Request) -> bool {
        self.policy().mode() == Mode::Enforce || request.moderation().is_some()
    }

    /// Lets a prompt pass whatever is found in it, which is to be waited for beside its answer.
    pub(crate) fn prompt_beside(&mut self, request: Request) -> (Inspected<Request>, PromptBeside) {
        self.beside = true;
        self.prompt.pass_over(request.passed_over());
        let unread = request.unread().len() as u64;
        let finding = Box::pin(self.ask(Phase::Prompt, request.transcripts()));
        (Inspected::Cleared(Cleared(request)), PromptBeside { finding, unread })
    }

    /// Takes in what was found in a prompt that did not wait.
    pub(crate) fn prompt_found(&mut self, (heard, unread): (Heard, u64)) {
        self.rule(Phase::Prompt, heard, unread);
    }

    /// Whether nothing waits for what is found.
    pub(crate) fn is_beside(&self) -> bool {
        self.beside
    }

    /// Lets bytes of an answer pass that does not wait.
    pub(crate) fn let_pass(&self, bytes: Bytes) -> Option<Cleared<Bytes>> {
        self.beside.then_some(Cleared(bytes))
    }

    /// The next window of a stream that does not wait, and what is found in it.
    pub(crate) fn window_beside(
        &self,
        hold: &mut Holdback,
    ) -> Option<(Window, impl Future<Output = Heard> + Send + use<>)> {
        let window = hold.due()?;
        let heard = self.ask(Phase::Response, window.transcripts());
        Some((window, heard))
    }

    /// Takes in what was found in a window that has gone out.
    pub(crate) fn window_found(&mut self, window: Window, heard: Heard, hold: &mut Holdback) {
        self.rule(Phase::Response, heard, window.unread);
        self.response.windows += 1;
        hold.settle(window, Ruling::Pass);
        // It has gone out as it came.
        drop(hold.released());
    }

    /// Notes that a part of an answer passes that nobody judges.
    pub(crate) fn leave_unscored(&mut self, why: Unscored) {
        let heard = (Judged::default(), Judgement::unscored(why, 1));
        self.rule(Phase::Response, heard, 0);
    }

    /// Judges a prompt, all of it, before anybody else sees it.
    pub(crate) async fn prompt(&mut self, request: Request) -> Inspected<Request> {
        self.moderation = request.moderation();
        let unread = request.unread().len() as u64;
        self.prompt.pass_over(request.passed_over());
        let ruled = self.judge(Phase::Prompt, request.transcripts(), unread).await;
        if ruled.enforced() < Action::Redact {
            return Inspected::Cleared(Cleared(request));
        }
        if ruled.enforced() == Action::Redact {
            if let Some(request) = self.redacted_prompt(&request).await {
                self.prompt.redacted = true;
                return Inspected::Cleared(Cleared(request));
            }
            self.prompt.block();
        }
        Inspected::Refused(self.refuse_prompt(&request, &ruled))
    }

    /// The prompt without what may not pass, if the rest may.
    async fn redacted_prompt(&mut self, request: &Request) -> Option<Request> {
        let removals = self.removals(Phase::Prompt, request.passages()).await?;
        let request = request.rewritten(&edits(request.passages(), &removals)).ok()?;
        self.all_pass(Phase::Prompt, request.passages()).await.then_some(request)
    }

    /// Judges an answer that came whole. Each choice stands by itself; what is beside the choices,
    /// or not a completion at all, stands or falls as one.
    pub(crate) async fn whole(
        &mut self,
        body: Bytes,
        kind: Kind,
        status: StatusCode,
        asked: &Asked,
    ) -> Result<Inspected<Bytes>, Failure> {
        if body.is_empty() {
            return Ok(Inspected::Cleared(Cleared(body)));
        }
        if kind != Kind::Json {
            return Ok(self.words(body, status, &asked.question(0)).await);
        }
        let response = match Answer::parse(self.dialect, body.clone()) {
            Ok(response) => response,
            Err(_) if self.beside => {
                self.leave_unscored(Unscored::Unreadable);
                return Ok(Inspected::Cleared(Cleared(body)));
            }
            Err(malformed) => return Err(unreadable(malformed)),
        };
        let mut edits = Vec::new();
        let rest: Vec<Passage> = response.rest_passage().into_iter().collect();
        let unread = response.rest_unread().len() as u64;
        let ruled = self.parts(&rest, unread, &mut edits).await;
        if ruled.blocks() {
            let farewell = self.farewell(Phase::Response, &ruled);
            return Ok(match (self.refusal(), block::withhold_all(&response, &farewell)) {
                (None, Some(withheld)) => Inspected::Cleared(Cleared(withheld)),
                _ => Inspected::Refused(self.refuse_response(status)),
            });
        }
        let mut blocked = Vec::new();
        for choice in response.choices(asked) {
            let unread = choice.unread.len() as u64;
            let ruled = self.parts(&choice.passages, unread, &mut edits).await;
            if ruled.blocks() {
                if let Some(reply) = self.refusal() {
                    return Ok(Inspected::Refused(reply));
                }
                blocked.push((choice.position, self.farewell(Phase::Response, &ruled)));
            }
            // By position: numbers may repeat, and what is told is told choice by choice.
            self.choices.insert(u32::try_from(choice.position).unwrap_or(u32::MAX), ruled);
        }
        let response = if edits.is_empty() {
            response
        } else {
            let rewritten = response.rewritten(&edits).map_err(unreadable)?;
            // What is left is judged as it will be read.
            let rest: Vec<Passage> = rewritten.rest_passage().into_iter().collect();
            if !self.all_pass(Phase::Response, &rest).await {
                self.response.block();
                return Ok(Inspected::Refused(self.refuse_response(status)));
            }
            for choice in rewritten.choices(asked) {
                let is_blocked = blocked.iter().any(|(position, _)| *position == choice.position);
                if !is_blocked && !self.all_pass(Phase::Response, &choice.passages).await {
                    self.response.block();
                    let position = u32::try_from(choice.position).unwrap_or(u32::MAX);
                    let known = self.choices.remove(&position);
                    let (Some(mut ruled), None) = (known, self.refusal()) else {
                        return Ok(Inspected::Refused(self.refuse_response(status)));
                    };
                    ruled.block();
                    blocked.push((choice.position, self.farewell(Phase::Response, &ruled)));
                    self.choices.insert(position, ruled);
                }
            }
            rewritten
        };
        let body = if blocked.is_empty() {
            response.bytes().clone()
        } else {
            block::withhold(&response, &blocked)
        };
        let body = match self.annotation() {
            Some(annotation) if response.is_complete() => annotation.onto(&body),
            _ => body,
        };
        Ok(Inspected::Cleared(Cleared(body)))
    }

    /// Judges what stands or falls together in an answer, and notes what is to be replaced in it, so that
    /// the rest may pass.
    async fn parts(&mut self, passages: &[Passage], unread: u64, found: &mut Vec<Edit>) -> Ruled {
        let transcripts = passages.iter().flat_map(Passage::transcripts).collect();
        let mut ruled = self.judge(Phase::Response, transcripts, unread).await;
        if ruled.enforced() == Action::Redact {
            if let Some(removals) = self.removals(Phase::Response, passages).await {
                self.response.redacted = true;
                found.extend(edits(passages, &removals));
            } else {
                self.response.block();
                ruled.block();
            }
        }
        ruled
    }

    /// Judges an answer that is neither JSON nor events as the words it is.
    async fn words(
        &mut self,
        body: Bytes,
        status: StatusCode,
        question: &Arc<str>,
    ) -> Inspected<Bytes> {
        let (transcripts, unread) = match std::str::from_utf8(&body) {
            Ok(text) => (vec![Transcript::agent(Arc::clone(question), text)], 0),
            Err(_) => (Vec::new(), 1),
        };
        if self.judge(Phase::Response, transcripts, unread).await.enforced() >= Action::Redact {
            // Nobody knows what holds such a text together, so nothing is taken out of it.
            self.response.block();
            return Inspected::Refused(self.refuse_response(status));
        }
        Inspected::Cleared(Cleared(body))
    }

    /// Judges the next window of a stream that is due, and hands out what may pass by now; `None`
    /// when nothing is due and nothing may.
    pub(crate) async fn window(&mut self, hold: &mut Holdback) -> Option<Cleared<Bytes>> {
        let window = hold.due();
        let judged = window.is_some();
        // What says nothing may go at once, but the head of the answer goes with it, and then a block
        // can no longer have a status of its own.
        let tells_errors = self.tenant.policy.block().style(Phase::Response) == Style::Error;
        if tells_errors && !judged && self.response.windows == 0 && hold.is_young() {
            return None;
        }
        if let Some(window) = window {
            let transcripts = window.transcripts();
            let mut ruled = self.judge(Phase::Response, transcripts, window.unread).await;
            self.response.windows += 1;
            let ruling = self.ruling(&window, &mut ruled).await;
            if ruling == Ruling::Cut && ruled.decision.unscored.is_none() {
                hold.end_with(window.choice, self.farewell(Phase::Response, &ruled));
            }
            if let Some(choice) = window.choice {
                match self.choices.get_mut(&choice) {
                    Some(so_far) => so_far.absorb(ruled),
                    None => drop(self.choices.insert(choice, ruled)),
                }
            }
            hold.settle(window, ruling);
        }
        if let Some(annotation) = self.annotation()
            && !hold.ended()
        {
            hold.insert_last(annotation.last_event(hold.frame(), !self.begun));
        }
        let released = hold.released();
        (judged || !released.is_empty()).then_some(Cleared(released))
    }

    /// What becomes of a window.
    async fn ruling(&mut self, window: &Window, ruled: &mut Ruled) -> Ruling {
        match ruled.enforced() {
            Action::Allow | Action::Annotate => return Ruling::Pass,
            Action::Block => return Ruling::Cut,
            Action::Redact => {}
        }
        if let Some(removals) = self.removals(Phase::Response, &window.passages).await {
            self.response.redacted = true;
            return Ruling::Redact(removals);
        }
        self.response.block();
        ruled.block();
        Ruling::Cut
    }

    /// Says what was found in the prompt before the stream of its answer begins.
    pub(crate) fn begin(&mut self, hold: &mut Holdback) {
        let prompt = self.prompt.decision.enforced(self.mode(Phase::Prompt));
        if prompt >= Action::Annotate
            && let Some(first) = self.annotation().and_then(|annotation| annotation.first_event())
        {
            hold.insert_first(first);
            self.begun = true;
        }
    }

    /// Whether decisions of a phase are carried out: under a policy that does so, or for a client that
    /// wants what is flagged to be blocked.
    fn mode(&self, phase: Phase) -> Mode {
        let asked = self.moderation.map(|moderation| match phase {
            Phase::Prompt => moderation.input,
            Phase::Response => moderation.output,
        });
        match asked {
            Some(ModerationMode::Block) => Mode::Enforce,
            _ => self.tenant.policy.mode(),
        }
    }

    /// Takes one set of texts to the guard, and looks through them, beside whatever else is done.
    fn ask(
        &self,
        phase: Phase,
        transcripts: Vec<Transcript>,
    ) -> impl Future<Output = Heard> + Send + use<> {
        let (guard, lane) = (self.gateway.guard.clone(), self.tenant.lane);
        let patterns = self.policy().rules(phase).patterns.clone();
        async move {
            let looked = if patterns.is_some() { transcripts.clone() } else { Vec::new() };
            tokio::join!(guard.judge(transcripts, lane), look(patterns.as_ref(), &looked))
        }
    }

    /// Takes one set of texts to the guard, holds the verdict against the policy, and counts it.
    async fn judge(&mut self, phase: Phase, transcripts: Vec<Transcript>, unread: u64) -> Ruled {
        let heard = self.ask(phase, transcripts).await;
        self.rule(phase, heard, unread)
    }

    /// Holds a verdict against the policy, and counts it.
    fn rule(&mut self, phase: Phase, (judged, found): Heard, unread: u64) -> Ruled {
        let mut judgement = judged.judgement;
        judgement.absorb(found);
        if unread > 0 {
            judgement.absorb(Judgement::unscored(Unscored::Unreadable, unread));
        }
        let policy = &self.tenant.policy;
        let decision = decide(&judgement, policy, phase);
        let ruled = Ruled { judgement, decision, mode: self.mode(phase) };
        self.count(phase, &ruled);
        self.gateway.metrics.guard(judged.waited, judged.ran);
        let tally = self.tally_mut(phase);
        tally.took += judged.waited + judged.ran;
        tally.cut |= ruled.blocks();
        tally.judgement.absorb(ruled.judgement.clone());
        tally.judgement.condense();
        tally.decision.absorb(ruled.decision.clone());
        ruled
    }

    /// Takes several sets of texts to the guard, each with a judgement of its own that nothing follows
    /// from by itself.
    pub(super) async fn ask_each(
        &mut self,
        phase: Phase,
        sets: Vec<Vec<Transcript>>,
    ) -> Vec<Judgement> {
        let patterns = self.policy().rules(phase).patterns.clone();
        let mut looked = Vec::with_capacity(sets.len());
        for set in &sets {
            looked.push(look(patterns.as_ref(), set).await);
        }
        let each = self.gateway.guard.judge_each(sets, self.tenant.lane).await;
        // They wait and run beside one another.
        let took = each.iter().map(|judged| judged.waited + judged.ran).max();
        self.tally_mut(phase).took += took.unwrap_or_default();
        for judged in &each {
            self.gateway.metrics.guard(judged.waited, judged.ran);
        }
        let each = each.into_iter().map(|judged| judged.judgement).zip(looked);
        each.map(|(mut judgement, looked)| {
            judgement.absorb(looked);
            judgement
        })
        .collect()
    }

    /// The rules of the exchange.
    pub(super) fn policy(&self) -> &Policy {
        &self.tenant.policy
    }

    /// The categories of its guard, and of what it looks for.
    pub(super) fn taxonomy(&self) -> &Taxonomy {
        self.policy().taxonomy()
    }

    fn tally_mut(&mut self, phase: Phase) -> &mut Tally {
        match phase {
            Phase::Prompt => &mut self.prompt,
            Phase::Response => &mut self.response,
        }
    }

    fn count(&self, phase: Phase, ruled: &Ruled) {
        let Ruled { judgement, decision, .. } = ruled;
        let (metrics, phase) = (&self.gateway.metrics, phase.as_str());
        metrics.decision(self.tenant.id.as_str(), phase, decision.action.as_str());
        for fired in decision.rules.iter().filter(|fired| fired.on != "unsafe") {
            metrics.category(phase, &fired.on, fired.action.as_str());
        }
        if let Some(reason) = judgement.unscored {
            metrics.unscored(phase, reason.code());
        }
    }

    /// How long the guard has taken so far, waiting included.
    pub(crate) fn guard_time(&self) -> Duration {
        self.prompt.took + self.response.took
    }

    /// What is done about everything found so far.
    pub(crate) fn enforced(&self) -> Action {
        let prompt = self.prompt.decision.enforced(self.mode(Phase::Prompt));
        prompt.max(self.response.decision.enforced(self.mode(Phase::Response)))
    }

    /// Whether anything of the response was kept back.
    pub(crate) fn has_cut(&self) -> bool {
        self.response.cut
    }

    /// Whether anything of the prompt was redacted.
    pub(crate) fn has_redacted_prompt(&self) -> bool {
        self.prompt.redacted
    }

    /// Whether anything of the response was redacted.
    pub(crate) fn has_redacted(&self) -> bool {
        self.response.redacted
    }

    /// The record of the prompt's phase.
    pub(crate) fn prompt_record(&self) -> PhaseRecord {
        self.record(&self.prompt, None)
    }

    /// The record of the response's phase so far.
    pub(crate) fn response_record(&self) -> PhaseRecord {
        self.record(&self.response, Some(self.response.windows.max(1)))
    }

    fn record(&self, tally: &Tally, windows: Option<u32>) -> PhaseRecord {
        let taxonomy = self.tenant.policy.taxonomy();
        PhaseRecord::new(&tally.judgement, &tally.decision, taxonomy, tally.took, windows)
            .passing_over(tally.passed_over)
    }

    /// The content type of an answer that passes.
    pub(crate) fn content_type(&self, kind: Kind) -> &'static str {
        match kind {
            Kind::Json => JSON,
            // What a browser must not take for a page.
            Kind::Events | Kind::Other => "text/plain; charset=utf-8",
        }
    }
}

fn unreadable(malformed: Malformed) -> Failure {
    Failure::Upstream(UpstreamFault::Unreadable(malformed.to_string()))
}
