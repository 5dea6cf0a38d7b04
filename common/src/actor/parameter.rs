//! What people and the command line have to know about a parameter.

use std::fmt;

use crate::message::Raw;

/// One parameter that travels.
#[derive(Clone, Copy)]
pub struct Parameter {
    /// Its name.
    pub name: &'static str,
    /// Its type, as written in the function's signature.
    pub type_name: &'static str,
    /// What stands for it where a message lacks it, as written in `#[default = …]`.
    pub default: Option<&'static str>,
    /// Whether it is sent by name and not by position (`#[kwarg]`); it is read as it comes.
    pub is_kwarg: bool,
    pub(super) parse: fn(&str) -> Result<Raw, String>,
    pub(super) may_be_absent: fn() -> bool,
}

impl Parameter {
    /// Reads what a person typed: as a string by the type's own serde, else as JSON.
    ///
    /// # Errors
    ///
    /// What was found and what was expected.
    pub fn parse(&self, text: &str) -> Result<Raw, String> {
        (self.parse)(text)
    }

    /// The same, with a default of this spelling. The value itself is where the argument is read:
    /// [`Arguments::next_or`](super::Arguments::next_or).
    #[must_use]
    pub const fn with_default(self, default: &'static str) -> Self {
        Self { default: Some(default), ..self }
    }

    /// The same, sent by name.
    #[must_use]
    pub const fn sent_by_name(self) -> Self {
        Self { is_kwarg: true, ..self }
    }

    /// Whether the actor can do without it.
    #[must_use]
    pub fn may_be_absent(&self) -> bool {
        self.default.is_some() || (self.may_be_absent)()
    }
}

impl fmt::Debug for Parameter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.name, self.type_name)?;
        self.default.map_or(Ok(()), |default| write!(f, " = {default}"))
    }
}
