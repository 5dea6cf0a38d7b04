//! The attribute `#[actor]` of the crate `common`.

mod declaration;
#[path = "../../src/duration/parse.rs"]
mod duration;
mod expand;
mod handle;
mod library;
mod methods;
mod mistakes;
mod options;
mod remote;
mod runner;
mod signature;
mod spell;
mod types;

use proc_macro::TokenStream;

/// Makes a function an actor: something that a message can call.
///
/// The function stays as it is. Beside it stands a type of the same name, with
///
/// - `message(…)`, a call that is a value: to be delayed, composed, sent;
/// - `step(…)`, a call in a pipeline, without its last argument by position, which is what the step before it returned;
/// - `batch([…])`, a call for each item, as a group whose members are counted; several arguments are a tuple;
/// - `send(&broker, …)`, which sends it at once; what it gives waits for the result, and reads it as the type that the actor returns;
/// - `send_blocking(&broker, …)`, the same where nothing is `async`;
/// - `status(&broker, &id)`, what has become of a call, with what it returned as the type that the actor returns, and `status_blocking`;
///
/// and it implements `common::actor::Actor`, so that a worker runs it: `actors![count_to]`. One `use` imports both.
///
/// **By value travels, by reference is state.** A parameter `T` comes from the message and needs `Serialize` and
/// `Deserialize`; a parameter `&T` is state of the worker (`Worker::state`), and `&Context` this run's own context. State has
/// no lifetime of their own: they end with the run. `String` parameters take whatever is `Into<String>` when a message is
/// built. All other parameters keep their exact type.
///
/// **What a message may lack** has a default: `#[default = "EUR"] currency: String`, or `#[default]` for the `Default` of its type.
/// It stands for the argument in messages that were sent before the actor had this parameter, and in those of Python callers who leave
/// it out. A text is converted (`.into()`), any other value has the parameter's type. As in Python, only the last parameters have a
/// default. A sender in Rust gives all arguments.
///
/// **By name.** A parameter with `#[kwarg]` is sent as a keyword argument, as an actor in Python may want it. It comes after those that
/// are sent by position. An actor in Rust reads every argument by position or by name, as it comes.
///
/// An actor may be `async`. It returns `()`, a value with `Serialize`, or a `Result` of such a value, whose error needs
/// `Display`.
///
/// # Options
///
/// | option | value | default |
/// | --- | --- | --- |
/// | `name` | a text: its name on the wire | the function's name |
/// | `queue` | a text: a letter or `_`, then letters, digits, `.`, `_`, `-`; not `__heartbeats__`, `__acks__` or `__acks__.…`, nor ending in `.DQ`, `.XQ` or `.msgs` | `"default"` |
/// | `priority` | from -4000 to 4000; lower runs first | 0 |
/// | `max_retries` | how many retries at most; 0 for none, `"unlimited"` for as many as it takes | the worker's: 20 |
/// | `min_backoff` | the first retry's least wait, a time | the worker's: `"15s"` |
/// | `max_backoff` | the longest wait, a time; more than a week counts as a week | the worker's: `"7d"` |
/// | `throws` | a pattern of errors that are expected: no retry | none is expected |
/// | `retry_when` | a function or closure `fn(u32, &E) -> bool`: retries so far, and the error | `max_retries` decides |
/// | `on_retry_exhausted` | an actor that hears about the last failure | nobody hears |
/// | `on_success` | an actor that hears what this one returned | nobody hears |
/// | `on_failure` | an actor that hears of every failed attempt | nobody hears |
/// | `store_results` | `true` or `false`: whether what it returned is kept | the worker's: `false` |
/// | `result_ttl` | how long that is kept, a time | the worker's: `"10m"` |
/// | `pipe_ignore` | `true` or `false`: whether the next step of a pipeline goes without what this one returned | `false` |
/// | `max_crashes` | after how many deaths of its workers a message is not run again | the worker's: 5 |
/// | `time_limit` | how long a run may take, a time, or `"none"` | the broker's: `"10m"` |
/// | `max_age` | how old a message may be when it is run, a time from when it was first built, or `"none"` | the broker's: none |
/// | `notify_shutdown` | `true` or `false`: whether a run is told that its worker stops | the broker's: `false` |
/// | `remote` | no value: the actor runs elsewhere | it runs here |
/// | `options` | options of your own in parentheses, for middleware of your own | none |
/// | `crate` | the path of this library, where it has another name than `common` | `"::common"` |
///
/// A time is a whole number and a unit, one of `ms`, `s`, `m` (minutes), `h`, `d`: `"500ms"`, `"15s"`, `"7d"`. `"0s"` is
/// no wait at all.
///
/// Two actors cannot name each other in these options, nor can one name itself: the compiler would have to know each
/// before the other.
///
/// # Remote actors
///
/// An actor of another program, in Python perhaps, is declared without a body, and sent like any other:
///
/// ```text
/// #[actor(remote, queue = "python", max_retries = 3)]
/// fn invoice(customer: u64, #[kwarg] due: String) -> f64;
/// ```
///
/// Its options travel with each message, because the program that runs it does not know this declaration. Other actors may name it in
/// `on_success` and the like. Its function cannot be called. A worker that has it in `Worker::actors` does not start;
/// `Worker::remote_actors` is the place for it.
///
/// The type that it returns is that of its result when it succeeds, and the result is read as this type.
///
/// # Options of your own
///
/// `#[actor(options(tenant_required = true, weight = 3))]` declares options that your middleware reads:
/// `run.actor.options.read::<bool>("tenant_required")`. A value is `true`, `false`, a number, a text or a list of these. They stay with
/// the actor and do not travel in messages.
///
/// # The library under another name
///
/// A workspace that has a `common` of its own gives this one another name (`tasks = { package = "common", … }`) and tells it to the
/// attribute: `#[actor(crate = "tasks")]`. The value is a path that leads to the library from where the actor stands, so
/// `crate::reexported::common` will do as well.
///
/// # Not an actor
///
/// Methods, generic functions (including `impl Trait` parameters), `unsafe`, `extern` and `const` functions, and
/// parameters without a plain name. The compiler's message says what to do instead.
///
/// # Source
///
/// dramatiq 2.2, decorator `actor`; options are checked while compiling, and `throws` is a pattern.
#[proc_macro_attribute]
pub fn actor(options: TokenStream, function: TokenStream) -> TokenStream {
    expand::actor(options.into(), function.into()).into()
}
