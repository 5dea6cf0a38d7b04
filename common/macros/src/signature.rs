//! What an actor's signature says: which parameters travel, which are state, and what cannot be an actor.

mod attributes;

use proc_macro2::{Ident, Span, TokenStream, TokenTree};
use quote::{ToTokens, format_ident};
use syn::parse::{Parse, ParseStream};
use syn::{
    Attribute, Expr, FnArg, GenericParam, Generics, Pat, PatIdent, PatType, Safety, Signature, Token, Type,
    TypeReference, Visibility,
};

pub(crate) use self::attributes::{is_own, without_attributes};
use crate::mistakes::Mistakes;
use crate::spell::spell;

/// A function's head; its body stays unread, so that half-typed code keeps its completions.
pub(crate) struct Function {
    pub(crate) attributes: Vec<Attribute>,
    pub(crate) visibility: Visibility,
    pub(crate) signature: Signature,
    /// What the head ends with, where that is no body.
    pub(crate) semicolon: Option<Token![;]>,
}

impl Parse for Function {
    fn parse(input: ParseStream) -> syn::Result<Self> {
        let attributes = input.call(Attribute::parse_outer)?;
        let visibility = input.parse()?;
        let rest: TokenStream = input.fork().parse()?;
        let is_fn = |token: &TokenTree| matches!(token, TokenTree::Ident(word) if word == "fn");
        if find(&rest, false, &is_fn).is_none() {
            return Err(input.error("`#[actor]` goes above a function"));
        }
        let signature = input.parse()?;
        let semicolon = input.parse()?;
        input.parse::<TokenStream>()?;
        Ok(Self { attributes, visibility, signature, semicolon })
    }
}

/// One parameter.
pub(crate) struct Parameter {
    pub(crate) ident: Ident,
    pub(crate) takes: Takes,
}

/// How an actor gets a parameter.
pub(crate) enum Takes {
    /// From the message.
    Payload(Payload),
    /// From the worker, as a reference to this type.
    State(Type),
}

/// What is known of a parameter that travels.
pub(crate) struct Payload {
    pub(crate) ty: Type,
    /// What stands for it where a message lacks it.
    pub(crate) default: Option<DefaultValue>,
    /// Whether it is sent by name and not by position.
    pub(crate) is_kwarg: bool,
}

/// What `#[default]` says.
pub(crate) enum DefaultValue {
    /// The `Default` of the parameter's type; the attribute stands here.
    OfItsType(Span),
    /// This value.
    Is(Expr),
}

/// Whether a handle can stand beside the function.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// Among other items.
    Free,
    /// In an `impl`, where no type can be declared.
    Method,
}

/// Reads the parameters, and collects everything that cannot be an actor.
pub(crate) fn read(signature: &Signature, mistakes: &mut Mistakes) -> (Vec<Parameter>, Place) {
    check_head(signature, mistakes);
    let method = check_place(signature, mistakes);
    let parameters: Vec<_> = signature
        .inputs
        .iter()
        .enumerate()
        .filter_map(|(index, input)| match input {
            FnArg::Receiver(_) => None,
            FnArg::Typed(parameter) => Some(read_parameter(index, parameter, mistakes)),
        })
        .collect();
    check_order(&parameters, mistakes);
    (parameters, if method { Place::Method } else { Place::Free })
}

fn check_head(signature: &Signature, mistakes: &mut Mistakes) {
    if let Some(constness) = &signature.constness {
        mistakes.at(constness, "an actor runs in a worker, not while compiling: leave out `const`");
    }
    if let Safety::Unsafe(unsafety) = &signature.safety {
        mistakes.at(
            unsafety,
            "an actor cannot be `unsafe`: a message can promise nothing to it. Check what arrives, and put `unsafe` inside",
        );
    }
    if let Some(abi) = &signature.abi {
        mistakes.at(abi, "an actor is an ordinary Rust function: leave out `extern`, and call the foreign one inside");
    }
    if let Some(variadic) = &signature.variadic {
        mistakes.at(variadic, "an actor's parameters have a name and a type each: take a `Vec<T>`");
    }
    check_generics(&signature.generics, mistakes);
}

fn check_generics(generics: &Generics, mistakes: &mut Mistakes) {
    let lifetimes_only = generics.params.iter().all(|parameter| matches!(parameter, GenericParam::Lifetime(_)));
    if !lifetimes_only {
        mistakes.at(
            generics,
            "an actor cannot be generic: a message names a function, not its types. Write an actor for each type, and let all of them call the generic function",
        );
    } else if !generics.params.is_empty() {
        mistakes.at(generics, "state is borrowed for the run: leave out the lifetimes, and take `&T`");
    } else if let Some(clause) = &generics.where_clause {
        mistakes.at(clause, "an actor is not generic, so that it has nothing to demand: leave out `where`");
    }
}

/// Finds out whether the function lies in an `impl` or a `trait`.
fn check_place(signature: &Signature, mistakes: &mut Mistakes) -> bool {
    let message = "a method cannot be an actor: no `self` comes with a message. Write a free function, and take what it needs as `&T`, which is state of the worker";
    if let Some(receiver) = signature.inputs.iter().find(|input| matches!(input, FnArg::Receiver(_))) {
        mistakes.at(receiver, message);
        return true;
    }
    let is_self = |token: &TokenTree| matches!(token, TokenTree::Ident(word) if word == "Self");
    let found = find(&signature.to_token_stream(), true, &is_self);
    if let Some(token) = &found {
        mistakes.at(token, message);
    }
    found.is_some()
}

