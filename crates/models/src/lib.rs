//! Decoder-only transformers in Burn, taken apart at their hook sites.
//!
//! A [`Checkpoint`] in Hugging Face's layout becomes a [`Model`]: one [`Decoder`] for all
//! families, and its tokenizer. The numbers are Hugging Face's, without folding or centring of
//! weights.
//!
//! Invariants:
//!
//! - No family is known outside its own file; what differs is a field of
//!   [`Architecture`](tracewright_ir::Architecture).
//! - A row is a row: there is no padding, and sequences never see one another.
//! - Nothing panics on a damaged file, and nothing is allocated for what a header only claims.
//!
//! ```
//! use tracewright_models::{Batch, Checkpoint, DeviceName, Nobody};
//!
//! let model = Checkpoint::built_in()?.load(DeviceName::Cpu)?;
//! let tokens = model.tokenizer.prompt("The capital of France is")?;
//! let batch = Batch { sequences: 1, len: tokens.len() };
//! let logits = model.decoder.forward(&tokens.ids, batch, &[4], &mut Nobody)?;
//! let best = logits.argmax(1).into_scalar::<i32>();
//! assert_eq!(model.tokenizer.text(best as u32), " Paris");
//! # Ok::<(), tracewright_models::ModelError>(())
//! ```

mod activation;
mod attend;
mod attention;
mod cache;
mod cells;
mod chat;
mod decoder;
mod device;
mod dtype;
mod error;
pub mod families;
mod forward;
#[cfg(feature = "hub")]
pub mod hub;
mod in_place;
mod load;
mod model;
mod norm;
mod product;
mod promised;
mod quantised;
mod rotary;
mod rows;
mod stream;
mod tensors;
mod tokenizer;
mod weights;

pub use attend::Query;
pub use attention::Batch;
pub use cache::{Cached, cache_folder, cached};
pub use chat::{ChatError, ChatTemplate};
pub use decoder::{Decoder, Layer};
pub use device::DeviceName;
pub use dtype::Dtype;
pub use error::ModelError;
pub use forward::{Nobody, Visitor};
pub use model::{BUILT_IN, Checkpoint, Model};
pub use norm::Norm;
pub use promised::Footprint;
pub use rows::Rows;
pub use tensors::read_arrays;
pub use tokenizer::{Bos, Tokenizer};
