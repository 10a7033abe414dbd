//! A results folder through its whole life.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};
use tracewright_ir::Tokens;
use tracewright_results::{
    Array, CaseRecord, KindGrid, Part, ResultsError, ResultsFolder, RomeSummary, Row, averages,
    load, peaks, read_averages, read_npz, read_peaks, read_rome_averages, read_table,
    rome_averages,
};

const KINDS: [(&str, &str); 4] = [
    ("hidden", "resid_post"),
    ("mlp", "mlp_out"),
    ("attn", "attn_out"),
    ("severed_mlp", "resid_post"),
];
const TOKENS: usize = 3;
const LAYERS: usize = 2;

fn request() -> Value {
    json!({"kind": ["hidden", "mlp"], "noise": "s3", "samples": 10, "model": {"sha256": "ab", "scale": 0.1}})
}

fn open(dir: &Path, passes: usize) -> Result<ResultsFolder, ResultsError> {
    ResultsFolder::open(dir, &request(), &json!({"threads": 2}), passes)
}

fn case(name: &str) -> CaseRecord {
    let grid = |&(kind, site): &(&str, &str)| KindGrid {
        kind: kind.into(),
        site: site.into(),
        metric: "prob".into(),
        layers: LAYERS,
    };
    let texts = ["The", " Eiffel", " Tower"].map(String::from).to_vec();
    CaseRecord {
        name: name.into(),
        prompt: "The Eiffel Tower".into(),
        subject: Some("Eiffel Tower".into()),
        subject_range: Some(1..3),
        tokens: Tokens { ids: vec![1, 2, 3], texts, offsets: vec![0..3, 3..10, 10..16] },
        answer: " Paris".into(),
        answer_id: 9,
        correct_prediction: true,
        low_score: 0.1,
        high_score: 0.7,
        window: 10,
        samples: 10,
        grids: KINDS.iter().map(grid).collect(),
        ..CaseRecord::default()
    }
}

/// A cell whose value tells its layer and position.
fn row(case: &str, kind: &str, site: &str, layer: usize, position: usize) -> Row {
    Row {
        case: case.into(),
        kind: Some(kind.into()),
        site: site.into(),
        layer: Some(layer as u32),
        position: Some(position as u32),
        metric: "prob".into(),
        value: Some((10 * position + layer) as f64 / 64.0),
        n: 10,
        ..Row::default()
    }
}

fn part(name: &str) -> Part {
    let mut rows = Vec::new();
    for (kind, site) in KINDS {
        let positions = if kind.starts_with("severed") { TOKENS - 1..TOKENS } else { 0..TOKENS };
        for position in positions {
            rows.extend((0..LAYERS).map(|layer| row(name, kind, site, layer, position)));
        }
    }
    // Another metric of the same sweep isn't in ROME's files.
    rows.push(Row { metric: "kl".into(), value: Some(9.0), ..rows[0].clone() });
    Part { cases: vec![case(name)], rows, ..Part::default() }
}

fn all_files(dir: &Path) -> Vec<(String, Vec<u8>)> {
    let mut files = Vec::new();
    let mut folders = vec![dir.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(dir).unwrap().to_str().unwrap().replace('\\', "/");
                files.push((name, fs::read(path).unwrap()));
            }
        }
    }
    files.sort();
    files
}

fn names(dir: &Path) -> Vec<String> {
    all_files(dir).into_iter().map(|(name, _)| name).collect()
}

