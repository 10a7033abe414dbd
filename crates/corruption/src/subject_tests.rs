use proptest::prelude::*;

use super::*;

fn tokens(parts: &[(&str, Range<usize>)]) -> Tokens {
    Tokens {
        ids: (0..).take(parts.len()).collect(),
        texts: parts.iter().map(|(text, _)| (*text).to_owned()).collect(),
        offsets: parts.iter().map(|(_, offsets)| offsets.clone()).collect(),
    }
}

/// Tokens whose texts are the parts of the prompt, one after the other.
fn split(parts: &[&str]) -> (Tokens, String) {
    let mut end = 0;
    let pairs: Vec<_> = parts
        .iter()
        .map(|part| {
            end += part.len();
            (*part, end - part.len()..end)
        })
        .collect();
    (tokens(&pairs), parts.concat())
}

fn check(tokens: &Tokens, prompt: &str, subject: &str, expected: Range<usize>) {
    assert_eq!(subject_range(tokens, prompt, subject), Ok(expected), "{subject} in {prompt}");
}

#[test]
fn tokens_with_leading_spaces_cover_a_subject_without_one() {
    let (tokens, prompt) = split(&["The", " Space", " Need", "le", " is", " in"]);
    check(&tokens, &prompt, "Space Needle", 1..4);
    check(&tokens, &prompt, "The Space Needle", 0..4);
    check(&tokens, &prompt, " in", 5..6);
    check(&tokens, &prompt, "Space", 1..2);
}

#[test]
fn a_subject_that_ends_with_a_space_reaches_into_the_next_token() {
    let (tokens, prompt) = split(&["The", " Space", " Need", "le", " is"]);
    check(&tokens, &prompt, "Space ", 1..3);
    check(&tokens, &prompt, " Space", 1..2);
}

#[test]
fn a_subject_in_the_middle_of_a_token_is_that_token() {
    let (tokens, prompt) = split(&["A", " hyperloop", " train"]);
    check(&tokens, &prompt, "loo", 1..2);
    check(&tokens, &prompt, "loop tr", 1..3);
}

#[test]
fn the_first_of_several_occurrences_is_the_subject() {
    let (tokens, prompt) = split(&["Rome", " and", " Rome"]);
    check(&tokens, &prompt, "Rome", 0..1);
}

#[test]
fn a_character_split_over_two_tokens_is_found_by_its_offsets() {
    let prompt = "In Orléans, the";
    let tokens = tokens(&[
        ("In", 0..2),
        (" Orl", 2..6),
        ("\u{fffd}", 6..8),
        ("\u{fffd}", 6..8),
        ("ans", 8..11),
        (",", 11..12),
        (" the", 12..16),
    ]);
    check(&tokens, prompt, "Orléans", 1..5);
    check(&tokens, prompt, "Orlé", 1..4);
    check(&tokens, prompt, "é", 2..4);
    check(&tokens, prompt, "the", 6..7);
}

#[test]
fn texts_without_spaces_leave_it_to_the_offsets() {
    let prompt = "the rapist met a therapist";
    let tokens = tokens(&[
        ("the", 0..3),
        ("rapist", 3..10),
        ("met", 10..14),
        ("a", 14..16),
        ("therapist", 16..26),
    ]);
    check(&tokens, prompt, "therapist", 4..5);
    check(&tokens, prompt, "rapist met", 1..3);
}

#[test]
fn an_added_token_shifts_positions_and_is_never_the_subject() {
    let prompt = "The end s";
    let tokens = tokens(&[("<|endoftext|>", 0..0), ("The", 0..3), (" end", 3..7), (" s", 7..9)]);
    check(&tokens, prompt, "end", 2..3);
    check(&tokens, prompt, "The", 1..2);
    let without_spaces = super::tests::tokens(&[("<s>", 0..0), ("The", 0..3), ("s", 3..5)]);
    check(&without_spaces, "The s", "s", 2..3);
}

#[test]
fn an_empty_subject_is_refused() {
    let (tokens, prompt) = split(&["The", " Space"]);
    let error = subject_range(&tokens, &prompt, "").expect_err("empty");
    assert!(error.to_string().contains("'The Space'"), "{error}");
}

#[test]
fn a_subject_that_differs_in_case_or_spaces_is_suggested_as_the_prompt_has_it() {
    let (tokens, prompt) = split(&["The", " Space", " Needle", " is"]);
    for subject in ["space needle", "SPACE NEEDLE", "  Space Needle  ", " space needle."] {
        let message = subject_range(&tokens, &prompt, subject).expect_err(subject).to_string();
        assert!(
            message.contains(&format!("'{subject}'")) && message.contains(&prompt),
            "{message}"
        );
        let expected = !subject.ends_with('.');
        assert_eq!(message.contains("did you mean 'Space Needle'?"), expected, "{message}");
    }
}

#[test]
fn lower_case_of_another_length_does_not_break_the_suggestion() {
    let (tokens, prompt) = split(&["In", " İzmir", " is"]);
    let message = subject_range(&tokens, &prompt, "İZMIR").expect_err("case").to_string();
    assert!(message.contains("did you mean 'İzmir'?"), "{message}");
}

#[test]
fn a_subject_that_no_token_covers_is_an_error_and_not_an_empty_range() {
    let tokens = tokens(&[("The", 0..3)]);
    let error = subject_range(&tokens, "The Space", "Space").expect_err("no token");
    assert!(matches!(error, CorruptionError::SubjectWithoutTokens { .. }), "{error}");
    let none = Tokens::default();
    assert!(subject_range(&none, "The Space", "Space").is_err());
}

/// ROME's `find_token_range`, with characters counted as Python counts them.
fn romes_rule(texts: &[String], subject: &str) -> Option<Range<usize>> {
    let joined: Vec<char> = texts.concat().chars().collect();
    let subject: Vec<char> = subject.chars().collect();
    let from = joined.windows(subject.len()).position(|window| window == subject)?;
    let (mut location, mut start) = (0, None);
    for (i, text) in texts.iter().enumerate() {
        location += text.chars().count();
        if start.is_none() && location > from {
            start = Some(i);
        }
        if location >= from + subject.len() {
            return start.map(|start| start..i + 1);
        }
    }
    None
}

proptest! {
    #[test]
    fn the_range_is_romes(parts in prop::collection::vec("[ abé]{1,4}", 1..8), at in 0usize..20, len in 1usize..8) {
        let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
        let (tokens, prompt) = split(&parts);
        let subject: String = prompt.chars().skip(at).take(len).collect();
        prop_assume!(!subject.is_empty());
        let range = subject_range(&tokens, &prompt, &subject);
        prop_assert_eq!(range.ok(), romes_rule(&tokens.texts, &subject));
    }

    #[test]
    fn nothing_makes_it_panic(texts in prop::collection::vec(any::<String>(), 0..4), prompt: String, subject: String) {
        let mut tokens = split(&texts.iter().map(String::as_str).collect::<Vec<_>>()).0;
        let _ = subject_range(&tokens, &prompt, &subject);
        tokens.offsets.truncate(1);
        let _ = subject_range(&tokens, &prompt, &subject);
    }
}
