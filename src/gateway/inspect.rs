//! Judge and decide: the only place that can make a [`Cleared`].

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;

use crate::audit::PhaseRecord;
use crate::enforce::{Annotation, Holdback, Ruling, Summary, block, findings};
use crate::gateway::downstream::{JSON, Reply};
use crate::gateway::failure::Failure;
use crate::gateway::proxy::Gateway;
use crate::gateway::upstream::{Kind, UpstreamFault};
use crate::guard::GuardCard;
use crate::policy::{Action, Decision, Fired, Phase, decide};
use crate::tenant::Tenant;
use crate::transcript::Transcript;
use crate::verdict::{Judgement, Unscored};
use crate::wire::{Answer, Asked, Dialect, Malformed, PartPath, Request};

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
    card: Arc<GuardCard>,
    prompt: Tally,
    response: Tally,
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
}

impl<'a> Inspector<'a> {
    pub(crate) fn new(
        gateway: &'a Gateway,
        tenant: Arc<Tenant>,
        dialect: Dialect,
        exchange: String,
    ) -> Self {
        let card = gateway.guard.card();
        let (prompt, response) = (Tally::default(), Tally::default());
        Self { gateway, tenant, dialect, exchange, card, prompt, response }
    }

    /// Judges a prompt, all of it, before anybody else sees it.
    pub(crate) async fn prompt(&mut self, request: Request) -> Inspected<Request> {
        let unread = request.unread().len() as u64;
        let action = self.judge(Phase::Prompt, request.transcripts(), unread).await;
        if action == Action::Block {
            return Inspected::Refused(self.refuse_prompt(request.unread()));
        }
        Inspected::Cleared(Cleared(request))
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
        let response = Answer::parse(self.dialect, body).map_err(unreadable)?;
        let rest = self
            .judge(
                Phase::Response,
                response.rest_transcripts(),
                response.rest_unread().len() as u64,
            )
            .await;
        if rest == Action::Block {
            return Ok(match (self.refusal_of_all(), block::withhold_all(&response)) {
                (None, Some(withheld)) => Inspected::Cleared(Cleared(withheld)),
                _ => Inspected::Refused(self.refuse_response(status)),
            });
        }
        let mut blocked = Vec::new();
        for choice in response.choices(asked) {
            let unread = choice.unread.len() as u64;
            if self.judge(Phase::Response, choice.transcripts(), unread).await == Action::Block {
                if let Some(reply) = self.refusal_of_all() {
                    return Ok(Inspected::Refused(reply));
                }
                blocked.push(choice.position);
            }
        }
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
        if self.judge(Phase::Response, transcripts, unread).await == Action::Block {
            return Inspected::Refused(self.refuse_response(status));
        }
        Inspected::Cleared(Cleared(body))
    }

    /// Judges the next window of a stream that is due, and hands out what may pass by now; `None`
    /// when nothing is due and nothing may.
    pub(crate) async fn window(&mut self, hold: &mut Holdback) -> Option<Cleared<Bytes>> {
        let window = hold.due();
        let judged = window.is_some();
        if let Some(mut window) = window {
            let transcripts = std::mem::take(&mut window.transcripts);
            let action = self.judge(Phase::Response, transcripts, window.unread).await;
            self.response.windows += 1;
            let ruling = if action == Action::Block { Ruling::Cut } else { Ruling::Pass };
            hold.settle(window, ruling);
        }
        if let Some(annotation) = self.annotation()
            && !hold.ended()
        {
            hold.insert_last(annotation.as_event(hold.frame()));
        }
        let released = hold.released();
        (judged || !released.is_empty()).then_some(Cleared(released))
    }

    /// Takes one set of texts to the guard, holds the verdict against the policy, and counts it.
    async fn judge(&mut self, phase: Phase, transcripts: Vec<Transcript>, unread: u64) -> Action {
        let judged = self.gateway.guard.judge(transcripts, self.tenant.lane).await;
        let mut judgement = judged.judgement;
        if unread > 0 {
            judgement.absorb(Judgement::unscored(Unscored::Unreadable, unread));
        }
        let policy = &self.tenant.policy;
        let decision = decide(&judgement, policy, phase);
        let enforced = decision.enforced(policy.mode());
        self.count(phase, &judgement, &decision);
        self.gateway.metrics.guard(judged.waited, judged.ran);
        let tally = match phase {
            Phase::Prompt => &mut self.prompt,
            Phase::Response => &mut self.response,
        };
        tally.took += judged.waited + judged.ran;
        tally.cut |= enforced == Action::Block;
        tally.judgement.absorb(judgement);
        tally.judgement.condense();
        tally.decision.absorb(decision);
        enforced
    }

