//! Ctrl-C, and the signals by which clusters end a job.

use std::process::exit;
use std::sync::atomic::{AtomicU8, Ordering};

use crate::error::Failure;

/// The exit code of a program that was interrupted.
pub(crate) const INTERRUPTED: u8 = 130;

/// Nothing is under way that would be lost.
const IDLE: u8 = 0;
/// A sweep is under way.
const SWEEPING: u8 = 1;
/// It was asked to stop.
const STOPPING: u8 = 2;

static STATE: AtomicU8 = AtomicU8::new(IDLE);

/// Lets a sweep that is under way finish what it has begun. A second signal ends the program at once, as the
/// first does outside of sweeps: files appear whole or not at all, so that nothing is damaged.
///
/// # Errors
///
/// A system without signals.
pub(crate) fn listen(told: impl Fn() + Send + 'static) -> Result<(), Failure> {
    let heard = move || match STATE.compare_exchange(
        SWEEPING,
        STOPPING,
        Ordering::Relaxed,
        Ordering::Relaxed,
    ) {
        Ok(_) => told(),
        Err(_) => exit(INTERRUPTED.into()),
    };
    ctrlc::set_handler(heard)
        .map_err(|error| Failure::Usage(format!("signals can't be received: {error}")))
}

/// A sweep under way; it ends when this is dropped.
pub(crate) struct Sweeping;

impl Sweeping {
    pub(crate) fn begin() -> Self {
        STATE.store(SWEEPING, Ordering::Relaxed);
        Self
    }

    /// Whether somebody has asked to stop.
    pub(crate) fn is_stopped(&self) -> bool {
        STATE.load(Ordering::Relaxed) == STOPPING
    }
}

impl Drop for Sweeping {
    fn drop(&mut self) {
        STATE.store(IDLE, Ordering::Relaxed);
    }
}