#[test]
fn a_sweep_that_was_stopped_goes_on_and_gives_the_same_bytes() {
    let (once, twice) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut folder = open(once.path(), 3).unwrap();
    for pass in 0..3 {
        folder.commit(pass, &part(&pass.to_string())).unwrap();
    }
    folder.finish(&json!({"seconds": 1})).unwrap();

    let mut folder = open(twice.path(), 3).unwrap();
    folder.commit(1, &part("1")).unwrap();
    folder.finish(&json!({"seconds": 7})).unwrap();
    drop(folder);
    let mut folder = open(twice.path(), 3).unwrap();
    assert_eq!(folder.finished().iter().copied().collect::<Vec<_>>(), [1]);
    for pass in [2, 0] {
        folder.commit(pass, &part(&pass.to_string())).unwrap();
    }
    let written = folder.finish(&json!({"seconds": 1})).unwrap();
    assert_eq!((written.cases, written.incomplete.len()), (3, 0));
    assert_eq!(all_files(once.path()), all_files(twice.path()));

    let results = load(once.path()).unwrap();
    let cases: Vec<_> = results.cases.iter().map(|case| case.name.as_str()).collect();
    assert_eq!(cases, ["0", "1", "2"]);
    assert_eq!(results.rows, read_table(&once.path().join("cells.parquet")).unwrap().0);
    assert_eq!(results.rows_of("2").cloned().collect::<Vec<_>>(), part("2").rows);
}

