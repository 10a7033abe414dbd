//! The flags.

use std::path::PathBuf;

use clap::{ArgGroup, Args as ClapArgs, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use tracewright_report::{Colors, Format};
use tracewright_sweep::{Shard, SweepError};

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
    /// Runs a whole experiment from a TOML or JSON file (`--print` of trace and pair writes one)
    Sweep(SweepArgs),
    /// Shows what a trace or a pair would compute and what that saves; needs no weights
    #[command(subcommand)]
    Plan(Plan),
    /// Averages over the cases of a results folder, by any column, or against another folder's, and their figures
    Report(ReportArgs),
    /// Writes a dataset of a task of the literature, made for a model's tokenizer, as JSON lines
    Dataset(DatasetArgs),
    /// Joins the folders of a sweep's shards (`--shard`) to what the sweep by itself would have made
    Merge(MergeArgs),
    /// Shows the most likely next tokens of prompts, and the tokens as they were fed
    Predict(PredictArgs),
    /// Lists every site of a model, with all its names and shapes
    Sites,
    /// Lists the models at hand: the built-in one and those in the local hub cache
    Models,
    /// Shows devices, threads and memory, and tests each device
    Doctor,
    /// Prints what a shell needs to complete commands and flags
    Completions(CompletionsArgs),
    /// Prints a manual page, in the format of `man`
    Man(ManArgs),
}

/// The command that is planned, with its own flags.
#[derive(Debug, Subcommand)]
pub(crate) enum Plan {
    /// The plan of `tracewright trace` with the same flags
    Trace(Box<TraceArgs>),
    /// The plan of `tracewright pair` with the same flags
    Pair(Box<PairArgs>),
    /// The plan of `tracewright sweep` with the same file
    Sweep(SweepArgs),
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
    /// Trace the facts of a file: ROME's known_1000.json or CounterFact, as JSON, JSONL, CSV, TSV or Parquet;
    /// beside --prompt, only the noise level is taken from its subjects
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
    /// Go on without facts that can't be used
    #[arg(long, requires = "facts")]
    pub(crate) skip_bad: bool,
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
    /// Print the sweep file that asks for the same, and compute nothing
    #[arg(long)]
    pub(crate) print: bool,
    #[command(flatten)]
    pub(crate) folder: FolderArgs,
}

/// Where results go.
#[derive(Debug, ClapArgs)]
#[command(next_help_heading = "Output")]
pub(crate) struct FolderArgs {
    /// The results folder; the same command goes on where it was [default: a folder in runs/, named
    /// after what is asked]
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    /// Compute one of several shares of the work, such as 2/4, into a folder of its own; `tracewright merge` joins
    /// them
    #[arg(long, value_name = "I/N")]
    pub(crate) shard: Option<String>,
}

impl FolderArgs {
    /// The share that is asked for, or everything.
    pub(crate) fn shard(&self) -> Result<Shard, SweepError> {
        self.shard.as_deref().map_or(Ok(Shard::WHOLE), str::parse)
    }
}

#[derive(Debug, ClapArgs)]
pub(crate) struct PairArgs {
    #[command(flatten)]
    pub(crate) prompts: PairPrompts,
    #[command(flatten)]
    pub(crate) corruption: CorruptionArgs,
    #[command(flatten)]
    pub(crate) patch: PatchArgs,
    #[command(flatten)]
    pub(crate) measure: MeasureArgs,
    #[command(flatten)]
    pub(crate) paths: PathArgs,
    /// Patch every model in the local hub cache in turn, and list those that can't run with the reason
    #[arg(long, help_heading = "Output", conflicts_with = "print")]
    pub(crate) all_cached: bool,
    /// Print the sweep file that asks for the same, and compute nothing
    #[arg(long, help_heading = "Output")]
    pub(crate) print: bool,
    /// Draw heatmaps from white to purple, clipped to 0…1
    #[arg(long, help_heading = "Output")]
    pub(crate) clip: bool,
    #[command(flatten)]
    pub(crate) folder: FolderArgs,
}

