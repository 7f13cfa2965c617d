//! An opinion for another program: its question is read, judged under its tenant's policy, and answered;
//! nothing goes anywhere from here.

use std::sync::Arc;

use crate::audit::Outcome;
use crate::gateway::downstream::{Downstream, Reply};
use crate::gateway::exchange::{Ending, Exchange};
use crate::gateway::failure::Failure;
use crate::gateway::inspect::Inspector;
use crate::transcript::Role;
use crate::wire::Dialect;
use crate::wire::inquiry::{Answerer, Endpoint};

impl Exchange<'_> {
    /// Answers a question at an endpoint, also where there is nothing to answer: whoever asks must not
    /// take a failure for consent.
    pub(super) async fn inquire(
        &mut self,
        downstream: &mut Downstream<'_>,
        endpoint: Endpoint,
    ) -> Result<Ending, Failure> {
        let failure = match self.opine(downstream, endpoint).await {
            Err(failure) if !failure.ends_conversation() => failure,
            other => return other,
        };
        tracing::info!(exchange = self.id, %failure, "failed");
        let words = failure.words();
        let (status, body) = endpoint.refuse(words.status, &words.error());
        let outcome = failure.outcome();
        self.draft.close(outcome, status).await?;
        let retry_after = (words.retry && status == 503).then_some(1);
        downstream
            .send(Reply { retry_after, retry: words.retry, ..Reply::json(status, body) })
            .await?;
        Ok(Ending { outcome, status })
    }

    async fn opine(
        &mut self,
        downstream: &mut Downstream<'_>,
        endpoint: Endpoint,
    ) -> Result<Ending, Failure> {
        let body = self.others(downstream.read_body()).await?;
        let subjects = endpoint.read(&body)?;
        self.draft.open()?;
        let tenant = Arc::clone(&self.tenant);
        let mut inspector = Inspector::new(self.gateway, tenant, Dialect::Chat, self.id.clone());
        let mut opinions = Vec::new();
        for subject in subjects {
            let (role, before) = (subject.role, inspector.guard_time());
            let opinion = downstream.unless_gone(inspector.opinion(subject)).await?;
            self.elsewhere += inspector.guard_time().saturating_sub(before);
            match role {
                Role::User => self.draft.prompt(inspector.prompt_record()),
                Role::Agent => self.draft.response(inspector.response_record()),
            }
            opinions.push(opinion.map_err(Failure::Unscored)?);
        }
        let outcome = match opinions.iter().any(|opinion| opinion.blocks) {
            true => Outcome::Refused,
            false => Outcome::Delivered,
        };
        for (name, value) in inspector.stamps() {
            downstream.stamp(name, value);
        }
        let guard = self.gateway.guard.card().to_string();
        let body = endpoint.tell(Answerer { exchange: &self.id, guard: &guard }, &opinions);
        // What others will act on is on disk before they know it.
        self.draft.close(outcome, 200).await?;
        downstream.send(Reply { retry: true, ..Reply::json(200, body) }).await?;
        Ok(Ending { outcome, status: 200 })
    }
}
