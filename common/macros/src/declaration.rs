//! Everything about an actor that its worker and its senders have to know.

use std::time::Duration;

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens as _, quote_spanned};
use syn::Path;
use syn::ext::IdentExt as _;
use syn::spanned::Spanned as _;

use crate::handle::Handle;
use crate::options::{MaxRetries, TimeLimit};
use crate::runner;
use crate::signature::{DefaultValue, Payload, Takes};
use crate::spell::{first_paragraph, spell};

impl Handle<'_> {
    /// `&Declaration { … }`.
    pub(crate) fn declaration(&self) -> TokenStream {
        let site = Span::mixed_site();
        let common = self.common(site);
        let function = &self.function.signature.ident;
        let options = self.options;
        let name = options.name.clone().unwrap_or_else(|| function.unraw().to_string());
        let queue = options.queue.as_deref().map_or_else(
            || quote_spanned!(site=> #common::queue_name::QueueName::DEFAULT),
            |queue| quote_spanned!(site=> #queue),
        );
        let priority = options.priority;
        let (retries, callbacks, results) = (self.retries(), self.callbacks(), self.results());
        let about = first_paragraph(&self.function.attributes);
        let (parameters, states): (Vec<_>, Vec<_>) = if self.sound {
            (self.payload().map(|(ident, payload)| self.parameter(ident, payload)).collect(), self.states().collect())
        } else {
            (Vec::new(), Vec::new())
        };
        let run = runner::emit(self);
        let max_crashes = option(options.max_crashes.map(|number| quote_spanned!(site=> #number)));
        let limits = self.limits();
        let pipe_ignore = options.pipe_ignore;
        let own = options.own.iter().map(|(name, json)| quote_spanned!(site=> (#name, #json)));
        quote_spanned! {site=>
            &#common::actor::Declaration {
                name: #name,
                queue: #queue,
                priority: #priority,
                retries: #retries,
                callbacks: #callbacks,
                results: #results,
                pipe_ignore: #pipe_ignore,
                max_crashes: #max_crashes,
                limits: #limits,
                options: #common::actor::Options::of(&[#(#own),*]),
                parameters: &[#(#parameters),*],
                states: &[#(#states),*],
                entry: #run,
                about: #about,
                place: ::core::concat!(::core::file!(), ":", ::core::line!()),
            }
        }
    }

    fn limits(&self) -> TokenStream {
        let site = Span::mixed_site();
        let common = self.common(site);
        let limit = |limit: Option<TimeLimit>| {
            option(limit.map(|limit| match limit {
                TimeLimit::Of(time) => {
                    let time = duration(time);
                    quote_spanned!(site=> #common::actor::TimeLimit::Of(#time))
                }
                TimeLimit::None => quote_spanned!(site=> #common::actor::TimeLimit::None),
            }))
        };
        let (time_limit, max_age) = (limit(self.options.time_limit), limit(self.options.max_age));
        let notify_shutdown = option(self.options.notify_shutdown.map(|yes| quote_spanned!(site=> #yes)));
        quote_spanned! {site=>
            #common::actor::LimitOptions { time_limit: #time_limit, max_age: #max_age, notify_shutdown: #notify_shutdown }
        }
    }

    fn states(&self) -> impl Iterator<Item = TokenStream> {
        self.parameters.iter().filter_map(|parameter| match &parameter.takes {
            Takes::State(ty) => {
                let at = Span::mixed_site().located_at(ty.span());
                let common = self.common(at);
                Some(quote_spanned!(at=> #common::actor::Wanted::of::<#ty>()))
            }
            Takes::Payload(_) => None,
        })
    }

    fn parameter(&self, ident: &Ident, payload: &Payload) -> TokenStream {
        let name = ident.unraw().to_string();
        let type_name = spell(payload.ty.to_token_stream());
        let (at, kind) = self.payload_kind(&payload.ty);
        let default = payload.default.as_ref().map(|default| {
            let text = match default {
                DefaultValue::OfItsType(_) => "Default::default()".to_owned(),
                DefaultValue::Is(value) => spell(value.to_token_stream()),
            };
            quote_spanned!(at=> .with_default(#text))
        });
        let by_name = payload.is_kwarg.then(|| quote_spanned!(at=> .sent_by_name()));
        quote_spanned!(at=> #kind.parameter(#name, #type_name) #default #by_name)
    }

    fn retries(&self) -> TokenStream {
        let site = Span::mixed_site();
        let (common, options) = (self.common(site), self.options);
        let max_retries = option(options.max_retries.map(|limit| match limit {
            MaxRetries::AtMost(number) => quote_spanned!(site=> #common::actor::MaxRetries::AtMost(#number)),
            MaxRetries::Unlimited => quote_spanned!(site=> #common::actor::MaxRetries::Unlimited),
        }));
        let min_backoff = option(options.min_backoff.map(duration));
        let max_backoff = option(options.max_backoff.map(duration));
        let on_retry_exhausted = self.target(options.on_retry_exhausted.as_ref());
        quote_spanned! {site=>
            #common::actor::RetryOptions {
                max_retries: #max_retries,
                min_backoff: #min_backoff,
                max_backoff: #max_backoff,
                on_retry_exhausted: #on_retry_exhausted,
            }
        }
    }

    fn callbacks(&self) -> TokenStream {
        let site = Span::mixed_site();
        let common = self.common(site);
        let on_success = self.target(self.options.on_success.as_ref());
        let on_failure = self.target(self.options.on_failure.as_ref());
        quote_spanned!(site=> #common::actor::Callbacks { on_success: #on_success, on_failure: #on_failure })
    }

    fn results(&self) -> TokenStream {
        let site = Span::mixed_site();
        let common = self.common(site);
        let store_results = option(self.options.store_results.map(|yes| quote_spanned!(site=> #yes)));
        let result_ttl = option(self.options.result_ttl.map(duration));
        quote_spanned! {site=>
            #common::actor::ResultOptions { store_results: #store_results, result_ttl: #result_ttl }
        }
    }

    /// Another actor, by its path.
    fn target(&self, path: Option<&Path>) -> TokenStream {
        option(path.map(|path| {
            // Not by `Target::of`: a path alone in angle brackets may be a constant, and the compiler would say that.
            let at = Span::mixed_site().located_at(path.span());
            let common = self.common(at);
            let declaration = quote_spanned!(at=> <#path as #common::actor::Actor>::DECLARATION);
            quote_spanned! {at=>
                #common::actor::Target {
                    name: #declaration.name,
                    queue: #declaration.queue,
                    priority: #declaration.priority,
                }
            }
        }))
    }
}

fn duration(time: Duration) -> TokenStream {
    let (site, seconds, nanos) = (Span::mixed_site(), time.as_secs(), time.subsec_nanos());
    quote_spanned!(site=> ::core::time::Duration::new(#seconds, #nanos))
}

fn option(value: Option<TokenStream>) -> TokenStream {
    let site = Span::mixed_site();
    value.map_or_else(
        || quote_spanned!(site=> ::core::option::Option::None),
        |value| quote_spanned!(site=> ::core::option::Option::Some(#value)),
    )
}
