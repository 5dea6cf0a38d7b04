//! The closure that a worker calls: from a message to an outcome.

use proc_macro2::{Span, TokenStream};
use quote::quote_spanned;
use syn::spanned::Spanned as _;
use syn::{PathArguments, ReturnType, Type};

use crate::handle::{Handle, local};
use crate::signature::Takes;

/// `Entry::Sync(…)`, `Entry::Async(…)` or `Entry::Remote`.
pub(crate) fn emit(handle: &Handle<'_>) -> TokenStream {
    let site = Span::mixed_site();
    let common = handle.common(site);
    if handle.options.is_remote {
        return quote_spanned!(site=> #common::actor::Entry::Remote);
    }
    let is_async = handle.function.signature.asyncness.is_some();
    let body = if handle.sound {
        body(handle)
    } else {
        quote_spanned!(site=> _ = context; #common::outcome::Outcome::Rejected(::std::string::String::new()))
    };
    if is_async {
        // A future that cannot change threads is shown at the function's name.
        let at = site.located_at(handle.function.signature.ident.span());
        let running = quote_spanned!(at=> ::std::boxed::Box::pin(async move { #body }));
        quote_spanned!(site=> #common::actor::Entry::Async(|context| #running))
    } else {
        quote_spanned!(site=> #common::actor::Entry::Sync(|context| { #body }))
    }
}

fn body(handle: &Handle<'_>) -> TokenStream {
    let site = Span::mixed_site();
    let common = handle.common(site);
    let signature = &handle.function.signature;
    let mut types = Vec::new();
    let mut names = Vec::new();
    let mut nexts = Vec::new();
    let mut given = Vec::new();
    for (index, parameter) in handle.parameters.iter().enumerate() {
        match &parameter.takes {
            Takes::Payload(payload) => {
                let name = local(index);
                let ty = &payload.ty;
                let at = site.located_at(ty.span());
                nexts.push(match handle.make_default(payload) {
                    None => quote_spanned!(at=> arguments.next::<#ty>()?),
                    Some(default) => quote_spanned!(at=> arguments.next_or::<#ty>(#default)?),
                });
                types.push(ty);
                given.push(quote_spanned!(site=> #name));
                names.push(name);
            }
            Takes::State(ty) => {
                let at = site.located_at(ty.span());
                given.push(quote_spanned!(at=> context.state::<#ty>()));
            }
        }
    }
    let function = &signature.ident;
    let wait = signature.asyncness.map(|_| quote_spanned!(site=> .await));
    let outcome = outcome(handle);
    let parameters = quote_spanned!(site=> <Self as #common::actor::Actor>::DECLARATION.parameters);
    let arguments = quote_spanned!(site=> #common::actor::Arguments::new(context.message(), #parameters)?);
    let arguments = if nexts.is_empty() {
        quote_spanned!(site=> #arguments;)
    } else {
        quote_spanned!(site=> let mut arguments = #arguments;)
    };
    quote_spanned! {site=>
        let decode = || -> ::core::result::Result<(#(#types,)*), ::std::string::String> {
            #arguments
            ::core::result::Result::Ok((#(#nexts,)*))
        };
        let (#(#names,)*) = match decode() {
            ::core::result::Result::Ok(arguments) => arguments,
            ::core::result::Result::Err(text) => return #common::outcome::Outcome::Rejected(text),
        };
        let returned = #function(#(#given),*) #wait;
        #outcome
    }
}

/// From the returned value to an outcome; the value's type decides.
fn outcome(handle: &Handle<'_>) -> TokenStream {
    let site = Span::mixed_site();
    let (common, options) = (handle.common(site), handle.options);
    let (value_at, error_at) = places(&handle.function.signature.output);
    let throws = options
        .throws
        .as_ref()
        .map(|pattern| quote_spanned!(site=> failure.expected = ::core::matches!(error, #pattern);));
    let retry_when = options.retry_when.as_ref().map(|rule| {
        let at = site.located_at(rule.span());
        let common = handle.common(at);
        quote_spanned! {at=>
            failure.retry_when = ::core::option::Option::Some(
                #common::actor::returned::decide(#rule, context.message().retries(), &error)
            );
        }
    });
    let value_in = handle.common(value_at);
    let value = quote_spanned!(value_at=> #value_in::actor::returned::value(&done, &context));
    let described = quote_spanned!(site=> (&&&#common::actor::returned::Described(&error)).described_as());
    let describe = quote_spanned!(error_at=> #described.describe(&error));
    quote_spanned! {site=>
        {
            #[allow(unused_imports, reason = "the value's type decides which of them is used")]
            use #common::actor::returned::{
                AnyDyn as _, AnyError as _, AnyResult as _, AnyText as _, AnyValue as _, KeepsDyn as _, KeepsError as _,
                KeepsText as _,
            };
            match (&returned).returned_as().split(returned) {
                ::core::result::Result::Ok(done) => #value,
                ::core::result::Result::Err(error) => {
                    let mut failure = #describe;
                    #throws
                    #retry_when
                    let kept = (&&&#common::actor::returned::Described(&error)).kept_as();
                    kept.keep(error, &mut failure);
                    #common::outcome::Outcome::Failed(failure)
                }
            }
        }
    }
}

/// Where to show what is wrong with the value's type, and with the error's: at the arguments of something spelt like a
/// `Result`, else at the type as a whole. Only squiggles depend on this.
fn places(output: &ReturnType) -> (Span, Span) {
    let site = Span::mixed_site();
    let ReturnType::Type(_, ty) = output else {
        return (site, site);
    };
    let whole = site.located_at(ty.span());
    let arguments = match &**ty {
        Type::Path(path) => path.path.segments.last().map(|segment| &segment.arguments),
        _ => None,
    };
    match arguments {
        Some(PathArguments::AngleBracketed(arguments)) if arguments.args.len() == 2 => {
            (site.located_at(arguments.args[0].span()), site.located_at(arguments.args[1].span()))
        }
        _ => (whole, whole),
    }
}
