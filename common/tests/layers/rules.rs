//! The rules, each as a list of what breaks it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::tree::{Place, Tree, Use};

/// What to do about a permission that nobody needs.
const FORGET: &str = "forget the permission";

/// Modules by layer, lowest first.
pub(crate) type Layers<'a> = &'a [&'a [&'a str]];

/// A folder, and of two modules in it the one that may use the other one against the order.
pub(crate) type Permitted<'a> = (&'a str, &'a str, &'a str);

/// Top-level modules use lower layers only, and of their own layer what `permitted` says (left uses right).
pub(crate) fn layers(tree: &Tree, layers: Layers<'_>, permitted: &[(&str, &str)]) -> Vec<String> {
    let layer_of = |module: &str| layers.iter().position(|layer| layer.contains(&module));
    let modules: BTreeSet<&str> = tree.children(&[]).collect();
    let mut wrong = Vec::new();
    for module in modules.iter().filter(|module| layer_of(module).is_none()) {
        wrong.push(format!("`{module}` has no layer"));
    }
    for module in layers.iter().flat_map(|layer| layer.iter()).filter(|module| !modules.contains(*module)) {
        wrong.push(format!("`{module}` has a layer, and is no module any more"));
    }
    let mut unused: BTreeSet<_> = permitted.iter().copied().collect();
    let uses = tree.uses();
    for found in &uses {
        let Some((&[], from, to)) = found.siblings() else { continue };
        let (Some(above), Some(below)) = (layer_of(from), layer_of(to)) else { continue };
        if above == below {
            unused.remove(&(from, to));
        }
        if below > above {
            wrong.push(format!("{}, a higher layer", told(found, from, to)));
        } else if above == below && !permitted.contains(&(from, to)) {
            wrong.push(format!("{}, the same layer", told(found, from, to)));
        }
    }
    wrong.extend(
        unused.iter().map(|(from, to)| {
            format!("`{from}` may use `{to}` inside of their layer, and does not any more: {FORGET}")
        }),
    );
    wrong
}

/// No store uses another one. A store is a module in the folder `stores` that implements `Store`; every folder in it is
/// one, but `shared`.
pub(crate) fn stores(tree: &Tree) -> Vec<String> {
    let folder = vec!["stores".to_owned()];
    let place = |name: &str| [folder.as_slice(), &[name.to_owned()]].concat();
    let is_store = |name: &str| tree.implements(&place(name), "Store");
    let mut wrong: Vec<_> = tree
        .children(&folder)
        .filter(|name| *name != "shared" && !is_store(name) && tree.children(&place(name)).next().is_some())
        .map(|name| format!("stores/{name}: a folder of `stores` that is neither a store nor `shared`"))
        .collect();
    for found in tree.uses() {
        if let Some((shared, from, to)) = found.siblings()
            && shared == folder
            && is_store(from)
            && is_store(to)
        {
            wrong.push(format!("{}, another store", told(&found, from, to)));
        }
    }
    wrong
}

/// Modules of one folder use each other in one direction, but for what `permitted` says. Each permission must be the only
/// thing that it takes to close a cycle.
pub(crate) fn cycles(tree: &Tree, permitted: &[Permitted<'_>]) -> Vec<String> {
    let uses = tree.uses();
    let mut folders: BTreeMap<&[String], Graph<'_>> = BTreeMap::new();
    for found in &uses {
        if let Some((folder, from, to)) = found.siblings() {
            folders.entry(folder).or_default().0.entry(from).or_default().entry(to).or_insert(found);
        }
    }
    let mut wrong = Vec::new();
    let permitted: Vec<_> = permitted.iter().map(|(folder, user, used)| (place(folder), *user, *used)).collect();
    let told_permission = |folder: &Place, user, used| format!("in {}, `{user}` may use `{used}`", named(folder));
    let (there, gone): (Vec<_>, Vec<_>) = permitted.iter().partition(|(folder, user, used)| {
        let targets = folders.get_mut(folder.as_slice()).and_then(|graph| graph.0.get_mut(user));
        targets.is_some_and(|targets| targets.remove(used).is_some())
    });
    for (folder, user, used) in gone {
        wrong.push(format!("{}, and does not any more: {FORGET}", told_permission(folder, user, used)));
    }
    for (folder, user, used) in there {
        if folders[folder.as_slice()].way(used, user).is_none() {
            wrong.push(format!("{}, which closes no cycle: {FORGET}", told_permission(folder, user, used)));
        }
    }
    for (folder, graph) in &folders {
        wrong.extend(graph.cycles().into_iter().map(|cycle| {
            let names: Vec<_> = cycle.iter().chain(cycle.first()).copied().collect();
            let edges = names.windows(2).map(|pair| told(graph.0[pair[0]][pair[1]], pair[0], pair[1]));
            format!(
                "a cycle in {}, {}:\n    {}",
                named(folder),
                names.join(" → "),
                edges.collect::<Vec<_>>().join("\n    ")
            )
        }));
    }
    wrong
}

/// A folder's place, from its path: `lab::watch`.
fn place(folder: &str) -> Place {
    folder.split("::").filter(|name| !name.is_empty()).map(ToOwned::to_owned).collect()
}

fn named(folder: &[String]) -> String {
    if folder.is_empty() { "the root".to_owned() } else { format!("`{}`", folder.join("::")) }
}

fn told(found: &Use, from: &str, to: &str) -> String {
    format!("{}: `{from}` uses `{to}` ({})", found.file, found.text)
}

/// The modules of one folder, whom they use, and an example of each use.
#[derive(Default)]
struct Graph<'a>(BTreeMap<&'a str, BTreeMap<&'a str, &'a Use>>);

impl<'a> Graph<'a> {
    /// The shortest cycle through each edge that lies on one, each of them once.
    fn cycles(&self) -> BTreeSet<Vec<&'a str>> {
        let edges = self.0.iter().flat_map(|(from, targets)| targets.keys().map(|to| (*from, *to)));
        let cycles = edges.filter_map(|(from, to)| self.way(to, from));
        cycles
            .map(|mut cycle| {
                let first = (0..cycle.len()).min_by_key(|at| cycle[*at]).unwrap_or(0);
                cycle.rotate_left(first);
                cycle
            })
            .collect()
    }

    /// The shortest way, with both ends.
    fn way(&self, from: &str, to: &str) -> Option<Vec<&'a str>> {
        let (&start, _) = self.0.get_key_value(from)?;
        let mut before = BTreeMap::from([(start, None)]);
        let mut next = VecDeque::from([start]);
        while let Some(at) = next.pop_front() {
            if at == to {
                let mut way: Vec<_> = std::iter::successors(Some(at), |at| before[at]).collect();
                way.reverse();
                return Some(way);
            }
            for target in self.0.get(at).into_iter().flat_map(BTreeMap::keys) {
                before.entry(*target).or_insert_with(|| {
                    next.push_back(*target);
                    Some(at)
                });
            }
        }
        None
    }
}
