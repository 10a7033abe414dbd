//! `tracewright predict`

use std::process::ExitCode;

use serde_json::json;
use tracewright_engine::predict;
use tracewright_models::ModelError;
use tracewright_report::visible;
use tracewright_sweep::Warning;

use crate::args::PredictArgs;
use crate::console::{Console, count, table};
use crate::error::Failure;
use crate::session::Session;

pub(crate) fn run(
    args: &PredictArgs,
    session: &Session,
    console: &Console,
) -> Result<ExitCode, Failure> {
    if args.top_k == 0 {
        return Err(Failure::Usage("--top-k is 0: give at least 1".to_owned()));
    }
    let model = session.load(session.checkpoint(console)?)?;
    let mut fed = Vec::new();
    for (index, prompt) in args.prompts.iter().enumerate() {
        let named = |error: ModelError| match args.prompts.len() {
            1 => Failure::Model(error),
            _ => Failure::Usage(format!("prompt {}: {error}", index + 1)),
        };
        fed.push(model.tokenizer.prompt(prompt).map_err(named)?);
        Warning::of_prompt(prompt).iter().for_each(|warning| console.warn(&warning.to_string()));
    }
    let mut documents = Vec::new();
    for (prompt, tokens) in args.prompts.iter().zip(fed) {
        let candidates = predict(&model.decoder, &tokens, args.top_k)?;
        let shown: Vec<String> = tokens.texts.iter().map(|text| visible(text)).collect();
        let mut rows = vec![["token", "id", "probability", "logit"].map(str::to_owned).to_vec()];
        rows.extend(candidates.iter().map(|c| {
            let text = format!("'{}'", visible(&model.tokenizer.text(c.id)));
            vec![text, c.id.to_string(), format!("{:.4}", c.prob), format!("{:.3}", c.logit)]
        }));
        console.explain(&format!(
            "fed as {}: {}",
            count(tokens.len(), "token"),
            shown.join("|")
        ))?;
        console.answer(&format!("{}\n", table(&rows)))?;
        documents.push(json!({
            "prompt": prompt,
            "tokens": tokens,
            "top": candidates.iter().map(|c| json!({
                "id": c.id, "token": model.tokenizer.text(c.id), "prob": c.prob, "logit": c.logit,
            })).collect::<Vec<_>>(),
        }));
    }
    console.json(&json!({ "model": model.name, "predictions": documents }))?;
    Ok(ExitCode::SUCCESS)
}
