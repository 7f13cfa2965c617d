//! Metrics are scikit-learn's, on fixtures that `tests/metrics/make_fixtures.py` wrote; intervals hold what
//! they should.

#![expect(clippy::unwrap_used, reason = "a test says what it expects")]

use serde_json::Value;
use wardgate::evaluate::metrics::{
    Bootstrap, Interval, Ranked, Reliability, fit_temperature, tempered, wilson,
};

const NEAR: f64 = 1e-9;

#[test]
fn numbers_are_those_of_scikit_learn() {
    let fixtures: Value = serde_json::from_str(include_str!("metrics/fixtures.json")).unwrap();
    let cases = fixtures.as_array().unwrap();
    assert!(cases.len() >= 12);
    for case in cases {
        let name = &case["name"];
        let ranked = Ranked::new(labelled(case));
        let counts = ranked.counts(single(&case["threshold"]));
        let curve = ranked.curve();
        let expected = &case["expected"];
        for (key, found) in
            [("tp", counts.tp), ("fp", counts.fp), ("fn", counts.fn_), ("tn", counts.tn)]
        {
            assert_eq!(expected[key], found, "{key} of {name}");
        }
        for (key, found) in [
            ("f1", Some(counts.f1())),
            ("precision", counts.precision()),
            ("recall", counts.recall()),
            ("fpr", counts.fpr()),
            ("auprc", curve.auprc),
            ("auroc", curve.auroc),
        ] {
            match (expected[key].as_f64(), found) {
                (None, None) => {}
                (Some(wanted), Some(found)) => {
                    assert!(
                        (wanted - found).abs() < NEAR,
                        "{key} of {name}: {found}, not {wanted}"
                    );
                }
                (wanted, found) => unreachable!("{key} of {name}: {found:?}, not {wanted:?}"),
            }
        }
    }
}

#[expect(clippy::cast_possible_truncation, reason = "the fixtures are of single precision")]
fn single(number: &Value) -> f32 {
    number.as_f64().unwrap() as f32
}

fn labelled(case: &Value) -> Vec<(bool, f32)> {
    let labels = case["labels"].as_array().unwrap().iter().map(|label| *label == 1);
    labels.zip(case["scores"].as_array().unwrap().iter().map(single)).collect()
}

#[test]
fn every_point_of_a_curve_is_what_its_threshold_makes() {
    let fixtures: Value = serde_json::from_str(include_str!("metrics/fixtures.json")).unwrap();
    for case in fixtures.as_array().unwrap() {
        let ranked = Ranked::new(labelled(case));
        for point in ranked.curve().points {
            assert_eq!(point.counts, ranked.counts(point.threshold), "{}", case["name"]);
        }
    }
}

#[test]
fn scores_that_are_no_numbers_are_left_out() {
    let ranked = Ranked::new([(true, 0.9), (false, f32::NAN), (false, 0.1)]);
    assert_eq!((ranked.len(), ranked.positives()), (2, 1));
    assert_eq!(Ranked::new([(true, f32::NAN)]).curve().auprc, None);
}

fn made_up(n: u64) -> Vec<(bool, f32)> {
    let mut random = fastrand::Rng::with_seed(5);
    (0..n)
        .map(|_| {
            let score = random.f32();
            (random.f32() < score * score, score)
        })
        .collect()
}

#[test]
fn the_same_seed_gives_the_same_intervals_and_they_hold_the_number() {
    let ranked = Ranked::new(made_up(500));
    let (curve, counts) = (ranked.curve(), ranked.counts(0.5));
    let bootstrap = Bootstrap { draws: 400, seed: 7 };
    let drawn = bootstrap.of(&ranked, 0.5);
    assert_eq!(drawn, bootstrap.of(&ranked, 0.5));
    assert_ne!(drawn, Bootstrap { seed: 1000, ..bootstrap }.of(&ranked, 0.5));
    for (name, interval, number) in [
        ("f1", drawn.f1, counts.f1()),
        ("auprc", drawn.auprc, curve.auprc.unwrap()),
        ("auroc", drawn.auroc, curve.auroc.unwrap()),
        ("fpr", drawn.fpr, counts.fpr().unwrap()),
        ("recall", drawn.recall, counts.recall().unwrap()),
    ] {
        let Interval(low, high) = interval.unwrap();
        assert!(low < number && number < high, "{name}: {number} is not in {low}..{high}");
        assert!(high - low < 0.2, "{name}: {low}..{high} is wide");
    }
}

#[test]
fn a_bootstrap_and_wilson_agree_on_a_share() {
    let ranked = Ranked::new(made_up(2000));
    let counts = ranked.counts(0.5);
    let Interval(low, high) = Bootstrap::default().of(&ranked, 0.5).recall.unwrap();
    let Interval(wilson_low, wilson_high) = wilson(counts.tp, counts.tp + counts.fn_).unwrap();
    assert!((low - wilson_low).abs() < 0.01 && (high - wilson_high).abs() < 0.01);
}

#[test]
fn a_share_of_nothing_or_all_still_has_an_interval() {
    // 1 - 0.975^(1/20) and its like would be exact; Wilson's is close and never empty.
    let near = |found: f64, wanted: f64| assert!((found - wanted).abs() < 5e-4, "{found}");
    let Interval(low, high) = wilson(0, 20).unwrap();
    near(low, 0.0);
    near(high, 0.1611);
    let Interval(low, high) = wilson(20, 20).unwrap();
    near(low, 0.8389);
    near(high, 1.0);
    assert_eq!(wilson(0, 0), None);
}

#[test]
fn a_temperature_brings_back_what_another_took() {
    // Labels that are unsafe exactly as often as the score says, then scores made too sure of themselves.
    let mut random = fastrand::Rng::with_seed(11);
    let honest: Vec<(bool, f32)> = (0..4000)
        .map(|_| {
            let score = random.f32();
            (random.f32() < score, score)
        })
        .collect();
    #[expect(clippy::cast_possible_truncation, reason = "scores are of single precision")]
    let sure = |score: f32| tempered(f64::from(score), 0.5) as f32;
    let overconfident: Vec<(bool, f32)> =
        honest.iter().map(|(label, score)| (*label, sure(*score))).collect();
    let found = fit_temperature(&overconfident).unwrap();
    assert!((found - 2.0).abs() < 0.15, "{found}");
    let error = |labelled: &[(bool, f32)]| Reliability::of(labelled.iter().copied()).error;
    assert!(error(&honest) < 0.03, "{}", error(&honest));
    assert!(error(&overconfident) > 0.07, "{}", error(&overconfident));
    assert_eq!(fit_temperature(&[(true, 0.9), (true, 0.2)]), None);
}
