//! Everything that a pair's settings can say, on the built-in model.

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use tracewright_engine::{Execution, Executor, silent};
use tracewright_ir::{Component, Locus, Run, RunId, Site, Sweep};
use tracewright_models::{Checkpoint, DeviceName, Model};
use tracewright_results::{Array, Part, Row, write_npz};
use tracewright_sweep::{
    Align, AnswerTokens, By, Corruption, Grouping, MeanOf, NamedChange, NamedRun, Pair, PairMetric,
    PairSettings, Pairs, Per, Settings, Target, resolve_noise, trace,
};

static MODEL: LazyLock<Model> = LazyLock::new(|| {
    let checkpoint = Checkpoint::built_in().expect("the built-in model");
    checkpoint.load(DeviceName::Cpu).expect("a model")
});

const NEEDLE: &str = "The Space Needle is in downtown";

fn settings() -> PairSettings {
    PairSettings::default()
}

/// France and Poland: five tokens, of which the fourth differs.
fn capitals() -> Pair {
    Pair::built_in().swap_remove(0)
}

fn needle() -> Pair {
    let subject = Some("The Space Needle".to_owned());
    Pair { clean: NEEDLE.to_owned(), subject, ..Pair::default() }
}

fn targets(names: &[&str]) -> Vec<Target> {
    names.iter().map(|name| (*name).into()).collect()
}

fn by(by: By) -> Vec<Corruption> {
    vec![Corruption { by, ..Corruption::default() }]
}

fn pairs(settings: &PairSettings, pair: Pair) -> Pairs<'static> {
    Pairs::new(&MODEL, settings.clone(), vec![pair]).expect("it can be patched")
}

fn refused(settings: PairSettings, pair: Pair) -> String {
    Pairs::new(&MODEL, settings, vec![pair]).expect_err("refused").to_string()
}

/// What both executors find, which must be the same.
fn part(settings: &PairSettings, pair: Pair) -> Part {
    let pairs = pairs(settings, pair);
    let by = |executor| {
        let execution = Execution { executor, ..Execution::default() };
        pairs.patch(0, &execution, &mut silent).expect("it is patched")
    };
    let [lockstep, reference] = [Executor::Lockstep, Executor::Reference].map(by);
    for (ours, theirs) in lockstep.rows.iter().zip(&reference.rows) {
        let close = |a: f64, b: f64| (a - b).abs() <= 2e-4 * (1.0 + b.abs());
        let same = match (ours.value, theirs.value) {
            (Some(ours), Some(theirs)) => close(ours, theirs),
            (ours, theirs) => ours == theirs,
        };
        assert!(same, "{ours:?}\n{theirs:?}");
    }
    lockstep
}

fn rows(settings: &PairSettings, pair: Pair) -> Vec<Row> {
    part(settings, pair).rows
}

/// What each cell's run changes.
fn changes(settings: &PairSettings, pair: Pair) -> Vec<String> {
    let sweep: Sweep = pairs(settings, pair).sweep(0).expect("a sweep");
    let of = |run: &RunId| {
        let own = &sweep.request.runs[run.0].interventions;
        own.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
    };
    let cell = |cell: &tracewright_ir::Cell| cell.runs.first().map_or("nothing".to_owned(), of);
    sweep.cells.iter().map(cell).collect()
}

/// One cell of everything that is selected.
fn one_cell(names: &[&str]) -> PairSettings {
    PairSettings { sites: targets(names), per: Vec::new(), ..settings() }
}

