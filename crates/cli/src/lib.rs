//! Activation patching and causal tracing for transformer language models.
//!
//! This crate is the program `tracewright` and, as a library, all its parts under one name:
//!
//! | module | what is there |
//! | --- | --- |
//! | [`ir`] | sites, loci, interventions, runs, sweeps, metrics as plain data |
//! | [`corruption`] | NumPy's noise bit for bit, subject ranges |
//! | [`models`] | checkpoints, tokenizers, the decoder |
//! | [`metrics`] | numbers read from logits |
//! | [`engine`] | executors |
//! | [`results`] | results folders: npz, Parquet, JSON |
//! | [`sweep`] | cases, protocols, jobs |
//! | [`report`] | figures and summaries |
//! | [`program`] | the program itself: its commands as data, and what runs them |
//!
//! A fact of the built-in model, traced as ROME does, and drawn:
//!
//! ```
//! use tracewright::engine::{Execution, silent};
//! use tracewright::models::{Checkpoint, DeviceName};
//! use tracewright::report::CaseReport;
//! use tracewright::sweep::{Facts, Kind, Settings, resolve_noise, trace};
//!
//! let model = Checkpoint::built_in()?.load(DeviceName::Cpu)?;
//! let facts = Facts::built_in()?;
//! let settings = Settings { kinds: vec![Kind::Mlp], samples: 3, ..Settings::default() };
//! let noise = resolve_noise(&settings.noise, &model, &facts.subjects(), None)?;
//! let fact = facts.select(&[1], None)?.remove(0).feed(&model.tokenizer)?;
//! let part = trace(&fact, &model, &settings, &noise, &Execution::default(), &mut silent)?;
//! let report = CaseReport::new(&part.cases[0], &part.rows, "facts-6m")?;
//! assert!(report.png()?.starts_with(b"\x89PNG"));
//! assert!(report.summary()?.contains("Apple"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Three sweeps between two prompts, by layer, by layer and position, and by head:
//!
//! ```
//! use tracewright::engine::{Execution, silent};
//! use tracewright::models::{Checkpoint, DeviceName};
//! use tracewright::sweep::{Pair, PairSettings, Pairs, Per};
//!
//! let model = Checkpoint::built_in()?.load(DeviceName::Cpu)?;
//! let prompt = |giver| format!("After John and Mary went to the store, {giver} gave a bottle of milk to");
//! let ioi = Pair { clean: prompt("Mary"), corrupted: vec![prompt("John")], ..Pair::default() };
//! let sweep = |site: &str, per: &[Per]| {
//!     let (sites, per) = (vec![site.into()], per.to_vec());
//!     let settings = PairSettings { sites, per, ..PairSettings::default() };
//!     let pairs = Pairs::new(&model, settings, vec![ioi.clone()])?;
//!     Ok::<_, tracewright::sweep::SweepError>(
//!         pairs.patch(0, &Execution::default(), &mut silent)?.rows,
//!     )
//! };
//! let layers = sweep("resid_post", &[Per::Layer])?;
//! let grid = sweep("resid_post", &[Per::Layer, Per::Position])?;
//! let heads = sweep("z", &[Per::Layer, Per::Head])?;
//! assert_eq!([layers.len(), grid.len(), heads.len()], [12, 12 * 16, 12 * 6]);
//! let strongest = heads.iter().max_by(|a, b| a.recovery.partial_cmp(&b.recovery).unwrap()).unwrap();
//! assert_eq!((strongest.layer, strongest.head), (Some(0), Some(5)));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

//! An intervention and a metric of one's own: the heads' outputs of a layer lose their mean over positions,
//! and what is measured is how far the two likeliest tokens are apart.
//!
//! ```
//! use tracewright::engine::{Execution, Extensions, Values, execute, silent};
//! use tracewright::ir::{
//!     Call, Component, Intervention, Locus, Measure, Metric, Operation, Request, Run, Site,
//! };
//! use tracewright::models::{Checkpoint, DeviceName};
//!
//! let model = Checkpoint::built_in()?.load(DeviceName::Cpu)?;
//! let centred = |z: Values<'_>, _: &[Values<'_>]| {
//!     let (rows, width) = (z.shape[0], z.numbers.len() / z.shape[0]);
//!     let mean = |i| z.numbers.iter().skip(i).step_by(width).sum::<f32>() / rows as f32;
//!     z.numbers.iter().enumerate().map(|(i, x)| x - mean(i % width)).collect()
//! };
//! let gap = |logits: &[f32], _: Option<&[f32]>| {
//!     let mut logits = logits.to_vec();
//!     logits.sort_unstable_by(f32::total_cmp);
//!     f64::from(logits[logits.len() - 1] - logits[logits.len() - 2])
//! };
//! let extensions = Extensions::default().function("centred", centred).metric("gap", gap);
//! let mut request = Request::default();
//! let prompt = model.tokenizer.prompt("The Space Needle is in downtown")?;
//! let clean = request.push(Run::of_tokens("clean", &prompt.ids));
//! let call = Call { name: "centred".to_owned(), reads: Vec::new(), flops: 2 * 192 };
//! for layer in 0..12 {
//!     let locus = Locus::at(Site::in_layer(Component::Z, layer));
//!     let change = Intervention { locus, operation: Operation::Call(call.clone()) };
//!     request.push(Run::variant(format!("layer {layer}"), clean, [change]));
//! }
//! request.measures.push(Measure::at_last(Metric::Own { name: "gap".to_owned(), clean: None }));
//! request.measured = (0..13).map(tracewright::ir::RunId).collect();
//! let execution = Execution { extensions, ..Execution::default() };
//! let gaps = execute(&model.decoder, &request, &execution, &mut silent)?.values.remove(0);
//! assert!(gaps[1..].iter().all(|gap| (gap - gaps[0]).abs() > 1e-4));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod args;
mod commands;
mod console;
mod error;
mod interrupt;
mod manual;
mod place;
pub mod program;
mod progress;
mod session;

pub use tracewright_corruption as corruption;
pub use tracewright_engine as engine;
pub use tracewright_ir as ir;
pub use tracewright_metrics as metrics;
pub use tracewright_models as models;
pub use tracewright_report as report;
pub use tracewright_results as results;
pub use tracewright_sweep as sweep;

/// The tutorial's code, run as a documentation test.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/tutorial.md")]
pub struct Tutorial;
