//! What the tasks' records are, for tokenizers that have every word as a token and for others.

use std::collections::{BTreeMap, BTreeSet};

use super::ioi_words::{NAMES, OBJECTS, PLACES, TEMPLATES};
use super::people::PROFESSIONS;
use super::*;
use crate::dataset::{Checked, Format, Records};
use crate::pair::Pair;

/// The pieces of a text, as byte-level tokenizers split it: words with the space before them, and all
/// other characters one by one.
fn pieces(text: &str) -> Vec<&str> {
    let (mut pieces, mut start, mut before) = (Vec::new(), 0, ' ');
    for (at, now) in text.char_indices() {
        let goes_on = now.is_alphabetic() && (before.is_alphabetic() || before == ' ');
        if at > start && !goes_on {
            pieces.push(&text[start..at]);
            start = at;
        }
        before = now;
    }
    pieces.push(&text[start..]);
    pieces
}

/// FNV-1a: equal pieces have equal tokens.
fn id(piece: &str) -> u32 {
    piece.bytes().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}

/// Every word is one token.
fn words(text: &str) -> Vec<u32> {
    pieces(text).into_iter().map(id).collect()
}

/// Words of more than seven characters, with the space, are several.
fn short_words(text: &str) -> Vec<u32> {
    let chunks = |piece: &str| -> Vec<u32> {
        piece.as_bytes().chunks(7).map(|c| id(&String::from_utf8_lossy(c))).collect()
    };
    pieces(text).into_iter().flat_map(chunks).collect()
}

/// A text's first word has a space put before it, as SentencePiece does.
fn spaced(text: &str) -> Vec<u32> {
    words(&format!(" {text}"))
}

/// Letters alone.
fn letters(text: &str) -> Vec<u32> {
    text.chars().map(u32::from).collect()
}

const ALL: [IoiCorrupted; 3] = [IoiCorrupted::Swap, IoiCorrupted::Abc, IoiCorrupted::None];

/// As the pair reader takes them.
fn reread(pairs: &[GeneratedPair], required: &[&str]) -> Vec<Pair> {
    let lines = to_jsonl(pairs).expect("JSON");
    let records = Records::of("made", Format::JsonLines, lines.as_bytes()).expect("records");
    let read = Checked::pairs(&records, required);
    assert_eq!(read.bad, []);
    assert_eq!(read.good.len(), pairs.len());
    read.good
}

#[test]
fn the_words_of_the_tasks_are_all_different() {
    let different = |words: &[&str]| words.iter().collect::<BTreeSet<_>>().len() == words.len();
    assert!(different(&NAMES) && different(&PLACES) && different(&OBJECTS));
    assert!(different(&TEMPLATES));
    let people: Vec<&str> = PROFESSIONS.iter().flat_map(|group| group.people).collect();
    assert!(different(&people));
    let first_names: Vec<&str> = people.iter().filter_map(|name| name.split(' ').next()).collect();
    assert!(different(&first_names));
    // A vowel would need "an".
    assert!(OBJECTS.iter().all(|word| !word.starts_with(['a', 'e', 'i', 'o', 'u'])));
}

