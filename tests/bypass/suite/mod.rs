//! The suite: what is tried (`requests`, `answers`, `streams`, `bodies`, each a table), how it is spelled
//! (`spellings`), and what is made of it (`run`, `report`).

mod answers;
mod bodies;
mod case;
mod report;
mod requests;
mod run;
mod spellings;
mod streams;

pub(crate) use report::Report;

/// How much is tried.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Extent {
    /// Every place and every disguise, but not every disguise in every place.
    #[allow(dead_code, reason = "one of two for each of those who share this")]
    Some,
    /// Every disguise in every place.
    #[allow(dead_code, reason = "one of two for each of those who share this")]
    All,
}

impl Extent {
    /// Whether the disguise with this number is tried in the place with that number.
    fn tries(self, disguise: usize, place: usize) -> bool {
        const EVERY: usize = 4;
        self == Self::All || place == 0 || (disguise + place).is_multiple_of(EVERY)
    }
}

/// Tries everything.
pub(crate) async fn run(extent: Extent) -> Report {
    let mut cases = requests::cases(extent);
    cases.extend(answers::cases(extent));
    cases.extend(streams::cases(extent));
    cases.extend(bodies::cases());
    run::all(cases).await
}