fn read_parameter(index: usize, parameter: &PatType, mistakes: &mut Mistakes) -> Parameter {
    let mut takes = read_type(&parameter.ty, mistakes);
    attributes::read(&parameter.attrs, &mut takes, mistakes);
    let ident = match &*parameter.pat {
        Pat::Ident(PatIdent { by_ref: None, subpat: None, ident, .. }) => ident.clone(),
        pattern => {
            mistakes.at(
                pattern,
                "a parameter needs a plain name: it travels under it. Take it apart inside of the function",
            );
            format_ident!("argument_{index}")
        }
    };
    if let Some(cfg) = parameter.attrs.iter().find(|attribute| is_cfg(attribute)) {
        mistakes.at(cfg, "an actor's parameters are the same in every build: put `#[cfg]` above the function");
    }
    Parameter { ident, takes }
}

/// Checks that what is sent by position comes first, and what a message may lack last of that.
fn check_order(parameters: &[Parameter], mistakes: &mut Mistakes) {
    let (mut with_default, mut by_name): (Option<&Ident>, Option<&Ident>) = (None, None);
    for Parameter { ident, takes } in parameters {
        let Takes::Payload(payload) = takes else { continue };
        if payload.is_kwarg {
            by_name = Some(ident);
        } else if let Some(before) = by_name {
            mistakes.at(
                ident,
                format!(
                    "`{before}` is a `#[kwarg]`, and arguments by position come before those by name: let `{ident}` stand before `{before}`, or make it a `#[kwarg]` as well"
                ),
            );
        } else if payload.default.is_some() {
            with_default = Some(ident);
        } else if let Some(before) = with_default {
            mistakes.at(
                ident,
                format!(
                    "`{before}` has a default, so a message may end before `{ident}`: give `{ident}` a `#[default]` as well, or let it stand before `{before}`"
                ),
            );
        }
    }
}

fn read_type(ty: &Type, mistakes: &mut Mistakes) -> Takes {
    match bare(ty) {
        Type::Reference(reference) => read_reference(reference, mistakes),
        owned => {
            check_owned(owned, mistakes);
            payload(owned)
        }
    }
}

/// Checks that a type owns all of its data.
pub(crate) fn check_owned(ty: &Type, mistakes: &mut Mistakes) {
    let borrows = |token: &TokenTree| match token {
        TokenTree::Punct(punct) => punct.as_char() == '&',
        TokenTree::Ident(word) => word == "_",
        _ => false,
    };
    match ty {
        Type::ImplTrait(_) => mistakes
            .at(ty, "an actor cannot be generic: a message names a function, not its types. Take a type of your own"),
        _ if find(&ty.to_token_stream(), true, &borrows).is_some() => mistakes
            .at(ty, "what travels owns its data: `String` for `&str`, `Vec<T>` for `&[T]`, inside of other types too"),
        _ => {}
    }
}

/// Whether a type can be named where nothing is borrowed.
pub(crate) fn has_name(ty: &Type) -> bool {
    let has_none = |token: &TokenTree| match token {
        TokenTree::Punct(punct) => matches!(punct.as_char(), '&' | '!'),
        TokenTree::Ident(word) => word == "_" || word == "impl",
        _ => false,
    };
    find(&ty.to_token_stream(), true, &has_none).is_none()
}

fn read_reference(reference: &TypeReference, mistakes: &mut Mistakes) -> Takes {
    let referred = bare(&reference.elem);
    match referred {
        Type::Path(path) if path.path.is_ident("str") => {
            mistakes.at(reference, "what travels owns its data: use `String`");
            return payload(referred);
        }
        Type::Slice(slice) => {
            let item = spell(slice.elem.to_token_stream());
            mistakes.at(reference, format!("what travels owns its data: use `Vec<{item}>`"));
            return payload(referred);
        }
        Type::TraitObject(object) => {
            let mut object = spell(object.to_token_stream());
            if !object.contains("Sync") {
                object.push_str(" + Send + Sync");
            }
            mistakes.at(
                reference,
                format!("the worker finds its state by type: add a `Box<{object}>`, and take `&Box<{object}>`"),
            );
        }
        Type::ImplTrait(_) => {
            mistakes.at(reference, "an actor cannot be generic: the worker finds its state by type. Name the type");
        }
        _ if reference.mutability.is_some() => mistakes
            .at(reference, "a worker shares its state: messages run side by side. Put a lock inside and take `&T`"),
        _ => {
            if let Some(lifetime) = reference.lifetime.as_ref().filter(|lifetime| lifetime.ident == "static") {
                mistakes.at(lifetime, "state is borrowed for one run only: leave out `'static`");
            }
        }
    }
    Takes::State(referred.clone())
}

/// What travels, as far as its type says.
fn payload(ty: &Type) -> Takes {
    Takes::Payload(Payload { ty: ty.clone(), default: None, is_kwarg: false })
}

/// A type without the parentheses around it, seen or unseen.
pub(crate) fn bare(ty: &Type) -> &Type {
    match ty {
        Type::Group(group) => bare(&group.elem),
        Type::Paren(paren) => bare(&paren.elem),
        other => other,
    }
}

/// Whether an attribute is `#[cfg(…)]`.
pub(crate) fn is_cfg(attribute: &Attribute) -> bool {
    attribute.path().is_ident("cfg")
}

/// Whether a type is spelt as the plain `String`.
pub(crate) fn is_string(ty: &Type) -> bool {
    ["String", "std::string::String", "::std::string::String"].contains(&spell(ty.to_token_stream()).as_str())
}

/// The first such token among these, or, if `deep`, in a group of them.
fn find(tokens: &TokenStream, deep: bool, what: &dyn Fn(&TokenTree) -> bool) -> Option<TokenTree> {
    tokens.clone().into_iter().find_map(|token| match &token {
        _ if what(&token) => Some(token),
        TokenTree::Group(group) if deep => find(&group.stream(), deep, what),
        _ => None,
    })
}
