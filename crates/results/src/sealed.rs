//! A checksum inside a Parquet file, so that damage is found before a decoder sees it.
//!
//! A reader of Parquet goes by the offsets in the footer and skips everything else. So a file of
//! ours has, right after the format's first four bytes, a seal: eight letters and the SHA-256 of
//! the whole file, in which the digest's own place counts as zeros.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};

use sha2::{Digest, Sha256};

const LETTERS: &[u8; 8] = b"TWSHA256";
const DIGEST: usize = 32;
/// Where the letters start: after `PAR1`.
const START: usize = 4;

/// What is written where the seal will be.
pub(crate) const PLACEHOLDER: [u8; LETTERS.len() + DIGEST] = {
    let mut seal = [0; LETTERS.len() + DIGEST];
    let mut i = 0;
    while i < LETTERS.len() {
        seal[i] = LETTERS[i];
        i += 1;
    }
    seal
};

/// Passes bytes on and digests them.
pub(crate) struct Sealing<'a> {
    file: &'a mut File,
    digest: Sha256,
}

impl<'a> Sealing<'a> {
    pub(crate) fn new(file: &'a mut File) -> Self {
        Self { file, digest: Sha256::new() }
    }

    /// Puts the digest in its place, after the last byte was written.
    pub(crate) fn seal(self) -> io::Result<()> {
        self.file.seek(SeekFrom::Start((START + LETTERS.len()) as u64))?;
        self.file.write_all(&self.digest.finalize())
    }
}

impl Write for Sealing<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.digest.update(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// True if the file from its first to its last byte is what was sealed. Reads it in small
/// pieces.
pub(crate) fn is_intact(file: &mut File) -> io::Result<bool> {
    file.seek(SeekFrom::Start(0))?;
    let mut head = [0; START + PLACEHOLDER.len()];
    match file.read_exact(&mut head) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(false),
        result => result?,
    }
    let (start, sealed) = head.split_at_mut(START + LETTERS.len());
    let expected = sealed.to_vec();
    sealed.fill(0);
    if !start.ends_with(LETTERS) {
        return Ok(false);
    }
    let mut digest = Sha256::new();
    digest.update(head);
    let mut piece = vec![0; 1 << 16];
    loop {
        match file.read(&mut piece) {
            Ok(0) => break,
            Ok(read) => digest.update(&piece[..read]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(digest.finalize()[..] == expected[..])
}
