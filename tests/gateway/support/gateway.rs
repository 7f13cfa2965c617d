//! A gateway with a scripted guard, in this process.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use globset::{Glob, GlobSetBuilder};
use serde_json::Value;
use tempfile::TempDir;
use wardgate::admin::AdminState;
use wardgate::audit::{self, AuditLog, Durability};
use wardgate::enforce::holdback;
use wardgate::gateway::{
    Authorities, Gateway, Identity, Limits, Parts, Passthrough, UpstreamSettings, Upstreams,
};
use wardgate::guard::{self, Guard, Lane, Scripted, Seen};
use wardgate::policy::compile;
use wardgate::server::{Addresses, Server};
use wardgate::taxonomy::Taxonomy;
use wardgate::telemetry::Metrics;
use wardgate::tenant::{Entry, KeyDigest, Snapshot, Tenant, TenantId, Tenants};
use wardgate::verdict::Unscored;
use wardgate::wire::inquiry::Endpoint;

use crate::support::client::KEY;
use crate::support::tls;
use crate::support::upstream::{self, Upstream};

const POLICY: &str = r#"
name = "test"
mode = "enforce"
[unscored]
prompt = "block"
response = "block"
[unsafe]
prompt = { annotate = 0.3, block = 0.5 }
response = { annotate = 0.3, block = 0.5 }
"#;

/// What a test may want otherwise.
pub(crate) struct Setup {
    pub(crate) policy: String,
    pub(crate) limits: Limits,
    pub(crate) credential: Option<String>,
    /// Who the gateway is to its clients; without it, it speaks clear text.
    pub(crate) identity: Option<Identity>,
    /// Who may look at the admin plane.
    pub(crate) admin_key: Option<KeyDigest>,
    /// Where requests go; the recording upstream unless said otherwise.
    pub(crate) upstream: Option<SocketAddr>,
    /// Methods and paths that nobody judges.
    pub(crate) passthroughs: Vec<(&'static str, &'static str)>,
    pub(crate) endpoints: Vec<Endpoint>,
    /// The same as a whole URL.
    pub(crate) url: Option<String>,
    /// Who vouches for it.
    pub(crate) authorities: Option<Authorities>,
}

pub(crate) struct TestGateway {
    pub(crate) data: SocketAddr,
    pub(crate) admin: SocketAddr,
    pub(crate) upstream: Upstream,
    pub(crate) audit: AuditLog,
    pub(crate) seen: Seen,
    server: Option<Server>,
    folder: TempDir,
}

/// Unsafe is what holds "canary", in doubt what is "doubtful"; "sleep", "boom" and "derailed" do what
/// they say.
fn script() -> Scripted {
    Scripted::blocking_on("canary", "S1")
        .scoring_on("doubtful", 0.4, "S2")
        .sleeping_on("sleep", Duration::from_secs(2))
        .panicking_on("boom")
        .leaving("derailed", Unscored::Derailed)
}

impl TestGateway {
    pub(crate) async fn start(upstream: Upstream) -> Self {
        Self::start_with(upstream, |_| {}).await
    }

    pub(crate) async fn limited(limits: Limits) -> Self {
        let upstream = Upstream::answering(upstream::json(&upstream::completion(&["fine"]))).await;
        Self::start_with(upstream, |setup| setup.limits = limits).await
    }

    /// One that speaks TLS, whose provider says that all is fine.
    pub(crate) async fn secure(limits: Limits) -> Self {
        let upstream = Upstream::answering(upstream::json(&upstream::completion(&["fine"]))).await;
        Self::secure_before(upstream, limits).await
    }

    /// One that speaks TLS.
    pub(crate) async fn secure_before(upstream: Upstream, limits: Limits) -> Self {
        Self::start_with(upstream, |setup| {
            setup.limits = limits;
            setup.identity = Some(tls::identity());
        })
        .await
    }

