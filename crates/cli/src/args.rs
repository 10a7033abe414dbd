//! The flags.

use std::path::PathBuf;

use clap::{Args as ClapArgs, Parser, Subcommand};

use crate::session::Session;

/// Activation patching and causal tracing for transformer language models.
#[derive(Debug, Parser)]
#[command(version)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Command,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
    #[command(flatten)]
    pub(crate) session: Session,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Traces where a model keeps a fact: ROME's causal tracing (noise on the subject, restore)
    Trace(Box<TraceArgs>),
    /// Patches between two prompts: what of one run, copied into the other, moves its answer
    Pair(Box<PairArgs>),
    /// Shows what a trace or a pair would compute and what that saves; needs no weights
    #[command(subcommand)]
    Plan(Plan),
    /// Shows the most likely next tokens of prompts, and the tokens as they were fed
    Predict(PredictArgs),
    /// Lists every site of a model, with all its names and shapes
    Sites,
    /// Lists the models at hand: the built-in one and those in the local hub cache
    Models,
    /// Shows devices, threads and memory, and tests each device
    Doctor,
}

/// The command that is planned, with its own flags.
#[derive(Debug, Subcommand)]
pub(crate) enum Plan {
    /// The plan of `tracewright trace` with the same flags
    Trace(Box<TraceArgs>),
    /// The plan of `tracewright pair` with the same flags
    Pair(Box<PairArgs>),
}