#[test]
fn a_folder_is_what_the_documentation_says() {
    let dir = tempfile::tempdir().unwrap();
    let mut folder = open(dir.path(), 2).unwrap();
    let mut first = part("0");
    first.cases[0].extra = json!({"corrupted": "The Space Needle"});
    first.cases.push(CaseRecord::failed("7", "a prompt of no tokens"));
    folder.commit(0, &first).unwrap();
    folder.finish(&json!({"seconds": 1.5})).unwrap();
    insta::assert_snapshot!(names(dir.path()).join("\n"), @"
    .lock
    cases/0.json
    cases/knowledge_0.npz
    cases/knowledge_0_attn.npz
    cases/knowledge_0_mlp.npz
    cases/severed_mlp_0.npz
    cells.parquet
    parts/pass-00000.parquet
    run.json
    ");
    insta::assert_snapshot!(fs::read_to_string(dir.path().join("run.json")).unwrap(), @r#"
    {
      "format": 1,
      "request": {
        "kind": [
          "hidden",
          "mlp"
        ],
        "noise": "s3",
        "samples": 10,
        "model": {
          "sha256": "ab",
          "scale": 0.1
        }
      },
      "environment": {
        "threads": 2
      },
      "cost": {
        "seconds": 1.5
      },
      "finished": {
        "passes": 1,
        "of": 2
      },
      "cases": 2,
      "failed": [
        {
          "case": "7",
          "reason": "a prompt of no tokens"
        }
      ]
    }
    "#);
}

#[test]
fn a_folder_of_several_cases_has_their_averages() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("averages.parquet");
    let mut folder = open(dir.path(), 3).unwrap();
    folder.commit(0, &part("0")).unwrap();
    let mut other = part("1");
    other.rows.iter_mut().for_each(|row| row.value = row.value.map(|value| value + 0.5));
    folder.commit(1, &other).unwrap();
    let written = folder.finish(&json!(null)).unwrap();
    assert!(written.files.contains(&path), "{written:?}");
    let found = read_averages(&path).unwrap();
    // Rows of one case are the groups of all, and both cases have each.
    assert_eq!(found.len(), part("0").rows.len());
    assert!(found.iter().all(|average| average.n == 2 && average.std == Some(0.125_f64.sqrt())));
    assert_eq!(found[3].value, part("0").rows[3].value.unwrap() + 0.25);
    let results = load(dir.path()).unwrap();
    assert_eq!(averages(&results.cases, &results.rows), found);

    // Made anew with every finish.
    folder.commit(2, &part("2")).unwrap();
    folder.finish(&json!(null)).unwrap();
    assert!(read_averages(&path).unwrap().iter().all(|average| average.n == 3));
}

#[test]
fn one_case_has_no_averages_and_those_of_lost_cases_do_not_stay() {
    let dir = tempfile::tempdir().unwrap();
    let there = || {
        let names = ["averages.parquet", "rome_averages.parquet", "peaks.parquet"];
        names.map(|name| dir.path().join(name).exists())
    };
    let mut folder = open(dir.path(), 2).unwrap();
    let mut first = part("0");
    first.cases.push(CaseRecord::failed("7", "a prompt of no tokens"));
    folder.commit(0, &first).unwrap();
    folder.finish(&json!(null)).unwrap();
    assert_eq!(there(), [false; 3]);
    folder.commit(1, &part("1")).unwrap();
    folder.finish(&json!(null)).unwrap();
    assert_eq!(there(), [true; 3]);
    drop(folder);
    fs::write(dir.path().join("parts/pass-00001.parquet"), b"").unwrap();
    open(dir.path(), 2).unwrap().finish(&json!(null)).unwrap();
    assert_eq!(there(), [false; 3]);
}

#[test]
fn a_trace_of_several_cases_has_romes_averages_and_peaks() {
    let dir = tempfile::tempdir().unwrap();
    let mut folder = open(dir.path(), 2).unwrap();
    folder.commit(0, &part("0")).unwrap();
    folder.commit(1, &part("1")).unwrap();
    let written = folder.finish(&json!(null)).unwrap();
    let [rome, found] = ["rome_averages.parquet", "peaks.parquet"].map(|name| {
        let path = dir.path().join(name);
        assert!(written.files.contains(&path), "{written:?}");
        path
    });
    let results = load(dir.path()).unwrap();
    let averages = read_rome_averages(&rome).unwrap();
    assert_eq!(averages, rome_averages(&results.cases, &results.rows));
    let kinds: Vec<_> =
        RomeSummary::of(&averages).into_iter().map(|summary| summary.kind).collect();
    assert_eq!(kinds, ["hidden", "mlp", "attn"]);
    let found = read_peaks(&found).unwrap();
    assert_eq!(found, peaks(&results.cases, &results.rows));
    // Four kinds, one of them also under another metric, of two cases; the cells have no roles.
    assert_eq!(found.len(), 10);
}

#[test]
fn files_have_the_fields_types_and_order_of_romes() {
    let dir = tempfile::tempdir().unwrap();
    let mut folder = open(dir.path(), 1).unwrap();
    folder.commit(0, &part("0")).unwrap();
    folder.finish(&json!(null)).unwrap();
    let golden = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/goldens/rome");
    let describe = |arrays: &[(String, Array)]| -> Vec<_> {
        let kind = |array: &Array| (std::mem::discriminant(array.data()), array.shape().len());
        arrays.iter().map(|(name, array)| (name.clone(), kind(array))).collect()
    };
    for name in ["knowledge_0.npz", "knowledge_0_mlp.npz", "knowledge_0_attn.npz"] {
        let theirs = read_npz(&Path::new(golden).join(name)).unwrap();
        let ours = read_npz(&dir.path().join("cases").join(name)).unwrap();
        assert_eq!(describe(&ours), describe(&theirs), "{name}");
        assert_eq!(ours.last(), theirs.last(), "the kind of {name}");
    }
    let hidden = read_npz(&dir.path().join("cases/knowledge_0.npz")).unwrap();
    let scores = [0.0, 1.0, 10.0, 11.0, 20.0, 21.0].map(|v: f32| v / 64.0).to_vec();
    assert_eq!(hidden[0].1, Array::new(&[TOKENS, LAYERS], scores).unwrap());
    let severed = read_npz(&dir.path().join("cases/severed_mlp_0.npz")).unwrap();
    let scores = [20.0, 21.0].map(|v: f32| v / 64.0).to_vec();
    assert_eq!(severed[0].1, Array::new(&[1, LAYERS], scores).unwrap());
    assert_eq!(severed.last().unwrap().1, Array::text(""));
}

#[test]
fn a_golden_made_again_from_rows_is_the_golden() {
    let golden =
        concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/goldens/rome/knowledge_0_mlp.npz");
    let theirs = read_npz(Path::new(golden)).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let (case, rows) = from_golden(&theirs);
    let mut folder = open(dir.path(), 1).unwrap();
    folder.commit(0, &Part { cases: vec![case], rows, ..Part::default() }).unwrap();
    folder.finish(&json!(null)).unwrap();
    assert_eq!(read_npz(&dir.path().join("cases/knowledge_0_mlp.npz")).unwrap(), theirs);
}

/// A case and rows that say what a file of ROME says.
fn from_golden(arrays: &[(String, Array)]) -> (CaseRecord, Vec<Row>) {
    use tracewright_results::Data;
    let get = |name: &str| &arrays.iter().find(|(n, _)| n == name).unwrap().1;
    let numbers = |name: &str| -> Vec<f64> {
        match get(name).data() {
            Data::F32(v) => v.iter().map(|&v| f64::from(v)).collect(),
            Data::F64(v) => v.clone(),
            Data::I64(v) => v.iter().map(|&v| v as f64).collect(),
            other => panic!("{name}: {other:?}"),
        }
    };
    let texts = |name: &str| match get(name).data() {
        Data::Str(v) => v.clone(),
        other => panic!("{name}: {other:?}"),
    };
    let layers = get("scores").shape()[1];
    let range = numbers("subject_range");
    let case = CaseRecord {
        tokens: Tokens {
            ids: numbers("input_ids").iter().map(|&id| id as u32).collect(),
            texts: texts("input_tokens"),
            offsets: Vec::new(),
        },
        subject_range: Some(range[0] as usize..range[1] as usize),
        answer: texts("answer").remove(0),
        low_score: numbers("low_score")[0],
        high_score: numbers("high_score")[0],
        grids: vec![KindGrid { layers, ..case("0").grids[1].clone() }],
        // As many positions as the ids.
        ..case("0")
    };
    let cell = |(index, value)| Row {
        value: Some(value),
        ..row("0", "mlp", "mlp_out", index % layers, index / layers)
    };
    let rows = numbers("scores").into_iter().enumerate().map(cell).collect();
    (case, rows)
}

#[test]
fn a_case_answered_wrongly_holds_correct_prediction_alone() {
    let dir = tempfile::tempdir().unwrap();
    let mut folder = open(dir.path(), 1).unwrap();
    let wrong = CaseRecord { correct_prediction: false, ..case("2") };
    folder.commit(0, &Part { cases: vec![wrong], ..Part::default() }).unwrap();
    folder.finish(&json!(null)).unwrap();
    let arrays = read_npz(&dir.path().join("cases/knowledge_2.npz")).unwrap();
    assert_eq!(arrays, [("correct_prediction".to_owned(), Array::scalar(false))]);
}

#[test]
fn a_case_spread_over_passes_is_put_together_and_not_before() {
    let dir = tempfile::tempdir().unwrap();
    let mut folder = open(dir.path(), 2).unwrap();
    let whole = part("0");
    let half = |range: std::ops::Range<usize>| Part {
        cases: whole.cases.clone(),
        rows: whole.rows[range].to_vec(),
        ..Part::default()
    };
    folder.commit(0, &half(0..9)).unwrap();
    let written = folder.finish(&json!(null)).unwrap();
    assert_eq!(written.incomplete.len(), 3);
    assert!(dir.path().join("cases/knowledge_0.npz").exists());
    assert!(!dir.path().join("cases/knowledge_0_mlp.npz").exists());
    folder.commit(1, &half(9..whole.rows.len())).unwrap();
    let written = folder.finish(&json!(null)).unwrap();
    assert_eq!((written.cases, written.incomplete.len()), (1, 0));
    assert_eq!(load(dir.path()).unwrap().rows, whole.rows);
}

#[test]
fn two_cases_of_one_name_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let mut folder = open(dir.path(), 2).unwrap();
    folder.commit(0, &part("0")).unwrap();
    let mut other = part("0");
    other.cases[0].prompt = "Another".into();
    folder.commit(1, &other).unwrap();
    let error = folder.finish(&json!(null)).unwrap_err();
    assert!(matches!(error, ResultsError::SameName { .. }), "{error}");
}

