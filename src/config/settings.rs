//! One valid value made of the parts' own settings, or everything that is wrong.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};
use http::Uri;
use toml::Spanned;

use crate::audit;
use crate::config::file::{
    Audit, File, FromEnv, Guard, Limits, Passthrough, Stream, Tenant, Tls, Upstream,
};
use crate::config::problem::{Problem, Problems};
use crate::enforce::holdback;
use crate::gateway;
use crate::guard;
use crate::llama_guard::{
    Bos, Calibration, DeviceChoice, EngineSettings, Family, LoadFault, Quantization, Window,
};
use crate::policy::{self, Policy};
use crate::taxonomy::Taxonomy;
use crate::tenant::{self, KeyDigest, Snapshot, TenantId, Tenants};
use crate::wire::Terms;
use crate::wire::inquiry::{ENDPOINTS, Endpoint};

/// Everything a gateway needs to be told.
pub struct Settings {
    /// Where the guarded API listens.
    pub listen: SocketAddr,
    /// Where the admin plane listens.
    pub admin: SocketAddr,
    /// Who may look at the admin plane; without one, everybody.
    pub admin_key: Option<KeyDigest>,
    /// The certificate of the guarded API; without one it speaks clear text.
    pub identity: Option<gateway::Identity>,
    /// Which model judges.
    pub model: GuardModel,
    /// How it is asked, and what it may keep.
    pub engine: EngineSettings,
    /// The bounds of the guard.
    pub guard: guard::Settings,
    /// The model providers.
    pub upstreams: Vec<gateway::UpstreamSettings>,
    /// The paths that are open although nobody judges what goes through them.
    pub passthroughs: Vec<gateway::Passthrough>,
    /// Where other programs may ask for opinions.
    pub endpoints: Vec<Endpoint>,
    /// All policies by name, also those of no tenant.
    pub policies: BTreeMap<String, Arc<Policy>>,
    /// Tenants and policies.
    pub snapshot: Arc<Snapshot>,
    /// The audit log.
    pub audit: audit::Settings,
    /// The bounds of an exchange.
    pub limits: gateway::Limits,
    /// How streams are held back.
    pub holdback: holdback::Settings,
}

/// Which model judges.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum GuardModel {
    /// The one in the binary.
    Embedded,
    /// One in a folder (config.json, *.safetensors, tokenizer.json) or in a .gguf file.
    Folder {
        /// Where it lies.
        path: PathBuf,
        /// How it is asked.
        family: Box<Family>,
    },
}

impl GuardModel {
    /// The model in a folder, of the family with this name, or else of the one it shows.
    ///
    /// # Errors
    ///
    /// Where there is no such family, or the folder does not tell.
    pub fn in_folder(path: PathBuf, family: Option<&str>) -> Result<Self, LoadFault> {
        let family = Box::new(Family::choose(&path, family)?);
        Ok(Self::Folder { path, family })
    }

    /// The categories it can name.
    pub fn taxonomy(&self) -> Taxonomy {
        match self {
            Self::Embedded => Taxonomy::llama_guard_2(),
            Self::Folder { family, .. } => family.taxonomy.clone(),
        }
    }
}

/// Settings, and what should be looked at all the same.
pub struct Loaded {
    /// The settings.
    pub settings: Settings,
    /// What is allowed and yet odd.
    pub warnings: Vec<Problem>,
}

/// Reads gateway.toml and the policies it names. `env` looks up the secrets it refers to.
///
/// # Errors
///
/// Everything that is wrong, at once.
pub fn load(path: &Path, env: &dyn Fn(&str) -> Option<String>) -> Result<Loaded, Problems> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| Problems(vec![Problem::of(path, format!("cannot be read: {error}"))]))?;
    let (file, faults) = File::read(&text);
    let problem = |error: &toml::de::Error| {
        let offset = error.span().map_or(0, |span| span.start);
        let what = format!("{}; examples/reference/gateway.toml shows every key", error.message());
        Problem::at(path, &text, offset, what)
    };
    let problems = faults.iter().map(problem).collect();
    let folder = path.parent().unwrap_or(Path::new("")).to_owned();
    let mut reading = Reading { path, text: &text, folder, env, problems, warnings: Vec::new() };
    match file.and_then(|file| reading.settings(file)) {
        Some(settings) if reading.problems.is_empty() => {
            Ok(Loaded { settings, warnings: reading.warnings })
        }
        _ => {
            let mut problems = reading.problems;
            problems.sort_by(|a, b| (&a.file, a.line).cmp(&(&b.file, b.line)));
            Err(Problems(problems))
        }
    }
}

