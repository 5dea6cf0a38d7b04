//! A process that forks after it has connected.

use std::path::Path;

use tests::process::Process;

use crate::site::Site;

#[test]
fn a_forked_child_is_told_to_connect_anew_and_the_parent_goes_on() {
    for site in Site::all() {
        let url = site.url.clone().unwrap_or_else(|| "memory:".to_owned());
        let peer = Process::start(Path::new(env!("CARGO_BIN_EXE_peer")), &["fork", &url], &[]);
        assert_eq!(peer.wait().code(), Some(0), "{peer}");
        let said = peer.stdout();
        let refusals = said.iter().filter(|line| {
            line.contains("nothing of it works in process") && line.ends_with("fork first, then connect")
        });
        assert_eq!(refusals.count(), 6, "each call is refused\n{peer}");
        let sends = said.iter().any(|line| line == "the child sends by a broker of its own");
        assert_eq!(sends, !url.starts_with("sqlite:"), "{peer}");
        assert_eq!(said.last().map(String::as_str), Some("the parent sends once more"), "{peer}");
        assert!(said.iter().any(|line| line == "the child ends well"), "{peer}");
    }
}
