//! What an actor's types are called where its calls are put together.

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens as _, quote_spanned};
use syn::spanned::Spanned as _;
use syn::{GenericArgument, PathArguments, ReturnType, Type};

use crate::handle::Handle;
use crate::signature;

impl Handle<'_> {
    /// The type of what it returns; of what is spelt as a `Result`, that of its value.
    pub(crate) fn returned(&self) -> TokenStream {
        let site = Span::mixed_site();
        match &self.function.signature.output {
            _ if !self.sound => self.untyped(),
            ReturnType::Default => quote_spanned!(site=> ()),
            ReturnType::Type(_, ty) => {
                let ty = signature::bare(ty);
                self.named(value_of(ty).unwrap_or(ty))
            }
        }
    }

    /// The type of its last parameter by position.
    pub(crate) fn last(&self) -> TokenStream {
        match self.payload().filter(|(_, payload)| !payload.is_kwarg).last() {
            Some((_, payload)) if self.sound => self.named(&payload.ty),
            _ => self.untyped(),
        }
    }

    /// Has the compiler say, where a remote actor is declared, that its result could not be read.
    pub(crate) fn check_readable(&self) -> Option<TokenStream> {
        match &self.function.signature.output {
            ReturnType::Type(_, ty) if self.options.is_remote && self.sound => {
                let returned = self.named(signature::bare(ty));
                let at = Span::mixed_site().located_at(ty.span());
                let common = self.common(at);
                Some(quote_spanned!(at=> const _: fn() = #common::results::check_readable::<#returned>;))
            }
            _ => None,
        }
    }

    fn named(&self, ty: &Type) -> TokenStream {
        let site = Span::mixed_site();
        if is_text(ty) {
            quote_spanned!(site.located_at(ty.span())=> ::std::string::String)
        } else if signature::has_name(ty) {
            ty.to_token_stream()
        } else {
            self.untyped()
        }
    }

    fn untyped(&self) -> TokenStream {
        let site = Span::mixed_site();
        let common = self.common(site);
        quote_spanned!(site=> #common::actor::Untyped)
    }
}

/// The first argument of what is spelt as a `Result`.
fn value_of(ty: &Type) -> Option<&Type> {
    let Type::Path(path) = ty else { return None };
    let last = path.path.segments.last().filter(|last| last.ident == "Result")?;
    let PathArguments::AngleBracketed(arguments) = &last.arguments else { return None };
    arguments.args.iter().find_map(|argument| match argument {
        GenericArgument::Type(ty) => Some(signature::bare(ty)),
        _ => None,
    })
}

/// Whether it is a borrowed text, which travels as a `String`.
fn is_text(ty: &Type) -> bool {
    let Type::Reference(reference) = ty else { return false };
    matches!(signature::bare(&reference.elem), Type::Path(path) if path.path.is_ident("str"))
}
