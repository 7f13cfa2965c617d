//! Labels in the order of their scores, and the curves that a threshold walks along.
//!
//! Texts of one score stand or fall together, so a curve has a point for each score that occurs: as in
//! scikit-learn, the order among equals changes nothing.

use crate::evaluate::metrics::counts::{Counts, share};

/// Labels by falling score.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Ranked {
    /// The labels, those of the highest score first.
    labels: Vec<bool>,
    /// The scores that occur, falling, each with the number of labels down to it.
    ends: Vec<(f32, usize)>,
}

/// Where a threshold stands on the curves.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Point {
    /// From here upwards is flagged.
    pub threshold: f32,
    /// What that comes to.
    pub counts: Counts,
}

/// The points of all thresholds, and the areas below the curves through them.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Curve {
    /// By falling threshold: more and more is flagged.
    pub points: Vec<Point>,
    /// Average precision: the area below precision over recall, without interpolation. `None` where
    /// nothing is unsafe.
    pub auprc: Option<f64>,
    /// The area below recall over false positive rate. `None` where only one of the two labels occurs.
    pub auroc: Option<f64>,
}

impl Ranked {
    /// Brings labels in the order of their scores. Scores that are no numbers are left out.
    pub fn new(labelled: impl IntoIterator<Item = (bool, f32)>) -> Self {
        let mut all: Vec<(f32, bool)> = labelled
            .into_iter()
            .filter(|(_, score)| !score.is_nan())
            .map(|(label, score)| (score, label))
            .collect();
        all.sort_unstable_by(|a, b| b.0.total_cmp(&a.0));
        let mut ranked = Self { labels: Vec::with_capacity(all.len()), ends: Vec::new() };
        for (score, label) in all {
            ranked.labels.push(label);
            match ranked.ends.last_mut() {
                #[expect(clippy::float_cmp, reason = "only the very same score is a tie")]
                Some((last, end)) if *last == score => *end = ranked.labels.len(),
                _ => ranked.ends.push((score, ranked.labels.len())),
            }
        }
        ranked
    }

    /// How many texts there are.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// How many are unsafe.
    pub fn positives(&self) -> u64 {
        self.labels.iter().map(|label| u64::from(*label)).sum()
    }

    /// How many of the first have at least this score.
    pub fn reaching(&self, threshold: f32) -> usize {
        let above = self.ends.partition_point(|(score, _)| *score >= threshold);
        above.checked_sub(1).and_then(|last| self.ends.get(last)).map_or(0, |(_, end)| *end)
    }

    /// What a threshold makes of them.
    pub fn counts(&self, threshold: f32) -> Counts {
        let reaching = self.reaching(threshold);
        let mut counts = Counts::default();
        for (at, label) in self.labels.iter().enumerate() {
            counts.add(*label, at < reaching);
        }
        counts
    }

    /// The curves.
    pub fn curve(&self) -> Curve {
        let positives = self.positives();
        let negatives = self.labels.len() as u64 - positives;
        let mut curve = Curve::default();
        let mut walk = Walk::default();
        let mut labels = self.labels.iter();
        let mut begin = 0;
        for (threshold, end) in &self.ends {
            for label in labels.by_ref().take(end - begin) {
                walk.pass(*label, 1);
            }
            begin = *end;
            walk.stop();
            let (tp, fp) = (walk.tp, walk.fp);
            let counts = Counts { tp, fp, fn_: positives - tp, tn: negatives - fp };
            curve.points.push(Point { threshold: *threshold, counts });
        }
        (curve.auprc, curve.auroc) = walk.areas();
        curve
    }

    /// The areas and the counts at a threshold when each text occurs as often as `times` says.
    pub(super) fn weighted(&self, times: &[u16], reaching: usize) -> (Counts, Walk) {
        let mut walk = Walk::default();
        let (mut flagged, mut begin) = ((0, 0), 0);
        for (_, end) in &self.ends {
            let group = begin..*end;
            let labels = self.labels.get(group.clone()).unwrap_or_default();
            for (label, times) in labels.iter().zip(times.get(group).unwrap_or_default()) {
                walk.pass(*label, u64::from(*times));
            }
            begin = *end;
            walk.stop();
            if *end == reaching {
                flagged = (walk.tp, walk.fp);
            }
        }
        let (tp, fp) = flagged;
        (Counts { tp, fp, fn_: walk.tp - tp, tn: walk.fp - fp }, walk)
    }
}

/// A walk down the ranking that sums up areas at each score.
#[derive(Clone, Copy, Default)]
pub(super) struct Walk {
    tp: u64,
    fp: u64,
    /// Where it stopped last.
    before: (u64, u64),
    /// Recall steps times precision, not yet divided by the positives.
    precision: f64,
    /// Steps of false positives times mean true positives, not yet divided.
    roc: f64,
}

impl Walk {
    fn pass(&mut self, label: bool, times: u64) {
        *(if label { &mut self.tp } else { &mut self.fp }) += times;
    }

    #[expect(clippy::cast_precision_loss, reason = "nobody counts to 2^53 texts")]
    fn stop(&mut self) {
        let (tp, fp) = self.before;
        if let Some(precision) = share(self.tp, self.tp + self.fp) {
            self.precision += (self.tp - tp) as f64 * precision;
        }
        self.roc += (self.fp - fp) as f64 * (self.tp + tp) as f64 / 2.0;
        self.before = (self.tp, self.fp);
    }

    /// The areas below precision over recall, and below recall over false positive rate.
    #[expect(clippy::cast_precision_loss, reason = "nobody counts to 2^53 texts")]
    pub(super) fn areas(self) -> (Option<f64>, Option<f64>) {
        let (positives, negatives) = (self.tp as f64, self.fp as f64);
        let auprc = (self.tp > 0).then(|| self.precision / positives);
        let auroc = (self.tp > 0 && self.fp > 0).then(|| self.roc / (positives * negatives));
        (auprc, auroc)
    }
}
