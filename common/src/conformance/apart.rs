//! What a store does for messages that lie in another one: it keeps values and counts members without their claims.

use std::time::Duration;

use super::{DEADLINE, Fixture};
use crate::clock::Stopwatch;
use crate::message::MessageId;
use crate::store::{Count, Counted, GroupInfo, Kept, MemberEnd, NewGroup};

const TTL: Duration = Duration::from_secs(60);

fn kept(key: &str, value: &[u8], ttl: Duration) -> Kept {
    Kept { key: key.to_owned(), value: value.to_vec(), ttl }
}

/// A name that nobody has.
fn fresh(what: &str) -> String {
    format!("{what} of {}", MessageId::random())
}

fn count(group: &str, member: impl Into<Option<u32>>, end: MemberEnd) -> Count {
    Count { group: group.to_owned(), member: member.into(), end, ttl: TTL, then: Vec::new() }
}

fn done(group: &str, member: impl Into<Option<u32>>) -> Count {
    count(group, member, MemberEnd::Done)
}

impl Fixture {
    async fn keep(&self, values: &[Kept]) {
        assert_eq!(self.store.keep(values).await, vec![Ok(()); values.len()]);
    }

    /// A group of so many members.
    async fn group(&self, members: u32) -> String {
        let name = fresh("group");
        assert_eq!(self.store.open_group(&NewGroup { name: name.clone(), members, ttl: TTL }).await, Ok(true));
        name
    }

    async fn count_members(&self, counts: &[Count]) -> Vec<Counted> {
        let answers = self.store.count_members(counts).await;
        answers.into_iter().map(|answer| answer.expect("it is counted")).collect()
    }

    /// How many are left of a group, and how many have failed.
    async fn left(&self, group: &str) -> (u32, u32) {
        let GroupInfo { left, failed } = self.store.group(group).await.expect("looked").expect("it is known");
        (left, failed)
    }
}

/// Many at once, in place of what was there, each for its time; and as it is read where a completion has kept it.
pub async fn values_are_kept_without_a_claim(fixture: &Fixture) {
    let keys = [fresh("result"), fresh("result"), fresh("result")];
    fixture.keep(&[kept(&keys[0], b"old", TTL), kept(&keys[1], b"1", TTL)]).await;
    let short = Duration::from_millis(1);
    fixture.keep(&[kept(&keys[0], b"new", TTL), kept(&keys[2], b"short", short), kept(&keys[1], b"2", TTL)]).await;
    fixture.keep(&[]).await;
    fixture.clock.advance(Duration::from_secs(1));
    let there = || async { fixture.store.stored_all(&keys).await.expect("looked") };
    let watch = Stopwatch::start();
    while there().await[2].is_some() {
        assert!(watch.elapsed() < DEADLINE, "its time is over");
        tokio::task::yield_now().await;
    }
    assert_eq!(there().await, [Some(b"new".to_vec()), Some(b"2".to_vec()), None]);
    assert_eq!(fixture.store.forget(&keys).await, Ok(2));
}

/// As when a completion stores it.
pub async fn waiting_for_a_result_ends_when_it_is_kept_without_a_claim(fixture: &Fixture) {
    let other = (fixture.open)().await;
    for _ in 0..3 {
        let key = fresh("result");
        let waiting = tokio::spawn({
            let (store, key) = (fixture.store.clone(), key.clone());
            async move { store.wait_stored(&key).await }
        });
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished(), "nothing is there yet");
        assert_eq!(other.keep(&[kept(&key, b"7", TTL)]).await, [Ok(())]);
        let waited = tokio::time::timeout(DEADLINE, waiting).await;
        waited.expect("it was kept").expect("the wait");
    }
}

/// In their order, each once; whatever comes after the group is the caller's to send.
pub async fn members_are_counted_without_a_claim(fixture: &Fixture) {
    let (group, other) = (fixture.group(3).await, fixture.group(1).await);
    let failed = |counts| count(&group, 2, MemberEnd::Failed { counts });
    let with_next = Count { then: vec![fixture.message(7)], ..done(&other, 0) };
    let ends = [done(&group, 0), done(&group, 0), with_next, done(&group, 1), failed(false)];
    let known = Counted::Known;
    assert_eq!(fixture.count_members(&ends).await, [known, known, Counted::Last, known, known]);
    assert_eq!((fixture.left(&group).await, fixture.left(&other).await), ((1, 1), (0, 0)));
    assert_eq!(fixture.count_members(&[failed(true), done(&group, 1)]).await, [Counted::Last, known]);
    assert_eq!(fixture.left(&group).await, (0, 1));
    assert_eq!(fixture.counts().await, (0, 0, 0, 0));
    let never = fresh("group");
    assert_eq!(fixture.count_members(&[done(&never, 0), done(&group, 0)]).await, [Counted::Unknown, known]);
    assert_eq!(fixture.store.group(&never).await, Ok(None));
    assert_eq!(fixture.count_members(&[]).await, []);
}

/// Whoever counted it did not get to what comes after the group, perhaps. Others that end once more change nothing.
pub async fn the_last_member_is_known_again_when_it_is_counted_once_more(fixture: &Fixture) {
    let group = fixture.group(2).await;
    let counted = fixture.count_members(&[done(&group, 1), done(&group, 0), done(&group, 0)]).await;
    assert_eq!(counted, [Counted::Known, Counted::Last, Counted::LastAgain]);
    for _ in 0..2 {
        let counted = fixture.count_members(&[done(&group, 0), done(&group, 1), done(&group, None)]).await;
        assert_eq!(counted, [Counted::LastAgain, Counted::Known, Counted::Known]);
    }
    let again = count(&group, 0, MemberEnd::Failed { counts: false });
    assert_eq!(fixture.count_members(&[again]).await, [Counted::LastAgain], "the group stays complete");

    let group = fixture.group(2).await;
    let counted = fixture.count_members(&[done(&group, None), done(&group, None), done(&group, None)]).await;
    assert_eq!(counted, [Counted::Known, Counted::Last, Counted::LastAgain], "any of them may be the last one");
    assert_eq!(fixture.left(&group).await, (0, 0));
}

/// However many calls of the store's server that takes.
pub async fn thousands_are_kept_and_counted_at_once(fixture: &Fixture) {
    let members = 2_500;
    let group = fixture.group(members).await;
    let values: Vec<_> = (0..members).map(|number| kept(&format!("{number} of {group}"), &[7; 3_000], TTL)).collect();
    fixture.keep(&values).await;
    let keys = [values[0].key.clone(), values[2_499].key.clone()];
    assert_eq!(fixture.store.stored_all(&keys).await, Ok(vec![Some(vec![7; 3_000]); 2]));
    let counts: Vec<_> = (0..members).map(|member| done(&group, member)).collect();
    let counted = fixture.count_members(&counts).await;
    assert_eq!((counted[2_498], counted[2_499]), (Counted::Known, Counted::Last));
    assert_eq!(fixture.left(&group).await, (0, 0));
}
