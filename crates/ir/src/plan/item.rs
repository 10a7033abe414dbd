//! What passes are asked for.

use crate::plan::carried::CarriedRow;
use crate::plan::lanes::Capture;
use crate::plan::program::Program;

/// Something that a pass gives back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Item {
    /// A run's metrics.
    Measured(usize),
    /// A reading of a request.
    Reading { request: usize, index: usize },
    /// A row that a later pass reads.
    Carried(u32),
}

impl Item {
    /// The run that it is about.
    pub(crate) fn run(self, program: &Program<'_>) -> usize {
        match self {
            Self::Measured(run) => run,
            Self::Reading { request, index } => {
                program.offsets[request] + program.requests[request].readings[index].run.0
            }
            Self::Carried(row) => program.carried.rows[row as usize].run,
        }
    }

    /// Every run that must be there for it, its bases and sources aside.
    pub(crate) fn runs(self, program: &Program<'_>) -> impl Iterator<Item = usize> {
        let run = self.run(program);
        let clean = match self {
            Self::Measured(_) => program.clean[program.runs[run].request].as_slice(),
            Self::Reading { .. } | Self::Carried(_) => &[],
        };
        std::iter::once(run).chain(clean.iter().copied())
    }

    pub(crate) fn capture(self, program: &Program<'_>) -> Option<Capture> {
        let (site, state) = match self {
            Self::Measured(_) => return None,
            Self::Reading { request, index } => {
                let reading = &program.requests[request].readings[index];
                (reading.locus.site.place(), reading.state)
            }
            Self::Carried(row) => {
                let CarriedRow { site, state, .. } = program.carried.rows[row as usize];
                (site, state)
            }
        };
        Some((self.run(program), site, state))
    }

    /// How many passes must have come before the one that it is in.
    pub(crate) fn level(self, program: &Program<'_>) -> usize {
        self.runs(program).map(|run| program.runs[run].level).max().unwrap_or(0)
    }
}
