//! How far a job is.

/// How far a job is, in planned operations: cases of different lengths take very different times.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing<'a> {
    /// The first case of the unit that was worked on last.
    pub case: &'a str,
    /// Cases that are done, those of earlier starts included.
    pub cases: usize,
    /// All cases.
    pub of_cases: usize,
    /// Floating point operations that are done, those of earlier starts included.
    pub flops: u64,
    /// Those of earlier starts.
    pub earlier: u64,
    /// All that are planned. It changes a little while units are planned in detail.
    pub planned: u64,
}

/// Keeps the count of units; the sums are kept too, because there may be many units and they are asked for often.
#[derive(Debug)]
pub(crate) struct Count {
    planned: Vec<u64>,
    done: Vec<u64>,
    all_planned: u64,
    all_done: u64,
    cases: usize,
    earlier: u64,
}

impl Count {
    /// Of units that are planned to take these operations.
    pub(crate) fn new(planned: Vec<u64>) -> Self {
        let (all_planned, done) = (planned.iter().sum(), vec![0; planned.len()]);
        Self { planned, done, all_planned, all_done: 0, cases: 0, earlier: 0 }
    }

    /// A unit of an earlier start.
    pub(crate) fn earlier(&mut self, unit: usize, cases: usize) {
        self.earlier += self.planned[unit];
        self.end(unit, cases);
    }

    /// A unit that knows itself what it takes.
    pub(crate) fn progress(&mut self, unit: usize, done: u64, of: u64) {
        self.all_planned = self.all_planned - self.planned[unit] + of;
        self.planned[unit] = of;
        self.set(unit, done.min(of));
    }

    /// A unit with so many cases that has ended.
    pub(crate) fn end(&mut self, unit: usize, cases: usize) {
        self.set(unit, self.planned[unit]);
        self.cases += cases;
    }

    fn set(&mut self, unit: usize, done: u64) {
        self.all_done = self.all_done - self.done[unit] + done;
        self.done[unit] = done;
    }

    /// How far it is, of so many cases.
    pub(crate) fn standing<'a>(&self, case: &'a str, of_cases: usize) -> Standing<'a> {
        Standing {
            case,
            cases: self.cases,
            of_cases,
            flops: self.all_done,
            earlier: self.earlier,
            planned: self.all_planned,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_count_by_what_they_take() {
        let mut count = Count::new(vec![100, 50, 50]);
        count.earlier(1, 2);
        count.progress(0, 30, 120);
        let standing = count.standing("a", 4);
        assert_eq!((standing.flops, standing.earlier, standing.planned), (80, 50, 220));
        count.end(0, 1);
        assert_eq!((count.standing("a", 4).flops, count.standing("a", 4).cases), (170, 3));
    }
}