    fn count(&self, phase: Phase, judgement: &Judgement, decision: &Decision) {
        let (metrics, phase) = (&self.gateway.metrics, phase.as_str());
        metrics.decision(self.tenant.id.as_str(), phase, decision.action.as_str());
        for fired in decision.rules.iter().filter(|fired| fired.on != "unsafe") {
            metrics.category(phase, &fired.on, fired.action.as_str());
        }
        if let Some(reason) = judgement.unscored {
            metrics.unscored(phase, reason.code());
        }
        metrics.guard_tokens(judgement.coverage.read);
    }

    /// How long the guard has taken so far, waiting included.
    pub(crate) fn guard_time(&self) -> Duration {
        self.prompt.took + self.response.took
    }

    /// What is done about everything found so far.
    pub(crate) fn enforced(&self) -> Action {
        let mode = self.tenant.policy.mode();
        self.prompt.decision.enforced(mode).max(self.response.decision.enforced(mode))
    }

    /// Whether anything of the response was kept back.
    pub(crate) fn has_cut(&self) -> bool {
        self.response.cut
    }

    /// The refusal owed when the response as a whole has no verdict.
    pub(crate) fn refusal_of_all(&self) -> Option<Reply> {
        let unscored = self.response.decision.unscored.filter(|_| self.response.cut)?;
        Some(no_verdict(self.dialect, unscored, &[]))
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
        let taxonomy = &self.card.taxonomy;
        PhaseRecord::new(&tally.judgement, &tally.decision, taxonomy, tally.took, windows)
    }

    /// The content type of an answer that passes.
    pub(crate) fn content_type(&self, kind: Kind) -> &'static str {
        match kind {
            Kind::Json => JSON,
            // What a browser must not take for a page.
            Kind::Events | Kind::Other => "text/plain; charset=utf-8",
        }
    }

    fn annotation(&self) -> Option<Annotation> {
        (self.enforced() >= Action::Annotate).then(|| Annotation {
            exchange: self.exchange.clone(),
            policy: self.tenant.policy.label().to_owned(),
            prompt: Some(self.summary(&self.prompt)),
            response: Some(self.summary(&self.response)),
        })
    }

    fn summary(&self, tally: &Tally) -> Summary {
        let decision = tally.decision.enforced(self.tenant.policy.mode()).as_str();
        Summary::new(&tally.judgement, &self.card.taxonomy, decision)
    }

    fn refuse_prompt(&self, unread: &[PartPath]) -> Reply {
        if let Some(unscored) = self.prompt.decision.unscored {
            return no_verdict(self.dialect, unscored, unread);
        }
        let blocking = |fired: &&Fired| fired.action == Action::Block;
        let rules = self.prompt.decision.rules.iter().filter(blocking);
        let blocked_on: Vec<&str> = rules.map(|fired| fired.on.as_str()).collect();
        let findings = findings(&self.prompt.judgement, &self.card.taxonomy, &blocked_on);
        Reply {
            status: 400,
            body: block::refuse_prompt(self.dialect, &findings),
            retry_after: None,
            retry: false,
        }
    }

    fn refuse_response(&self, status: StatusCode) -> Reply {
        if let Some(reply) = self.refusal_of_all() {
            return reply;
        }
        let status = if status.is_success() { 502 } else { status.as_u16() };
        Reply { status, body: block::refuse_answer(self.dialect), retry_after: None, retry: false }
    }
}

/// What is said when a policy refuses for want of a verdict.
fn no_verdict(dialect: Dialect, unscored: Unscored, unread: &[PartPath]) -> Reply {
    let body = block::refuse_unscored(dialect, unscored, unread);
    if unscored.is_lasting() {
        Reply { status: 400, body, retry_after: None, retry: false }
    } else {
        Reply { status: 503, body, retry_after: Some(1), retry: true }
    }
}

fn unreadable(malformed: Malformed) -> Failure {
    Failure::Upstream(UpstreamFault::Unreadable(malformed.to_string()))
}