/// Reads one policy file as `serve` would for a guard with these categories; gives the policy and what
/// is odd about it.
///
/// # Errors
///
/// Everything that is wrong, at once.
pub fn check_policy(path: &Path, taxonomy: &Taxonomy) -> Result<(Policy, Vec<Problem>), Problems> {
    let source = std::fs::read_to_string(path)
        .map_err(|error| Problems(vec![Problem::of(path, format!("cannot be read: {error}"))]))?;
    compile(path, &source, taxonomy)
}

fn compile(
    path: &Path,
    source: &str,
    taxonomy: &Taxonomy,
) -> Result<(Policy, Vec<Problem>), Problems> {
    let ours = |problem: policy::Problem| Problem {
        file: path.to_owned(),
        line: problem.line,
        what: format!("{}; {}", problem.what, problem.remedy),
    };
    let file = path.display().to_string();
    let compiled = policy::compile(source, &file, taxonomy)
        .map_err(|problems| Problems(problems.0.into_iter().map(ours).collect()))?;
    let allowable = Terms::allowable();
    let unknown = compiled.allowed.iter().filter(|(field, _)| !allowable.contains(field.as_str()));
    let unknown: Vec<Problem> = unknown
        .map(|(field, line)| {
            let all: Vec<&str> = allowable.iter().copied().collect();
            let what = format!(
                "nothing is refused by the name `{field}`; take it out; what can be allowed is: {}",
                all.join(", ")
            );
            Problem { file: path.to_owned(), line: Some(*line), what }
        })
        .collect();
    if !unknown.is_empty() {
        return Err(Problems(unknown));
    }
    Ok((compiled.policy, compiled.warnings.into_iter().map(ours).collect()))
}

/// A number that may be left out.
type Count = Option<Spanned<u64>>;

struct Reading<'a> {
    path: &'a Path,
    text: &'a str,
    folder: PathBuf,
    env: &'a dyn Fn(&str) -> Option<String>,
    problems: Vec<Problem>,
    warnings: Vec<Problem>,
}

