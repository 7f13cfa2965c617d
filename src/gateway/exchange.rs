//! One request and its response, top to bottom.
//!
//! A request of a known tenant on a guarded path is read whole, judged, and refused or sent; the
//! answer is judged before any byte of it goes out, whole or window by window. All the while the
//! client is watched: one that leaves cancels the upstream and whatever the guard has not begun.
//! However it ends, the draft becomes one record.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{HeaderName, HeaderValue, StatusCode};
use tracing::Instrument;
use ulid::Ulid;

use crate::audit::{AuditDraft, Opening, Outcome};
use crate::enforce::{Holdback, StreamFault, holdback};
use crate::gateway::downstream::{Along, Downstream, EVENTS, Head, Reply};
use crate::gateway::failure::Failure;
use crate::gateway::inspect::{Cleared, Inspected, Inspector};
use crate::gateway::listing;
use crate::gateway::passthrough::Passthrough;
use crate::gateway::proxy::Gateway;
use crate::gateway::route::Route;
use crate::gateway::settings::WINDOW_BYTES;
use crate::gateway::upstream::{Kind, Response, Upstream, UpstreamFault};
use crate::patterns;
use crate::policy::{self, Hold, Phase, Policy};
use crate::tenant::Tenant;
use crate::wire::{Asked, Dialect, History, Passage, Request, Terms};

/// Answers one request, whatever it takes.
pub(crate) async fn run(gateway: &Gateway, downstream: &mut Downstream<'_>) {
    if let Err(failure) = admit(gateway, downstream).await {
        // Whatever failed before an exchange began has no tenant, and no record.
        let _ = downstream.fail(&failure).await;
    }
}

/// Finds out what is asked and by whom, and opens the exchange.
async fn admit(gateway: &Gateway, downstream: &mut Downstream<'_>) -> Result<(), Failure> {
    downstream.check_framing()?;
    let head = downstream.head();
    let route = gateway.route(&head.method, head.raw_path()).ok_or(Failure::RouteNotGuarded)?;
    match &route {
        Route::Guarded(dialect) => downstream.speak(*dialect),
        // Whoever shows the key in Anthropic's header reads errors in Anthropic's shape.
        Route::Passed(_) if head.headers.contains_key("x-api-key") => {
            downstream.speak(Dialect::Messages);
        }
        Route::Asked(_) => downstream.take_keys_in("x-api-key"),
        Route::Models | Route::Passed(_) => {}
    }
    let snapshot = gateway.snapshot();
    let tenant = snapshot.tenants.find(downstream.key()).ok_or(Failure::Unauthorized)?;
    Exchange::new(gateway, Arc::clone(tenant), route).run(downstream).await;
    Ok(())
}

/// One request together with its response.
pub(crate) struct Exchange<'a> {
    pub(crate) gateway: &'a Gateway,
    pub(crate) tenant: Arc<Tenant>,
    route: Route,
    pub(super) id: String,
    pub(super) draft: AuditDraft,
    started: Instant,
    /// How long others took: the guard, the upstream, the client.
    pub(super) elsewhere: Duration,
    /// The number of the next event of a stream, where its events are numbered.
    next_event: u64,
}

/// The head of an answer whose body has been read.
struct Answer {
    kind: Kind,
    status: StatusCode,
    carried: Vec<(HeaderName, HeaderValue)>,
}

impl Answer {
    fn of(response: &Response, kind: Kind) -> Self {
        Self { kind, status: response.status(), carried: response.carried() }
    }
}

/// How an exchange ended that did not fail, and the status the client got.
pub(super) struct Ending {
    pub(super) outcome: Outcome,
    pub(super) status: u16,
}

impl<'a> Exchange<'a> {
    fn new(gateway: &'a Gateway, tenant: Arc<Tenant>, route: Route) -> Self {
        let id = Ulid::new().to_string();
        let draft = gateway.audit.draft(Opening {
            exchange: id.clone(),
            tenant: tenant.id.to_string(),
            policy: tenant.policy.label().to_owned(),
            route: route.name(),
            guard: gateway.guard.card().to_string(),
        });
        let started = Instant::now();
        let elsewhere = Duration::ZERO;
        Self { gateway, tenant, route, id, draft, started, elsewhere, next_event: 0 }
    }

