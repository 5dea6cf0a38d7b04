//! Batches of all sizes.

use common::message::Raw;
use common::store::{Inspect as _, Store as _};

use crate::rig::*;

const MANY: i64 = 100_000;
const LARGE: usize = 200_000;

#[tokio::test]
async fn batches_of_none_of_very_many_and_of_large_messages_are_stored() {
    let rig = Rig::new().await;
    let queue = message("default", 0).queue_name;
    let ready = async || rig.store.counts(&queue).await.unwrap().ready;
    rig.store.enqueue(&[]).await.unwrap();
    assert_eq!(ready().await, 0);
    let many: Vec<_> = (0..MANY).map(|number| message("default", number)).collect();
    rig.store.enqueue(&many).await.unwrap();
    assert_eq!(ready().await, many.len());
    let text = "x".repeat(LARGE);
    let large = |number| {
        let mut large = message("default", number);
        large.args = vec![Raw::from(text.as_str())];
        large
    };
    let large: Vec<_> = (0..300).map(large).collect();
    rig.store.enqueue(&large).await.unwrap();
    assert_eq!(ready().await, many.len() + large.len());
    // So much is not left to those who come after.
    while rig.store.purge(&queue).await.unwrap() > 0 {}
}
