//! One file for each command.

pub(crate) mod doctor;
pub(crate) mod models;
pub(crate) mod predict;
pub(crate) mod sites;
pub(crate) mod trace;
