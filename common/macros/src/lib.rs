//! The attribute `#[actor]`.
