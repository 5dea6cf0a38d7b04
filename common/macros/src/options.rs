//! The options in `#[actor(…)]`.

mod own;
mod unknown;
mod values;

use std::time::Duration;

use proc_macro2::TokenTree;
use syn::ext::IdentExt as _;
use syn::parse::{ParseStream, Parser as _};
use syn::{Error, Expr, Ident, Pat, Path, ReturnType, Signature, Token};

use self::unknown::unknown;
use self::values::otherwise;
use crate::library::Library;
use crate::mistakes::Mistakes;

/// The option without a value.
const REMOTE: &str = "remote";

/// The option with others inside.
const OPTIONS: &str = "options";

/// All options, in the order in which they are told, each with an example.
const KNOWN: [(&str, &str); 21] = [
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
    ("pipe_ignore", "pipe_ignore = true"),
    ("max_crashes", "max_crashes = 3"),
    ("time_limit", r#"time_limit = "10m""#),
    ("max_age", r#"max_age = "1d""#),
    ("notify_shutdown", "notify_shutdown = true"),
    ("crate", r#"crate = "tasks""#),
    (REMOTE, REMOTE),
    (OPTIONS, "options(weight = 3)"),
];

/// How many retries an attribute allows.
#[derive(Clone, Copy)]
pub(crate) enum MaxRetries {
    AtMost(u32),
    Unlimited,
}

/// A limit of time that an attribute sets, or lifts.
#[derive(Clone, Copy)]
pub(crate) enum TimeLimit {
    Of(Duration),
    None,
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
    pub(crate) pipe_ignore: bool,
    pub(crate) max_crashes: Option<u32>,
    pub(crate) time_limit: Option<TimeLimit>,
    pub(crate) max_age: Option<TimeLimit>,
    pub(crate) notify_shutdown: Option<bool>,
    pub(crate) library: Library,
    /// Whether the actor runs elsewhere.
    pub(crate) is_remote: bool,
    /// Options of the user's own, each with its value as JSON.
    pub(crate) own: Vec<(String, String)>,
    /// The names of all that is given.
    keys: Vec<Ident>,
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
        if self.is_remote {
            for (option, is_given) in [
                ("throws", self.throws.is_some()),
                ("retry_when", self.retry_when.is_some()),
                ("pipe_ignore", self.pipe_ignore),
                ("max_crashes", self.max_crashes.is_some()),
            ] {
                if let Some(key) = self.keys.iter().find(|key| is_given && *key == option) {
                    let message =
                        format!("`{option}` is for the program that runs the actor, and does not travel: leave it out");
                    mistakes.at(key, message);
                }
            }
            return;
        }
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
        while !input.is_empty() {
            if let Err(error) = self.read_one(input) {
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
            && let Some(key) = self.keys.iter().find(|key| *key == "min_backoff")
        {
            mistakes.at(key, "`min_backoff` is longer than `max_backoff`");
        }
    }

    fn read_one(&mut self, input: ParseStream) -> syn::Result<()> {
        let key = input
            .call(Ident::parse_any)
            .map_err(|error| Error::new(error.span(), format!("an option looks like this: `{}`", KNOWN[1].1)))?;
        let name = key.to_string();
        let Some((_, example)) = KNOWN.iter().find(|(known, _)| *known == name) else {
            return Err(Error::new(key.span(), unknown(&name)));
        };
        if self.keys.contains(&key) {
            return Err(Error::new(key.span(), format!("`{name}` is given twice")));
        }
        self.keys.push(key.clone());
        if name == REMOTE {
            self.is_remote = true;
            return if input.peek(Token![=]) {
                Err(Error::new(key.span(), "`remote` stands alone: `#[actor(remote)]`"))
            } else {
                Ok(())
            };
        }
        if name == OPTIONS {
            self.own = own::read(input)?;
            return Ok(());
        }
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
            "name" => self.name = Some(values::actor_name(input)?),
            "queue" => self.queue = Some(values::queue_name(input)?),
            "priority" => self.priority = values::priority(input)?,
            "max_retries" => self.max_retries = Some(values::number_of_retries(input)?),
            "min_backoff" => self.min_backoff = Some(values::time(input)?),
            "max_backoff" => self.max_backoff = Some(values::time(input)?),
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
            "on_retry_exhausted" => self.on_retry_exhausted = Some(values::actor(input, name)?),
            "on_success" => self.on_success = Some(values::actor(input, name)?),
            "on_failure" => self.on_failure = Some(values::actor(input, name)?),
            "store_results" => self.store_results = Some(values::truth(input, name)?),
            "result_ttl" => self.result_ttl = Some(values::time(input)?),
            "pipe_ignore" => self.pipe_ignore = values::truth(input, name)?,
            "max_crashes" => self.max_crashes = Some(values::number_of_crashes(input)?),
            "time_limit" => self.time_limit = Some(values::time_limit(input)?),
            "max_age" => self.max_age = Some(values::time_limit(input)?),
            "notify_shutdown" => self.notify_shutdown = Some(values::truth(input, name)?),
            _ => self.library = Library(Some(values::library(input)?)),
        }
        Ok(())
    }
}

/// Leaves out everything up to the comma before the next option: a closure has commas of its own.
fn skip(input: ParseStream) {
    while !input.is_empty() {
        if input.peek(Token![,]) && input.peek2(Ident::peek_any) && (input.peek3(Token![=]) || has_no_value(input)) {
            return;
        }
        drop(input.parse::<TokenTree>());
    }
}

/// Whether what comes after this comma is an option without `=`.
fn has_no_value(input: ParseStream) -> bool {
    let ahead = input.fork();
    let is_one = |word: Ident| word == REMOTE || word == OPTIONS && ahead.peek(syn::token::Paren);
    ahead.parse::<Token![,]>().is_ok() && ahead.call(Ident::parse_any).is_ok_and(is_one)
}
