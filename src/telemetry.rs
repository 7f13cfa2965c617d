//! Metrics: their names, in one place, and the numbers behind them.
//!
//! Labels hold tenants, routes, categories and words of ours, never what a client sent: a client that
//! invents models must not invent time series.

use std::time::Duration;

use prometheus::{
    Encoder, Histogram, HistogramOpts, HistogramVec, IntCounterVec, IntGauge, IntGaugeVec, Opts,
    Registry, TextEncoder,
};

/// Exchanges by how they ended.
pub const EXCHANGES: &str = "wardgate_exchanges_total";
/// Decisions by phase and action.
pub const DECISIONS: &str = "wardgate_decisions_total";
/// Rules on categories that applied.
pub const CATEGORY_DECISIONS: &str = "wardgate_category_decisions_total";
/// Judgements without a verdict on everything.
pub const UNSCORED: &str = "wardgate_unscored_total";
/// How long the guard took, waiting and running.
pub const GUARD_SECONDS: &str = "wardgate_guard_seconds";
/// Tokens the guard computed, and those it did not have to, having read them before.
pub const GUARD_TOKENS: &str = "wardgate_guard_tokens_total";
/// What waits for the guard.
pub const GUARD_QUEUE: &str = "wardgate_guard_queue_tokens";
/// What the gateway added to an exchange, guard, client and upstream excluded.
pub const OVERHEAD: &str = "wardgate_overhead_seconds";
/// Audit lines that wait to be brought to disk.
pub const AUDIT_QUEUE: &str = "wardgate_audit_queue";
/// The build, as labels.
pub const BUILD_INFO: &str = "wardgate_build_info";

/// Bounds of the guard's histogram in seconds.
const GUARD_BUCKETS: [f64; 14] =
    [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];
/// Bounds of the overhead's histogram in seconds.
const OVERHEAD_BUCKETS: [f64; 10] =
    [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 1.0];

/// Everything that is counted.
pub struct Metrics {
    registry: Registry,
    exchanges: IntCounterVec,
    decisions: IntCounterVec,
    category_decisions: IntCounterVec,
    unscored: IntCounterVec,
    guard_seconds: HistogramVec,
    guard_tokens: IntCounterVec,
    guard_queue: IntGauge,
    overhead: Histogram,
    audit_queue: IntGauge,
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// All metrics at zero, in a registry of their own.
    pub fn new() -> Self {
        let registry = Registry::new();
        let metrics = Self {
            exchanges: counter(EXCHANGES, "exchanges by outcome", &["tenant", "route", "outcome"]),
            decisions: counter(DECISIONS, "decisions by action", &["tenant", "phase", "action"]),
            category_decisions: counter(
                CATEGORY_DECISIONS,
                "rules on categories that applied",
                &["phase", "category", "action"],
            ),
            unscored: counter(
                UNSCORED,
                "judgements without a verdict on everything",
                &["phase", "reason"],
            ),
            guard_seconds: sure(HistogramVec::new(
                HistogramOpts::new(GUARD_SECONDS, "how long the guard took")
                    .buckets(GUARD_BUCKETS.to_vec()),
                &["part"],
            )),
            guard_tokens: counter(GUARD_TOKENS, "tokens the guard read", &["kind"]),
            guard_queue: sure(IntGauge::new(GUARD_QUEUE, "tokens that wait to be computed")),
            overhead: sure(Histogram::with_opts(
                HistogramOpts::new(OVERHEAD, "what the gateway added, guard excluded")
                    .buckets(OVERHEAD_BUCKETS.to_vec()),
            )),
            audit_queue: sure(IntGauge::new(AUDIT_QUEUE, "audit lines not on disk yet")),
            registry,
        };
        metrics.register(&metrics.exchanges);
        metrics.register(&metrics.decisions);
        metrics.register(&metrics.category_decisions);
        metrics.register(&metrics.unscored);
        metrics.register(&metrics.guard_seconds);
        metrics.register(&metrics.guard_tokens);
        metrics.register(&metrics.guard_queue);
        metrics.register(&metrics.overhead);
        metrics.register(&metrics.audit_queue);
        let build = sure(IntGaugeVec::new(Opts::new(BUILD_INFO, "the build"), &["version"]));
        metrics.register(&build);
        build.with_label_values(&[env!("CARGO_PKG_VERSION")]).set(1);
        metrics
    }

