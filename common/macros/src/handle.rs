//! What is emitted for an actor is made from this.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{format_ident, quote_spanned};
use syn::spanned::Spanned as _;
use syn::{Expr, ExprLit, Lit, Type};

use crate::options::Options;
use crate::signature::{DefaultValue, Function, Parameter, Payload, Takes, is_string};

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

    /// A closure that makes the value for a message that lacks this parameter. A text is converted, any other value has the
    /// parameter's type.
    pub(crate) fn make_default(&self, payload: &Payload) -> Option<TokenStream> {
        let site = Span::mixed_site();
        Some(match payload.default.as_ref()? {
            DefaultValue::OfItsType(attribute) => {
                quote_spanned!(site.located_at(*attribute)=> || ::core::default::Default::default())
            }
            DefaultValue::Is(value) => {
                let (at, ty) = (site.located_at(value.span()), &payload.ty);
                let common = self.common(at);
                if is_text(value) {
                    quote_spanned!(at=> || #common::actor::from_text::<#ty>(#value))
                } else if is_string(ty) {
                    quote_spanned!(at=> || ::core::convert::Into::into(#value))
                } else {
                    quote_spanned!(at=> || #value)
                }
            }
        })
    }

    /// The parameters that travel.
    pub(crate) fn payload(&self) -> impl Iterator<Item = (&Ident, &Payload)> {
        self.parameters.iter().filter_map(|parameter| match &parameter.takes {
            Takes::Payload(payload) => Some((&parameter.ident, payload)),
            Takes::State(_) => None,
        })
    }
}

/// A name of ours for the parameter at `index`, which nothing of the user's can collide with.
pub(crate) fn local(index: usize) -> Ident {
    format_ident!("argument_{index}", span = Span::mixed_site())
}

/// Whether a value is a text as it is written, or as a macro hands it on.
fn is_text(value: &Expr) -> bool {
    match value {
        Expr::Group(group) => is_text(&group.expr),
        value => matches!(value, Expr::Lit(ExprLit { lit: Lit::Str(_), .. })),
    }
}
