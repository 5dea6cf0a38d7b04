//! The Rust code of README.rst and of all notes compiles.
//!
//! Each block stands, line by line, in a source that is built. An experiment's notes quote its own sources; the blocks of the other
//! files stand below, with what is needed around them.
#![expect(clippy::unwrap_used, reason = "the helpers of tests are tests too")]

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

use common::error::EnqueueError;
use common::testing::TestBroker;
use common::{Broker, actor, actors};

/// The first example; it would need a Redis, and never end.
#[expect(clippy::print_stdout, reason = "README's actor prints")]
#[rustfmt::skip]
async fn to_use_the_library() -> Result<(), Box<dyn Error>> {
    use std::time::Duration;

    use common::{Broker, Worker, actor, actors};

    /// Counts to `n`, loudly.
    #[actor(max_retries = 5, min_backoff = "1s")]
    fn count_to(n: u32) {
        for i in 1..=n { println!("{i}"); }
    }

    count_to(3);                                                    // still an ordinary function

    let broker = Broker::connect("redis://localhost:6379").await?;
    count_to::send(&broker, 3).await?;                              // typed: a wrong argument does not compile
    count_to::message(3).delay(Duration::from_secs(5)).send(&broker).await?;

    Worker::new(broker).actors(actors![count_to]).run().await?;
    Ok(())
}

#[test]
fn the_first_example_compiles() {
    drop(to_use_the_library());
}

#[actor(max_retries = 3)]
fn send_email(_to: String, _template: u32) {}

async fn sign_up(broker: &Broker, user: &str) -> Result<(), EnqueueError> {
    send_email::send(broker, user, 3).await.map(drop)
}

/// The command line of a program of one's own; `main` would end the tests.
#[cfg(feature = "cli")]
#[allow(dead_code, clippy::items_after_statements, reason = "README's program has a `main`")]
mod with_a_command_line {
    #[common::actor]
    fn send_mail(_to: String) {}

    #[rustfmt::skip]
fn main() -> std::process::ExitCode {
    common::cli::app!().actors(common::actors![send_mail]).run()
}
}

#[tokio::test]
#[rustfmt::skip]
async fn the_example_of_a_test_passes() -> Result<(), Box<dyn Error>> {
    let broker = TestBroker::new();
    sign_up(&broker, "ada").await?;                                 // the code under test
    assert_eq!(send_email::sent(&broker), [("ada".to_owned(), 3)]); // what it sent, typed
    broker.worker().actors(actors![send_email]).run_until_done().await?;    // with all delays and retries, in no time
    Ok(())
}

#[test]
fn all_rust_code_of_readme_and_notes_stands_in_a_source_that_is_built() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let (mut wrong, mut count) = (Vec::new(), 0);
    for folder in folders(root) {
        let is_experiment = folder.join("src/main.rs").exists();
        let sources =
            if is_experiment { files(&folder.join("src"), "rs") } else { vec![root.join("common/tests/readme.rs")] };
        let sources: Vec<String> = sources.iter().map(|source| fs::read_to_string(source).unwrap()).collect();
        for notes in files(&folder, "rst") {
            for block in blocks(&fs::read_to_string(&notes).unwrap()) {
                count += 1;
                if !sources.iter().any(|source| stands_in(&block, source)) {
                    wrong.push(format!("{}:\n\n{}\n", notes.display(), block.join("\n")));
                }
            }
        }
    }
    assert!(count >= 3, "only {count} blocks were found");
    assert!(
        wrong.is_empty(),
        "no source that is built says so; README's code stands in common/tests/readme.rs:\n{}",
        wrong.concat()
    );
}

#[test]
fn code_that_stands_in_no_source_is_noticed() {
    let notes = "Text.\n\n.. code-block:: rust\n\n   f(1);\n\n   if x {\n       g(2);\n   }\n\nText::\n\n   h()\n";
    let found = blocks(notes);
    assert_eq!(found, [["f(1);", "", "if x {", "    g(2);", "}"].map(str::to_owned)]);
    let source = "fn main() {\n    f(1);\n\n    if x {\n        g(2);\n    }\n}\n";
    assert!(stands_in(&found[0], source));
    for other in [
        source.replace("f(1)", "f(2)"),
        source.replace("        g(2)", "    g(2)"),
        source.replace("\n\n", "\n\n    f(1);\n"),
        String::new(),
    ] {
        assert!(!stands_in(&found[0], &other), "{other}");
    }
}

/// The root, and the folders in it that have a Cargo.toml.
fn folders(root: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(root).unwrap().map(|entry| entry.unwrap().path());
    let members = entries.filter(|path| path.join("Cargo.toml").exists());
    std::iter::once(root.to_owned()).chain(members).collect()
}

/// The files in a folder with this ending.
fn files(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.filter(|path| path.is_file() && path.extension().is_some_and(|found| found == ending)).collect()
}

/// The blocks of Rust code in notes, each without its indent.
fn blocks(notes: &str) -> Vec<Vec<String>> {
    const INDENT: &str = "   ";
    let lines: Vec<&str> = notes.lines().collect();
    let starts = (0..lines.len()).filter(|at| lines[*at].trim_end() == ".. code-block:: rust");
    let block = |start: usize| {
        let inside = lines[start + 1..].iter().take_while(|line| line.is_empty() || line.starts_with(INDENT));
        let text: Vec<_> = inside.map(|line| line.strip_prefix(INDENT).unwrap_or_default().to_owned()).collect();
        let is_blank = |line: &String| line.is_empty();
        let first = text.iter().take_while(|line| is_blank(line)).count();
        let last = text.len() - text.iter().rev().take_while(|line| is_blank(line)).count();
        text[first.min(last)..last].to_vec()
    };
    starts.map(block).collect()
}

/// Whether the lines of a block stand in a source one after the other, all indented by as much.
fn stands_in(block: &[String], source: &str) -> bool {
    let source: Vec<&str> = source.lines().collect();
    source.windows(block.len().max(1)).any(|lines| {
        let indent = lines[0].len() - lines[0].trim_start().len();
        let is_same = |(line, quoted): (&&str, &String)| {
            let expected = format!("{:indent$}{quoted}", "");
            line.trim_end() == expected.trim_end()
        };
        lines.iter().zip(block).all(is_same)
    })
}