#[test]
fn an_ioi_pair_says_who_gave_and_who_got() {
    let pairs = ioi(1, 3, IoiCorrupted::Swap, &words).expect("pairs");
    insta::assert_snapshot!(to_jsonl(&pairs).expect("JSON"), @r#"
{"clean":"Later, Edward and Barbara walked to the school. Barbara handed a letter to","corrupted":"Later, Edward and Barbara walked to the school. Edward handed a letter to","answer":" Edward","distractor":" Barbara","group":"ABBA-01","io":"Edward","object":"letter","order":"ABBA","place":"school","s":"Barbara","template":"01"}
{"clean":"Later, Jessica and Andrew walked to the beach. Jessica handed a coat to","corrupted":"Later, Jessica and Andrew walked to the beach. Andrew handed a coat to","answer":" Andrew","distractor":" Jessica","group":"BABA-01","io":"Andrew","object":"coat","order":"BABA","place":"beach","s":"Jessica","template":"01"}
{"clean":"Later, Christine and Catherine spent the morning at the station. Catherine handed a card to","corrupted":"Later, Christine and Catherine spent the morning at the station. Christine handed a card to","answer":" Christine","distractor":" Catherine","group":"ABBA-02","io":"Christine","object":"card","order":"ABBA","place":"station","s":"Catherine","template":"02"}
    "#);
    let pairs = ioi(1, 2, IoiCorrupted::Abc, &words).expect("pairs");
    insta::assert_snapshot!(to_jsonl(&pairs[1..]).expect("JSON"), @r#"{"clean":"Later, Jessica and Andrew walked to the beach. Jessica handed a coat to","corrupted":"Later, Maria and Simon walked to the beach. Joshua handed a coat to","answer":" Andrew","distractor":" Jessica","group":"BABA-01","io":"Andrew","object":"coat","order":"BABA","place":"beach","s":"Jessica","template":"01"}"#);
    let prompts = ioi_abc(1, 2, &words).expect("prompts");
    insta::assert_snapshot!(to_jsonl(&prompts).expect("JSON"), @r#"
{"prompt":"Later, Kevin and Ben walked to the kitchen. Louis handed a book to","group":"ABBA-01"}
{"prompt":"Later, Aaron and Peter walked to the restaurant. Lucy handed a ball to","group":"BABA-01"}
    "#);
}

#[test]
fn the_names_of_ioi_prompts_stand_where_their_order_says() {
    for pair in ioi(3, 300, IoiCorrupted::Swap, &words).expect("pairs") {
        let (io, s) = (&pair.columns["io"], &pair.columns["s"]);
        assert_ne!(io, s);
        assert_eq!((&pair.answer, &pair.distractor), (&format!(" {io}"), &format!(" {s}")));
        let named = |prompt: &str| {
            let words = pieces(prompt).into_iter().map(str::trim_start);
            words.filter(|word| NAMES.contains(word)).map(str::to_owned).collect::<Vec<_>>()
        };
        let clean = match pair.columns["order"].as_str() {
            "ABBA" => [io, s, s],
            _ => [s, io, s],
        };
        assert_eq!(named(&pair.clean), clean.map(String::clone));
        let corrupted = pair.corrupted.expect("swapped");
        assert_eq!(named(&corrupted), [clean[0], clean[1], io].map(String::clone));
        assert!(pair.clean.ends_with(" to"));
        assert!(!pair.clean.contains(['{', '}']));
        let mut words = ["place", "object"].iter().filter_map(|word| pair.columns.get(word));
        assert!(words.all(|word| pair.clean.contains(&format!(" {word}"))));
    }
}

#[test]
fn ioi_prompts_of_a_group_have_as_many_tokens_and_groups_as_many_prompts() {
    for (encode, corrupted) in ALL.map(|corrupted| (&short_words as Encode<'_>, corrupted)) {
        let pairs = ioi(5, 90, corrupted, encode).expect("pairs");
        let mut lengths: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for pair in &pairs {
            let of_group = lengths.entry(pair.group.as_deref().expect("a group")).or_default();
            of_group.push(encode(&pair.clean).len());
            let len = |prompt: &String| encode(prompt).len();
            assert!(pair.corrupted.as_ref().is_none_or(|it| len(it) == len(&pair.clean)));
        }
        assert_eq!(lengths.len(), 30);
        assert!(
            lengths.values().all(|group| group.len() == 3 && group.iter().all(|n| *n == group[0]))
        );
        let clean: BTreeSet<&str> = pairs.iter().map(|pair| pair.clean.as_str()).collect();
        assert_eq!(clean.len(), 90);
    }
}

#[test]
fn the_corruption_of_ioi_does_not_change_the_clean_prompts() {
    let [swap, abc, none] = ALL.map(|corrupted| ioi(5, 40, corrupted, &words).expect("pairs"));
    for ((swap, abc), none) in swap.iter().zip(&abc).zip(&none) {
        assert_eq!((&swap.clean, &none.corrupted), (&none.clean, &None));
        assert_eq!(swap.clean, abc.clean);
        let names = |prompt: &str| {
            let words = pieces(prompt).into_iter().map(str::trim_start);
            words.filter(|word| NAMES.contains(word)).map(str::to_owned).collect::<BTreeSet<_>>()
        };
        let others = names(abc.corrupted.as_ref().expect("other names"));
        assert_eq!(others.len(), 3);
        assert!(others.is_disjoint(&names(&abc.clean)));
    }
}

#[test]
fn abc_prompts_have_the_groups_of_the_pairs() {
    let prompts = ioi_abc(5, 60, &words).expect("prompts");
    let pairs = ioi(5, 60, IoiCorrupted::None, &words).expect("pairs");
    let groups: BTreeSet<_> = prompts.iter().map(|record| &record.group).collect();
    assert_eq!(groups, pairs.iter().filter_map(|pair| pair.group.as_ref()).collect());
    let lines = to_jsonl(&prompts).expect("JSON");
    let records = Records::of("made", Format::JsonLines, lines.as_bytes()).expect("records");
    assert_eq!(records.records[59].fields["prompt"], prompts[59].prompt.as_str());
}

fn vocabulary() -> Vec<String> {
    let words = NAMES.iter().chain(&PLACES).chain(&OBJECTS).map(|word| format!(" {word}"));
    words.chain(["ed", " 12", " New York", " ", " a"].map(str::to_owned)).collect()
}

const SHAPE: Induction = Induction { first: 8, shown: 5, replaced: Replaced::Successor };

#[test]
fn the_answer_of_induction_is_the_earlier_successor() {
    for replaced in [Replaced::Successor, Replaced::FirstPart] {
        let task = Induction { replaced, ..SHAPE };
        for pair in induction(&task, 1, 50, &vocabulary(), &words).expect("pairs") {
            let corrupted = pair.corrupted.expect("corrupted");
            let (clean, corrupted) = (pieces(&pair.clean), pieces(&corrupted));
            assert_eq!((clean.len(), corrupted.len()), (13, 13));
            assert_eq!(clean[..5], clean[8..]);
            assert_eq!(clean[..8].iter().collect::<BTreeSet<_>>().len(), 8);
            assert_eq!((clean[5], corrupted[5]), (&*pair.answer, &*pair.distractor));
            let differ: Vec<usize> = (0..13).filter(|at| clean[*at] != corrupted[*at]).collect();
            match replaced {
                Replaced::Successor => assert_eq!(differ, [5]),
                Replaced::FirstPart => assert_eq!(differ, [0, 1, 2, 3, 4, 5, 6, 7]),
            }
            let new = differ.iter().map(|at| corrupted[*at]);
            assert!(new.clone().all(|token| !clean.contains(&token)));
            assert_eq!(new.collect::<BTreeSet<_>>().len(), differ.len());
        }
    }
}

#[test]
fn induction_prompts_become_the_tokens_that_were_drawn() {
    let prompt =
        |encode| induction(&SHAPE, 1, 1, &vocabulary(), encode).expect("pairs").remove(0).clean;
    insta::assert_snapshot!(prompt(&words), @" Anne Jacob Paul Susan David coat Ian Edward Anne Jacob Paul Susan David");
    // The tokenizer puts the space there.
    insta::assert_snapshot!(prompt(&spaced), @"Anne Jacob Paul Susan David coat Ian Edward Anne Jacob Paul Susan David");
    let swallows = |text: &str| {
        let mut ids = words(text);
        // Any two words of a long text are one token now and then, as in no tokenizer of words.
        if ids.len() > 12 {
            ids.pop();
        }
        ids
    };
    let refused = induction(&SHAPE, 1, 1, &vocabulary(), &swallows).map_err(|e| e.to_string());
    insta::assert_snapshot!(refused.expect_err("refused"), @"only 0 records of induction are found with this tokenizer, and 1 are asked for: ask for fewer, or use a model with a larger vocabulary");
}

#[test]
fn similarity_pairs_have_one_answer_each() {
    let pairs = similarity(1, 200, &words).expect("pairs");
    insta::assert_snapshot!(to_jsonl(&pairs[..2]).expect("JSON"), @r#"
{"clean":"Q: Which of the following entities has a profession in common with Werner Heisenberg? Pete Sampras, Jeremy Bentham, Isaac Newton.\nA:","corrupted":"Q: Which of the following entities has a profession in common with Thomas Hobbes? Pete Sampras, Jeremy Bentham, Isaac Newton.\nA:","subject":"Werner Heisenberg","answer":" Isaac","distractor":" Jeremy","corrupted_profession":"philosopher","corrupted_subject":"Thomas Hobbes","corrupted_target":"Jeremy Bentham","profession":"physicist","target":"Isaac Newton"}
{"clean":"Q: Which of the following entities has a profession in common with Franklin Roosevelt? Angela Merkel, Leo Tolstoy, Daniel Craig.\nA:","corrupted":"Q: Which of the following entities has a profession in common with Morgan Freeman? Angela Merkel, Leo Tolstoy, Daniel Craig.\nA:","subject":"Franklin Roosevelt","answer":" Angela","distractor":" Daniel","corrupted_profession":"actor","corrupted_subject":"Morgan Freeman","corrupted_target":"Daniel Craig","profession":"politician","target":"Angela Merkel"}
    "#);
    let profession = |name: &str| {
        let group = PROFESSIONS.iter().find(|group| group.people.contains(&name)).expect(name);
        group.name
    };
    for pair in pairs {
        let candidates = pair.clean.split("? ").nth(1).and_then(|rest| rest.strip_suffix(".\nA:"));
        let candidates: Vec<&str> = candidates.expect("candidates").split(", ").collect();
        let of = |wanted: &str| {
            let found = candidates.iter().filter(|name| profession(name) == wanted);
            found.copied().collect::<Vec<_>>()
        };
        let subject = pair.subject.as_deref().expect("a subject");
        let corrupted = &pair.columns["corrupted_subject"];
        assert_eq!(pair.corrupted, Some(pair.clean.replace(subject, corrupted)));
        assert_ne!(profession(subject), profession(corrupted));
        assert_eq!(of(profession(subject)), [pair.columns["target"].as_str()]);
        assert_eq!(of(profession(corrupted)), [pair.columns["corrupted_target"].as_str()]);
        assert!(pair.columns["target"].starts_with(pair.answer.trim_start()));
        assert_ne!(pair.answer, pair.distractor);
        assert!(!candidates.contains(&subject) && !candidates.contains(&corrupted.as_str()));
    }
}

#[test]
fn similarity_pairs_have_as_many_tokens_and_answers_of_one() {
    for pair in similarity(2, 200, &short_words).expect("pairs") {
        let corrupted = pair.corrupted.expect("corrupted");
        assert_eq!(short_words(&pair.clean).len(), short_words(&corrupted).len());
        assert_eq!([&pair.answer, &pair.distractor].map(|text| short_words(text).len()), [1, 1]);
    }
}

#[test]
fn generated_pairs_are_read_as_pairs() {
    let read = reread(&ioi(1, 30, IoiCorrupted::Swap, &words).expect("pairs"), &["corrupted"]);
    assert_eq!(
        (read[29].group.as_deref(), &read[29].columns["order"][..]),
        (Some("BABA-15"), "BABA")
    );
    reread(&ioi(1, 30, IoiCorrupted::None, &words).expect("pairs"), &["answer"]);
    let required = ["corrupted", "answer", "distractor"];
    reread(&induction(&SHAPE, 1, 30, &vocabulary(), &words).expect("pairs"), &required);
    reread(&similarity(1, 30, &words).expect("pairs"), &["subject"]);
}

#[test]
fn the_first_records_do_not_depend_on_how_many_are_asked_for() {
    let check = |make: &dyn Fn(u64, usize) -> String| {
        let many = make(7, 40);
        assert!(many.starts_with(&make(7, 10)));
        assert_eq!(many, make(7, 40));
        assert_ne!(many, make(8, 40));
    };
    let jsonl =
        |pairs: Result<Vec<GeneratedPair>, _>| to_jsonl(&pairs.expect("pairs")).expect("JSON");
    for corrupted in ALL {
        check(&|seed, n| jsonl(ioi(seed, n, corrupted, &words)));
    }
    check(&|seed, n| to_jsonl(&ioi_abc(seed, n, &words).expect("prompts")).expect("JSON"));
    check(&|seed, n| jsonl(induction(&SHAPE, seed, n, &vocabulary(), &words)));
    check(&|seed, n| jsonl(similarity(seed, n, &words)));
}

#[test]
fn what_can_not_be_made_is_told() {
    let told =
        |made: Result<Vec<GeneratedPair>, GenerateError>| made.expect_err("refused").to_string();
    insta::assert_snapshot!(told(ioi(1, 5, IoiCorrupted::Swap, &letters)), @"IOI needs 2 names that are one token each, and finds 0: use a model with a larger vocabulary");
    insta::assert_snapshot!(told(ioi(1, 100_001, IoiCorrupted::Swap, &words)), @"100001 records of IOI are asked for, and at most 100000 are made at once: ask for fewer");
    // Two names, which templates 5 and 13 have in two ways only.
    let two = |text: &str| match text.strip_prefix("The ").is_some_and(|it| NAMES.contains(&it)) {
        true if !["The Mary", "The John"].contains(&text) => letters(text),
        _ => words(text),
    };
    insta::assert_snapshot!(told(ioi(1, 200, IoiCorrupted::Swap, &two)), @"only 68 records of IOI are found with this tokenizer, and 200 are asked for: ask for fewer, or use a model with a larger vocabulary");
    insta::assert_snapshot!(told(ioi(1, 5, IoiCorrupted::Abc, &two)), @"IOI needs 5 names that are one token each, and finds 2: use a model with a larger vocabulary");
    insta::assert_snapshot!(told(similarity(1, 5, &letters)), @"similarity needs 2 first names of different professions that are one token each, and finds 0: use a model with a larger vocabulary");
    insta::assert_snapshot!(told(induction(&SHAPE, 1, 5, &vocabulary()[..8], &words)), @"induction needs 9 candidates of letters that are one token each, and finds 8: use a model with a larger vocabulary");
    let all_shown = Induction { shown: 8, ..SHAPE };
    insta::assert_snapshot!(told(induction(&all_shown, 1, 5, &vocabulary(), &words)), @"a sequence of 8 tokens is to be shown again up to token 8, but the one after that is the answer: show at least 1 and fewer than 8");
    let none_shown = Induction { shown: 0, ..SHAPE };
    assert!(induction(&none_shown, 1, 5, &vocabulary(), &words).is_err());
    assert_eq!(ioi(1, 0, IoiCorrupted::Swap, &words), Ok(Vec::new()));
}

#[test]
fn other_candidates_than_whole_words_are_not_drawn() {
    let candidates = vocabulary();
    let task = Induction { first: 141, shown: 1, replaced: Replaced::Successor };
    let refused = induction(&task, 1, 1, &candidates, &words);
    // The 140 words and "a".
    assert!(matches!(refused, Err(GenerateError::TooFewWords { left: 141, needed: 142, .. })));
}
