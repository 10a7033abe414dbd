//! The table that is printed.

use std::fmt::Write;

use super::Quantity;

/// A line for each quantity, in aligned columns.
pub fn table(quantities: &[Quantity]) -> String {
    let heads = ["quantity", "compared", "largest", "bound", "", "largest at"].map(str::to_owned);
    let rows: Vec<_> = std::iter::once(heads).chain(quantities.iter().map(row)).collect();
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max();
    let widths: [usize; 6] = std::array::from_fn(|column| width(column).unwrap_or_default());
    let mut table = String::new();
    for [name, compared, largest, bound, verdict, at] in &rows {
        let [a, b, c, d, e, _] = widths;
        let line =
            format!("{name:a$}  {compared:>b$}  {largest:>c$}  {bound:>d$}  {verdict:e$}  {at}");
        // Writing to a string can't fail.
        let _ = writeln!(table, "{}", line.trim_end());
    }
    table
}

fn row(quantity: &Quantity) -> [String; 6] {
    [
        quantity.name.clone(),
        quantity.compared.to_string(),
        number(quantity.largest),
        number(quantity.bound),
        if quantity.is_ok() { "ok" } else { "FAILED" }.to_owned(),
        quantity.at.clone(),
    ]
}

fn number(value: f64) -> String {
    if value == 0.0 { "0".to_owned() } else { format!("{value:.1e}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_and_failures_stand_out() {
        let mut good = Quantity::new("logits", 1e-4);
        good.compare("a", 1.00002, 1.0, 1.0);
        let mut bad = Quantity::new("tokens of a pair", 0.0);
        bad.equal("b", "x", "y");
        assert_eq!(
            table(&[good, bad]),
            "quantity          compared  largest   bound          largest at\n\
             logits                   1   2.0e-5  1.0e-4  ok      a\n\
             tokens of a pair         1      inf       0  FAILED  b\n"
        );
    }
}
