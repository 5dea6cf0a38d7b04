//! Values and counts that are written by themselves, for messages of another store: in chunks, each of them one call.

use redis::Value;

use super::RedisStore;
use super::error::from_script;
use super::groups::append_end;
use super::limits::{CHUNK, CHUNK_BYTES};
use super::scripts::{Call, Script, read};
use crate::error::StoreError;
use crate::store::{Count, Counted, Kept};

pub(super) async fn keep(store: &RedisStore, values: &[Kept]) -> Vec<Result<(), StoreError>> {
    let append = |call: &mut Call<'_>, kept: &Kept| {
        call.text(&kept.key).duration(kept.ttl).bytes(&kept.value);
    };
    let size = |kept: &Kept| kept.value.len();
    each(store, &store.scripts.keep_values, values, size, append, |_| Some(())).await
}

pub(super) async fn count(store: &RedisStore, counts: &[Count]) -> Vec<Result<Counted, StoreError>> {
    let append = |call: &mut Call<'_>, count: &Count| {
        call.text(&count.group).duration(count.ttl);
        append_end(call, count);
    };
    let meaning = |number| match number {
        0 => Some(Counted::Unknown),
        1 => Some(Counted::Known),
        2 => Some(Counted::Last),
        3 => Some(Counted::LastAgain),
        _ => None,
    };
    each(store, &store.scripts.count_members, counts, |_| 0, append, meaning).await
}

/// Has the script do each of them; `meaning` reads what it answers. Nothing is sent any more after a call that failed.
async fn each<T, A: Clone>(
    store: &RedisStore,
    script: &Script,
    all: &[T],
    size: impl Fn(&T) -> usize,
    append: impl Fn(&mut Call<'_>, &T),
    meaning: impl Fn(i64) -> Option<A>,
) -> Vec<Result<A, StoreError>> {
    let mut answers = Vec::with_capacity(all.len());
    while answers.len() < all.len() {
        let mut call = store.script(script);
        let (mut sent, mut bytes) = (0, 0);
        for one in all.iter().skip(answers.len()).take(CHUNK) {
            bytes += size(one);
            if sent > 0 && bytes > CHUNK_BYTES {
                break;
            }
            append(&mut call, one);
            sent += 1;
        }
        match call.run::<Vec<Value>>(&store.link).await {
            Ok(values) if values.len() == sent => {
                answers.extend(values.into_iter().map(|value| answer(value, &meaning)));
            }
            Ok(_) => answers.resize(all.len(), Err(unreadable())),
            Err(error) => answers.resize(all.len(), Err(error.into())),
        }
    }
    answers
}

/// A number, or a refusal as text.
fn answer<A>(value: Value, meaning: impl Fn(i64) -> Option<A>) -> Result<A, StoreError> {
    match value {
        Value::Int(number) => meaning(number).ok_or_else(unreadable),
        refusal => Err(read::<String>(refusal).map_or_else(|error| error, |text| from_script(&text))),
    }
}

fn unreadable() -> StoreError {
    StoreError::Refused("an answer of another shape".to_owned())
}
