//! What the attributes of a parameter say.

use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};
use syn::spanned::Spanned as _;
use syn::{Attribute, Error, Meta};

use super::{DefaultValue, Payload, Takes};
use crate::mistakes::Mistakes;

/// The attribute of a parameter that a message may lack.
const DEFAULT: &str = "default";

/// The attribute of a parameter that is sent by name.
const KWARG: &str = "kwarg";

/// Reads those that are `#[actor]`'s own.
pub(super) fn read(attributes: &[Attribute], takes: &mut Takes, mistakes: &mut Mistakes) {
    for attribute in attributes.iter().filter(|attribute| is_own(attribute)) {
        let Takes::Payload(payload) = takes else {
            let name = if attribute.path().is_ident(KWARG) { KWARG } else { DEFAULT };
            mistakes.at(
                attribute,
                format!("state does not travel, so a message cannot lack or name it: leave out `#[{name}]`"),
            );
            continue;
        };
        if let Err(error) = read_one(attribute, payload) {
            mistakes.add(error);
        }
    }
}

/// Whether the compiler does not know this attribute, but `#[actor]` does.
pub(crate) fn is_own(attribute: &Attribute) -> bool {
    [DEFAULT, KWARG].iter().any(|name| attribute.path().is_ident(name))
}

fn read_one(attribute: &Attribute, payload: &mut Payload) -> syn::Result<()> {
    if attribute.path().is_ident(DEFAULT) {
        let value = default_value(attribute)?;
        return match payload.default.replace(value) {
            None => Ok(()),
            Some(_) => Err(Error::new_spanned(attribute, "`#[default]` is given twice")),
        };
    }
    let message = "`#[kwarg]` stands alone: the argument is sent under the parameter's name";
    attribute.meta.require_path_only().map_err(|_| Error::new_spanned(attribute, message))?;
    if std::mem::replace(&mut payload.is_kwarg, true) {
        return Err(Error::new_spanned(attribute, "`#[kwarg]` is given twice"));
    }
    Ok(())
}

fn default_value(attribute: &Attribute) -> syn::Result<DefaultValue> {
    match &attribute.meta {
        Meta::Path(path) => Ok(DefaultValue::OfItsType(path.span())),
        Meta::NameValue(meta) => Ok(DefaultValue::Is(meta.value.clone())),
        Meta::List(list) => Err(Error::new_spanned(
            list,
            "a default is written like this: `#[default = 3]`; `#[default]` alone is the `Default` of the type",
        )),
    }
}

/// The function without these attributes, which the compiler does not know.
pub(crate) fn without_attributes(function: TokenStream) -> TokenStream {
    let without = |token: TokenTree| match token {
        TokenTree::Group(group) if group.delimiter() == Delimiter::Parenthesis => {
            TokenTree::Group(without_attributes_in(&group).unwrap_or(group))
        }
        TokenTree::Group(group) if group.delimiter() == Delimiter::None => {
            TokenTree::Group(replaced(&group, without_attributes(group.stream())))
        }
        other => other,
    };
    function.into_iter().map(without).collect()
}

/// The parameters without them; `None` where there are none.
fn without_attributes_in(parameters: &Group) -> Option<Group> {
    let mut kept = Vec::new();
    let mut found = false;
    let mut tokens = parameters.stream().into_iter().peekable();
    while let Some(token) = tokens.next() {
        let is_hash = matches!(&token, TokenTree::Punct(punct) if punct.as_char() == '#');
        if is_hash && tokens.next_if(is_in_brackets).is_some() {
            found = true;
        } else {
            kept.push(token);
        }
    }
    found.then(|| replaced(parameters, kept.into_iter().collect()))
}

/// Whether this is what follows the `#` of such an attribute.
fn is_in_brackets(token: &TokenTree) -> bool {
    let TokenTree::Group(group) = token else { return false };
    match group.stream().into_iter().next() {
        Some(TokenTree::Ident(name)) => name == DEFAULT || name == KWARG,
        // As a macro hands on what it was given as `$attribute:meta`.
        Some(inner @ TokenTree::Group(_)) => is_in_brackets(&inner),
        _ => false,
    }
}

fn replaced(group: &Group, stream: TokenStream) -> Group {
    let mut replaced = Group::new(group.delimiter(), stream);
    replaced.set_span(group.span());
    replaced
}
