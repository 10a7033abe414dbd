//! A model's large weights, read from its files while it runs.
//!
//! A layer is read while the one below is computed, and is gone when it has been used; the rows of the
//! embedding are read for the tokens that are fed, the unembedding in blocks of its columns. So a model of
//! any size takes the memory of two of its layers.

use std::fmt;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use burn::tensor::Tensor;

use crate::decoder::Layer;
use crate::error::ModelError;
use crate::load::{Loader, Read};

/// The layers, embedding and unembedding of a model that is streamed.
pub(crate) struct Stream {
    loader: Arc<Loader>,
    layers: Ahead<Read>,
    columns: Ahead<Vec<f32>>,
}

/// What a block of the unembedding's columns takes in f32.
pub(crate) const BLOCK_BYTES: usize = 64 << 20;

impl Stream {
    pub(crate) fn new(loader: Loader) -> Self {
        Self { loader: Arc::new(loader), layers: Ahead::default(), columns: Ahead::default() }
    }

    /// A layer; the next one is being read when this returns.
    pub(crate) fn layer(&self, index: usize) -> Result<Layer, ModelError> {
        let loader = self.loader.clone();
        let read = move |index| loader.read_layer(index);
        let read = self.layers.take(index, self.loader.architecture.n_layers, read)?;
        self.loader.layer(index, read)
    }

    /// The embeddings of tokens, `[ids, d_model]`.
    pub(crate) fn embed(&self, ids: &[u32]) -> Result<Tensor<2>, ModelError> {
        self.rows(&self.loader.embedding(), ids)
    }

    /// The unembedding of some tokens, `[ids, d_model]`.
    pub(crate) fn unembed_tokens(&self, ids: &[u32]) -> Result<Tensor<2>, ModelError> {
        self.rows(self.loader.unembedding(), ids)
    }

    fn rows(&self, name: &str, ids: &[u32]) -> Result<Tensor<2>, ModelError> {
        let file = &self.loader.file;
        let mut values = Vec::with_capacity(ids.len() * self.loader.architecture.d_model);
        if file.has_ranges(name) {
            for id in ids {
                values.extend(file.read_rows(name, *id as usize..*id as usize + 1)?);
            }
        } else {
            let (all, width) = (file.read(name)?, self.loader.architecture.d_model);
            ids.iter().for_each(|id| values.extend(&all[*id as usize * width..][..width]));
        }
        Ok(self.loader.rows(values))
    }

    /// The unembedding block by block, `[columns, d_model]`.
    pub(crate) fn unembedding(&self) -> impl Iterator<Item = Result<Tensor<2>, ModelError>> {
        let blocks = self.blocks();
        let count = blocks.len();
        let (loader, of) = (self.loader.clone(), blocks.clone());
        let read =
            move |block: usize| loader.file.read_rows(loader.unembedding(), of[block].clone());
        (0..count).map(move |block| {
            Ok(self.loader.rows(self.columns.take(block, count, read.clone())?))
        })
    }

    /// The columns of the unembedding's blocks.
    fn blocks(&self) -> Vec<Range<usize>> {
        let (vocab, d_model) = (self.loader.architecture.vocab, self.loader.architecture.d_model);
        let columns = match self.loader.file.has_ranges(self.loader.unembedding()) {
            true => (BLOCK_BYTES / (size_of::<f32>() * d_model)).max(1),
            false => vocab,
        };
        let block = |start| start..vocab.min(start + columns);
        (0..vocab).step_by(columns).map(block).collect()
    }

    /// The bytes of tensors that have been read from the files.
    pub(crate) fn bytes_read(&self) -> u64 {
        self.loader.file.bytes_read()
    }
}

impl fmt::Debug for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stream").field("file", &self.loader.file.origin()).finish_non_exhaustive()
    }
}

/// Things that are read in turn, each in a thread of its own while the one before is used.
struct Ahead<T> {
    begun: Mutex<Option<Begun<T>>>,
}

/// The number of a thing, and the thread that reads it.
type Begun<T> = (usize, JoinHandle<Result<T, ModelError>>);

impl<T> Default for Ahead<T> {
    fn default() -> Self {
        Self { begun: Mutex::new(None) }
    }
}

impl<T: Send + 'static> Ahead<T> {
    /// The thing of this number; the next of `count` is begun.
    fn take(
        &self,
        index: usize,
        count: usize,
        read: impl Fn(usize) -> Result<T, ModelError> + Send + Clone + 'static,
    ) -> Result<T, ModelError> {
        let mut begun = self.begun.lock().unwrap_or_else(PoisonError::into_inner);
        let taken = match begun.take() {
            // What was begun for somebody who stopped is waited for all the same: two things at a time.
            Some((of, thread)) => match (thread.join(), of == index) {
                (Ok(taken), true) => Some(taken?),
                (Ok(_), false) => None,
                (Err(panic), _) => std::panic::resume_unwind(panic),
            },
            None => None,
        };
        let taken = taken.map_or_else(|| read(index), Ok)?;
        let next = index + 1;
        if next < count {
            let thread = thread::Builder::new().spawn(move || read(next));
            // Without a thread it is read when it is asked for.
            *begun = thread.ok().map(|thread| (next, thread));
        }
        Ok(taken)
    }
}
