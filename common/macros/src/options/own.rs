//! `options(…)`: options of the user's own, for middleware of the user's own.

use std::fmt::Write as _;

use proc_macro2::{Span, TokenStream};
use syn::ext::IdentExt as _;
use syn::parse::ParseStream;
use syn::punctuated::Punctuated;
use syn::{Error, Ident, Lit, LitFloat, LitInt, LitStr, Token, bracketed, parenthesized};

use super::KNOWN;

/// What such an option looks like.
const EXAMPLE: &str = "`options(tenant_required = true, weight = 3)`";

/// What its value may be.
const VALUE: &str = "an option's value is `true`, `false`, a number, a text or a list of these: `options(weight = 3)`";

/// Reads them, each with its value as JSON.
pub(super) fn read(input: ParseStream) -> syn::Result<Vec<(String, String)>> {
    let message = format!("options of your own stand in parentheses: {EXAMPLE}");
    if !input.peek(syn::token::Paren) {
        return Err(input.error(message));
    }
    let content;
    parenthesized!(content in input);
    let options = all(&content, read_one)?;
    let mut read: Vec<(String, String)> = Vec::new();
    for (key, value) in options {
        let name = key.unraw().to_string();
        if KNOWN.iter().any(|(known, _)| *known == name) {
            let message =
                format!("`{name}` is an option of `#[actor]` itself: write it beside `options(…)`, not inside");
            return Err(Error::new(key.span(), message));
        }
        if read.iter().any(|(before, _)| *before == name) {
            return Err(Error::new(key.span(), format!("`{name}` is given twice")));
        }
        read.push((name, value));
    }
    Ok(read)
}

fn read_one(input: ParseStream) -> syn::Result<(Ident, String)> {
    let message = format!("options of your own look like this: {EXAMPLE}");
    let key = input.call(Ident::parse_any).map_err(|error| Error::new(error.span(), &message))?;
    input.parse::<Token![=]>().map_err(|_| Error::new(key.span(), format!("`{key}` needs a value: {EXAMPLE}")))?;
    let value = json(input)?;
    if input.is_empty() || input.peek(Token![,]) { Ok((key, value)) } else { Err(input.error(VALUE)) }
}

/// All that stand in a list. After a mistake the rest is left out, lest the parser complain of it as well.
fn all<T>(content: ParseStream, read: fn(ParseStream) -> syn::Result<T>) -> syn::Result<Vec<T>> {
    let list = Punctuated::<T, Token![,]>::parse_terminated_with(content, read);
    if list.is_err() {
        content.parse::<TokenStream>()?;
    }
    Ok(list?.into_iter().collect())
}

/// A value as JSON.
fn json(input: ParseStream) -> syn::Result<String> {
    if input.peek(syn::token::Bracket) {
        let content;
        bracketed!(content in input);
        return Ok(format!("[{}]", all(&content, json)?.join(",")));
    }
    let minus: Option<Token![-]> = input.parse()?;
    let literal: Lit = input.parse().map_err(|error| Error::new(error.span(), VALUE))?;
    match (&literal, minus) {
        (Lit::Int(number), minus) => whole(number, minus.is_some()),
        (Lit::Float(number), minus) => real(number, minus.is_some()),
        (Lit::Bool(truth), None) => Ok(truth.value.to_string()),
        (Lit::Str(text), None) => Ok(quoted(text)),
        _ => Err(Error::new(literal.span(), VALUE)),
    }
}

fn whole(number: &LitInt, is_negative: bool) -> syn::Result<String> {
    let value = number.base10_parse::<i128>().map(|value| if is_negative { -value } else { value });
    match value {
        Ok(value) if (i128::from(i64::MIN)..=i128::from(u64::MAX)).contains(&value) => Ok(value.to_string()),
        _ => Err(too_large(number.span())),
    }
}

fn real(number: &LitFloat, is_negative: bool) -> syn::Result<String> {
    match number.base10_parse::<f64>() {
        Ok(value) if value.is_finite() => Ok(format!("{:?}", if is_negative { -value } else { value })),
        _ => Err(too_large(number.span())),
    }
}

fn too_large(span: Span) -> Error {
    Error::new(span, "a number has to fit into an `i64`, a `u64` or an `f64`")
}

/// A text as JSON.
fn quoted(text: &LitStr) -> String {
    let mut json = String::from("\"");
    for char in text.value().chars() {
        match char {
            '"' | '\\' => json.extend(['\\', char]),
            control if control < ' ' => drop(write!(json, "\\u{:04x}", u32::from(control))),
            char => json.push(char),
        }
    }
    json.push('"');
    json
}