#[test]
fn noise_in_place_of_a_prompt_is_romes_trace() {
    let wanted = Settings {
        kinds: vec![tracewright_sweep::Kind::Hidden],
        samples: 3,
        ..Settings::default()
    };
    let facts = tracewright_sweep::Facts::built_in().expect("facts");
    let noise = resolve_noise(&wanted.noise, &MODEL, &facts.subjects(), None).expect("noise");
    let case = tracewright_sweep::Case {
        name: String::new(),
        prompt: NEEDLE.to_owned(),
        subject: "The Space Needle".to_owned(),
        ..tracewright_sweep::Case::default()
    };
    let fed = case.feed(&MODEL.tokenizer).expect("a case");
    let romes = trace(&fed, &MODEL, &wanted, &noise, &Execution::default(), &mut silent);
    let corruptions = vec![Corruption { by: By::Noise, samples: 3, ..Corruption::default() }];
    let metrics = vec![PairMetric::Prob];
    let ours = rows(&PairSettings { corruptions, metrics, ..settings() }, needle());
    let romes = romes.expect("a trace").rows;
    assert_eq!(ours.len(), romes.len());
    for (ours, romes) in ours.iter().zip(&romes) {
        assert_eq!((ours.layer, ours.position), (romes.layer, romes.position));
        assert_eq!((ours.value, ours.std, ours.n), (romes.value, romes.std, 3));
        assert_eq!(ours.stderr, ours.std.map(|std| std / 3.0_f64.sqrt()));
        assert!(ours.low <= ours.value && ours.value <= ours.high && ours.low.is_some());
    }
}

#[test]
fn embeddings_are_corrupted_where_it_is_said() {
    for (kind, on, expected) in [
        (By::Zero, None, "embed[position 0,1,2,3,4,5,6] ← 0"),
        (By::Zero, Some("last"), "embed[position 9] ← 0"),
        (By::Mean, Some("not subject"), "embed[position 7,8,9] ← array [3, 192]"),
    ] {
        let on = on.map(|on| on.parse().expect(on));
        let corruptions = vec![Corruption { by: kind, on, ..Corruption::default() }];
        let sweep = pairs(&PairSettings { corruptions, ..settings() }, needle()).sweep(0);
        let sweep = sweep.expect("a sweep");
        let run = &sweep.request.runs[sweep.corrupted[0].0];
        let shown = run.interventions[0].to_string();
        assert_eq!(shown.split(", 192").next(), expected.split(", 192").next(), "{kind:?}");
    }
    let noise = PairSettings { corruptions: by(By::Noise), ..settings() };
    let nowhere = Pair { subject: None, ..needle() };
    insta::assert_snapshot!(refused(noise, nowhere), @"noise-s3 changes the subject's tokens: give --subject, or say where with --on");
}

#[test]
fn a_part_of_the_other_prompts_tokens_is_substituted() {
    let corrupted = vec!["The city of Poland was".to_owned()];
    let pair = |on: &str| {
        let on = Some(on.parse().expect(on));
        let corruptions = vec![Corruption { on, ..Corruption::default() }];
        let clean = "The capital of France is".to_owned();
        let pair = Pair { clean, corrupted: corrupted.clone(), ..Pair::default() };
        part(&PairSettings { corruptions, per: vec![Per::Layer], ..settings() }, pair)
    };
    let tokens = |part: Part| part.cases[0].pair().expect("a pair").corrupted.tokens.texts.concat();
    assert_eq!(tokens(pair("all")), corrupted[0]);
    assert_eq!(tokens(pair("0:last-2")), "The city of France is");
    assert_eq!(tokens(pair("3")), "The capital of Poland is");
}

#[test]
fn other_prompts_of_a_dataset_are_drawn_with_a_seed() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("prompts.txt");
    let countries = ["Italy", "Japan", "Germany", "Poland"];
    let lines: Vec<String> = countries.map(|c| format!("The capital of {c} is")).into();
    std::fs::write(&path, lines.join("\n") + "\nA longer prompt that doesn't fit")
        .expect("written");
    let drawn = |seed, samples| {
        let from = Some(path.clone());
        let resample =
            Corruption { by: By::Resample, samples, seed, from, ..Corruption::default() };
        PairSettings { corruptions: vec![resample], per: vec![Per::Layer], ..settings() }
    };
    let prompts = |seed| -> Vec<u32> {
        let sweep = pairs(&drawn(seed, 2), capitals()).sweep(0).expect("a sweep");
        sweep
            .corrupted
            .iter()
            .map(|run| sweep.request.tokens(*run).expect("it is there")[3])
            .collect()
    };
    assert_eq!(prompts(1), prompts(1));
    assert!((2..9).any(|seed| prompts(seed) != prompts(1)));
    let found = rows(&drawn(1, 3), capitals());
    assert!(found.iter().all(|row| row.n == 3 && row.std.is_some()));
    assert!(
        refused(drawn(1, 9), capitals()).contains("other prompts of 5 tokens, and 9 samples are")
    );
}