    fn register<C: prometheus::core::Collector + Clone + 'static>(&self, collector: &C) {
        sure(self.registry.register(Box::new(collector.clone())));
    }

    /// Counts an exchange that has ended.
    pub fn exchange(&self, tenant: &str, route: &str, outcome: &str) {
        self.exchanges.with_label_values(&[tenant, route, outcome]).inc();
    }

    /// Counts a decision.
    pub fn decision(&self, tenant: &str, phase: &str, action: &str) {
        self.decisions.with_label_values(&[tenant, phase, action]).inc();
    }

    /// Counts a rule on a category that applied.
    pub fn category(&self, phase: &str, category: &str, action: &str) {
        self.category_decisions.with_label_values(&[phase, category, action]).inc();
    }

    /// Counts a judgement without a verdict on everything.
    pub fn unscored(&self, phase: &str, reason: &str) {
        self.unscored.with_label_values(&[phase, reason]).inc();
    }

    /// Notes how long a judgement waited and ran.
    pub fn guard(&self, waited: Duration, ran: Duration) {
        self.guard_seconds.with_label_values(&["waiting"]).observe(waited.as_secs_f64());
        self.guard_seconds.with_label_values(&["running"]).observe(ran.as_secs_f64());
    }

    /// Notes how many tokens the guard has computed and reused since it was started.
    pub fn guard_tokens(&self, computed: u64, reused: u64) {
        for (kind, tokens) in [("computed", computed), ("reused", reused)] {
            let counter = self.guard_tokens.with_label_values(&[kind]);
            counter.inc_by(tokens.saturating_sub(counter.get()));
        }
    }

    /// Notes how many tokens wait for the guard.
    pub fn guard_queue(&self, tokens: usize) {
        self.guard_queue.set(i64::try_from(tokens).unwrap_or(i64::MAX));
    }

    /// Notes what the gateway added to an exchange.
    pub fn overhead(&self, added: Duration) {
        self.overhead.observe(added.as_secs_f64());
    }

    /// Notes how many audit lines wait to be brought to disk.
    pub fn audit_queue(&self, lines: u64) {
        self.audit_queue.set(i64::try_from(lines).unwrap_or(i64::MAX));
    }

    /// Everything, as Prometheus reads it.
    pub fn render(&self) -> String {
        let mut text = Vec::new();
        let encoded = TextEncoder::new().encode(&self.registry.gather(), &mut text);
        if let Err(error) = encoded {
            tracing::error!(%error, "metrics cannot be written");
        }
        String::from_utf8_lossy(&text).into_owned()
    }
}

fn counter(name: &str, help: &str, labels: &[&str]) -> IntCounterVec {
    sure(IntCounterVec::new(Opts::new(name, help), labels))
}

/// The names and labels are constants of this file, and a test makes them all.
#[expect(clippy::expect_used, reason = "constant names, which a test registers")]
fn sure<T>(made: prometheus::Result<T>) -> T {
    made.expect("the metric is well formed")
}

#[cfg(test)]
mod tests {
    use super::Metrics;
    use std::time::Duration;

    #[test]
    fn every_metric_of_the_contract_is_rendered() {
        let metrics = Metrics::new();
        metrics.exchange("acme", "chat.completions", "delivered");
        metrics.decision("acme", "prompt", "allow");
        metrics.category("prompt", "S1", "block");
        metrics.unscored("prompt", "deadline");
        metrics.guard(Duration::from_millis(1), Duration::from_millis(2));
        metrics.guard_tokens(5, 7);
        metrics.guard_tokens(5, 9);
        metrics.guard_queue(100);
        metrics.overhead(Duration::from_micros(10));
        metrics.audit_queue(3);
        let text = metrics.render();
        for line in [
            "wardgate_exchanges_total{outcome=\"delivered\",route=\"chat.completions\",tenant=\"acme\"} 1",
            "wardgate_decisions_total{action=\"allow\",phase=\"prompt\",tenant=\"acme\"} 1",
            "wardgate_category_decisions_total{action=\"block\",category=\"S1\",phase=\"prompt\"} 1",
            "wardgate_unscored_total{phase=\"prompt\",reason=\"deadline\"} 1",
            "wardgate_guard_seconds_count{part=\"waiting\"} 1",
            "wardgate_guard_tokens_total{kind=\"computed\"} 5",
            "wardgate_guard_tokens_total{kind=\"reused\"} 9",
            "wardgate_guard_queue_tokens 100",
            "wardgate_overhead_seconds_count 1",
            "wardgate_audit_queue 3",
            "wardgate_build_info{version=",
        ] {
            assert!(text.contains(line), "{line} in\n{text}");
        }
    }
}
