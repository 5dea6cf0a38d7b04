//! Tables of what has to hold, generated from what the tests show.

mod faults;
mod parity;
mod promises;
