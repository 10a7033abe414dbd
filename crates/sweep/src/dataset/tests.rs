//! What files hold, in every format, and what is told of those that hold something else.

use std::path::Path;

use serde_json::json;

use super::{Bad, Checked, DatasetError, Fact, Format, Place, Records};
use crate::pair::Pair;

const PANDAS: &[u8] = include_bytes!("fixtures/pandas.parquet");

fn records(format: Format, text: &str) -> Records {
    Records::of("data", format, text.as_bytes()).expect("records")
}

/// The records as JSON, each after its place, and the bad ones.
fn told(records: &Records) -> String {
    let good = records.records.iter().map(|record| {
        let fields = serde_json::Value::Object(record.fields.clone());
        (record.place, format!("{} ({}): {fields}", record.place, record.index))
    });
    let bad = records.bad.iter().map(|bad| (bad.place, format!("BAD {bad}")));
    let mut all: Vec<(Place, String)> = good.chain(bad).collect();
    all.sort();
    all.into_iter().map(|(_, line)| line).collect::<Vec<_>>().join("\n")
}

fn read(format: Format, text: &str) -> String {
    told(&records(format, text))
}

fn refused(format: Format, bytes: &[u8]) -> String {
    Records::of("data", format, bytes).expect_err("refused").to_string()
}

fn bad<T>(checked: &Checked<T>) -> String {
    checked.bad.iter().map(Bad::to_string).collect::<Vec<_>>().join("\n")
}

#[test]
fn the_extension_names_the_format() {
    let names = ["a.json", "a.JSONL", "a.ndjson", "a.Csv", "a.tsv", "a.parquet", "a.txt", "a"];
    let formats = names.map(|name| Format::of(Path::new(name)));
    use Format::{Csv, Json, JsonLines, Lines, Parquet, Tsv};
    assert_eq!(formats, [Json, JsonLines, JsonLines, Csv, Tsv, Parquet, Lines, Lines]);
}

#[test]
fn a_file_is_called_by_its_path_and_told_by_its_digest() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("a.txt");
    std::fs::write(&path, "abc").expect("written");
    let records = Records::read(&path).expect("records");
    assert_eq!(records.origin, path.display().to_string());
    // FIPS 180-2, appendix B.1.
    let sha256 = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    assert_eq!(records.sha256, sha256);
    let missing = Records::read(&folder.path().join("b.txt")).expect_err("missing");
    assert!(matches!(missing, DatasetError::Unreadable { .. }), "{missing}");
}

