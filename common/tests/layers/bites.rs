//! Each rule finds what breaks it, in small crates that are made up for it.

use std::fs;

use tempfile::tempdir;

use crate::rules::{cycles, layers, stores};
use crate::tree::Tree;

/// A crate of these files, each a path and its text.
fn tree(files: &[(&str, &str)]) -> Tree {
    let folder = tempdir().unwrap();
    for (path, text) in files {
        let path = folder.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    Tree::read(folder.path())
}

const LIB: &str = "pub mod message; pub mod store; pub mod worker;";
const LAYERS: [&[&str]; 3] = [&["message"], &["store"], &["worker"]];

/// What is wrong with the layers when `text` stands in `store/keep.rs`.
fn in_a_store(text: &str) -> Vec<String> {
    let tree = tree(&[
        ("lib.rs", LIB),
        ("message.rs", "pub struct Message;"),
        ("store.rs", "mod keep; pub(crate) use crate::message::Message;"),
        ("store/keep.rs", text),
        ("worker.rs", "pub mod slot; pub struct Worker; pub fn run() {}"),
        ("worker/slot.rs", "pub struct Slot;"),
    ]);
    layers(&tree, &LAYERS, &[])
}

#[test]
fn a_higher_layer_is_found_in_whatever_way_it_is_named() {
    for (text, named) in [
        ("use crate::worker::Worker;", "crate::worker::Worker"),
        ("pub(crate) use crate::worker::Worker;", "crate::worker::Worker"),
        ("use crate::{message::Message, worker::{self as work, slot}};", "crate::worker::slot"),
        ("use super::super::worker::Worker as Message;", "super::super::worker::Worker"),
        ("use crate::worker::*;", "crate::worker"),
        ("use crate as all; fn f() { all::worker::run(); }", "all::worker::run"),
        ("fn f() { use crate::worker::run; run(); }", "crate::worker::run"),
        ("fn f() { crate::worker::run(); }", "crate::worker::run"),
        ("fn f() { super::super::worker::run(); }", "super::super::worker::run"),
        ("struct S { w: Option<crate::worker::Worker> }", "crate::worker::Worker"),
        ("impl From<crate::worker::Worker> for u8 {}", "crate::worker::Worker"),
        ("mod inner { fn f() { super::super::super::worker::run(); } }", "super::super::super::worker::run"),
        ("fn f() { println!(\"{:?}\", crate::worker::run()); }", "crate::worker::run"),
        ("made! { struct S { w: crate::worker::Worker, v: u8 } }", "crate::worker::Worker"),
        ("made! { for i in 0..crate::worker::run() {} }", "crate::worker::run"),
        ("made! { use crate::{message::Message, worker::Worker}; }", "crate::worker::Worker"),
        ("macro_rules! m { () => { $crate::worker::run() } }", "crate::worker::run"),
        ("#[derived(from(crate::worker::Worker))] struct S;", "crate::worker::Worker"),
        ("#[cfg(not(test))] use crate::worker::Worker;", "crate::worker::Worker"),
        ("#[cfg(any(test, unix))] use crate::worker::Worker;", "crate::worker::Worker"),
    ] {
        let file = "store/keep.rs: `store` uses `worker`";
        assert!(
            in_a_store(text).contains(&format!("{file} ({named}), a higher layer")),
            "{text}: {:?}",
            in_a_store(text)
        );
    }
}

#[test]
fn what_only_looks_like_a_use_is_none() {
    for text in [
        "use crate::message::Message; fn f(m: Message) { m.worker.run(); }",
        "use ::worker::Worker; fn f() { ::worker::run(); made! { ::worker::run(); } }",
        "use worker::Worker; fn f() { worker::run(); }",
        "// crate::worker::run()\n/// [`crate::worker::Worker`]\nconst A: &str = \"crate::worker::run()\";",
        "#[cfg(test)] use crate::worker::Worker;",
        "#[cfg(test)] mod tests { use crate::worker::Worker; }",
        "#[cfg(all(test, unix))] fn f() { crate::worker::run(); }",
        "struct S; impl S { #[cfg(test)] fn f() { crate::worker::run(); } }",
        "macro_rules! m { ($crate_name:ident) => { $crate_name::worker::run() } }",
    ] {
        assert_eq!(in_a_store(text), Vec::<String>::new(), "{text}");
    }
}

#[test]
fn what_only_tests_build_is_left_out_with_its_folder() {
    let tree = tree(&[
        ("lib.rs", LIB),
        ("message.rs", "#[cfg(test)] mod tests;"),
        ("message/tests.rs", "mod more; use crate::worker::Worker;"),
        ("message/tests/more.rs", "use crate::worker::Worker;"),
        ("store.rs", ""),
        ("worker.rs", "pub struct Worker;"),
    ]);
    assert_eq!(layers(&tree, &LAYERS, &[]), Vec::<String>::new());
}

#[test]
fn a_re_export_hides_nothing() {
    let tree = tree(&[
        ("lib.rs", LIB),
        ("message.rs", "use crate::store::{Alias, Worker};"),
        ("store.rs", "pub use crate::worker::{Worker, slot::Slot as Alias};"),
        ("worker.rs", "pub mod slot; pub use self::slot::*;"),
        ("worker/slot.rs", "pub struct Slot; pub struct Worker;"),
    ]);
    assert_eq!(
        layers(&tree, &LAYERS, &[]),
        [
            "message.rs: `message` uses `store` (crate::store::Alias), a higher layer",
            "message.rs: `message` uses `worker` (crate::store::Worker), a higher layer",
            "message.rs: `message` uses `worker` (crate::store::Alias), a higher layer",
            "store.rs: `store` uses `worker` (crate::worker::Worker), a higher layer",
            "store.rs: `store` uses `worker` (crate::worker::slot::Slot), a higher layer",
        ]
    );
}

#[test]
fn an_exported_macro_belongs_to_the_module_that_it_is_written_in() {
    let tree = tree(&[
        ("lib.rs", LIB),
        ("message.rs", "fn f() { crate::work!(); }"),
        ("store.rs", ""),
        ("worker.rs", "#[macro_export] macro_rules! work { () => {} }"),
    ]);
    assert_eq!(layers(&tree, &LAYERS, &[]), ["message.rs: `message` uses `worker` (crate::work), a higher layer"]);
}

#[test]
fn one_layer_is_one_direction_as_far_as_it_is_permitted() {
    let files = [
        ("lib.rs", LIB),
        ("message.rs", "use crate::store::Store;"),
        ("store.rs", "pub struct Store;"),
        ("worker.rs", "use crate::store::Store;"),
    ];
    let one: [&[&str]; 2] = [&["message", "store"], &["worker"]];
    assert_eq!(
        layers(&tree(&files), &one, &[]),
        ["message.rs: `message` uses `store` (crate::store::Store), the same layer"]
    );
    assert_eq!(layers(&tree(&files), &one, &[("message", "store")]), Vec::<String>::new());
}

#[test]
fn a_permission_that_nobody_needs_is_found() {
    let files = [("lib.rs", LIB), ("message.rs", ""), ("store.rs", ""), ("worker.rs", "use crate::store;")];
    let forget = |user: &str, used: &str| {
        format!("`{user}` may use `{used}` inside of their layer, and does not any more: forget the permission")
    };
    let one: [&[&str]; 2] = [&["message", "store"], &["worker"]];
    assert_eq!(layers(&tree(&files), &one, &[("message", "store")]), [forget("message", "store")]);
    // A lower layer needs no permission.
    assert_eq!(layers(&tree(&files), &one, &[("worker", "store")]), [forget("worker", "store")]);
}

#[test]
fn every_module_has_a_layer_and_every_layer_its_modules() {
    let tree = tree(&[("lib.rs", "mod message; mod stray;"), ("message.rs", ""), ("stray.rs", "")]);
    assert_eq!(
        layers(&tree, &[&["message", "old"]], &[]),
        ["`stray` has no layer", "`old` has a layer, and is no module any more"]
    );
}

#[test]
fn a_cycle_between_siblings_is_found_in_every_folder() {
    let root = tree(&[("lib.rs", "mod a; mod b;"), ("a.rs", "use crate::b::B;"), ("b.rs", "use super::a; struct B;")]);
    assert_eq!(
        cycles(&root, &[]),
        ["a cycle in the root, a → b → a:\n    a.rs: `a` uses `b` (crate::b::B)\n    b.rs: `b` uses `a` (super::a)"]
    );
    let deep = tree(&[
        ("lib.rs", "mod lab;"),
        ("lab.rs", "mod watch;"),
        ("lab/watch.rs", "mod a; mod b; mod c;"),
        ("lab/watch/a.rs", "fn f() { super::b::g(); }"),
        ("lab/watch/b.rs", "mod below; fn g() {}"),
        ("lab/watch/b/below.rs", "use crate::lab::watch::c;"),
        ("lab/watch/c.rs", "fn f() { made!(super::a::f()); }"),
    ]);
    assert_eq!(
        cycles(&deep, &[]),
        ["a cycle in `lab::watch`, a → b → c → a:\n    lab/watch/a.rs: `a` uses `b` (super::b::g)\n    \
          lab/watch/b/below.rs: `b` uses `c` (crate::lab::watch::c)\n    lab/watch/c.rs: `c` uses `a` (super::a::f)"]
    );
}

#[test]
fn a_siblings_type_by_way_of_the_parent_is_a_use_of_the_sibling() {
    for parent in ["mod a; mod b; pub use self::a::A;", "mod a; mod b; use a::*;"] {
        let tree = tree(&[
            ("lib.rs", "mod x;"),
            ("x.rs", parent),
            ("x/a.rs", "use super::b; pub struct A;"),
            ("x/b.rs", "use super::A;"),
        ]);
        let found = cycles(&tree, &[]);
        assert_eq!(found.len(), 1, "{parent}: {found:?}");
        assert!(found[0].contains("x/b.rs: `b` uses `a` (super::A)"), "{}", found[0]);
    }
    let by_glob = tree(&[
        ("lib.rs", "mod x;"),
        ("x.rs", "mod a; mod b; use self::a::A;"),
        ("x/a.rs", "use super::b; pub struct A;"),
        ("x/b.rs", "use super::*; struct B(A);"),
    ]);
    assert!(cycles(&by_glob, &[])[0].contains("x/b.rs: `b` uses `a` (A)"));
}

#[test]
fn a_file_and_its_own_submodules_are_no_siblings() {
    let tree = tree(&[
        ("lib.rs", "mod x; pub struct Root;"),
        ("x.rs", "mod a; use self::a::A; pub struct X;"),
        ("x/a.rs", "use super::X; use crate::Root; pub struct A;"),
    ]);
    assert_eq!(cycles(&tree, &[]), Vec::<String>::new());
}

#[test]
fn a_permitted_cycle_is_one_or_is_forgotten() {
    let ring = [("lib.rs", "mod x;"), ("x.rs", "mod a; mod b; mod c;"), ("x/a.rs", "use super::b;"), ("x/c.rs", "")];
    let closed = tree(&[&ring[..], &[("x/b.rs", "use super::{a, c};")]].concat());
    let open = tree(&[&ring[..], &[("x/b.rs", "")]].concat());
    assert_eq!(cycles(&closed, &[("x", "b", "a")]), Vec::<String>::new());
    let forget = |what: &str| format!("in `x`, {what}: forget the permission");
    assert_eq!(cycles(&open, &[("x", "b", "a")]), [forget("`b` may use `a`, and does not any more")]);
    assert_eq!(
        cycles(&closed, &[("x", "b", "a"), ("x", "b", "c")]),
        [forget("`b` may use `c`, which closes no cycle")]
    );
}

#[test]
fn a_store_that_uses_another_one_is_found() {
    let store = |text: &str| format!("{text} pub struct Mine; impl crate::store::Store for Mine {{}}");
    let (memory, redis) = (store("use super::shared;"), store("mod keys;"));
    let sqlite = store("fn f() { super::memory::Mine; }");
    let files = [
        ("lib.rs", "mod store; mod stores;"),
        ("store.rs", "pub trait Store {}"),
        ("stores.rs", "mod memory; mod redis; mod shared; mod sqlite; use self::memory::Mine;"),
        ("stores/shared.rs", "mod batch;"),
        ("stores/shared/batch.rs", ""),
        ("stores/memory.rs", &*memory),
        ("stores/redis.rs", &*redis),
        ("stores/redis/keys.rs", "use crate::stores::sqlite::Mine;"),
        ("stores/sqlite.rs", &*sqlite),
    ];
    assert_eq!(
        stores(&tree(&files)),
        [
            "stores/redis/keys.rs: `redis` uses `sqlite` (crate::stores::sqlite::Mine), another store",
            "stores/sqlite.rs: `sqlite` uses `memory` (super::memory::Mine), another store",
        ]
    );
}

#[test]
fn a_folder_of_the_stores_is_a_store() {
    let tree = tree(&[
        ("lib.rs", "mod stores;"),
        ("stores.rs", "mod batch; mod helper;"),
        ("stores/batch.rs", "mod rounds;"),
        ("stores/batch/rounds.rs", ""),
        ("stores/helper.rs", ""),
    ]);
    assert_eq!(stores(&tree), ["stores/batch: a folder of `stores` that is neither a store nor `shared`"]);
}

#[test]
#[should_panic(expected = "stray.rs")]
fn a_file_that_no_module_leads_to_is_found() {
    tree(&[("lib.rs", "mod a;"), ("a.rs", ""), ("a/stray.rs", "")]);
}

#[test]
#[should_panic(expected = "a module lies where its name says")]
fn a_module_somewhere_else_is_found() {
    tree(&[("lib.rs", "#[path = \"b.rs\"] mod a;"), ("b.rs", "")]);
}
