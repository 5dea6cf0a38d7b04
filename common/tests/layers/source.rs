//! What one module's source says: the paths it names, the names it gives, and what it implements.

use std::collections::{BTreeMap, BTreeSet};

use proc_macro2::{TokenStream, TokenTree};
use syn::parse::Parser as _;
use syn::punctuated::Punctuated;
use syn::visit::{self, Visit};
use syn::{
    Attribute, ImplItem, Item, ItemConst, ItemEnum, ItemFn, ItemImpl, ItemMacro, ItemMod, ItemStatic, ItemStruct,
    ItemTrait, ItemType, ItemUnion, ItemUse, Macro, Meta, Path, Token, TraitItem, UseTree,
};

/// The names of a path, as they are written.
pub(crate) type Names = Vec<String>;

/// One module, without its submodules and without what only its tests build.
#[derive(Debug, Default)]
pub(crate) struct Source {
    /// Every path in it.
    pub(crate) paths: BTreeSet<Names>,
    /// What `use` gives a name here.
    pub(crate) bindings: BTreeMap<String, Names>,
    /// What it imports as a whole: `use a::b::*`.
    pub(crate) globs: Vec<Names>,
    /// What is defined here.
    pub(crate) items: BTreeSet<String>,
    /// The macros that it exports, which lie in the crate's root for everybody.
    pub(crate) exported: BTreeSet<String>,
    /// The traits that it implements.
    pub(crate) implemented: BTreeSet<String>,
}

impl Source {
    /// Reads one item of the module itself.
    pub(crate) fn read(&mut self, item: &Item) {
        match item {
            Item::Const(ItemConst { ident, .. })
            | Item::Enum(ItemEnum { ident, .. })
            | Item::Static(ItemStatic { ident, .. })
            | Item::Struct(ItemStruct { ident, .. })
            | Item::Trait(ItemTrait { ident, .. })
            | Item::Type(ItemType { ident, .. })
            | Item::Union(ItemUnion { ident, .. })
            | Item::Macro(ItemMacro { ident: Some(ident), .. }) => drop(self.items.insert(ident.to_string())),
            Item::Fn(function) => drop(self.items.insert(function.sig.ident.to_string())),
            _ => {}
        }
        self.visit_item(item);
    }

    fn add_use(&mut self, before: &Names, tree: &UseTree) {
        let with = |name: &dyn ToString| {
            let mut names = before.clone();
            // `use a::b::{self}` is `a::b`.
            if before.is_empty() || name.to_string() != "self" {
                names.push(name.to_string());
            }
            names
        };
        match tree {
            UseTree::Path(path) => self.add_use(&with(&path.ident), &path.tree),
            UseTree::Group(group) => group.items.iter().for_each(|tree| self.add_use(before, tree)),
            UseTree::Glob(_) => {
                self.paths.insert(before.clone());
                self.globs.push(before.clone());
            }
            UseTree::Name(name) => self.bind(with(&name.ident), None),
            UseTree::Rename(renamed) => self.bind(with(&renamed.ident), Some(renamed.rename.to_string())),
        }
    }

    fn bind(&mut self, names: Names, renamed: Option<String>) {
        if let Some(name) = renamed.or_else(|| names.last().cloned()) {
            self.bindings.insert(name, names.clone());
        }
        self.paths.insert(names);
    }

    /// The paths among a macro's tokens, whatever the macro makes of them.
    fn scan(&mut self, tokens: TokenStream) {
        let tokens: Vec<_> = tokens.into_iter().collect();
        let is_punct =
            |at: usize, char| matches!(tokens.get(at), Some(TokenTree::Punct(punct)) if punct.as_char() == char);
        let colons = |at: usize| is_punct(at, ':') && is_punct(at + 1, ':');
        let mut at = 0;
        while let Some(token) = tokens.get(at) {
            at += 1;
            match token {
                TokenTree::Group(group) => self.scan(group.stream()),
                TokenTree::Ident(first) => {
                    // `.name` is a field or a method (`..name` is not), `$name` the macro's own, `::name` another crate's.
                    let (before, earlier) = (at.wrapping_sub(2), at.wrapping_sub(3));
                    let is_field = is_punct(before, '.') && !is_punct(earlier, '.');
                    let is_own = is_punct(before, '$') && first != "crate";
                    let is_foreign = is_punct(before, ':') && is_punct(earlier, ':');
                    let mut names = vec![first.to_string()];
                    while colons(at)
                        && let Some(TokenTree::Ident(next)) = tokens.get(at + 2)
                    {
                        names.push(next.to_string());
                        at += 3;
                    }
                    if is_field || is_own || is_foreign {
                        continue;
                    }
                    if colons(at)
                        && let Some(TokenTree::Group(group)) = tokens.get(at + 2)
                        && let Ok(trees) = Punctuated::<UseTree, Token![,]>::parse_terminated.parse2(group.stream())
                    {
                        trees.iter().for_each(|tree| self.add_use(&names, tree));
                        at += 3;
                    }
                    self.paths.insert(names);
                }
                _ => {}
            }
        }
    }
}

