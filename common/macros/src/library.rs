//! How emitted code names the library.

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens as _, quote_spanned};
use syn::Path;

/// The path of the library: `::common`, unless the attribute names another one.
#[derive(Default)]
pub(crate) struct Library(pub(crate) Option<Path>);

impl Library {
    /// The path, for code that is emitted as if it stood at this place.
    pub(crate) fn at(&self, place: Span) -> TokenStream {
        let Some(path) = &self.0 else {
            return quote_spanned!(place=> ::common);
        };
        let located = path.to_token_stream().into_iter().map(|mut token| {
            token.set_span(token.span().located_at(place));
            token
        });
        located.collect()
    }
}
