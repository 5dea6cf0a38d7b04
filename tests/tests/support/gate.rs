/// Runs until the file `gate` is there, or until it has to end. A test opens a gate from another process, so it can only be looked at.
fn wait_for(gate: &str, has_to_end: impl Fn() -> bool) {
    while !std::path::Path::new(gate).exists() && !has_to_end() {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
}