impl<'ast> Visit<'ast> for Source {
    fn visit_item(&mut self, item: &'ast Item) {
        if !is_test(attributes(item)) {
            visit::visit_item(self, item);
        }
    }

    fn visit_impl_item(&mut self, item: &'ast ImplItem) {
        let is_test = match item {
            ImplItem::Const(item) => is_test(&item.attrs),
            ImplItem::Fn(item) => is_test(&item.attrs),
            ImplItem::Type(item) => is_test(&item.attrs),
            _ => false,
        };
        if !is_test {
            visit::visit_impl_item(self, item);
        }
    }

    fn visit_trait_item(&mut self, item: &'ast TraitItem) {
        if !matches!(item, TraitItem::Fn(item) if is_test(&item.attrs)) {
            visit::visit_trait_item(self, item);
        }
    }

    fn visit_item_use(&mut self, item: &'ast ItemUse) {
        if item.leading_colon.is_none() {
            self.add_use(&Vec::new(), &item.tree);
        }
    }

    fn visit_item_impl(&mut self, item: &'ast ItemImpl) {
        if let Some((name, _)) = &item.trait_ {
            self.implemented.extend(name.segments.last().map(|segment| segment.ident.to_string()));
        }
        visit::visit_item_impl(self, item);
    }

    fn visit_item_macro(&mut self, item: &'ast ItemMacro) {
        if item.attrs.iter().any(|attribute| attribute.path().is_ident("macro_export")) {
            self.exported.extend(item.ident.as_ref().map(ToString::to_string));
        }
        visit::visit_item_macro(self, item);
    }

    fn visit_path(&mut self, path: &'ast Path) {
        if path.leading_colon.is_none() {
            self.paths.insert(path.segments.iter().map(|segment| segment.ident.to_string()).collect());
        }
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, called: &'ast Macro) {
        self.scan(called.tokens.clone());
        visit::visit_macro(self, called);
    }

    fn visit_attribute(&mut self, attribute: &'ast Attribute) {
        if let Meta::List(list) = &attribute.meta {
            self.scan(list.tokens.clone());
        }
    }
}

/// Whether only tests build what has these attributes.
pub(crate) fn is_test(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("cfg") && attribute.parse_args::<Meta>().is_ok_and(|meta| needs_test(&meta))
    })
}

fn needs_test(meta: &Meta) -> bool {
    match meta {
        Meta::Path(path) => path.is_ident("test"),
        Meta::List(list) if list.path.is_ident("all") => list
            .parse_args_with(Punctuated::<Meta, Token![,]>::parse_terminated)
            .is_ok_and(|all| all.iter().any(needs_test)),
        _ => false,
    }
}

fn attributes(item: &Item) -> &[Attribute] {
    match item {
        Item::Const(ItemConst { attrs, .. })
        | Item::Enum(ItemEnum { attrs, .. })
        | Item::Fn(ItemFn { attrs, .. })
        | Item::Impl(ItemImpl { attrs, .. })
        | Item::Macro(ItemMacro { attrs, .. })
        | Item::Mod(ItemMod { attrs, .. })
        | Item::Static(ItemStatic { attrs, .. })
        | Item::Struct(ItemStruct { attrs, .. })
        | Item::Trait(ItemTrait { attrs, .. })
        | Item::Type(ItemType { attrs, .. })
        | Item::Union(ItemUnion { attrs, .. })
        | Item::Use(ItemUse { attrs, .. }) => attrs,
        _ => &[],
    }
}
