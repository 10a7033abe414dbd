//! How much of the machine other processes take meanwhile.
//!
//! A product that PyTorch spreads over two threads waits for the slower one, so whoever takes a
//! core slows the peers down more than us: such ratios flatter.

use std::fs;
use std::time::Instant;

/// Ticks of `/proc/stat` in a second, on every Linux.
const TICKS: f64 = 100.0;

/// A moment from which processor time is counted.
pub(super) struct Since {
    start: Instant,
    others: Option<f64>,
}

impl Since {
    /// Now.
    pub(super) fn now() -> Self {
        Self { start: Instant::now(), others: others() }
    }

    /// The cores that processes other than this one and its finished children have kept busy, on an
    /// average; `None` where `/proc` doesn't tell.
    pub(super) fn cores(&self) -> Option<f64> {
        let ticks = others()? - self.others?;
        Some((ticks / TICKS / self.start.elapsed().as_secs_f64()).max(0.0))
    }
}

/// Ticks of everybody else's since the machine was started.
fn others() -> Option<f64> {
    let (all, own) =
        (fs::read_to_string("/proc/stat").ok()?, fs::read_to_string("/proc/self/stat"));
    Some(busy(&all)? - own_and_children(&own.ok()?)?)
}

/// Of the line `cpu user nice system idle iowait irq softirq steal …`, all but idle and iowait.
fn busy(stat: &str) -> Option<f64> {
    let numbers = stat.lines().next()?.split_whitespace().skip(1).take(8);
    let numbers = numbers.map(|number| number.parse().ok()).collect::<Option<Vec<f64>>>()?;
    (numbers.len() == 8).then(|| numbers[..3].iter().chain(&numbers[5..]).sum())
}

/// Fields 14 to 17; the process' name, which is the second, ends with the last parenthesis.
fn own_and_children(stat: &str) -> Option<f64> {
    let fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11).take(4);
    fields.map(|field| field.parse::<f64>().ok()).sum()
}

#[cfg(test)]
mod tests {
    use super::{busy, own_and_children};

    #[test]
    fn processor_time_is_read_from_its_fields() {
        assert_eq!(busy("cpu  1 20 300 4000 50000 7 8 9 1000 2000\ncpu0 1"), Some(345.0));
        assert_eq!(busy("cpu 1 2"), None);
        let own = "42 (a (b) c) R 1 2 3 4 5 6 7 8 9 10 100 20 3 4 20 0";
        assert_eq!(own_and_children(own), Some(127.0));
    }
}
