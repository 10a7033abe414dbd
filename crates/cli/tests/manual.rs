//! `completions` and `man`.

mod common;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use common::Place;
use insta::assert_snapshot;
use tracewright::program::{ENVIRONMENT, EXIT_STATUS, command};

/// The words of every command, `plan trace` among them.
fn commands() -> Vec<String> {
    fn below(command: &clap::Command, words: &str, all: &mut Vec<String>) {
        for one in command.get_subcommands() {
            let words = format!("{words} {}", one.get_name()).trim().to_owned();
            all.push(words.clone());
            below(one, &words, all);
        }
    }
    let mut all = Vec::new();
    below(&command(), "", &mut all);
    assert!(all.len() > 14, "{all:?}");
    all
}

/// Whether a program of the system can be started; tests that need one say so where it can't.
#[expect(clippy::print_stdout, reason = "a test that skips something says so")]
fn has(program: &str) -> bool {
    let found = Command::new(program).arg("--version").output().is_ok();
    if !found {
        println!("not checked: {program} isn't installed");
    }
    found
}

/// What a program of the system says of a text, which it finds nothing wrong with.
fn run(program: &str, args: &[&str], file: &Path) -> String {
    let output = Command::new(program).args(args).arg(file).output().expect(program);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && errors.is_empty(), "{program}: {errors}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn completions_know_every_command_and_are_right_for_their_shell() {
    let place = Place::new();
    for (shell, checks) in
        [("bash", "bash"), ("zsh", "zsh"), ("fish", "fish"), ("elvish", ""), ("powershell", "")]
    {
        let script = place.output(&["completions", shell]);
        for command in commands() {
            let last = command.rsplit(' ').next().expect("a word");
            assert!(script.contains(last), "{shell} doesn't know {command}");
        }
        assert!(script.contains("answer-tokens"), "{shell} knows no flags");
        place.write(shell, &script);
        if !checks.is_empty() && has(checks) {
            run(checks, &["-n"], &place.path(shell));
        }
    }
}

#[test]
fn bash_completes_commands_and_flags() {
    let place = Place::new();
    place.write("completions", place.output(&["completions", "bash"]));
    let script = r#"
source "$1"
completed() {
    COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
    _tracewright tracewright "${!#}" "${COMP_WORDS[COMP_CWORD - 1]}"
    echo "$* -> ${COMPREPLY[*]}"
}
completed tracewright tra
completed tracewright plan p
completed tracewright pair --answ
completed tracewright completions z
"#;
    let test = place.path("test");
    fs::write(&test, script).expect("room for a file");
    let script = test.to_str().expect("UTF-8");
    assert_snapshot!(run("bash", &[script], &place.path("completions")), @r"
    tracewright tra -> trace
    tracewright plan p -> pair
    tracewright pair --answ -> --answer --answer-tokens
    tracewright completions z -> zsh
    ");
}

#[test]
fn a_shell_that_is_not_known_is_told_with_those_that_are() {
    let message = Place::new().message(&["completions", "csh"]);
    assert!(message.contains("bash, elvish, fish, powershell, zsh"), "{message}");
}

#[test]
fn every_command_has_a_page_that_groff_finds_nothing_wrong_with() {
    let place = Place::new();
    assert_eq!(
        place.output(&["man", "--out", "pages"]).trim(),
        format!("{} pages in pages", commands().len() + 1)
    );
    let expected =
        commands().into_iter().map(|words| format!("tracewright-{}.1", words.replace(' ', "-")));
    let expected: BTreeSet<String> = expected.chain(["tracewright.1".to_owned()]).collect();
    let written = place.files("pages");
    assert_eq!(written.keys().cloned().collect::<BTreeSet<_>>(), expected);
    let groff = has("groff");
    for (file, page) in written {
        let page = String::from_utf8(page).expect("UTF-8");
        for (word, _) in EXIT_STATUS.iter().chain(ENVIRONMENT) {
            assert!(
                page.contains(&format!("\\fB{word}\\fR")),
                "{file} doesn't tell of {word}\n{page}"
            );
        }
        if groff {
            let page = place.path("pages").join(&file);
            let text = run("groff", &["-Kutf8", "-man", "-Tutf8", "-ww", "-P-cbou"], &page);
            assert!(text.contains("EXIT STATUS") && text.contains("SYNOPSIS"), "{file}\n{text}");
        }
    }
}

#[test]
fn a_page_is_printed_for_a_command() {
    let place = Place::new();
    let (program, plan) = (place.output(&["man"]), place.output(&["man", "plan", "trace"]));
    assert!(
        program.contains(".TH tracewright 1") && program.contains("tracewright\\-pair(1)"),
        "{program}"
    );
    assert!(
        plan.contains(".TH tracewright-plan-trace 1") && plan.contains("\\-\\-window"),
        "{plan}"
    );
    let document = place.json(&["man", "sites"]);
    assert_eq!(document["page"], "tracewright-sites.1");
    assert_snapshot!(place.message(&["man", "tracd"]), @"error: there is no command 'tracd'; the nearest are trace, predict, man");
}

#[test]
fn every_variable_that_the_program_reads_is_in_the_manual() {
    let known: BTreeSet<&str> = ENVIRONMENT.iter().map(|(name, _)| *name).collect();
    let mut read = 0;
    for file in sources() {
        let text = fs::read_to_string(&file).expect("a source file");
        let code = text.split("#[cfg(test)]").next().expect("a beginning");
        if !code.contains("env::var") {
            continue;
        }
        for name in code.split('"').filter(|word| is_variable(word)) {
            assert!(known.contains(name), "{} reads {name}", file.display());
            read += 1;
        }
    }
    assert!(read > 10, "{read} variables were found");
}

/// `HF_HOME`: capitals, perhaps with `_` between.
fn is_variable(word: &str) -> bool {
    word.len() > 3
        && word.chars().all(|c| c.is_ascii_uppercase() || c == '_')
        && !word.ends_with('_')
}

fn sources() -> Vec<PathBuf> {
    let mut waiting = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("..")];
    let mut files = Vec::new();
    while let Some(path) = waiting.pop() {
        if path.is_dir() {
            let entries = fs::read_dir(&path).expect("a folder");
            waiting.extend(entries.map(|entry| entry.expect("an entry").path()));
        } else if path.extension().is_some_and(|ext| ext == "rs")
            && path.components().any(|part| part.as_os_str() == "src")
            // What drives the browser of the page's tests isn't part of the program.
            && !path.components().any(|part| part.as_os_str() == "page-test")
        {
            files.push(path);
        }
    }
    files
}
