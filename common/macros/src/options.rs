//! The options in `#[actor(…)]`.

use std::time::Duration;

use proc_macro2::TokenTree;
use syn::ext::IdentExt as _;
use syn::parse::{ParseStream, Parser as _};
use syn::{Error, Expr, Ident, LitBool, LitInt, LitStr, Pat, Path, ReturnType, Signature, Token};

use crate::duration;
use crate::mistakes::Mistakes;

/// All options, in the order in which they are told, each with an example.
const KNOWN: [(&str, &str); 14] = [
    ("name", r#"name = "send_email""#),
    ("queue", r#"queue = "mail""#),
    ("priority", "priority = -5"),
    ("max_retries", "max_retries = 5"),
    ("min_backoff", r#"min_backoff = "15s""#),
    ("max_backoff", r#"max_backoff = "7d""#),
    ("throws", "throws = MailError::Bounce { .. }"),
    ("retry_when", "retry_when = is_temporary"),
    ("on_retry_exhausted", "on_retry_exhausted = tell_admin"),
    ("on_success", "on_success = send_receipt"),
    ("on_failure", "on_failure = count_failures"),
    ("store_results", "store_results = true"),
    ("result_ttl", r#"result_ttl = "10m""#),
    ("max_crashes", "max_crashes = 3"),
];

/// The bound of a priority, in both directions.
const PRIORITY: i32 = 4000;

/// What a time looks like.
const TIME: &str = r#"a time is a number and a unit: `"500ms"`, `"15s"`, `"2m"`, `"1h"`, `"7d"`"#;

/// How the limit of retries is spelt that is none.
const UNLIMITED: &str = "unlimited";

/// How many retries an attribute allows.
#[derive(Clone, Copy)]
pub(crate) enum MaxRetries {
    AtMost(u32),
    Unlimited,
}

/// What an attribute says.
#[derive(Default)]
pub(crate) struct Options {
    pub(crate) name: Option<String>,
    pub(crate) queue: Option<String>,
    pub(crate) priority: i32,
    pub(crate) max_retries: Option<MaxRetries>,
    pub(crate) min_backoff: Option<Duration>,
    pub(crate) max_backoff: Option<Duration>,
    pub(crate) throws: Option<Pat>,
    pub(crate) retry_when: Option<Expr>,
    pub(crate) on_retry_exhausted: Option<Path>,
    pub(crate) on_success: Option<Path>,
    pub(crate) on_failure: Option<Path>,
    pub(crate) store_results: Option<bool>,
    pub(crate) result_ttl: Option<Duration>,
    pub(crate) max_crashes: Option<u32>,
}

impl Options {
    /// Reads what stands in the attribute's parentheses. What is wrong is left out.
    pub(crate) fn parse(attribute: proc_macro2::TokenStream, mistakes: &mut Mistakes) -> Self {
        let mut options = Self::default();
        let parser = |input: ParseStream| {
            options.read_all(input, mistakes);
            Ok(())
        };
        if let Err(error) = parser.parse2(attribute) {
            mistakes.add(error);
        }
        options
    }

    /// Checks that the options fit the function, and leaves out those that do not.
    pub(crate) fn check_use(&mut self, signature: &Signature, mistakes: &mut Mistakes) {
        if !matches!(signature.output, ReturnType::Default) {
            return;
        }
        if let Some(pattern) = self.throws.take() {
            mistakes.at(pattern, "`throws` is for an actor that returns a `Result`; this one returns nothing");
        }
        if let Some(rule) = self.retry_when.take() {
            mistakes.at(rule, "`retry_when` is for an actor that returns a `Result`; this one returns nothing");
        }
    }

    fn read_all(&mut self, input: ParseStream, mistakes: &mut Mistakes) {
        let mut seen = Vec::new();
        while !input.is_empty() {
            if let Err(error) = self.read_one(input, &mut seen) {
                mistakes.add(error);
                skip(input);
            }
            if input.is_empty() {
                break;
            }
            if let Err(error) = input.parse::<Token![,]>() {
                mistakes.add(Error::new(error.span(), "a comma separates options"));
                skip(input);
                // The comma that ends what was skipped, if any.
                drop(input.parse::<Token![,]>());
            }
        }
        if let (Some(min), Some(max)) = (self.min_backoff, self.max_backoff)
            && min > max
            && let Some(key) = seen.iter().find(|key| *key == "min_backoff")
        {
            mistakes.at(key, "`min_backoff` is longer than `max_backoff`");
        }
    }

    fn read_one(&mut self, input: ParseStream, seen: &mut Vec<Ident>) -> syn::Result<()> {
        let key = input
            .call(Ident::parse_any)
            .map_err(|error| Error::new(error.span(), format!("an option looks like this: `{}`", KNOWN[1].1)))?;
        let name = key.to_string();
        let Some((_, example)) = KNOWN.iter().find(|(known, _)| *known == name) else {
            return Err(Error::new(key.span(), unknown(&name)));
        };
        if seen.contains(&key) {
            return Err(Error::new(key.span(), format!("`{name}` is given twice")));
        }
        seen.push(key.clone());
        let needs_value = || format!("`{name}` needs a value: `{example}`");
        if !input.peek(Token![=]) {
            return Err(Error::new(key.span(), needs_value()));
        }
        input.parse::<Token![=]>()?;
        if input.is_empty() || input.peek(Token![,]) {
            return Err(Error::new(key.span(), needs_value()));
        }
        self.read_value(&name, input)
    }

    fn read_value(&mut self, name: &str, input: ParseStream) -> syn::Result<()> {
        match name {
            "name" => self.name = Some(actor_name(input)?),
            "queue" => self.queue = Some(queue_name(input)?),
            "priority" => self.priority = priority(input)?,
            "max_retries" => self.max_retries = Some(number_of_retries(input)?),
            "min_backoff" => self.min_backoff = Some(time(input)?),
            "max_backoff" => self.max_backoff = Some(time(input)?),
            "throws" => {
                self.throws = Some(otherwise(
                    input.call(Pat::parse_multi_with_leading_vert),
                    "`throws` is a pattern of the error: `MailError::Bounce { .. }`",
                )?);
            }
            "retry_when" => {
                self.retry_when = Some(otherwise(
                    input.parse(),
                    "`retry_when` is a function or a closure: `|retries, error| retries < 3`",
                )?);
            }
            "on_retry_exhausted" => self.on_retry_exhausted = Some(actor(input, name)?),
            "on_success" => self.on_success = Some(actor(input, name)?),
            "on_failure" => self.on_failure = Some(actor(input, name)?),
            "store_results" => {
                let yes: LitBool = otherwise(input.parse(), "`store_results` is `true` or `false`")?;
                self.store_results = Some(yes.value);
            }
            "result_ttl" => self.result_ttl = Some(time(input)?),
            _ => self.max_crashes = Some(number_of_crashes(input)?),
        }
        Ok(())
    }
}

/// The path of another actor.
fn actor(input: ParseStream, option: &str) -> syn::Result<Path> {
    otherwise(input.parse(), &format!("`{option}` is the path of an actor: `tell_admin`"))
}

/// Leaves out everything up to the comma before the next option: a closure has commas of its own.
fn skip(input: ParseStream) {
    while !input.is_empty() {
        if input.peek(Token![,]) && input.peek2(Ident::peek_any) && input.peek3(Token![=]) {
            return;
        }
        drop(input.parse::<TokenTree>());
    }
}

/// Replaces a parser's words by ours.
fn otherwise<T>(parsed: syn::Result<T>, message: &str) -> syn::Result<T> {
    parsed.map_err(|error| Error::new(error.span(), message))
}

fn actor_name(input: ParseStream) -> syn::Result<String> {
    let text: LitStr = otherwise(input.parse(), "the name is a text: `\"send_email\"`")?;
    if text.value().is_empty() {
        return Err(Error::new(text.span(), "an actor needs a name that is not empty"));
    }
    Ok(text.value())
}

fn queue_name(input: ParseStream) -> syn::Result<String> {
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

fn priority(input: ParseStream) -> syn::Result<i32> {
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

fn number_of_retries(input: ParseStream) -> syn::Result<MaxRetries> {
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

fn number_of_crashes(input: ParseStream) -> syn::Result<u32> {
    let message = "a number of crashes is a whole number from 1 on: `max_crashes = 3`";
    let number: LitInt = otherwise(input.parse(), message)?;
    match number.base10_parse() {
        Ok(0) | Err(_) => Err(Error::new(number.span(), message)),
        Ok(crashes) => Ok(crashes),
    }
}

fn time(input: ParseStream) -> syn::Result<Duration> {
    let text: LitStr = otherwise(input.parse(), TIME)?;
    duration::parse(&text.value(), TIME).map_err(|message| Error::new(text.span(), message))
}

fn unknown(name: &str) -> String {
    let known: Vec<_> = KNOWN.iter().map(|(known, _)| format!("`{known}`")).collect();
    let meant = KNOWN
        .iter()
        .map(|(known, _)| *known)
        .filter(|known| known.contains(name) || name.contains(known) || distance(known, name) <= name.len() / 3)
        .min_by_key(|known| distance(known, name))
        .map(|known| format!("; did you mean `{known}`?"))
        .unwrap_or_default();
    format!("`#[actor]` has no option `{name}`; it knows {}{meant}", known.join(", "))
}

/// How many letters have to be changed, added or removed.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, a) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, b) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(a != *b);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}