#[derive(Debug, ClapArgs)]
pub(crate) struct OutputArgs {
    /// Print one JSON document on standard output, everything else on standard error
    #[arg(long, global = true, help_heading = "Common options")]
    pub(crate) json: bool,
    /// Print the findings and nothing else: no progress, heatmaps and explanations
    #[arg(long, short, global = true, help_heading = "Common options")]
    pub(crate) quiet: bool,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct TraceArgs {
    /// The prompt, which the answer completes [default: a fact of the built-in model]
    #[arg(long, requires = "subject")]
    pub(crate) prompt: Option<String>,
    /// What the prompt is about; a part of it
    #[arg(long, requires = "prompt")]
    pub(crate) subject: Option<String>,
    /// The answer that is measured [default: what the model says]
    #[arg(long, requires = "prompt")]
    pub(crate) answer: Option<String>,
    /// Trace the facts of a file in the format of ROME's known_1000.json; beside --prompt, only
    /// the noise level is taken from its subjects
    #[arg(long, value_name = "FILE")]
    pub(crate) facts: Option<PathBuf>,
    /// Only the facts with these ids
    #[arg(
        long,
        value_delimiter = ',',
        value_parser = id,
        requires = "facts",
        conflicts_with = "prompt"
    )]
    pub(crate) ids: Vec<u64>,
    /// Only the first N facts
    #[arg(long, value_name = "N", requires = "facts", conflicts_with_all = ["prompt", "ids"])]
    pub(crate) limit: Option<usize>,
    /// What is restored: hidden states, or a window of MLP or attention outputs
    #[arg(long, value_delimiter = ',', default_value = "hidden,mlp,attn")]
    pub(crate) kind: Vec<String>,
    /// Layers that are restored together, for MLP and attention
    #[arg(long, value_name = "LAYERS", default_value_t = 10)]
    pub(crate) window: usize,
    /// Corrupted runs, each with its own noise
    #[arg(long, value_name = "N", default_value_t = 10)]
    pub(crate) samples: usize,
    /// Noise: s<k> (k deviations of the subjects' embeddings), a number, u<x> (uniform),
    /// m (normal with a text's moments) or t<v> (Student)
    #[arg(long, value_name = "RULE", default_value = "s3", allow_negative_numbers = true)]
    pub(crate) noise: String,
    /// The text whose embeddings m and t take their statistics from
    #[arg(long, value_name = "FILE")]
    pub(crate) noise_text: Option<PathBuf>,
    /// Let the noise replace the subject's embeddings instead of being added
    #[arg(long)]
    pub(crate) replace: bool,
    /// The seed of the noise
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u32,
    /// Also sever MLPs or attention: restore each layer's state at the last subject token while all
    /// outputs of the module there are held at their corrupted values
    #[arg(long, value_name = "mlp|attn", value_delimiter = ',')]
    pub(crate) sever: Vec<String>,
    /// Noise of the severed runs: that of the run whose values are held, or ROME's next draw
    #[arg(long, value_name = "same|rome", default_value = "same", requires = "sever")]
    pub(crate) sever_noise: String,
    /// The results folder; the same command goes on where it was [default: runs/trace-…, named
    /// after what is asked]
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct PairArgs {
    /// The clean prompt, which the answer completes [default: two built-in pairs]
    #[arg(long, value_name = "PROMPT", requires = "corrupted")]
    pub(crate) clean: Option<String>,
    /// The corrupted prompt: as many tokens, another answer
    #[arg(long, value_name = "PROMPT", requires = "clean")]
    pub(crate) corrupted: Option<String>,
    /// What the clean prompt is about; a part of it [default: where the prompts differ]
    #[arg(long, requires = "clean")]
    pub(crate) subject: Option<String>,
    /// The answer that is measured [default: what the clean run says]
    #[arg(long, requires = "clean")]
    pub(crate) answer: Option<String>,
    /// The answer's counterpart in logit-diff [default: what the corrupted run says]
    #[arg(long, requires = "clean")]
    pub(crate) distractor: Option<String>,
    /// What is copied: any site that `tracewright sites` lists, without its layer (resid_post, z,
    /// pattern, …) or with it (mlp_post@3)
    #[arg(long, value_name = "SITES", value_delimiter = ',', default_value = "resid_post")]
    pub(crate) site: Vec<String>,
    /// The axes: layer, position, head, neuron, src_position
    #[arg(long, value_name = "AXES", value_delimiter = ',', default_value = "layer,position")]
    pub(crate) per: Vec<String>,
    /// Which positions: all, each, subject, subject-last, last, a range such as 3-5 or a number
    /// [default: each where position is an axis, otherwise all]
    #[arg(long, value_delimiter = ',')]
    pub(crate) positions: Option<Vec<String>>,
    /// Layers around a cell's that are patched together
    #[arg(long, value_name = "LAYERS", default_value_t = 1)]
    pub(crate) window: usize,
    /// What is measured: prob, logprob, logit, logit-diff, kl, rank, entropy, l2, mse, cosine
    /// [default: kl, or logit-diff where an answer and a distractor are given]
    #[arg(long, value_name = "METRICS", value_delimiter = ',')]
    pub(crate) metric: Option<Vec<String>>,
    /// Which way values are copied: clean ones into the corrupted run, or corrupted ones into the
    /// clean run
    #[arg(long, value_name = "denoise|noise", default_value = "denoise")]
    pub(crate) direction: String,
    /// Patch paths: only these read what senders send, all of them together (q@6.5, k@7, v@7.3,
    /// mlp_in@8, attn_in@8, resid_post@9, logits); corrupted values go into the clean run, and
    /// --positions are the senders' (use --sender instead of --site and --per)
    #[arg(
        long,
        value_name = "RECEIVERS",
        value_delimiter = ',',
        conflicts_with_all = ["site", "per", "direction", "window"]
    )]
    pub(crate) receiver: Option<Vec<String>>,
    /// Who sends, a cell for each: z (heads), mlp_out, embed
    #[arg(
        long,
        value_name = "SENDERS",
        value_delimiter = ',',
        default_value = "z",
        requires = "receiver"
    )]
    pub(crate) sender: Vec<String>,
    /// Hold MLPs at the clean run's outputs, so that only direct paths are left
    #[arg(long, value_name = "mlp", value_parser = ["mlp"], requires = "receiver")]
    pub(crate) freeze: Option<String>,
    /// The results folder; the same command goes on where it was [default: runs/pair-…, named
    /// after what is asked]
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct PredictArgs {
    /// The prompts
    #[arg(required = true)]
    pub(crate) prompts: Vec<String>,
    /// How many tokens to show
    #[arg(long, value_name = "N", default_value_t = 5)]
    pub(crate) top_k: usize,
}

fn id(given: &str) -> Result<u64, &'static str> {
    given.parse().map_err(|_| "give whole numbers with commas between them, such as 29,30,31")
}
