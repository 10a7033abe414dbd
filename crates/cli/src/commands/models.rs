//! `tracewright models`

use std::process::ExitCode;

use bytesize::ByteSize;
use serde_json::json;
use tracewright_models::{BUILT_IN, Checkpoint, ModelError, cache_folder, cached};

use crate::console::{Console, table};
use crate::error::Failure;
use crate::session::{Fit, Session, total_memory};

pub(crate) fn run(session: &Session, console: &Console) -> Result<ExitCode, Failure> {
    let header = ["model", "family", "layers", "d_model", "stored", "memory", "fits", "where"];
    let mut rows = vec![header.map(str::to_owned).to_vec()];
    let (memory, pass) = (total_memory(), session.execution()?.memory);
    let mut documents = Vec::new();
    let mut add = |name: &str, place: &str, checkpoint: Result<Checkpoint, ModelError>| {
        match &checkpoint {
            Ok(checkpoint) => {
                let a = checkpoint.architecture();
                let stored = checkpoint.stored_as();
                let fits = match Fit::of(checkpoint, pass, memory) {
                    _ if stored.is_err() => "–",
                    Fit::Held => "yes",
                    Fit::Streamed => "streams",
                    Fit::No => "no",
                };
                rows.push(vec![
                    name.to_owned(),
                    a.family.clone(),
                    a.n_layers.to_string(),
                    a.d_model.to_string(),
                    stored.unwrap_or_else(|_| "no weights".to_owned()),
                    ByteSize(checkpoint.footprint().held).display().iec().to_string(),
                    fits.to_owned(),
                    place.to_owned(),
                ]);
            }
            Err(error) => {
                let problem = error.to_string();
                let row = [name, "can't be used", "", "", "", "", "", &problem];
                rows.push(row.map(str::to_owned).to_vec());
            }
        }
        documents.push(json!({
            "model": name,
            "where": place,
            "stored": checkpoint.as_ref().ok().and_then(|checkpoint| checkpoint.stored_as().ok()),
            "weight_bytes": checkpoint.as_ref().ok().map(|c| c.footprint().held),
            "streamed_weight_bytes": checkpoint.as_ref().ok().map(|c| c.footprint().streamed),
            "architecture": checkpoint.as_ref().ok().map(Checkpoint::architecture),
            "problem": checkpoint.as_ref().err().map(ToString::to_string),
        }));
    };
    if let Some(given) = session.model() {
        let checkpoint = session.checkpoint(None, false, console)?;
        add(given, "as given", Ok(checkpoint));
    }
    add(BUILT_IN, "built in", Checkpoint::built_in());
    for model in cached() {
        add(&model.id, &model.folder.display().to_string(), Checkpoint::open(&model.folder));
    }
    console.answer(&table(&rows))?;
    let cache = cache_folder();
    if let Some(cache) = &cache {
        console.explain(&format!("\nother models are looked for in {}", cache.display()))?;
    }
    console.json(&json!({ "models": documents, "cache": cache }))?;
    Ok(ExitCode::SUCCESS)
}