#[test]
fn no_name_of_a_case_leads_out_of_the_folder_or_meets_another() {
    let dir = tempfile::tempdir().unwrap();
    let mut folder = open(dir.path(), 1).unwrap();
    let mut all = Part::default();
    for name in ["../../x", "a/b", "a%2Fb", "0", "0_mlp", "", "日本", &"long".repeat(99)] {
        let Part { cases, rows, .. } = part(name);
        all.cases.extend(cases);
        all.rows.extend(rows);
    }
    folder.commit(0, &all).unwrap();
    folder.finish(&json!(null)).unwrap();
    let files = names(dir.path());
    let npz = files.iter().filter(|name| name.ends_with(".npz"));
    assert_eq!(npz.count(), all.cases.len() * KINDS.len());
    assert!(files.contains(&"cases/knowledge_0%5Fmlp.npz".to_owned()), "{files:?}");
    assert!(files.contains(&"cases/knowledge_..%2F..%2Fx.npz".to_owned()), "{files:?}");
}

#[test]
fn another_request_is_refused_and_the_difference_is_shown() {
    let dir = tempfile::tempdir().unwrap();
    let mut other = request();
    other["samples"] = json!(5);
    other["model"]["sha256"] = json!("cd");
    other["replace"] = json!(true);
    // Nothing is lost as long as no pass is finished.
    drop(ResultsFolder::open(dir.path(), &other, &json!({}), 1).unwrap());
    open(dir.path(), 1).unwrap().commit(0, &part("0")).unwrap();
    let error = ResultsFolder::open(dir.path(), &other, &json!({}), 1).unwrap_err();
    let message = error.to_string().replace(dir.path().to_str().unwrap(), "DIR");
    insta::assert_snapshot!(message, @r#"
    DIR holds the results of another request; what differs:
      model.sha256: "ab" there, "cd" now
      replace: absent there, true now
      samples: 10 there, 5 now
    Give the settings that it was started with to go on with it, or choose another folder for the new ones
    "#);
}

#[test]
fn another_division_into_passes_is_refused_once_one_is_finished() {
    let dir = tempfile::tempdir().unwrap();
    drop(open(dir.path(), 1).unwrap());
    let mut folder = open(dir.path(), 2).unwrap();
    folder.commit(0, &part("0")).unwrap();
    drop(folder);
    let error = open(dir.path(), 3).unwrap_err();
    assert!(matches!(error, ResultsError::DifferentPasses { recorded: 2, given: 3, .. }));
}

#[test]
fn the_environment_of_the_start_stays_on_record() {
    let dir = tempfile::tempdir().unwrap();
    let open = |threads| {
        ResultsFolder::open(dir.path(), &request(), &json!({"threads": threads}), 1).unwrap()
    };
    assert_eq!(open(2).environment(), &json!({"threads": 2}));
    let mut folder = open(4);
    assert_eq!(folder.environment(), &json!({"threads": 4}), "nothing was finished");
    folder.commit(0, &part("0")).unwrap();
    drop(folder);
    assert_eq!(open(8).environment(), &json!({"threads": 4}));
    assert_eq!(load(dir.path()).unwrap().environment, json!({"threads": 4}));
}

#[test]
fn damaged_parts_are_found_removed_and_told() {
    let dir = tempfile::tempdir().unwrap();
    let mut folder = open(dir.path(), 5).unwrap();
    (0..5).for_each(|pass| folder.commit(pass, &part(&pass.to_string())).unwrap());
    drop(folder);
    let path = |pass| dir.path().join(format!("parts/pass-0000{pass}.parquet"));
    let whole = fs::read(path(0)).unwrap();
    fs::write(path(0), &whole[..whole.len() / 2]).unwrap();
    fs::write(path(1), vec![0xA5; whole.len()]).unwrap();
    fs::write(path(2), b"").unwrap();
    fs::copy(path(4), path(3)).unwrap();
    assert!(load(dir.path()).unwrap_err().is_damage());

    let folder = open(dir.path(), 5).unwrap();
    assert_eq!(folder.finished().iter().copied().collect::<Vec<_>>(), [4]);
    assert_eq!(folder.damaged(), [path(0), path(1), path(2), path(3)]);
    assert!(!path(0).exists());
    assert_eq!(load(dir.path()).unwrap().cases.len(), 1);
}

#[test]
fn what_a_killed_process_left_is_removed() {
    let dir = tempfile::tempdir().unwrap();
    drop(open(dir.path(), 1).unwrap());
    fs::create_dir(dir.path().join("cases")).unwrap();
    for name in [".run.json", "parts/.pass-00000.parquet", "cases/.knowledge_0.npz"] {
        fs::write(dir.path().join(format!("{name}.tmp-tracewright")), b"half").unwrap();
    }
    drop(open(dir.path(), 1).unwrap());
    assert_eq!(names(dir.path()), [".lock", "run.json"]);
}

#[test]
fn a_folder_is_open_once_at_a_time() {
    let dir = tempfile::tempdir().unwrap();
    let first = open(dir.path(), 1).unwrap();
    assert!(matches!(open(dir.path(), 1).unwrap_err(), ResultsError::InUse { .. }));
    drop(first);
    open(dir.path(), 1).unwrap();
}

#[test]
fn a_folder_of_something_else_is_refused_and_left_as_it_is() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("thesis.tex"), b"x").unwrap();
    let error = open(dir.path(), 1).unwrap_err();
    assert!(matches!(&error, ResultsError::NotOurs { found, .. } if found == "thesis.tex"));
    assert_eq!(names(dir.path()), ["thesis.tex"]);
    assert!(matches!(load(dir.path()).unwrap_err(), ResultsError::NoResults { .. }));
}

