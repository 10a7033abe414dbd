//! From the flags of `tracewright pair` to an experiment.

use std::str::FromStr;

use tracewright_ir::Direction;
use tracewright_sweep::{
    By, Corruption, MeanOf, Pair, PairFile, PairSettings, Paths, Per, Positions, SweepError, Target,
};

use crate::args::{CorruptionArgs, PairArgs, PatchArgs};
use crate::error::Failure;

/// What the flags ask for.
pub(crate) fn file(args: &PairArgs, model: Option<String>) -> Result<PairFile, Failure> {
    Ok(PairFile {
        model,
        settings: settings(args)?,
        pairs: args.prompts.pairs.clone(),
        limit: args.prompts.limit,
        skip_bad: args.prompts.skip_bad,
        cases: case(args).into_iter().collect(),
        ..PairFile::default()
    })
}

fn case(args: &PairArgs) -> Option<Pair> {
    let prompts = &args.prompts;
    Some(Pair {
        name: "0".to_owned(),
        clean: prompts.clean.clone()?,
        corrupted: prompts.corrupted.clone(),
        subject: prompts.subject.clone(),
        answer: prompts.answer.clone(),
        distractor: prompts.distractor.clone(),
        group: args.patch.group.clone(),
        ..Pair::default()
    })
}

fn settings(args: &PairArgs) -> Result<PairSettings, Failure> {
    let PairArgs { prompts, corruption, patch, measure, paths, .. } = args;
    let other_prompts = prompts.clean.is_none() || !prompts.corrupted.is_empty();
    let corruption = self::corruption(corruption, other_prompts)?;
    let receivers: Vec<_> = parsed(&paths.receiver)?;
    let patches_paths = !receivers.is_empty();
    // A sender has the axes that it has.
    let per = if patches_paths { vec![Per::Layer, Per::Head] } else { axes(&patch.per)? };
    let sites = if patches_paths { &paths.sender } else { &patch.site };
    let direction = match &patch.direction {
        Some(direction) => PairSettings::direction(direction)?,
        None if patches_paths || corruption.by == By::None => Direction::Noise,
        None => Direction::Denoise,
    };
    Ok(PairSettings {
        sites: targets(sites),
        per,
        positions: parsed(&patch.positions)?,
        layers: optional(&patch.layers)?,
        heads: optional(&patch.heads)?,
        neurons: optional(&patch.neurons)?,
        src_positions: optional(&patch.keys)?,
        except: targets(&patch.except),
        window: patch.window,
        change: patch.change.parse()?,
        mean: mean(patch)?,
        metrics: parsed(&measure.metric)?,
        metric_at: parsed(&measure.at)?,
        metric_mean: measure.at_mean,
        answer_tokens: optional(&measure.answer_tokens)?,
        top_k: measure.top_k,
        read: targets(&measure.read),
        direction,
        align: prompts.align.parse()?,
        corruptions: vec![corruption],
        runs: Vec::new(),
        base: None,
        source: None,
        paths: patches_paths.then_some(Paths {
            receivers,
            freeze_mlp: paths.freeze.is_some(),
            by_group: paths.by_group,
        }),
    })
}

fn corruption(args: &CorruptionArgs, other_prompts: bool) -> Result<Corruption, Failure> {
    let by = match (&args.noise, &args.corrupt) {
        (Some(_), _) => By::Noise,
        (None, Some(word)) => {
            By::ALL.into_iter().find(|by| by.name() == word).ok_or_else(|| {
                let known = By::ALL.map(By::name).join(", ");
                Failure::Usage(format!("there is no corruption '{word}': give {known}"))
            })?
        }
        (None, None) if other_prompts => By::Prompt,
        (None, None) => By::None,
    };
    let default = Corruption::default();
    let sampled = matches!(by, By::Noise | By::Resample);
    Ok(Corruption {
        by,
        on: optional(&args.on)?,
        noise: match &args.noise {
            Some(rule) => rule.parse().map_err(SweepError::from)?,
            None => default.noise.clone(),
        },
        noise_text: args.noise_text.clone(),
        replace: args.replace,
        samples: if sampled { args.samples } else { default.samples },
        seed: if sampled { args.seed } else { default.seed },
        from: args.from.clone(),
        name: None,
    })
}

fn mean(args: &PatchArgs) -> Result<Option<MeanOf>, Failure> {
    let Some(from) = args.mean_from.clone() else { return Ok(None) };
    Ok(Some(MeanOf { from, by: args.mean_by.parse()?, bos: args.mean_bos }))
}

fn axes(words: &[String]) -> Result<Vec<Per>, SweepError> {
    match words {
        [none] if none == "none" => Ok(Vec::new()),
        words => parsed(words),
    }
}

/// Positions of several selections.
pub(crate) fn positions(words: &[String]) -> Result<Vec<Positions>, SweepError> {
    parsed(words)
}

fn targets(names: &[String]) -> Vec<Target> {
    names.iter().map(|name| name.as_str().into()).collect()
}

fn parsed<T: FromStr<Err = SweepError>>(words: &[String]) -> Result<Vec<T>, SweepError> {
    words.iter().map(|word| word.parse()).collect()
}

fn optional<T: FromStr<Err = SweepError>>(word: &Option<String>) -> Result<Option<T>, SweepError> {
    word.as_ref().map(|word| word.parse()).transpose()
}