#[test]
fn a_list_of_records_and_prompts_is_read_with_their_lines() {
    let list = "\u{feff}[\r\n  {\"prompt\": \"A\\nB\",\n   \"n\": 0.10},\n\n  \"C is\", 7,\n  {\"n\":\n 1e999}]";
    insta::assert_snapshot!(read(Format::Json, list), @r#"
line 2 (0): {"prompt":"A\nB","n":0.1}
BAD line 5: 7 is neither a record, {…}, nor a prompt in quotes
line 5 (1): {"prompt":"C is"}
BAD line 6: it isn't valid JSON at its line 2, column 6: number out of range
    "#);
}

#[test]
fn a_list_with_a_syntax_error_is_refused_with_its_line() {
    insta::assert_snapshot!(refused(Format::Json, b"[\n{\"a\": 1}\n{\"a\": 2}]"), @"the dataset 'data' isn't valid JSON at line 3, column 1: expected `,` or `]`; correct it there, or name the file .jsonl if each line is a record of its own");
    insta::assert_snapshot!(refused(Format::Json, b"{\"a\": 1}\n{\"a\": 2}"), @"the dataset 'data' isn't a list (invalid type: map, expected a sequence): put the records between [ and ], or name the file .jsonl if each line is a record of its own");
    insta::assert_snapshot!(refused(Format::Json, b"[\"a\""), @"the dataset 'data' isn't valid JSON at line 1, column 4: EOF while parsing a list; correct it there, or name the file .jsonl if each line is a record of its own");
}

#[test]
fn a_bad_line_of_json_lines_does_not_stop_the_others() {
    let lines = "{\"a\": 1}\n\n{\"a\": }\r\n\"A prompt\"\n[1]\n{\"a\": 2}";
    insta::assert_snapshot!(read(Format::JsonLines, lines), @r#"
line 1 (0): {"a":1}
BAD line 3: it isn't valid JSON at its column 7: expected value
line 4 (2): {"prompt":"A prompt"}
BAD line 5: [1] is neither a record, {…}, nor a prompt in quotes
line 6 (4): {"a":2}
    "#);
}

#[test]
fn a_table_is_read_with_lines_of_the_file() {
    let table = "\n,a, b ,c\r\n0,\"x, \"\"y\"\"\nz\",,3\r\n\r\n1,p,q\r\n\n2, r,s,t\n";
    insta::assert_snapshot!(read(Format::Csv, table), @r#"
line 3 (0): {"a":"x, \"y\"\nz","c":"3"}
BAD line 6: it has 3 cells, and the first line names 4 columns: put a cell that holds the delimiter or a line break in double quotes
line 8 (2): {"a":" r","b":"s","c":"t"}
    "#);
    insta::assert_snapshot!(read(Format::Tsv, "a\tb\n1,5\t\n"), @r#"line 2 (0): {"a":"1,5"}"#);
}

#[test]
fn a_quote_that_is_never_closed_is_told() {
    insta::assert_snapshot!(read(Format::Csv, "a\nx\n\"y\nz\n"), @r#"
line 2 (0): {"a":"x"}
BAD line 3: a cell's opening quote (") is never closed, so it swallows the rest of the file
    "#);
    // A quote within a cell is one of its characters.
    insta::assert_snapshot!(read(Format::Csv, "a\nx\n5\" nail\n"), @r#"
line 2 (0): {"a":"x"}
line 3 (1): {"a":"5\" nail"}
    "#);
}

#[test]
fn a_header_that_names_no_columns_is_refused() {
    insta::assert_snapshot!(refused(Format::Csv, b"a,b,a\n1,2,3"), @"the first line of the dataset 'data' doesn't name its columns: 'a' is there twice; give each a name of its own there, such as clean,corrupted,answer");
    insta::assert_snapshot!(refused(Format::Csv, b", \n1,2"), @"the first line of the dataset 'data' doesn't name its columns: it is blank; give each a name of its own there, such as clean,corrupted,answer");
}

#[test]
fn a_text_has_a_prompt_on_each_line() {
    insta::assert_snapshot!(read(Format::Lines, "One is\r\n \n Two are\n"), @r#"
line 1 (0): {"prompt":"One is"}
line 3 (1): {"prompt":" Two are"}
    "#);
}

#[test]
fn a_file_without_records_is_refused() {
    insta::assert_snapshot!(refused(Format::Csv, b""), @"the dataset 'data' is empty: give a file with at least one record");
    for (format, text) in [
        (Format::Json, "[]"),
        (Format::JsonLines, "\n\n"),
        (Format::Csv, "a,b\n"),
        (Format::Lines, " \n"),
        (Format::Lines, "\u{feff}"),
    ] {
        let error = Records::of("data", format, text.as_bytes()).expect_err("refused");
        assert!(matches!(error, DatasetError::NoRecords { .. }), "{format:?}: {error}");
    }
    insta::assert_snapshot!(refused(Format::Lines, b"\n"), @"the dataset 'data' holds no records: give a file with at least one");
    insta::assert_snapshot!(refused(Format::Lines, b"a\nb\xff"), @"the dataset 'data' isn't UTF-8 text (line 2 is the first that isn't): save it as UTF-8, or, if it is no text, name it after its format (.parquet)");
}

#[test]
fn parquet_is_read_as_pandas_writes_it() {
    let read = Records::of("data", Format::Parquet, PANDAS).expect("records");
    insta::assert_snapshot!(told(&read), @r#"
row 1 (0): {"name":"one","clean":"Rome is in","corrupted":"Oslo is in","answer":[" Italy"],"year":1,"share":0.5,"seen":true,"small":0.1}
row 2 (1): {"clean":"Paris is in","corrupted":"Lyon is in","answer":[" France"," Europe"],"year":2,"seen":false}
row 3 (2): {"name":"three","clean":"Bonn is in","corrupted":"Kiel is in","year":3,"share":1.0,"seen":true,"small":0.2}
    "#);
    let gzip = include_bytes!("fixtures/gzip.parquet");
    let gzip = Records::of("data", Format::Parquet, gzip).expect("records");
    assert_eq!(gzip.records, read.records);
}

#[test]
fn parquet_that_holds_something_else_is_refused() {
    let refused = |bytes| refused(Format::Parquet, bytes);
    insta::assert_snapshot!(refused(include_bytes!("fixtures/times.parquet")), @"the column 'at' of the dataset 'data' holds times, and texts, numbers, booleans and lists of texts can be read: leave it out, or write it as text");
    insta::assert_snapshot!(refused(include_bytes!("fixtures/structs.parquet")), @"the column 'requested_rewrite' of the dataset 'data' holds structs, or lists of other values than texts, and texts, numbers, booleans and lists of texts can be read: leave it out, or write it as text");
    insta::assert_snapshot!(refused(include_bytes!("fixtures/zstd.parquet")), @r#"the dataset 'data' is compressed with ZSTD, and uncompressed, SNAPPY and GZIP can be read: write it again with one of these (pandas: compression="snappy")"#);
    insta::assert_snapshot!(refused(b"a,b\n1,2\n"), @"the dataset 'data' can't be read as Parquet: Invalid Parquet file. Corrupt footer; write it again, or name it after its format");
    insta::assert_snapshot!(refused(&PANDAS[..PANDAS.len() - 9]), @"the dataset 'data' can't be read as Parquet: Invalid Parquet file. Corrupt footer; write it again, or name it after its format");
}

const KNOWN: &str = r#"{"known_id": 3, "prompt": "A is", "subject": "A", "attribute": "b", "relation_id": "P1", "seen": true, "tags": []}"#;

fn counterfact() -> serde_json::Value {
    json!({
        "case_id": 4,
        "pararel_idx": 2796,
        "requested_rewrite": {
            "prompt": "The mother tongue of {} is",
            "relation_id": "P103",
            "target_new": {"str": "English", "id": "Q1860"},
            "target_true": {"str": "French", "id": "Q150"},
            "subject": "Danielle Darrieux",
        },
        "paraphrase_prompts": ["Danielle Darrieux, a native"],
    })
}

#[test]
fn facts_of_both_formats_are_told_apart() {
    let text = format!("{KNOWN}\n{}\n", counterfact());
    let facts = Checked::facts(&records(Format::JsonLines, &text));
    assert_eq!(facts.bad, []);
    let columns = |list: &[(&str, &str)]| {
        list.iter().map(|(name, text)| (String::from(*name), String::from(*text))).collect()
    };
    let known = Fact {
        place: Place::Line(1),
        id: 3,
        prompt: "A is".to_owned(),
        subject: "A".to_owned(),
        attribute: "b".to_owned(),
        columns: columns(&[("relation_id", "P1"), ("seen", "true")]),
    };
    let counterfact = Fact {
        place: Place::Line(2),
        id: 4,
        prompt: "The mother tongue of Danielle Darrieux is".to_owned(),
        subject: "Danielle Darrieux".to_owned(),
        attribute: "French".to_owned(),
        columns: columns(&[
            ("pararel_idx", "2796"),
            ("relation_id", "P103"),
            ("target_new", "English"),
            ("template", "The mother tongue of {} is"),
        ]),
    };
    assert_eq!(facts.good, [known, counterfact]);
}

#[test]
fn facts_are_read_from_tables_too() {
    let table = "known_id,prompt,subject,attribute,template\n7,A is,A,b,{} is\n8.0,B is,B,c,\n";
    let facts = Checked::facts(&records(Format::Csv, table));
    assert_eq!(facts.bad, []);
    assert_eq!(facts.good.iter().map(|fact| fact.id).collect::<Vec<_>>(), [7, 8]);
    assert_eq!(facts.good[0].columns["template"], "{} is");
    assert!(facts.good[1].columns.is_empty());
}

#[test]
fn every_bad_fact_is_told_and_the_good_ones_stay() {
    let mut rewrite = counterfact();
    rewrite["requested_rewrite"]["prompt"] = json!("The mother tongue of");
    rewrite["requested_rewrite"]["target_true"] = json!("French");
    let lines = [
        KNOWN.to_owned(),
        KNOWN.to_owned(),
        KNOWN.replace("3,", "-3.5,").replace("\"A is\"", "\" \"").replace("\"b\"", "null"),
        "{\"known_id\"".to_owned(),
        KNOWN.replace("3,", "5,").replace("A is", "B is"),
        rewrite.to_string(),
        KNOWN.replace("3,", "6,"),
    ];
    let facts = Checked::facts(&records(Format::JsonLines, &lines.join("\n")));
    assert_eq!(facts.good.iter().map(|fact| fact.id).collect::<Vec<_>>(), [3, 6]);
    insta::assert_snapshot!(bad(&facts), @r#"
line 2: its id 3 is that of line 1 already
line 3: 'known_id' is -3.5, not a whole number; 'prompt' is empty; 'attribute' is missing
line 4: it isn't valid JSON at its column 11: EOF while parsing an object
line 5: its subject 'A' isn't in its prompt 'B is'
line 6: 'requested_rewrite.target_true.str' is missing; 'requested_rewrite.prompt' is 'The mother tongue of', without {} once, where the subject belongs
    "#);
}

#[test]
fn a_pair_is_read_from_every_format() {
    let pair = Pair {
        place: Some(Place::Line(1)),
        name: "rome".to_owned(),
        clean: "Rome is in".to_owned(),
        corrupted: vec!["Oslo is in".to_owned()],
        subject: Some("Rome".to_owned()),
        answer: vec![" Italy".to_owned(), " Europe".to_owned()],
        distractor: vec![" Norway".to_owned()],
        group: Some("7".to_owned()),
        columns: [("continent".to_owned(), "Europe".to_owned())].into(),
    };
    let json = r#"{"name": "rome", "clean": "Rome is in", "corrupted": ["Oslo is in"], "subject": "Rome", "answer": [" Italy", " Europe"], "distractor": " Norway", "group": 7, "continent": "Europe", "rest": null}"#;
    let table = "name,clean,corrupted,subject,answer,distractor,group,continent\n\
                 rome,Rome is in,Oslo is in,Rome,\"[\"\" Italy\"\", \"\" Europe\"\"]\", Norway,7,Europe\n";
    for (format, text, place) in [
        (Format::JsonLines, json.to_owned(), Place::Line(1)),
        (Format::Json, format!("[\n{json}\n]"), Place::Line(2)),
        (Format::Csv, table.to_owned(), Place::Line(2)),
    ] {
        let pairs = Checked::pairs(&records(format, &text), &["corrupted", "answer"]);
        assert_eq!(bad(&pairs), "", "{format:?}");
        assert_eq!(pairs.good, [Pair { place: Some(place), ..pair.clone() }], "{format:?}");
    }
    let rows = Records::of("data", Format::Parquet, PANDAS).expect("records");
    let pairs = Checked::pairs(&rows, &["answer"]);
    let names: Vec<&str> = pairs.good.iter().map(|pair| pair.name.as_str()).collect();
    assert_eq!(names, ["one", "1"]);
    assert_eq!(pairs.good[1].answer, [" France", " Europe"]);
    assert_eq!(pairs.good[0].columns["share"], "0.5");
    insta::assert_snapshot!(bad(&pairs), @"row 3: 'answer' is missing");
}

#[test]
fn a_pair_needs_a_clean_prompt_alone() {
    let pairs =
        Checked::pairs(&records(Format::JsonLines, "{\"a\": }\n{\"clean\": \"A is\"}"), &[]);
    // Named by what stands before it, the bad record too.
    assert_eq!((pairs.good[0].name.as_str(), pairs.good[0].corrupted.len()), ("1", 0));
    assert_eq!(pairs.bad.len(), 1);
}

#[test]
fn a_text_that_begins_with_a_bracket_is_no_list() {
    let text =
        r#"{"clean": "A", "corrupted": "[1] is", "answer": " [\" x\"]", "distractor": "[ 'y']"}"#;
    let pairs = Checked::pairs(&records(Format::JsonLines, text), &[]);
    insta::assert_snapshot!(bad(&pairs), @r#"line 1: 'distractor' is "[ 'y']", not a text or a list of texts (a list in a cell is written as JSON: [" a", " b"])"#);
    let pairs = Checked::pairs(&records(Format::JsonLines, &text.replace("[ 'y']", "y")), &[]);
    assert_eq!((&pairs.good[0].corrupted[0][..], &pairs.good[0].answer[0][..]), ("[1] is", " x"));
}

#[test]
fn every_bad_pair_is_told_with_its_line() {
    let lines = r#"{"name": "a", "clean": "A is", "corrupted": "B is"}
{"name": "a", "clean": "C is", "corrupted": ["D is", "C is"]}
{"clean": "A is", "corrputed": "B is", "relation": "P1"}
{"prompt": "A is", "corrupted": 3}
{"clean": "A is", "corrupted": "B is", "subject": "B", "answer": [" x", 7], "distractor": []}
{"clean": "A is", "corrupted": "B is", "subject": 5, "answer": [""]}
{"clean": "A is", "corrupted": "B is", "corrputed": "C is"}"#;
    let pairs = Checked::pairs(&records(Format::JsonLines, lines), &["corrupted"]);
    let names: Vec<&str> = pairs.good.iter().map(|pair| pair.name.as_str()).collect();
    assert_eq!(names, ["a", "6"]);
    assert_eq!(pairs.good[1].columns["corrputed"], "C is");
    insta::assert_snapshot!(bad(&pairs), @r#"
line 2: its clean and its corrupted prompt are the same, 'C is'; its name 'a' is that of line 1 already
line 3: 'corrupted' is missing (the record has 'corrputed', 'relation')
line 4: 'clean' is missing (the record has 'prompt'); 'corrupted' is 3, not a text or a list of texts
line 5: 'answer' is [" x",7], not a text or a list of texts; its subject 'B' isn't in its prompt 'A is'
line 6: 'subject' is 5, not a text; 'answer' holds an empty text
    "#);
}

mod any_bytes {
    use proptest::prelude::*;

    use super::*;

    const FORMATS: [Format; 6] =
        [Format::Json, Format::JsonLines, Format::Csv, Format::Tsv, Format::Parquet, Format::Lines];

    fn read_in_all(bytes: &[u8]) {
        for format in FORMATS {
            if let Ok(records) = Records::of("data", format, bytes) {
                let facts = Checked::facts(&records);
                let pairs = Checked::pairs(&records, &["corrupted"]);
                let all = records.records.len() + records.bad.len();
                assert_eq!(facts.good.len() + facts.bad.len(), all);
                assert_eq!(pairs.good.len() + pairs.bad.len(), all);
            }
        }
    }

    /// Where the text of a record begins is where its line says.
    fn lines_are_those_of(format: Format, text: &str) {
        let Ok(records) = Records::of("data", format, text.as_bytes()) else { return };
        let lines = text.split('\n').count();
        let mut before = 0;
        for record in &records.records {
            let Place::Line(line) = record.place else { panic!("{}", record.place) };
            assert!((1..=lines).contains(&line) && line >= before, "{line} of {text:?}");
            before = line;
        }
    }

    proptest! {
        #[test]
        fn never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            read_in_all(&bytes);
        }

        #[test]
        fn nor_do_those_that_look_like_records(
            text in "([\\[\\]{}\",:\t\r\n \u{feff}]|clean|corrupted|known_id|null|1|é|\\\\){0,40}",
        ) {
            read_in_all(text.as_bytes());
            lines_are_those_of(Format::Csv, &text);
            lines_are_those_of(Format::Json, &text);
        }

        #[test]
        fn nor_does_a_damaged_parquet_file(
            damage in proptest::collection::vec((0..PANDAS.len(), any::<u8>()), 1..4),
        ) {
            let mut bytes = PANDAS.to_vec();
            for (at, byte) in damage {
                bytes[at] = byte;
            }
            read_in_all(&bytes);
        }
    }
}