#[test]
fn finished_parts_without_a_run_file_are_neither_used_nor_lost() {
    let dir = tempfile::tempdir().unwrap();
    let mut folder = open(dir.path(), 1).unwrap();
    folder.commit(0, &part("0")).unwrap();
    drop(folder);
    fs::remove_file(dir.path().join("run.json")).unwrap();
    assert!(matches!(open(dir.path(), 1).unwrap_err(), ResultsError::NotOurs { .. }));
    assert!(dir.path().join("parts/pass-00000.parquet").exists());
}

#[test]
fn a_damaged_run_file_is_an_error_that_says_what_to_do() {
    let dir = tempfile::tempdir().unwrap();
    drop(open(dir.path(), 1).unwrap());
    for content in ["{\"format\": 1,", "[]", "", "{\"format\": 1}"] {
        fs::write(dir.path().join("run.json"), content).unwrap();
        let error = open(dir.path(), 1).unwrap_err();
        assert!(error.to_string().contains("choose another folder"), "{error}");
    }
    fs::write(dir.path().join("run.json"), "{\"format\": 2}").unwrap();
    assert!(matches!(open(dir.path(), 1).unwrap_err(), ResultsError::NewerFormat { found: 2, .. }));
}

#[test]
fn a_part_must_have_the_cases_of_its_rows_and_a_number_of_the_sweep() {
    let dir = tempfile::tempdir().unwrap();
    let mut folder = open(dir.path(), 1).unwrap();
    let stray = Part { rows: part("0").rows, ..Part::default() };
    assert!(matches!(folder.commit(0, &stray).unwrap_err(), ResultsError::Unwritable { .. }));
    let error = folder.commit(1, &part("0")).unwrap_err();
    assert!(matches!(error, ResultsError::NoSuchPass { pass: 1, passes: 1, .. }));
    assert!(folder.finished().is_empty());
}
