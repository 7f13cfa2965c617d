//! What was measured on a set, as charts.

use crate::evaluate::chart::{Chart, Form, Mark};
use crate::evaluate::measure::{Measured, STRETCHES};
use crate::evaluate::metrics::{Counts, Point};
use crate::evaluate::replay::{ACTIONS, Replay, actions};

/// A line has at most about so many points; a plot shows no more.
const MOST_POINTS: usize = 400;

/// The charts of a set, each with a word for its file.
pub(super) fn of_set(set: &Measured) -> Vec<(&'static str, Chart)> {
    let both = set.positives > 0 && set.positives < set.n;
    let mut charts = Vec::new();
    if both {
        charts.push(("precision-recall", precision_recall(set)));
        charts.push(("roc", roc(set)));
        charts.push(("reliability", reliability(set)));
    }
    charts.push(("scores", histogram(set)));
    charts.extend(categories(set).map(|chart| ("categories", chart)));
    charts
}

/// How often each action was taken and would have been, on prompts and answers.
pub fn of_replay(replay: &Replay, title: &str) -> Chart {
    let mut chart = Chart {
        title: title.to_owned(),
        axes: [String::new(), "share of decisions".to_owned()],
        reach: [7.5, 1.0],
        ..Chart::default()
    };
    let (mut then, mut now) = (Vec::new(), Vec::new());
    for (at, phase) in ["prompt", "response"].into_iter().enumerate() {
        let group = replay.groups.iter().find(|group| group.by == "phase" && group.name == phase);
        for (place, action) in ACTIONS.iter().enumerate() {
            chart.names.push(format!("{} {}", if at == 0 { "p:" } else { "r:" }, action.as_str()));
            let Some((group, (_, before, after))) =
                group.and_then(|group| Some((group, *actions(group).get(place)?)))
            else {
                continue;
            };
            #[expect(clippy::cast_precision_loss, reason = "a position among eight")]
            let x = (at * 4 + place) as f64;
            let share = |count| Counts { tp: count, fn_: group.n - count, ..Counts::default() };
            then.push((x - 0.35, x, share(before).recall().unwrap_or(0.0)));
            now.push((x, x + 0.35, share(after).recall().unwrap_or(0.0)));
        }
    }
    chart.marks =
        vec![mark("then", 3, Form::Bars(then)), mark("under the candidate", 0, Form::Bars(now))];
    chart
}

fn mark(name: &str, colour: usize, form: Form) -> Mark {
    Mark { name: name.to_owned(), colour, form }
}

fn unit(set: &Measured, what: &str, x: &str, y: &str) -> Chart {
    Chart {
        title: format!("{}: {what}", set.name),
        axes: [x.to_owned(), y.to_owned()],
        reach: [1.0, 1.0],
        ..Chart::default()
    }
}

fn thinned(points: &[Point], place: impl Fn(&Counts) -> Option<(f64, f64)>) -> Vec<(f64, f64)> {
    let step = points.len().div_ceil(MOST_POINTS).max(1);
    let last = points.last().into_iter();
    let kept = points.iter().step_by(step).chain(last);
    kept.filter_map(|point| place(&point.counts)).collect()
}

fn operating(set: &Measured, place: impl Fn(&Counts) -> Option<(f64, f64)>) -> Mark {
    let dots = place(&set.counts).into_iter().collect();
    mark(&format!("at {:.2}", set.threshold), 1, Form::Dots(dots))
}

fn precision_recall(set: &Measured) -> Chart {
    let place = |counts: &Counts| Some((counts.recall()?, counts.precision()?));
    let mut chart = unit(set, "precision over recall", "recall", "precision");
    let name = format!("AUPRC {:.3}", set.auprc.unwrap_or(0.0));
    chart.marks =
        vec![mark(&name, 0, Form::Line(thinned(&set.curve.points, place))), operating(set, place)];
    chart
}

fn roc(set: &Measured) -> Chart {
    let place = |counts: &Counts| Some((counts.fpr()?, counts.recall()?));
    let mut chart = unit(set, "recall over false positive rate", "false positive rate", "recall");
    let mut line = vec![(0.0, 0.0)];
    line.extend(thinned(&set.curve.points, place));
    let name = format!("AUROC {:.3}", set.auroc.unwrap_or(0.0));
    chart.marks = vec![
        mark("", 3, Form::Line(vec![(0.0, 0.0), (1.0, 1.0)])),
        mark(&name, 0, Form::Line(line)),
        operating(set, place),
    ];
    chart
}

fn reliability(set: &Measured) -> Chart {
    let mut chart = unit(set, "are scores what they say?", "mean score", "share of unsafe texts");
    let bins = set.reliability.bins.iter().map(|bin| (bin.score, bin.unsafe_share));
    let bins: Vec<(f64, f64)> = bins.collect();
    let name = format!("calibration error {:.3}", set.reliability.error);
    chart.marks = vec![
        mark("", 3, Form::Line(vec![(0.0, 0.0), (1.0, 1.0)])),
        mark("", 0, Form::Line(bins.clone())),
        mark(&name, 0, Form::Dots(bins)),
    ];
    chart
}

/// Shares of each side, so that rare unsafe texts are seen beside many safe ones.
fn histogram(set: &Measured) -> Chart {
    let mut chart = unit(set, "scores", "p(unsafe)", "share of its texts");
    #[expect(clippy::cast_precision_loss, reason = "few stretches, and counts below 2^53")]
    let bars = |counts: &[u64; STRETCHES], side: f64| -> Vec<(f64, f64, f64)> {
        let all = counts.iter().sum::<u64>().max(1) as f64;
        let width = 1.0 / STRETCHES as f64;
        let bar = |(at, count): (usize, &u64)| {
            let from = at as f64 * width + side * width / 2.0;
            (from, from + width / 2.0, *count as f64 / all)
        };
        counts.iter().enumerate().map(bar).collect()
    };
    let [safe, unsafe_] = &set.histogram;
    chart.marks = vec![
        mark("safe", 2, Form::Bars(bars(safe, 0.0))),
        mark("unsafe", 1, Form::Bars(bars(unsafe_, 1.0))),
    ];
    chart
}

fn categories(set: &Measured) -> Option<Chart> {
    let known: Vec<_> = set.categories.iter().filter(|category| category.n > 0).collect();
    if known.is_empty() {
        return None;
    }
    let mut chart = unit(set, "missed, by category", "", "miss rate");
    #[expect(clippy::cast_precision_loss, reason = "a handful of categories")]
    let place = |at: usize| at as f64;
    chart.reach = [place(known.len()) - 0.5, 1.0];
    let (mut missed, mut by_name) = (Vec::new(), Vec::new());
    for (at, category) in known.iter().enumerate() {
        chart.names.push(category.code.clone());
        missed.push((place(at) - 0.35, place(at), category.fnr.unwrap_or(0.0)));
        by_name.push((place(at), place(at) + 0.35, category.fnr_by_name.unwrap_or(0.0)));
    }
    chart.marks = vec![
        mark("not flagged", 0, Form::Bars(missed)),
        mark("not flagged as this", 1, Form::Bars(by_name)),
    ];
    Some(chart)
}
