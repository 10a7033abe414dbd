//! The built-in model's tokens.

mod common;

use insta::assert_snapshot;
use tracewright_models::{Checkpoint, ModelError, Tokenizer};

fn tokenizer() -> Tokenizer {
    Checkpoint::built_in().expect("the built-in model").tokenizer().clone()
}

fn message<T: std::fmt::Debug>(result: Result<T, ModelError>) -> String {
    result.expect_err("this must fail").to_string()
}

#[test]
fn prompts_are_tokenised_as_by_romes_code() {
    // input_ids and input_tokens of fixtures/goldens/rome/knowledge_{0,29,353}.npz
    let expected: [(&str, &[u32], &[&str]); 3] = [
        (
            "Vinson Massif is located in the continent of",
            &[54, 260, 1041, 280, 665, 1234, 275, 503, 274, 262, 871, 264],
            &[
                "V",
                "in",
                "son",
                " M",
                "ass",
                "if",
                " is",
                " located",
                " in",
                " the",
                " continent",
                " of",
            ],
        ),
        (
            "The language of El Mercurio was a mixture of",
            &[290, 353, 264, 1242, 1314, 591, 567, 346, 267, 712, 264],
            &[
                "The",
                " language",
                " of",
                " El",
                " Merc",
                "ur",
                "io",
                " was",
                " a",
                " mixture",
                " of",
            ],
        ),
        (
            "SNCF formed in 1894, and the first train to",
            &[2695, 645, 274, 1813, 12, 302, 262, 532, 1815, 283],
            &["SNCF", " formed", " in", " 1894", ",", " and", " the", " first", " train", " to"],
        ),
    ];
    for (prompt, ids, texts) in expected {
        let tokens = tokenizer().prompt(prompt).expect("a short prompt");
        assert_eq!(tokens.ids, ids);
        assert_eq!(tokens.texts, texts);
        let covered: Vec<&str> =
            tokens.offsets.iter().map(|range| &prompt[range.clone()]).collect();
        assert_eq!(covered, texts, "each token covers its own bytes of the prompt");
    }
}

#[test]
fn tokens_of_other_scripts_cover_whole_characters_of_the_prompt() {
    let prompt = "Zürich 東京 \u{1f600}";
    let tokens = tokenizer().prompt(prompt).expect("a short prompt");
    let covered: Vec<&str> =
        tokens.offsets.iter().filter_map(|range| prompt.get(range.clone())).collect();
    assert_eq!(covered.len(), tokens.len());
    assert_eq!(tokens.texts.len(), tokens.len());
    assert!(tokens.len() > prompt.chars().count(), "some characters are several tokens");
}

#[test]
fn a_prompt_has_a_token_and_fits_the_context() {
    assert_snapshot!(message(tokenizer().prompt("")), @"the prompt is empty: give at least one word");
    let words = |count: usize| tokenizer().prompt(&["the"].repeat(count).join(" "));
    assert_eq!(words(128).map(|tokens| tokens.len()).ok(), Some(128));
    assert_snapshot!(message(words(129)), @"the prompt has 129 tokens, but the model's context is 128: shorten the prompt");
}

#[test]
fn an_answer_is_the_token_that_continues_the_prompt() {
    let tokenizer = tokenizer();
    let prompt = "The Space Needle is in downtown";
    let id = tokenizer.answer(prompt, "Seattle").expect("one token");
    assert_eq!((id, tokenizer.text(id)), (1232, " Seattle".to_owned()));
    assert_eq!(tokenizer.answer(prompt, " Seattle").ok(), Some(id), "the space may be given");
    assert_eq!(
        tokenizer.answer(prompt, ",").map(|id| tokenizer.text(id)).ok().as_deref(),
        Some(",")
    );
    let first = tokenizer.answer("", "The").map(|id| tokenizer.text(id));
    assert_eq!(first.ok().as_deref(), Some("The"), "an answer to nothing has no space");
}

#[test]
fn an_answer_that_is_not_one_token_is_refused() {
    let answer = |prompt, answer| message(tokenizer().answer(prompt, answer));
    let prompt = "The Space Needle is in downtown";
    assert_snapshot!(answer(prompt, "Vinson Massif"), @"the answer 'Vinson Massif' is 6 tokens here ( V|in|son| M|ass|if), but a metric reads one: give an answer of one token, or a beginning that is one");
    assert_snapshot!(answer(prompt, ""), @"the answer is empty: give the text that should follow the prompt");
    assert_snapshot!(answer(prompt, "  Seattle"), @"the answer '  Seattle' is 2 tokens here ( | Seattle), but a metric reads one: give an answer of one token, or a beginning that is one");
    assert_snapshot!(answer("The Space Needle is in down", "\u{301}"), @"the answer '́' is 2 tokens here (�|�), but a metric reads one: give an answer of one token, or a beginning that is one");
    assert_snapshot!(answer("The Space Needle is in downtown ", "Seattle"), @"'Seattle' doesn't continue the prompt as tokens of its own: add a space before it, or end the prompt at a word's end");
}

#[test]
fn an_id_that_cannot_be_decoded_is_shown_as_a_number() {
    let tokenizer = tokenizer();
    assert_eq!(tokenizer.text(9999), "<9999>");
    assert_eq!(tokenizer.text(u32::MAX), "<4294967295>");
    assert_eq!(tokenizer.text(0), "<|endoftext|>");
    assert_eq!(tokenizer.len(), 3072);
}

#[test]
fn plain_texts_are_tokenised_without_special_tokens() {
    assert_eq!(tokenizer().plain("SNCF formed").ok(), Some(vec![2695, 645]));
    assert_eq!(tokenizer().plain("").ok(), Some(vec![]));
}

#[test]
fn a_tokenizer_of_another_model_is_an_error_where_it_leaves_the_vocabulary() {
    let copy = common::Copy::of("gpt2-inverse");
    copy.write(common::TOKENIZER, common::Copy::of("gpt2-relu-f16").read(common::TOKENIZER));
    let model = copy.load().expect("97 embeddings, 300 tokens");
    assert_snapshot!(message(model.tokenizer.prompt("The capital of France is")), @"the tokenizer gives token 286 ('The'), but the model's vocabulary has 97: tokenizer.json belongs to another model");
}

#[test]
fn tokens_in_sentencepieces_style_keep_their_spaces_and_are_answers_with_them() {
    for (family, bos) in [("llama2", "<s>"), ("gemma2", "<bos>"), ("mistral", "<s>")] {
        let tokenizer = common::families()
            .into_iter()
            .find(|folder| folder.ends_with(family))
            .map(|folder| Checkpoint::open(&folder).expect("a fixture").tokenizer().clone())
            .expect("the family has a fixture");
        let prompt = "The capital of France is";
        let tokens = tokenizer.prompt(prompt).expect("a prompt");
        assert_eq!(tokens.texts[0], bos, "{family}");
        let text = tokens.texts[1..].concat();
        assert_eq!(text.trim_start(), prompt, "{family}");
        // Their offsets are those of the prompt.
        let last = tokens.offsets.last().expect("tokens").clone();
        assert_eq!(&prompt[last], " is", "{family}");
        let answer = tokenizer.answer_tokens(prompt, "the").expect("an answer");
        assert_eq!(
            answer.iter().map(|id| tokenizer.text(*id)).collect::<String>(),
            " the",
            "{family}"
        );
    }
}
