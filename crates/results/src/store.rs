//! An object store as a mirror needs it: list, read, download and upload, each until it is done.
//!
//! Names are those of the results folder, with `/` on every system. An object is there whole or
//! not at all, which S3 promises and the local store does by renaming.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::Path;
use std::sync::Arc;

use futures_util::{StreamExt, TryStreamExt, stream};
use object_store::path::Path as Key;
use object_store::{ObjectStore, ObjectStoreExt, WriteMultipart};
use tokio::runtime::Runtime;

use crate::ResultsError;
use crate::store_failure::failed;
use crate::store_url::StoreUrl;
use crate::whole_file::{Unfinished, sync_folder_of};

/// Files on their way at the same time: there may be thousands of small ones.
const AT_ONCE: usize = 8;
/// A file of this size or larger goes up in pieces of it, so that no piece takes longer than the
/// half minute that a request may take. S3 wants 5 MiB at least, and 10,000 pieces at most.
const PIECE: u64 = 16 << 20;

/// A place in an object store.
#[derive(Debug)]
pub(crate) struct Store {
    store: Arc<dyn ObjectStore>,
    root: Key,
    url: String,
    runtime: Runtime,
}

impl Store {
    pub(crate) fn open(
        url: &str,
        settings: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, ResultsError> {
        let url = StoreUrl::parse(url)?;
        let store = url.store(settings)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| url.settings(&error))?;
        Ok(Self { store, root: url.root, url: url.shown, runtime })
    }

    /// The address, without anything secret.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// The names of all objects below the address, and their sizes. `folder` is for messages, as
    /// below.
    pub(crate) fn list(&self, folder: &Path) -> Result<BTreeMap<String, u64>, ResultsError> {
        let listing = self.store.list(Some(&self.root)).try_collect::<Vec<_>>();
        let found = self.runtime.block_on(listing).map_err(self.failed(folder))?;
        let name = |key: &Key| {
            let parts = key.prefix_match(&self.root)?;
            Some(parts.map(|part| part.as_ref().to_owned()).collect::<Vec<_>>().join("/"))
        };
        let objects = found.iter().filter_map(|found| Some((name(&found.location)?, found.size)));
        // Some programs mark a folder by an empty object.
        Ok(objects.filter(|(name, _)| !name.is_empty()).collect())
    }

    /// The content of a small object.
    pub(crate) fn read(&self, folder: &Path, name: &str) -> Result<Vec<u8>, ResultsError> {
        let key = self.key(folder, name)?;
        let read = async { self.store.get(&key).await?.bytes().await };
        Ok(self.runtime.block_on(read).map_err(self.failed(folder))?.to_vec())
    }

    /// Brings objects into the folder, each file whole or not at all.
    pub(crate) fn download(&self, folder: &Path, names: &[String]) -> Result<(), ResultsError> {
        self.each(names, |name| self.download_one(folder, name))?;
        names.iter().try_for_each(|name| sync_folder_of(&folder.join(name)))
    }

    /// Brings files of the folder into the store, whatever it holds under their names.
    pub(crate) fn upload(&self, folder: &Path, names: &[String]) -> Result<(), ResultsError> {
        self.each(names, |name| self.upload_one(folder, name))
    }

    fn each<'a, F: Future<Output = Result<(), ResultsError>>>(
        &self,
        names: &'a [String],
        work: impl Fn(&'a str) -> F,
    ) -> Result<(), ResultsError> {
        let work = stream::iter(names).map(|name| work(name)).buffer_unordered(AT_ONCE);
        self.runtime.block_on(work.try_collect::<()>())
    }

    async fn download_one(&self, folder: &Path, name: &str) -> Result<(), ResultsError> {
        let path = folder.join(name);
        let writing = |source| ResultsError::writing(&path, source);
        if let Some(above) = path.parent() {
            fs::create_dir_all(above).map_err(writing)?;
        }
        let found = self.store.get(&self.key(folder, name)?).await.map_err(self.failed(folder))?;
        let mut pieces = found.into_stream();
        let mut file = Unfinished::create(&path)?;
        while let Some(piece) = pieces.next().await {
            file.file().write_all(&piece.map_err(self.failed(folder))?).map_err(writing)?;
        }
        file.finish()
    }

    async fn upload_one(&self, folder: &Path, name: &str) -> Result<(), ResultsError> {
        let path = folder.join(name);
        let reading = |source| ResultsError::reading(&path, source);
        let mut file = File::open(&path).map_err(reading)?;
        let key = self.key(folder, name)?;
        if file.metadata().map_err(reading)?.len() < PIECE {
            let mut bytes = Vec::new();
            file.read_to_end(&mut bytes).map_err(reading)?;
            self.store.put(&key, bytes.into()).await.map_err(self.failed(folder))?;
            return Ok(());
        }
        let upload = self.store.put_multipart(&key).await.map_err(self.failed(folder))?;
        let mut upload = WriteMultipart::new_with_chunk_size(upload, PIECE as usize);
        let sent = self.send(folder, &path, &mut file, &mut upload).await;
        match sent {
            Ok(()) => upload.finish().await.map(drop).map_err(self.failed(folder)),
            Err(error) => {
                // What led here says more than a failure to tidy up after it would.
                let _ = upload.abort().await;
                Err(error)
            }
        }
    }

    async fn send(
        &self,
        folder: &Path,
        path: &Path,
        file: &mut File,
        upload: &mut WriteMultipart,
    ) -> Result<(), ResultsError> {
        loop {
            let mut piece = Vec::new();
            let taken = file.take(PIECE).read_to_end(&mut piece);
            if taken.map_err(|source| ResultsError::reading(path, source))? == 0 {
                return Ok(());
            }
            // One is sent while the next is read.
            upload.wait_for_capacity(1).await.map_err(self.failed(folder))?;
            upload.put(piece.into());
        }
    }

    /// As it stands: the key of an object reads as the file's name does.
    fn key(&self, folder: &Path, name: &str) -> Result<Key, ResultsError> {
        Key::parse(format!("{}/{name}", self.root)).map_err(|error| ResultsError::Unwritable {
            path: folder.join(name),
            problem: format!("no object of {} can have that name ({error})", self.url),
        })
    }

    fn failed(&self, folder: &Path) -> impl Fn(object_store::Error) -> ResultsError {
        move |error| failed(&self.url, folder, &error)
    }
}
