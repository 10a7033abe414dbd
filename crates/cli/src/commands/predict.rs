//! `tracewright predict`

use std::process::ExitCode;

use serde_json::json;
use tracewright_engine::{Execution, predict, silent};
use tracewright_models::{Model, ModelError};
use tracewright_report::visible;
use tracewright_results::{CaseRecord, TopTokens};
use tracewright_sweep::{Pair, PairSettings, Pairs, Warning};

use super::pair_file::positions;
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
    let model = session.load(session.checkpoint(None, true, console)?, console)?;
    if let (Some(corrupted), Some(site)) = (&args.corrupted, &args.site) {
        return side_by_side(args, (corrupted, site), &session.execution()?, &model, console);
    }
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

/// The likeliest tokens of the first prompt, of the other one, and of that with the first one's values at a site.
fn side_by_side(
    args: &PredictArgs,
    (corrupted, site): (&str, &str),
    execution: &Execution,
    model: &Model,
    console: &Console,
) -> Result<ExitCode, Failure> {
    let [clean] = args.prompts.as_slice() else {
        return Err(Failure::Usage("beside --corrupted give one prompt, the clean one".to_owned()));
    };
    let settings = PairSettings {
        sites: vec![site.into()],
        per: Vec::new(),
        positions: positions(&args.positions)?,
        top_k: args.top_k,
        ..PairSettings::default()
    };
    let (clean, corrupted) = (clean.clone(), vec![corrupted.to_owned()]);
    let pair = Pair { name: "0".to_owned(), clean, corrupted, ..Pair::default() };
    let pairs = Pairs::new(model, settings, vec![pair])?;
    let part = pairs.patch(0, execution, &mut silent)?;
    let top = part.cases.first().and_then(CaseRecord::pair).map(|record| record.top);
    let top = top.unwrap_or_default();
    let name = |run: &TopTokens| match run.run.as_str() {
        "cell" => format!("{site} patched"),
        run => run.to_owned(),
    };
    let mut rows = vec![top.iter().flat_map(|run| [name(run), String::new()]).collect::<Vec<_>>()];
    for place in 0..args.top_k {
        let token = |run: &TopTokens| match run.tokens.get(place) {
            Some(t) => [format!("'{}'", visible(&t.text)), format!("{:.4}", t.prob)],
            None => [String::new(), String::new()],
        };
        rows.push(top.iter().flat_map(token).collect());
    }
    rows.retain(|row| row.iter().any(|word| !word.is_empty()));
    console.answer(&table(&rows))?;
    console.json(&json!({ "model": model.name, "runs": top }))?;
    Ok(ExitCode::SUCCESS)
}
