//! Averages as ROME's notebook takes them, from the scores that its files hold.
//!
//! Reference: `average_causal_effects.ipynb` of kmeng01/rome. The middle subject tokens and the
//! further tokens pool tokens, every one counting once; the other four classes have one token for
//! each prompt. ROME's code stops where a prompt ends with its subject; here such a case just has
//! no first subsequent token.

use std::ops::Range;

use tracewright_ir::Role;

use crate::Row;
use crate::averages::{averaged, is_averaged};
use crate::bootstrap::{Resamples, ends};
use crate::case::{CaseRecord, KindGrid};
use crate::rome::{Scores, severed};
use crate::rome_average::RomeAverage;
use crate::statistics::Summary;

/// ROME's averages of each kind of a trace, its six classes in ROME's order, layer by layer.
///
/// They are over the cases that [`npz_arrays`](crate::npz_arrays) makes a whole file of: answered
/// rightly, not failed, no cell missing. Kinds with fewer than two of them are left out, and so
/// are severed paths, which have one token.
pub fn rome_averages<'a>(
    cases: &[CaseRecord],
    rows: impl IntoIterator<Item = &'a Row>,
) -> Vec<RomeAverage> {
    of_scores(cases, &scores(cases, rows))
}

/// The average effects of ROME's figure 3: of a state restored at the last subject token while its MLPs' or its
/// attention's outputs are held there, by kind (`severed_mlp`, `severed_attn`) and layer.
///
/// The cases are those of [`rome_averages`], whose kind `hidden` has the same at this token with nothing severed.
pub fn severed_averages<'a>(
    cases: &[CaseRecord],
    rows: impl IntoIterator<Item = &'a Row>,
) -> Vec<RomeAverage> {
    of_kinds(cases, &scores(cases, rows), |kind| severed(kind).is_some())
}

/// The averages of cases whose scores are given, one for each of their grids.
pub(crate) fn of_scores(cases: &[CaseRecord], scores: &[Vec<Scores>]) -> Vec<RomeAverage> {
    of_kinds(cases, scores, |kind| severed(kind).is_none())
}

/// The scores of the cases' grids.
fn scores<'a>(cases: &[CaseRecord], rows: impl IntoIterator<Item = &'a Row>) -> Vec<Vec<Scores>> {
    let averaged = averaged(cases);
    let mut scores = Scores::of_cases(cases);
    for row in rows {
        if let Some(&case) = averaged.get(row.case.as_str()) {
            scores[case].iter_mut().for_each(|grid| grid.take(row));
        }
    }
    scores
}

/// The averages of some kinds.
fn of_kinds(
    cases: &[CaseRecord],
    scores: &[Vec<Scores>],
    wanted: fn(&str) -> bool,
) -> Vec<RomeAverage> {
    let mut kinds: Vec<(&KindGrid, Vec<Traced<'_>>)> = Vec::new();
    for (case, scores) in cases.iter().zip(scores).filter(|(case, _)| is_averaged(case)) {
        let grids = case.grids.iter().zip(scores);
        for (grid, scores) in grids.filter(|(grid, _)| wanted(&grid.kind)) {
            let Some(traced) = Traced::new(case, grid, scores) else { continue };
            match kinds.iter_mut().find(|(kind, _)| *kind == grid) {
                Some((_, of_kind)) => of_kind.push(traced),
                None => kinds.push((grid, vec![traced])),
            }
        }
    }
    let several = kinds.iter().filter(|(_, cases)| cases.len() > 1);
    several.flat_map(|(kind, cases)| of_kind(kind, cases)).collect()
}

/// A case with all scores of a kind.
struct Traced<'a> {
    case: &'a CaseRecord,
    /// `[tokens, layers]`; of a severed path `[1, layers]`.
    scores: Vec<f64>,
    classes: [(Role, Range<usize>); 6],
}

impl<'a> Traced<'a> {
    fn new(case: &'a CaseRecord, grid: &KindGrid, scores: &Scores) -> Option<Self> {
        let classes = classes(case.subject_range.as_ref()?, case.tokens.len())?;
        let classes = match severed(&grid.kind) {
            // It starts at one token, whose scores are all there are.
            Some(_) => classes.map(|(role, _)| (role, 0..usize::from(role == Role::LastSubject))),
            None => classes,
        };
        Some(Self { case, scores: scores.numbers()?, classes })
    }

    /// The scores of a class at a layer, one for each of its tokens.
    fn of_class(&self, class: usize, layer: usize, layers: usize) -> impl Iterator<Item = f64> {
        self.classes[class].1.clone().map(move |token| self.scores[token * layers + layer])
    }
}