#[test]
fn several_corruptions_are_a_case_each_on_the_same_grid() {
    let mut corruptions = by(By::Zero);
    corruptions.push(Corruption { by: By::Noise, samples: 2, ..Corruption::default() });
    let settings = PairSettings { corruptions, ..settings() };
    let pair = Pair { name: "needle".to_owned(), ..needle() };
    let pairs = Pairs::new(&MODEL, settings, vec![pair]).expect("two cases");
    let names = (0..pairs.len()).map(|case| pairs.fed(case).pair.name.clone());
    assert_eq!(names.collect::<Vec<_>>(), ["needle-zero", "needle-noise-s3"]);
}

#[test]
fn prompts_of_different_lengths_are_patched_where_positions_correspond() {
    let pair = || Pair {
        clean: "The capital of France is".to_owned(),
        corrupted: vec!["The capital of West Germany is".to_owned()],
        ..Pair::default()
    };
    assert!(
        refused(settings(), pair()).contains("the clean prompt has 5 tokens and the corrupted")
    );
    let aligned = |align| PairSettings {
        sites: targets(&["resid_post@3"]),
        per: vec![Per::Position],
        align,
        ..settings()
    };
    let subject_mapping = changes(&aligned(Align::Subject), pair());
    let subject = &subject_mapping;
    let last = "resid_post@3[position 6] ← #0.resid_post@3[position 4]";
    assert_eq!(subject[4], last);
    assert_eq!(changes(&aligned(Align::Right), pair())[4], last);
    assert_eq!(subject[0], "resid_post@3[position 0] ← #0.resid_post@3[position 0]");
    let left = "resid_post@3[position 4] ← #0.resid_post@3[position 4]";
    assert_eq!(changes(&aligned(Align::Left), pair())[4], left);
    // A given subject names positions; which correspond is where the prompts differ.
    for subject in ["France", "capital", "of France"] {
        let pair = Pair { subject: Some(subject.to_owned()), ..pair() };
        assert_eq!(changes(&aligned(Align::Subject), pair), subject_mapping, "{subject}");
    }
    assert!(rows(&aligned(Align::Subject), pair()).iter().all(|row| row.value.is_some()));
    // The last token of the last layer is the whole answer.
    let whole = PairSettings { sites: targets(&["resid_post@11"]), ..aligned(Align::Right) };
    assert!((rows(&whole, pair())[4].recovery.expect("they differ") - 1.0).abs() < 1e-4);
    let cells = PairSettings { sites: targets(&["pattern@3"]), ..aligned(Align::Left) };
    insta::assert_snapshot!(refused(cells, pair()), @"'pattern@3' has a number for each key, so it can't be copied between prompts whose positions differ: give prompts with as many tokens");
}

