//! The type that stands beside the function.

use std::time::Duration;

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens as _, quote_spanned};
use syn::ext::IdentExt as _;
use syn::spanned::Spanned as _;
use syn::{Attribute, Path, Type};

use crate::handle::Handle;
use crate::mistakes::Mistakes;
use crate::options::{MaxRetries, Options};
use crate::runner;
use crate::signature::{self, Function, Place, Takes};
use crate::spell::{first_paragraph, spell};

/// The function, unchanged, and its handle.
pub(crate) fn actor(options: TokenStream, item: TokenStream) -> TokenStream {
    let mut mistakes = Mistakes::default();
    let handle = match syn::parse2::<Function>(item.clone()) {
        Ok(function) => handle(&function, options, &mut mistakes),
        Err(error) => {
            mistakes.add(error);
            TokenStream::new()
        }
    };
    let errors = mistakes.to_compile_errors();
    quote_spanned!(Span::mixed_site()=> #item #errors #handle)
}

fn handle(function: &Function, options: TokenStream, mistakes: &mut Mistakes) -> TokenStream {
    let mut in_signature = Mistakes::default();
    let (parameters, place) = signature::read(&function.signature, &mut in_signature);
    let mut options = Options::parse(options, mistakes);
    options.check_use(&function.signature, mistakes);
    let sound = in_signature.is_empty();
    mistakes.append(in_signature);
    match place {
        Place::Method => TokenStream::new(),
        Place::Free => Handle { function, options: &options, parameters: &parameters, sound }.emit(),
    }
}

impl Handle<'_> {
    fn emit(&self) -> TokenStream {
        let name = &self.function.signature.ident;
        let visibility = &self.function.visibility;
        let cfg: Vec<&Attribute> =
            self.function.attributes.iter().filter(|attribute| signature::is_cfg(attribute)).collect();
        let about = format!(" The actor [`{name}()`]: what is sent, and what a worker runs.");
        let methods = self.methods();
        let declaration = self.declaration();
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
            impl #name {
                #methods
            }

            #(#cfg)*
            impl ::common::actor::Actor for #name {
                const DECLARATION: &'static ::common::actor::Declaration = #declaration;
            }
        }
    }

    /// `message`, `send`, `send_blocking` and `sent`.
    fn methods(&self) -> TokenStream {
        let name = &self.function.signature.ident;
        let visibility = &self.function.visibility;
        let (takes, encoded): (Vec<_>, Vec<_>) = self.payload().map(|(ident, ty)| self.sending_side(ident, ty)).unzip();
        let given: Vec<_> = self.payload().map(|(ident, _)| ident).collect();
        let message = Ident::new("message", name.span());
        let send = Ident::new("send", name.span());
        let send_blocking = Ident::new("send_blocking", name.span());
        let about_message = format!(" A call of [`{name}()`], to be delayed, composed or sent.");
        let about_send = format!(" Sends a message that calls [`{name}()`].");
        let for_tests = self.sent();
        let count = encoded.len();
        let body = if self.sound {
            quote_spanned! {Span::mixed_site()=>
                let encoded: [
                    ::core::result::Result<::common::message::Raw, ::common::message::ParseError>; #count
                ] = [#(#encoded),*];
                ::common::call::Call::new(<Self as ::common::actor::Actor>::DECLARATION, encoded)
            }
        } else {
            quote_spanned!(Span::mixed_site()=> #(_ = #given;)* ::core::unreachable!())
        };
        quote_spanned! {Span::mixed_site()=>
            #[doc = #about_message]
            #visibility fn #message(#(#takes),*) -> ::common::call::Call {
                #body
            }

            #[doc = #about_send]
            ///
            /// # Errors
            ///
            /// An argument has no form that can travel, or the broker could not take the message.
            #visibility async fn #send(
                broker: &::common::broker::Broker,
                #(#takes),*
            ) -> ::core::result::Result<::common::message::Message, ::common::error::EnqueueError> {
                Self::#message(#(#given),*).send(broker).await
            }

            #[doc = #about_send]
            /// It waits on this thread, so it is not for `async` code.
            ///
            /// # Errors
            ///
            /// An argument has no form that can travel, or the broker could not take the message.
            #visibility fn #send_blocking(
                broker: &::common::broker::Broker,
                #(#takes),*
            ) -> ::core::result::Result<::common::message::Message, ::common::error::EnqueueError> {
                Self::#message(#(#given),*).send_blocking(broker)
            }

            #for_tests
        }
    }

    /// What a test sees of the calls: the arguments of each, as a tuple.
    fn sent(&self) -> TokenStream {
        let name = &self.function.signature.ident;
        let visibility = &self.function.visibility;
        let sent = Ident::new("sent", name.span());
        let about =
            format!(" The arguments of all calls of [`{name}()`] that a test's broker was sent, in their order.");
        if !self.sound {
            return quote_spanned! {Span::mixed_site()=>
                #[doc = #about]
                #visibility fn #sent(broker: &::common::testing::TestBroker) -> ::std::vec::Vec<()> {
                    _ = broker;
                    ::core::unreachable!()
                }
            };
        }
        let types: Vec<_> = self.payload().map(|(_, ty)| ty).collect();
        let nexts = types.iter().map(|ty| {
            let at = Span::mixed_site().located_at(ty.span());
            quote_spanned!(at=> ::common::actor::payload::<#ty>().next(arguments)?)
        });
        let arguments = if types.is_empty() {
            quote_spanned!(Span::mixed_site()=> _)
        } else {
            quote_spanned!(Span::mixed_site()=> arguments)
        };
        quote_spanned! {Span::mixed_site()=>
            #[doc = #about]
            ///
            /// # Panics
            ///
            /// When an argument was sent that the parameter's type cannot read.
            #visibility fn #sent(broker: &::common::testing::TestBroker) -> ::std::vec::Vec<(#(#types,)*)> {
                broker.arguments(
                    <Self as ::common::actor::Actor>::DECLARATION,
                    |#arguments| ::core::result::Result::Ok((#(#nexts,)*)),
                )
            }
        }
    }

    /// A parameter as a sender gives it, and how it is encoded.
    fn sending_side(&self, ident: &Ident, ty: &Type) -> (TokenStream, TokenStream) {
        let site = Span::mixed_site();
        if !self.sound {
            return (quote_spanned!(site=> #ident: impl ::core::marker::Sized), TokenStream::new());
        }
        let at = site.located_at(ty.span());
        if signature::is_string(ty) {
            (
                quote_spanned!(site=> #ident: impl ::core::convert::Into<#ty>),
                quote_spanned!(at=> ::common::actor::payload::<#ty>().encode(&::core::convert::Into::into(#ident))),
            )
        } else {
            (quote_spanned!(site=> #ident: #ty), quote_spanned!(at=> ::common::actor::payload::<#ty>().encode(&#ident)))
        }
    }

    fn declaration(&self) -> TokenStream {
        let site = Span::mixed_site();
        let function = &self.function.signature.ident;
        let options = self.options;
        let name = options.name.clone().unwrap_or_else(|| function.unraw().to_string());
        let queue = options.queue.as_deref().map_or_else(
            || quote_spanned!(site=> ::common::queue_name::QueueName::DEFAULT),
            |queue| quote_spanned!(site=> #queue),
        );
        let priority = options.priority;
        let (retries, callbacks, results) = (retries(options), callbacks(options), results(options));
        let about = first_paragraph(&self.function.attributes);
        let (parameters, states): (Vec<_>, Vec<_>) = if self.sound {
            (self.payload().map(parameter).collect(), self.states().collect())
        } else {
            (Vec::new(), Vec::new())
        };
        let run = runner::emit(self);
        let max_crashes = option(options.max_crashes.map(|number| quote_spanned!(site=> #number)));
        quote_spanned! {site=>
            &::common::actor::Declaration {
                name: #name,
                queue: #queue,
                priority: #priority,
                retries: #retries,
                callbacks: #callbacks,
                results: #results,
                max_crashes: #max_crashes,
                parameters: &[#(#parameters),*],
                states: &[#(#states),*],
                entry: #run,
                about: #about,
                place: ::core::concat!(::core::file!(), ":", ::core::line!()),
            }
        }
    }

    fn states(&self) -> impl Iterator<Item = TokenStream> {
        self.parameters.iter().filter_map(|parameter| match &parameter.takes {
            Takes::State(ty) => {
                let at = Span::mixed_site().located_at(ty.span());
                Some(quote_spanned!(at=> ::common::actor::Wanted::of::<#ty>()))
            }
            Takes::Payload(_) => None,
        })
    }
}

fn parameter((ident, ty): (&Ident, &Type)) -> TokenStream {
    let name = ident.unraw().to_string();
    let type_name = spell(ty.to_token_stream());
    let at = Span::mixed_site().located_at(ty.span());
    quote_spanned!(at=> ::common::actor::payload::<#ty>().parameter(#name, #type_name))
}

fn retries(options: &Options) -> TokenStream {
    let site = Span::mixed_site();
    let max_retries = option(options.max_retries.map(|limit| match limit {
        MaxRetries::AtMost(number) => quote_spanned!(site=> ::common::actor::MaxRetries::AtMost(#number)),
        MaxRetries::Unlimited => quote_spanned!(site=> ::common::actor::MaxRetries::Unlimited),
    }));
    let min_backoff = option(options.min_backoff.map(duration));
    let max_backoff = option(options.max_backoff.map(duration));
    let on_retry_exhausted = target(options.on_retry_exhausted.as_ref());
    quote_spanned! {site=>
        ::common::actor::RetryOptions {
            max_retries: #max_retries,
            min_backoff: #min_backoff,
            max_backoff: #max_backoff,
            on_retry_exhausted: #on_retry_exhausted,
        }
    }
}

fn callbacks(options: &Options) -> TokenStream {
    let site = Span::mixed_site();
    let on_success = target(options.on_success.as_ref());
    let on_failure = target(options.on_failure.as_ref());
    quote_spanned!(site=> ::common::actor::Callbacks { on_success: #on_success, on_failure: #on_failure })
}

fn results(options: &Options) -> TokenStream {
    let site = Span::mixed_site();
    let store_results = option(options.store_results.map(|yes| quote_spanned!(site=> #yes)));
    let result_ttl = option(options.result_ttl.map(duration));
    quote_spanned!(site=> ::common::actor::ResultOptions { store_results: #store_results, result_ttl: #result_ttl })
}

fn duration(time: Duration) -> TokenStream {
    let (site, seconds, nanos) = (Span::mixed_site(), time.as_secs(), time.subsec_nanos());
    quote_spanned!(site=> ::core::time::Duration::new(#seconds, #nanos))
}

/// Another actor, by its path.
fn target(path: Option<&Path>) -> TokenStream {
    option(path.map(|path| {
        // Not by `Target::of`: a path alone in angle brackets may be a constant, and the compiler would say that.
        let at = Span::mixed_site().located_at(path.span());
        let declaration = quote_spanned!(at=> <#path as ::common::actor::Actor>::DECLARATION);
        quote_spanned!(at=> ::common::actor::Target { name: #declaration.name, queue: #declaration.queue })
    }))
}

fn option(value: Option<TokenStream>) -> TokenStream {
    let site = Span::mixed_site();
    value.map_or_else(
        || quote_spanned!(site=> ::core::option::Option::None),
        |value| quote_spanned!(site=> ::core::option::Option::Some(#value)),
    )
}
