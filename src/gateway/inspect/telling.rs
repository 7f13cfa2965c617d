//! What is told of an inspection: to the client, beside the answer or in its place, and to others who
//! only want to hear it.

use std::time::{SystemTime, UNIX_EPOCH};

use http::StatusCode;
use serde_json::{Map, Value, json};

use crate::enforce::annotate::choice_field;
use crate::enforce::{Account, Annotation, Found, Phrased, Summary, block};
use crate::gateway::downstream::{EVENTS, JSON, Reply};
use crate::gateway::inspect::{Inspector, Ruled, Tally};
use crate::policy::{Action, Annotate, Decision, Fired, Phase, Style};
use crate::transcript::Role;
use crate::verdict::{Judgement, Unscored};
use crate::wire::inquiry::{Opinion, Subject};
use crate::wire::{
    Dialect, Farewell, Finding, PartPath, Request, Spoken, findings, moderation_error,
    moderation_result, results,
};

impl Inspector<'_> {
    /// The headers that say what was found so far.
    pub(crate) fn stamps(&self) -> Vec<(&'static str, String)> {
        let mut stamps = vec![("x-wardgate-decision", self.enforced().as_str().to_owned())];
        if self.tenant.policy.annotate() >= Annotate::Headers {
            for (name, phase) in
                [("x-wardgate-prompt", Phase::Prompt), ("x-wardgate-response", Phase::Response)]
            {
                let tally = self.tally(phase);
                if tally.decision.enforced(self.mode(phase)) >= Action::Annotate {
                    stamps.push((name, self.summary(phase).line()));
                }
            }
        }
        stamps
    }

    /// What is said beside the answer, if anything is.
    pub(super) fn annotation(&self) -> Option<Annotation> {
        let wanted = self.tenant.policy.annotate() == Annotate::Body;
        let found = (wanted && self.enforced() >= Action::Annotate).then(|| Found {
            account: Account {
                exchange: self.exchange.clone(),
                policy: self.tenant.policy.label().to_owned(),
                prompt: Some(self.summary(Phase::Prompt)),
                response: Some(self.summary(Phase::Response)),
            },
            prompt: self.phrased(&self.prompt.judgement, &self.prompt.decision, self.prompt.cut),
            choices: self
                .choices
                .iter()
                .map(|(choice, ruled)| {
                    let phrased = self.phrased(&ruled.judgement, &ruled.decision, ruled.blocks());
                    (*choice, phrased)
                })
                .collect(),
        });
        let moderation = self.moderation.map(|_| self.moderated());
        let is_any = found.is_some() || moderation.is_some();
        is_any.then_some(Annotation { dialect: self.dialect, found, moderation })
    }

    fn phrased(&self, judgement: &Judgement, decision: &Decision, blocked: bool) -> Phrased {
        let results = results(&self.found(judgement, decision, Action::Redact));
        Phrased { results, blocked }
    }

    /// What OpenAI's clients read who asked to have prompt and answer moderated.
    fn moderated(&self) -> Value {
        let prompt = [(&self.prompt.judgement, &self.prompt.decision)];
        let choices: Vec<_> =
            self.choices.values().map(|ruled| (&ruled.judgement, &ruled.decision)).collect();
        json!({"input": self.moderation_of(&prompt), "output": self.moderation_of(&choices)})
    }

    fn moderation_of(&self, texts: &[(&Judgement, &Decision)]) -> Value {
        if let Some(reason) = texts.iter().find_map(|(judgement, _)| judgement.unscored) {
            return moderation_error(reason);
        }
        let model = self.gateway.guard.card().to_string();
        let results = texts.iter().map(|(judgement, decision)| {
            let findings = self.found(judgement, decision, Action::Redact);
            moderation_result(&model, decision.action >= Action::Redact, &findings)
        });
        let mut results: Vec<Value> = results.collect();
        match self.dialect {
            // A response is not divided: its result stands by itself.
            Dialect::Responses => results.pop().unwrap_or_default(),
            _ => json!({"type": "moderation_results", "model": model, "results": results}),
        }
    }

    /// What was found of each category, and which of them led to this action or a stricter one.
    fn found(&self, judgement: &Judgement, decision: &Decision, least: Action) -> Vec<Finding> {
        let rules = decision.rules.iter().filter(|fired: &&Fired| fired.action >= least);
        let led_to: Vec<&str> = rules.map(|fired| fired.on.as_str()).collect();
        findings(judgement, self.tenant.policy.taxonomy(), &led_to)
    }

    fn tally(&self, phase: Phase) -> &Tally {
        match phase {
            Phase::Prompt => &self.prompt,
            Phase::Response => &self.response,
        }
    }

    fn summary(&self, phase: Phase) -> Summary {
        let tally = self.tally(phase);
        let decision = tally.decision.enforced(self.mode(phase)).as_str();
        Summary::new(&tally.judgement, self.tenant.policy.taxonomy(), decision)
    }

    /// What is said in the place of a prompt's answer.
    pub(super) fn refuse_prompt(&self, request: &Request, ruled: &Ruled) -> Reply {
        if let Some(unscored) = ruled.decision.unscored {
            return no_verdict(self.dialect, unscored, request.unread());
        }
        let block = self.tenant.policy.block();
        if block.style(Phase::Prompt) != Style::Error
            && let Some(answer) = self.answer_ourselves(request, ruled)
        {
            return answer;
        }
        let findings = self.found(&ruled.judgement, &ruled.decision, Action::Redact);
        Reply::json(400, block::refuse_prompt(self.dialect, block, &findings))
    }

    /// The answer in the place of one to a prompt that is blocked; `None` where the dialect's answers
    /// say nothing.
    fn answer_ourselves(&self, request: &Request, ruled: &Ruled) -> Option<Reply> {
        let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let spoken = Spoken {
            dialect: self.dialect,
            id: &self.exchange,
            created: since_1970.as_secs(),
            model: request.model(),
            choices: request.asked().choices(),
            farewell: &self.farewell(Phase::Prompt, ruled),
        };
        let (content_type, body) =
            if request.stream() { (EVENTS, spoken.events()?) } else { (JSON, spoken.body()?) };
        Some(Reply { status: 200, content_type, body, retry_after: None, retry: true })
    }

    /// How an answer, or a choice of it, ends that is blocked.
    pub(super) fn farewell(&self, phase: Phase, ruled: &Ruled) -> Farewell {
        let findings = self.found(&ruled.judgement, &ruled.decision, Action::Redact);
        let farewell = block::farewell(self.tenant.policy.block(), phase, &findings);
        let is_told = self.tenant.policy.annotate() == Annotate::Body;
        let has_choices = matches!(self.dialect, Dialect::Chat | Dialect::Completions);
        let further = match phase {
            Phase::Response if is_told && has_choices => choice_field(results(&findings)),
            _ => Map::new(),
        };
        Farewell { further, ..farewell }
    }

    /// The refusal owed in the place of the response as a whole: because it has no verdict, or because
    /// the policy tells of its blocks in errors.
    pub(crate) fn refusal(&self) -> Option<Reply> {
        if !self.response.cut {
            return None;
        }
        if let Some(unscored) = self.response.decision.unscored {
            return Some(no_verdict(self.dialect, unscored, &[]));
        }
        let block = self.tenant.policy.block();
        if block.style(Phase::Response) != Style::Error {
            return None;
        }
        let (judgement, decision) = (&self.response.judgement, &self.response.decision);
        let findings = self.found(judgement, decision, Action::Redact);
        Some(Reply::json(400, block::refuse_answer(self.dialect, block, &findings)))
    }

    /// The error in the place of a response of which nothing can be said.
    pub(super) fn refuse_response(&self, status: StatusCode) -> Reply {
        if let Some(reply) = self.refusal() {
            return reply;
        }
        let status = if status.is_success() { 502 } else { status.as_u16() };
        Reply::json(status, block::refuse_whole(self.dialect))
    }

    /// What the guard thinks of something that goes nowhere from here; or why it has no verdict, where the
    /// policy wants one.
    pub(crate) async fn opinion(&mut self, subject: Subject) -> Result<Opinion, Unscored> {
        let phase = match subject.role {
            Role::User => Phase::Prompt,
            Role::Agent => Phase::Response,
        };
        let ruled = self.judge(phase, subject.transcripts, subject.unread).await;
        let Ruled { judgement, decision, .. } = &ruled;
        if let Some(unscored) = decision.unscored.filter(|_| ruled.blocks()) {
            return Err(unscored);
        }
        let findings = self.found(judgement, decision, Action::Redact);
        let mut noticed = self.found(judgement, decision, Action::Annotate);
        noticed.retain(|finding| finding.filtered);
        Ok(Opinion {
            flagged: decision.action >= Action::Redact,
            blocks: decision.enforced(ruled.mode) >= Action::Redact,
            words: block::reason(self.tenant.policy.block(), phase, &findings),
            findings,
            noticed,
            p_unsafe: judgement.highest(),
            unscored: judgement.unscored,
            chars: subject.chars,
        })
    }
}

/// What is said when a policy refuses for want of a verdict.
fn no_verdict(dialect: Dialect, unscored: Unscored, unread: &[PartPath]) -> Reply {
    let body = block::refuse_unscored(dialect, unscored, unread);
    if unscored.is_lasting() {
        Reply::json(400, body)
    } else {
        Reply { retry_after: Some(1), retry: true, ..Reply::json(503, body) }
    }
}
