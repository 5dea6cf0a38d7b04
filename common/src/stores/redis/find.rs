//! Finding a message: by its name, by the start of its name, and, if asked to, by what its body says.
//!
//! The hashes of bodies have no order, so to find the start of a name means to pass over all names of a queue. The client drives
//! that, a page at a time, so that no other call waits long. While it goes on messages move, and a retry moves against the
//! search: what was seen and is gone by the time of a closer look is looked for once more, and so is what was not seen at all; what was
//! seen in two places is looked for in both of them once more.

use std::collections::{HashMap, HashSet};

use redis::Value;
use uuid::Uuid;

use super::RedisStore;
use super::keys::escape;
use super::scripts::{millis, read};
use crate::clock::Timestamp;
use crate::error::StoreError;
use crate::message::Message;
use crate::queue_name::QueueName;
use crate::store::{AHEAD_LIMIT, Claim, MessageInfo, PAGE, State};

/// The hashes of bodies of each queue, by their suffixes. In the order in which most messages go through them.
const HASHES: [&str; 3] = [HELD, "", DEAD];

/// The suffix of the hash of delayed messages.
const HELD: &str = ".DQ";

/// The suffix of the hash of dead letters.
const DEAD: &str = ".XQ";

/// How often a message is looked for that is seen and gone again.
const MAX_ROUNDS: usize = 5;

/// One name in one hash of bodies.
type Name = (QueueName, &'static str, String);

/// What has been found so far.
struct Search<'a> {
    id: &'a str,
    seen: HashSet<Name>,
    found: Vec<(Name, MessageInfo)>,
    /// Whether a name was gone when it was looked at.
    has_missed: bool,
}

/// What the script says of one name.
enum Seen {
    Nothing,
    At(MessageInfo),
    /// A worker holds it, or else it is here.
    Elsewhere {
        info: MessageInfo,
        is_far_back: bool,
    },
}

pub(super) async fn run(store: &RedisStore, id: &str, depth: usize) -> Result<Vec<MessageInfo>, StoreError> {
    for round in 0..MAX_ROUNDS {
        let mut search = Search { id, seen: HashSet::new(), found: Vec::new(), has_missed: false };
        store.search(&mut search, depth).await?;
        let found = store.still_there(search.found).await?;
        if !found.is_empty() || (round > 0 && !search.has_missed) {
            return Ok(found);
        }
    }
    Ok(Vec::new())
}

/// What lies under the name of a claim, without a search.
pub(super) async fn claim(store: &RedisStore, claim: &Claim) -> Result<Option<MessageInfo>, StoreError> {
    for which in HASHES.iter().filter(|which| **which != DEAD) {
        if let Some(info) = store.see(&(claim.queue.clone(), which, claim.id.to_string())).await? {
            return Ok(Some(info));
        }
    }
    Ok(None)
}

impl RedisStore {
    async fn search(&self, search: &mut Search<'_>, depth: usize) -> Result<(), StoreError> {
        let id = search.id;
        let queues = self.queue_names().await?;
        let all = || queues.iter().flat_map(|queue| HASHES.map(|which| (queue, which)));
        // What lies under the id itself comes first: most do.
        for (queue, which) in all() {
            self.add(search, (queue.clone(), which, id.to_owned()), false).await?;
        }
        // No other id begins with a whole one, and this one has not ended.
        if Uuid::try_parse(id).is_ok() && search.found.iter().any(|(_, info)| info.is_live()) {
            return Ok(());
        }
        let pattern = format!("{}*", escape(id));
        for (queue, which) in all() {
            let mut cursor = "0".to_owned();
            while !search.is_full() {
                let mut call = self.script(&self.scripts.names);
                call.text(&format!("{queue}{which}")).text(&cursor).text(&pattern).text("").count(0);
                let (next, _, names): (String, usize, Vec<Vec<u8>>) = call.run(&self.link).await?;
                for name in names {
                    self.add(search, named(queue, which, &name), false).await?;
                }
                cursor = next;
                if cursor == "0" {
                    break;
                }
            }
        }
        for (queue, which) in all() {
            self.search_bodies(search, queue, which, depth).await?;
        }
        Ok(())
    }

    /// Liveness at up to `depth` bodies. The server picks out those with the id's text in them, wherever it stands.
    async fn search_bodies(
        &self,
        search: &mut Search<'_>,
        queue: &QueueName,
        which: &'static str,
        depth: usize,
    ) -> Result<(), StoreError> {
        let text = if is_plain(search.id) { search.id } else { "" };
        let (mut left, mut cursor) = (depth, "0".to_owned());
        while left > 0 && !search.is_full() {
            let mut call = self.script(&self.scripts.names);
            call.text(&format!("{queue}{which}")).text(&cursor).text("").text(text).count(left);
            let (next, looked, names): (String, usize, Vec<Vec<u8>>) = call.run(&self.link).await?;
            for name in names {
                self.add(search, named(queue, which, &name), true).await?;
            }
            left = left.saturating_sub(looked);
            cursor = next;
            if cursor == "0" {
                break;
            }
        }
        Ok(())
    }