#[test]
fn heads_layers_positions_and_complements_are_selected() {
    let only = |settings: PairSettings| changes(&settings, capitals());
    let heads = PairSettings {
        heads: Some("0,4-5".parse().expect("heads")),
        layers: Some("2".parse().expect("layers")),
        positions: vec!["last-1:last".parse().expect("positions")],
        ..one_cell(&["z"])
    };
    assert_eq!(only(heads), ["z@2[position 3,4, head 0,4,5] ← #0"]);
    let axis = PairSettings {
        heads: Some("not 1-5".parse().expect("heads")),
        per: vec![Per::Layer, Per::Head],
        ..one_cell(&["z@9"])
    };
    assert_eq!(only(axis), ["z@9[position 0,1,2,3,4, head 0] ← #0"]);
    let circuit = PairSettings {
        except: targets(&["z@1.2", "z@1.3", "z@0"]),
        layers: Some("0-2".parse().expect("layers")),
        positions: vec!["last".parse().expect("positions")],
        ..one_cell(&["z"])
    };
    let expected = "z@1[position 4, head 0,1,4,5] ← #0; z@2[position 4] ← #0";
    assert_eq!(only(circuit), [expected]);
    let together = PairSettings {
        positions: vec!["last".parse().expect("positions")],
        ..one_cell(&["z@9.1+mlp_out@3+resid_post@2"])
    };
    let three =
        "z@9[position 4, head 1] ← #0; mlp_out@3[position 4] ← #0; resid_post@2[position 4] ← #0";
    assert_eq!(only(together.clone()), [three]);
    assert_eq!(rows(&together, capitals()).len(), 1);
    let neurons = PairSettings {
        neurons: Some("0-9".parse().expect("neurons")),
        ..one_cell(&["mlp_post@1"])
    };
    assert!(only(neurons)[0].ends_with("neuron 0,1,2,3,4,5,6,7,8,9] ← #0"));
}

#[test]
fn selections_that_are_not_there_are_refused() {
    let heads = PairSettings { heads: Some("6".parse().expect("heads")), ..one_cell(&["z"]) };
    insta::assert_snapshot!(refused(heads, capitals()), @"the heads 6 aren't there: the model has 6, 0 to 5");
    insta::assert_snapshot!(refused(one_cell(&["z@9.6"]), capitals()), @"the heads 6 aren't there: the model has 6, 0 to 5");
    insta::assert_snapshot!(refused(one_cell(&["resid_post@3.1"]), capitals()), @"the site 'resid_post' has no heads to be patched one by one: leave head out of --per, or give sites that have them with --site (heads: z, q, k, v, pattern; neurons: mlp_post; src_positions: scores, pattern)");
    let mixed = PairSettings { per: vec![Per::Head], ..one_cell(&["z+mlp_out"]) };
    insta::assert_snapshot!(refused(mixed, capitals()), @"the site 'z+mlp_out' has no heads to be patched one by one: leave head out of --per, or give sites that have them with --site (heads: z, q, k, v, pattern; neurons: mlp_post; src_positions: scores, pattern)");
    let mean = PairSettings { change: "mean".parse().expect("a change"), ..one_cell(&["z"]) };
    insta::assert_snapshot!(refused(mean, capitals()), @"the change 'mean' needs a dataset, and only it takes one: give its file (--mean-from for mean, --from for resample)");
    let alone = PairSettings { corruptions: by(By::None), ..one_cell(&["z"]) };
    insta::assert_snapshot!(refused(alone, capitals()), @"nothing is copied from: give a corrupted prompt, noise, or another corruption; or a change that reads no other run, such as zero");
}

/// A folder with a vector for each width.
fn vectors() -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("v.npz");
    let wave = |len: usize| (0..len).map(|i| ((i * i) as f32 * 0.37).sin()).collect::<Vec<_>>();
    let d_model = MODEL.architecture().d_model;
    let d_head = MODEL.architecture().d_head;
    let whole = Array::new(&[d_model], wave(d_model)).expect("an array");
    let head = Array::new(&[d_head], wave(d_head)).expect("an array");
    write_npz(&path, &[("v", whole), ("head", head)]).expect("written");
    let path = path.display().to_string();
    (folder, path)
}

