//! `wardgate replay`: what another policy would have decided on what the audit log recorded.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use clap::Args;
use serde_json::{Value, json};

use crate::cli::{check, output};
use crate::config;
use crate::evaluate::tables::{Table, three, with_interval};
use crate::evaluate::{
    ACTIONS, Drift, Drifted, Replay, Replaying, actions, plot_of_replay, read_log, write_chart,
};
use crate::policy::Policy;
use crate::taxonomy::Taxonomy;

/// Recorded scores under another policy.
#[derive(Args)]
pub(super) struct ReplayLog {
    /// Folders of audit logs, or files of them.
    #[arg(required = true, value_name = "AUDIT")]
    logs: Vec<PathBuf>,
    /// The candidate: a policy file. Given twice, both are shown side by side.
    #[arg(long, value_name = "FILE", required = true)]
    policy: Vec<PathBuf>,
    /// A gateway.toml whose guard's categories the policies are in; without it those of Llama Guard 2.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Where the second stretch of the log begins, for score drift: a time such as 2026-11-23 or
    /// 2026-11-23T18:40:00Z. Without it, drift is not looked at.
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// A folder for plots, as SVG and PNG.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Prints one JSON object.
    #[arg(long)]
    json: bool,
}

impl ReplayLog {
    pub(super) fn run(self) -> Result<ExitCode> {
        if self.policy.len() > 2 {
            output::complain("at most two policies can be compared; give --policy once or twice");
            return Ok(ExitCode::from(2));
        }
        let taxonomy = match &self.config {
            Some(path) => config::load(path, &check::env)?.settings.model.taxonomy(),
            None => Taxonomy::llama_guard_2(),
        };
        let mut policies: Vec<Policy> = Vec::new();
        for path in &self.policy {
            policies.push(config::check_policy(path, &taxonomy)?.0);
        }
        let since = self.since.as_deref().map(time).transpose()?;
        let mut replays: Vec<Replaying<'_>> =
            policies.iter().map(|policy| Replaying::new(policy, &taxonomy)).collect();
        if let [first, second] = policies.as_slice() {
            replays.push(Replaying::against(second, first, &taxonomy));
        }
        let mut drift = Drift::default();
        let mut records = 0_u64;
        read_log(&self.logs, &taxonomy, |recorded| {
            records += 1;
            replays.iter_mut().for_each(|replay| replay.add(&recorded));
            if let Some(since) = &since {
                drift.add(&recorded, recorded.time.as_str() >= since.as_str(), &taxonomy);
            }
        })?;
        if records == 0 {
            bail!("nothing was decided in these logs yet: there is no closed exchange with scores");
        }
        let replays: Vec<Replay> = replays.into_iter().map(Replaying::finish).collect();
        let drifted = since.as_ref().map(|_| drift.finish(&taxonomy));
        self.report(&replays, &policies, drifted.as_deref(), records)?;
        Ok(ExitCode::SUCCESS)
    }

    fn report(
        &self,
        replays: &[Replay],
        policies: &[Policy],
        drifted: Option<&[Drifted]>,
        records: u64,
    ) -> Result<()> {
        let titles: Vec<String> = replays
            .iter()
            .enumerate()
            .map(|(at, replay)| match (policies.get(at), policies.first()) {
                (None, Some(first)) => format!("{} instead of {}", replay.policy, first.label()),
                _ => format!("{} instead of what was decided", replay.policy),
            })
            .collect();
        if let Some(out) = &self.out {
            std::fs::create_dir_all(out).with_context(|| out.display().to_string())?;
            for (at, (replay, title)) in replays.iter().zip(&titles).enumerate() {
                write_chart(out, &format!("replay {}", at + 1), &plot_of_replay(replay, title))?;
            }
        }
        if self.json {
            let replayed: Vec<Value> = replays
                .iter()
                .zip(&titles)
                .map(|(replay, title)| {
                    json!({"policy": replay.policy, "what": title, "groups": replay.groups})
                })
                .collect();
            let result = json!({"decisions": records, "replays": replayed, "drift": drifted});
            return output::say(&result.to_string());
        }
        output::say(&format!("{records} recorded decisions\n"))?;
        for (replay, title) in replays.iter().zip(&titles) {
            for table in tables(replay, title) {
                output::say(&table.markdown())?;
            }
        }
        match drifted {
            Some(drifted) => output::say(&drift_table(drifted).markdown()),
            None => Ok(()),
        }
    }
}

/// The changed decisions, and how often each action would have been taken.
fn tables(replay: &Replay, title: &str) -> [Table; 2] {
    let header = ["by", "decisions", "changed", "rate", "stricter", "milder"];
    let mut changes = Table::new(title, &header);
    let mut taken = Table::new("", &["action", "prompt then", "now", "response then", "now"]);
    for group in &replay.groups {
        let name = match group.by {
            "all" => "all".to_owned(),
            by => format!("{by} {}", group.name),
        };
        changes.rows.push(vec![
            name,
            group.n.to_string(),
            group.changed.to_string(),
            with_interval(group.rate, group.interval),
            group.stricter.to_string(),
            group.milder.to_string(),
        ]);
    }
    let phase = |name: &str| {
        let found = replay.groups.iter().find(|group| group.by == "phase" && group.name == name);
        found.map(actions)
    };
    let (prompt, response) = (phase("prompt"), phase("response"));
    for (at, action) in ACTIONS.iter().enumerate() {
        let mut row = vec![action.as_str().to_owned()];
        for of_phase in [&prompt, &response] {
            let counts = of_phase.as_ref().and_then(|actions| actions.get(at));
            let (then, now) = counts.map_or((0, 0), |(_, then, now)| (*then, *now));
            row.extend([then.to_string(), now.to_string()]);
        }
        taken.rows.push(row);
    }
    [changes, taken]
}

fn drift_table(drifted: &[Drifted]) -> Table {
    let mut table = Table::new("Score drift", &["scores", "before", "after", "PSI", "reading"]);
    table.note =
        "The population stability index of two stretches of the log: below 0.1 alike, above \
                  0.25 different."
            .to_owned();
    for drift in drifted {
        let reading = match drift.psi {
            None => "too few records",
            Some(psi) if psi < 0.1 => "alike",
            Some(psi) if psi <= 0.25 => "worth a look",
            Some(_) => "different",
        };
        table.rows.push(vec![
            format!("{} {}", drift.phase, drift.on),
            drift.before.to_string(),
            drift.after.to_string(),
            three(drift.psi),
            reading.to_owned(),
        ]);
    }
    table
}

/// A time as records write it, so that the two compare as texts.
fn time(written: &str) -> Result<String> {
    let date = written.parse::<jiff::civil::Date>().ok().filter(|_| written.len() == 10);
    let time = match date {
        Some(date) => date.to_zoned(jiff::tz::TimeZone::UTC)?.timestamp(),
        None => written.parse::<jiff::Timestamp>().with_context(|| {
            format!("`{written}` is no time; write 2026-11-23 or 2026-11-23T18:40:00Z")
        })?,
    };
    Ok(format!("{time:.3}"))
}