#[derive(Debug, ClapArgs)]
#[command(next_help_heading = "Prompts", group(ArgGroup::new("prompts").args(["clean", "pairs"])))]
pub(crate) struct PairPrompts {
    /// The clean prompt, which the answer completes [default: two built-in pairs]
    #[arg(long, value_name = "PROMPT")]
    pub(crate) clean: Option<String>,
    /// Patch the pairs of a file: records with clean, corrupted, and perhaps name, subject, answer, distractor and
    /// group, as JSON, JSONL, CSV, TSV or Parquet
    #[arg(long, value_name = "FILE", conflicts_with = "clean")]
    pub(crate) pairs: Option<PathBuf>,
    /// Only the first N pairs
    #[arg(long, value_name = "N", requires = "pairs")]
    pub(crate) limit: Option<usize>,
    /// Go on without pairs that can't be used
    #[arg(long, requires = "pairs")]
    pub(crate) skip_bad: bool,
    /// The corrupted prompt: as many tokens, another answer. Given several times, the first that has as
    /// many tokens is taken
    #[arg(long, value_name = "PROMPT", requires = "clean")]
    pub(crate) corrupted: Vec<String>,
    /// What the clean prompt is about; a part of it [default: where the prompts differ]
    #[arg(long, requires = "clean")]
    pub(crate) subject: Option<String>,
    /// The answer that is measured; several times for several [default: what the clean run says]
    #[arg(long, requires = "clean")]
    pub(crate) answer: Vec<String>,
    /// The answer's counterpart in logit-diff; several times for several [default: what the corrupted
    /// run says]
    #[arg(long, requires = "clean")]
    pub(crate) distractor: Vec<String>,
    /// How positions correspond where the prompts have different lengths: from the subject's both
    /// ends, from the first token, or from the last
    #[arg(long, value_name = "none|subject|left|right", default_value = "none")]
    pub(crate) align: String,
}

#[derive(Debug, ClapArgs)]
#[command(next_help_heading = "Corruption")]
pub(crate) struct CorruptionArgs {
    /// Noise on the subject in place of a corrupted prompt: s<k>, a number, u<x>, m or t<v>, as for
    /// `tracewright trace`
    #[arg(
        long,
        value_name = "RULE",
        requires = "prompts",
        conflicts_with_all = ["corrupted", "corrupt"],
        allow_negative_numbers = true
    )]
    pub(crate) noise: Option<String>,
    /// What else corrupts the clean prompt: prompt (the corrupted one), zero or mean (embeddings),
    /// resample (other prompts of a dataset), none (ablations and steering) [default: prompt, or none
    /// where there is no other prompt]
    #[arg(long, value_name = "KIND", requires = "prompts")]
    pub(crate) corrupt: Option<String>,
    /// Where embeddings are corrupted or tokens substituted: subject, all, 3-5, …
    /// [default: subject; for prompts all]
    #[arg(long, value_name = "POSITIONS")]
    pub(crate) on: Option<String>,
    /// The dataset that prompts are resampled from, or whose mean embedding is taken
    #[arg(long, value_name = "FILE", requires = "corrupt")]
    pub(crate) from: Option<PathBuf>,
    /// Corrupted runs of noise, or of resampled prompts
    #[arg(long, value_name = "N", default_value_t = 10)]
    pub(crate) samples: usize,
    /// The seed of the noise, or of the choice of prompts
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u32,
    /// The text whose embeddings m and t take their statistics from
    #[arg(long, value_name = "FILE", requires = "noise")]
    pub(crate) noise_text: Option<PathBuf>,
    /// Let the noise replace the embeddings instead of being added
    #[arg(long, requires = "noise")]
    pub(crate) replace: bool,
}