#[test]
fn every_change_gives_the_same_by_both_executors_and_does_something() {
    let (_folder, file) = vectors();
    let changes = [
        "zero",
        "scale=2",
        "interpolate=0.5",
        "plus",
        "set=FILE:v",
        "add=FILE:v",
        "add=-2*FILE:v",
        "project-out=FILE:v",
        "project-in=FILE:v",
        "along=FILE:v",
    ];
    let mut seen: Vec<f64> = Vec::new();
    for change in changes {
        let change = change.replace("FILE", &file).parse().expect(change);
        let settings = PairSettings {
            change,
            positions: vec!["subject".parse().expect("positions")],
            ..one_cell(&["resid_post@4"])
        };
        let value = rows(&settings, capitals())[0].value.expect("a value");
        assert!(!seen.contains(&value), "{:?} does what another change does", settings.change);
        seen.push(value);
    }
    // The next norm would hide a constant in the stream.
    let constant = "constant=0.5".parse().expect("a change");
    let constant = PairSettings { change: constant, ..one_cell(&["z@3"]) };
    assert!(!seen.contains(&rows(&constant, capitals())[0].value.expect("a value")));
    let heads = format!("project-out={file}:head").parse().expect("a change");
    let settings = PairSettings { change: heads, ..one_cell(&["z@3.1"]) };
    assert!(rows(&settings, capitals())[0].value.is_some());
    let wrong = format!("add={file}:head").parse().expect("a change");
    let wrong = refused(PairSettings { change: wrong, ..one_cell(&["mlp_out@3"]) }, capitals());
    assert!(wrong.contains("doesn't fit mlp_out@3"), "{wrong}");
    let missing = format!("add={file}:w").parse().expect("a change");
    let missing = refused(PairSettings { change: missing, ..one_cell(&["mlp_out@3"]) }, capitals());
    assert!(missing.ends_with("has no array 'w': it has v, head"), "{missing}");
}

#[test]
fn holding_a_site_at_its_own_runs_value_changes_nothing() {
    let source = Some("clean".to_owned());
    let settings = PairSettings { base: source.clone(), source, ..settings() };
    for row in rows(&settings, capitals()) {
        assert_eq!(row.value, row.clean);
    }
}

/// Prompts for means, in a file.
fn dataset(folder: &Path) -> PathBuf {
    let path = folder.join("prompts.json");
    let record = |country: &str, group: &str| {
        let prompt = format!("The capital of {country} is");
        serde_json::json!({ "prompt": prompt, "subject": country, "group": group })
    };
    let records = [record("Italy", "a"), record("Japan", "a"), record("Poland", "b")];
    std::fs::write(&path, serde_json::json!(records).to_string()).expect("written");
    path
}

/// The stream above layer 2 of some prompts, one row for each token.
fn streams(prompts: &[&str]) -> Vec<Vec<Vec<f64>>> {
    let mut request = tracewright_ir::Request::default();
    let locus = Locus::at(Site::in_layer(Component::ResidPost, 2));
    for prompt in prompts {
        let ids = MODEL.tokenizer.prompt(prompt).expect("tokens").ids;
        let run = request.push(Run::of_tokens(*prompt, &ids));
        let state = tracewright_ir::State::Left;
        let locus = locus.clone();
        request.readings.push(tracewright_ir::Reading { run, locus, state });
    }
    let how = Execution::default();
    let outcome = tracewright_engine::execute(&MODEL.decoder, &request, &how, &mut silent);
    let width = MODEL.architecture().d_model;
    let rows = |array: &tracewright_ir::Array| {
        array.data.chunks(width).map(<[f64]>::to_vec).collect::<Vec<_>>()
    };
    outcome.expect("readings").readings.iter().map(rows).collect()
}

