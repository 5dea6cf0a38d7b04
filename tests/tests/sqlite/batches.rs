//! Batches of all sizes.

use common::message::Raw;

use crate::rig::{Rig, begin, message};

const MANY: usize = 100_000;
const LARGE: usize = 200_000;

#[test]
fn batches_of_none_of_very_many_and_of_large_messages_are_stored() {
    let rig = Rig::new();
    let broker = rig.open();
    broker.enqueue_blocking(Vec::new()).unwrap();
    assert_eq!(rig.counts(&broker).ready, 0);
    broker.enqueue_blocking((0..u32::try_from(MANY).unwrap()).map(begin).collect()).unwrap();
    assert_eq!(rig.counts(&broker).ready, MANY);
    let text = "x".repeat(LARGE);
    broker.enqueue_blocking((0..300).map(|_| message("large", [Raw::from(text.as_str())])).collect()).unwrap();
    assert_eq!(rig.counts(&broker).ready, MANY + 300);
    rig.assert_is_whole();
}
