//! What is emitted for an actor is made from this.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{format_ident, quote_spanned};
use syn::Type;
use syn::spanned::Spanned as _;

use crate::options::Options;
use crate::signature::{Function, Parameter, Takes};

/// An actor, as its attribute and its signature describe it.
pub(crate) struct Handle<'a> {
    pub(crate) function: &'a Function,
    pub(crate) options: &'a Options,
    pub(crate) parameters: &'a [Parameter],
    /// Whether the signature is an actor's. If not, the handle has the right names and does nothing, so that one mistake
    /// stays one mistake.
    pub(crate) sound: bool,
}

impl Handle<'_> {
    /// The path of the library, for code that is emitted at this place.
    pub(crate) fn common(&self, at: Span) -> TokenStream {
        self.options.library.at(at)
    }

    /// What knows all that a message needs of this type, and the place to emit it at: the type's own, where the compiler
    /// shows what is wrong with it.
    pub(crate) fn payload_kind(&self, ty: &Type) -> (Span, TokenStream) {
        let at = Span::mixed_site().located_at(ty.span());
        let common = self.common(at);
        (at, quote_spanned!(at=> #common::actor::payload::<#ty>()))
    }

    /// The parameters that travel.
    pub(crate) fn payload(&self) -> impl Iterator<Item = (&Ident, &Type)> {
        self.parameters.iter().filter_map(|parameter| match &parameter.takes {
            Takes::Payload(ty) => Some((&parameter.ident, ty)),
            Takes::State(_) => None,
        })
    }
}

/// A name of ours for the parameter at `index`, which nothing of the user's can collide with.
pub(crate) fn local(index: usize) -> Ident {
    format_ident!("argument_{index}", span = Span::mixed_site())
}
