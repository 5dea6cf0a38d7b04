//! What the values of options look like.

use std::time::Duration;

use syn::parse::ParseStream;
use syn::{Error, LitBool, LitInt, LitStr, Path, Token};

use super::{MaxRetries, TimeLimit};
use crate::duration;

/// The bound of a priority, in both directions.
const PRIORITY: i32 = 4000;

/// What a time looks like.
const TIME: &str = r#"a time is a number and a unit: `"500ms"`, `"15s"`, `"2m"`, `"1h"`, `"7d"`"#;

/// What a limit of time looks like.
const TIME_LIMIT: &str = r#"a limit is a time, `"500ms"`, `"15s"`, `"2m"`, `"1h"`, `"7d"`, or `"none"`"#;

/// How a limit of time is spelt that is none.
const NO_LIMIT: &str = "none";

/// How the limit of retries is spelt that is none.
const UNLIMITED: &str = "unlimited";

/// Replaces a parser's words by ours.
pub(super) fn otherwise<T>(parsed: syn::Result<T>, message: &str) -> syn::Result<T> {
    parsed.map_err(|error| Error::new(error.span(), message))
}

/// The path of another actor.
pub(super) fn actor(input: ParseStream, option: &str) -> syn::Result<Path> {
    otherwise(input.parse(), &format!("`{option}` is the path of an actor: `tell_admin`"))
}

pub(super) fn actor_name(input: ParseStream) -> syn::Result<String> {
    let text: LitStr = otherwise(input.parse(), "the name is a text: `\"send_email\"`")?;
    if text.value().is_empty() {
        return Err(Error::new(text.span(), "an actor needs a name that is not empty"));
    }
    Ok(text.value())
}

pub(super) fn queue_name(input: ParseStream) -> syn::Result<String> {
    let text: LitStr = otherwise(input.parse(), "the queue's name is a text: `\"mail\"`")?;
    let name = text.value();
    let mut chars = name.chars();
    let starts_well = chars.next().is_some_and(|first| first.is_ascii_alphabetic() || first == '_');
    if !starts_well || !chars.all(|char| char.is_ascii_alphanumeric() || ['.', '_', '-'].contains(&char)) {
        return Err(Error::new(
            text.span(),
            "a queue's name starts with a letter or an underscore, and goes on with letters, digits, `.`, `_` or `-` (all ASCII)",
        ));
    }
    // The same rule as in `common::queue_name`, which says why.
    if ["__heartbeats__", "__acks__"].contains(&&*name)
        || name.starts_with("__acks__.")
        || [".DQ", ".XQ", ".msgs"].iter().any(|end| name.ends_with(end))
    {
        return Err(Error::new(
            text.span(),
            "this name is taken: dramatiq keeps other things of a queue under it (`__heartbeats__`, `__acks__`, names ending in `.DQ`, `.XQ` or `.msgs`)",
        ));
    }
    Ok(name)
}

pub(super) fn priority(input: ParseStream) -> syn::Result<i32> {
    let message = format!("a priority is a number from -{PRIORITY} to {PRIORITY}; lower runs first");
    let minus: Option<Token![-]> = input.parse()?;
    let number: LitInt = otherwise(input.parse(), &message)?;
    let value: i32 = otherwise(number.base10_parse(), &message)?;
    let value = if minus.is_some() { -value } else { value };
    if value.abs() > PRIORITY {
        return Err(Error::new(number.span(), message));
    }
    Ok(value)
}

pub(super) fn number_of_retries(input: ParseStream) -> syn::Result<MaxRetries> {
    let message = "a number of retries is a whole number, 0 for none: `max_retries = 5`; or `\"unlimited\"`";
    if input.peek(LitStr) {
        let text: LitStr = input.parse()?;
        return if text.value() == UNLIMITED {
            Ok(MaxRetries::Unlimited)
        } else {
            Err(Error::new(text.span(), message))
        };
    }
    let number: LitInt = otherwise(input.parse(), message)?;
    otherwise(number.base10_parse(), message).map(MaxRetries::AtMost)
}

pub(super) fn number_of_crashes(input: ParseStream) -> syn::Result<u32> {
    let message = "a number of crashes is a whole number from 1 on: `max_crashes = 3`";
    let number: LitInt = otherwise(input.parse(), message)?;
    match number.base10_parse() {
        Ok(0) | Err(_) => Err(Error::new(number.span(), message)),
        Ok(crashes) => Ok(crashes),
    }
}

pub(super) fn time(input: ParseStream) -> syn::Result<Duration> {
    let text: LitStr = otherwise(input.parse(), TIME)?;
    duration::parse(&text.value(), TIME).map_err(|message| Error::new(text.span(), message))
}

/// A time of more than nothing, or none.
pub(super) fn time_limit(input: ParseStream) -> syn::Result<TimeLimit> {
    let text: LitStr = otherwise(input.parse(), TIME_LIMIT)?;
    if text.value() == NO_LIMIT {
        return Ok(TimeLimit::None);
    }
    match duration::parse(&text.value(), TIME_LIMIT) {
        Ok(time) if !time.is_zero() => Ok(TimeLimit::Of(time)),
        Ok(_) => Err(Error::new(text.span(), TIME_LIMIT)),
        Err(message) => Err(Error::new(text.span(), message)),
    }
}

/// The path of the library: a text, or the path itself, as a macro of the user's would write it with `$crate`.
pub(super) fn library(input: ParseStream) -> syn::Result<Path> {
    let message = "`crate` is the path of the library: `crate = \"tasks\"`";
    if !input.peek(LitStr) {
        return otherwise(input.call(Path::parse_mod_style), message);
    }
    let text: LitStr = input.parse()?;
    otherwise(text.parse_with(Path::parse_mod_style), message)
}

/// `true` or `false`.
pub(super) fn truth(input: ParseStream, option: &str) -> syn::Result<bool> {
    let yes: LitBool = otherwise(input.parse(), &format!("`{option}` is `true` or `false`"))?;
    Ok(yes.value)
}
