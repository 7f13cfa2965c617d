//! How far a number may be from what more data would give.

use std::num::NonZero;
use std::thread;

use serde::{Serialize, Serializer};

use crate::evaluate::metrics::counts::{Counts, share};
use crate::evaluate::metrics::curve::Ranked;

/// The middle 95 % of what a number could as well have been.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Interval(pub f64, pub f64);

impl Serialize for Interval {
    /// Six digits, which is more than any set can tell.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let six = |number: f64| (number * 1e6).round() / 1e6;
        (six(self.0), six(self.1)).serialize(serializer)
    }
}

/// The standard normal's quantile at 97.5 %.
const Z: f64 = 1.959_963_984_540_054;

/// The Wilson interval of a share: unlike the plain one it stays in 0..=1 and is not empty where
/// nothing, or everything, was counted.
#[expect(clippy::cast_precision_loss, reason = "nobody counts to 2^53 texts")]
pub fn wilson(part: u64, whole: u64) -> Option<Interval> {
    let n = whole as f64;
    let p = share(part, whole)?;
    let spread = 1.0 + Z * Z / n;
    let middle = (p + Z * Z / (2.0 * n)) / spread;
    let half = Z / spread * (p * (1.0 - p) / n + Z * Z / (4.0 * n * n)).sqrt();
    Some(Interval((middle - half).max(0.0), (middle + half).min(1.0)))
}

/// Draws texts anew, with replacement, as often as asked. The same seed gives the same intervals.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Bootstrap {
    /// How often.
    pub draws: usize,
    /// Where the random numbers begin.
    pub seed: u64,
}

impl Default for Bootstrap {
    fn default() -> Self {
        Self { draws: 1000, seed: 1 }
    }
}

/// The intervals of the numbers that have no closed form, and of FPR and recall along with them.
#[derive(Clone, Copy, PartialEq, Debug, Default, Serialize)]
#[expect(missing_docs, reason = "the numbers by their names")]
pub struct Resampled {
    pub f1: Option<Interval>,
    pub auprc: Option<Interval>,
    pub auroc: Option<Interval>,
    pub fpr: Option<Interval>,
    pub recall: Option<Interval>,
}

/// Many texts need fewer draws: their intervals are narrow, and hardly move with the draws.
const MOST_WORK: usize = 200_000_000;
const FEWEST_DRAWS: usize = 200;

impl Bootstrap {
    /// The intervals of a ranking's numbers at a threshold.
    pub fn of(self, ranked: &Ranked, threshold: f32) -> Resampled {
        if ranked.is_empty() {
            return Resampled::default();
        }
        let affordable = (MOST_WORK / ranked.len()).max(FEWEST_DRAWS);
        let draws = self.draws.min(affordable);
        let reaching = ranked.reaching(threshold);
        let threads = thread::available_parallelism().map_or(1, NonZero::get).min(draws.max(1));
        let drawn: Vec<Numbers> = thread::scope(|scope| {
            let workers: Vec<_> = (0..threads)
                .map(|worker| {
                    scope.spawn(move || {
                        let mut times = vec![0_u16; ranked.len()];
                        let own = (worker..draws).step_by(threads);
                        own.map(|draw| self.draw(draw, ranked, reaching, &mut times)).collect()
                    })
                })
                .collect();
            workers
                .into_iter()
                .flat_map(|worker| worker.join().unwrap_or_else(|_| Vec::new()))
                .collect()
        });
        let middle = |number: fn(&Numbers) -> Option<f64>| {
            percentiles(drawn.iter().filter_map(number).collect())
        };
        Resampled {
            f1: middle(|drawn| Some(drawn.counts.f1())),
            auprc: middle(|drawn| drawn.auprc),
            auroc: middle(|drawn| drawn.auroc),
            fpr: middle(|drawn| drawn.counts.fpr()),
            recall: middle(|drawn| drawn.counts.recall()),
        }
    }

    /// One draw. Each has its own seed, so that the number of threads changes nothing.
    fn draw(self, draw: usize, ranked: &Ranked, reaching: usize, times: &mut [u16]) -> Numbers {
        let mut random = fastrand::Rng::with_seed(self.seed.wrapping_add(draw as u64));
        times.fill(0);
        for _ in 0..times.len() {
            if let Some(times) = times.get_mut(random.usize(..ranked.len())) {
                *times += 1;
            }
        }
        let (counts, walk) = ranked.weighted(times, reaching);
        let (auprc, auroc) = walk.areas();
        Numbers { counts, auprc, auroc }
    }
}

struct Numbers {
    counts: Counts,
    auprc: Option<f64>,
    auroc: Option<f64>,
}

/// The values at 2.5 % and 97.5 %, between neighbours where these fall between two.
fn percentiles(mut values: Vec<f64>) -> Option<Interval> {
    values.sort_unstable_by(f64::total_cmp);
    let last = values.len().checked_sub(1)?;
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a position among a thousand draws"
    )]
    let at = |share: f64| -> Option<f64> {
        let place = last as f64 * share;
        let (below, above) =
            (values.get(place.floor() as usize)?, values.get(place.ceil() as usize)?);
        Some(below + (above - below) * place.fract())
    };
    Some(Interval(at(0.025)?, at(0.975)?))
}
