//! Ctrl-C, and SIGTERM, by which clusters end a job.

use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock};

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;

use crate::error::Failure;

/// The exit code of a program that was interrupted.
pub(crate) const INTERRUPTED: u8 = 130;

/// Whether a signal ends the program at once. It does where nothing is under way that would be lost, and when
/// one came before: files appear whole or not at all, so that nothing is damaged.
static ENDS: LazyLock<Arc<AtomicBool>> = LazyLock::new(|| Arc::new(AtomicBool::new(true)));

/// Whether a signal has come.
static CAME: LazyLock<Arc<AtomicBool>> = LazyLock::new(|| Arc::new(AtomicBool::new(false)));

/// Listens from now on. A signal that the program was started to ignore, as shells do for jobs in the background,
/// stays ignored.
///
/// # Errors
///
/// A system without signals.
pub(crate) fn listen() -> Result<(), Failure> {
    let deaf = |error| Failure::Usage(format!("signals can't be received: {error}"));
    for signal in [SIGINT, SIGTERM].into_iter().filter(|signal| !is_ignored(*signal)) {
        // In this order: the first signal of a sweep finds that it doesn't end the program, and makes the
        // second one do so.
        let (ends, came) = (Arc::clone(&ENDS), Arc::clone(&CAME));
        flag::register_conditional_shutdown(signal, INTERRUPTED.into(), Arc::clone(&ends))
            .and_then(|_| flag::register(signal, ends))
            .and_then(|_| flag::register(signal, came))
            .map_err(deaf)?;
    }
    Ok(())
}

/// Whether the process ignores a signal, where the system tells (Linux).
fn is_ignored(signal: i32) -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0);
    mask >> (signal - 1) & 1 == 1
}

/// Whether somebody has asked to stop.
pub(crate) fn came() -> bool {
    CAME.load(Ordering::Relaxed)
}

/// A sweep under way: a signal lets it finish what it has begun. It ends when this is dropped.
pub(crate) struct Sweeping;

impl Sweeping {
    pub(crate) fn begin() -> Self {
        ENDS.store(came(), Ordering::Relaxed);
        Self
    }
}

impl Drop for Sweeping {
    fn drop(&mut self) {
        ENDS.store(true, Ordering::Relaxed);
    }
}