    async fn run(mut self, downstream: &mut Downstream<'_>) {
        downstream.stamp("x-wardgate-exchange", self.id.clone());
        downstream.stamp("x-wardgate-policy", self.tenant.policy.label());
        let span = tracing::debug_span!("exchange", id = %self.id, tenant = %self.tenant.id);
        let conversed = async {
            match self.route.clone() {
                Route::Guarded(dialect) => self.converse(downstream, dialect).await,
                Route::Models => self.models(downstream).await,
                Route::Passed(open) => self.pass(downstream, &open).await,
                Route::Asked(endpoint) => self.inquire(downstream, endpoint).await,
            }
        };
        let conversed = conversed.instrument(span).await;
        let ending = match conversed {
            Ok(ending) => ending,
            Err(failure) => self.fail(downstream, &failure).await,
        };
        if let Err(error) = self.draft.close(ending.outcome, ending.status).await {
            tracing::error!(%error, exchange = self.id, "the closing line could not be written");
        }
        let metrics = &self.gateway.metrics;
        metrics.exchange(self.tenant.id.as_str(), &self.route.name(), ending.outcome.as_str());
        metrics.overhead(self.started.elapsed().saturating_sub(self.elsewhere));
    }

    /// The conversation: prompt in, answer out.
    async fn converse(
        &mut self,
        downstream: &mut Downstream<'_>,
        dialect: Dialect,
    ) -> Result<Ending, Failure> {
        let along = downstream.along()?;
        let body = self.others(downstream.read_body()).await?;
        let request = Request::parse_under(terms(&self.tenant.policy), dialect, body)?;
        self.draft.learn(request.model(), request.stream());
        let (windows, limit) = (windows(&request), self.gateway.limits.windows);
        if windows > limit {
            return Err(Failure::TooManyWindows { windows, limit });
        }
        let upstreams = &self.gateway.upstreams;
        let upstream = upstreams.serving(request.model()).ok_or(Failure::ModelNotRouted)?;
        self.draft.open()?;

        let tenant = Arc::clone(&self.tenant);
        let mut inspector = Inspector::new(self.gateway, tenant, dialect, self.id.clone());
        let (inspected, beside) = if inspector.waits_for(&request) {
            (downstream.unless_gone(inspector.prompt(request)).await?, None)
        } else {
            let (inspected, beside) = inspector.prompt_beside(request);
            (inspected, Some(beside))
        };
        self.elsewhere += inspector.guard_time();
        self.draft.prompt(inspector.prompt_record());
        tell(downstream, &inspector);
        let prompt = match inspected {
            Inspected::Cleared(prompt) => prompt,
            Inspected::Refused(reply) => {
                let status = reply.status;
                // The record of a refusal is on disk before the refusal is on the wire.
                self.draft.close(Outcome::Refused, status).await?;
                downstream.send(reply).await?;
                return Ok(Ending { outcome: Outcome::Refused, status });
            }
        };
        if inspector.has_redacted_prompt() {
            // Durable before the first byte of what is left leaves.
            self.draft.act(Phase::Prompt).await?;
        }
        let Some(beside) = beside else {
            return self.answer(downstream, upstream, (prompt, along), &mut inspector).await;
        };
        let answering = self.answer(downstream, upstream, (prompt, along), &mut inspector);
        let (answered, found) = tokio::join!(answering, beside.found());
        inspector.prompt_found(found);
        self.draft.prompt(inspector.prompt_record());
        answered
    }

    /// The prompt out, its answer in.
    async fn answer(
        &mut self,
        downstream: &mut Downstream<'_>,
        upstream: &Upstream,
        (prompt, along): (Cleared<Request>, Along),
        inspector: &mut Inspector<'_>,
    ) -> Result<Ending, Failure> {
        let upstreams = &self.gateway.upstreams;
        let asking = upstreams.ask(upstream, &prompt, &along);
        let asked = Instant::now();
        let mut response = downstream.unless_gone(asking).await??;
        self.elsewhere += asked.elapsed();
        let ending = match response.kind() {
            Kind::Events if response.status().is_success() => {
                let asked = prompt.get().asked().clone();
                let mut hold = Holdback::new(self.holdback(), asked);
                inspector.begin(&mut hold);
                let streamed = if inspector.is_beside() {
                    self.observe(downstream, &mut response, inspector, &mut hold).await
                } else {
                    self.stream(downstream, &mut response, inspector, &mut hold).await
                };
                self.next_event = hold.frame().next();
                let ending = streamed?;
                // What is only observed ends before all of it is judged.
                if !inspector.is_beside() {
                    downstream.finish().await?;
                }
                if ending.outcome == Outcome::Delivered {
                    response.end_soon().await;
                    upstreams.release(upstream, response).await;
                }
                ending
            }
            kind => {
                let answer = Answer::of(&response, kind);
                let limit = self.gateway.limits.response_bytes;
                let asked = Instant::now();
                let body = downstream.unless_gone(response.whole(limit)).await??;
                self.elsewhere += asked.elapsed();
                upstreams.release(upstream, response).await;
                self.whole(downstream, answer, body, inspector, prompt.get().asked()).await?
            }
        };
        Ok(ending)
    }

