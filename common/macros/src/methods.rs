//! What is called on the type beside the function: `message`, `step`, `send` and the like.

use proc_macro2::{Ident, Span, TokenStream};
use quote::quote_spanned;
use syn::Type;

use crate::handle::{Handle, local};
use crate::signature;

impl Handle<'_> {
    /// `message`, `step`, `batch`, `send`, `status`, their blocking twins, and `sent`.
    pub(crate) fn methods(&self) -> TokenStream {
        let common = self.common(Span::mixed_site());
        let name = &self.function.signature.ident;
        let visibility = &self.function.visibility;
        let (takes, encoded): (Vec<_>, Vec<_>) =
            self.payload().map(|(ident, payload)| self.sending_side(ident, &payload.ty)).unzip();
        let given: Vec<_> = self.payload().map(|(ident, _)| ident).collect();
        let message = Ident::new("message", name.span());
        let send = Ident::new("send", name.span());
        let send_blocking = Ident::new("send_blocking", name.span());
        let about_message = format!(" A call of [`{name}()`], to be delayed, composed or sent.");
        let about_send = format!(" Sends a message that calls [`{name}()`].");
        let (for_tests, step, batch, status) = (self.sent(), self.step(), self.batch(), self.status());
        let body = self.call(&Ident::new("of", Span::mixed_site()), &given, &encoded);
        quote_spanned! {Span::mixed_site()=>
            #[doc = #about_message]
            #visibility fn #message(#(#takes),*) -> #common::call::Call<Self> {
                #body
            }

            #step

            #batch

            #[doc = #about_send]
            ///
            /// # Errors
            ///
            /// An argument has no form that can travel, or the broker could not take the message.
            #visibility async fn #send(
                broker: &#common::broker::Broker,
                #(#takes),*
            ) -> ::core::result::Result<#common::call::Sent<Self>, #common::error::EnqueueError> {
                Self::#message(#(#given),*).send(broker).await
            }

            #[doc = #about_send]
            /// It waits on this thread, so it is not for `async` code.
            ///
            /// # Errors
            ///
            /// An argument has no form that can travel, or the broker could not take the message.
            #visibility fn #send_blocking(
                broker: &#common::broker::Broker,
                #(#takes),*
            ) -> ::core::result::Result<#common::call::Sent<Self>, #common::error::EnqueueError> {
                Self::#message(#(#given),*).send_blocking(broker)
            }

            #status

            #for_tests
        }
    }

    /// `status` and `status_blocking`.
    fn status(&self) -> TokenStream {
        let common = self.common(Span::mixed_site());
        let name = &self.function.signature.ident;
        let visibility = &self.function.visibility;
        let status = Ident::new("status", name.span());
        let status_blocking = Ident::new("status_blocking", name.span());
        let about = format!(
            " What has become of the call of [`{name}()`] with this id, and what it returned, where that is kept."
        );
        quote_spanned! {Span::mixed_site()=>
            #[doc = #about]
            ///
            /// # Errors
            ///
            /// It returned something else, or what the store says.
            #visibility async fn #status<T: #common::results::Readable>(
                broker: &#common::broker::Broker,
                id: &#common::message::MessageId,
            ) -> ::core::result::Result<#common::broker::Status<T>, #common::error::ResultError>
            where
                <Self as #common::actor::Actor>::Returned: #common::actor::Gives<T>,
            {
                broker.status_of::<Self, T>(id).await
            }

            #[doc = #about]
            /// It waits on this thread, so it is not for `async` code.
            ///
            /// # Errors
            ///
            /// It returned something else, or what the store says.
            #visibility fn #status_blocking<T: #common::results::Readable>(
                broker: &#common::broker::Broker,
                id: &#common::message::MessageId,
            ) -> ::core::result::Result<#common::broker::Status<T>, #common::error::ResultError>
            where
                <Self as #common::actor::Actor>::Returned: #common::actor::Gives<T>,
            {
                broker.status_of_blocking::<Self, T>(id)
            }
        }
    }

    /// `step`, of an actor that takes something by position.
    fn step(&self) -> Option<TokenStream> {
        let last = self.payload().filter(|(_, payload)| !payload.is_kwarg).count().checked_sub(1)?;
        let common = self.common(Span::mixed_site());
        let name = &self.function.signature.ident;
        let visibility = &self.function.visibility;
        let others = || self.payload().enumerate().filter(|(index, _)| *index != last).map(|(_, payload)| payload);
        let (takes, encoded): (Vec<_>, Vec<_>) =
            others().map(|(ident, payload)| self.sending_side(ident, &payload.ty)).unzip();
        let given: Vec<_> = others().map(|(ident, _)| ident).collect();
        let (step, result) = (Ident::new("step", name.span()), self.payload().nth(last)?.0);
        let about =
            format!(" A call of [`{name}()`] as a step of a pipeline: `{result}` is what the step before it returned.");
        let body = self.call(&Ident::new("of_step", Span::mixed_site()), &given, &encoded);
        Some(quote_spanned! {Span::mixed_site()=>
            #[doc = #about]
            #visibility fn #step(#(#takes),*) -> #common::call::Step<Self> {
                #body
            }
        })
    }

    /// `batch`: an item is what `message` takes, several arguments as a tuple.
    fn batch(&self) -> TokenStream {
        let common = self.common(Span::mixed_site());
        let name = &self.function.signature.ident;
        let visibility = &self.function.visibility;
        let (batch, message) = (Ident::new("batch", name.span()), Ident::new("message", name.span()));
        let about = format!(" A call of [`{name}()`] for each of these, as a group whose members are counted.");
        if !self.sound {
            return quote_spanned! {Span::mixed_site()=>
                #[doc = #about]
                #visibility fn #batch(calls: impl ::core::marker::Sized) -> #common::composition::Group<Self> {
                    _ = calls;
                    ::core::unreachable!()
                }
            };
        }
        let types: Vec<_> = self.payload().map(|(_, payload)| Self::given_type(&payload.ty)).collect();
        let arguments: Vec<_> = (0..types.len()).map(local).collect();
        let (item, pattern) = match (&types[..], &arguments[..]) {
            ([one], [argument]) => (one.clone(), quote_spanned!(Span::mixed_site()=> #argument)),
            _ => (
                quote_spanned!(Span::mixed_site()=> (#(#types),*)),
                quote_spanned!(Span::mixed_site()=> (#(#arguments),*)),
            ),
        };
        quote_spanned! {Span::mixed_site()=>
            #[doc = #about]
            #visibility fn #batch(
                calls: impl ::core::iter::IntoIterator<Item = #item>,
            ) -> #common::composition::Group<Self> {
                #common::composition::batch(::core::iter::Iterator::map(
                    ::core::iter::IntoIterator::into_iter(calls),
                    |#pattern| Self::#message(#(#arguments),*),
                ))
            }
        }
    }

    /// Makes a call of what is given.
    fn call(&self, make: &Ident, given: &[&Ident], encoded: &[TokenStream]) -> TokenStream {
        let common = self.common(Span::mixed_site());
        if !self.sound {
            return quote_spanned!(Span::mixed_site()=> #(_ = #given;)* ::core::unreachable!());
        }
        let count = encoded.len();
        quote_spanned! {Span::mixed_site()=>
            let encoded: [
                ::core::result::Result<#common::message::Raw, #common::message::ParseError>; #count
            ] = [#(#encoded),*];
            #common::call::Call::#make(encoded)
        }
    }

    /// What a test sees of the calls: the arguments of each, as a tuple.
    fn sent(&self) -> TokenStream {
        let common = self.common(Span::mixed_site());
        let name = &self.function.signature.ident;
        let visibility = &self.function.visibility;
        let sent = Ident::new("sent", name.span());
        let about =
            format!(" The arguments of all calls of [`{name}()`] that a test's broker was sent, in their order.");
        if !self.sound {
            return quote_spanned! {Span::mixed_site()=>
                #[doc = #about]
                #visibility fn #sent(broker: &#common::testing::TestBroker) -> ::std::vec::Vec<()> {
                    _ = broker;
                    ::core::unreachable!()
                }
            };
        }
        let types: Vec<_> = self.payload().map(|(_, payload)| &payload.ty).collect();
        let nexts = self.payload().map(|(_, payload)| {
            let (at, kind) = self.payload_kind(&payload.ty);
            match self.make_default(payload) {
                None => quote_spanned!(at=> #kind.next(arguments)?),
                Some(default) => quote_spanned!(at=> #kind.next_or(arguments, #default)?),
            }
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
            #visibility fn #sent(broker: &#common::testing::TestBroker) -> ::std::vec::Vec<(#(#types,)*)> {
                broker.arguments(
                    <Self as #common::actor::Actor>::DECLARATION,
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
        let (given, (at, kind)) = (Self::given_type(ty), self.payload_kind(ty));
        let encoded = if signature::is_string(ty) {
            quote_spanned!(at=> #kind.encode(&::core::convert::Into::into(#ident)))
        } else {
            quote_spanned!(at=> #kind.encode(&#ident))
        };
        (quote_spanned!(site=> #ident: #given), encoded)
    }

    /// The type that a sender gives for a parameter.
    fn given_type(ty: &Type) -> TokenStream {
        if signature::is_string(ty) {
            quote_spanned!(Span::mixed_site()=> impl ::core::convert::Into<#ty>)
        } else {
            quote_spanned!(Span::mixed_site()=> #ty)
        }
    }
}
