//! Which changes are told.

use std::fs;

use super::*;

/// A folder that vanishes at the end.
struct Folder(PathBuf);

impl Folder {
    fn new(files: &[&str]) -> Self {
        let root = std::env::temp_dir().join(format!("lab-{}", crate::message::MessageId::random()));
        for file in files {
            let path = root.join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        Self(root.canonicalize().unwrap())
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

const FILES: &[&str] = &[
    "e02/src/main.rs",
    "e02/README.rst",
    "e02/target/debug/build.rs",
    "built/CACHEDIR.TAG",
    "built/debug/out.rs",
    "out/log",
    ".git/HEAD",
    "e02/.main.rs.swp",
    "e02/tasks.db",
    "e02/src/take two.lua",
];

fn lab() -> Folder {
    let folder = Folder::new(FILES);
    let file = |name: &str| folder.0.join(name).display().to_string().replace(' ', "\\ ");
    let read = ["e02/README.rst", "e02/src/main.rs", "e02/src/take two.lua"].map(file);
    fs::write(folder.0.join("built/debug/e02.d"), format!("{}: {}\n", file("built/debug/e02"), read.join(" ")))
        .unwrap();
    folder
}

impl Folder {
    fn changes(&self) -> Changes {
        Changes::of(&self.0, &self.0.join("built/debug/e02"), &self.0.join("e02/README.rst")).unwrap()
    }

    fn filter(&self) -> Filter {
        Filter::new(&self.0, &self.0.join("built/debug/e02"), &self.0.join("e02/README.rst")).unwrap()
    }
}

#[test]
fn only_what_cargo_reads_matters() {
    let lab = lab();
    let mut filter = lab.filter();
    let folders: Vec<_> = filter.folders().into_iter().collect();
    assert_eq!(folders, ["", "e02", "e02/src", "out"].map(|name| lab.0.join(name).components().collect::<PathBuf>()));
    let mut matters = |file: &str, created| filter.matters(&lab.0.join(file), created);
    for file in ["e02/src/main.rs", "e02/src/gone.rs", "e02/src/take two.lua", "e02/Cargo.toml", "e02/src"] {
        assert!(matters(file, false), "{file}");
    }
    for file in ["e02/README.rst", "e02/.main.rs.swp", "e02/tasks.db", "out/log", "out", "e02/target"] {
        assert!(!matters(file, false), "{file}");
    }
    assert!(!matters("e02/src/came_and_went.rs", true));
    assert!(matters("e02/src/main.rs", true));
}

#[test]
fn what_a_later_build_reads_matters_from_then_on() {
    let lab = lab();
    let mut filter = lab.filter();
    let log = lab.0.join("out/log");
    assert!(!filter.matters(&log, false));
    let record = lab.0.join("built/debug/e02.d");
    fs::write(&record, format!("e02: {}\n", log.display())).unwrap();
    let later = fs::metadata(&record).unwrap().modified().unwrap() + Duration::from_secs(2);
    fs::File::options().write(true).open(record).unwrap().set_modified(later).unwrap();
    assert!(filter.matters(&log, false));
}

#[tokio::test]
async fn a_change_is_told_while_a_database_is_written_all_the_time() {
    let lab = lab();
    let mut changes = lab.changes();
    let database = lab.0.join("e02/tasks.db");
    let written = async {
        loop {
            fs::write(&database, "new").unwrap();
            tokio::task::yield_now().await;
        }
    };
    fs::write(lab.0.join("e02/src/main.rs"), "new").unwrap();
    tokio::select! {
        file = changes.next() => assert_eq!(file, "e02/src/main.rs"),
        () = written => {}
    }
}

#[tokio::test]
async fn a_change_is_told_once_it_is_over() {
    let lab = lab();
    let mut changes = lab.changes();
    fs::write(lab.0.join("e02/README.rst"), "new").unwrap();
    fs::write(lab.0.join("e02/target/debug/build.rs"), "new").unwrap();
    fs::write(lab.0.join("e02/tasks.db"), "new").unwrap();
    // Many editors and tools write a new file, and give it the old name.
    fs::write(lab.0.join("e02/src/sedX"), "new").unwrap();
    fs::rename(lab.0.join("e02/src/sedX"), lab.0.join("e02/src/main.rs")).unwrap();
    assert_eq!(changes.next().await, "e02/src/main.rs");
    fs::remove_file(lab.0.join("e02/src/main.rs")).unwrap();
    assert_eq!(changes.next().await, "e02/src/main.rs");
    // A new folder is watched from then on, and what came with it is not missed.
    fs::create_dir(lab.0.join(".new")).unwrap();
    fs::write(lab.0.join(".new/main.rs"), "new").unwrap();
    fs::rename(lab.0.join(".new"), lab.0.join("e03")).unwrap();
    assert_eq!(changes.next().await, "e03");
    fs::write(lab.0.join("e03/main.rs"), "newer").unwrap();
    assert_eq!(changes.next().await, "e03/main.rs");
}

#[cfg(unix)]
#[test]
fn a_source_behind_a_link_is_watched_where_it_is() {
    let (lab, shared) = (lab(), Folder::new(&["words.txt", "other.rs", "more/deep.rs"]));
    let link = |to: &str, from: &str| std::os::unix::fs::symlink(shared.0.join(to), lab.0.join(from)).unwrap();
    link("words.txt", "e02/src/words.txt");
    link("more", "e02/src/more");
    let read = ["e02/src/main.rs", "e02/src/words.txt", "e02/src/more/deep.rs"].map(|name| lab.0.join(name));
    let read = read.map(|file| file.display().to_string());
    fs::write(lab.0.join("built/debug/e02.d"), format!("e02: {}\n", read.join(" "))).unwrap();
    let mut filter = lab.filter();
    let folders = filter.folders();
    assert!(folders.contains(&shared.0) && folders.contains(&shared.0.join("more")), "{folders:?}");
    for file in ["words.txt", "more/deep.rs"] {
        assert!(filter.matters(&shared.0.join(file), false), "{file}");
    }
    assert!(!filter.matters(&shared.0.join("other.rs"), false), "nobody reads it");
    assert!(filter.matters(&lab.0.join("e02/src/words.txt"), false), "the link itself");
}

#[tokio::test]
async fn a_folder_that_was_replaced_is_watched_again() {
    let lab = lab();
    let mut changes = lab.changes();
    let source = lab.0.join("e02/src");
    // The old one goes out of sight, or stays near.
    for away in [lab.0.with_extension("elsewhere"), lab.0.join("e02/elsewhere")] {
        fs::rename(&source, &away).unwrap();
        fs::create_dir(&source).unwrap();
        fs::write(source.join("main.rs"), "new").unwrap();
        assert!(changes.next().await.starts_with("e02/"));
        fs::write(source.join("main.rs"), "newer").unwrap();
        while changes.next().await != "e02/src/main.rs" {}
        fs::remove_dir_all(&away).unwrap();
    }
    // The whole of it; what came back is another one, and then the same.
    let away = lab.0.with_extension("away");
    fs::rename(&lab.0, &away).unwrap();
    fs::create_dir_all(&source).unwrap();
    fs::write(source.join("main.rs"), "new").unwrap();
    while !changes.next().await.starts_with(&lab.0.display().to_string()) {}
    fs::write(source.join("main.rs"), "newer").unwrap();
    while changes.next().await != "e02/src/main.rs" {}
    fs::remove_dir_all(&lab.0).unwrap();
    fs::rename(&away, &lab.0).unwrap();
    changes.next().await;
    fs::write(source.join("main.rs"), "newest").unwrap();
    while changes.next().await != "e02/src/main.rs" {}
}
