//! All files of a snapshot, in an order that never leaves a half one looking whole.

use std::fs;

use super::Download;
use super::client::Client;
use super::download::Transfer;
use super::error::HubError;
use super::files::{self, Listing, RemoteFile};
use super::folder::{Folder, unwritable};

/// Brings all files of a listing into its snapshot, the weights last.
pub(super) fn fetch(
    client: &Client<'_>,
    folder: &Folder,
    listing: &Listing,
    progress: &dyn Fn(Download<'_>),
) -> Result<(), HubError> {
    let commit = listing.commit.as_str();
    let (mut files, weights) = listing.wanted(client)?;
    if client.hub.weights {
        files.extend(parts(client, folder, listing, weights)?);
    }
    let missing: Vec<&RemoteFile> = files.iter().filter(|f| !folder.has(commit, f)).collect();
    for (index, file) in missing.iter().enumerate() {
        let (number, files) = (index + 1, missing.len());
        let tell =
            |done| progress(Download { file: &file.name, done, size: file.size, number, files });
        Transfer { client, folder, commit, file, tell: &tell }.run()?;
    }
    Ok(())
}

/// The files of weights: the one that there is, or those that its index names, which is fetched for that.
fn parts(
    client: &Client<'_>,
    folder: &Folder,
    listing: &Listing,
    weights: RemoteFile,
) -> Result<Vec<RemoteFile>, HubError> {
    if !weights.name.ends_with(".json") {
        return Ok(vec![weights]);
    }
    let commit = listing.commit.as_str();
    // How many files there are stands in it, so it comes first, and without progress.
    if !folder.has(commit, &weights) {
        Transfer { client, folder, commit, file: &weights, tell: &|_| {} }.run()?;
    }
    let path = folder.snapshot(commit).join(&weights.name);
    let index = fs::read(&path).map_err(unwritable(&path))?;
    let (id, file) = (client.id.to_owned(), weights.name);
    let names = files::parts(&index).map_err(|problem| HubError::BadIndex { id, file, problem })?;
    names.iter().map(|name| listing.file(client, name)).collect()
}