impl Reading<'_> {
    fn settings(&mut self, file: File) -> Option<Settings> {
        let listen = self.address(&file.listen);
        let admin = self.address(&file.admin);
        if let (Some(listen), Some(admin)) = (listen, admin) {
            if listen == admin && listen.port() != 0 {
                self.problem(
                    &file.admin,
                    "`admin` is where `listen` is; give the admin plane its own",
                );
            }
            if !admin.ip().is_loopback() && file.admin_key.is_none() {
                let what = "the admin plane asks nobody who he is, and this address is not a loopback \
                            one; set `admin_key`, or make sure that nobody else reaches it";
                let warning = self.at(&file.admin, what);
                self.warnings.push(warning);
            }
        }
        let admin_key = match &file.admin_key {
            Some(key) => self.secret(key).map(|key| KeyDigest::of(&key)),
            None => None,
        };
        let identity = file.tls.as_ref().and_then(|tls| self.identity(tls));
        let (model, engine, guard) = self.guard(&file.guard);
        let policies = self.policies(file.policies.as_ref(), &model.taxonomy());
        let snapshot = self.snapshot(&file.tenant, &policies);
        if file.upstream.is_empty() {
            self.whole("names no [[upstream]]; add one with name, url and models");
        }
        let upstreams: Vec<_> =
            file.upstream.iter().filter_map(|upstream| self.upstream(upstream)).collect();
        let endpoints = self.endpoints(&file.endpoints);
        let passthroughs =
            self.passthroughs(&file.passthrough, &file.upstream, &upstreams, &endpoints);
        let audit = self.audit(file.audit.as_ref());
        let limits = self.limits(&file.limits);
        let holdback = self.holdback(&file.stream);
        Some(Settings {
            listen: listen?,
            admin: admin?,
            admin_key,
            identity,
            model,
            engine,
            guard,
            upstreams,
            passthroughs,
            endpoints,
            policies,
            snapshot: snapshot?,
            audit: audit?,
            limits,
            holdback,
        })
    }

    fn at<T>(&self, place: &Spanned<T>, what: impl Into<String>) -> Problem {
        Problem::at(self.path, self.text, place.span().start, what)
    }

    fn problem<T>(&mut self, place: &Spanned<T>, what: impl Into<String>) {
        let problem = self.at(place, what);
        self.problems.push(problem);
    }

    fn whole(&mut self, what: &str) {
        self.problems.push(Problem::of(self.path, what));
    }

    fn address(&mut self, written: &Spanned<String>) -> Option<SocketAddr> {
        let parsed = written.get_ref().parse().ok();
        if parsed.is_none() {
            let what = format!(
                "`{}` is not an address to listen on; write an IP address and a port, such as \
                 127.0.0.1:8080",
                written.get_ref()
            );
            self.problem(written, what);
        }
        parsed
    }

    /// The certificate and key of the guarded API.
    fn identity(&mut self, written: &Tls) -> Option<gateway::Identity> {
        let chain = self.bytes(&written.cert);
        let key = self.bytes(&written.key);
        match gateway::Identity::from_pem(&chain?, &key?) {
            Ok(identity) => Some(identity),
            Err(fault) => {
                let place = if fault.concerns_key() { &written.key } else { &written.cert };
                self.problem(place, format!("{} {fault}", place.get_ref().display()));
                None
            }
        }
    }

    /// The authorities that vouch for an upstream.
    fn authorities(&mut self, written: &Spanned<PathBuf>) -> Option<gateway::Authorities> {
        match gateway::Authorities::from_pem(&self.bytes(written)?) {
            Ok(authorities) => Some(authorities),
            Err(fault) => {
                self.problem(written, format!("{} {fault}", written.get_ref().display()));
                None
            }
        }
    }

    /// What a file holds that the file of settings names, relative to itself.
    fn bytes(&mut self, written: &Spanned<PathBuf>) -> Option<Vec<u8>> {
        let path = self.folder.join(written.get_ref());
        match std::fs::read(&path) {
            Ok(bytes) => Some(bytes),
            Err(error) => {
                let what = format!(
                    "{} cannot be read: {error}; name a file in PEM that this user may read",
                    path.display()
                );
                self.problem(written, what);
                None
            }
        }
    }

    /// The shipped policies, and those of the folder, which may take the place of a shipped one.
    fn policies(
        &mut self,
        folder: Option<&Spanned<PathBuf>>,
        taxonomy: &Taxonomy,
    ) -> BTreeMap<String, Arc<Policy>> {
        let mut policies = BTreeMap::new();
        for (name, source) in policy::shipped(taxonomy) {
            let path = PathBuf::from(format!("{name}.toml"));
            self.take_policy(&path, compile(&path, source, taxonomy), &mut policies);
        }
        let Some(written) = folder else { return policies };
        let folder = self.folder.join(written.get_ref());
        let entries = match std::fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(error) => {
                let what = format!("the folder {} cannot be read: {error}", folder.display());
                self.problem(written, what);
                return policies;
            }
        };
        let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
        paths.retain(|path| path.extension().is_some_and(|extension| extension == "toml"));
        paths.sort();
        let mut own: BTreeMap<String, Arc<Policy>> = BTreeMap::new();
        for path in paths {
            match std::fs::read_to_string(&path) {
                Ok(source) => {
                    self.take_policy(&path, compile(&path, &source, taxonomy), &mut own);
                }
                Err(error) => {
                    self.problems.push(Problem::of(&path, format!("cannot be read: {error}")));
                }
            }
        }
        policies.extend(own);
        policies
    }

    fn take_policy(
        &mut self,
        path: &Path,
        compiled: Result<(Policy, Vec<Problem>), Problems>,
        policies: &mut BTreeMap<String, Arc<Policy>>,
    ) {
        match compiled {
            Ok((policy, warnings)) => {
                self.warnings.extend(warnings);
                let name = policy.name().to_owned();
                if policies.insert(name.clone(), Arc::new(policy)).is_some() {
                    let what = format!("another file has a policy `{name}`, too; rename one");
                    self.problems.push(Problem::of(path, what));
                }
            }
            Err(problems) => self.problems.extend(problems.0),
        }
    }

    fn snapshot(
        &mut self,
        written: &[Tenant],
        policies: &BTreeMap<String, Arc<Policy>>,
    ) -> Option<Arc<Snapshot>> {
        if written.is_empty() {
            self.whole("names no [[tenant]]; add one with name, keys and policy");
        }
        let mut tenants = Vec::new();
        for (lane, tenant) in written.iter().enumerate() {
            let digests = tenant.keys.iter().filter_map(|key| self.digest(key)).collect();
            if tenant.keys.is_empty() && !tenant.anonymous {
                let what = "this tenant has no keys, so nobody can be it; add keys, or \
                            `anonymous = true`";
                self.problem(&tenant.name, what);
            }
            let name = tenant.name.get_ref();
            if written.iter().take(lane).any(|other| other.name.get_ref() == name) {
                self.problem(&tenant.name, format!("there is another tenant `{name}`"));
            }
            let Some(policy) = policies.get(tenant.policy.get_ref()) else {
                let known: Vec<&str> = policies.keys().map(String::as_str).collect();
                let what = format!(
                    "there is no policy `{}`; there are: {}",
                    tenant.policy.get_ref(),
                    known.join(", ")
                );
                self.problem(&tenant.policy, what);
                continue;
            };
            let lane = guard::Lane(u32::try_from(lane).unwrap_or(u32::MAX));
            let id = TenantId::new(name);
            let entry = tenant::Tenant { id, lane, policy: Arc::clone(policy) };
            tenants.push(tenant::Entry {
                tenant: entry,
                keys: digests,
                anonymous: tenant.anonymous,
            });
        }
        match Tenants::new(tenants) {
            Ok(tenants) => {
                let labels = policies.values().map(|policy| policy.label());
                Some(Arc::new(Snapshot::new(tenants, labels.chain([self.text]))))
            }
            Err(fault) => {
                self.whole(&fault.to_string());
                None
            }
        }
    }

    fn digest(&mut self, written: &Spanned<String>) -> Option<KeyDigest> {
        match KeyDigest::parse(written.get_ref()) {
            Ok(digest) => Some(digest),
            Err(fault) => {
                self.problem(written, fault.to_string());
                None
            }
        }
    }

    fn guard(&mut self, written: &Guard) -> (GuardModel, EngineSettings, guard::Settings) {
        let model = self.model(written);
        let device = self.device(written.device.as_ref());
        let bos = match written.bos.as_ref().map(Spanned::get_ref).map(String::as_str) {
            None | Some("none") => Bos::None,
            Some("prepend") => Bos::Prepend,
            Some(_) => {
                if let Some(place) = &written.bos {
                    self.problem(place, "`bos` is neither \"none\" nor \"prepend\"");
                }
                Bos::None
            }
        };
        let default = guard::Settings::default();
        let cache = written.cache_mb.as_ref().map(|megabytes| {
            usize::try_from(megabytes.get_ref().saturating_mul(1 << 20)).unwrap_or(usize::MAX)
        });
        // Verdicts are small: an eighth of the memory is plenty.
        let verdict_bytes = cache.map_or(default.verdict_bytes, |cache| cache / 8);
        let verdict_bytes = verdict_bytes.min(default.verdict_bytes);
        let recall_bytes = cache.map(|cache| cache - verdict_bytes);
        let calibration = self.calibration(written);
        let window = self.window(written);
        let engine = EngineSettings {
            bos,
            window,
            calibration,
            recall_bytes,
            device,
            quantize: self.quantize(written),
            ..EngineSettings::default()
        };
        let settings = guard::Settings {
            deadline: self.millis("deadline_ms", &written.deadline_ms, default.deadline),
            queue_tokens: self.count("queue_tokens", &written.queue_tokens, default.queue_tokens),
            batch_tokens: self.count("batch_tokens", &written.batch_tokens, default.batch_tokens),
            verdict_bytes,
        };
        (model, engine, settings)
    }

    fn quantize(&mut self, written: &Guard) -> Option<Quantization> {
        let place = written.quantize.as_ref()?;
        let quantize = place.get_ref().parse().ok();
        if written.model.as_ref().is_none_or(|model| model.get_ref() == "embedded") {
            self.problem(place, "the embedded guard stays as it is; `quantize` goes with a folder");
        } else if quantize.is_none() {
            self.problem(place, "write \"q8_0\" or \"q4_k\", or leave `quantize` out");
        }
        quantize
    }

    fn window(&mut self, written: &Guard) -> Window {
        let Some(place) = &written.window else { return Window::default() };
        let window = *place.get_ref();
        if written.model.as_ref().is_none_or(|model| model.get_ref() == "embedded") {
            self.problem(
                place,
                "the embedded guard has windows of its own; `window` goes with a folder",
            );
        } else if window.content == 0 || window.overlap >= window.content {
            self.problem(place, "`overlap` of a `window` must be less than its `content`");
        }
        window
    }

    fn calibration(&mut self, written: &Guard) -> Calibration {
        let default = Calibration::default();
        let temperature = written.temperature.as_ref();
        if let Some(place) =
            temperature.filter(|written| !(0.01..=100.0).contains(written.get_ref()))
        {
            self.problem(place, "`temperature` is not from 0.01 to 100");
        }
        let prior = written.prior.as_ref();
        if let Some(place) = prior.filter(|written| !(0.001..=0.999).contains(written.get_ref())) {
            self.problem(place, "`prior` is a probability from 0.001 to 0.999");
        }
        Calibration {
            temperature: temperature.map_or(default.temperature, |written| *written.get_ref()),
            prior: prior.map_or(default.prior, |written| *written.get_ref()),
        }
    }

    fn device(&mut self, written: Option<&Spanned<String>>) -> DeviceChoice {
        let Some(device) = written else { return DeviceChoice::default() };
        match device.get_ref().parse() {
            Ok(DeviceChoice::Cuda(_)) if !cfg!(feature = "cuda") => {
                let what = "this build computes on the CPU; write \"auto\" or \"cpu\", or build it with \
                            `--features cuda`";
                self.problem(device, what);
            }
            Ok(choice) => return choice,
            Err(()) => self.problem(device, "write \"auto\", \"cpu\" or, for a GPU, \"cuda:0\""),
        }
        DeviceChoice::default()
    }

    fn model(&mut self, written: &Guard) -> GuardModel {
        let Some(place) = written.model.as_ref().filter(|model| model.get_ref() != "embedded")
        else {
            if let Some(family) = &written.family {
                let what = "the embedded guard is a llama-guard-2; `family` goes with a folder";
                self.problem(family, what);
            }
            return GuardModel::Embedded;
        };
        let path = self.folder.join(place.get_ref());
        let is_gguf = path.is_file() && path.extension().is_some_and(|end| end == "gguf");
        if !path.is_dir() && !is_gguf {
            let what = format!(
                "{} is not a folder; name one with config.json, *.safetensors and tokenizer.json, or a \
                 .gguf file, or write \"embedded\"",
                path.display()
            );
            self.problem(place, what);
            return GuardModel::Embedded;
        }
        let family = written.family.as_ref();
        match GuardModel::in_folder(path.clone(), family.map(|family| family.get_ref().as_str())) {
            Ok(model) => return model,
            Err(fault) => match family {
                Some(family) => self.problem(family, fault.to_string()),
                None => self.problem(place, format!("{}: {fault}", path.display())),
            },
        }
        GuardModel::Embedded
    }

    fn upstream(&mut self, written: &Upstream) -> Option<gateway::UpstreamSettings> {
        let url = self.url(&written.url);
        let models = self.globs(&written.models, &written.name);
        let credential = match &written.api_key {
            Some(key) => Some(self.secret(key)?),
            None => None,
        };
        let authorities = match &written.ca {
            Some(file) => Some(self.authorities(file)?),
            None => None,
        };
        let (url, models) = (url?, models?);
        if let Some(file) = &written.ca
            && url.scheme_str() != Some("https")
        {
            self.problem(
                file,
                "`ca` vouches for an https upstream, and this one is not; take it out",
            );
        }
        Some(gateway::UpstreamSettings {
            name: written.name.get_ref().clone(),
            url,
            models,
            credential,
            authorities,
            connect_timeout: self.millis(
                "connect_timeout_ms",
                &written.connect_timeout_ms,
                Duration::from_secs(5),
            ),
            read_timeout: self.millis(
                "read_timeout_ms",
                &written.read_timeout_ms,
                Duration::from_secs(120),
            ),
        })
    }

    fn endpoints(&mut self, written: &[Spanned<String>]) -> Vec<Endpoint> {
        let mut open: Vec<Endpoint> = Vec::new();
        for name in written {
            let Some((_, endpoints)) = ENDPOINTS.iter().find(|(known, _)| known == name.get_ref())
            else {
                let known = ENDPOINTS.map(|(known, _)| known).join(", ");
                let what = format!("there is no endpoint `{}`; there are: {known}", name.get_ref());
                self.problem(name, what);
                continue;
            };
            open.extend(
                endpoints.iter().filter(|endpoint| !open.contains(endpoint)).collect::<Vec<_>>(),
            );
        }
        open
    }

    fn passthroughs(
        &mut self,
        written: &[Passthrough],
        names: &[Upstream],
        upstreams: &[gateway::UpstreamSettings],
        endpoints: &[Endpoint],
    ) -> Vec<gateway::Passthrough> {
        let mut open: Vec<gateway::Passthrough> = Vec::new();
        for passthrough in written {
            let wanted = passthrough.upstream.get_ref();
            let named = names.iter().filter(|upstream| upstream.name.get_ref() == wanted).count();
            if named != 1 {
                let what = if named == 0 {
                    format!("there is no upstream `{wanted}`; name one of the [[upstream]]")
                } else {
                    format!("{named} upstreams are called `{wanted}`; rename all but one")
                };
                self.problem(&passthrough.upstream, what);
            }
            if passthrough.methods.is_empty() {
                let what = "this path is open to no method; list some, such as [\"POST\"]";
                self.problem(&passthrough.path, what);
            }
            // One that is at fault itself is reported where it stands.
            let upstream = upstreams.iter().find(|upstream| upstream.name == *wanted);
            let Some(upstream) = upstream else { continue };
            for method in &passthrough.methods {
                let path = passthrough.path.get_ref();
                match gateway::Passthrough::new(method.get_ref(), path, upstream) {
                    Ok(new) if open.iter().any(|other| other.is_same(&new)) => {
                        let what = format!("{} {path} is open already; take one out", new.method());
                        self.problem(method, what);
                    }
                    Ok(new) if endpoints.iter().any(|endpoint| new.is_shadowed_by(*endpoint)) => {
                        let what = format!(
                            "POST {path} is answered by this gateway itself, as `endpoints` says; take one \
                             of the two out"
                        );
                        self.problem(method, what);
                    }
                    Ok(new) => open.push(new),
                    Err(fault @ gateway::PassthroughFault::Method(_)) => {
                        self.problem(method, fault.to_string());
                    }
                    Err(fault) => {
                        self.problem(&passthrough.path, fault.to_string());
                        break;
                    }
                }
            }
        }
        open
    }

    fn url(&mut self, written: &Spanned<String>) -> Option<Uri> {
        let url = written.get_ref().parse::<Uri>().ok();
        let url = url.filter(|url| {
            matches!(url.scheme_str(), Some("http" | "https"))
                && url.host().is_some_and(|host| !host.is_empty())
                && url.query().is_none()
                && !url.authority().is_some_and(|authority| authority.as_str().contains('@'))
        });
        if url.is_none() {
            let what = "`url` is not a base URL; write http:// or https://, a host and a path, such as \
                        https://api.openai.com/v1";
            self.problem(written, what);
        }
        url
    }

    fn globs(&mut self, written: &[Spanned<String>], name: &Spanned<String>) -> Option<GlobSet> {
        if written.is_empty() {
            self.problem(name, "this upstream serves no models; list some, or write [\"*\"]");
            return None;
        }
        let mut globs = GlobSetBuilder::new();
        for pattern in written {
            // A model's name is no path: `*` goes over slashes, too.
            match GlobBuilder::new(pattern.get_ref()).literal_separator(false).build() {
                Ok(glob) => {
                    globs.add(glob);
                }
                Err(error) => self.problem(
                    pattern,
                    format!("`{}` is not a glob: {}", pattern.get_ref(), error.kind()),
                ),
            }
        }
        globs.build().ok()
    }

    fn secret(&mut self, written: &FromEnv) -> Option<String> {
        let name = written.env.get_ref();
        let value = (self.env)(name).filter(|value| !value.is_empty());
        if value.is_none() {
            self.problem(&written.env, format!("the environment has no {name}; set it"));
        }
        value
    }

    fn audit(&mut self, written: Option<&Audit>) -> Option<audit::Settings> {
        let Some(written) = written else {
            self.whole("has no [audit]; add it with path, the folder for the log");
            return None;
        };
        let secret = written.key.as_ref().map(|key| self.secret(key));
        let durability = match &written.durability {
            None => audit::Durability::Disk,
            Some(word) => match word.get_ref().as_str() {
                "disk" => audit::Durability::Disk,
                "os" => audit::Durability::Os,
                _ => {
                    self.problem(word, "`durability` is neither \"disk\" nor \"os\"");
                    return None;
                }
            },
        };
        let path = self.folder.join(&written.path);
        let key = match secret {
            Some(found) => Some(found?.into_bytes()),
            None => None,
        };
        Some(audit::Settings { path, key, durability })
    }

    fn limits(&mut self, written: &Limits) -> gateway::Limits {
        let default = gateway::Limits::default();
        if let (Some(one), Some(all)) = (&written.request_bytes, &written.all_request_bytes)
            && one.get_ref() > all.get_ref()
        {
            let (one, all) = (one.get_ref(), all.get_ref());
            let what = format!(
                "`all_request_bytes` is {all}, less than the {one} of one request; raise it"
            );
            self.whole(&format!("[limits] {what}"));
        }
        gateway::Limits {
            all_request_bytes: self.count(
                "all_request_bytes",
                &written.all_request_bytes,
                default.all_request_bytes,
            ),
            request_bytes: self.count(
                "request_bytes",
                &written.request_bytes,
                default.request_bytes,
            ),
            windows: self.count("windows", &written.windows, default.windows),
            response_bytes: self.count(
                "response_bytes",
                &written.response_bytes,
                default.response_bytes,
            ),
            head_deadline: self.millis(
                "head_deadline_ms",
                &written.head_deadline_ms,
                default.head_deadline,
            ),
            body_deadline: self.millis(
                "body_deadline_ms",
                &written.body_deadline_ms,
                default.body_deadline,
            ),
            min_rate: self.count("min_rate", &written.min_rate, default.min_rate),
            read_timeout: self.millis(
                "read_timeout_ms",
                &written.read_timeout_ms,
                default.read_timeout,
            ),
            idle: self.millis("idle_ms", &written.idle_ms, default.idle),
            write_timeout: self.millis(
                "write_timeout_ms",
                &written.write_timeout_ms,
                default.write_timeout,
            ),
            connections: self.count("connections", &written.connections, default.connections),
            connections_per_client: self.count(
                "connections_per_client",
                &written.connections_per_client,
                default.connections_per_client,
            ),
            streams: self.count("streams", &written.streams, default.streams),
            grace: self.millis("grace_ms", &written.grace_ms, default.grace),
            ..default
        }
    }

    fn holdback(&mut self, written: &Stream) -> holdback::Settings {
        let default = holdback::Settings::default();
        let settings = holdback::Settings {
            min_chars: self.count("min_chars", &written.min_chars, default.min_chars),
            max_chars: self.count("max_chars", &written.max_chars, default.max_chars),
            overlap_chars: self.count(
                "overlap_chars",
                &written.overlap_chars,
                default.overlap_chars,
            ),
            ..default
        };
        if settings.min_chars > settings.max_chars {
            let (least, most) = (settings.min_chars, settings.max_chars);
            let what =
                format!("[stream] `min_chars` is {least}, over `max_chars`, {most}; lower it");
            self.whole(&what);
        }
        settings
    }

    fn millis(&mut self, key: &str, written: &Count, default: Duration) -> Duration {
        self.positive(key, written).map_or(default, Duration::from_millis)
    }

    fn count(&mut self, key: &str, written: &Count, default: usize) -> usize {
        let count = self.positive(key, written).and_then(|count| usize::try_from(count).ok());
        count.unwrap_or(default)
    }

    fn positive(&mut self, key: &str, written: &Count) -> Option<u64> {
        let place = written.as_ref()?;
        let number = *place.get_ref();
        if number == 0 {
            self.problem(place, format!("`{key}` is 0; it must be at least 1"));
        }
        Some(number)
    }
}