#[derive(Debug, ClapArgs)]
#[command(next_help_heading = "What is patched")]
pub(crate) struct PatchArgs {
    /// The sites: any that `tracewright sites` lists, without its layer (resid_post, z, pattern, …) or
    /// with it (mlp_post@3), or a single head (z@9.6); joined with + they are patched together
    #[arg(long, value_name = "SITES", value_delimiter = ',', default_value = "resid_post")]
    pub(crate) site: Vec<String>,
    /// The axes: layer, position, head, neuron, src_position; none for a single cell
    #[arg(long, value_name = "AXES", value_delimiter = ',', default_value = "layer,position")]
    pub(crate) per: Vec<String>,
    /// Which positions: all, each, subject, subject-last, last, last-1, a range such as 3-5 or
    /// 3:last-1, a number, a role such as further, or all others: 'not subject'
    /// [default: each where position is an axis, otherwise all]
    #[arg(long, value_delimiter = ',')]
    pub(crate) positions: Vec<String>,
    /// Which layers: 3, 0-5,8 or 'not 0-2' [default: all]
    #[arg(long, value_name = "INDICES")]
    pub(crate) layers: Option<String>,
    /// Which heads [default: all]
    #[arg(long, value_name = "INDICES")]
    pub(crate) heads: Option<String>,
    /// Which neurons [default: all]
    #[arg(long, value_name = "INDICES")]
    pub(crate) neurons: Option<String>,
    /// Which keys of scores and patterns [default: all]
    #[arg(long, value_name = "INDICES")]
    pub(crate) keys: Option<String>,
    /// What is left alone of all that: with --per none --except z@9.6,z@9.9 all heads but these
    #[arg(long, value_name = "SITES", value_delimiter = ',')]
    pub(crate) except: Vec<String>,
    /// Layers around a cell's that are patched together
    #[arg(long, value_name = "LAYERS", default_value_t = 1)]
    pub(crate) window: usize,
    /// What is done there: copy, interpolate=0.5, plus, zero, mean, constant=0.5, scale=2, and with an array
    /// of an npz or safetensors file set=FILE:KEY, add=FILE:KEY, add=-2*FILE:KEY,
    /// project-out=FILE:KEY, project-in=FILE:KEY, along=FILE:KEY
    #[arg(long, value_name = "CHANGE", default_value = "copy")]
    pub(crate) change: String,
    /// The prompts whose mean the change mean takes: lines of a text, or JSON records with prompt,
    /// subject and group
    #[arg(long, value_name = "FILE")]
    pub(crate) mean_from: Option<PathBuf>,
    /// What has a mean of its own: token (nothing: one over all tokens), position, role or group
    #[arg(long, value_name = "WHAT", default_value = "token", requires = "mean_from")]
    pub(crate) mean_by: String,
    /// Let the token that the tokenizer puts before every prompt count
    #[arg(long, requires = "mean_from")]
    pub(crate) mean_bos: bool,
    /// The dataset's group that the prompt belongs to
    #[arg(long, value_name = "NAME", requires = "mean_from")]
    pub(crate) group: Option<String>,
    /// Which way values are copied: clean ones into the corrupted run, or corrupted ones into the
    /// clean run [default: denoise; noise where nothing is corrupted]
    #[arg(long, value_name = "denoise|noise")]
    pub(crate) direction: Option<String>,
}

#[derive(Debug, ClapArgs)]
#[command(next_help_heading = "What is measured")]
pub(crate) struct MeasureArgs {
    /// The metrics: prob, logprob, logit, logit-diff, kl, rank, topk-acc, entropy, l2, mse, cosine
    /// [default: kl, or logit-diff where an answer and a distractor are given]
    #[arg(long, value_name = "METRICS", value_delimiter = ',')]
    pub(crate) metric: Vec<String>,
    /// The positions that metrics are read at, each by itself [default: last]
    #[arg(long, value_name = "POSITIONS", value_delimiter = ',')]
    pub(crate) at: Vec<String>,
    /// Take the mean over these positions
    #[arg(long, requires = "at")]
    pub(crate) at_mean: bool,
    /// What to do with an answer of several tokens: the first stands for it, or their probabilities
    /// multiply
    #[arg(long, value_name = "first|product", requires = "prompts")]
    pub(crate) answer_tokens: Option<String>,
    /// Store the N likeliest tokens of every run; topk-acc counts these as the top [its default: 5]
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true)]
    pub(crate) top_k: usize,
    /// Store these sites' values of every run in cases/NAME_readings.npz
    #[arg(long, value_name = "SITES", value_delimiter = ',')]
    pub(crate) read: Vec<String>,
}

