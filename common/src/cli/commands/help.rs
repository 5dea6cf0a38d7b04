//! How help looks.

use clap::Command;
use clap::builder::Styles;

use super::super::App;
use super::inspect;

/// How help is laid out: as clap does it, with the commands that look inside apart from the others.
pub(super) fn template() -> String {
    let styles = Styles::styled();
    let (head, literal) = (styles.get_header(), styles.get_literal());
    let inspecting = inspect::commands();
    let width = inspecting.iter().map(|command| command.get_name().len()).max().unwrap_or(0);
    let line = |command: &Command| {
        let (name, about) = (command.get_name(), command.get_about().map(ToString::to_string).unwrap_or_default());
        format!("  {literal}{name}{literal:#}{:gap$}{about}\n", "", gap = width - name.len() + 2)
    };
    let lines = inspecting.iter().map(line).collect::<Vec<_>>().concat();
    format!(
        "{{about-with-newline}}\n{{usage-heading}} {{usage}}\n\n\
         {head}Commands:{head:#}\n{{subcommands}}\n\n\
         {head}To look inside, while workers run:{head:#}\n{lines}\n\
         {head}Options:{head:#}\n{{options}}{{after-help}}"
    )
}

/// The package's description; else the title of its notes.
pub(super) fn about(app: &App) -> String {
    let is_text = |line: &&str| line.chars().any(char::is_alphanumeric);
    let title = app.lesson.as_ref().and_then(|lesson| lesson.notes.lines().map(str::trim).find(is_text));
    let description = Some(app.about).filter(|text| !text.is_empty());
    description.or(title).unwrap_or(app.name).to_owned()
}

/// What to type first, where the demonstration of an experiment says so.
pub(super) fn examples(app: &App) -> String {
    let Some(lesson) = &app.lesson else { return String::new() };
    let mut lines = vec![("demo".to_owned(), "the lesson"), ("worker --watch .".to_owned(), "one terminal")];
    let mut sent = lesson.demo.iter().map(|step| step.command);
    if let Some(first) = sent.next() {
        lines.push((first.to_owned(), "another terminal"));
    }
    if let Some(delayed) = sent.clone().find(|command| command.contains("--")).or_else(|| sent.next()) {
        lines.push((delayed.to_owned(), "sends another one"));
    }
    let width = lines.iter().map(|(command, _)| command.len()).max().unwrap_or(0);
    let mut text = "Examples:".to_owned();
    for (command, meaning) in lines {
        let line = format!("\n  {} {command:width$}  {meaning}", app.call());
        text.push_str(line.trim_end());
    }
    text
}