    /// How a streamed answer is held back.
    fn holdback(&self) -> holdback::Settings {
        let mut settings = self.gateway.holdback.clone();
        let policy = &self.tenant.policy;
        let rules = policy.rules(Phase::Response);
        if rules.patterns.is_some() {
            settings.overlap_chars = settings.overlap_chars.max(patterns::OVERLAP);
        }
        if rules.points(policy.taxonomy()) {
            settings.kept_bytes = patterns::OVERLAP;
        }
        if rules.redacts_parts() {
            settings.hold = Hold::Whole;
        }
        settings
    }

    /// An answer that is not streamed, and has been read: judged, sent.
    async fn whole(
        &mut self,
        downstream: &mut Downstream<'_>,
        answer: Answer,
        body: Bytes,
        inspector: &mut Inspector<'_>,
        asked: &Asked,
    ) -> Result<Ending, Failure> {
        let Answer { kind, status, carried } = answer;
        let judging = inspector.whole(body, kind, status, asked);
        let inspected = downstream.unless_gone(judging).await??;
        self.elsewhere += inspector.guard_time();
        self.draft.response(inspector.response_record());
        tell(downstream, inspector);
        match inspected {
            Inspected::Cleared(answer) => {
                let withheld = inspector.has_cut();
                let status = status.as_u16();
                if withheld {
                    self.draft.close(Outcome::Withheld, status).await?;
                } else if inspector.has_redacted() {
                    self.draft.act(Phase::Response).await?;
                }
                let content_type = inspector.content_type(kind);
                downstream.deliver(Head { status, content_type, carried }, answer).await?;
                let outcome = if withheld { Outcome::Withheld } else { Outcome::Delivered };
                Ok(Ending { outcome, status })
            }
            Inspected::Refused(reply) => {
                let status = reply.status;
                self.draft.close(Outcome::Withheld, status).await?;
                downstream.send(reply).await?;
                Ok(Ending { outcome: Outcome::Withheld, status })
            }
        }
    }

    /// A streamed answer: held back, judged window by window, released.
    async fn stream(
        &mut self,
        downstream: &mut Downstream<'_>,
        response: &mut Response,
        inspector: &mut Inspector<'_>,
        hold: &mut Holdback,
    ) -> Result<Ending, Failure> {
        let status = response.status().as_u16();
        while !hold.ended() {
            let asked = Instant::now();
            let piece = downstream.unless_gone(response.next()).await??;
            self.elsewhere += asked.elapsed();
            let taken = match piece {
                Some(bytes) => hold.push(&bytes),
                None => hold.end(),
            };
            loop {
                let before = inspector.guard_time();
                let judged = downstream.unless_gone(inspector.window(hold)).await?;
                self.elsewhere += inspector.guard_time().saturating_sub(before);
                self.draft.response(inspector.response_record());
                let Some(cleared) = judged else { break };
                // Before its first byte is out, the answer may still become an error.
                if let Some(reply) = inspector.refusal()
                    && !downstream.has_begun()
                {
                    let status = reply.status;
                    self.draft.close(Outcome::Withheld, status).await?;
                    downstream.send(reply).await?;
                    return Ok(Ending { outcome: Outcome::Withheld, status });
                }
                if inspector.has_cut() {
                    // Durable before the first byte of the cut leaves.
                    if hold.ended() {
                        self.draft.close(Outcome::Cut, status).await?;
                    } else {
                        self.draft.act(Phase::Response).await?;
                    }
                } else if inspector.has_redacted() {
                    self.draft.act(Phase::Response).await?;
                }
                begin(downstream, response, inspector).await?;
                downstream.write(cleared).await?;
            }
            taken.map_err(two_readings)?;
        }
        // A stream without one whole event is an answer all the same.
        begin(downstream, response, inspector).await?;
        let outcome = if inspector.has_cut() { Outcome::Cut } else { Outcome::Delivered };
        Ok(Ending { outcome, status })
    }

