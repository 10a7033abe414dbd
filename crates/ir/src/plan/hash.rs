//! Maps with small keys of our own making, which take no defence against chosen ones.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use crate::plan::numbers::mix;

/// A map that hashes a word at a time.
pub(crate) type Quick<K, V> = HashMap<K, V, BuildHasherDefault<Words>>;

/// The words so far, as one.
#[derive(Default)]
pub(crate) struct Words(u64);

impl Hasher for Words {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for part in bytes.chunks(size_of::<u64>()) {
            let mut word = [0; size_of::<u64>()];
            word[..part.len()].copy_from_slice(part);
            self.write_u64(u64::from_le_bytes(word));
        }
    }

    fn write_u8(&mut self, word: u8) {
        self.write_u64(word.into());
    }

    fn write_u32(&mut self, word: u32) {
        self.write_u64(word.into());
    }

    fn write_usize(&mut self, word: usize) {
        self.write_u64(word as u64);
    }

    fn write_u64(&mut self, word: u64) {
        self.0 = mix(self.0, word);
    }
}