#[test]
fn means_are_those_of_the_dataset_by_what_they_are_grouped() {
    let folder = tempfile::tempdir().expect("a folder");
    let from = dataset(folder.path());
    let prompts = ["Italy", "Japan", "Poland"].map(|c| format!("The capital of {c} is"));
    let all = streams(&prompts.each_ref().map(String::as_str));
    let mean = |rows: Vec<&Vec<f64>>| -> f64 {
        rows.iter().map(|row| row[7]).sum::<f64>() / rows.len() as f64
    };
    let at_3 = |which: &[usize]| mean(which.iter().map(|prompt| &all[*prompt][3]).collect());
    for (by, expected) in [
        (Grouping::Token, mean(all.iter().flatten().collect())),
        (Grouping::Position, at_3(&[0, 1, 2])),
        (Grouping::Role, at_3(&[0, 1, 2])),
        (Grouping::Group, at_3(&[0, 1])),
    ] {
        let settings = PairSettings {
            change: "mean".parse().expect("a change"),
            mean: Some(MeanOf { from: from.clone(), by, bos: false }),
            positions: vec!["subject".parse().expect("positions")],
            ..one_cell(&["resid_post@2"])
        };
        let pair = Pair { group: Some("a".to_owned()), ..capitals() };
        for _ in 0..2 {
            // Computed, and read from the cache.
            let sweep = pairs(&settings, pair.clone()).sweep(0).expect("a sweep");
            let change = &sweep.request.runs[sweep.cells[0].runs[0].0].interventions[0];
            let tracewright_ir::Operation::Replace(tracewright_ir::Value::Array(array)) =
                &change.operation
            else {
                panic!("a mean is an array")
            };
            assert!((array.data[7] - expected).abs() < 1e-6, "{by:?}");
        }
        assert!(rows(&settings, pair)[0].value.is_some());
    }
    let settings = PairSettings {
        change: "mean".parse().expect("a change"),
        mean: Some(MeanOf { from, by: Grouping::Group, bos: false }),
        ..one_cell(&["z"])
    };
    std::fs::write(folder.path().join("short.txt"), "Rome is in\nThe Space Needle is")
        .expect("written");
    let short =
        MeanOf { from: folder.path().join("short.txt"), by: Grouping::Position, bos: false };
    let short = PairSettings { mean: Some(short), ..settings.clone() };
    assert!(refused(short, capitals()).contains("means by position take prompts with as many"));
    let lost = refused(settings, Pair { group: Some("c".to_owned()), ..capitals() });
    assert!(lost.contains("none of its prompts has the group 'c 0'"), "{lost}");
}

#[test]
fn metrics_are_read_at_several_positions_or_as_their_mean() {
    let at = |mean| PairSettings {
        metrics: vec![PairMetric::Entropy],
        metric_at: vec!["subject".parse().expect("positions"), "last".parse().expect("positions")],
        metric_mean: mean,
        ..one_cell(&["resid_post@0"])
    };
    let [each, mean] = [false, true].map(|mean| rows(&at(mean), capitals()));
    let places: Vec<Option<u32>> = each.iter().map(|row| row.metric_position).collect();
    assert_eq!(places, [Some(3), Some(4)]);
    let sum: f64 = each.iter().filter_map(|row| row.value).sum();
    let [only] = &mean[..] else { panic!("one row") };
    assert!((only.value.expect("a value") - sum / 2.0).abs() < 1e-9);
    assert_eq!(only.metric_position, None);
}

#[test]
fn an_answer_of_several_tokens_is_its_first_one_or_all_of_them() {
    let clean = "The capital of France is".to_owned();
    let corrupted = vec!["The capital of Poland is".to_owned()];
    let pair = |answer: &str| Pair {
        clean: clean.clone(),
        corrupted: corrupted.clone(),
        answer: vec![answer.to_owned()],
        ..Pair::default()
    };
    let settings = |answer_tokens| PairSettings {
        answer_tokens,
        metrics: vec![PairMetric::Prob, PairMetric::Logprob],
        ..one_cell(&["resid_post@5"])
    };
    let several = "Paris, the city of";
    assert!(refused(settings(None), pair(several)).contains("is 5 tokens here"));
    let value = |answer_tokens, answer: &str| -> Vec<f64> {
        let rows = rows(&settings(answer_tokens), pair(answer));
        rows.iter().filter_map(|row| row.value).collect()
    };
    let first = value(Some(AnswerTokens::First), several);
    assert_eq!(first, value(None, "Paris"));
    let product = value(Some(AnswerTokens::Product), several);
    assert!(product[0] < first[0] && (product[0].ln() - product[1]).abs() < 1e-9);
    // One more token at a time: each one's logarithm adds.
    let one = value(Some(AnswerTokens::Product), "Paris");
    assert!((one[1] - first[1]).abs() < 1e-5);
}

