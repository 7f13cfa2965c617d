//! A policy as it is used: rules that hold thresholds, valid by construction.

use std::sync::Arc;

use crate::patterns::Patterns;
use crate::policy::block::Block;
use crate::taxonomy::{Category, Taxonomy};
use crate::transcript::Grain;
use crate::verdict::Score;

/// Which side of an exchange is judged.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Phase {
    /// What goes to the upstream.
    Prompt,
    /// What comes back.
    Response,
}

impl Phase {
    /// Both, in the order of an exchange.
    pub const ALL: [Self; 2] = [Self::Prompt, Self::Response];

    /// The word for files, records and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Prompt => "prompt",
            Self::Response => "response",
        }
    }
}

/// What a rule asks for, mildest first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub enum Action {
    /// It passes.
    #[default]
    Allow,
    /// It passes, and what was found is said.
    Annotate,
    /// It passes without the stretches in question.
    Redact,
    /// It does not pass.
    Block,
}

impl Action {
    /// The word for files, records and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Annotate => "annotate",
            Self::Redact => "redact",
            Self::Block => "block",
        }
    }
}

/// Whether decisions are carried out.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Mode {
    /// They are.
    #[default]
    Enforce,
    /// They are only recorded, and nothing waits for them.
    Observe,
}

/// How much of a conversation is judged with each request that holds it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum History {
    /// All of it.
    #[default]
    All,
    /// What was said from the user's side since the model spoke last.
    Latest,
}

/// Until when a streamed answer is held back.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Hold {
    /// Until the window it is part of is judged.
    #[default]
    Window,
    /// Until all of it is judged, at once.
    Whole,
}

/// Where it is said what was found in an exchange, as soon as the decision is not to allow.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub enum Annotate {
    /// Nowhere but in the decision's header.
    Off,
    /// In headers, as far as it is known when they leave.
    Headers,
    /// In headers, and beside the answer.
    #[default]
    Body,
}

/// What follows when there is no verdict.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum FailureMode {
    /// It does not pass.
    #[default]
    Closed,
    /// It passes, and that is said.
    Open,
}

/// The scores from which actions apply; they rise with the action's strictness.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct Thresholds {
    /// From here on: annotate.
    pub annotate: Option<Score>,
    /// From here on: redact.
    pub redact: Option<Score>,
    /// From here on: block.
    pub block: Option<Score>,
    /// What is redacted together; what nobody says is spans where there are any, else sentences.
    pub grain: Option<Grain>,
}

impl Thresholds {
    /// The thresholds there are, the strictest action first.
    pub fn strictest_first(&self) -> impl Iterator<Item = (Action, Score)> + use<> {
        let all = [
            (Action::Block, self.block),
            (Action::Redact, self.redact),
            (Action::Annotate, self.annotate),
        ];
        all.into_iter().filter_map(|(action, threshold)| Some((action, threshold?)))
    }

    /// The strictest action that a score reaches, with its threshold.
    pub fn reached(&self, score: Score) -> Option<(Action, Score)> {
        self.strictest_first().find(|(_, threshold)| score >= *threshold)
    }
}

/// The rule for one category in one phase.
#[derive(Clone, PartialEq, Debug)]
pub struct CategoryRule {
    /// Which.
    pub category: Category,
    /// Its code, such as `S6`.
    pub code: String,
    /// From which scores on what applies.
    pub thresholds: Thresholds,
}

/// The rules for one phase.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct PhaseRules {
    /// What follows when there is no verdict.
    pub unscored: FailureMode,
    /// On p(unsafe), without the shares of what is excepted.
    pub unsafe_: Thresholds,
    /// Categories whose share of p(unsafe) is left out of it.
    pub excepted: Vec<Category>,
    /// Per category, in the taxonomy's order.
    pub categories: Vec<CategoryRule>,
    /// What is looked for without a model; none where no rule would act on it.
    pub patterns: Option<Arc<Patterns>>,
}

impl PhaseRules {
    /// Whether something that is pointed at is taken out, or blocked.
    pub fn points(&self, taxonomy: &Taxonomy) -> bool {
        self.categories.iter().any(|rule| {
            let Thresholds { redact, block, .. } = rule.thresholds;
            !taxonomy.is_share(rule.category) && (redact.is_some() || block.is_some())
        })
    }

    /// Whether whole parts are taken out.
    pub fn redacts_parts(&self) -> bool {
        let all = self.categories.iter().map(|rule| &rule.thresholds).chain([&self.unsafe_]);
        all.into_iter().any(|it| it.redact.is_some() && it.grain == Some(Grain::Part))
    }
}

/// What stands for the categories in a placeholder.
pub(super) const CATEGORY: &str = "{category}";

/// A tenant's compiled rules.
#[derive(Clone, PartialEq, Debug)]
pub struct Policy {
    pub(super) name: String,
    pub(super) version: String,
    pub(super) label: String,
    pub(super) description: String,
    pub(super) mode: Mode,
    pub(super) taxonomy: Taxonomy,
    pub(super) annotate: Annotate,
    pub(super) block: Block,
    pub(super) history: History,
    pub(super) allowed: Vec<String>,
    pub(super) placeholder: String,
    pub(super) prompt: PhaseRules,
    pub(super) response: PhaseRules,
}

impl Policy {
    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The first hex digits of its source's digest: another text is another version.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// `name@version`, as records and clients see it.
    pub fn label(&self) -> &str {
        &self.label
    }

    /// What it is for.
    pub fn description(&self) -> &str {
        &self.description
    }

    /// Whether its decisions are carried out.
    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// Where it is said what was found.
    pub fn annotate(&self) -> Annotate {
        self.annotate
    }

    /// How its blocks are told.
    pub fn block(&self) -> &Block {
        &self.block
    }

    /// How much of a conversation is judged.
    pub fn history(&self) -> History {
        self.history
    }

    /// Fields of requests that are taken although they are refused by name elsewhere.
    pub fn allowed(&self) -> &[String] {
        &self.allowed
    }

    /// The categories it works with: its guard's, and behind them those of the patterns it looks for.
    pub fn taxonomy(&self) -> &Taxonomy {
        &self.taxonomy
    }

    /// What stands in the place of what was redacted for these categories.
    pub fn placeholder(&self, categories: &str) -> String {
        self.placeholder.replace(CATEGORY, categories)
    }

    /// The rules of one phase.
    pub fn rules(&self, phase: Phase) -> &PhaseRules {
        match phase {
            Phase::Prompt => &self.prompt,
            Phase::Response => &self.response,
        }
    }
}
