//! `commands.md`: the commands and their flags, from the program's own.

use anyhow::Result;
use clap::{Arg, Command};
use tracewright::program::{ENVIRONMENT, EXIT_STATUS, command};

use super::markdown::{names, table};

const INTRO: &str = "\
`tracewright COMMAND --help` says the same in the terminal, `tracewright man COMMAND` prints it as a manual page
(`tracewright man trace | man -l -`), and `tracewright man --out DIR` writes all pages into a folder. Options that every
command takes come first.";

const COMPLETIONS: &str = "\
```sh ignore
tracewright completions bash > ~/.local/share/bash-completion/completions/tracewright
tracewright completions zsh > \"${fpath[1]}/_tracewright\"
tracewright completions fish > ~/.config/fish/completions/tracewright.fish
```

For PowerShell and Elvish: `tracewright completions powershell` or `elvish`, loaded in the shell's profile.";

pub(super) fn page() -> Result<String> {
    let program = command();
    let common: Vec<&Arg> = program.get_arguments().filter(|arg| arg.is_global_set()).collect();
    let mut text = format!("{INTRO}\n\n## Common options\n\n{}", flags(&common));
    sections(&program, &program, &mut text);
    text += &format!("\n## Completions\n\n{COMPLETIONS}\n");
    text += &format!("\n## Exit codes\n\n{}", entries(["code", "meaning"], EXIT_STATUS));
    text += &format!("\n## Environment\n\n{}", entries(["variable", "what it does"], ENVIRONMENT));
    Ok(text)
}

/// A section for each command below this one.
fn sections(above: &Command, program: &Command, text: &mut String) {
    for command in above.get_subcommands() {
        let about = command.get_about().map(ToString::to_string).unwrap_or_default();
        let usage = command.clone().render_usage().to_string();
        let usage = usage.trim_start_matches("Usage: ");
        let name = command.get_bin_name().unwrap_or_else(|| command.get_name());
        *text += &format!("\n## {name}\n\n{about}\n\n```text\n{usage}\n```\n");
        let twin = program
            .find_subcommand(command.get_name())
            .filter(|twin| twin.get_bin_name() != Some(name));
        *text += &match twin {
            Some(twin) => format!(
                "\nOptions: those of [`tracewright {0}`](#tracewright-{0}).\n",
                twin.get_name()
            ),
            None => options(command),
        };
        sections(command, program, text);
    }
}

/// A command's own arguments and flags, by heading.
fn options(command: &Command) -> String {
    let own =
        |arg: &&Arg| !arg.is_global_set() && !["help", "version"].contains(&arg.get_id().as_str());
    let own: Vec<&Arg> = command.get_arguments().filter(own).collect();
    let headings = own.chunk_by(|a, b| a.get_help_heading() == b.get_help_heading());
    let section = |args: &[&Arg]| match args[0].get_help_heading() {
        Some(heading) => format!("\n**{heading}**\n\n{}", flags(args)),
        None => format!("\n{}", flags(args)),
    };
    headings.map(section).collect()
}

fn flags(args: &[&Arg]) -> String {
    let rows: Vec<_> = args.iter().map(|arg| flag(arg)).collect();
    table(&["option", "default", "what it does"], &rows)
}

fn flag(arg: &Arg) -> Vec<String> {
    let takes = arg.get_num_args().is_some_and(|number| number.takes_values());
    let value =
        arg.get_value_names().filter(|_| takes).map(|names| names.join(" ")).unwrap_or_default();
    let long = match arg.get_long() {
        Some(long) => format!("--{long} {value}").trim_end().to_owned(),
        None => value,
    };
    let short = arg.get_short().map(|short| format!("-{short}"));
    let defaults: Vec<_> =
        arg.get_default_values().iter().map(|value| value.to_string_lossy()).collect();
    let shown = takes && !arg.is_hide_default_value_set() && !defaults.is_empty();
    let default = if shown { names([defaults.join(",")]) } else { String::new() };
    let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
    let words: Vec<_> =
        arg.get_possible_values().iter().map(|word| word.get_name().to_owned()).collect();
    let words =
        if takes && words.len() > 1 { format!(": {}", names(words)) } else { String::new() };
    vec![names(short.into_iter().chain([long])), default, help + &words]
}

fn entries(columns: [&str; 2], entries: &[(&str, &str)]) -> String {
    let rows: Vec<_> =
        entries.iter().map(|(word, meaning)| vec![names([word]), (*meaning).to_owned()]).collect();
    table(&columns, &rows)
}