#[test]
fn several_answers_and_distractors_are_their_mean_logits() {
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    let value = |answer: &[&str], distractor: &[&str]| {
        let pair = Pair { answer: words(answer), distractor: words(distractor), ..capitals() };
        rows(&one_cell(&["resid_post@5"]), pair)[0].value.expect("a value")
    };
    let both = value(&["Paris", "Rome"], &["Warsaw", "Madrid"]);
    let apart = (value(&["Paris"], &["Warsaw"]) + value(&["Rome"], &["Madrid"])) / 2.0;
    assert!((both - apart).abs() < 1e-4);
}

#[test]
fn the_likeliest_tokens_and_values_of_every_run_are_stored() {
    let settings = PairSettings {
        top_k: 2,
        read: targets(&["pattern@5", "z@3.1"]),
        sites: targets(&["z@1"]),
        per: vec![Per::Head],
        metrics: vec![PairMetric::TopkAcc, PairMetric::Rank],
        ..settings()
    };
    let part = part(&settings, capitals());
    let record = part.cases[0].pair().expect("a pair");
    let runs: Vec<&str> = record.top.iter().map(|top| top.run.as_str()).collect();
    assert_eq!(runs, ["clean", "corrupted", "cell", "cell", "cell", "cell", "cell", "cell"]);
    assert_eq!(record.top[0].tokens[0].text, " Paris");
    assert!(record.top.iter().all(|top| top.tokens.len() == 2));
    assert!(record.top[0].tokens[0].prob > record.top[0].tokens[1].prob);
    let (topk, rank) = part.rows.split_at(6);
    for (topk, rank) in topk.iter().zip(rank) {
        assert_eq!(topk.value == Some(1.0), rank.value < Some(2.0));
    }
    let arrays = &part.readings[0].1;
    let shapes: Vec<(&str, &[usize])> =
        arrays.iter().map(|(name, array)| (name.as_str(), array.shape())).collect();
    let d_head = MODEL.architecture().d_head;
    assert_eq!(
        shapes,
        [
            ("clean.pattern@5", &[6, 5, 5][..]),
            ("corrupted.pattern@5", &[1, 6, 5, 5]),
            ("cells.pattern@5", &[6, 1, 6, 5, 5]),
            ("clean.z@3.1", &[5, 1, d_head]),
            ("corrupted.z@3.1", &[1, 5, 1, d_head]),
            ("cells.z@3.1", &[6, 1, 5, 1, d_head]),
        ]
    );
}

#[test]
fn a_run_can_be_looked_at_without_patching_anything() {
    let settings =
        PairSettings { corruptions: by(By::None), read: targets(&["pattern@5"]), ..settings() };
    let part = part(&settings, Pair { corrupted: Vec::new(), ..capitals() });
    assert!(part.rows.is_empty());
    let names: Vec<&str> = part.readings[0].1.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["clean.pattern@5", "corrupted.pattern@5"]);
}

#[test]
fn any_run_is_a_base_and_any_is_a_source() {
    let change = |site: &str, from: Option<&str>| NamedChange {
        site: site.into(),
        positions: Some("subject".parse().expect("positions")),
        heads: None,
        neurons: None,
        src_positions: None,
        change: tracewright_sweep::Change::Copy,
        from: from.map(str::to_owned),
        from_site: None,
        from_positions: None,
    };
    let third = NamedRun {
        name: "italy".to_owned(),
        prompt: Some("The capital of Italy is".to_owned()),
        ..NamedRun::default()
    };
    let fourth = NamedRun {
        name: "mixed".to_owned(),
        of: Some("corrupted".to_owned()),
        changes: vec![change("mlp_out@0", Some("italy")), change("attn_out", None)],
        ..NamedRun::default()
    };
    let settings = PairSettings {
        runs: vec![third, fourth],
        base: Some("mixed".to_owned()),
        source: Some("italy".to_owned()),
        metrics: vec![PairMetric::Prob],
        ..settings()
    };
    let pair = Pair { answer: vec!["Rome".to_owned()], ..capitals() };
    let found = rows(&settings, pair);
    // The stream at every position in turn; at the last one of the last layer it is Italy's.
    let last = found.last().expect("rows");
    assert!((last.value.expect("a value") - last.source.expect("a value")).abs() < 1e-5);
    assert!(last.source > last.base);
    let unknown = PairSettings { base: Some("spain".to_owned()), ..settings };
    insta::assert_snapshot!(refused(unknown, capitals()), @"there is no run 'spain' before it is named: known are clean, corrupted, italy, mixed");
}

