//! `tracewright models`

use std::process::ExitCode;

use serde_json::json;
use tracewright_models::{BUILT_IN, Checkpoint, ModelError, cache_folder, cached};

use crate::console::{Console, table};
use crate::error::Failure;

pub(crate) fn run(console: &Console) -> Result<ExitCode, Failure> {
    let mut rows =
        vec![["model", "family", "layers", "d_model", "where"].map(str::to_owned).to_vec()];
    let mut documents = Vec::new();
    let mut add = |name: &str, place: &str, checkpoint: Result<Checkpoint, ModelError>| {
        match &checkpoint {
            Ok(checkpoint) => {
                let a = checkpoint.architecture();
                let shape = [&a.family, &a.n_layers.to_string(), &a.d_model.to_string()];
                let row = [name, shape[0], shape[1], shape[2], place];
                rows.push(row.map(str::to_owned).to_vec());
            }
            Err(error) => rows.push(
                [name, "can't be used", "", "", &error.to_string()].map(str::to_owned).to_vec(),
            ),
        }
        documents.push(json!({
            "model": name,
            "where": place,
            "architecture": checkpoint.as_ref().ok().map(Checkpoint::architecture),
            "problem": checkpoint.as_ref().err().map(ToString::to_string),
        }));
    };
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