    /// The list of models.
    async fn models(&mut self, downstream: &mut Downstream<'_>) -> Result<Ending, Failure> {
        self.draft.open()?;
        let along = downstream.along()?;
        let listing = listing::list(self, &along);
        let reply = downstream.unless_gone(listing).await??;
        let status = reply.status;
        downstream.send(reply).await?;
        Ok(Ending { outcome: Outcome::Delivered, status })
    }

    /// A request on a path that was opened: nobody judges it or its answer, and the record says so.
    async fn pass(
        &mut self,
        downstream: &mut Downstream<'_>,
        open: &Passthrough,
    ) -> Result<Ending, Failure> {
        let along = downstream.along_unjudged();
        let body = self.others(downstream.read_unjudged()).await?;
        self.draft.open()?;
        let upstreams = &self.gateway.upstreams;
        let upstream = upstreams.named(open.upstream()).ok_or(Failure::ModelNotRouted)?;
        let asked = Instant::now();
        let asking = upstreams.pass(upstream, open, body, &along);
        let mut response = downstream.unless_gone(asking).await??;
        let status = response.status().as_u16();
        let has_body = downstream.begin_unjudged(open, status, response.headers_unjudged()).await?;
        while let Some(bytes) = downstream.unless_gone(response.next()).await?? {
            downstream.write_unjudged(open, bytes).await?;
        }
        if has_body {
            downstream.finish().await?;
        }
        self.elsewhere += asked.elapsed();
        upstreams.release(upstream, response).await;
        Ok(Ending { outcome: Outcome::Delivered, status })
    }

    /// Says what went wrong, as far as anybody is there to read it.
    async fn fail(&mut self, downstream: &mut Downstream<'_>, failure: &Failure) -> Ending {
        tracing::info!(exchange = self.id, %failure, "failed");
        let words = failure.words();
        if matches!(failure, Failure::ClientGone) {
            downstream.abandon().await;
            return Ending { outcome: failure.outcome(), status: words.status };
        }
        if !matches!(failure, Failure::Audit(_)) {
            // Opened late, for a request that never got that far.
            if let Err(error) = self.draft.open() {
                tracing::error!(%error, exchange = self.id, "the opening line could not be written");
            }
        }
        if downstream.has_begun() {
            // The status is out: the stream ends with an error event, which official clients raise.
            let event = words.error().event(downstream.dialect(), self.next_event);
            let _ = downstream.write_ours(event).await;
            downstream.close_after();
            let _ = downstream.finish().await;
        } else {
            let _ = downstream.fail(failure).await;
        }
        Ending { outcome: failure.outcome(), status: words.status }
    }

    pub(super) async fn others<T>(&mut self, work: impl Future<Output = T>) -> T {
        let begun = Instant::now();
        let done = work.await;
        self.elsewhere += begun.elapsed();
        done
    }
}

/// The terms under which a policy has requests read.
fn terms(policy: &Policy) -> Terms {
    let history = match policy.history() {
        policy::History::All => History::All,
        policy::History::Latest => History::Latest,
    };
    Terms { history, allowed: policy.allowed().to_vec() }
}

/// Begins to answer with a stream, unless that was done before.
pub(super) async fn begin(
    downstream: &mut Downstream<'_>,
    response: &Response,
    inspector: &Inspector<'_>,
) -> Result<(), Failure> {
    if downstream.has_begun() {
        return Ok(());
    }
    tell(downstream, inspector);
    let (status, carried) = (response.status().as_u16(), response.carried());
    downstream.begin(Head { status, content_type: EVENTS, carried }).await
}

/// How many windows of the guard a prompt needs, more or less.
fn windows(request: &Request) -> usize {
    let of_one = |passage: &Passage| 1 + passage.text().len() / WINDOW_BYTES;
    request.passages().iter().map(of_one).sum()
}

/// Says in headers what was found so far.
fn tell(downstream: &mut Downstream<'_>, inspector: &Inspector<'_>) {
    for (name, value) in inspector.stamps() {
        downstream.stamp(name, value);
    }
}

fn two_readings(fault: StreamFault) -> Failure {
    Failure::Upstream(UpstreamFault::Unreadable(fault.to_string()))
}

impl Downstream<'_> {
    /// Says what went wrong, in the envelope that clients of the dialect read.
    async fn fail(&mut self, failure: &Failure) -> Result<(), Failure> {
        let words = failure.words();
        if failure.breaks_connection() {
            self.close_after();
        }
        let retry_after = (words.retry && words.status == 503).then_some(1);
        let body = words.error().body(self.dialect());
        let (status, retry) = (words.status, words.retry);
        self.send(Reply { retry_after, retry, ..Reply::json(status, body) }).await
    }
}
