//! One look at a message: what is kept of it, or where it is. One script, so nothing happens in between.
//!
//! A script holds up everybody, so it leaves the place open where it would have to pass over more than a thousand names or workers,
//! or over more bodies than one call brings, or where JSON may write the id in several ways. What lies under its id is seen all the
//! same, unless too many workers may hold it.

use redis::Value;

use super::RedisStore;
use super::find::is_plain;
use super::scripts::{millis, read};
use crate::error::StoreError;
use crate::store::{AHEAD_LIMIT, Look, Looked, Place, State};

pub(super) async fn run(store: &RedisStore, look: &Look) -> Result<Looked, StoreError> {
    let id = look.id.as_str();
    let text = if is_plain(id) { format!("\"{id}\"") } else { String::new() };
    let mut call = store.script(&store.scripts.look);
    call.text(look.queue.as_str()).text(&store.keys.fleet(&look.queue)).text(id).text(&text);
    call.count(AHEAD_LIMIT).text(&look.told_under);
    for key in &look.keys {
        call.text(key);
    }
    let (kept, place): (Vec<Option<Vec<u8>>>, Vec<Value>) = call.run(&store.link).await?;
    Ok(Looked { kept, place: read_place(place)? })
}

fn read_place(answer: Vec<Value>) -> Result<Place, StoreError> {
    let is_there = answer.len() > 1;
    let mut answer = answer.into_iter();
    let Some(name) = answer.next() else { return Ok(Place::Nowhere) };
    if !is_there {
        return Ok(Place::Open);
    }
    let name = text(name)?;
    let mut next = || answer.next().unwrap_or_default();
    let (place, first): (String, String) = (read(next())?, text(next())?);
    let time = || millis(first.parse().unwrap_or_default());
    let mut told = None;
    let state = match place.as_str() {
        "dead" => {
            let reason: String = read(next())?;
            State::Dead { died: time(), reason: (!reason.is_empty()).then_some(reason) }
        }
        "claimed" => {
            let cancelled = read(next())?;
            told = read(next())?;
            State::Claimed { worker: first, cancelled }
        }
        "delayed" => State::Delayed { due: time() },
        _ => State::Ready { ahead: first.parse().ok() },
    };
    Ok(Place::At { name, state, told })
}

/// A name, which others may have made of any bytes; or a number.
fn text(value: Value) -> Result<String, StoreError> {
    match value {
        Value::BulkString(bytes) => Ok(String::from_utf8_lossy(&bytes).into_owned()),
        value => read(value),
    }
}
