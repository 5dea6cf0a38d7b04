//! The type that stands beside the function.

use proc_macro2::{Span, TokenStream};
use quote::quote_spanned;
use syn::Attribute;

use crate::handle::Handle;
use crate::mistakes::Mistakes;
use crate::options::Options;
use crate::remote;
use crate::signature::{self, Function, Place};

/// The function, as it stands, and its handle.
pub(crate) fn actor(options: TokenStream, item: TokenStream) -> TokenStream {
    let mut mistakes = Mistakes::default();
    let (stand_in, handle) = match syn::parse2::<Function>(item.clone()) {
        Ok(function) => handle(&function, options, &mut mistakes),
        Err(error) => {
            mistakes.add(error);
            (None, TokenStream::new())
        }
    };
    let errors = mistakes.to_compile_errors();
    let item = stand_in.unwrap_or_else(|| signature::without_attributes(item));
    quote_spanned!(Span::mixed_site()=> #item #errors #handle)
}

/// What stands in for the function, where that has no body, and the handle.
fn handle(function: &Function, options: TokenStream, mistakes: &mut Mistakes) -> (Option<TokenStream>, TokenStream) {
    let mut in_signature = Mistakes::default();
    let (parameters, place) = signature::read(&function.signature, &mut in_signature);
    let mut options = Options::parse(options, mistakes);
    options.check_use(&function.signature, mistakes);
    if place == Place::Free {
        remote::check(function, options.is_remote, &parameters, mistakes);
    }
    let sound = in_signature.is_empty();
    mistakes.append(in_signature);
    let handle = Handle { function, options: &options, parameters: &parameters, sound };
    let has_no_body = options.is_remote || function.semicolon.is_some();
    let stand_in = has_no_body.then(|| handle.stand_in());
    match place {
        Place::Method => (stand_in, TokenStream::new()),
        Place::Free => (stand_in, handle.emit()),
    }
}

impl Handle<'_> {
    fn emit(&self) -> TokenStream {
        let common = self.common(Span::mixed_site());
        let name = &self.function.signature.ident;
        let visibility = &self.function.visibility;
        let cfg: Vec<&Attribute> =
            self.function.attributes.iter().filter(|attribute| signature::is_cfg(attribute)).collect();
        let about = if self.options.is_remote {
            format!(" The actor [`{name}()`], which runs elsewhere: what is sent.")
        } else {
            format!(" The actor [`{name}()`]: what is sent, and what a worker runs.")
        };
        let methods = self.methods();
        let declaration = self.declaration();
        let (returned, last) = (self.returned(), self.last());
        let check = self.check_readable().map(|check| quote_spanned!(Span::mixed_site()=> #(#cfg)* #check));
        quote_spanned! {Span::mixed_site()=>
            #(#cfg)*
            #[doc = #about]
            #[allow(non_camel_case_types, missing_debug_implementations, reason = "it has its function's name, and no values")]
            #visibility struct #name {}

            #(#cfg)*
            #[allow(dead_code, reason = "a binary may use some of these only, and every actor gets all of them")]
            #[allow(non_snake_case, reason = "parameters are named as those of its function")]
            #[allow(clippy::must_use_candidate, clippy::needless_pass_by_value, reason = "as its function's signature wants it")]
            #[allow(clippy::too_many_arguments, clippy::used_underscore_binding, reason = "as its function has them")]
            #[allow(clippy::self_named_constructors, reason = "an actor may have any name")]
            impl #name {
                #methods
            }

            #check

            #(#cfg)*
            impl #common::actor::Actor for #name {
                type Returned = #returned;
                type Last = #last;
                const DECLARATION: &'static #common::actor::Declaration = #declaration;
            }
        }
    }
}