#[test]
fn several_heads_send_together_along_a_path() {
    let paths = tracewright_sweep::Paths {
        receivers: vec!["logits".parse().expect("a receiver")],
        freeze_mlp: false,
        by_group: false,
    };
    let settings = PairSettings {
        sites: targets(&["z@9.1+z@10.2", "z@9.1"]),
        per: vec![Per::Layer, Per::Head],
        direction: tracewright_ir::Direction::Noise,
        paths: Some(paths),
        ..settings()
    };
    let found = rows(&settings, capitals());
    let senders: Vec<Option<&str>> = found.iter().map(|row| row.sender.as_deref()).collect();
    assert_eq!(senders, [Some("z@9.1+z@10.2"), Some("z@9.1")]);
}

#[test]
fn the_order_of_senders_makes_no_difference_and_a_path_ends_where_metrics_read() {
    let paths = |receiver: &str| tracewright_sweep::Paths {
        receivers: vec![receiver.parse().expect("a receiver")],
        freeze_mlp: false,
        by_group: false,
    };
    let value = |site: &str| {
        let settings = PairSettings {
            sites: targets(&[site]),
            direction: tracewright_ir::Direction::Noise,
            paths: Some(paths("q@5")),
            per: vec![Per::Layer, Per::Head],
            ..settings()
        };
        rows(&settings, capitals())[0].value
    };
    assert_eq!(value("z@11.0+z@0.1"), value("z@0.1+z@11.0"));
    assert!(value("z@11.0+z@0.1").is_some());
    let settings = PairSettings {
        sites: targets(&["z@3.1"]),
        direction: tracewright_ir::Direction::Noise,
        paths: Some(paths("logits")),
        per: vec![Per::Layer, Per::Head],
        positions: vec!["subject".parse().expect("positions")],
        metric_at: vec!["subject".parse().expect("positions")],
        ..settings()
    };
    assert!(rows(&settings, capitals())[0].value.is_some());
}

#[test]
fn a_place_is_patched_once_and_every_selection_selects() {
    let twice = [&["resid_post@3+resid_pre@4"][..], &["z+z@3"], &["resid_post@3", "resid_pre@4"]];
    for sites in twice {
        let error = refused(PairSettings { sites: targets(sites), ..settings() }, capitals());
        assert!(error.contains("are one place"), "{error}");
    }
    let indices = |given: &str| Some(given.parse().expect(given));
    let heads = PairSettings { heads: indices("3"), ..one_cell(&["resid_post"]) };
    insta::assert_snapshot!(refused(heads, capitals()), @"--heads selects nothing: none of the sites has heads to choose from");
    let except = PairSettings { except: targets(&["z@5.1"]), ..one_cell(&["z@3"]) };
    insta::assert_snapshot!(refused(except, capitals()), @"--except z@5.1 leaves nothing alone: none of the sites is patched there");
    let role = PairSettings {
        change: "zero".parse().expect("a change"),
        corruptions: by(By::None),
        positions: vec!["subject".parse().expect("positions")],
        ..one_cell(&["z"])
    };
    insta::assert_snapshot!(refused(role, Pair { subject: None, ..needle() }), @"positions and means by the subject or by roles need to know it: give --subject");
    let far: Result<tracewright_sweep::Positions, _> = "last-18446744073709551615".parse();
    let far = PairSettings { positions: vec![far.expect("positions")], ..one_cell(&["z"]) };
    assert!(refused(far, capitals()).contains("aren't all there"));
}