    /// Takes in what lies under a name, where its body has to say the id only if its body has.
    async fn add(&self, search: &mut Search<'_>, name: Name, by_body: bool) -> Result<(), StoreError> {
        let is_exact = name.2 == search.id;
        if search.is_full() || search.seen.contains(&name) {
            return Ok(());
        }
        let Some(info) = self.see(&name).await? else {
            search.has_missed |= !is_exact;
            return Ok(());
        };
        if !by_body || has_id(&info.bytes, search.id) {
            search.seen.insert(name.clone());
            search.found.push((name, info));
        }
        Ok(())
    }

    /// What is found, without what has moved amid the search and was seen in two places: where it is no more, it is left out.
    async fn still_there(&self, found: Vec<(Name, MessageInfo)>) -> Result<Vec<MessageInfo>, StoreError> {
        let id = |info: &MessageInfo| Some(Message::decode(&info.bytes, Timestamp::EPOCH).ok()?.message_id);
        let mut times = HashMap::new();
        for id in found.iter().filter(|_| found.len() > 1).filter_map(|(_, info)| id(info)) {
            *times.entry(id).or_insert(0) += 1;
        }
        let is_twice = |info: &MessageInfo| !times.is_empty() && id(info).is_some_and(|id| times[&id] > 1);
        let mut there = Vec::with_capacity(found.len());
        for (name, info) in found {
            if is_twice(&info) {
                there.extend(self.see(&name).await?);
            } else {
                there.push(info);
            }
        }
        Ok(there)
    }

    /// What lies under a name, and where.
    async fn see(&self, (queue, which, name): &Name) -> Result<Option<MessageInfo>, StoreError> {
        for _ in 0..MAX_ROUNDS {
            let (mut info, is_far_back) = match self.read_info(queue, which, name).await? {
                Seen::Nothing => return Ok(None),
                Seen::At(info) => return Ok(Some(info)),
                Seen::Elsewhere { info, is_far_back } => (info, is_far_back),
            };
            if let Some((worker, cancelled)) = self.holder(queue, which, name).await? {
                // What Python claims from a delay queue it keeps in its memory until its time.
                if which != &HELD {
                    info.state = State::Claimed { worker, cancelled };
                }
                return Ok(Some(info));
            }
            if is_far_back {
                return Ok(Some(info));
            }
            // It moved between the looks.
        }
        Ok(None)
    }

    async fn read_info(&self, queue: &QueueName, which: &str, name: &str) -> Result<Seen, StoreError> {
        let mut call = self.script(&self.scripts.message_info);
        call.text(queue.as_str()).text(&self.keys.fleet(queue)).text(which).text(name).count(AHEAD_LIMIT);
        let mut answer = call.run::<Vec<Value>>(&self.link).await?.into_iter();
        let Some(bytes) = answer.next() else { return Ok(Seen::Nothing) };
        let mut next = || answer.next().unwrap_or_default();
        let (bytes, crashes, place, first): (Vec<u8>, u32, String, String) =
            (read(bytes)?, read(next())?, read(next())?, read(next())?);
        let time = || millis(first.parse().unwrap_or_default());
        let state = match place.as_str() {
            "dead" => {
                let reason: String = read(next())?;
                State::Dead { died: time(), reason: (!reason.is_empty()).then_some(reason) }
            }
            _ if which == HELD => State::Delayed { due: time() },
            _ => State::Ready { ahead: first.parse().ok() },
        };
        let info = MessageInfo { queue: queue.clone(), name: name.to_owned(), bytes, crashes, state };
        if place == "elsewhere" {
            return Ok(Seen::Elsewhere { info, is_far_back: read(next())? });
        }
        Ok(Seen::At(info))
    }

    /// Which worker has claimed what lies under a name, and whether that is cancelled.
    pub(super) async fn holder(
        &self,
        queue: &QueueName,
        which: &str,
        name: &str,
    ) -> Result<Option<(String, bool)>, StoreError> {
        let mut cursor = "0".to_owned();
        loop {
            let mut call = self.script(&self.scripts.holder);
            call.text(queue.as_str()).text(&self.keys.fleet(queue)).text(which).text(name).text(&cursor);
            let (next, worker, cancelled): (String, Vec<u8>, bool) = call.run(&self.link).await?;
            if !worker.is_empty() {
                return Ok(Some((String::from_utf8_lossy(&worker).into_owned(), cancelled)));
            }
            if next == "0" {
                return Ok(None);
            }
            cursor = next;
        }
    }
}

impl Search<'_> {
    fn is_full(&self) -> bool {
        self.found.len() >= PAGE
    }
}

fn named(queue: &QueueName, which: &'static str, name: &[u8]) -> Name {
    (queue.clone(), which, String::from_utf8_lossy(name).into_owned())
}

/// Whether JSON has an id as it is. What it writes in another way is looked for here alone.
pub(super) fn is_plain(id: &str) -> bool {
    id.chars().all(|char| char.is_ascii_graphic() && char != '"' && char != '\\')
}

/// Whether a body is that of a message whose id starts so.
fn has_id(body: &[u8], id: &str) -> bool {
    Message::decode(body, Timestamp::EPOCH).is_ok_and(|message| message.message_id.as_str().starts_with(id))
}
