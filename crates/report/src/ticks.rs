//! Where an axis and a colour bar have their ticks.

/// Round values between `low` and `high` and how they are written: at most `most` of them, but one
/// value alone doesn't make a scale, so at least two.
///
/// The steps are 1, 2, 2.5 and 5 times a power of ten, as in matplotlib.
pub(crate) fn values(low: f64, high: f64, most: usize) -> Vec<(f64, String)> {
    let extent = high - low;
    // Written so that NaN is caught too.
    if !(extent.is_finite() && extent > 0.0) {
        return if low.is_finite() { vec![(low, number(low))] } else { Vec::new() };
    }
    let ten = 10f64.powf((extent / most.max(1) as f64).log10().floor());
    let steps = [1.0, 2.0, 2.5, 5.0, 10.0, 20.0, 25.0, 50.0, 100.0];
    let count = |step: &f64| (high / step).floor() - (low / step).ceil() + 1.0;
    let scales = steps.into_iter().map(|factor| factor * ten).filter(|step| count(step) >= 2.0);
    // The finest that fits, or the coarsest there is.
    let coarsest = scales.clone().next_back();
    let Some(step) = scales.clone().find(|step| count(step) <= most as f64).or(coarsest) else {
        return vec![(low, number(low))];
    };
    let (first, last) = ((low / step).ceil() as i64, (high / step).floor() as i64);
    (first..=last).map(|i| i as f64 * step).map(|value| (value, stepped(value, step))).collect()
}

/// A value with the decimals that its step has.
fn stepped(value: f64, step: f64) -> String {
    if !(1e-4..1e6).contains(&step) {
        return format!("{value:.1e}");
    }
    let decimals = (0..=6).find(|d| {
        let shifted = step * 10f64.powi(*d);
        (shifted - shifted.round()).abs() < 1e-6 * shifted
    });
    format!("{value:.0$}", decimals.unwrap_or(6) as usize)
}

/// A value in few characters.
pub(crate) fn number(value: f64) -> String {
    match value.abs() {
        0.0 => "0".to_owned(),
        size if !(1e-3..1e6).contains(&size) => format!("{value:.1e}"),
        _ => format!("{value:.3}"),
    }
}

/// A value with two decimals; minus zero isn't worth its sign.
pub(crate) fn hundredths(value: f64) -> String {
    match value.abs() {
        size if size < 0.005 => "0".to_owned(),
        _ => format!("{value:.2}"),
    }
}

/// How many columns to go on from tick to tick: every column of a few, then every fifth as in
/// ROME's figures, and wider where labels of `label` pixels would touch.
pub(crate) fn stride(columns: usize, cell: i32, label: i32) -> usize {
    let fits = |step: &usize| *step as i32 * cell >= label;
    let start = if columns <= 6 { 1 } else { 5 };
    let steps = [1, 5, 10, 20, 50, 100, 200, 500, 1000];
    steps.into_iter().filter(|step| *step >= start).find(fits).unwrap_or(columns.max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(low: f64, high: f64, most: usize, expected: &str) {
        let labels: Vec<String> = values(low, high, most).into_iter().map(|(_, l)| l).collect();
        assert_eq!(labels.join(" "), expected);
    }

    #[test]
    fn ticks_are_round_and_within_the_scale() {
        check(0.321, 0.988, 6, "0.4 0.5 0.6 0.7 0.8 0.9");
        check(0.321, 0.988, 5, "0.4 0.6 0.8");
        check(0.0, 1.0, 6, "0.0 0.2 0.4 0.6 0.8 1.0");
        check(0.002, 0.948, 4, "0.2 0.4 0.6 0.8");
        check(-3.0, 12.0, 5, "0 5 10");
        check(-0.25, 0.25, 2, "-0.25 0.00 0.25");
        check(-1.0, 1.0, 1, "-1 0 1");
        check(1e-6, 9e-6, 3, "2.5e-6 5.0e-6 7.5e-6");
    }

    #[test]
    fn a_scale_without_extent_has_one_tick_and_one_of_nan_none() {
        check(0.25, 0.25, 5, "0.250");
        check(f64::NAN, 1.0, 5, "");
        check(0.0, f64::INFINITY, 5, "0");
    }

    #[test]
    fn layers_are_labelled_every_five_where_there_is_room() {
        assert_eq!(stride(4, 40, 20), 1);
        assert_eq!(stride(12, 22, 20), 5);
        assert_eq!(stride(80, 4, 20), 5);
        assert_eq!(stride(80, 3, 20), 10);
    }
}