    pub(crate) async fn start_with(upstream: Upstream, change: impl FnOnce(&mut Setup)) -> Self {
        let mut setup = Setup {
            policy: POLICY.to_owned(),
            limits: Limits::default(),
            credential: None,
            identity: None,
            admin_key: None,
            upstream: None,
            passthroughs: Vec::new(),
            endpoints: Vec::new(),
            url: None,
            authorities: None,
        };
        change(&mut setup);
        let script = script();
        let seen = script.seen();
        // Without memory for verdicts: what the guard was shown is looked at case by case.
        let settings = guard::Settings {
            deadline: Duration::from_millis(1000),
            verdict_bytes: 0,
            ..guard::Settings::default()
        };
        let guard = Guard::start(&settings, move || Ok(Box::new(script.clone()))).expect("a guard");
        let taxonomy = Taxonomy::llama_guard_2();
        let policy = compile(&setup.policy, "test.toml", &taxonomy).expect("a policy").policy;
        let tenant = Tenant { id: TenantId::new("acme"), lane: Lane(0), policy: Arc::new(policy) };
        let entry = Entry { tenant, keys: vec![KeyDigest::of(KEY)], anonymous: false };
        let snapshot = Snapshot::new(Tenants::new(vec![entry]).expect("distinct"), ["test"]);
        let folder = TempDir::new().expect("a folder");
        let audit = AuditLog::open(audit::Settings {
            path: folder.path().to_owned(),
            key: None,
            durability: Durability::Disk,
        })
        .expect("a log");
        let address = setup.upstream.unwrap_or(upstream.address);
        let url = setup.url.unwrap_or_else(|| format!("http://{address}/v1"));
        let mut models = GlobSetBuilder::new();
        models.add(Glob::new("m").expect("a glob"));
        let mock = UpstreamSettings {
            name: "mock".to_owned(),
            url: url.parse().expect("a URL"),
            models: models.build().expect("globs"),
            credential: setup.credential,
            authorities: setup.authorities,
            connect_timeout: Duration::from_secs(5),
            read_timeout: Duration::from_secs(30),
        };
        let open = setup.passthroughs.iter().map(|(method, path)| {
            Passthrough::new(method, path, &mock).expect("a path that may be opened")
        });
        let passthroughs = open.collect();
        let upstreams = Upstreams::new(vec![mock]);
        let metrics = Arc::new(Metrics::new());
        let state = AdminState {
            guard: guard.clone(),
            audit: audit.clone(),
            metrics: Arc::clone(&metrics),
            upstreams: upstreams.len(),
        };
        let gateway = Gateway::new(Parts {
            guard,
            snapshot: Arc::new(snapshot),
            audit: audit.clone(),
            metrics,
            upstreams,
            endpoints: setup.endpoints.clone(),
            passthroughs,
            limits: setup.limits.clone(),
            holdback: holdback::Settings::default(),
        });
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let addresses = Addresses {
            data: any,
            admin: any,
            identity: setup.identity,
            admin_key: setup.admin_key,
        };
        let server = Server::start(addresses, gateway, setup.limits, state).expect("it listens");
        let (data, admin) = (server.data, server.admin);
        Self { data, admin, upstream, audit, seen, server: Some(server), folder }
    }

    /// The same, without holding on to the gateway.
    pub(crate) fn draining(&mut self) -> impl Future<Output = bool> + 'static {
        let server = self.server.take().expect("not drained yet");
        server.drain()
    }

    /// Waits until every exchange has ended; says whether all did by themselves.
    pub(crate) async fn drain(&mut self) -> bool {
        match self.server.take() {
            Some(server) => server.drain().await,
            None => true,
        }
    }

    /// Waits until the guard has been shown a text with these words.
    pub(crate) async fn until_judging(&self, words: &str) {
        let shown = || {
            let seen = self.seen.lock().expect("not poisoned");
            seen.iter().any(|transcript| transcript.judged().text.contains(words))
        };
        while !shown() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    pub(crate) fn audit_folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn audit_text(&self) -> String {
        let files = audit::files(self.folder.path()).expect("a log");
        files.iter().map(|file| std::fs::read_to_string(file).expect("readable")).collect()
    }

    /// The lines of one kind, in order.
    pub(crate) fn audit_lines(&self, kind: &str) -> Vec<Value> {
        let lines = self.audit_text();
        let lines = lines.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
        lines.filter(|line| line["kind"] == kind).collect()
    }
}