/// ROME's classes of a prompt's tokens; `None` for a subject that isn't in the prompt.
fn classes(subject: &Range<usize>, len: usize) -> Option<[(Role, Range<usize>); 6]> {
    let &Range { start, end } = subject;
    let last = len.checked_sub(1)?;
    (start < end && end <= len).then(|| {
        [
            (Role::FirstSubject, start..start + 1),
            (Role::MiddleSubject, start + 1..end - 1),
            (Role::LastSubject, end - 1..end),
            (Role::FirstSubsequent, end..len.min(end + 1)),
            (Role::Further, end + 1..last),
            (Role::Last, last..len),
        ]
    })
}

fn of_kind(kind: &KindGrid, cases: &[Traced<'_>]) -> Vec<RomeAverage> {
    let mean = |score: fn(&CaseRecord) -> f64| {
        cases.iter().map(|traced| score(traced.case)).sum::<f64>() / cases.len() as f64
    };
    let (clean, corrupted) = (mean(|case| case.high_score), mean(|case| case.low_score));
    let all = Resamples::of(cases.len());
    let mut averages = Vec::new();
    for class in 0..6 {
        let with: Vec<_> =
            cases.iter().filter(|traced| !traced.classes[class].1.is_empty()).collect();
        let resamples = Resamples::of(with.len());
        for layer in 0..kind.layers {
            let scores = |case: &&Traced<'_>| case.of_class(class, layer, kind.layers).collect();
            let scores: Vec<Vec<f64>> = with.iter().map(scores).collect();
            let Some(pooled) = Summary::without_interval(&scores.concat()) else { continue };
            let (low, high) = interval(&scores, &resamples);
            let (effect_low, effect_high) =
                effect_interval(cases, (class, layer, kind.layers), &all);
            averages.push(RomeAverage {
                kind: kind.kind.clone(),
                site: kind.site.clone(),
                metric: kind.metric.clone(),
                role: cases[0].classes[class].0.name().to_owned(),
                layer: layer as u32,
                value: pooled.mean,
                std: pooled.std,
                stderr: pooled.stderr,
                low,
                high,
                clean,
                corrupted,
                effect: pooled.mean - corrupted,
                effect_low,
                effect_high,
                n: pooled.n as u32,
                cases: with.len() as u32,
            });
        }
    }
    averages
}

/// The interval of the pooled mean: a case is drawn with all its tokens, so a resample's mean is
/// its sum of scores over its number of tokens.
fn interval(cases: &[Vec<f64>], resamples: &Resamples) -> (Option<f64>, Option<f64>) {
    let parts: Vec<[f64; 2]> =
        cases.iter().map(|scores| [scores.iter().sum(), scores.len() as f64]).collect();
    ends(resamples.interval(&parts, |[sum, tokens]| sum / tokens))
}

/// The interval of the average indirect effect. The low score is averaged over all cases, those without such a
/// token among them, so all are drawn.
fn effect_interval(
    cases: &[Traced<'_>],
    (class, layer, layers): (usize, usize, usize),
    resamples: &Resamples,
) -> (Option<f64>, Option<f64>) {
    let part = |traced: &Traced<'_>| {
        let scores: Vec<f64> = traced.of_class(class, layer, layers).collect();
        [scores.iter().sum(), scores.len() as f64, traced.case.low_score]
    };
    let parts: Vec<[f64; 3]> = cases.iter().map(part).collect();
    ends(resamples.interval(&parts, |[sum, tokens, low]| sum / tokens - low))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(subject: Range<usize>, len: usize, expected: [&[usize]; 6]) {
        let found = classes(&subject, len).unwrap().map(|(_, tokens)| tokens.collect::<Vec<_>>());
        assert_eq!(found, expected, "{subject:?} of {len}");
    }

    #[test]
    fn tokens_are_in_the_classes_of_the_notebook() {
        check(1..4, 8, [&[1], &[2], &[3], &[4], &[5, 6], &[7]]);
        // A subject's only token is its first and its last.
        check(0..1, 3, [&[0], &[], &[0], &[1], &[], &[2]]);
        check(1..3, 5, [&[1], &[], &[2], &[3], &[], &[4]]);
        // The token after the subject is the prompt's last.
        check(0..2, 3, [&[0], &[], &[1], &[2], &[], &[2]]);
        // The prompt ends with its subject.
        check(1..3, 3, [&[1], &[], &[2], &[], &[], &[2]]);
    }

    #[test]
    fn a_subject_that_is_not_in_the_prompt_has_no_classes() {
        assert_eq!(classes(&(1..4), 3), None);
        assert_eq!(classes(&(1..1), 3), None);
        assert_eq!(classes(&(0..1), 0), None);
    }
}