#[derive(Debug, ClapArgs)]
#[command(next_help_heading = "Path patching")]
pub(crate) struct PathArgs {
    /// Patch paths: only these read what senders send, all of them together (q@6.5, k@7, v@7.3,
    /// mlp_in@8, attn_in@8, resid_post@9, logits); corrupted values go into the clean run, and
    /// --positions are the senders' (use --sender instead of --site and --per)
    #[arg(
        long,
        value_name = "RECEIVERS",
        value_delimiter = ',',
        conflicts_with_all = ["site", "per", "direction", "window", "change"]
    )]
    pub(crate) receiver: Vec<String>,
    /// Who sends, a cell for each: z (heads), z@9.6, mlp_out, embed; joined with + they send together
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
    /// Let a receiver's changed keys and values be seen by its whole group of query heads, where heads share
    /// them: k@7.1 is a key/value head then, otherwise a query head that alone sees them
    #[arg(long, requires = "receiver")]
    pub(crate) by_group: bool,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct SweepArgs {
    /// The experiment: a TOML file, a JSON file with a name that ends in .json, or the run.json of a results
    /// folder, which is run again
    #[arg(required_unless_present = "schema")]
    pub(crate) file: Option<PathBuf>,
    /// Draw heatmaps of pairs from white to purple, clipped to 0…1
    #[arg(long)]
    pub(crate) clip: bool,
    /// Print the JSON schema of sweep files, and compute nothing
    #[arg(long)]
    pub(crate) schema: bool,
    #[command(flatten)]
    pub(crate) folder: FolderArgs,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct ReportArgs {
    /// The results folder
    #[arg(value_name = "DIR")]
    pub(crate) folder: PathBuf,
    /// Average cells that agree in these columns of cells.parquet or of the dataset: role,layer or
    /// relation_id,kind, …
    #[arg(long, value_name = "COLUMNS", value_delimiter = ',')]
    pub(crate) by: Vec<String>,
    /// Compare with this folder, case by case and cell by cell [default columns: those of averages.parquet]
    #[arg(long, value_name = "DIR")]
    pub(crate) against: Option<PathBuf>,
    /// What figures are written as: png, svg
    #[arg(
        long,
        value_name = "FORMATS",
        value_delimiter = ',',
        default_values = ["png", "svg"],
        help_heading = "Figures"
    )]
    pub(crate) format: Vec<Format>,
    /// Heatmaps with layers down and tokens across
    #[arg(long, help_heading = "Figures")]
    pub(crate) transpose: bool,
    /// Colours: the published figures' (paper), or ones for every kind of colour vision (safe)
    #[arg(long, value_name = "paper|safe", default_value = "paper", help_heading = "Figures")]
    pub(crate) colors: Colors,
    /// Draw the figures of these cases again, in these formats and colours
    #[arg(long, value_name = "CASES", value_delimiter = ',', help_heading = "Figures")]
    pub(crate) cases: Vec<String>,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct CompletionsArgs {
    /// The shell
    #[arg(value_enum)]
    pub(crate) shell: Shell,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct ManArgs {
    /// The command, such as trace or plan trace [default: the program]
    #[arg(value_name = "COMMAND")]
    pub(crate) command: Vec<String>,
    /// Write the pages of the program and of all commands into this folder
    #[arg(long, value_name = "DIR", conflicts_with = "command")]
    pub(crate) out: Option<PathBuf>,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct DatasetArgs {
    /// The task
    #[arg(value_enum)]
    pub(crate) task: Task,
    /// How many records
    #[arg(long, short, default_value_t = 100, value_parser = at_least_one)]
    pub(crate) n: usize,
    /// The seed: the first records of a seed are the same however many there are
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// Induction: the tokens of the random sequence
    #[arg(long, value_name = "TOKENS", default_value_t = 16)]
    pub(crate) length: usize,
    /// Induction: how many of them are shown again
    #[arg(long, value_name = "TOKENS", default_value_t = 8)]
    pub(crate) shown: usize,
    /// The file [default: standard output]
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
}

/// The tasks that datasets are generated for.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Task {
    /// Indirect object identification, ABBA and BABA; in the corrupted prompt the names are swapped
    Ioi,
    /// The same; in the corrupted prompt there are three other names
    IoiAbc,
    /// Prompts with three names alone, in the same template groups, for means
    AbcPrompts,
    /// Repeated random tokens, for induction heads; corrupted is the token that is the answer
    Induction,
    /// The same; corrupted is the whole random sequence
    InductionRandom,
    /// Which of three people has a profession in common with another
    Similarity,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct MergeArgs {
    /// The folders of all shards
    #[arg(required = true, value_name = "SHARD")]
    pub(crate) shards: Vec<PathBuf>,
    /// The folder of the whole sweep
    #[arg(long, value_name = "DIR")]
    pub(crate) out: PathBuf,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct PredictArgs {
    /// The prompts
    #[arg(required = true)]
    pub(crate) prompts: Vec<String>,
    /// Also patch this prompt's run with the first one's values, and show the three side by side
    #[arg(long, value_name = "PROMPT", requires = "site")]
    pub(crate) corrupted: Option<String>,
    /// What is copied into the corrupted run, as for `tracewright pair`: resid_post@5, z@9.6+z@9.9
    #[arg(long, value_name = "SITES", requires = "corrupted")]
    pub(crate) site: Option<String>,
    /// At which positions
    #[arg(long, value_delimiter = ',', requires = "corrupted")]
    pub(crate) positions: Vec<String>,
    /// How many tokens to show
    #[arg(long, value_name = "N", default_value_t = 5)]
    pub(crate) top_k: usize,
}

fn at_least_one(given: &str) -> Result<usize, &'static str> {
    given.parse().ok().filter(|n| *n > 0).ok_or("give a whole number from 1 on")
}

fn id(given: &str) -> Result<u64, &'static str> {
    given.parse().map_err(|_| "give whole numbers with commas between them, such as 29,30,31")
}
