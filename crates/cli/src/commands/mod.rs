//! One file for each command, and what those that fill a results folder share.

pub(crate) mod completions;
pub(crate) mod dataset;
pub(crate) mod doctor;
mod job;
pub(crate) mod man;
pub(crate) mod merge;
pub(crate) mod models;
mod page;
pub(crate) mod pair;
mod pair_file;
pub(crate) mod plan;
pub(crate) mod predict;
pub(crate) mod report;
pub(crate) mod sites;
pub(crate) mod sweep;
mod target;
pub(crate) mod trace;
