//! An actor that runs elsewhere: declared here, so that it can be sent.

use proc_macro2::{Span, TokenStream};
use quote::quote_spanned;
use syn::{FnArg, ReturnType, Type, parse_quote_spanned};

use crate::handle::Handle;
use crate::mistakes::Mistakes;
use crate::signature::{self, Function, Parameter, Takes};

/// Checks that an actor has a body exactly where it runs, and that a remote one declares only what its caller has to know.
pub(crate) fn check(function: &Function, is_remote: bool, parameters: &[Parameter], mistakes: &mut Mistakes) {
    let Function { signature, semicolon, .. } = function;
    if !is_remote {
        if semicolon.is_some() {
            mistakes
                .at(&signature.ident, "an actor has a body; one that runs elsewhere is declared as `#[actor(remote)]`");
        }
        return;
    }
    if semicolon.is_none() {
        mistakes.at(&signature.ident, "a remote actor has no body here, because it runs elsewhere: write `;` instead");
    }
    if let Some(asyncness) = &signature.asyncness {
        mistakes.at(asyncness, "a remote actor runs elsewhere, where it is `async` or not: leave out `async`");
    }
    for parameter in parameters {
        match &parameter.takes {
            Takes::State(ty) => {
                mistakes.at(ty, "state is lent where the actor runs, and does not travel: leave out this parameter");
            }
            Takes::Payload(payload) if payload.default.is_some() => {
                mistakes.at(&parameter.ident, "a default is filled in where the actor runs: leave out `#[default]`");
            }
            Takes::Payload(_) => {}
        }
    }
    match &signature.output {
        ReturnType::Type(_, ty) if is_result(signature::bare(ty)) => {
            mistakes.at(ty, "a remote actor declares the value of a success: leave out `Result`. A failure is an error of `Sent::result`");
        }
        ReturnType::Type(_, ty) => signature::check_owned(signature::bare(ty), mistakes),
        ReturnType::Default => {}
    }
}

fn is_result(ty: &Type) -> bool {
    matches!(ty, Type::Path(path) if path.path.segments.last().is_some_and(|last| last.ident == "Result"))
}

impl Handle<'_> {
    /// A function in place of the one that is elsewhere, so that imports and links find one of this name. It cannot be called: it asks for
    /// a trait that its type does not implement.
    pub(crate) fn stand_in(&self) -> TokenStream {
        let site = Span::mixed_site();
        let common = self.common(site);
        let Function { attributes, visibility, signature, .. } = self.function;
        let mut signature = signature.clone();
        for input in &mut signature.inputs {
            match input {
                FnArg::Receiver(receiver) => receiver.attrs.retain(|attribute| !signature::is_own(attribute)),
                FnArg::Typed(parameter) => parameter.attrs.retain(|attribute| !signature::is_own(attribute)),
            }
        }
        if self.sound && self.options.is_remote {
            let name = &signature.ident;
            // The lifetime keeps the compiler from asking for the trait where the function is declared already.
            let asks = parse_quote_spanned!(site=> for<'call> #name: #common::actor::Callable<'call>);
            signature.generics.make_where_clause().predicates.push(asks);
        }
        quote_spanned! {site=>
            #(#attributes)*
            #[allow(dead_code, unused_variables, reason = "nobody can call it")]
            #[allow(clippy::missing_panics_doc, clippy::must_use_candidate, reason = "nobody can call it")]
            #[allow(clippy::needless_pass_by_value, clippy::too_many_arguments, reason = "nobody can call it")]
            #visibility #signature {
                ::core::unreachable!()
            }
        }
    }
}
